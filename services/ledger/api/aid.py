"""Aid over HTTP, up to its approval: applied for, visited, publicised, amended, approved, turned down."""

import json
import secrets
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from contracts.command import Refused
from contracts.ids import uuid7
from contracts.ledger import AidState
from eventstore.executor import Plan
from eventstore.model import VaultChange
from servicekit.definition import Runtime
from servicekit.http import Commanding, Reading, command
from services.ledger import access
from services.ledger.api.aid_shared import (
    AID,
    APPLICANT,
    BENEFICIARY,
    NEED,
    PAYEE,
    REPORT,
    asked,
    expecting,
    facts,
    find,
    people_of,
    relations,
    row_of,
    sealed_payee,
    sealed_words,
    shown,
)
from services.ledger.api.donations import ACCOUNTING
from services.ledger.api.shared import Limit, Running, as_json, turn
from services.ledger.commands import (
    AID_STANDARD,
    AmendAid,
    AmendAidAsk,
    ApplyAid,
    ApplyAidAsk,
    ApproveAid,
    ApproveAidAsk,
    BookCommand,
    PlaceHold,
    PublicizeAid,
    PublicizeAidAsk,
    RejectAid,
    RejectAidAsk,
    ReleaseHold,
    VerifyAid,
    VerifyAidAsk,
    day_of,
)
from services.ledger.decider.aid import approvals_required
from services.ledger.decider.aid_hands import request_facts
from services.ledger.decider.aid_state import AidCase
from services.ledger.policy import current_policy
from services.ledger.read_models import aid_queries, independence, queries
from services.ledger.signatures import AID_APPROVAL, signed_text

router = APIRouter(prefix="/v1", tags=["aid"])


@router.get("/aid-standard")
async def read_standard(caller: Reading) -> JSONResponse:
    """By what is decided, and how: to be shown to everybody who applies (慈善法 §81)."""
    caller.by(access.READ_STANDARD)
    policy = current_policy()
    steps = ("apply", "visit_by_two", "publicize", "approve_by_two_or_three", "pay", "confirm", "follow_up")
    return as_json({"standard": AID_STANDARD, "steps": steps, "figures": policy.model_dump(include=_SHOWN)})


_SHOWN = {
    "aid_fen_max", "aid_two_approvals_fen_max", "aid_verify_days", "publicity_days_min", "publicity_days_max",
    "approval_days", "appeal_days", "urgent_fen_max", "urgent_approval_hours",
}  # fmt: skip


@router.post("/aid-cases", status_code=201)
async def apply_aid(ask: ApplyAidAsk, context: Commanding) -> JSONResponse:
    """Ask for help, for oneself or for who is represented. The log learns neither who asks nor for whom."""
    runtime = context.runtime
    beneficiary_id = context.caller.on_behalf_of or context.actor_id
    case_id, beneficiary_ref = uuid7(), uuid7()

    async def build() -> Plan:
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            own = beneficiary_id == context.actor_id
            speaks = not own and await independence.is_proxy(connection, context.actor_id, beneficiary_id, at)
            by = context.by(ApplyAid, {"own"} if own else {"proxy"} if speaks else ())
            if not await queries.are_known(connection, [beneficiary_id]):
                raise Refused("person_unknown")
        people = {BENEFICIARY: str(beneficiary_id), APPLICANT: str(context.actor_id)}
        kept = await runtime.vault.seal(beneficiary_id, ACCOUNTING, beneficiary_ref, people, indexed=(BENEFICIARY,))
        told = await runtime.vault.seal(beneficiary_id, AID, beneficiary_ref, {NEED: ask.need})
        payee_ref, payee_commitment, changes = await sealed_payee(runtime, beneficiary_id, ask.payee)
        applied = ApplyAid(
            by=by,
            at=at,
            case_id=case_id,
            policy=current_policy(),
            fund=ask.fund,
            purpose=ask.purpose,
            amount_fen=ask.amount_fen,
            lane=ask.lane,
            standard=ask.standard,
            beneficiary_ref=beneficiary_ref,
            beneficiary_commitment=kept.commitments[BENEFICIARY],
            need_commitment=told.commitments[NEED],
            payee_ref=payee_ref,
            payee_commitment=payee_commitment,
        )
        return Plan([applied], {"case_id": case_id}, (*kept.changes, *told.changes, *changes))

    return await command(context, build, ApplyAid, status=201, known_as=beneficiary_ref)


