"""How many notices wait, and for what: for Prometheus."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.notify.read_models.own import notices

CLASSES = ("due", "later", "calls")
"""Due now, due later (quiet hours, a new try), and on the desk's list of calls."""


async def waiting_notices(connection: AsyncConnection, now: datetime) -> dict[str, int]:
    """Notices that are queued, by what they wait for."""
    c = notices.c
    named = sa.case((c.by_phone, "calls"), (c.due_at <= now, "due"), else_="later").label("waits")
    query = sa.select(named, sa.func.count()).where(c.state == "QUEUED").group_by(named)
    found = {str(name): int(number) for name, number in await connection.execute(query)}
    return {name: found.get(name, 0) for name in CLASSES}
