"""Rests and suspensions that ran out, and licences whose last day is over."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from contracts.command import SYSTEM
from eventstore.executor import Plan
from eventstore.timers import Due, DueCommand
from servicekit.process import Runtime
from services.volunteers.commands.helping import (
    ExpireLicence,
    ReinstateVolunteer,
    ResumeVolunteer,
    VolunteerCommand,
)
from services.volunteers.read_models import due_queries

_ENDS: dict[str, type[VolunteerCommand]] = {"PAUSED": ResumeVolunteer, "SUSPENDED": ReinstateVolunteer}


def due_of(runtime: Runtime) -> Due:
    """ResumeVolunteer, ReinstateVolunteer, ExpireLicence."""

    async def due(at: datetime, limit: int) -> Sequence[DueCommand]:
        async with runtime.log.queries() as connection:
            rests = await due_queries.rests_over(connection, at, limit)
            licences = await due_queries.licences_over(connection, at, limit)
        found = [
            # The moment is in the key: a rest taken again is another deadline.
            DueCommand(
                f"{_ENDS[row['state']].__name__}:{row['volunteer_id']}:{row['until'].isoformat()}",
                _asking(_ENDS[row["state"]](by=SYSTEM, at=at, volunteer_id=row["volunteer_id"])),
            )
            for row in rests
        ]
        for row in licences:
            expire = ExpireLicence(by=SYSTEM, at=at, volunteer_id=row["volunteer_id"], licence_id=row["licence_id"])
            found.append(DueCommand(f"expire-licence:{row['licence_id']}", _asking(expire)))
        return found

    return due


def _asking(command: VolunteerCommand) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        return Plan([command])

    return build
