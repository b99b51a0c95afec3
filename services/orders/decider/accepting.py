"""接单, 退单, 接单失效: whose time is promised, and what becomes of the order when a promise ends."""

from collections.abc import Sequence
from uuid import UUID

from contracts.command import Refused
from contracts.orders import (
    AcceptanceWithdrawn,
    AssignmentLapsed,
    OrderAccepted,
    OrderEvent,
    OrderStaffed,
    OrderState,
)
from services.orders.commands.placing import AcceptOrder, LapseAssignment, WithdrawAcceptance
from services.orders.decider.deadlines import minutes_after
from services.orders.decider.dispatching import after_offers
from services.orders.decider.evolve import evolve
from services.orders.decider.fitness import checked, need_of, told, unfit, untrained
from services.orders.decider.lifecycle import require
from services.orders.decider.saying import lead_minutes, say, staffing
from services.orders.decider.state import DONE, LIVE, Assignment, Order, Served
from services.orders.decider.states import ENDED

Events = Sequence[OrderEvent]


def accept(command: AcceptOrder, order: Order) -> Events:
    """Take a slot: the first commit wins. The one that fills the last slot also says OrderStaffed."""
    volunteer = command.volunteer
    if order.holds(volunteer.volunteer_id) is not None and order.state not in ENDED:
        raise Refused("accepted_already")
    require(command, order.state)
    if command.at >= order.window_end:
        raise Refused("window_over", window_end=order.window_end)
    if order.free_slots <= 0:
        raise Refused("already_taken")
    offer = order.offer_to(volunteer.volunteer_id)
    if order.state is OrderState.OFFERED and (offer is None or command.at >= offer.expires_at):
        raise Refused("offer_not_live")
    need = need_of(order)
    reasons = unfit(volunteer, need) + untrained(volunteer, need, command.policy)
    if reasons:
        raise told(reasons)
    buffer = command.policy.travel_buffer_minutes
    full = order.free_slots == 1
    left = [one for one in order.offers if one.volunteer_id != volunteer.volunteer_id]
    accepted = say(
        order,
        command,
        OrderAccepted,
        OrderState.ACCEPTED if full else _still_searching(order, len(left)),
        assignment_id=command.assignment_id,
        volunteer_id=volunteer.volunteer_id,
        offer_id=offer.offer_id if offer is not None else None,
        slots_filled=order.filled + 1,
        slots_required=order.item.slots,
        expected_minutes=order.item.expected_minutes,
        busy_from=minutes_after(order.window_start, -buffer),
        busy_until=minutes_after(order.window_end, buffer),
        checked=tuple(checked(volunteer, need)),
        accepted_at=command.at,
    )
    if not full:
        return [accepted]
    order = evolve(order, accepted)
    staffed = say(
        order,
        command,
        OrderStaffed,
        OrderState.ACCEPTED,
        assignments=staffing(order.assignments),
        offers_ended=tuple(one.offer_id for one in left),
        staffed_at=command.at,
    )
    return [accepted, staffed]


def withdraw(command: WithdrawAcceptance, order: Order) -> Events:
    """Give a slot back, before one's own check-in only."""
    held = order.holds(command.volunteer_id)
    if held is None:
        raise Refused("not_assigned")
    if held.served is not Served.HELD:
        raise Refused("service_begun", state=order.state.value)
    state, filled, remaining = without(order, held)
    withdrawn = say(
        order,
        command,
        AcceptanceWithdrawn,
        state,
        assignment_id=held.assignment_id,
        volunteer_id=held.volunteer_id,
        lead_minutes=lead_minutes(order, command),
        reason_code=command.reason_code,
        slots_filled=filled,
        slots_required=order.item.slots,
        remaining=remaining,
        withdrawn_at=command.at,
    )
    return [withdrawn]


def lapse(command: LapseAssignment, order: Order) -> Events:
    """End a slot whose volunteer can no longer serve; a service that has begun is never taken away."""
    held = order.assignment(command.assignment_id)
    if held is None or held.served is not Served.HELD:
        raise Refused("not_assigned")
    until = held.reconfirm_until
    if command.cause == "not_reconfirmed" and (until is None or command.at < until):
        raise Refused("not_due", due_at=until)
    return [lapsed(order, held, command)]


def lapsed(order: Order, held: Assignment, command: LapseAssignment) -> AssignmentLapsed:
    """The event of a slot that falls free."""
    state, filled, remaining = without(order, held)
    return say(
        order,
        command,
        AssignmentLapsed,
        state,
        assignment_id=held.assignment_id,
        volunteer_id=held.volunteer_id,
        cause=command.cause,
        lead_minutes=lead_minutes(order, command),
        slots_filled=filled,
        slots_required=order.item.slots,
        remaining=remaining,
        source_event_id=command.source_event_id,
        lapsed_at=command.at,
    )


def _still_searching(order: Order, offers_left: int) -> OrderState:
    return OrderState.OPEN if order.state is OrderState.OPEN else after_offers(offers_left)


def without(order: Order, held: Assignment) -> tuple[OrderState, int, tuple[UUID, ...]]:
    """The state after losing one slot, how many are still filled, and by whom (domain.md §4.1, Assignments)."""
    others = [one for one in order.assignments if one.assignment_id != held.assignment_id]
    filled = order.filled - 1
    remaining = tuple(one.volunteer_id for one in others if one.served in LIVE)
    state = order.state
    if state is OrderState.ACCEPTED:
        state = OrderState.VERIFIED
    elif state is OrderState.IN_SERVICE and not remaining and any(one.served in DONE for one in others):
        state = OrderState.SERVED
    return state, filled, remaining
