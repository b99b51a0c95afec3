"""Routes about teams: begun, joined and left by volunteers, registered by the station, led by one of them."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Command, Role
from contracts.event import UnitCode
from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command, not_found
from servicekit.process import Runtime
from servicekit.reference import reference, require
from services.volunteers.access import DESK, READ_MEMBERS, READ_TEAMS, WATCH
from services.volunteers.api.ending import leadership_ends
from services.volunteers.api.shared import NothingMore, Running, json_answer, profile_of
from services.volunteers.commands.people import GrantRole
from services.volunteers.commands.teams import (
    AppointLeader,
    AppointLeaderAsk,
    DissolveTeam,
    DissolveTeamAsk,
    FoundTeam,
    FoundTeamAsk,
    JoinTeam,
    LeaveTeam,
    LeaveTeamAsk,
    MemberAsk,
    RegisterTeam,
    TeamCommand,
)
from services.volunteers.policy import current_policy
from services.volunteers.read_models import queries, team_queries

router = APIRouter(prefix="/v1/teams", tags=["teams"])
_SERVING = frozenset({"ACTIVE", "PAUSED"})
_TO_FOUND = frozenset({"ACTIVE"})
_NAMES = frozenset({*DESK, *WATCH})
"""Who sees the members' names whatever these agreed to: those who see them anyway."""


@router.post("", status_code=201)
async def found_team(ask: FoundTeamAsk, context: Commanding) -> JSONResponse:
    """Begin a team of the community's list; the founder is its first member."""
    _known(ask.team_code)

    async def build() -> Plan:
        relations, serves = await _stands(context, ask.team_code, ask.founder_id, _TO_FOUND)
        founded = FoundTeam(
            by=context.by(FoundTeam, relations),
            at=context.runtime.clock.now(),
            team_code=ask.team_code,
            founder_id=ask.founder_id,
            active=serves,
            policy=current_policy().teams,
        )
        answer = {"team_id": founded.team_id, "team_code": ask.team_code}
        return Plan([founded], answer, expected_versions=context.expecting(founded.stream))

    return await command(context, build, FoundTeam, status=201)


@router.post("/{team_code}/join")
async def join_team(team_code: UnitCode, ask: MemberAsk, context: Commanding) -> JSONResponse:
    """Become a member."""
    _known(team_code)

    async def build() -> Plan:
        relations, serves = await _stands(context, team_code, ask.volunteer_id, _SERVING)
        joined = JoinTeam(
            by=context.by(JoinTeam, relations),
            at=context.runtime.clock.now(),
            team_code=team_code,
            volunteer_id=ask.volunteer_id,
            active=serves,
            policy=current_policy().teams,
        )
        return Plan([joined], {"team_code": team_code}, expected_versions=context.expecting(joined.stream))

    return await command(context, build, JoinTeam)


@router.post("/{team_code}/leave")
async def leave_team(team_code: UnitCode, ask: LeaveTeamAsk, context: Commanding) -> JSONResponse:
    """Stop being a member; whoever leads lays that down as well, and the role ends in the same append."""
    _known(team_code)

    async def build() -> Plan:
        relations, _ = await _stands(context, team_code, ask.volunteer_id, _SERVING)
        by, at = context.by(LeaveTeam, relations), context.runtime.clock.now()
        left = LeaveTeam(by=by, at=at, team_code=team_code, **dict(ask))
        ends = await leadership_ends(context.runtime, by, at, team_code, ask.volunteer_id)
        return Plan([left, *ends], {"team_code": team_code}, expected_versions=context.expecting(left.stream))

    return await command(context, build, LeaveTeam)


@router.post("/{team_code}/leader")
async def appoint_leader(team_code: UnitCode, ask: AppointLeaderAsk, context: Commanding) -> JSONResponse:
    """Let one member lead until the end of a term: the role goes from the former leader to the new one."""
    _known(team_code)
    runtime, grant_id = context.runtime, uuid7()

    async def build() -> Plan:
        by, at = context.by(AppointLeader), runtime.clock.now()
        appointed = AppointLeader(by=by, at=at, team_code=team_code, policy=current_policy().teams, **dict(ask))
        commands: list[Command] = [appointed]
        former_id = await _leader(runtime, team_code)
        for person_id in dict.fromkeys((former_id, ask.leader_id)):
            if person_id is not None:
                commands += await leadership_ends(runtime, by, at, team_code, person_id)
        granted = GrantRole(
            by=by,
            at=at,
            person_id=ask.leader_id,
            grant_id=grant_id,
            granted_role=Role.TEAM_LEADER,
            scope="team",
            scope_id=team_code,
            valid_until=appointed.ends_at,
        )
        answer = {"team_code": team_code, "grant_id": grant_id}
        return Plan([*commands, granted], answer, expected_versions=context.expecting(appointed.stream))

    return await command(context, build, AppointLeader)


