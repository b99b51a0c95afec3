"""What may be asked about a team. One code of the community's list is one team, and one stream."""

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from pydantic import AwareDatetime

from contracts.command import Ask, Command
from contracts.event import Code, UnitCode
from services.volunteers.commands.words import TeamPolicy, team_id_of, team_stream


class FoundTeamAsk(Ask):
    """A volunteer begins a team whose name is on the community's list."""

    team_code: UnitCode
    founder_id: UUID


class MemberAsk(Ask):
    """Who joins."""

    volunteer_id: UUID


class LeaveTeamAsk(Ask):
    """Who leaves; nobody has to say why."""

    volunteer_id: UUID
    reason_code: Code | None = None


class AppointLeaderAsk(Ask):
    """Who leads from now on, and until when; absent: for the usual term."""

    leader_id: UUID
    term_until: AwareDatetime | None = None


class DissolveTeamAsk(Ask):
    """Why a team ends."""

    reason_code: Literal["members_wish", "too_few", "merged", "dormant", "other"]


class TeamCommand(Command):
    """A command decided on a team's stream."""

    team_code: UnitCode
    policy: TeamPolicy = TeamPolicy()

    @property
    def team_id(self) -> UUID:
        """Derived from the code."""
        return team_id_of(self.team_code)

    @property
    def stream(self) -> str:
        """`team-<uuid>`."""
        return team_stream(self.team_code)


class FoundTeam(TeamCommand):
    """Begin a team; the founder is its first member."""

    founder_id: UUID
    active: bool
    """The founder is an ACTIVE volunteer."""


class JoinTeam(TeamCommand):
    """Become a member. Many teams a person are allowed."""

    volunteer_id: UUID
    active: bool
    """They are an ACTIVE or PAUSED volunteer."""


class LeaveTeam(TeamCommand):
    """Stop being a member; who leads lays that down as well."""

    volunteer_id: UUID
    reason_code: Code | None = None


class AppointLeader(TeamCommand):
    """Let one member lead, and nobody else."""

    leader_id: UUID
    term_until: AwareDatetime | None = None

    @property
    def ends_at(self) -> datetime:
        """The end of the term: as said, else the usual one's."""
        return self.term_until or self.at + timedelta(days=self.policy.term_days)


class RegisterTeam(TeamCommand):
    """Register a founded team, or take a dormant one up again."""


class MarkTeamDormant(TeamCommand):
    """Note that nothing happened for long."""

    last_activity_at: AwareDatetime
    """When somebody last joined, or a member's hours were credited."""


class DissolveTeam(TeamCommand):
    """End a team."""

    reason_code: Code


TEAM_COMMANDS: tuple[type[TeamCommand], ...] = (
    FoundTeam,
    JoinTeam,
    LeaveTeam,
    AppointLeader,
    RegisterTeam,
    MarkTeamDormant,
    DissolveTeam,
)
AnyTeamCommand = FoundTeam | JoinTeam | LeaveTeam | AppointLeader | RegisterTeam | MarkTeamDormant | DissolveTeam
