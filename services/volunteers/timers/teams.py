"""Teams in which nothing happened for long, and members who are no volunteers any more."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from contracts.command import SYSTEM
from eventstore.executor import Plan
from eventstore.timers import Due, DueCommand
from servicekit.process import Runtime
from services.volunteers.commands.teams import LeaveTeam, MarkTeamDormant, TeamCommand
from services.volunteers.policy import current_policy
from services.volunteers.read_models import team_queries

NO_VOLUNTEER = "volunteer_withdrawn"


def due_of(runtime: Runtime) -> Due:
    """MarkTeamDormant, LeaveTeam."""

    async def due(at: datetime, limit: int) -> Sequence[DueCommand]:
        policy = current_policy().teams
        async with runtime.log.queries() as connection:
            rows = await team_queries.dormant_teams(connection, at, policy.dormant_days, limit)
            strays = await team_queries.strays(connection, limit)
        found = []
        for row in rows:
            last, team_code = row["last_activity_at"], row["team_code"]
            marks = MarkTeamDormant(by=SYSTEM, at=at, team_code=team_code, policy=policy, last_activity_at=last)
            found.append(DueCommand(f"dormant:{team_code}:{last.isoformat()}", _asking(marks)))
        for row in strays:
            who, team_code = row["volunteer_id"], row["team_code"]
            leaves = LeaveTeam(by=SYSTEM, at=at, team_code=team_code, volunteer_id=who, reason_code=NO_VOLUNTEER)
            key = f"leave:{team_code}:{who}:{row['joined_at'].isoformat()}"
            found.append(DueCommand(key, _asking(leaves)))
        return found

    return due


def _asking(command: TeamCommand) -> Callable[[], Awaitable[Plan]]:
    async def build() -> Plan:
        return Plan([command])

    return build
