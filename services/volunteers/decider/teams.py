"""A team: –founded→ FOUNDED –registered→ ACTIVE ↔ DORMANT, and DISSOLVED in the end (domain.md §4.3)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import assert_never

from contracts.command import Refused
from contracts.volunteers import (
    LeaderAppointed,
    MemberJoined,
    MemberLeft,
    TeamDissolved,
    TeamDormant,
    TeamEvent,
    TeamFounded,
    TeamRegistered,
)
from services.volunteers.commands.teams import (
    AnyTeamCommand,
    AppointLeader,
    DissolveTeam,
    FoundTeam,
    JoinTeam,
    LeaveTeam,
    MarkTeamDormant,
    RegisterTeam,
)
from services.volunteers.decider.lifecycle import TEAM_LIFECYCLE
from services.volunteers.decider.team import Team, TeamState, evolve, initial

__all__ = ["Team", "TeamState", "decide", "evolve", "initial"]

Events = Sequence[TeamEvent]


def decide(command: AnyTeamCommand, team: Team) -> Events:
    """The events that a command comes to. Raises Refused."""
    TEAM_LIFECYCLE.require(command, team.state)
    match command:
        case FoundTeam():
            return _found(command)
        case JoinTeam():
            return [_joined(command, team)]
        case LeaveTeam():
            return _leave(command, team)
        case AppointLeader():
            return _appoint(command, team)
        case RegisterTeam():
            return _register(command, team)
        case MarkTeamDormant():
            return _dormant(command)
        case DissolveTeam():
            return _dissolve(command, team)
        case _:
            assert_never(command)


def _found(command: FoundTeam) -> Events:
    """Whoever founds a team serves; a team that was dissolved may be begun anew."""
    if not command.active:
        raise Refused("member_not_active")
    founded = TeamFounded(
        team_id=command.team_id,
        team_code=command.team_code,
        founder_id=command.founder_id,
        role=command.by.role,
        founded_at=command.at,
    )
    joins = JoinTeam(
        by=command.by,
        at=command.at,
        team_code=command.team_code,
        policy=command.policy,
        volunteer_id=command.founder_id,
        active=True,
    )
    return [founded, _joined(joins, Team())]


def _joined(command: JoinTeam, team: Team) -> MemberJoined:
    if command.volunteer_id in team.members:
        raise Refused("member_already")
    if not command.active:
        raise Refused("member_not_active")
    return MemberJoined(
        team_id=command.team_id,
        team_code=command.team_code,
        volunteer_id=command.volunteer_id,
        members=len(team.members) + 1,
        woke=team.state is TeamState.DORMANT,
        due_at=command.at + timedelta(days=command.policy.dormant_days),
        role=command.by.role,
        joined_at=command.at,
    )


def _leave(command: LeaveTeam, team: Team) -> Events:
    if command.volunteer_id not in team.members:
        raise Refused("not_a_member")
    left = MemberLeft(
        team_id=command.team_id,
        team_code=command.team_code,
        volunteer_id=command.volunteer_id,
        members=len(team.members) - 1,
        was_leader=command.volunteer_id == team.leader_id,
        reason_code=command.reason_code,
        role=command.by.role,
        left_at=command.at,
    )
    return [left]


def _appoint(command: AppointLeader, team: Team) -> Events:
    """One leader at a time, a member, for a term; nobody appoints themselves."""
    if command.by.actor_id == command.leader_id:
        raise Refused("self_grant")
    if command.leader_id not in team.members:
        raise Refused("not_a_member")
    longest = command.at + timedelta(days=command.policy.term_days_max)
    if command.ends_at <= command.at:
        raise Refused("time_impossible", field="term_until")
    if command.ends_at > longest:
        raise Refused("term_too_long", days_max=command.policy.term_days_max)
    appointed = LeaderAppointed(
        team_id=command.team_id,
        team_code=command.team_code,
        leader_id=command.leader_id,
        previous_leader_id=team.leader_id,
        due_at=command.ends_at,
        role=command.by.role,
        appointed_at=command.at,
    )
    return [appointed]


def _register(command: RegisterTeam, team: Team) -> Events:
    """Enough members, and one of them leads."""
    if len(team.members) < command.policy.members_min:
        raise Refused("too_few_members", members=len(team.members), members_min=command.policy.members_min)
    leader_id = team.led_by(command.at)
    if leader_id is None:
        raise Refused("leader_needed")
    registered = TeamRegistered(
        team_id=command.team_id,
        team_code=command.team_code,
        members=len(team.members),
        leader_id=leader_id,
        due_at=command.at + timedelta(days=command.policy.dormant_days),
        role=command.by.role,
        registered_at=command.at,
    )
    return [registered]


def _dormant(command: MarkTeamDormant) -> Events:
    due_at = command.last_activity_at + timedelta(days=command.policy.dormant_days)
    if command.at < due_at:
        raise Refused("not_due", due_at=due_at)
    dormant = TeamDormant(
        team_id=command.team_id,
        team_code=command.team_code,
        last_activity_at=command.last_activity_at,
        role=command.by.role,
        dormant_at=command.at,
    )
    return [dormant]


def _dissolve(command: DissolveTeam, team: Team) -> Events:
    dissolved = TeamDissolved(
        team_id=command.team_id,
        team_code=command.team_code,
        members=len(team.members),
        reason_code=command.reason_code,
        role=command.by.role,
        dissolved_at=command.at,
    )
    return [dissolved]
