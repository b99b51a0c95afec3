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
from services.orders.commands.serving import CloseOrder
from services.orders.commands.welfare import EscalateWelfareCheck
from services.orders.commands.words import order_stream
from services.orders.decider.due import falls_due
from services.orders.decider.fitness import need_of
from services.orders.decider.state import Order
from services.orders.policy import current_policy, working_deadlines
from services.orders.read_models import beside, facts, queries
from services.orders.read_models.fetching import Row

_CAUSES: dict[str, LapseCause] = {
    "PENDING": "volunteer_withdrawn",
    "PAUSED": "volunteer_paused",
    "SUSPENDED": "volunteer_suspended",
    "REJECTED": "volunteer_withdrawn",
    "WITHDRAWN": "volunteer_withdrawn",
}
_LAPSES_MAX = 50


def due_of(runtime: Runtime) -> Due:
    """The timer's work: deadlines that passed, the longest overdue first, and slots of volunteers who cannot serve."""

    async def due(at: datetime, limit: int) -> Sequence[DueCommand]:
        async with runtime.log.queries() as connection:
            late = await queries.due_orders(connection, at, limit)
            lost = await queries.assignments_to_lapse(connection, _LAPSES_MAX)
            unchecked = await beside.due_checks(connection, at, limit)
        # The order's version is in the key: a deadline that was moved and set again is another one.
        deadlines = [
            DueCommand(f"{row['next_due_for']}:{row['order_id']}:{row['version']}", _deadline(runtime, row["order_id"]))
            for row in late
        ]
        lapses = [DueCommand(f"lapse:{row['assignment_id']}", _lapse(runtime, row)) for row in lost]
        # A person in danger comes before everything else.
        checks = [
            DueCommand(f"check:{row['check_id']}:{row['level']}", _rising(runtime, row["check_id"]))
            for row in unchecked
        ]
        return [*checks, *lapses, *deadlines]

    return due


def _deadline(runtime: Runtime, order_id: UUID) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        _, order = await runtime.executor.state(order_stream(order_id))
        assert isinstance(order, Order)
        at, policy = runtime.clock.now(), current_policy()
        command = falls_due(order, at, policy, working_deadlines(at))
        if command is None and order.due_for == "wave" and order.due_at is not None and order.due_at <= at:
            command = await _next_wave(runtime, order, at)
        if isinstance(command, CloseOrder):
            async with runtime.log.queries() as connection:
                waiting = await beside.open_matters(connection, order_id)
            command = command.model_copy(update=waiting)
        if command is None:
            raise Refused("not_due", due_at=order.due_at)
        return Plan([command])

    return build


def _rising(runtime: Runtime, check_id: UUID) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        at, policy = runtime.clock.now(), current_policy()
        return Plan([EscalateWelfareCheck(by=SYSTEM, at=at, check_id=check_id, policy=policy)])

    return build


async def _next_wave(runtime: Runtime, order: Order, at: datetime) -> OrderCommand:
    """3 → 8 → pool; the pool also when nobody is left to ask by name."""
    policy, need = current_policy(), need_of(order)
    async with runtime.log.queries() as connection:
        ranked = rank(await facts.volunteers(connection, need, at, policy), need, at, policy)
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
