"""Statements of the fund: what people ask, the spans they may be about, and the commands it becomes."""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import Annotated
from uuid import UUID, uuid5

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from contracts.command import Ask, Command, Refused
from contracts.event import Code, Digest
from contracts.ledger import Statement, StatementKind, StatementReason

_PERIODS = UUID("018f6a3e-7c00-7000-8000-1ed6e4000002")
_MONTH = re.compile(r"([1-9][0-9]{3})-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"([1-9][0-9]{3})-q([1-4])")
_YEAR = re.compile(r"[1-9][0-9]{3}")
_DAYS = re.compile(r"([1-9][0-9]{3}-[0-9]{2}-[0-9]{2})\.\.([1-9][0-9]{3}-[0-9]{2}-[0-9]{2})")
_NUMBERS_OF_PEOPLE = re.compile(r"(?<!\d)(1[3-9]\d{9}|\d{17}[\dXx]|\d{16,19})(?!\d)")
"""Mobile telephones, identity cards, bank cards."""


def _names_nobody(words: str) -> str:
    if _NUMBERS_OF_PEOPLE.search(re.sub(r"[\s\-－—]", "", words)):
        chinese = "这是公开的，不要写电话、身份证号或账号。"
        english = "everybody reads it: no telephone, identity or account number"
        raise PydanticCustomError("number_of_a_person", english, {"chinese": chinese})
    return words


PublicWords = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_names_nobody)]
"""Words that everybody will read (更正说明): no number that leads to a person stands in them."""


def statements_stream(period: str) -> str:
    """The stream of a period's statements, `fund_statement-<uuid>`."""
    return f"fund_statement-{uuid5(_PERIODS, period)}"


@dataclass(frozen=True, slots=True)
class Span:
    """What a statement is about: its days, and of a campaign the one fund and what it raises money for."""

    kind: StatementKind
    period: str
    first_day: date
    last_day: date
    fund: str | None = None
    purpose: str | None = None
    """Only the pot of this purpose; None: everything of the fund."""


def span_of(period: str, campaigns: dict[str, Span]) -> Span:
    """The days of `2026-10`, `2026-q3`, `2026`, two days with `..` between, or a campaign. Raises Refused."""
    if found := _MONTH.fullmatch(period):
        return months("month", period, int(found[1]), int(found[2]), 1)
    if found := _QUARTER.fullmatch(period):
        return months("quarter", period, int(found[1]), int(found[2]) * 3 - 2, 3)
    if _YEAR.fullmatch(period):
        return months("year", period, int(period), 1, 12)
    if found := _DAYS.fullmatch(period):
        try:
            first, last = date.fromisoformat(found[1]), date.fromisoformat(found[2])
        except ValueError:
            raise Refused("statement_period_unknown") from None
        if first <= last:
            return Span("interim", period, first, last)
    if period in campaigns:
        return campaigns[period]
    raise Refused("statement_period_unknown")


def months(kind: StatementKind, period: str, year: int, month: int, count: int) -> Span:
    """So many months from the first of one on."""
    last = month + count - 1
    return Span(kind, period, date(year, month, 1), date(year, last, monthrange(year, last)[1]))


class PublishStatementAsk(Ask):
    """The draft that a supervisor has read, by its SHA-256; a clerk who drafts says nothing."""

    statement_sha256: Digest | None = None


class CorrectDisclosureAsk(Ask):
    """Why a published statement is not right, in words for everybody; a supervisor names the draft instead."""

    reason_code: StatementReason | None = None
    explanation: PublicWords | None = None
    statement_sha256: Digest | None = None


class StatementCommand(Command):
    """A command about the statements of one period, with the figures as they are now."""

    statement_id: UUID
    """Of the statement that comes of it, if one does."""
    statement: Statement
    log_size: int
    log_root: Digest
    closed_through: date | None
    """The last closed day of the fund's book, as of that head; None: nothing is closed."""
    confirms: Digest | None = None

    @property
    def stream(self) -> str:
        """`fund_statement-<uuid>`."""
        return statements_stream(self.statement.period)


class PublishStatement(StatementCommand):
    """Draft a statement of a span that is over, or as a supervisor publish the draft."""


class CorrectDisclosure(StatementCommand):
    """Draft the correction of a published statement, or as a supervisor publish it."""

    reason_code: Code | None = None
    explanation_ref: UUID | None = None
    explanation_commitment: Digest | None = None


STATEMENT_COMMANDS: tuple[type[StatementCommand], ...] = (PublishStatement, CorrectDisclosure)
AnyStatementCommand = PublishStatement | CorrectDisclosure
