"""Entries in the two books, hours (minutes) and fund (分)."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import AmountFen, Code, Digest, Event, Instant, Minutes, Part, ReceiptNo, Signature, SignedAmount
from contracts.volunteers import Grade

Book = Literal["hours", "fund"]
Unit = Literal["minutes", "fen"]
HoldCause = Literal["disbursed", "rejected", "amended", "lapsed"]


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
    case_id: UUID | None = None
    lot_id: UUID | None = None
    market_id: UUID | None = None


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


class HoldFact(Event):
    """Money set aside in a fund for one aid case: counted as spent until it is paid or released."""

    hold_id: UUID
    case_id: UUID
    fund: Code
    amount_fen: AmountFen
    restricted_fen: Annotated[int, Field(ge=0, le=100_000_000_000)]
    """How much of it comes from money given for the case's purpose; the rest from unrestricted money."""


class HoldPlaced(HoldFact, service="ledger", audience="internal"):
    """预留款项 — money was set aside for an aid case."""

    purpose: Code
    placed_at: Instant


class HoldReleased(HoldFact, service="ledger", audience="internal"):
    """解除预留 — money set aside for an aid case was paid or set free."""

    purpose: Code
    cause: HoldCause
    released_at: Instant


class FundBalance(Part):
    """What a fund's money came to."""

    fund: Code
    balance_fen: Annotated[int, Field(ge=0, le=2**53 - 1)]


class PeriodClosed(Event, service="ledger", audience="partner"):
    """结账 — a month of a book was closed by the second of two people; from then on nothing takes effect in it."""

    book: Book
    period: Annotated[str, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
    closed_through: date
    """The month's last day."""
    step: Annotated[int, Field(ge=1, le=2)]
    """1: somebody proposes it and nothing is closed yet; 2: another person closes it."""
    closed_by: UUID
    last_entry_no: Annotated[int, Field(ge=0, le=2**53 - 1)]
    """Of everything recorded so far: later entries are of the open months, whatever they correct."""
    balances: tuple[FundBalance, ...] = ()
    role: Role
    closed_at: Instant


BookEvent = EntryPosted | EntryReversed | EntryRefused | HoldPlaced | HoldReleased | PeriodClosed