@router.post("/{team_code}/register")
async def register_team(team_code: UnitCode, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Register a founded team, or take a dormant one up again."""
    return await _ask(context, team_code, RegisterTeam, **dict(ask))


@router.post("/{team_code}/dissolve")
async def dissolve_team(team_code: UnitCode, ask: DissolveTeamAsk, context: Commanding) -> JSONResponse:
    """End a team, every membership and the leader's role."""
    _known(team_code)
    runtime = context.runtime

    async def build() -> Plan:
        by, at = context.by(DissolveTeam), runtime.clock.now()
        dissolved = DissolveTeam(by=by, at=at, team_code=team_code, reason_code=ask.reason_code)
        leader_id = await _leader(runtime, team_code)
        ends = [] if leader_id is None else await leadership_ends(runtime, by, at, team_code, leader_id)
        expected = context.expecting(dissolved.stream)
        return Plan([dissolved, *ends], {"team_code": team_code}, expected_versions=expected)

    return await command(context, build, DissolveTeam)


@router.get("")
async def read_teams(caller: Reading, runtime: Running) -> JSONResponse:
    """Every team of the community's list, by its public name, and where it stands."""
    caller.by(READ_TEAMS)
    async with runtime.log.queries() as connection:
        begun = {row["team_code"]: row for row in await team_queries.teams(connection)}
    shown = ("state", "members", "founded_at")
    rows = [
        {"team_code": one.code, "name": one.name}
        | {name: begun[one.code][name] if one.code in begun else None for name in shown}
        for one in reference().teams
    ]
    return json_answer({"teams": rows})


@router.get("/{team_code}/members")
async def read_members(team_code: UnitCode, caller: Reading, runtime: Running) -> JSONResponse:
    """The members by number; by name where they agreed to that, and for those who see names anyway."""
    _known(team_code)
    async with runtime.log.queries() as connection:
        at = runtime.clock.now()
        leads = await team_queries.leads_team(connection, caller.actor_id, team_code, at)
        found = await team_queries.team(connection, team_code)
        members = await team_queries.members_of(connection, team_code)
        belongs = {"member"} if caller.actor_id in {row["volunteer_id"] for row in members} else set()
        by = caller.by(READ_MEMBERS, frozenset(belongs | ({"leads_team"} if leads else set())))
    if found is None:
        raise not_found(team_code=team_code)
    sees_names = leads or by.role in _NAMES
    rows = [await _member(runtime, row, found, in_full=sees_names or row["named"]) for row in members]
    head = {name: found[name] for name in ("team_code", "state", "term_until")}
    return json_answer({**head, "name": _name(team_code), "members": rows})


async def _member(runtime: Runtime, row: queries.Row, team: queries.Row, *, in_full: bool) -> dict[str, object]:
    profile = await profile_of(runtime, row["profile_ref"]) if in_full else None
    shown = {name: row[name] for name in ("volunteer_id", "volunteer_no", "state", "joined_at")}
    leader = row["volunteer_id"] == team["leader_id"]
    return {**shown, "leader": leader, "name": None if profile is None else profile["name"]}


def _known(team_code: str) -> None:
    require("team", team_code, reference().team_codes)


def _name(team_code: str) -> str:
    return next(one.name for one in reference().teams if one.code == team_code)


async def _leader(runtime: Runtime, team_code: str) -> UUID | None:
    async with runtime.log.queries() as connection:
        found = await team_queries.team(connection, team_code)
    return None if found is None else found["leader_id"]


async def _stands(
    context: CommandContext, team_code: str, volunteer_id: UUID, states: frozenset[str]
) -> tuple[frozenset[str], bool]:
    """How the caller stands to the volunteer and to the team, and whether the volunteer is in one of the states."""
    runtime = context.runtime
    async with runtime.log.queries() as connection:
        at = runtime.clock.now()
        relations = await queries.relations_to(connection, context.actor_id, volunteer_id, at)
        leads = await team_queries.leads_team(connection, context.actor_id, team_code, at)
        found = await queries.volunteer(connection, volunteer_id)
    serves = found is not None and found["state"] in states
    return relations | (frozenset({"leads_team"}) if leads else frozenset()), serves


async def _ask(
    context: CommandContext, team_code: str, command_class: type[TeamCommand], **fields: object
) -> JSONResponse:
    _known(team_code)

    async def build() -> Plan:
        by, at = context.by(command_class), context.runtime.clock.now()
        asked = command_class.model_validate(
            {"by": by, "at": at, "team_code": team_code, "policy": current_policy().teams, **fields}
        )
        return Plan([asked], {"team_code": team_code}, expected_versions=context.expecting(asked.stream))

    return await command(context, build, command_class)
