"""What the pages show, and what the timers fire."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.orders import OrderState
from services.orders.decider.due import FIRED
from services.orders.decider.states import ENDED
from services.orders.read_models import people as p
from services.orders.read_models import relations
from services.orders.read_models import tables as t
from services.orders.read_models.fetching import Row, row_of, rows_of

FILLING = ("HELD", "STARTED", "FINISHED", "AUTO_CLOSED")


async def order(connection: AsyncConnection, order_id: UUID) -> Row | None:
    """One order's row."""
    return await row_of(connection, sa.select(t.orders).where(t.orders.c.order_id == order_id))


async def order_by_number(connection: AsyncConnection, order_no: str) -> Row | None:
    """The order that people read out as this number."""
    return await row_of(connection, sa.select(t.orders).where(t.orders.c.order_no == order_no))


async def offers_of(connection: AsyncConnection, order_id: UUID) -> list[Row]:
    """An order's offers, as they were made."""
    query = sa.select(t.offers).where(t.offers.c.order_id == order_id).order_by(t.offers.c.wave, t.offers.c.offer_id)
    return await rows_of(connection, query)


async def assignments_of(connection: AsyncConnection, order_id: UUID) -> list[Row]:
    """An order's assignments, lost ones too."""
    query = sa.select(t.assignments).where(t.assignments.c.order_id == order_id)
    ordered = query.order_by(t.assignments.c.accepted_at, t.assignments.c.assignment_id)
    return await rows_of(connection, ordered)


async def orders(
    connection: AsyncConnection,
    *,
    conditions: Sequence[sa.ColumnElement[bool]] = (),
    overdue_at: datetime | None = None,
    limit: int = 50,
    after: UUID | None = None,
) -> list[Row]:
    """Orders that meet all conditions: overdue ones first when `overdue_at` is given, else the newest first."""
    query = sa.select(t.orders).where(*conditions)
    if overdue_at is not None:
        query = query.where(t.orders.c.next_due_at <= overdue_at)
        query = query.order_by(t.orders.c.returned.desc(), t.orders.c.next_due_at, t.orders.c.order_id)
    else:
        query = query.order_by(t.orders.c.order_id.desc())
        if after is not None:
            query = query.where(t.orders.c.order_id < after)
    return await rows_of(connection, query.limit(limit))


def in_states(states: Collection[OrderState]) -> sa.ColumnElement[bool]:
    """Orders in one of these states."""
    return t.orders.c.state.in_([state.value for state in states])


def open_orders() -> sa.ColumnElement[bool]:
    """Orders that have not ended."""
    return t.orders.c.state.not_in([state.value for state in ENDED])


def asked_for_by(person_id: UUID) -> sa.ColumnElement[bool]:
    """Orders for this person, or asked for by them."""
    return sa.or_(t.orders.c.beneficiary_id == person_id, t.orders.c.requested_by == person_id)


def for_principals_of(proxy_id: UUID, at: datetime) -> sa.ColumnElement[bool]:
    """Orders for somebody whom this person may act for."""
    x = p.proxies
    principals = sa.select(x.c.principal_id).where(
        x.c.proxy_id == proxy_id,
        x.c.ended_at.is_(None),
        sa.or_(x.c.valid_until.is_(None), x.c.valid_until > at),
        sa.or_(*(x.c.scope.contains([scope]) for scope in relations.PROXY_SCOPES)),
    )
    return t.orders.c.beneficiary_id.in_(principals)


def served_by(volunteer_id: UUID) -> sa.ColumnElement[bool]:
    """Orders in which this volunteer fills a slot."""
    a = t.assignments
    mine = sa.select(a.c.order_id).where(a.c.volunteer_id == volunteer_id, a.c.served.in_(FILLING))
    return t.orders.c.order_id.in_(mine)


