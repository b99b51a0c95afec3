"""What falls due: one deadline an order (I6), looked up in its row, decided on its stream."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from contracts.command import SYSTEM, Refused
from contracts.orders import LapseCause
from eventstore.executor import Plan
from eventstore.timers import Due, DueCommand
from servicekit.definition import Runtime
from services.orders.api.dispatching import proposals
from services.orders.candidates import invited, next_wave, rank, waves_are_over
from services.orders.commands.placing import DispatchOrder, LapseAssignment, OpenOrder, OrderCommand
from services.orders.commands.words import order_stream
from services.orders.decider.due import falls_due
from services.orders.decider.fitness import need_of
from services.orders.decider.state import Order
from services.orders.policy import current_policy
from services.orders.read_models import facts, queries
from services.orders.read_models.fetching import Row

_CAUSES: dict[str, LapseCause] = {
    "PENDING": "volunteer_withdrawn",
    "PAUSED": "volunteer_paused",
    "SUSPENDED": "volunteer_suspended",
    "WITHDRAWN": "volunteer_withdrawn",
}
_LAPSES_MAX = 50


def due_of(runtime: Runtime) -> Due:
    """The timer's work: deadlines that passed, the longest overdue first, and slots of volunteers who cannot serve."""

    async def due(at: datetime, limit: int) -> Sequence[DueCommand]:
        async with runtime.log.queries() as connection:
            late = await queries.due_orders(connection, at, limit)
            lost = await queries.assignments_to_lapse(connection, _LAPSES_MAX)
        # The order's version is in the key: a deadline that was moved and set again is another one.
        deadlines = [
            DueCommand(f"{row['next_due_for']}:{row['order_id']}:{row['version']}", _deadline(runtime, row["order_id"]))
            for row in late
        ]
        lapses = [DueCommand(f"lapse:{row['assignment_id']}", _lapse(runtime, row)) for row in lost]
        return [*lapses, *deadlines]

    return due


def _deadline(runtime: Runtime, order_id: UUID) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        _, order = await runtime.executor.state(order_stream(order_id))
        assert isinstance(order, Order)
        at, policy = runtime.clock.now(), current_policy()
        command = falls_due(order, at, policy)
        if command is None and order.due_for == "wave" and order.due_at is not None and order.due_at <= at:
            command = await _next_wave(runtime, order, at)
        if command is None:
            raise Refused("not_due", due_at=order.due_at)
        return Plan([command])

    return build


async def _next_wave(runtime: Runtime, order: Order, at: datetime) -> OrderCommand:
    """3 → 8 → pool; the pool also when nobody is left to ask by name."""
    policy, need = current_policy(), need_of(order)
    async with runtime.log.queries() as connection:
        ranked = rank(await facts.volunteers(connection, need, at), need, at, policy)
    chosen = [] if waves_are_over(order.round_waves, policy) else next_wave(ranked, order.round_waves, policy)
    if chosen:
        return DispatchOrder(by=SYSTEM, at=at, order_id=order.order_id, policy=policy, proposals=proposals(chosen))
    told = invited(ranked, need, policy)
    return OpenOrder(by=SYSTEM, at=at, order_id=order.order_id, policy=policy, invited=told)


def _lapse(runtime: Runtime, row: Row) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        lapse = LapseAssignment(
            by=SYSTEM,
            at=runtime.clock.now(),
            order_id=row["order_id"],
            policy=current_policy(),
            assignment_id=row["assignment_id"],
            cause="person_erased" if row["erased_at"] is not None else _CAUSES[row["state"]],
        )
        return Plan([lapse])

    return build
