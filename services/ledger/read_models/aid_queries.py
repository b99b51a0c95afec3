"""What pages and rules ask of the cases of aid and of signing keys."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.commands import SigningKey
from services.ledger.read_models import tables as t
from services.ledger.read_models.aid import aid_cases, signing_keys
from services.ledger.read_models.queries import Row, many, one


async def aid_case(connection: AsyncConnection, case_id: UUID) -> Row | None:
    """A case, None when there is none of this id."""
    return await one(connection, sa.select(aid_cases).where(aid_cases.c.case_id == case_id))


async def cases(
    connection: AsyncConnection, state: str | None, overdue_at: datetime | None, limit: int
) -> Sequence[Row]:
    """Cases, what is owed first at the top; with `overdue_at` only what should have been done by then."""
    c = aid_cases.c
    statement = sa.select(aid_cases)
    if state is not None:
        statement = statement.where(c.state == state)
    if overdue_at is not None:
        statement = statement.where(c.due_at < overdue_at)
    return await many(connection, statement.order_by(c.due_at.asc().nulls_last(), c.applied_at.desc()).limit(limit))


async def cases_of(connection: AsyncConnection, beneficiary_refs: Collection[UUID]) -> Sequence[Row]:
    """The cases of these refs, the newest first."""
    c = aid_cases.c
    return await many(
        connection,
        sa.select(aid_cases).where(c.beneficiary_ref.in_(list(beneficiary_refs))).order_by(c.applied_at.desc()),
    )


async def posted(connection: AsyncConnection, at: datetime) -> Sequence[Row]:
    """Cases whose public posting runs now: purpose, amount and pseudonym, nothing else."""
    c = aid_cases.c
    columns = (c.pseudonym, c.fund, c.purpose, c.amount_fen, c.public_until)
    running = sa.select(*columns).where(c.publicity == "posted", c.public_until > at, c.ended_at.is_(None))
    return await many(connection, running.order_by(c.public_until))


async def lapsing(connection: AsyncConnection, at: datetime, limit: int) -> Sequence[Row]:
    """Cases whose approvals have waited too long by now."""
    c = aid_cases.c
    statement = sa.select(c.case_id, c.lapses_at).where(c.lapses_at <= at).order_by(c.lapses_at).limit(limit)
    return await many(connection, statement)


async def key_in_force(connection: AsyncConnection, person_id: UUID) -> SigningKey | None:
    """The person's confirmed key, None when they have none."""
    c = signing_keys.c
    row = await one(connection, sa.select(signing_keys).where(c.person_id == person_id, c.state == "CONFIRMED"))
    return None if row is None else SigningKey(key_id=row["key_id"], public_key=row["public_key"])


async def key(connection: AsyncConnection, key_id: str) -> Row | None:
    """A key by its id."""
    return await one(connection, sa.select(signing_keys).where(signing_keys.c.key_id == key_id))


async def keys(connection: AsyncConnection, limit: int) -> Sequence[Row]:
    """Every key, the newest first."""
    return await many(connection, sa.select(signing_keys).order_by(signing_keys.c.registered_at.desc()).limit(limit))


async def entry_position(connection: AsyncConnection, entry_id: UUID) -> int | None:
    """Where an entry stands in the log."""
    row = await one(connection, sa.select(t.entries.c.position).where(t.entries.c.entry_id == entry_id))
    return None if row is None else int(row["position"])


async def pots(connection: AsyncConnection, fund: str) -> Sequence[Row]:
    """What a fund's money may be used for, with what is set aside, 分."""
    statement = sa.select(t.fund_pots).where(t.fund_pots.c.fund == fund).order_by(t.fund_pots.c.pot)
    return await many(connection, statement)
