"""Routes about hours: a volunteer's record, the auditor's queue, approving and rejecting a held claim."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from contracts.command import SYSTEM, Refused
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command, not_found
from services.volunteers.access import READ_CLAIMS, READ_HOURS
from services.volunteers.api.shared import NothingMore, Running, asked_again, json_answer
from services.volunteers.commands.hours import ApproveHours, LogHours, RejectHours, RejectHoursAsk
from services.volunteers.read_models import queries

router = APIRouter(prefix="/v1", tags=["hours"])
Limit = Annotated[int, Query(ge=1, le=1000)]
ClaimStateName = Literal["CLAIMED", "CONFIRMED", "HELD", "LOGGED", "REJECTED"]


@router.get("/volunteers/{volunteer_id}/hours")
async def read_hours(
    *,
    volunteer_id: UUID,
    caller: Reading,
    runtime: Running,
    since: date | None = None,
    until: date | None = None,
    limit: Limit = 200,
) -> JSONResponse:
    """A volunteer's claims, newest first, and credited minutes by evidence grade: 平台记录, not a certificate."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
        caller.by(READ_HOURS, relations)
        claims = await queries.claims_of(connection, volunteer_id, since, until, limit)
        minutes = await queries.totals(connection, volunteer_id)
    return json_answer(
        {"volunteer_id": volunteer_id, "minutes_by_grade": minutes, "claims": [dict(row) for row in claims]}
    )


@router.get("/hours")
async def read_claims(
    caller: Reading, runtime: Running, state: ClaimStateName = "HELD", limit: Limit = 200
) -> JSONResponse:
    """Claims in a state, largest first: the auditor's queue."""
    caller.by(READ_CLAIMS)
    async with runtime.log.queries() as connection:
        claims = await queries.claims_in(connection, state, limit)
    return json_answer({"claims": [dict(row) for row in claims]})


@router.get("/hours/{claim_id}")
async def read_claim(claim_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """One claim, with its place in the ledger once it is posted."""
    async with runtime.log.queries() as connection:
        claim = await queries.claim(connection, claim_id)
        volunteer_id = None if claim is None else claim["volunteer_id"]
        relations = frozenset[str]()
        if volunteer_id is not None:
            relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
    caller.by(READ_HOURS, relations)
    if claim is None:
        raise not_found(claim_id=claim_id)
    return json_answer(dict(claim))


@router.post("/hours/{claim_id}/approve")
async def approve_hours(claim_id: UUID, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Approve a held claim; with the last approval that its day needs it is credited in the same append."""

    async def build() -> Plan:
        claim, relations = await _claim(context, claim_id)
        by, at = context.by(ApproveHours, relations), context.runtime.clock.now()
        async with context.runtime.log.queries() as connection:
            day = await queries.day_facts(connection, claim)
        approved = ApproveHours(by=by, at=at, claim_id=claim_id, day=day)
        logged = LogHours(by=SYSTEM, at=at, claim_id=claim_id, day=day)
        answer = {"claim_id": claim_id, **dict(ask)}
        return Plan([approved, logged], answer, expected_versions=context.expecting(approved.stream))

    return await asked_again(lambda: command(context, build, ApproveHours))


@router.post("/hours/{claim_id}/reject")
async def reject_hours(claim_id: UUID, ask: RejectHoursAsk, context: Commanding) -> JSONResponse:
    """Refuse a claim that is not credited yet."""

    async def build() -> Plan:
        _, relations = await _claim(context, claim_id)
        by, at = context.by(RejectHours, relations), context.runtime.clock.now()
        rejected = RejectHours(by=by, at=at, claim_id=claim_id, reason_code=ask.reason_code)
        return Plan([rejected], {"claim_id": claim_id}, expected_versions=context.expecting(rejected.stream))

    return await command(context, build, RejectHours)


async def _claim(context: CommandContext, claim_id: UUID) -> tuple[queries.Row, frozenset[str]]:
    """The claim, and how the caller stands to its volunteer. Raises Refused when there is none, once they may know."""
    runtime = context.runtime
    async with runtime.log.queries() as connection:
        claim = await queries.claim(connection, claim_id)
        if claim is None:
            context.by(RejectHours)
            raise Refused("claim_unknown")
        volunteer_id = claim["volunteer_id"]
        return claim, await queries.relations_to(connection, context.actor_id, volunteer_id, runtime.clock.now())
