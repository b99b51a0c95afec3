"""How many orders wait to be dispatched, and how long: for Prometheus, in classes, so that no label is an id."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.orders.read_models.tables import orders

WAITING = ("PLACED", "VERIFIED")
AGES = {"under_1h": 0, "under_1d": 3_600, "over_1d": 86_400}
"""Class → seconds from which on it holds."""


async def waiting_for_dispatch(connection: AsyncConnection, now: datetime) -> dict[str, int]:
    """Orders placed or verified and not offered, by the class of their age."""
    age = sa.extract("epoch", sa.literal(now, sa.DateTime(timezone=True)) - orders.c.placed_at)
    named = sa.case(
        *((age >= seconds, name) for name, seconds in reversed(AGES.items()) if seconds), else_="under_1h"
    ).label("age")
    query = sa.select(named, sa.func.count()).where(orders.c.state.in_(WAITING)).group_by(named)
    found = {str(name): int(number) for name, number in await connection.execute(query)}
    return {name: found.get(name, 0) for name in AGES}
