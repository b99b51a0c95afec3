"""Published statements of the fund, and their corrections (慈善法 §72, §79; 令81 §16)."""

import json
from datetime import date
from hashlib import sha256
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import Code, Digest, Event, Instant, Part, SignedAmount

StatementKind = Literal["month", "quarter", "year", "campaign", "interim"]
StatementReason = Literal["entry_reversed", "late_entry", "computed_wrongly"]
Number = Annotated[int, Field(ge=1, le=2**53 - 1)]
Fen = Annotated[int, Field(ge=0, le=2**53 - 1)]
RECIPIENTS_MIN = 5
"""Fewer recipients than these are shown in no cell of their own (ledger.md §5: k = 5)."""


class StatementLine(Part):
    """What came or went in one category: an income, an expense or a way of things given."""

    category: Code
    """The account without its side and its purpose: `donations`, `market`, `aid`."""
    purposes: tuple[Code, ...] = ()
    """What it was for. More than one: cells with too few recipients, merged; none: no purpose, or still too few."""
    amount_fen: SignedAmount
    restricted_fen: SignedAmount
    """How much of it was given for just these purposes."""
    recipients: Annotated[int, Field(ge=RECIPIENTS_MIN, le=2**53 - 1)] | None = None
    """How many cases, or deliveries; absent where nobody receives, or too few do."""


class FundStatement(Part):
    """One fund in the span. Closing = opening + income − spending, in all and in what is restricted."""

    fund: Code
    opening_fen: SignedAmount
    opening_restricted_fen: SignedAmount
    income: tuple[StatementLine, ...]
    spending: tuple[StatementLine, ...]
    closing_fen: SignedAmount
    closing_restricted_fen: SignedAmount
    held_fen: Fen
    """Approved and not paid at the end of the last day."""
    goods_opening_fen: SignedAmount
    """Things given, at their declared value, which is never money."""
    goods_income: tuple[StatementLine, ...]
    goods_spending: tuple[StatementLine, ...]
    goods_closing_fen: SignedAmount


class YearToDate(Part):
    """What 慈善法 §61 compares, from 1 January of the last day's year: money and declared values.

    What things given were sold for is left out on both sides: their value came in once already.
    """

    income_fen: SignedAmount
    spending_fen: SignedAmount
    """For the fund's ends: costs of management are not in it."""
    management_fen: SignedAmount
    income_last_year_fen: SignedAmount


class StatementReversal(Part):
    """An entry that was reversed by its mirror; both stay readable by their numbers."""

    entry_no: Number
    """Of the reversal."""
    reverses_no: Number
    money_fen: SignedAmount
    """By how much the reversal changes the fund's money."""


class Statement(Part):
    """All figures of a span, from the entries of the fund's book that take effect in it.

    Its canonical form (RFC 8785) is the published file, byte for byte.
    """

    kind: StatementKind
    period: Code
    """`2026-10`, `2026-q3`, `2026`, `2026-10-01..2026-10-05`, or the code of a campaign."""
    first_day: date
    last_day: date
    purpose: Code | None = None
    """Of a campaign for one purpose: only what was given and spent for that is told; absent: all of the funds."""
    entries: Fen
    first_entry_no: Number | None = None
    last_entry_no: Number | None = None
    funds: tuple[FundStatement, ...]
    year: YearToDate
    reversals: Annotated[tuple[StatementReversal, ...], Field(max_length=400)] = ()
    """Corrections that take effect in the span."""
    reversed_later: Annotated[tuple[StatementReversal, ...], Field(max_length=400)] = ()
    """Corrections of the span's entries that take effect after it: its figures stand as the books had them."""


def canonical(statement: Statement) -> bytes:
    """The statement as it is published: RFC 8785, which sorted keys, whole numbers and ASCII come to here."""
    document = statement.model_dump(mode="json", exclude_none=True)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def statement_digest(statement: Statement) -> str:
    """SHA-256 of the published file."""
    return sha256(canonical(statement)).hexdigest()


class StatementFact(Event):
    """Something that happened to the statements of one period."""

    statement_id: UUID
    period: Code
    revision: Annotated[int, Field(ge=1, le=10_000)]
    step: Annotated[int, Field(ge=1, le=2)]
    """1: the clerk says so and nothing is published yet; 2: a supervisor publishes."""
    role: Role


class FundStatementPublished(StatementFact, service="ledger", audience="partner"):
    """公布收支 — a statement of the fund was drafted by one person and published by another."""

    statement: Statement
    statement_sha256: Digest
    """Of the statement's canonical form."""
    log_size: Number
    """The signed head that the figures were computed at."""
    log_root: Digest
    drafted_by: UUID
    published_by: UUID | None = None
    supersedes: UUID | None = None
    """The statement that this one corrects."""
    published_at: Instant


class DisclosureCorrected(StatementFact, service="ledger", audience="partner"):
    """更正公示 — a published statement was found wrong or overtaken; a new one stands beside it, with public words."""

    replaced_by: UUID | None = None
    """The new statement, once it is published."""
    statement_sha256: Digest
    """Of the new statement."""
    reason_code: StatementReason
    explanation_ref: UUID
    explanation_commitment: Digest
    """Of the public 更正说明 (令81 §16)."""
    corrected_by: UUID
    corrected_at: Instant


FundStatementEvent = FundStatementPublished | DisclosureCorrected