def pool_for(volunteer_id: UUID, at: datetime) -> sa.ColumnElement[bool]:
    """Open orders that this volunteer has the skills and the licence for and may serve; acceptance checks again."""
    o, v = t.orders, p.volunteers
    mine = sa.select(sa.func.coalesce(sa.func.jsonb_agg(p.skills.c.skill), sa.literal([], t.orders.c.skills.type)))
    has_skills = o.c.skills.contained_by(mine.where(p.skills.c.volunteer_id == volunteer_id).scalar_subquery())
    has_licence = sa.exists().where(
        p.licences.c.volunteer_id == volunteer_id,
        p.licences.c.licence == o.c.licence,
        p.licences.c.expires_on >= sa.func.date(sa.func.timezone("Asia/Shanghai", o.c.window_end)),
    )
    home = sa.select(p.people.c.household_id).where(p.people.c.person_id == volunteer_id).scalar_subquery()
    b = p.blocks.c
    kept_apart = sa.exists().where(
        sa.or_(
            sa.and_(b.person_id == volunteer_id, b.other_id == o.c.beneficiary_id),
            sa.and_(b.other_id == volunteer_id, b.person_id == o.c.beneficiary_id),
        )
    )
    return sa.and_(
        o.c.state == "OPEN",
        o.c.window_end > at,
        o.c.beneficiary_id != volunteer_id,
        sa.exists().where(v.c.volunteer_id == volunteer_id, v.c.state == "ACTIVE"),
        sa.or_(o.c.household_id.is_(None), home.is_(None), o.c.household_id != home),
        ~kept_apart,
        has_skills,
        sa.or_(o.c.licence.is_(None), has_licence),
    )


async def offers_to(connection: AsyncConnection, volunteer_id: UUID, at: datetime) -> list[Row]:
    """The offers that wait for this volunteer's answer, with what may be known before accepting."""
    o, x = t.orders, t.offers
    query = (
        sa.select(
            x.c.offer_id,
            x.c.expires_at,
            x.c.reasons,
            o.c.order_id,
            o.c.order_no,
            o.c.item_code,
            o.c.grid_id,
            o.c.window_start,
            o.c.window_end,
            o.c.expected_minutes,
            o.c.slots,
            o.c.slots_filled,
            o.c.licence,
            o.c.skills,
            o.c.urgent,
        )
        .join(o, o.c.order_id == x.c.order_id)
        .where(x.c.volunteer_id == volunteer_id, x.c.answer == "waiting", x.c.expires_at > at)
        .order_by(x.c.expires_at, x.c.offer_id)
    )
    return await rows_of(connection, query)


async def inquiry(connection: AsyncConnection, inquiry_id: UUID) -> Row | None:
    """One inquiry's row."""
    query = sa.select(t.inquiries).where(t.inquiries.c.inquiry_id == inquiry_id)
    return await row_of(connection, query)


async def inquiries(connection: AsyncConnection, grid_id: str | None, waiting: bool, limit: int) -> list[Row]:
    """Inquiries, the newest first; `waiting`: needs that no order was made of."""
    query = sa.select(t.inquiries).order_by(t.inquiries.c.inquired_at.desc(), t.inquiries.c.inquiry_id).limit(limit)
    if grid_id is not None:
        query = query.where(t.inquiries.c.grid_id == grid_id)
    if waiting:
        query = query.where(t.inquiries.c.result == "need", t.inquiries.c.order_id.is_(None))
    return await rows_of(connection, query)


async def service_items(connection: AsyncConnection) -> list[Row]:
    """The catalogue, retired items too."""
    return await rows_of(connection, sa.select(t.service_items).order_by("item_code"))


async def counts_by_state(connection: AsyncConnection) -> dict[str, int]:
    """How many orders are in each state."""
    query = sa.select(t.orders.c.state, sa.func.count()).group_by(t.orders.c.state).order_by(t.orders.c.state)
    return {row[0]: row[1] for row in await connection.execute(query)}


def checks_of(order_id: UUID | sa.ColumnElement[UUID]) -> sa.ScalarSelect[int]:
    """How many welfare checks of this order have no outcome yet."""
    c = t.welfare_checks.c
    return sa.select(sa.func.count()).where(c.order_id == order_id, c.closed_at.is_(None)).scalar_subquery()


def disputes_of(order_id: UUID | sa.ColumnElement[UUID]) -> sa.ScalarSelect[int]:
    """How many disputes about this order wait for a decision."""
    c = t.disputes.c
    waiting = c.state.in_(("MEDIATING", "APPEALED"))
    return sa.select(sa.func.count()).where(c.order_id == order_id, waiting).scalar_subquery()


