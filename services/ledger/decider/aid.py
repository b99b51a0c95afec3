"""A case of aid: applied for, visited by two, publicised, approved by two or three, paid (domain.md §4.6).

Nobody has two hands in a case, and nobody who is tied to the neighbour has any (会计法 §25, §35; 慈善法 §59).
An approval is a person's own signature over the present terms: whatever changes them voids it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import assert_never

from contracts.command import Refused
from contracts.ledger import (
    AidAmended,
    AidApplied,
    AidApprovalLapsed,
    AidApproved,
    AidEvent,
    AidPublicized,
    AidRejected,
    AidState,
    AidVerified,
)
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import (
    AID_STANDARD,
    AmendAid,
    AnyAidCommand,
    ApplyAid,
    ApproveAid,
    ConfirmAidReceipt,
    DisburseAid,
    FollowUpAid,
    LapseAidApproval,
    PublicizeAid,
    RejectAid,
    ReturnAid,
    ReverseAid,
    VerifyAid,
    day_of,
)
from services.ledger.decider import aid_paying
from services.ledger.decider.aid_hands import request_facts, require_key, require_own_hand, require_signed
from services.ledger.decider.aid_state import (
    APPROVER,
    CLERK,
    VISITOR,
    AidCase,
    before_approvals,
    evolve,
    initial,
)
from services.ledger.decider.aid_table import require_turn
from services.ledger.signatures import AID_APPROVAL

__all__ = ["approvals_required", "decide", "evolve", "initial"]

Events = Sequence[AidEvent]


def decide(command: AnyAidCommand, case: AidCase) -> Events:
    """The events that a command comes to. Raises Refused."""
    require_turn(command, case)
    match command:
        case ApplyAid():
            return _apply(command)
        case VerifyAid():
            return _verify(command, case)
        case PublicizeAid():
            return _publicize(command, case)
        case AmendAid():
            return _amend(command, case)
        case ApproveAid():
            return _approve(command, case)
        case RejectAid():
            return _reject(command, case)
        case LapseAidApproval():
            return _lapse(command, case)
        case DisburseAid():
            return aid_paying.disburse(command, case)
        case ConfirmAidReceipt():
            return aid_paying.confirm(command, case)
        case FollowUpAid():
            return aid_paying.follow_up(command, case)
        case ReturnAid():
            return aid_paying.take_back(command, case)
        case ReverseAid():
            return aid_paying.reverse(command, case)
        case _:
            assert_never(command)


def approvals_required(amount_fen: int, two_approvals_fen_max: int) -> int:
    """Two; three above the policy's amount (domain.md §4.6)."""
    return 2 if amount_fen <= two_approvals_fen_max else 3


def _apply(command: ApplyAid) -> Events:
    policy = command.policy
    chart().require_purpose(command.fund, command.purpose)
    if command.standard != AID_STANDARD:
        raise Refused("standard_not_shown", standard=AID_STANDARD)
    _require_amount(command.amount_fen, policy.aid_fen_max)
    urgent = command.lane == "urgent"
    if urgent and command.amount_fen > policy.urgent_fen_max:
        raise Refused("urgent_over_cap", amount_fen_max=policy.urgent_fen_max)
    patience = timedelta(hours=policy.urgent_approval_hours) if urgent else timedelta(days=policy.aid_verify_days)
    applied = AidApplied(
        case_id=command.case_id,
        role=command.by.role,
        state=AidState.APPLIED,
        revision=1,
        fund=command.fund,
        purpose=command.purpose,
        amount_fen=command.amount_fen,
        payee_ref=command.payee_ref,
        payee_commitment=command.payee_commitment,
        lane=command.lane,
        beneficiary_ref=command.beneficiary_ref,
        beneficiary_commitment=command.beneficiary_commitment,
        need_commitment=command.need_commitment,
        standard=command.standard,
        due_at=command.at + patience,
        applied_at=command.at,
    )
    return [applied]


def _require_amount(amount_fen: int, amount_fen_max: int) -> None:
    if amount_fen > amount_fen_max:
        raise Refused("aid_over_cap", amount_fen_max=amount_fen_max)


def _verify(command: VerifyAid, case: AidCase) -> Events:
    if case.visits >= 2:
        raise Refused("verified_already")
    visitor = require_own_hand(command, case, VISITOR)
    if visitor in case.hands.get(VISITOR, frozenset()):
        raise Refused("visitors_equal")
    today = day_of(command.at)
    if case.applied_at is None or not day_of(case.applied_at) <= command.visited_on <= today:
        raise Refused("visit_day_impossible", latest=today.isoformat())
    step = case.visits + 1
    complete = step == 2 and case.state is AidState.APPLIED
    verified = AidVerified(
        case_id=command.case_id,
        role=command.by.role,
        state=AidState.VERIFIED if complete else case.stands,
        visitor_id=visitor,
        step=step,
        finding=command.finding,
        visited_on=command.visited_on,
        report_ref=command.report_ref,
        report_commitment=command.report_commitment,
        verified_at=command.at,
    )
    return [verified]


