"""What falls due in volunteers: each part lists its own; a guard makes a second firing harmless."""

from collections.abc import Sequence
from datetime import datetime

from eventstore.timers import Due, DueCommand
from servicekit.process import Runtime
from services.volunteers.timers import helping, hours, stars, teams


def due_of(runtime: Runtime) -> Due:
    """All that falls due."""
    parts = (hours.due_of(runtime), helping.due_of(runtime), teams.due_of(runtime), stars.due_of(runtime))

    async def due(at: datetime, limit: int) -> Sequence[DueCommand]:
        return [command for part in parts for command in await part(at, limit)]

    return due
