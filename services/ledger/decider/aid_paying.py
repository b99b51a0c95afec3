"""The payment of a case and what follows it: confirmed, looked after, returned, reversed."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from contracts.command import Refused
from contracts.ledger import (
    AidDisbursed,
    AidEvent,
    AidFollowedUp,
    AidReceiptConfirmed,
    AidReturned,
    AidReversed,
    AidState,
)
from services.ledger.commands import (
    AidCommand,
    ConfirmAidReceipt,
    DisburseAid,
    FollowUpAid,
    ReturnAid,
    ReverseAid,
    day_of,
)
from services.ledger.decider.aid_hands import request_facts, require_key, require_own_hand, require_signed
from services.ledger.decider.aid_state import APPROVER, CASHIER, AidCase
from services.ledger.signatures import AID_REVERSAL, Facts

Events = Sequence[AidEvent]


def disburse(command: DisburseAid, case: AidCase) -> Events:
    """Pay exactly what was approved, to exactly whom. Raises Refused."""
    cashier = require_own_hand(command, case, CASHIER)
    if not case.is_approved or case.hold_id is None:
        raise Refused("approvals_missing", approvals=len(case.approvals))
    if command.tied_approver is not None:
        raise Refused("approver_not_independent", obstacle=command.tied_approver)
    if case.lapses_at is not None and command.at >= case.lapses_at:
        raise Refused("approvals_lapsed")
    _require_day(command, command.effective_date)
    terms, policy = case.asked, command.policy
    urgent = case.lane == "urgent" and not case.is_proven
    days = policy.urgent_proof_days if urgent else policy.follow_up_days
    disbursed = AidDisbursed(
        case_id=command.case_id,
        role=command.by.role,
        state=AidState.DISBURSED,
        cashier_id=cashier,
        fund=terms.fund,
        purpose=terms.purpose,
        amount_fen=terms.amount_fen,
        payee_commitment=terms.payee_commitment,
        method=command.method,
        hold_id=case.hold_id,
        entry_id=command.entry_id,
        voucher_sha256=command.voucher_sha256,
        effective_date=command.effective_date,
        due_at=command.at + timedelta(days=days),
        disbursed_at=command.at,
    )
    return [disbursed]


def _require_day(command: AidCommand, effective_date: date) -> None:
    today = day_of(command.at)
    earliest = today - timedelta(days=command.policy.backdate_days)
    if not earliest <= effective_date <= today:
        raise Refused("day_impossible", earliest=earliest.isoformat(), latest=today.isoformat())


def confirm(command: ConfirmAidReceipt, case: AidCase) -> Events:
    """The neighbour has the money. Raises Refused for who paid or approved it."""
    for hand in (APPROVER, CASHIER):
        if command.by.actor_id in case.hands.get(hand, frozenset()):
            raise Refused("other_hand", hand=hand)
    confirmed = AidReceiptConfirmed(
        case_id=command.case_id,
        role=command.by.role,
        state=AidState.CONFIRMED,
        voucher_sha256=command.voucher_sha256,
        confirmed_at=command.at,
    )
    return [confirmed]


def follow_up(command: FollowUpAid, case: AidCase) -> Events:
    """Close the case. Raises Refused while visits or publicity are owed (urgent lane)."""
    for hand in (APPROVER, CASHIER):
        if command.by.actor_id in case.hands.get(hand, frozenset()):
            raise Refused("other_hand", hand=hand)
    if not case.is_proven:
        raise Refused("proof_owed", visits=case.visits)
    followed = AidFollowedUp(
        case_id=command.case_id,
        role=command.by.role,
        state=AidState.CLOSED,
        outcome=command.outcome,
        report_ref=command.report_ref,
        report_commitment=command.report_commitment,
        followed_up_at=command.at,
    )
    return [followed]


def take_back(command: ReturnAid, case: AidCase) -> Events:
    """Take paid money in again, never more than was paid. Raises Refused."""
    cashier = require_own_hand(command, case, CASHIER)
    paid = _paid(case)
    left_fen = paid.amount_fen - case.returned_fen
    if command.amount_fen > left_fen:
        raise Refused("more_than_paid", amount_fen_max=left_fen)
    _require_day(command, command.effective_date)
    if command.effective_date < paid.effective_date:
        raise Refused("before_original")
    whole = command.amount_fen == left_fen
    returned = AidReturned(
        case_id=command.case_id,
        role=command.by.role,
        state=AidState.RETURNED if whole else case.stands,
        cashier_id=cashier,
        amount_fen=command.amount_fen,
        method=command.method,
        reason_code=command.reason_code,
        entry_id=command.entry_id,
        voucher_sha256=command.voucher_sha256,
        effective_date=command.effective_date,
        returned_at=command.at,
    )
    return [returned]


def reversal_facts(case_id: UUID, case: AidCase, reason_code: str) -> Facts:
    """What who signs a reversal signs: the payment, and why it is taken back."""
    return {**request_facts(case_id, case), "entry": _paid(case).entry_id, "reason": reason_code}


def reverse(command: ReverseAid, case: AidCase) -> Events:
    """Sign a reversal; the second signature, by another, posts it. Raises Refused."""
    approver = require_own_hand(command, case, APPROVER)
    if case.returned_fen:
        raise Refused("returned_in_part", returned_fen=case.returned_fen)
    first = case.reversal
    if first is not None and first.approver_id == approver:
        raise Refused("approved_by_you")
    if first is not None and first.reason_code != command.reason_code:
        raise Refused("reason_differs", reason=first.reason_code)
    if first is None and command.explanation_commitment is None:
        raise Refused("explanation_needed")
    if (first is None) is (command.entry_id is not None):
        raise ValueError("the second signature posts the reversing entry, and only the second")
    key = require_key(command.key, command.key_id)
    facts = reversal_facts(command.case_id, case, command.reason_code)
    request = require_signed(AID_REVERSAL, command.community, facts, key, command.sig, approver)
    reversing = AidReversed(
        case_id=command.case_id,
        role=command.by.role,
        state=case.stands if first is None else AidState.REVERSED,
        approver_id=approver,
        step=1 if first is None else 2,
        key_id=key.key_id,
        sig=command.sig,
        request_sha256=request,
        reason_code=command.reason_code,
        entry_id=command.entry_id,
        explanation_ref=command.explanation_ref if first is None else first.explanation_ref,
        explanation_commitment=command.explanation_commitment if first is None else first.explanation_commitment,
        reversed_at=command.at,
    )
    return [reversing]


def _paid(case: AidCase) -> AidDisbursed:
    assert case.disbursed is not None
    return case.disbursed
