"""What the ledger says of the fund, as events about one invented case, gift and market, and who is told of each."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from contracts import ledger
from contracts.command import Role
from contracts.event import Event
from contracts.ledger import AidState, MarketState
from services.notify.reactions import fund
from tests.notify import said
from tests.notify.examples import ANNA, BO, DIGEST, DONOR, EVENT, LEE, NOON, ZHAO
from tests.notify.said import DUE, GIFT

CASE, MARKET, PAYEE = UUID(int=301), UUID(int=302), UUID(int=303)
UNTIL = NOON + timedelta(days=3)
TODAY = date(2026, 11, 24)
SIGNATURE = "A" * 86 + "=="


def case(state: AidState, role: Role) -> dict[str, Any]:
    return {"case_id": CASE, "state": state, "role": role}


TERMS: dict[str, Any] = {
    "fund": "fund-relief",
    "purpose": "purpose-relief",
    "amount_fen": 80_000,
    "payee_ref": PAYEE,
    "payee_commitment": DIGEST,
}


def applied(lane: ledger.AidLane = "ordinary") -> ledger.AidApplied:
    return ledger.AidApplied(
        **case(AidState.APPLIED, Role.RESIDENT),
        **TERMS,
        revision=1,
        lane=lane,
        beneficiary_ref=PAYEE,
        beneficiary_commitment=DIGEST,
        need_commitment=DIGEST,
        standard="2026-1",
        due_at=DUE,
        applied_at=NOON,
    )


def verified(
    step: int, finding: ledger.AidFinding = "confirmed", state: AidState = AidState.VERIFIED
) -> ledger.AidVerified:
    return ledger.AidVerified(
        **case(state, Role.GRID_WORKER),
        visitor_id=(ANNA, BO)[step - 1],
        step=step,
        finding=finding,
        visited_on=TODAY,
        report_ref=EVENT,
        report_commitment=DIGEST,
        verified_at=NOON,
    )


def publicized(publicity: ledger.Publicity = "posted", state: AidState = AidState.PUBLICIZED) -> ledger.AidPublicized:
    until = UNTIL if publicity == "posted" else None
    return ledger.AidPublicized(
        **case(state, Role.FUND_CLERK), clerk_id=LEE, publicity=publicity, until=until, publicized_at=NOON
    )


def amended(approvals_voided: int = 0) -> ledger.AidAmended:
    return ledger.AidAmended(
        **case(AidState.PUBLICIZED, Role.FUND_CLERK),
        **TERMS,
        revision=2,
        clerk_id=LEE,
        approvals_voided=approvals_voided,
        amended_at=NOON,
    )


def approved(step: int) -> ledger.AidApproved:
    return ledger.AidApproved(
        **case(AidState(f"APPROVED_{step}"), Role.FUND_APPROVER),
        approver_id=(ANNA, BO)[step - 1],
        step=step,
        approvals_required=2,
        revision=1,
        key_id="a1" * 8,
        sig=SIGNATURE,
        request_sha256=DIGEST,
        relations_position=9,
        hold_id=EVENT if step == 2 else None,
        due_at=DUE,
        approved_at=NOON,
    )


def lapsed() -> ledger.AidApprovalLapsed:
    return ledger.AidApprovalLapsed(**case(AidState.PUBLICIZED, Role.SYSTEM), approvals_voided=2, lapsed_at=NOON)


def rejected(reason_code: ledger.AidReason = "other_support") -> ledger.AidRejected:
    return ledger.AidRejected(
        **case(AidState.REJECTED, Role.FUND_APPROVER), reason_code=reason_code, appeal_until=DUE, rejected_at=NOON
    )


PAID: dict[str, Any] = {"entry_id": EVENT, "voucher_sha256": (DIGEST,), "effective_date": TODAY}


def disbursed() -> ledger.AidDisbursed:
    return ledger.AidDisbursed(
        **case(AidState.DISBURSED, Role.CASHIER),
        **PAID,
        cashier_id=ZHAO,
        fund="fund-relief",
        purpose="purpose-relief",
        amount_fen=80_000,
        payee_commitment=DIGEST,
        method="bank_transfer",
        hold_id=EVENT,
        due_at=DUE,
        disbursed_at=NOON,
    )


def confirmed() -> ledger.AidReceiptConfirmed:
    return ledger.AidReceiptConfirmed(**case(AidState.CONFIRMED, Role.RESIDENT), confirmed_at=NOON)


def followed_up() -> ledger.AidFollowedUp:
    return ledger.AidFollowedUp(
        **case(AidState.CLOSED, Role.SOCIAL_WORKER),
        outcome="need_met",
        report_ref=EVENT,
        report_commitment=DIGEST,
        followed_up_at=NOON,
    )


def returned(state: AidState) -> ledger.AidReturned:
    return ledger.AidReturned(
        **case(state, Role.CASHIER),
        **PAID,
        cashier_id=ZHAO,
        amount_fen=10_000,
        method="cash",
        reason_code="not_needed",
        returned_at=NOON,
    )


def reversed_(step: int, state: AidState) -> ledger.AidReversed:
    return ledger.AidReversed(
        **case(state, Role.FUND_APPROVER),
        approver_id=(ANNA, BO)[step - 1],
        step=step,
        key_id="a1" * 8,
        sig=SIGNATURE,
        request_sha256=DIGEST,
        reason_code="paid_wrongly",
        reversed_at=NOON,
    )


def refunded(refunded_fen: int = 12_050) -> ledger.DonationRefunded:
    approvals = tuple(
        ledger.EntryApproval(role=Role.FUND_APPROVER, key_id=key_id, sig=SIGNATURE) for key_id in ("a1" * 8, "b2" * 8)
    )
    return ledger.DonationRefunded(
        **GIFT | {"amount_fen": 12_050},
        refunded_fen=refunded_fen,
        reason_code="donor_asked",
        method="cash",
        entry_id=EVENT,
        approvals=approvals,
        effective_date=TODAY,
        refunded_at=NOON,
    )


STALLS: dict[str, Any] = {"market_id": MARKET, "fund": "fund-public-good"}


def deposited() -> ledger.ProceedsDeposited:
    state: dict[str, Any] = {"role": Role.CASHIER, "state": MarketState.DEPOSITED}
    return ledger.ProceedsDeposited(**STALLS, **state, **PAID, amount_fen=30_000, due_at=DUE, deposited_at=NOON)


def disclosed(*, complete: bool) -> ledger.MarketDisclosed:
    return ledger.MarketDisclosed(
        **STALLS,
        role=Role.STATION_MANAGER,
        state=MarketState.DISCLOSED,
        sales=3,
        sales_fen=30_000,
        deposited_fen=30_000 if complete else 0,
        complete=complete,
        agreement_sha256=(DIGEST,),
        disclosed_at=NOON,
    )


CASE_KEY, GIFT_KEY, MARKET_KEY = f"case:{CASE}", f"gift:{GIFT['donation_id']}", f"market:{MARKET}"
VISIT, PUBLICIZE, APPROVE, PAY, CONFIRM = (
    f"aid_{what}:{CASE}" for what in ("visit", "publicize", "approve", "pay", "confirm")
)
APPROVER, CLERK = Role.FUND_APPROVER, Role.FUND_CLERK
ROWS: list[tuple[Any, Event, list[tuple[str, UUID | Role]], set[str]]] = [
    (fund.on_donation_received, said.received(), [("gift_thanks", DONOR)], set()),
    (fund.on_donation_received, said.received("goods"), [("gift_goods_thanks", DONOR)], set()),
    (fund.on_donation_receipted, said.receipted(), [("gift_receipt", DONOR)], set()),
    (fund.on_donation_refunded, refunded(), [], {GIFT_KEY}),
    (fund.on_donation_refunded, refunded(12_049), [], set()),
    (fund.on_proceeds_deposited, deposited(), [("market_to_disclose", Role.STATION_MANAGER)], set()),
    (fund.on_market_disclosed, disclosed(complete=True), [], {MARKET_KEY}),
    (fund.on_market_disclosed, disclosed(complete=False), [], set()),
    (
        fund.on_aid_applied,
        applied(),
        [("asked", CASE), ("aid_to_visit", Role.GRID_WORKER), ("aid_to_visit", Role.SOCIAL_WORKER)],
        set(),
    ),
    (fund.on_aid_applied, applied("urgent"), [("asked_urgently", CASE), ("aid_urgent_to_approve", APPROVER)], set()),
    (fund.on_aid_verified, verified(1, state=AidState.APPLIED), [], set()),
    (fund.on_aid_verified, verified(1, "not_confirmed", AidState.APPLIED), [("aid_doubted", APPROVER)], set()),
    (fund.on_aid_verified, verified(2), [("aid_to_publicize", CLERK), ("asked_visited", CASE)], {VISIT}),
    (fund.on_aid_verified, verified(2, "not_confirmed"), [("aid_doubted", APPROVER)], {VISIT}),
    (fund.on_aid_verified, verified(2, state=AidState.DISBURSED), [], {VISIT}),
    (fund.on_aid_publicized, publicized(), [("aid_to_approve", APPROVER)], {PUBLICIZE}),
    (fund.on_aid_publicized, publicized("waived"), [("aid_to_approve", APPROVER)], {PUBLICIZE}),
    (fund.on_aid_publicized, publicized(state=AidState.CONFIRMED), [], {PUBLICIZE}),
    (fund.on_aid_amended, amended(), [("asked_amended", CASE)], set()),
    (
        fund.on_aid_amended,
        amended(approvals_voided=1),
        [("asked_amended", CASE), ("aid_amended_to_approve", APPROVER)],
        {APPROVE, PAY},
    ),
    (fund.on_aid_approved, approved(1), [], set()),
    (fund.on_aid_approved, approved(2), [("aid_to_pay", Role.CASHIER)], {APPROVE}),
    (fund.on_aid_approval_lapsed, lapsed(), [("aid_lapsed_to_approve", APPROVER)], {APPROVE, PAY}),
    (fund.on_aid_rejected, rejected(), [("asked_refused", CASE)], {CASE_KEY}),
    (fund.on_aid_rejected, rejected("withdrawn"), [("asked_withdrawn", CASE)], {CASE_KEY}),
    (fund.on_aid_disbursed, disbursed(), [("asked_done", CASE), ("aid_to_look_in", Role.SOCIAL_WORKER)], {PAY}),
    (fund.on_aid_receipt_confirmed, confirmed(), [], {CONFIRM}),
    (fund.on_aid_followed_up, followed_up(), [], {CASE_KEY}),
    (fund.on_aid_returned, returned(AidState.RETURNED), [], {CASE_KEY}),
    (fund.on_aid_returned, returned(AidState.CONFIRMED), [], set()),
    (fund.on_aid_reversed, reversed_(1, AidState.CONFIRMED), [], set()),
    (fund.on_aid_reversed, reversed_(2, AidState.REVERSED), [], {CASE_KEY}),
]
