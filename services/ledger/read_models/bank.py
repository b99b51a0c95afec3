"""Bank statements: tables and fold."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.envelope import Recorded
from contracts.ledger import BankFact, BankItemSettled, BankStatementAttested, FundReconciled
from eventstore.rows import Rows
from services.ledger.read_models.tables import metadata

_TIME = sa.DateTime(timezone=True)

bank_statements = sa.Table(
    "bank_statements",
    metadata,
    sa.Column("statement_id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("file_sha256", sa.Text, nullable=False),
    sa.Column("from_on", sa.Date, nullable=False),
    sa.Column("until_on", sa.Date, nullable=False),
    sa.Column("opening_fen", sa.BigInteger, nullable=False),
    sa.Column("closing_fen", sa.BigInteger, nullable=False),
    sa.Column("lines", sa.Integer, nullable=False),
    sa.Column("words_ref", sa.Uuid),
    sa.Column("attested_at", _TIME, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("reconciled_at", _TIME),
    sa.Column("reconciled_position", sa.BigInteger),
    # What was found, as it was said.
    sa.Column("reconciled", JSONB),
    sa.Index("bank_statements_by_day", "until_on"),
)
bank_lines = sa.Table(
    "bank_lines",
    metadata,
    sa.Column("statement_id", sa.Uuid, primary_key=True),
    sa.Column("line_no", sa.Integer, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("booked_on", sa.Date, nullable=False),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.Column("entry_id", sa.Uuid),
    sa.Column("entry_no", sa.BigInteger),
    sa.Column("matched_by", sa.Text),
    sa.Column("reason_code", sa.Text),
    sa.Column("note_ref", sa.Uuid),
    # An entry is one line, and no other.
    sa.UniqueConstraint("entry_id", name="bank_lines_one_per_entry", deferrable=True, initially="DEFERRED"),
)
bank_entries = sa.Table(
    "bank_entries",
    metadata,
    sa.Column("entry_id", sa.Uuid, primary_key=True),
    sa.Column("entry_no", sa.BigInteger, nullable=False),
    sa.Column("reason_code", sa.Text, nullable=False),
    sa.Column("note_ref", sa.Uuid),
)
"""Entries that no line was, with the reason that a person gave."""


def needed(event: BankFact) -> list[tuple[sa.Table, object]]:
    """The row of a statement that is replaced: it says how many lines there are to undo."""
    replaces = event.replaces if isinstance(event, BankStatementAttested) else None
    return [] if replaces is None else [(bank_statements, replaces)]


def apply_bank(recorded: Recorded, event: BankFact, rows: Rows) -> None:
    """The rows of a statement after an event."""
    match event:
        case BankStatementAttested():
            _attested(recorded, event, rows)
        case BankItemSettled():
            _settled(event, rows)
        case FundReconciled():
            rows.update(
                bank_statements,
                event.statement_id,
                state="RECONCILED",
                reconciled_at=event.reconciled_at,
                reconciled_position=recorded.position,
                reconciled=event.model_dump(mode="json", exclude={"role", "file_sha256", "reconciled_at"}),
            )
        case _:
            pass  # a reader shows what it knows and ignores the rest


def _attested(recorded: Recorded, event: BankStatementAttested, rows: Rows) -> None:
    if event.replaces is not None:
        wrong = rows.get(bank_statements, event.replaces)
        for line_no in range(1, 1 + (0 if wrong is None else wrong["lines"])):
            rows.update(bank_lines, (event.replaces, line_no), state="REPLACED", entry_id=None, entry_no=None)
        rows.update(bank_statements, event.replaces, state="REPLACED")
    rows.insert(
        bank_statements,
        statement_id=event.statement_id,
        state="ATTESTED",
        file_sha256=event.file_sha256,
        from_on=event.from_on,
        until_on=event.until_on,
        opening_fen=event.opening_fen,
        closing_fen=event.closing_fen,
        lines=len(event.lines),
        words_ref=event.words_ref,
        attested_at=event.attested_at,
        position=recorded.position,
    )
    for line in event.lines:
        rows.insert(
            bank_lines,
            statement_id=event.statement_id,
            line_no=line.line_no,
            state="OPEN" if line.entry_id is None else "MATCHED",
            booked_on=line.booked_on,
            amount_fen=line.amount_fen,
            entry_id=line.entry_id,
            entry_no=line.entry_no,
            matched_by=line.matched_by,
        )


def _settled(event: BankItemSettled, rows: Rows) -> None:
    if event.line_no is None:
        rows.upsert(
            bank_entries,
            entry_id=event.entry_id,
            entry_no=event.entry_no,
            reason_code=event.reason_code,
            note_ref=event.note_ref,
        )
        return
    changes: dict[str, Any] = {"state": "EXPLAINED", "reason_code": event.reason_code, "note_ref": event.note_ref}
    if event.entry_id is not None:
        changes |= {"state": "MATCHED", "matched_by": "person", "entry_id": event.entry_id, "entry_no": event.entry_no}
    rows.update(bank_lines, (event.statement_id, event.line_no), **changes)
