"""Queries of what goes on beside an order's way: follow-ups, disputes, welfare checks; how a caller stands to them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.orders import OrderState
from services.orders.read_models import queries, relations
from services.orders.read_models import tables as t
from services.orders.read_models.fetching import Row, row_of, rows_of

OPEN_DISPUTES = ("MEDIATING", "APPEALED")


async def check(connection: AsyncConnection, check_id: UUID) -> Row | None:
    """One welfare check's row."""
    return await row_of(connection, sa.select(t.welfare_checks).where(t.welfare_checks.c.check_id == check_id))


async def checks(
    connection: AsyncConnection, conditions: Sequence[sa.ColumnElement[bool]], *, only_open: bool, limit: int
) -> list[Row]:
    """Welfare checks, open ones by their deadline, else the newest first."""
    c = t.welfare_checks.c
    query = sa.select(t.welfare_checks).where(*conditions).limit(limit)
    if only_open:
        return await rows_of(connection, query.where(c.closed_at.is_(None)).order_by(c.raised_at, c.check_id))
    return await rows_of(connection, query.order_by(c.raised_at.desc(), c.check_id))


async def open_check_of(connection: AsyncConnection, order_id: UUID) -> UUID | None:
    """A check of this order that has no outcome yet."""
    c = t.welfare_checks.c
    query = sa.select(c.check_id).where(c.order_id == order_id, c.closed_at.is_(None)).limit(1)
    found: UUID | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def due_checks(connection: AsyncConnection, at: datetime, limit: int) -> list[Row]:
    """Checks that rise to the next level now, the longest overdue first."""
    c = t.welfare_checks.c
    query = sa.select(c.check_id, c.level).where(c.due_at <= at, c.closed_at.is_(None))
    return await rows_of(connection, query.order_by(c.due_at, c.check_id).limit(limit))


async def to_check(connection: AsyncConnection, actor_id: UUID, row: Mapping[str, Any], at: datetime) -> frozenset[str]:
    """own, proxy, and who covers the place."""
    stands = await relations.to_person(connection, actor_id, row["beneficiary_id"], at)
    return stands | await relations.to_place(connection, actor_id, row["grid_id"], row["entrance_id"], at)


async def dispute(connection: AsyncConnection, dispute_id: UUID) -> Row | None:
    """One dispute's row."""
    return await row_of(connection, sa.select(t.disputes).where(t.disputes.c.dispute_id == dispute_id))


async def disputes(
    connection: AsyncConnection, *, raised_by: UUID | None, order_id: UUID | None, only_open: bool, limit: int
) -> list[Row]:
    """Disputes: open ones by their deadline, else the newest first."""
    c = t.disputes.c
    query = sa.select(t.disputes).limit(limit)
    if raised_by is not None:
        query = query.where(c.raised_by == raised_by)
    if order_id is not None:
        query = query.where(c.order_id == order_id)
    if only_open:
        query = query.where(c.state.in_(OPEN_DISPUTES))
        return await rows_of(connection, query.order_by(c.due_at, c.dispute_id))
    return await rows_of(connection, query.order_by(c.raised_at.desc(), c.dispute_id))


async def open_matters(connection: AsyncConnection, order_id: UUID) -> dict[str, int]:
    """What no order ends with: checks without an outcome, and disputes that wait for a decision."""
    checked, disputed = queries.checks_of(order_id), queries.disputes_of(order_id)
    query = sa.select(checked.label("checks_open"), disputed.label("disputes_open"))
    (row,) = await rows_of(connection, query)
    return row


async def to_dispute(
    connection: AsyncConnection, actor_id: UUID, row: Mapping[str, Any], at: datetime
) -> frozenset[str]:
    """Party (raised it, or it is about them), and all relations to its order."""
    order = await queries.order(connection, row["order_id"]) if row["order_id"] is not None else None
    stands = await relations.to_order(connection, actor_id, order, at) if order is not None else frozenset()
    return stands | {"party"} if actor_id in {row["raised_by"], row["subject_id"]} else stands


async def may_be_redone(connection: AsyncConnection, order: Mapping[str, Any]) -> bool:
    """Whether work of this order may be done again: it is closed, was found wanting, or a follow-up asks for it."""
    if order["state"] in {OrderState.CLOSED, OrderState.UNFULFILLED}:
        return order["served_at"] is not None
    c = t.follow_ups.c
    asked = c.measure == "redo"
    query = sa.select(c.follow_up_id).where(c.order_id == order["order_id"], asked, c.closed_at.is_(None)).limit(1)
    return (await connection.execute(query)).first() is not None


async def follow_ups(
    connection: AsyncConnection,
    *,
    order_id: UUID | None = None,
    responsible_id: UUID | None = None,
    only_open: bool = False,
    limit: int = 50,
) -> list[Row]:
    """Follow-ups: open ones by their deadline, else the newest first."""
    c = t.follow_ups.c
    query = sa.select(t.follow_ups).limit(limit)
    if order_id is not None:
        query = query.where(c.order_id == order_id)
    if responsible_id is not None:
        query = query.where(c.responsible_id == responsible_id)
    if only_open:
        query = query.where(c.closed_at.is_(None))
        return await rows_of(connection, query.order_by(c.due_at, c.follow_up_id))
    return await rows_of(connection, query.order_by(c.opened_at.desc(), c.follow_up_id))