async def due_orders(connection: AsyncConnection, at: datetime, limit: int) -> list[Row]:
    """Orders whose deadline has passed and on which SYSTEM acts, the longest overdue first.

    One that would close while its welfare check or a dispute is open waits for the people who have to see to it.
    """
    o = t.orders
    waits = sa.or_(checks_of(o.c.order_id) > 0, disputes_of(o.c.order_id) > 0)
    query = (
        sa.select(o.c.order_id, o.c.next_due_at, o.c.next_due_for, o.c.version)
        .where(o.c.next_due_at <= at, o.c.next_due_for.in_(FIRED), ~((o.c.next_due_for == "closing") & waits))
        .order_by(o.c.next_due_at, o.c.order_id)
        .limit(limit)
    )
    return await rows_of(connection, query)


async def assignments_to_lapse(connection: AsyncConnection, limit: int) -> list[Row]:
    """Slots not begun whose volunteer, as heard since, may no longer serve: accepted while the news was under way."""
    a, v, who = t.assignments, p.volunteers, p.people
    query = (
        sa.select(a.c.assignment_id, a.c.order_id, v.c.state, who.c.erased_at)
        .join(v, v.c.volunteer_id == a.c.volunteer_id)
        .outerjoin(who, who.c.person_id == a.c.volunteer_id)
        .where(a.c.live, a.c.served == "HELD", sa.or_(v.c.state != "ACTIVE", who.c.erased_at.is_not(None)))
        .order_by(a.c.window_start, a.c.assignment_id)
        .limit(limit)
    )
    return await rows_of(connection, query)


async def held_assignments(connection: AsyncConnection, volunteer_id: UUID) -> list[Row]:
    """A volunteer's slots that have not begun."""
    a = t.assignments
    query = sa.select(a).where(a.c.volunteer_id == volunteer_id, a.c.live, a.c.served == "HELD")
    return await rows_of(connection, query.order_by(a.c.assignment_id))


async def held_between(connection: AsyncConnection, one_id: UUID, other_id: UUID) -> list[Row]:
    """Slots that have not begun in which one of two people would serve the other."""
    a, o = t.assignments, t.orders
    between = sa.or_(
        sa.and_(a.c.volunteer_id == one_id, o.c.beneficiary_id == other_id),
        sa.and_(a.c.volunteer_id == other_id, o.c.beneficiary_id == one_id),
    )
    query = sa.select(a).join(o, o.c.order_id == a.c.order_id).where(between, a.c.live, a.c.served == "HELD")
    return await rows_of(connection, query.order_by(a.c.assignment_id))


async def held_without_licence(
    connection: AsyncConnection, volunteer_id: UUID, licence: str, expired_id: UUID
) -> list[Row]:
    """A volunteer's slots that have not begun, need a licence, and end on a day that no other such licence covers."""
    a, o, c = t.assignments, t.orders, p.licences.c
    covered = sa.exists().where(
        c.volunteer_id == volunteer_id,
        c.licence == licence,
        c.licence_id != expired_id,
        c.expires_on >= sa.func.date(sa.func.timezone("Asia/Shanghai", o.c.window_end)),
    )
    query = (
        sa.select(a)
        .join(o, o.c.order_id == a.c.order_id)
        .where(a.c.volunteer_id == volunteer_id, a.c.live, a.c.served == "HELD", o.c.licence == licence, ~covered)
    )
    return await rows_of(connection, query.order_by(a.c.assignment_id))


async def orders_in(connection: AsyncConnection, beneficiary_id: UUID, states: Collection[str]) -> list[UUID]:
    """A person's orders in these states."""
    o = t.orders
    query = sa.select(o.c.order_id).where(o.c.beneficiary_id == beneficiary_id, o.c.state.in_(list(states)))
    return [row[0] for row in await connection.execute(query.order_by(o.c.order_id))]


async def erased_persons(connection: AsyncConnection) -> list[UUID]:
    """Everybody whose data was destroyed here."""
    return [row[0] for row in await connection.execute(sa.select(t.erasures.c.person_id).order_by("erased_at"))]
