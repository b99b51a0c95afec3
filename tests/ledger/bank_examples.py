"""Named samples of bank statements; nobody banks anywhere."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from contracts.command import Role
from services.ledger import commands
from services.ledger.commands import BankBook, BankEntry, StatementLine
from tests.ledger.examples import BO, CLERK, DIGEST, NOON, by

STATEMENT, NEXT_STATEMENT = UUID(int=701), UUID(int=702)
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 15)


def entry(number: int, amount_fen: int, day: int = 5, **changes: Any) -> BankEntry:
    """The entry of that number, of a day in March."""
    fields: dict[str, Any] = {
        "entry_id": UUID(int=800 + number),
        "entry_no": number,
        "effective_date": date(2026, 3, day),
        "amount_fen": amount_fen,
    }
    return BankEntry(**fields | changes)


def line(number: int, amount_fen: int, day: int = 5, reference: str | None = None) -> StatementLine:
    return StatementLine(line_no=number, booked_on=date(2026, 3, day), amount_fen=amount_fen, reference=reference)


def book(*entries: BankEntry, before_fen: int = 0) -> BankBook:
    return BankBook(log_size=9, log_root=DIGEST, before_fen=before_fen, entries=entries)


def attest(*lines: StatementLine, on: BankBook | None = None, **changes: Any) -> commands.AttestStatement:
    """A statement of the first half of March that begins with nothing and adds up."""
    opening_fen = changes.get("opening_fen", 0)
    asked: dict[str, Any] = {
        "by": by(CLERK, Role.FUND_CLERK),
        "at": NOON,
        "statement_id": STATEMENT,
        "file_sha256": DIGEST,
        "from_on": FIRST,
        "until_on": LAST,
        "opening_fen": opening_fen,
        "closing_fen": opening_fen + sum(one.amount_fen for one in lines),
        "lines": lines,
        "book": on or book(),
    }
    return commands.AttestStatement(**asked | changes)


def attest_next(*lines: StatementLine, **changes: Any) -> commands.AttestStatement:
    """The one after it, of two more days."""
    dated = {"from_on": LAST + timedelta(days=1), "until_on": LAST + timedelta(days=2)}
    return attest(*lines, **{"statement_id": NEXT_STATEMENT, **dated, **changes})


def settle(**changes: Any) -> commands.SettleItem:
    asked: dict[str, Any] = {"by": by(CLERK, Role.FUND_CLERK), "at": NOON, "statement_id": STATEMENT}
    return commands.SettleItem(**asked | changes)


def reconcile(on: BankBook, person: UUID = BO, **changes: Any) -> commands.ReconcileBank:
    asked: dict[str, Any] = {"by": by(person, Role.SUPERVISOR), "at": NOON, "statement_id": STATEMENT, "book": on}
    return commands.ReconcileBank(**asked | changes)
