"""Levels that credited minutes reach, and stars whose minutes were corrected below theirs."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from contracts.command import SYSTEM
from eventstore.executor import Plan
from eventstore.timers import Due, DueCommand
from servicekit.process import Runtime
from services.volunteers.commands.stars import ReachStar, ReviewStar
from services.volunteers.policy import current_policy
from services.volunteers.read_models import star_queries
from services.volunteers.read_models.queries import Row


def due_of(runtime: Runtime) -> Due:
    """ReachStar, ReviewStar: one level at a time."""

    async def due(at: datetime, limit: int) -> Sequence[DueCommand]:
        policy = current_policy().stars
        async with runtime.log.queries() as connection:
            reached = await star_queries.to_reach(connection, policy, limit)
            fallen = await star_queries.to_review(connection, policy, limit)
        return [
            # The minutes are in the key: a level that was lost can be reached again.
            DueCommand(
                f"{command.__name__}:{row['volunteer_id']}:{row['level']}:{row['a']}/{row['b']}/{row['c']}:{at.date()}",
                _asking(runtime, command, row, at),
            )
            for command, rows in ((ReachStar, reached), (ReviewStar, fallen))
            for row in rows
        ]

    return due


def _asking(
    runtime: Runtime, command: type[ReachStar] | type[ReviewStar], row: Row, at: datetime
) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        async with runtime.log.queries() as connection:
            minutes = await star_queries.minutes_of(connection, row["volunteer_id"])
        asked = command(
            by=SYSTEM,
            at=at,
            volunteer_id=row["volunteer_id"],
            level=row["level"],
            minutes=minutes,
            policy=current_policy().stars,
        )
        return Plan([asked])

    return build
