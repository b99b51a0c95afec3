"""What pages and rules ask of the bank account: its entries, statements and their lines."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.chart_of_accounts import chart
from services.ledger.commands import FUND
from services.ledger.read_models import tables as t
from services.ledger.read_models.bank import bank_lines, bank_statements
from services.ledger.read_models.queries import Row, many, one


def bank_account() -> str:
    """Where money lies that came by bank transfer."""
    return chart().methods["bank_transfer"]


def _of_entries(size: int) -> Any:
    """Each entry's change of the bank account, over all funds, among the first `size` events."""
    e, p = t.entries.c, t.postings.c
    changed = sa.cast(sa.func.sum(p.amount), sa.BigInteger).label("amount_fen")
    return (
        sa.select(e.entry_id, e.entry_no, e.effective_date, e.reverses, changed)
        .select_from(t.entries.join(t.postings, p.entry_id == e.entry_id))
        .where(e.book == FUND, p.account == bank_account(), e.position <= size)
        .group_by(e.entry_id)
        .having(sa.func.sum(p.amount) != 0)
    )


async def entries(connection: AsyncConnection, size: int, since: date) -> Sequence[Row]:
    """The entries of the bank account that take effect since a day, in the order of their numbers."""
    statement = _of_entries(size).where(t.entries.c.effective_date >= since)
    return await many(connection, statement.order_by(t.entries.c.entry_no))


async def entry(connection: AsyncConnection, size: int, entry_no: int) -> Row | None:
    """One of them by its number."""
    return await one(connection, _of_entries(size).where(t.entries.c.entry_no == entry_no))


async def before(connection: AsyncConnection, size: int, since: date) -> int:
    """What all entries before a day came to, 分."""
    e, p = t.entries.c, t.postings.c
    total = sa.cast(sa.func.coalesce(sa.func.sum(p.amount), 0), sa.BigInteger).label("fen")
    joined = t.entries.join(t.postings, p.entry_id == e.entry_id)
    older = (e.book == FUND, p.account == bank_account(), e.position <= size, e.effective_date < since)
    row = await one(connection, sa.select(total).select_from(joined).where(*older))
    assert row is not None
    return int(row["fen"])


async def statement(connection: AsyncConnection, statement_id: UUID) -> Row | None:
    """A statement, None when there is none of this id."""
    return await one(connection, sa.select(bank_statements).where(bank_statements.c.statement_id == statement_id))


async def statements(connection: AsyncConnection, limit: int) -> Sequence[Row]:
    """Statements, the newest first."""
    c = bank_statements.c
    ordered = sa.select(bank_statements).order_by(c.until_on.desc(), c.position.desc())
    return await many(connection, ordered.limit(limit))


async def lines(connection: AsyncConnection, statement_id: UUID) -> Sequence[Row]:
    """A statement's lines in their order."""
    c = bank_lines.c
    return await many(connection, sa.select(bank_lines).where(c.statement_id == statement_id).order_by(c.line_no))


async def last_reconciled(connection: AsyncConnection, size: int) -> Row | None:
    """What was last reconciled among the first `size` events."""
    c = bank_statements.c
    statement = sa.select(c.reconciled, c.reconciled_position).where(c.reconciled_position <= size)
    return await one(connection, statement.order_by(c.reconciled_position.desc()))
