"""A statement of February for tests, and what is asked about it."""

from datetime import date
from typing import Any
from uuid import UUID

from contracts.command import Role
from contracts.ledger import FundStatement, Statement, StatementLine, YearToDate
from services.ledger import commands
from tests.ledger.examples import BO, CLERK, DIGEST, NOON, by

LAST = date(2026, 2, 28)
STATEMENT = UUID(int=9_500)


def line(category: str = "donations", amount_fen: int = 20_000, **changes: Any) -> StatementLine:
    fields: dict[str, Any] = {"category": category, "amount_fen": amount_fen, "restricted_fen": 0}
    return StatementLine(**fields | changes)


def statement(income_fen: int = 20_000, **changes: Any) -> Statement:
    """So much was given in February, and nothing spent."""
    fund = FundStatement(
        fund="fund-relief",
        opening_fen=0,
        opening_restricted_fen=0,
        income=(line(amount_fen=income_fen),),
        spending=(),
        closing_fen=income_fen,
        closing_restricted_fen=0,
        held_fen=0,
        goods_opening_fen=0,
        goods_income=(),
        goods_spending=(),
        goods_closing_fen=0,
    )
    fields: dict[str, Any] = {
        "kind": "month",
        "period": "2026-02",
        "first_day": date(2026, 2, 1),
        "last_day": LAST,
        "entries": 1,
        "first_entry_no": 1,
        "last_entry_no": 1,
        "funds": (fund,),
        "year": YearToDate(income_fen=income_fen, spending_fen=0, management_fen=0, income_last_year_fen=0),
    }
    return Statement(**fields | changes)


def _told(person: UUID | None, role: Role, of: Statement, changes: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "by": by(person, role),
        "at": NOON,
        "statement_id": STATEMENT,
        "statement": of,
        "log_size": 7,
        "log_root": DIGEST,
        "closed_through": LAST,
    }
    return fields | changes


def publish(
    person: UUID | None = CLERK, role: Role = Role.FUND_CLERK, of: Statement | None = None, **changes: Any
) -> commands.PublishStatement:
    """The clerk drafts, unless told otherwise."""
    return commands.PublishStatement(**_told(person, role, of or statement(), changes))


def correct(
    person: UUID | None = CLERK, role: Role = Role.FUND_CLERK, of: Statement | None = None, **changes: Any
) -> commands.CorrectDisclosure:
    """The clerk drafts a correction with its words, unless told otherwise."""
    words: dict[str, Any] = {
        "reason_code": "entry_reversed",
        "explanation_ref": UUID(int=9_501),
        "explanation_commitment": DIGEST,
    }
    return commands.CorrectDisclosure(**_told(person, role, of or statement(), words | changes))


def by_supervisor(confirms: str | None, person: UUID = BO) -> dict[str, Any]:
    """What makes a command the supervisor's."""
    return {"person": person, "role": Role.SUPERVISOR, "confirms": confirms}
