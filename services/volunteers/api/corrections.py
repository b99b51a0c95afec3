"""Routes about credited hours: doubts, corrections by two persons with public words, and the months' random checks."""

import re
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import SYSTEM, Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from eventstore.vault import Sealed
from servicekit.http import CommandContext, Commanding, Reading, command, not_found
from servicekit.process import Runtime
from services.volunteers.access import READ_CHECKS, READ_CORRECTIONS
from services.volunteers.api.hours import Limit, claim_asked_about
from services.volunteers.api.shared import ERASED, Running, asked_again, json_answer
from services.volunteers.commands.hours import (
    AdjustHours,
    AdjustHoursAsk,
    AnswerCorrection,
    RecordSample,
    RecordSampleAsk,
    RequestCorrection,
    RequestCorrectionAsk,
    VoidHours,
    VoidHoursAsk,
)
from services.volunteers.commands.records import SupersedeServiceRecord
from services.volunteers.policy import correction_due, current_policy
from services.volunteers.read_models import hours_queries, queries, star_queries

router = APIRouter(prefix="/v1", tags=["hours"])

WORDS, EXPLANATION = "correction_words", "explanation"
"""The vault's purpose and field for what is said of a correction."""
_NUMBERS = re.compile(r"[0-9０-９][0-9０-９Xx \-]{5,}")
"""Seven digits or more in a row are a telephone or a card."""


@router.post("/hours/{claim_id}/corrections", status_code=201)
async def request_correction(claim_id: UUID, ask: RequestCorrectionAsk, context: Commanding) -> JSONResponse:
    """Doubt credited minutes; answered within ten working days by somebody else, in public."""
    correction_id, words_ref = uuid7(), uuid7()

    async def build() -> Plan:
        _, relations = await claim_asked_about(context, claim_id, RequestCorrection)
        by, at = context.by(RequestCorrection, relations), context.runtime.clock.now()
        sealed = None
        if ask.explanation is not None:
            sealed = await _seal(context.runtime, context.actor_id, words_ref, ask.explanation)
        requested = RequestCorrection(
            by=by,
            at=at,
            claim_id=claim_id,
            correction_id=correction_id,
            cause=ask.cause,
            explanation_ref=None if sealed is None else sealed.ref,
            explanation_commitment=None if sealed is None else sealed.commitments[EXPLANATION],
            due_at=correction_due(at),
        )
        return Plan(
            [requested],
            {"claim_id": claim_id, "correction_id": correction_id, "due_at": requested.due_at},
            () if sealed is None else sealed.changes,
            context.expecting(requested.stream),
        )

    return await command(context, build, RequestCorrection, status=201)


@router.post("/hours/{claim_id}/adjust")
async def adjust_hours(claim_id: UUID, ask: AdjustHoursAsk, context: Commanding) -> JSONResponse:
    """Answer a request for correction with other minutes, or uphold them; the second of the two persons does."""
    return await _answer(context, claim_id, AdjustHours, ask, delta=ask.delta)


@router.post("/hours/{claim_id}/void")
async def void_hours(claim_id: UUID, ask: VoidHoursAsk, context: Commanding) -> JSONResponse:
    """Answer a request for correction by taking all minutes back."""
    return await _answer(context, claim_id, VoidHours, ask)