@router.post("/aid-cases/{case_id}/verify")
async def verify_aid(case_id: UUID, ask: VerifyAidAsk, context: Commanding) -> JSONResponse:
    """Say what one saw on a visit. Two people do, each for themselves."""

    async def build() -> Plan:
        found, by = await asked(context, case_id, VerifyAid)
        told = await facts(context, found, by)
        ref, sealed, changes = await sealed_words(context.runtime, found.beneficiary_id, REPORT, ask.report)
        verified = VerifyAid(
            **told,
            finding=ask.finding,
            visited_on=ask.visited_on or day_of(told["at"]),
            report_ref=ref,
            report_commitment=sealed,
        )
        return Plan([verified], {"case_id": case_id}, changes, expecting(context, verified))

    return await command(context, build, VerifyAid)


@router.post("/aid-cases/{case_id}/publicize")
async def publicize_aid(case_id: UUID, ask: PublicizeAidAsk, context: Commanding) -> JSONResponse:
    """Post a case under a pseudonym for some days, or spare it with a reason."""
    pseudonym = secrets.token_hex(3)

    async def build() -> Plan:
        found, by = await asked(context, case_id, PublicizeAid)
        publicized = PublicizeAid(
            **await facts(context, found, by),
            publicity=ask.publicity,
            pseudonym=pseudonym,
            days=ask.days,
            reason_code=ask.reason_code,
        )
        return Plan([publicized], {"case_id": case_id}, expected_versions=expecting(context, publicized))

    return await command(context, build, PublicizeAid)


@router.post("/aid-cases/{case_id}/amend")
async def amend_aid(case_id: UUID, ask: AmendAidAsk, context: Commanding) -> JSONResponse:
    """Change purpose, amount or payee. Every approval is void, and money that was set aside is free again."""

    async def build() -> Plan:
        found, by = await asked(context, case_id, AmendAid)
        told = await facts(context, found, by)
        payee: dict[str, Any] = {}
        changes: tuple[VaultChange, ...] = ()
        if ask.payee is not None and not await _is_payee(context.runtime, found.case.asked.payee_ref, ask):
            ref, sealed, changes = await sealed_payee(context.runtime, found.beneficiary_id, ask.payee)
            payee = {"payee_ref": ref, "payee_commitment": sealed}
        amended = AmendAid(**told, purpose=ask.purpose, amount_fen=ask.amount_fen, **payee)
        plan = [amended, *_released(told, found.case, "amended")]
        return Plan(plan, {"case_id": case_id}, changes, expecting(context, amended))

    async with turn(context.runtime):
        return await command(context, build, AmendAid)


async def _is_payee(runtime: Runtime, payee_ref: UUID, ask: AmendAidAsk) -> bool:
    """Whether the payee that is asked for is the one there is: a commitment would differ, its words do not."""
    opened = await runtime.vault.open(payee_ref) or {}
    return ask.payee is not None and opened.get(PAYEE) == ask.payee.model_dump_json()


def _released(told: dict[str, Any], case: AidCase, cause: Any) -> list[BookCommand]:
    if case.hold_id is None:
        return []
    return [ReleaseHold(by=told["by"], at=told["at"], hold_id=case.hold_id, cause=cause)]


@router.get("/aid-cases/{case_id}/approval-request", response_class=PlainTextResponse)
async def read_approval_request(case_id: UUID, caller: Reading, runtime: Running) -> PlainTextResponse:
    """The text that an approver signs with their own key: the present terms, byte for byte."""
    caller.by(access.READ_REQUEST)
    found = await find(runtime, case_id)
    text = signed_text(AID_APPROVAL, runtime.settings.community, request_facts(case_id, found.case), caller.actor_id)
    return PlainTextResponse(text)


