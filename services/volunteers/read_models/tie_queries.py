"""Blocks between two people, and what was said of somebody."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.volunteers.read_models import tables as t
from services.volunteers.read_models.queries import Row, many

b = t.blocks.c


async def blocks_of(connection: AsyncConnection, person_id: UUID) -> Sequence[Row]:
    """The blocks in force that this person set, oldest first. Who is blocked by others is nobody's to read."""
    statement = sa.select(t.blocks).where(b.person_id == person_id, b.unblocked_at.is_(None))
    return await many(connection, statement.order_by(b.blocked_at, b.block_id))


async def said_of(connection: AsyncConnection, person_id: UUID) -> Sequence[UUID]:
    """Where in the vault others' words about this person lie."""
    statement = sa.select(b.reason_ref).where(b.other_id == person_id, b.reason_ref.is_not(None))
    return [row["reason_ref"] for row in await many(connection, statement)]
