"""Aid over HTTP from the payment on: paid, confirmed, looked after, returned, reversed; and money that is moved."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse

from contracts.command import Refused
from contracts.ids import uuid7
from contracts.ledger import EntryApproval, EntryPosted, ReversalReason
from eventstore.executor import Plan
from eventstore.model import VaultChange
from servicekit.definition import Runtime
from servicekit.http import Commanding, Reading, command
from services.ledger import access
from services.ledger.api.aid_shared import (
    AID,
    EXPLANATION,
    REPORT,
    asked,
    expecting,
    facts,
    find,
    relations,
    sealed_words,
    tie_of,
)
from services.ledger.api.shared import Running, as_json, sealed_reference, turn
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import (
    FUND,
    BookCommand,
    ConfirmAidReceipt,
    ConfirmAidReceiptAsk,
    DisburseAid,
    DisburseAidAsk,
    FollowUpAid,
    FollowUpAidAsk,
    MoveMoney,
    MoveMoneyAsk,
    PayAid,
    ReturnAid,
    ReturnAidAsk,
    ReverseAid,
    ReverseAidAsk,
    ReverseEntry,
    TakeAidBack,
    day_of,
)
from services.ledger.decider.aid_paying import reversal_facts
from services.ledger.decider.aid_state import AidCase
from services.ledger.read_models import aid_queries
from services.ledger.signatures import AID_REVERSAL, signed_text

router = APIRouter(prefix="/v1", tags=["aid"])


@router.post("/aid-cases/{case_id}/disburse")
async def disburse_aid(case_id: UUID, ask: DisburseAidAsk, context: Commanding) -> JSONResponse:
    """Pay what was approved: the hold ends and the payment is posted, in one append."""
    entry_id = uuid7()

    async def build() -> Plan:
        found, by = await asked(context, case_id, DisburseAid)
        told = await facts(context, found, by)
        paid: dict[str, Any] = {
            "method": ask.method,
            "entry_id": entry_id,
            "voucher_sha256": ask.voucher_sha256,
            "effective_date": ask.effective_date or day_of(told["at"]),
        }
        tie = await tie_of(context.runtime, (one.approver_id for one in found.case.approvals), found)
        disbursed = DisburseAid(**told, **paid, tied_approver=tie)
        plan: list[Any] = [disbursed]
        if found.case.hold_id is not None:
            plan.append(
                PayAid(
                    by=by,
                    at=told["at"],
                    case_id=case_id,
                    hold_id=found.case.hold_id,
                    approvals=_approvals(found.case),
                    payee_commitment=found.case.asked.payee_commitment,
                    **paid,
                )
            )
        kept = await sealed_reference(context.runtime, entry_id, ask.bank_reference)
        return Plan(plan, {"case_id": case_id, "entry_id": entry_id}, kept, expecting(context, disbursed))

    async with turn(context.runtime):
        return await command(context, build, DisburseAid)


def _approvals(case: AidCase) -> tuple[EntryApproval, ...]:
    return tuple(EntryApproval(role=one.role, key_id=one.key_id, sig=one.sig) for one in case.approvals)


@router.post("/aid-cases/{case_id}/confirm-receipt")
async def confirm_aid_receipt(case_id: UUID, ask: ConfirmAidReceiptAsk, context: Commanding) -> JSONResponse:
    """Say that the money arrived: who was helped, or who speaks for them; a grid worker from a signed paper."""
    found = await find(context.runtime, case_id)
    standing = await relations(context.runtime, context.actor_id, found.beneficiary_id)

    async def build() -> Plan:
        again, by = await asked(context, case_id, ConfirmAidReceipt)
        if not standing and not ask.voucher_sha256:
            raise Refused("paper_needed")
        confirmed = ConfirmAidReceipt(**await facts(context, again, by), voucher_sha256=ask.voucher_sha256)
        return Plan([confirmed], {"case_id": case_id}, expected_versions=expecting(context, confirmed))

    # Whoever was helped, or speaks for them, stands in the log as the case's own ref.
    known_as = found.row["beneficiary_ref"] if standing else None
    return await command(context, build, ConfirmAidReceipt, known_as=known_as)


@router.post("/aid-cases/{case_id}/follow-up")
async def follow_up_aid(case_id: UUID, ask: FollowUpAidAsk, context: Commanding) -> JSONResponse:
    """Close a case after a look at how the neighbour fares."""

    async def build() -> Plan:
        found, by = await asked(context, case_id, FollowUpAid)
        told = await facts(context, found, by)
        ref, sealed, changes = await sealed_words(context.runtime, found.beneficiary_id, REPORT, ask.report)
        followed = FollowUpAid(**told, outcome=ask.outcome, report_ref=ref, report_commitment=sealed)
        return Plan([followed], {"case_id": case_id}, changes, expecting(context, followed))

    return await command(context, build, FollowUpAid)


@router.post("/aid-cases/{case_id}/return")
async def return_aid(case_id: UUID, ask: ReturnAidAsk, context: Commanding) -> JSONResponse:
    """Take paid money in again, wholly or in part, and post it."""
    entry_id = uuid7()

    async def build() -> Plan:
        found, by = await asked(context, case_id, ReturnAid)
        told = await facts(context, found, by)
        back: dict[str, Any] = {
            "amount_fen": ask.amount_fen,
            "method": ask.method,
            "reason_code": ask.reason_code,
            "entry_id": entry_id,
            "voucher_sha256": ask.voucher_sha256,
            "effective_date": ask.effective_date or day_of(told["at"]),
        }
        returned = ReturnAid(**told, **back)
        plan: list[Any] = [returned]
        paid = await _payment(context.runtime, found.case)
        if paid is not None:
            before = found.case.returned_fen
            plan.append(TakeAidBack(by=by, at=told["at"], paid=paid, returned_before_fen=before, **back))
        answer = {"case_id": case_id, "entry_id": entry_id}
        return Plan(plan, answer, expected_versions=expecting(context, returned))

    async with turn(context.runtime):
        return await command(context, build, ReturnAid)


async def _payment(runtime: Runtime, case: AidCase) -> EntryPosted | None:
    """The entry that paid the case, as it was posted; None before."""
    if case.disbursed is None:
        return None
    async with runtime.log.queries() as connection:
        position = await aid_queries.entry_position(connection, case.disbursed.entry_id)
    assert position is not None
    (recorded,) = await runtime.log.read(position - 1, 1)
    assert isinstance(recorded.event, EntryPosted)
    return recorded.event


@router.get("/aid-cases/{case_id}/reversal-request", response_class=PlainTextResponse)
async def read_reversal_request(
    case_id: UUID, reason_code: ReversalReason, caller: Reading, runtime: Running
) -> PlainTextResponse:
    """The text that an approver signs to take a payment back in the books."""
    caller.by(access.READ_REQUEST)
    found = await find(runtime, case_id)
    if found.case.disbursed is None:
        raise Refused("not_paid")
    facts_ = reversal_facts(case_id, found.case, reason_code)
    return PlainTextResponse(signed_text(AID_REVERSAL, runtime.settings.community, facts_, caller.actor_id))


@router.post("/aid-cases/{case_id}/reverse")
async def reverse_aid(case_id: UUID, ask: ReverseAidAsk, context: Commanding) -> JSONResponse:
    """Sign that a payment is taken back in the books; the second signature, by another, posts the reversing entry."""
    entry_id = uuid7()

    async def build() -> Plan:
        runtime = context.runtime
        found, by = await asked(context, case_id, ReverseAid)
        told = await facts(context, found, by)
        async with runtime.log.queries() as connection:
            key = await aid_queries.key_in_force(connection, context.actor_id)
        first = found.case.reversal
        words: dict[str, Any] = {}
        changes: tuple[VaultChange, ...] = ()
        if first is None and ask.explanation is not None:
            ref = uuid7()
            # Public and about nobody: sealed for the case itself, so no erasure of a person takes it away.
            sealed = await runtime.vault.seal(case_id, AID, ref, {EXPLANATION: ask.explanation})
            words = {"explanation_ref": ref, "explanation_commitment": sealed.commitments[EXPLANATION]}
            changes = sealed.changes
        reversing = ReverseAid(
            **told,
            community=runtime.settings.community,
            key=key,
            key_id=ask.key_id,
            sig=ask.sig,
            reason_code=ask.reason_code,
            entry_id=None if first is None else entry_id,
            **words,
        )
        plan: list[Any] = [reversing]
        paid = await _payment(runtime, found.case)
        if first is not None and paid is not None:
            plan.append(_mirror(reversing, paid, first))
        answer = {"case_id": case_id} | ({} if first is None else {"entry_id": entry_id})
        return Plan(plan, answer, changes, expecting(context, reversing))

    async with turn(context.runtime):
        return await command(context, build, ReverseAid)


def _mirror(reversing: ReverseAid, paid: EntryPosted, first: Any) -> BookCommand:
    assert reversing.entry_id is not None
    return ReverseEntry(
        by=reversing.by,
        at=reversing.at,
        book=FUND,
        entry_id=reversing.entry_id,
        original=paid,
        reason_code=reversing.reason_code,
        effective_date=max(day_of(reversing.at), paid.effective_date),
        explanation_ref=first.explanation_ref,
        explanation_commitment=first.explanation_commitment,
        approvals=(
            EntryApproval(role=first.role, key_id=first.key_id, sig=first.sig),
            EntryApproval(role=reversing.by.role, key_id=reversing.key_id, sig=reversing.sig),
        ),
    )


@router.post("/funds/{fund}/move")
async def move_money(fund: str, ask: MoveMoneyAsk, context: Commanding) -> JSONResponse:
    """Post that a fund's money lies elsewhere now: cash paid in at the bank, a cheque cashed."""
    entry_id = uuid7()

    async def build() -> Plan:
        by, at = context.by(MoveMoney), context.runtime.clock.now()
        chart().fund(fund)
        moved = MoveMoney(
            by=by,
            at=at,
            entry_id=entry_id,
            fund=fund,
            origin=ask.origin,
            target=ask.target,
            amount_fen=ask.amount_fen,
            effective_date=day_of(at),
            voucher_sha256=ask.voucher_sha256,
        )
        return Plan([moved], {"entry_id": entry_id})

    async with turn(context.runtime):
        return await command(context, build, MoveMoney)


@router.get("/funds/{fund}/pots")
async def read_pots(fund: str, caller: Reading, runtime: Running) -> JSONResponse:
    """What a fund's money may be used for: unrestricted, by purpose, goods; with what is set aside, 分."""
    caller.by(access.READ_BALANCES)
    chart().fund(fund)
    async with runtime.log.queries() as connection:
        rows = await aid_queries.pots(connection, fund)
    pots = [{**row, "available_fen": row["balance_fen"] - row["held_fen"]} for row in rows]
    return as_json({"fund": fund, "pots": pots})