@router.post("/aid-cases/{case_id}/approve")
async def approve_aid(case_id: UUID, ask: ApproveAidAsk, context: Commanding) -> JSONResponse:
    """Approve by one's own signature. The last approval sets the money aside."""
    hold_id = uuid7()

    async def build() -> Plan:
        runtime = context.runtime
        found, by = await asked(context, case_id, ApproveAid)
        told = await facts(context, found, by)
        async with runtime.log.queries() as connection:
            key = await aid_queries.key_in_force(connection, context.actor_id)
        case, terms = found.case, found.case.asked
        most = current_policy().aid_two_approvals_fen_max
        given = case.approvals
        required = given[0].approvals_required if given else approvals_required(terms.amount_fen, most)
        last = len(given) + 1 == required
        approved = ApproveAid(
            **told,
            community=runtime.settings.community,
            key=key,
            key_id=ask.key_id,
            sig=ask.sig,
            hold_id=hold_id if last else None,
        )
        hold = PlaceHold(
            by=by,
            at=told["at"],
            hold_id=hold_id,
            case_id=case_id,
            fund=terms.fund,
            purpose=terms.purpose,
            amount_fen=terms.amount_fen,
        )
        plan = [approved, hold] if last else [approved]
        return Plan(plan, {"case_id": case_id}, expected_versions=expecting(context, approved))

    async with turn(context.runtime):
        return await command(context, build, ApproveAid)


@router.post("/aid-cases/{case_id}/reject")
async def reject_aid(case_id: UUID, ask: RejectAidAsk, context: Commanding) -> JSONResponse:
    """Turn a case down, with a reason; who asked may appeal."""

    async def build() -> Plan:
        found, by = await asked(context, case_id, RejectAid)
        told = await facts(context, found, by)
        rejected = RejectAid(**told, reason_code=ask.reason_code)
        plan = [rejected, *_released(told, found.case, "rejected")]
        return Plan(plan, {"case_id": case_id}, expected_versions=expecting(context, rejected))

    async with turn(context.runtime):
        return await command(context, build, RejectAid)


@router.get("/aid-cases")
async def read_cases(
    caller: Reading, runtime: Running, state: AidState | None = None, overdue: bool = False, limit: Limit = 50
) -> JSONResponse:
    """Cases, what is owed first at the top. Who asked for help sees their own."""
    at = runtime.clock.now()
    if caller.by(access.READ_CASES, {"own"}).role in access.CASE_DESK:
        async with runtime.log.queries() as connection:
            rows = await aid_queries.cases(connection, state, at if overdue else None, limit)
    else:
        refs = await runtime.vault.find(ACCOUNTING, BENEFICIARY, str(caller.actor_id))
        async with runtime.log.queries() as connection:
            rows = await aid_queries.cases_of(connection, refs)
    return as_json({"cases": [shown(row) for row in rows]})


@router.get("/aid-cases/{case_id}")
async def read_case(case_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A case without anybody's name."""
    row = await row_of(runtime, case_id)
    people = await people_of(runtime, row)
    standing = frozenset[str]() if people is None else await relations(runtime, caller.actor_id, people[0])
    caller.by(access.READ_CASE, standing)
    return as_json(shown(row))


@router.get("/aid-cases/{case_id}/people")
async def read_case_people(case_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """Who is helped, who is paid and what was told: for those who visit, keep the books or pay."""
    caller.by(access.REVEAL_CASE)
    found = await find(runtime, case_id)
    opened = await runtime.vault.open_many([found.row["beneficiary_ref"], found.row["payee_ref"]])
    told = opened.get(found.row["beneficiary_ref"], {})
    payee = opened.get(found.row["payee_ref"], {}).get(PAYEE)
    need = told.get(NEED)
    return as_json(
        {
            "beneficiary_id": found.beneficiary_id,
            "need": need,
            "payee": None if payee is None or need is None else json.loads(payee),
            "erased": need is None,
        }
    )


@router.get("/aid-postings")
async def read_postings(caller: Reading, runtime: Running) -> JSONResponse:
    """What is posted now, under pseudonyms."""
    caller.by(access.READ_STANDARD)
    async with runtime.log.queries() as connection:
        rows = await aid_queries.posted(connection, runtime.clock.now())
    return as_json({"postings": [dict(row) for row in rows]})
