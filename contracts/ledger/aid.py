"""Aid to a neighbour in need 救助: applied for, visited by two, publicised, approved by two, paid, followed up.

Nothing here names anybody: a case has a random id of its own, its beneficiary a ref of this one case, the payee a
commitment. Who they are lies in the vault (domain.md §4.6, 慈善法 §82).
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import AmountFen, Code, Count, Digest, Event, Instant
from contracts.ledger.donations import DonationMethod
from contracts.ledger.keys import Ed25519Signature, KeyId

AidLane = Literal["ordinary", "urgent"]
AidFinding = Literal["confirmed", "not_confirmed"]
Publicity = Literal["posted", "waived"]
AidReason = Literal["no_need_found", "other_support", "outside_purpose", "incomplete", "withdrawn", "fund_short"]
AidOutcome = Literal["need_met", "need_continues", "moved_away", "deceased"]
ReturnReason = Literal["not_needed", "payment_failed", "paid_too_much", "misused"]
ReversalReason = Literal["paid_wrongly", "entered_wrongly", "payment_failed", "deceived"]
Step = Annotated[int, Field(ge=1, le=3)]


class AidState(StrEnum):
    """Where a case stands."""

    APPLIED = "APPLIED"
    VERIFIED = "VERIFIED"
    PUBLICIZED = "PUBLICIZED"
    APPROVED_1 = "APPROVED_1"
    APPROVED_2 = "APPROVED_2"
    APPROVED_3 = "APPROVED_3"
    DISBURSED = "DISBURSED"
    CONFIRMED = "CONFIRMED"
    CLOSED = "CLOSED"
    REJECTED = "REJECTED"
    RETURNED = "RETURNED"
    REVERSED = "REVERSED"


class AidFact(Event):
    """What every event of a case carries; `state` is the case's after it."""

    case_id: UUID
    role: Role
    state: AidState


class AidTerms(AidFact):
    """What is asked for, and what approvers sign."""

    revision: Annotated[int, Field(ge=1, le=1000)]
    """1 as applied for, one more with every amendment: a signature counts for one revision only."""
    fund: Code
    purpose: Code
    amount_fen: AmountFen
    payee_ref: UUID
    payee_commitment: Digest


class AidApplied(AidTerms, service="ledger", audience="internal"):
    """申请救助 — a neighbour in need asked for help."""

    lane: AidLane
    beneficiary_ref: UUID
    beneficiary_commitment: Digest
    need_commitment: Digest
    standard: Code
    """The version of the standard that was shown to who applied (慈善法 §81)."""
    due_at: Instant
    """By when it is to be verified; in the urgent lane, approved."""
    applied_at: Instant


class AidVerified(AidFact, service="ledger", audience="internal"):
    """入户核实 — a visitor saw for themselves; the second visit completes it."""

    visitor_id: UUID
    step: Annotated[int, Field(ge=1, le=2)]
    finding: AidFinding
    visited_on: date
    report_ref: UUID
    report_commitment: Digest
    verified_at: Instant


class AidPublicized(AidFact, service="ledger", audience="internal"):
    """救助公示 — a case was posted without a name, or its posting waived to spare somebody."""

    clerk_id: UUID
    publicity: Publicity
    pseudonym: Code | None = None
    reason_code: Code | None = None
    until: Instant | None = None
    publicized_at: Instant


class AidAmended(AidTerms, service="ledger", audience="internal"):
    """变更救助 — amount, purpose or payee changed; every approval is void."""

    clerk_id: UUID
    approvals_voided: Count
    hold_id: UUID | None = None
    """The hold that was released with it."""
    amended_at: Instant


class AidApproved(AidFact, service="ledger", audience="internal"):
    """救助审批 — an approver signed the request with their own key."""

    approver_id: UUID
    step: Step
    approvals_required: Step
    revision: Annotated[int, Field(ge=1, le=1000)]
    key_id: KeyId
    sig: Ed25519Signature
    """Over the approval text of this revision (services/ledger/signatures.py)."""
    request_sha256: Digest
    """Of the signed text."""
    relations_position: Annotated[int, Field(ge=0, le=2**53 - 1)]
    """The position in volunteers up to which the approver was found unrelated (慈善法 §59)."""
    hold_id: UUID | None = None
    """With the last approval: the money set aside in the same append."""
    due_at: Instant
    """When the approvals lapse unless it was paid."""
    approved_at: Instant


class AidApprovalLapsed(AidFact, service="ledger", audience="internal"):
    """审批失效 — a case was not paid in time after its approvals, which are void."""

    approvals_voided: Count
    hold_id: UUID | None = None
    lapsed_at: Instant


class AidRejected(AidFact, service="ledger", audience="internal"):
    """不予救助 — a case was turned down, with a reason and a way to appeal."""

    reason_code: AidReason
    hold_id: UUID | None = None
    appeal_until: Instant
    rejected_at: Instant


class AidDisbursed(AidFact, service="ledger", audience="internal"):
    """发放救助 — the cashier paid what was approved."""

    cashier_id: UUID
    fund: Code
    purpose: Code
    amount_fen: AmountFen
    payee_commitment: Digest
    method: DonationMethod
    hold_id: UUID
    entry_id: UUID
    voucher_sha256: tuple[Digest, ...]
    effective_date: date
    due_at: Instant
    """By when somebody looks in again; in the urgent lane, by when visits and publicity follow."""
    disbursed_at: Instant


class AidReceiptConfirmed(AidFact, service="ledger", audience="internal"):
    """确认收到 — the neighbour has the money."""

    voucher_sha256: tuple[Digest, ...] = ()
    confirmed_at: Instant


class AidFollowedUp(AidFact, service="ledger", audience="internal"):
    """救助回访 — somebody looked in afterwards; the case is closed."""

    outcome: AidOutcome
    report_ref: UUID
    report_commitment: Digest
    followed_up_at: Instant


class AidReturned(AidFact, service="ledger", audience="internal"):
    """救助退回 — paid money came back to the fund."""

    cashier_id: UUID
    amount_fen: AmountFen
    method: DonationMethod
    reason_code: ReturnReason
    entry_id: UUID
    voucher_sha256: tuple[Digest, ...]
    effective_date: date
    returned_at: Instant


class AidReversed(AidFact, service="ledger", audience="internal"):
    """救助冲销 — an approver signed that a payment is taken back in the books; the second signature posts it."""

    approver_id: UUID
    step: Annotated[int, Field(ge=1, le=2)]
    key_id: KeyId
    sig: Ed25519Signature
    request_sha256: Digest
    reason_code: ReversalReason
    entry_id: UUID | None = None
    """The reversing entry, with the second signature."""
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None
    """Of the public 更正说明 (令81 §16)."""
    reversed_at: Instant


AidEvent = (
    AidApplied
    | AidVerified
    | AidPublicized
    | AidAmended
    | AidApproved
    | AidApprovalLapsed
    | AidRejected
    | AidDisbursed
    | AidReceiptConfirmed
    | AidFollowedUp
    | AidReturned
    | AidReversed
)