def _publicize(command: PublicizeAid, case: AidCase) -> Events:
    if case.publicity is not None:
        raise Refused("publicized_already")
    clerk = require_own_hand(command, case, CLERK)
    posted = command.publicity == "posted"
    fewest, most = command.policy.publicity_days_min, command.policy.publicity_days_max
    days = fewest if command.days is None else command.days
    if posted and not fewest <= days <= most:
        raise Refused("publicity_days_impossible", fewest=fewest, most=most)
    publicized = AidPublicized(
        case_id=command.case_id,
        role=command.by.role,
        state=AidState.PUBLICIZED if case.state is AidState.VERIFIED else case.stands,
        clerk_id=clerk,
        publicity=command.publicity,
        pseudonym=command.pseudonym if posted else None,
        reason_code=command.reason_code,
        until=command.at + timedelta(days=days) if posted else None,
        publicized_at=command.at,
    )
    return [publicized]


def _amend(command: AmendAid, case: AidCase) -> Events:
    clerk = require_own_hand(command, case, CLERK)
    terms = case.asked
    purpose = command.purpose or terms.purpose
    amount_fen = command.amount_fen or terms.amount_fen
    commitment = command.payee_commitment or terms.payee_commitment
    if (purpose, amount_fen, commitment) == (terms.purpose, terms.amount_fen, terms.payee_commitment):
        raise Refused("nothing_amended")
    chart().require_purpose(terms.fund, purpose)
    _require_amount(amount_fen, command.policy.aid_fen_max)
    if case.lane == "urgent" and amount_fen > command.policy.urgent_fen_max:
        raise Refused("urgent_over_cap", amount_fen_max=command.policy.urgent_fen_max)
    amended = AidAmended(
        case_id=command.case_id,
        role=command.by.role,
        state=before_approvals(case),
        revision=terms.revision + 1,
        fund=terms.fund,
        purpose=purpose,
        amount_fen=amount_fen,
        payee_ref=command.payee_ref or terms.payee_ref,
        payee_commitment=commitment,
        clerk_id=clerk,
        approvals_voided=len(case.approvals),
        hold_id=case.hold_id,
        amended_at=command.at,
    )
    return [amended]


def _approve(command: ApproveAid, case: AidCase) -> Events:
    approver = require_own_hand(command, case, APPROVER)
    if case.is_approved:
        raise Refused("approved_already", approvals=len(case.approvals))
    if approver in case.hands.get(APPROVER, frozenset()):
        raise Refused("approved_by_you")
    _require_ready(command, case)
    if case.lapses_at is not None and command.at >= case.lapses_at:
        raise Refused("approvals_lapsed")
    key = require_key(command.key, command.key_id)
    facts = request_facts(command.case_id, case)
    request = require_signed(AID_APPROVAL, command.community, facts, key, command.sig, approver)
    # The terms decide how many it takes when the first signs; a policy changed meanwhile binds the next case.
    required = (
        case.approvals[0].approvals_required
        if case.approvals
        else approvals_required(case.asked.amount_fen, command.policy.aid_two_approvals_fen_max)
    )
    step = len(case.approvals) + 1
    if (step == required) is (command.hold_id is None):
        raise ValueError(f"approval {step} of {required} places a hold when it is the last, and only then")
    approved = AidApproved(
        case_id=command.case_id,
        role=command.by.role,
        state=AidState(f"APPROVED_{step}"),
        approver_id=approver,
        step=step,
        approvals_required=required,
        revision=case.asked.revision,
        key_id=key.key_id,
        sig=command.sig,
        request_sha256=request,
        relations_position=command.independence.position,
        hold_id=command.hold_id,
        due_at=_approval_ends(command, case, last=step == required),
        approved_at=command.at,
    )
    return [approved]


def _require_ready(command: ApproveAid, case: AidCase) -> None:
    """Not before the publicity's end; in the urgent lane within its hours, after which the ordinary way remains."""
    if case.doubted:
        raise Refused("visit_doubts")
    if case.public_until is not None and command.at < case.public_until:
        raise Refused("publicity_runs", until=case.public_until)
    if case.lane == "urgent" and not case.is_proven:
        assert case.applied_at is not None
        if command.at > case.applied_at + timedelta(hours=command.policy.urgent_approval_hours):
            raise Refused("urgent_window_over", hours=command.policy.urgent_approval_hours)


def _approval_ends(command: ApproveAid, case: AidCase, *, last: bool) -> datetime:
    if case.lane == "urgent" and not case.is_proven and not last:
        assert case.applied_at is not None
        return case.applied_at + timedelta(hours=command.policy.urgent_approval_hours)
    return command.at + timedelta(days=command.policy.approval_days)


def _reject(command: RejectAid, case: AidCase) -> Events:
    # Who approved may think better of it; nobody with another hand, or tied to the neighbour, decides against them.
    require_own_hand(command, case, APPROVER)
    rejected = AidRejected(
        case_id=command.case_id,
        role=command.by.role,
        state=AidState.REJECTED,
        reason_code=command.reason_code,
        hold_id=case.hold_id,
        appeal_until=command.at + timedelta(days=command.policy.appeal_days),
        rejected_at=command.at,
    )
    return [rejected]


def _lapse(command: LapseAidApproval, case: AidCase) -> Events:
    if case.lapses_at is None or command.at < case.lapses_at:
        return []
    lapsed = AidApprovalLapsed(
        case_id=command.case_id,
        role=command.by.role,
        state=before_approvals(case),
        approvals_voided=len(case.approvals),
        hold_id=case.hold_id,
        lapsed_at=command.at,
    )
    return [lapsed]