async def _answer(
    context: CommandContext,
    claim_id: UUID,
    command_class: type[AdjustHours] | type[VoidHours],
    ask: AdjustHoursAsk | VoidHoursAsk,
    **more: Any,
) -> JSONResponse:
    words_ref, runtime = uuid7(), context.runtime

    async def build() -> Plan:
        claim, relations = await claim_asked_about(context, claim_id, command_class)
        by, at = context.by(command_class, relations), runtime.clock.now()
        _require_no_numbers(ask.explanation)
        async with runtime.log.queries() as connection:
            day = await hours_queries.day_facts(connection, claim)
            entry = await hours_queries.entry_facts(connection, claim)
            about = await queries.person(connection, claim["volunteer_id"])
            records = await star_queries.standing_records(connection, claim["volunteer_id"], claim["service_date"])
        # Public words outlive nobody's erasure: of an erased volunteer they are kept under the claim's own key.
        gone = about is None or about["erased_at"] is not None
        sealed = await _seal(runtime, claim_id if gone else claim["volunteer_id"], words_ref, ask.explanation)
        answered: AnswerCorrection = command_class(
            by=by,
            at=at,
            claim_id=claim_id,
            correction_id=ask.correction_id,
            reason_code=ask.reason_code,
            explanation_ref=sealed.ref,
            explanation_commitment=sealed.commitments[EXPLANATION],
            day=day,
            entry=entry,
            policy=current_policy().hours,
            **more,
        )
        # Papers over changed minutes end in the same append; what is upheld leaves them as they are.
        ends = [
            SupersedeServiceRecord(
                by=SYSTEM, at=at, record_id=record_id, reason_code="hours_corrected", claim_id=claim_id
            )
            for record_id in (records if ask.reason_code != "upheld" else ())
        ]
        answer = {"claim_id": claim_id, "correction_id": ask.correction_id}
        return Plan([answered, *ends], answer, sealed.changes, context.expecting(answered.stream))

    return await asked_again(lambda: command(context, build, command_class))


async def _seal(runtime: Runtime, person_id: UUID, ref: UUID, words: str) -> Sealed:
    return await runtime.vault.seal(person_id, WORDS, ref, {EXPLANATION: words})


def _require_no_numbers(words: str) -> None:
    if _NUMBERS.search(words):
        raise Refused("words_hold_numbers")


@router.get("/hours/{claim_id}/corrections")
async def read_corrections(claim_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """What was doubted about a claim and answered, with the public words: open to everybody (令81 §16)."""
    caller.by(READ_CORRECTIONS)
    async with runtime.log.queries() as connection:
        claim = await hours_queries.claim(connection, claim_id)
        corrections = await hours_queries.corrections_of(connection, claim_id)
    if claim is None:
        raise not_found(claim_id=claim_id)
    return json_answer({"claim_id": claim_id, "corrections": [await _shown(runtime, row) for row in corrections]})


async def _shown(runtime: Runtime, row: queries.Row) -> dict[str, Any]:
    """A correction with its public words, 已删除 once they are erased, and whether they are still the ones said."""
    shown = {name: row[name] for name in row if name not in {"explanation_ref", "explanation_commitment"}}
    if row["answer_ref"] is None:
        return {**shown, "words": None, "words_as_committed": None}
    opened = await runtime.vault.open(row["answer_ref"])
    if opened is None:
        return {**shown, "words": ERASED, "words_as_committed": None}
    same = await runtime.vault.matches(row["answer_ref"], EXPLANATION, row["answer_commitment"])
    return {**shown, "words": opened[EXPLANATION], "words_as_committed": same}


@router.post("/hours/{claim_id}/sample")
async def record_sample(claim_id: UUID, ask: RecordSampleAsk, context: Commanding) -> JSONResponse:
    """Say what the recipient of a drawn service said on the telephone; a "no" opens a correction."""
    correction_id = uuid7()

    async def build() -> Plan:
        _, relations = await claim_asked_about(context, claim_id, RecordSample)
        by, at = context.by(RecordSample, relations), context.runtime.clock.now()
        recorded = RecordSample(
            by=by,
            at=at,
            claim_id=claim_id,
            result=ask.result,
            correction_id=correction_id,
            correction_due_at=correction_due(at),
        )
        answer = {"claim_id": claim_id}
        if ask.result == "not_confirmed":
            answer["correction_id"] = correction_id
        return Plan([recorded], answer, expected_versions=context.expecting(recorded.stream))

    return await command(context, build, RecordSample)


@router.get("/hours-checks")
async def read_checks(caller: Reading, runtime: Running, limit: Limit = 24) -> JSONResponse:
    """The months' random checks: seed, how many were drawn of how many, and what the recipients said."""
    caller.by(READ_CHECKS)
    async with runtime.log.queries() as connection:
        months = await hours_queries.checks_of(connection, limit)
    return json_answer({"months": [dict(row) for row in months]})
