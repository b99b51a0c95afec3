"""What ends with volunteering, whatever the reason: the same few commands, in one append."""

from datetime import datetime
from uuid import UUID

from contracts.command import By, Command
from servicekit.process import Runtime
from services.volunteers.commands.helping import WithdrawVolunteer
from services.volunteers.commands.people import RevokeRole
from services.volunteers.commands.teams import LeaveTeam
from services.volunteers.commands.words import volunteer_stream
from services.volunteers.decider.helping import LIVE
from services.volunteers.read_models.team_queries import leader_grants, teams_of

CONSENT_WITHDRAWN = "consent_withdrawn"
WITHDREW = "volunteer_withdrawn"
LEADS_NO_MORE = "leads_no_more"


async def volunteering_ends(
    runtime: Runtime, by: By, at: datetime, person_id: UUID, reason_code: str | None
) -> list[Command]:
    """The commands by which somebody stops being a volunteer; none for who is none."""
    _, volunteer = await runtime.executor.state(volunteer_stream(person_id))
    if volunteer.state not in LIVE:
        return []
    ended = WithdrawVolunteer(by=by, at=at, volunteer_id=person_id, reason_code=reason_code)
    return [ended, *await memberships_end(runtime, by, at, person_id)]


async def memberships_end(runtime: Runtime, by: By, at: datetime, person_id: UUID) -> list[Command]:
    """The commands by which somebody leaves every team, and leads none any more."""
    async with runtime.log.queries() as connection:
        teams = await teams_of(connection, person_id)
    commands: list[Command] = []
    for team in teams:
        team_code = team["team_code"]
        commands.append(LeaveTeam(by=by, at=at, team_code=team_code, volunteer_id=person_id, reason_code=WITHDREW))
        commands += await leadership_ends(runtime, by, at, team_code, person_id)
    return commands


async def leadership_ends(runtime: Runtime, by: By, at: datetime, team_code: str, person_id: UUID) -> list[Command]:
    """The commands by which somebody's role as leader of a team ends; none for who does not lead it."""
    async with runtime.log.queries() as connection:
        grants = await leader_grants(connection, person_id, team_code, at)
    return [
        RevokeRole(by=by, at=at, person_id=person_id, grant_id=grant_id, reason_code=LEADS_NO_MORE)
        for grant_id in grants
    ]
