"""Claims that lost a race, and the month's random check."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from hashlib import sha256
from uuid import UUID

from contracts.command import SYSTEM
from eventstore.executor import Plan
from eventstore.timers import Due, DueCommand
from servicekit.process import Runtime
from servicekit.working_days import due_after
from services.volunteers.commands.hours import DrawSample, LogHours, drawn
from services.volunteers.policy import current_policy, review_due
from services.volunteers.read_models import hours_queries
from services.volunteers.read_models.hours import month_of

Build = Callable[[], Awaitable[Plan]]


def due_of(runtime: Runtime) -> Due:
    """Claims that stayed CONFIRMED because their crediting lost a race; the check of the last month."""

    async def due(at: datetime, limit: int) -> Sequence[DueCommand]:
        async with runtime.log.queries() as connection:
            rows = await hours_queries.claims_in(connection, "CONFIRMED", limit)
            month = await hours_queries.month_to_draw(connection, month_of(at))
        found = [DueCommand(f"log-hours:{row['claim_id']}", _logging(runtime, row["claim_id"], at)) for row in rows]
        if month is not None and current_policy().hours.sample_percent:
            start = month["month_start"]
            found.append(DueCommand(f"sample:{start}", _sampling(runtime, start, at)))
        return found

    return due


def _logging(runtime: Runtime, claim_id: UUID, at: datetime) -> Build:
    async def build() -> Plan:
        async with runtime.log.queries() as connection:
            (claim,) = await hours_queries.claims_by_id(connection, [claim_id])
            day = await hours_queries.day_facts(connection, claim)
        logs = LogHours(
            by=SYSTEM, at=at, claim_id=claim_id, day=day, due_at=review_due(at), policy=current_policy().hours
        )
        return Plan([logs])

    return build


def _sampling(runtime: Runtime, month_start: date, at: datetime) -> Build:
    """The whole month's draw in one append. Its seed is the root of this log now, which nobody chooses."""

    async def build() -> Plan:
        policy = current_policy().hours
        root = (await runtime.log.head()).root
        seed = sha256(month_start.isoformat().encode() + root).hexdigest()
        async with runtime.log.queries() as connection:
            claim_ids = await hours_queries.credited_in(connection, month_start)
        draws = [
            DrawSample(
                by=SYSTEM,
                at=at,
                claim_id=claim_id,
                month_start=month_start,
                seed=seed,
                population=len(claim_ids),
                due_at=due_after(at, policy.sample_working_days),
                policy=policy,
            )
            for claim_id in drawn(seed, claim_ids, policy.sample_percent)
        ]
        return Plan(draws)

    return build
