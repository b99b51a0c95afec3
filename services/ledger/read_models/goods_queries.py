"""What pages and rules ask of things given and of markets."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.read_models.goods import goods_allocations, goods_lots, goods_stock
from services.ledger.read_models.markets import market_sales, market_stalls, markets
from services.ledger.read_models.queries import Row, many, one


async def lot(connection: AsyncConnection, lot_id: UUID) -> Row | None:
    """A lot, None when there is none of this id."""
    return await one(connection, sa.select(goods_lots).where(goods_lots.c.lot_id == lot_id))


async def lots(
    connection: AsyncConnection, fund: str | None, sku: str | None, expiring_until: date | None, limit: int
) -> Sequence[Row]:
    """Lots of which something is left, what expires first at the top."""
    c = goods_lots.c
    statement = sa.select(goods_lots).where(c.on_hand_qty > 0)
    for column, value in ((c.fund, fund), (c.sku, sku)):
        if value is not None:
            statement = statement.where(column == value)
    if expiring_until is not None:
        statement = statement.where(c.expires_on <= expiring_until)
    return await many(connection, statement.order_by(c.expires_on.asc().nulls_last(), c.received_at).limit(limit))


async def stock(connection: AsyncConnection) -> Sequence[Row]:
    """How many pieces of each kind there are, and their declared value, 分."""
    c = goods_stock.c
    return await many(connection, sa.select(goods_stock).order_by(c.fund, c.sku))


async def allocation(connection: AsyncConnection, allocation_id: UUID) -> Row | None:
    """An allocation, None when there is none of this id."""
    c = goods_allocations.c
    return await one(connection, sa.select(goods_allocations).where(c.allocation_id == allocation_id))


async def allocations(connection: AsyncConnection, lot_id: UUID) -> Sequence[Row]:
    """What was set aside of a lot, the oldest first."""
    c = goods_allocations.c
    statement = sa.select(goods_allocations).where(c.lot_id == lot_id)
    return await many(connection, statement.order_by(c.allocated_at, c.allocation_id))


async def allocations_to_bring(connection: AsyncConnection, volunteer_id: UUID) -> Sequence[Row]:
    """What a volunteer is to bring, the oldest first."""
    c = goods_allocations.c
    statement = sa.select(goods_allocations).where(c.volunteer_id == volunteer_id, c.state == "ALLOCATED")
    return await many(connection, statement.order_by(c.allocated_at, c.allocation_id))


async def market(connection: AsyncConnection, market_id: UUID) -> Row | None:
    """A market, None when there is none of this id."""
    return await one(connection, sa.select(markets).where(markets.c.market_id == market_id))


async def all_markets(connection: AsyncConnection, limit: int) -> Sequence[Row]:
    """Markets, the newest first."""
    return await many(connection, sa.select(markets).order_by(markets.c.opened_at.desc()).limit(limit))


async def sales(connection: AsyncConnection, market_id: UUID) -> Sequence[Row]:
    """A market's sales in their order."""
    c = market_sales.c
    statement = sa.select(market_sales).where(c.market_id == market_id)
    return await many(connection, statement.order_by(c.sold_at, c.sale_id))


async def has_stall(connection: AsyncConnection, market_id: UUID, person_id: UUID) -> bool:
    """Whether somebody answers for a stall of the market."""
    c = market_stalls.c
    wanted = sa.select(market_stalls).where(c.market_id == market_id, c.volunteer_id == person_id)
    return await one(connection, wanted) is not None


async def to_disclose(connection: AsyncConnection, at: datetime, limit: int) -> Sequence[Row]:
    """Markets whose disclosure is due by now."""
    c = markets.c
    statement = sa.select(c.market_id, c.disclose_at).where(c.disclose_at <= at)
    return await many(connection, statement.order_by(c.disclose_at).limit(limit))
