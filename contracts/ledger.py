"""What the ledger says: entries in two books, hours (minutes) and fund (分), and the donations behind the fund's."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import (
    AmountFen,
    Code,
    Digest,
    Event,
    Instant,
    Minutes,
    Part,
    PersonDataErasedFields,
    PolicyAdoptedFields,
    ReceiptNo,
    Signature,
    SignedAmount,
)
from contracts.volunteers import Grade

Book = Literal["hours", "fund"]
Unit = Literal["minutes", "fen"]
DonationMethod = Literal["bank_transfer", "cash", "cheque", "other"]


class Posting(Part):
    """One side of an entry: positive is a debit, negative a credit; per unit they sum to nothing."""

    account: Code
    fund: Code | None = None
    amount: SignedAmount
    unit: Unit


class EntryApproval(Part):
    """A person's signature under an entry, in a role, with their own key."""

    role: Role
    key_id: Code
    sig: Signature


class HoursEntry(Part):
    """The service behind an entry in the hours book."""

    claim_id: UUID
    volunteer_id: UUID
    order_id: UUID | None = None
    assignment_id: UUID | None = None
    started_at: Instant
    finished_at: Instant
    minutes: Minutes
    grade: Grade


class Entry(Event):
    """An entry in a book (ledger.md §6.1). Its numbers run without gaps per book (会计法 §15)."""

    entry_id: UUID
    book: Book
    entry_no: Annotated[int, Field(ge=1, le=2**53 - 1)]
    kind: Code
    effective_date: date
    postings: Annotated[tuple[Posting, ...], Field(min_length=2, max_length=100)]
    source_event_id: UUID | None = None
    """The event heard that caused it; absent where the cause is recorded in the same append, as with `donation_id`."""
    approvals: tuple[EntryApproval, ...] = ()
    voucher_sha256: tuple[Digest, ...] = ()
    receipt_no: ReceiptNo | None = None
    subject_commit: tuple[Digest, ...] = ()
    hours: HoursEntry | None = None
    donation_id: UUID | None = None


class EntryPosted(Entry, service="ledger", audience="partner"):
    """记账 — an entry was posted."""

    reason_code: Code | None = None
    reverses: UUID | None = None
    """The entry this one corrects, when it replaces a reversed one."""
    posted_at: Instant


class EntryReversed(Entry, service="ledger", audience="partner"):
    """冲销 — an entry was reversed by its mirror, which says why."""

    reason_code: Code
    reverses: UUID
    """The entry that is reversed; at most once."""
    reverses_no: Annotated[int, Field(ge=1, le=2**53 - 1)]
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None
    """Of the public 更正说明."""
    reversed_at: Instant


class EntryRefused(Event, service="ledger", audience="partner"):
    """不予记账 — an event could not be posted; nothing was."""

    book: Book
    source_event_id: UUID
    reason_code: Code
    claim_id: UUID | None = None
    volunteer_id: UUID | None = None
    conflicts_with: UUID | None = None
    """The entry in the way."""
    refused_at: Instant


class DonationFact(Event):
    """What every event of a gift carries: random ids of this one gift, never a donor's own."""

    donation_id: UUID
    donor_ref: UUID
    role: Role
    fund: Code
    amount_fen: AmountFen


class DonationPledged(DonationFact, service="ledger", audience="public"):
    """认捐 — a gift was promised."""

    purpose: Code | None = None
    anonymous: bool = True
    donor_commitment: Digest | None = None
    due_at: Instant | None = None
    pledged_at: Instant


class DonationReceived(DonationFact, service="ledger", audience="public"):
    """收到捐款 — a gift arrived."""

    purpose: Code | None = None
    method: DonationMethod
    anonymous: bool = True
    counted_by: tuple[UUID, ...] = ()
    """Two people, where cash asks for it."""
    voucher_sha256: tuple[Digest, ...] = ()
    donor_commitment: Digest | None = None
    effective_date: date
    due_at: Instant | None = None
    """By when a receipt is due."""
    received_at: Instant


class DonationReceipted(DonationFact, service="ledger", audience="public"):
    """开具票据 — a receipt was issued for a gift (慈善法 §38)."""

    receipt_no: ReceiptNo
    receipted_at: Instant


class ReceiptWaived(DonationFact, service="ledger", audience="public"):
    """放弃票据 — the donor wanted no receipt."""

    reason_code: Code
    waived_at: Instant


class PersonDataErased(PersonDataErasedFields, service="ledger", audience="internal"):
    """个人信息已删除 — the ledger destroyed its keys for an erased person, save what law keeps."""


class PolicyAdopted(PolicyAdoptedFields, service="ledger", audience="public"):
    """规则已采用 — the ledger's figures changed from a moment on."""


BookEvent = EntryPosted | EntryReversed | EntryRefused
DonationEvent = DonationPledged | DonationReceived | DonationReceipted | ReceiptWaived
ErasureEvent = PersonDataErased
PolicyEvent = PolicyAdopted
