"""Statements of the fund: which were drafted and published, where each stands in the log, what was corrected."""

from typing import Any

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.ledger import DisclosureCorrected, FundStatementPublished, StatementFact
from eventstore.rows import Rows
from services.ledger.read_models.tables import metadata

_TIME = sa.DateTime(timezone=True)

fund_statements = sa.Table(
    "fund_statements",
    metadata,
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("revision", sa.Integer, primary_key=True),
    sa.Column("statement_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("first_day", sa.Date, nullable=False),
    sa.Column("last_day", sa.Date, nullable=False),
    sa.Column("statement_sha256", sa.Text, nullable=False),
    sa.Column("log_size", sa.BigInteger, nullable=False),
    sa.Column("log_root", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("published_at", _TIME, nullable=False),
    # Of what was superseded: the words of its correction, in the vault.
    sa.Column("corrected_at", _TIME),
    sa.Column("reason_code", sa.Text),
    sa.Column("explanation_ref", sa.Uuid),
    sa.Index("fund_statements_by_day", "last_day"),
)
statement_drafts = sa.Table(
    "statement_drafts",
    metadata,
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("statement_sha256", sa.Text, nullable=False),
    sa.Column("drafted_by", sa.Uuid, nullable=False),
    sa.Column("drafted_at", _TIME, nullable=False),
    # Of a correction: its words.
    sa.Column("reason_code", sa.Text),
    sa.Column("explanation_ref", sa.Uuid),
)


def apply_statement(recorded: Recorded, event: StatementFact, rows: Rows) -> None:
    """Fold one event."""
    match event:
        case FundStatementPublished(step=1):
            _draft(event, rows, drafted_by=event.drafted_by, drafted_at=event.published_at)
        case FundStatementPublished():
            statement = event.statement
            rows.insert(
                fund_statements,
                period=event.period,
                revision=event.revision,
                statement_id=event.statement_id,
                kind=statement.kind,
                first_day=statement.first_day,
                last_day=statement.last_day,
                statement_sha256=event.statement_sha256,
                log_size=event.log_size,
                log_root=event.log_root,
                position=recorded.position,
                published_at=event.published_at,
            )
            rows.delete(statement_drafts, event.period)
        case DisclosureCorrected():
            words = {"reason_code": event.reason_code, "explanation_ref": event.explanation_ref}
            if event.step == 1:
                _draft(event, rows, drafted_by=event.corrected_by, drafted_at=event.corrected_at, **words)
            else:
                key = (event.period, event.revision)
                rows.update(fund_statements, key, corrected_at=event.corrected_at, **words)
        case _:
            pass


def _draft(event: FundStatementPublished | DisclosureCorrected, rows: Rows, **values: Any) -> None:
    empty: dict[str, Any] = {"reason_code": None, "explanation_ref": None}
    values = {**empty, **values}
    rows.upsert(statement_drafts, period=event.period, statement_sha256=event.statement_sha256, **values)
