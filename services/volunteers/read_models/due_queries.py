"""What falls due among volunteers: each row is a deadline that an event set."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.volunteers.decider.volunteer import LIVE
from services.volunteers.read_models import tables as t
from services.volunteers.read_models.queries import Row, many

v = t.volunteers.c


async def rests_over(connection: AsyncConnection, at: datetime, limit: int) -> Sequence[Row]:
    """Volunteers whose pause or suspension ran out, the longest overdue first."""
    statement = sa.select(v.volunteer_id, v.state, v.until).where(v.until <= at, v.state.in_(("PAUSED", "SUSPENDED")))
    return await many(connection, statement.order_by(v.until, v.volunteer_id).limit(limit))


async def licences_over(connection: AsyncConnection, at: datetime, limit: int) -> Sequence[Row]:
    """Licences in force whose last day is over. Of who has withdrawn, nothing expires until they are back."""
    c = t.licences.c
    statement = (
        sa.select(c.licence_id, c.volunteer_id)
        .join(t.volunteers, v.volunteer_id == c.volunteer_id)
        .where(c.due_at <= at, c.expired_at.is_(None), v.state.in_([state.value for state in LIVE]))
    )
    return await many(connection, statement.order_by(c.due_at, c.licence_id).limit(limit))
