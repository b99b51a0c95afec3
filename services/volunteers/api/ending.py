"""What ends with volunteering, whatever the reason: the same few commands, in one append."""

from datetime import datetime
from uuid import UUID

from contracts.command import By, Command
from servicekit.process import Runtime
from services.volunteers.commands.helping import WithdrawVolunteer
from services.volunteers.commands.words import volunteer_stream
from services.volunteers.decider.helping import LIVE

CONSENT_WITHDRAWN = "consent_withdrawn"


async def volunteering_ends(
    runtime: Runtime, by: By, at: datetime, person_id: UUID, reason_code: str | None
) -> list[Command]:
    """The commands by which somebody stops being a volunteer; none for who is none."""
    _, volunteer = await runtime.executor.state(volunteer_stream(person_id))
    if volunteer.state not in LIVE:
        return []
    return [WithdrawVolunteer(by=by, at=at, volunteer_id=person_id, reason_code=reason_code)]
