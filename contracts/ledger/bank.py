"""The bank's word beside the book's (会计法 §17): a statement, what agrees, and what is still to be found out."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import Count, Digest, Event, Instant, Part, SignedAmount

LineNo = Annotated[int, Field(ge=1, le=200)]
EntryNo = Annotated[int, Field(ge=1, le=2**53 - 1)]
MatchedBy = Literal["reference", "amount_and_day", "person"]
ItemReason = Literal["in_transit", "bank_fee", "interest", "bank_error", "book_error", "other"]
"""Why one side has what the other has not (yet)."""


class BankLine(Part):
    """One line of a statement: money that came (positive) or went, and the entry that it is, where that is plain."""

    line_no: LineNo
    booked_on: date
    amount_fen: SignedAmount
    reference_commitment: Digest | None = None
    """Of the bank's reference, under a salt that lies in the vault."""
    entry_id: UUID | None = None
    entry_no: EntryNo | None = None
    matched_by: MatchedBy | None = None


class OpenLine(Part):
    """What the bank booked and no entry explains."""

    statement_id: UUID
    line_no: LineNo
    booked_on: date
    amount_fen: SignedAmount
    reason_code: ItemReason | None = None
    """Absent: nobody has said why (待查)."""


class OpenEntry(Part):
    """What the book has of the bank account and no line of a statement shows."""

    entry_no: EntryNo
    effective_date: date
    amount_fen: SignedAmount
    reason_code: ItemReason | None = None


class BankFact(Event):
    """What every event about a bank statement carries."""

    statement_id: UUID
    role: Role


class BankStatementAttested(BankFact, service="ledger", audience="partner"):
    """银行对账单 — a bank statement was handed in, and every line that is plainly an entry was matched with it."""

    file_sha256: Digest
    from_on: date
    until_on: date
    """The last day; both days are in it, Asia/Shanghai."""
    opening_fen: SignedAmount
    closing_fen: SignedAmount
    lines: Annotated[tuple[BankLine, ...], Field(max_length=200)]
    words_ref: UUID | None = None
    """The bank's words about the lines, in the vault."""
    words_commitment: Digest | None = None
    replaces: UUID | None = None
    """A statement that nobody reconciled yet, handed in wrongly: its matches are undone."""
    attested_by: UUID
    attested_at: Instant


class BankItemSettled(BankFact, service="ledger", audience="partner"):
    """对账差异处理 — a person matched a line with an entry, or said why one of them stands alone."""

    line_no: LineNo | None = None
    entry_id: UUID | None = None
    entry_no: EntryNo | None = None
    reason_code: ItemReason | None = None
    """Absent: line and entry are one and the same."""
    note_ref: UUID | None = None
    note_commitment: Digest | None = None
    settled_by: UUID
    settled_at: Instant


class FundReconciled(BankFact, service="ledger", audience="public"):
    """银行对账 — another person held book and bank against each other; what does not agree is shown."""

    file_sha256: Digest
    from_on: date
    until_on: date
    closing_fen: SignedAmount
    """What the bank says, at the end of the last day."""
    book_fen: SignedAmount
    """What the book says of the bank account, over all funds, at the end of the last day."""
    later_fen: SignedAmount
    """What the bank had by then and the book enters on a later day."""
    matched: Count
    open_lines: Count
    open_entries: Count
    unexplained: Count
    """How many of these nobody has said a reason for."""
    oldest_lines: Annotated[tuple[OpenLine, ...], Field(max_length=100)] = ()
    oldest_entries: Annotated[tuple[OpenEntry, ...], Field(max_length=100)] = ()
    open_lines_fen: SignedAmount
    open_entries_fen: SignedAmount
    difference_fen: SignedAmount
    """closing − (book + later − open entries + open lines): what nothing here explains."""
    log_size: Annotated[int, Field(ge=1, le=2**53 - 1)]
    log_root: Digest
    """Size and root of the ledger's log that the figures were read from."""
    reconciled_at: Instant


BankEvent = BankStatementAttested | BankItemSettled | FundReconciled
