"""Routes about hours up to the credit: a volunteer's record, entries by hand, confirming, approving, rejecting."""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import SYSTEM, Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command, not_found
from servicekit.reference import reference, require
from services.volunteers.access import READ_CLAIMS, READ_HOURS
from services.volunteers.api.shared import NothingMore, Running, asked_again, json_answer
from services.volunteers.commands.hours import (
    ApproveHours,
    ClaimHoursManually,
    ClaimHoursManuallyAsk,
    ConfirmHours,
    DayFacts,
    LogHours,
    RejectHours,
    RejectHoursAsk,
    day_of,
)
from services.volunteers.commands.words import claim_id_of
from services.volunteers.policy import current_policy, review_due
from services.volunteers.read_models import hours_queries, queries
from services.volunteers.read_models.tables import volunteers

router = APIRouter(prefix="/v1", tags=["hours"])
Limit = Annotated[int, Query(ge=1, le=1000)]
ClaimStateName = Literal["CLAIMED", "CONFIRMED", "HELD", "LOGGED", "VOIDED", "REJECTED"]
RECIPIENT_RELATIONS = {"own": "recipient", "proxy": "recipient_proxy"}
SERVING = frozenset({"ACTIVE", "PAUSED", "SUSPENDED"})
"""States of a volunteer who can have served: verified, and not gone."""


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
        claims = await hours_queries.claims_of(connection, volunteer_id, since, until, limit)
        minutes = await hours_queries.totals(connection, volunteer_id)
    return json_answer(
        {"volunteer_id": volunteer_id, "minutes_by_grade": minutes, "claims": [dict(row) for row in claims]}
    )


@router.get("/hours")
async def read_claims(
    *,
    caller: Reading,
    runtime: Running,
    state: ClaimStateName | None = None,
    flagged: bool = False,
    in_question: bool = False,
    sampled: bool = False,
    limit: Limit = 200,
) -> JSONResponse:
    """Claims largest first: in a state, flagged, with an open request for correction, or drawn and not called yet.

    Without any of these it is the auditor's queue, HELD.
    """
    caller.by(READ_CLAIMS)
    if not (flagged or in_question or sampled):
        state = state or "HELD"
    async with runtime.log.queries() as connection:
        claims = await hours_queries.claims_in(
            connection, state, limit, flagged=flagged, in_question=in_question, sampled=sampled
        )
    return json_answer({"claims": [dict(row) for row in claims]})


