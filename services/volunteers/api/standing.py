"""Routes about where volunteering stands: rest, suspension, the end; and a volunteer as they are shown."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import Role
from eventstore.executor import Plan
from servicekit.http import Commanding, Reading, command, not_found
from services.volunteers.access import READ_STATEMENT, READ_VOLUNTEER
from services.volunteers.api.ending import memberships_end
from services.volunteers.api.shared import (
    ERASED,
    NothingMore,
    Running,
    ask_of_volunteer,
    json_answer,
    relations_to,
    words_sealed,
)
from services.volunteers.commands.helping import (
    PauseVolunteer,
    PauseVolunteerAsk,
    ReinstateVolunteer,
    ReinstateVolunteerAsk,
    ResumeVolunteer,
    SuspendVolunteer,
    SuspendVolunteerAsk,
    WithdrawVolunteer,
    WithdrawVolunteerAsk,
)
from services.volunteers.read_models import hours_queries, queries
from services.volunteers.read_models.team_queries import teams_of

router = APIRouter(prefix="/v1/volunteers", tags=["volunteers"])
_SUSPENDERS = (Role.SOCIAL_WORKER, Role.STATION_MANAGER)
STATEMENT = "statement"
"""The sealed field: what a suspended volunteer was told, and how to appeal."""


@router.post("/{volunteer_id}/pause")
async def pause_volunteer(volunteer_id: UUID, ask: PauseVolunteerAsk, context: Commanding) -> JSONResponse:
    """Take a rest: promises of the days to come are released."""
    return await ask_of_volunteer(context, volunteer_id, PauseVolunteer, pause_until=ask.pause_until)


@router.post("/{volunteer_id}/resume")
async def resume_volunteer(volunteer_id: UUID, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Come back from a rest."""
    return await ask_of_volunteer(context, volunteer_id, ResumeVolunteer, **dict(ask))


@router.post("/{volunteer_id}/suspend")
async def suspend_volunteer(volunteer_id: UUID, ask: SuspendVolunteerAsk, context: Commanding) -> JSONResponse:
    """Stop a volunteer until a moment; the caller and `seconded_by` both stand for it."""
    runtime = context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        by = context.by(SuspendVolunteer, await relations_to(runtime, context.actor_id, volunteer_id))
        async with runtime.log.queries() as connection:
            entitled = await queries.holds_any(connection, ask.seconded_by, _SUSPENDERS, at)
        ref, commitment, changes = await words_sealed(runtime, volunteer_id, STATEMENT, ask.statement)
        suspended = SuspendVolunteer(
            by=by,
            at=at,
            volunteer_id=volunteer_id,
            seconder_entitled=entitled,
            statement_ref=ref,
            statement_commitment=commitment,
            **ask.model_dump(exclude={"statement"}),
        )
        expected = context.expecting(suspended.stream)
        return Plan([suspended], {"volunteer_id": volunteer_id}, changes, expected)

    return await command(context, build, SuspendVolunteer)


@router.post("/{volunteer_id}/reinstate")
async def reinstate_volunteer(volunteer_id: UUID, ask: ReinstateVolunteerAsk, context: Commanding) -> JSONResponse:
    """End a suspension before its time; an appeal is upheld by neither of the two who suspended."""
    runtime = context.runtime

    async def build() -> Plan:
        by = context.by(ReinstateVolunteer, await relations_to(runtime, context.actor_id, volunteer_id))
        ref, commitment, changes = await words_sealed(runtime, volunteer_id, STATEMENT, ask.statement)
        reinstated = ReinstateVolunteer(
            by=by,
            at=runtime.clock.now(),
            volunteer_id=volunteer_id,
            reason_code=ask.reason_code,
            statement_ref=ref,
            statement_commitment=commitment,
        )
        expected = context.expecting(reinstated.stream)
        return Plan([reinstated], {"volunteer_id": volunteer_id}, changes, expected)

    return await command(context, build, ReinstateVolunteer)


@router.post("/{volunteer_id}/withdraw")
async def withdraw_volunteer(volunteer_id: UUID, ask: WithdrawVolunteerAsk, context: Commanding) -> JSONResponse:
    """End volunteering; the person stays a resident. Teams are left in the same append."""
    runtime = context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        by = context.by(WithdrawVolunteer, await relations_to(runtime, context.actor_id, volunteer_id))
        ended = WithdrawVolunteer(by=by, at=at, volunteer_id=volunteer_id, reason_code=ask.reason_code)
        leavings = await memberships_end(runtime, by, at, volunteer_id)
        expected = context.expecting(ended.stream)
        return Plan([ended, *leavings], {"volunteer_id": volunteer_id}, expected_versions=expected)

    return await command(context, build, WithdrawVolunteer)


@router.get("/{volunteer_id}")
async def read_volunteer(volunteer_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A volunteer's state, skills, papers, free time and credited minutes by grade; no name."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
        caller.by(READ_VOLUNTEER, relations)
        found = await queries.volunteer(connection, volunteer_id)
        minutes = await hours_queries.totals(connection, volunteer_id)
        teams = await teams_of(connection, volunteer_id)
    if found is None:
        raise not_found(volunteer_id=volunteer_id)
    return json_answer({**found, "teams": [dict(row) for row in teams], "minutes_by_grade": minutes})


@router.get("/{volunteer_id}/statement")
async def read_statement(volunteer_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """What the volunteer was told when suspended or reinstated last, for them and for those who decide."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
        caller.by(READ_STATEMENT, relations)
        found = await queries.volunteer(connection, volunteer_id)
    if found is None:
        raise not_found(volunteer_id=volunteer_id)
    ref = found["statement_ref"]
    opened = None if ref is None else await runtime.vault.open(ref) or {STATEMENT: ERASED}
    words = None if opened is None else opened[STATEMENT]
    shown = {name: found[name] for name in ("volunteer_id", "state", "until", "reason_code")}
    return json_answer({**shown, "statement": words})
