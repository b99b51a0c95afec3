"""How an event of an order is made complete: what all of them carry, and whose turn it is afterwards."""

from datetime import timedelta
from typing import Any, TypeVar, cast
from uuid import UUID

from contracts.orders import InOrderStream, OrderNotice, OrderState, Staffing
from services.orders.commands.placing import OrderCommand
from services.orders.decider.deadlines import duty
from services.orders.decider.evolve import evolve
from services.orders.decider.state import FILLING, Assignment, Order

E = TypeVar("E", bound=InOrderStream)


def say(order: Order, command: OrderCommand, event_class: type[E], state: OrderState, **fields: Any) -> E:
    """The event, with what a notice needs, and with the owner and deadline that hold after it."""
    if issubclass(event_class, OrderNotice):
        known = {
            "order_no": order.order_no,
            "item_code": order.item.item_code,
            "beneficiary_id": order.beneficiary_id,
            "requested_by": order.requested_by,
            "grid_id": order.grid_id,
            "window_start": order.window_start,
            "window_end": order.window_end,
        }
        # A new time is said by the event that moves the order.
        fields = known | fields
    event = event_class(order_id=command.order_id, role=command.by.role, state=state, **fields)
    return with_duty(order, command, event)


def with_duty(order: Order | None, command: OrderCommand, event: E) -> E:
    """The same event with the owner and the one deadline that hold once it has happened (I6)."""
    turn = duty(evolve(order, event), command.at, command.policy)
    update = {"owner_role": turn.owner_role, "next_due_at": turn.due_at, "next_due_for": turn.due_for}
    return cast(E, event.model_copy(update=update))


def staffing(assignments: tuple[Assignment, ...]) -> tuple[Staffing, ...]:
    """Who fills the slots, with their minutes where these are known."""
    return tuple(
        Staffing(assignment_id=one.assignment_id, volunteer_id=one.volunteer_id, minutes=one.minutes)
        for one in assignments
        if one.served in FILLING
    )


def lead_minutes(order: Order, command: OrderCommand) -> int:
    """Whole minutes until the window begins, rounded down; negative when it has begun."""
    return (order.window_start - command.at) // timedelta(minutes=1)


def released(order: Order) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """The volunteers whose slots fall away with the order, and their assignments."""
    return tuple(one.volunteer_id for one in order.held), tuple(one.assignment_id for one in order.held)