@router.get("/hours/{claim_id}")
async def read_claim(claim_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """One claim, with its place in the ledger once it is posted."""
    async with runtime.log.queries() as connection:
        claim = await hours_queries.claim(connection, claim_id)
        relations = frozenset[str]()
        if claim is not None:
            relations = await queries.relations_to(
                connection, caller.actor_id, claim["volunteer_id"], runtime.clock.now()
            )
    caller.by(READ_HOURS, relations)
    if claim is None:
        raise not_found(claim_id=claim_id)
    return json_answer(dict(claim))


@router.post("/hours", status_code=201)
async def claim_hours_manually(ask: ClaimHoursManuallyAsk, context: Commanding) -> JSONResponse:
    """Enter minutes by hand (补录): held until somebody who was there confirms and somebody else approves."""
    if ask.item_code is not None:
        require("item", ask.item_code, _loggable())
    if ask.project_code is not None:
        require("project", ask.project_code, reference().project_codes)
    runtime = context.runtime
    claim_id = uuid7() if ask.assignment_id is None else claim_id_of(ask.assignment_id)

    async def build() -> Plan:
        at, recorder = runtime.clock.now(), context.actor_id
        async with runtime.log.queries() as connection:
            kin = await queries.relations_to(connection, recorder, ask.volunteer_id, at)
            by = context.by(ClaimHoursManually, kin)
            facts = await _manual_facts(connection, ask, recorder, kin, at)
        entered = ClaimHoursManually(
            by=by,
            at=at,
            claim_id=claim_id,
            due_at=review_due(at),
            policy=current_policy().hours,
            **facts,
            **ask.model_dump(),
        )
        return Plan([entered], {"claim_id": claim_id}, expected_versions=context.expecting(entered.stream))

    return await asked_again(lambda: command(context, build, ClaimHoursManually, status=201))


def _loggable() -> set[str]:
    """What volunteers do; a referral is others' work, and meetings or travel are in no catalogue (domain.md §4.4)."""
    return {item.code for item in reference().catalogue if not item.referral}


async def _manual_facts(
    connection: AsyncConnection, ask: ClaimHoursManuallyAsk, recorder: UUID, kin: frozenset[str], at: Any
) -> dict[str, Any]:
    """What the tables know about an entry by hand."""
    found = await queries.row_of(connection, volunteers, ask.volunteer_id)
    presence = None
    if ask.assignment_id is not None:
        presence = await hours_queries.presence(connection, ask.assignment_id)
    beneficiary_id = ask.beneficiary_id if presence is None else presence.beneficiary_id
    project_code = ask.project_code if presence is None else presence.project_code
    home = frozenset[str]()
    if beneficiary_id is not None:
        home = await queries.relations_to(connection, beneficiary_id, ask.volunteer_id, at)
    return {
        "volunteer_active": found is not None and found["state"] in SERVING,
        "same_household": "household" in home,
        "presence": presence,
        "pairs_taken": await hours_queries.pairs_taken(
            connection, ask.volunteer_id, project_code, day_of(ask.started_at)
        ),
        "unusual": await hours_queries.unusual_facts(
            connection,
            volunteer_id=ask.volunteer_id,
            beneficiary_id=beneficiary_id,
            order_id=None if presence is None else presence.order_id,
            started_at=ask.started_at,
            recorder=recorder,
            at=at,
            recorder_is_kin=bool(kin & {"household", "related"}),
        ),
    }


@router.post("/hours/{claim_id}/confirm")
async def confirm_hours(claim_id: UUID, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Say that the service behind an entry by hand took place; a service with an order is confirmed there."""

    async def build() -> Plan:
        claim, relations = await claim_asked_about(context, claim_id, ConfirmHours)
        by = context.by(ConfirmHours, relations)
        confirmed = ConfirmHours(
            by=by,
            at=context.runtime.clock.now(),
            claim_id=claim_id,
            confirmed_by=by.actor_id,
            presumed=False,
            by_recipient=bool(relations & set(RECIPIENT_RELATIONS.values())),
        )
        return await _and_log(context, claim, confirmed, dict(ask))

    return await asked_again(lambda: command(context, build, ConfirmHours))


@router.post("/hours/{claim_id}/approve")
async def approve_hours(claim_id: UUID, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Approve a held claim; with the last approval that the rules ask for it is credited in the same append."""

    async def build() -> Plan:
        claim, relations = await claim_asked_about(context, claim_id, ApproveHours)
        by, at = context.by(ApproveHours, relations), context.runtime.clock.now()
        day = await _day(context, claim)
        approved = ApproveHours(by=by, at=at, claim_id=claim_id, day=day, policy=current_policy().hours)
        return await _and_log(context, claim, approved, dict(ask))

    return await asked_again(lambda: command(context, build, ApproveHours))


@router.post("/hours/{claim_id}/reject")
async def reject_hours(claim_id: UUID, ask: RejectHoursAsk, context: Commanding) -> JSONResponse:
    """Refuse a claim that is not credited yet."""

    async def build() -> Plan:
        _, relations = await claim_asked_about(context, claim_id, RejectHours)
        by, at = context.by(RejectHours, relations), context.runtime.clock.now()
        rejected = RejectHours(by=by, at=at, claim_id=claim_id, reason_code=ask.reason_code)
        return Plan([rejected], {"claim_id": claim_id}, expected_versions=context.expecting(rejected.stream))

    return await command(context, build, RejectHours)


async def _day(context: CommandContext, claim: queries.Row) -> DayFacts:
    async with context.runtime.log.queries() as connection:
        return await hours_queries.day_facts(connection, claim)


async def _and_log(
    context: CommandContext, claim: queries.Row, asked: ConfirmHours | ApproveHours, answer: dict[str, Any]
) -> Plan:
    """What a person said of a claim, and the credit that may follow from it."""
    day = asked.day if isinstance(asked, ApproveHours) else await _day(context, claim)
    logged = LogHours(
        by=SYSTEM,
        at=asked.at,
        claim_id=asked.claim_id,
        day=day,
        due_at=review_due(asked.at),
        policy=current_policy().hours,
    )
    return Plan(
        [asked, logged], {"claim_id": asked.claim_id, **answer}, expected_versions=context.expecting(asked.stream)
    )


async def claim_asked_about(
    context: CommandContext, claim_id: UUID, command_class: type
) -> tuple[queries.Row, frozenset[str]]:
    """The claim, and how the caller stands to its volunteer and its recipient.

    Raises Refused("claim_unknown") only to those who might act on some claim.
    """
    at = context.runtime.clock.now()
    async with context.runtime.log.queries() as connection:
        claim = await hours_queries.claim(connection, claim_id)
        if claim is None:
            context.by(command_class)
            raise Refused("claim_unknown")
        relations = await queries.relations_to(connection, context.actor_id, claim["volunteer_id"], at)
        if claim["beneficiary_id"] is not None:
            served = await queries.relations_to(connection, context.actor_id, claim["beneficiary_id"], at)
            relations |= {RECIPIENT_RELATIONS[name] for name in served if name in RECIPIENT_RELATIONS}
        return claim, relations
