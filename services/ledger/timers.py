"""What falls due in the ledger: approvals that waited too long for their payment, markets that nobody disclosed."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

from contracts.command import SYSTEM, Command
from eventstore.executor import Plan
from eventstore.timers import Due, DueCommand
from servicekit.definition import Runtime
from services.ledger.commands import DiscloseMarket, LapseAidApproval, ReleaseHold, aid_stream
from services.ledger.decider.aid_state import AidCase
from services.ledger.policy import current_policy
from services.ledger.read_models import aid_queries, goods_queries


def due_of(runtime: Runtime) -> Due:
    """The timer's work, the longest overdue first."""

    async def due(at: datetime, limit: int) -> Sequence[DueCommand]:
        async with runtime.log.queries() as connection:
            rows = await aid_queries.lapsing(connection, at, limit)
            undisclosed = await goods_queries.to_disclose(connection, at, limit)
        # The moment is in the key: approvals given anew lapse anew.
        lapsing = [
            DueCommand(f"lapse:{row['case_id']}:{row['lapses_at'].isoformat()}", _lapse(runtime, row["case_id"]))
            for row in rows
        ]
        disclosing = [
            DueCommand(
                f"disclose:{row['market_id']}:{row['disclose_at'].isoformat()}", _disclose(runtime, row["market_id"])
            )
            for row in undisclosed
        ]
        return [*lapsing, *disclosing][:limit]

    return due


def _lapse(runtime: Runtime, case_id: UUID) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        at = runtime.clock.now()
        _, case = await runtime.executor.state(aid_stream(case_id))
        assert isinstance(case, AidCase)
        plan: list[Command] = [LapseAidApproval(by=SYSTEM, at=at, case_id=case_id, policy=current_policy())]
        if case.hold_id is not None and case.lapses_at is not None and case.lapses_at <= at:
            plan.append(ReleaseHold(by=SYSTEM, at=at, hold_id=case.hold_id, cause="lapsed"))
        return Plan(plan)

    return build


def _disclose(runtime: Runtime, market_id: UUID) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        at = runtime.clock.now()
        return Plan([DiscloseMarket(by=SYSTEM, at=at, market_id=market_id, policy=current_policy())])

    return build
