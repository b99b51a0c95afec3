"""What commands are decided by, gathered from the tables: joins happen here, never in a fold."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.orders.commands.words import ItemFacts, ResidentFacts, VolunteerFacts
from services.orders.decider.deadlines import SHANGHAI
from services.orders.decider.fitness import Need
from services.orders.read_models import people as p
from services.orders.read_models import tables as t
from services.orders.read_models.fetching import row_of, rows_of

DONE = ("FINISHED", "AUTO_CLOSED")
SERVICE = "service"
"""The consent to be served."""


async def item(connection: AsyncConnection, item_code: str) -> ItemFacts | None:
    """The catalogue item as published now."""
    row = await row_of(connection, sa.select(t.service_items).where(t.service_items.c.item_code == item_code))
    if row is None:
        return None
    return ItemFacts.model_validate({name: row[name] for name in ItemFacts.model_fields})


async def resident(connection: AsyncConnection, person_id: UUID) -> ResidentFacts | None:
    """A person who is known and not erased."""
    consented = (
        sa.select(p.consents.c.live)
        .where(p.consents.c.person_id == person_id, p.consents.c.purpose == SERVICE)
        .scalar_subquery()
    )
    query = sa.select(p.people, sa.func.coalesce(consented, sa.false()).label("consented")).where(
        p.people.c.person_id == person_id, p.people.c.erased_at.is_(None)
    )
    row = await row_of(connection, query)
    if row is None:
        return None
    return ResidentFacts.model_validate({name: row[name] for name in ResidentFacts.model_fields})


async def possible_duplicate(
    connection: AsyncConnection, household_id: UUID | None, item_code: str, since: datetime
) -> UUID | None:
    """Another live order of this household for this item, placed since then: a hint (domain.md §4.1, row 1)."""
    if household_id is None:
        return None
    neighbours = sa.select(p.people.c.person_id).where(p.people.c.household_id == household_id)
    query = (
        sa.select(t.orders.c.order_id)
        .where(
            t.orders.c.beneficiary_id.in_(neighbours),
            t.orders.c.item_code == item_code,
            t.orders.c.placed_at >= since,
            t.orders.c.state.not_in(("CANCELLED", "REFUSED", "MERGED")),
        )
        .order_by(t.orders.c.placed_at.desc())
        .limit(1)
    )
    found: UUID | None = (await connection.execute(query)).scalar_one_or_none()
    return found


async def number_is_taken(connection: AsyncConnection, order_no: str) -> bool:
    """Whether an order has this number. The unique constraint has the last word."""
    return (await connection.execute(sa.select(sa.exists().where(t.orders.c.order_no == order_no)))).scalar_one()


async def households(connection: AsyncConnection, person_ids: Collection[UUID]) -> dict[UUID, UUID | None]:
    """Person → household, of those who are known."""
    query = sa.select(p.people.c.person_id, p.people.c.household_id).where(p.people.c.person_id.in_(list(person_ids)))
    return {row.person_id: row.household_id for row in await connection.execute(query)}


async def volunteers(
    connection: AsyncConnection, need: Need, at: datetime, volunteer_ids: Iterable[UUID] | None = None
) -> list[VolunteerFacts]:
    """What is known of these volunteers with regard to an order; with none named, of all ACTIVE ones who have its
    licence and its skills.
    """
    query = _facts_query(need, at, None if volunteer_ids is None else list(volunteer_ids))
    return [_facts(row, need) for row in await rows_of(connection, query)]


async def volunteer(connection: AsyncConnection, need: Need, at: datetime, volunteer_id: UUID) -> VolunteerFacts:
    """What is known of one volunteer; state None when nobody volunteers under this id."""
    found = await volunteers(connection, need, at, [volunteer_id])
    return found[0] if found else VolunteerFacts(volunteer_id=volunteer_id, state=None)


def _facts_query(need: Need, at: datetime, volunteer_ids: list[UUID] | None) -> sa.Select[Any]:
    v = p.volunteers
    last_day = need.window_end.astimezone(SHANGHAI).date()
    first_day = need.window_start.astimezone(SHANGHAI).date()
    counted = _counts(need, at)
    columns: list[Any] = [v, p.people.c.household_id, p.people.c.entrance_id, p.people.c.grid_id, p.people.c.erased_at]
    joined: sa.FromClause = v.outerjoin(p.people, p.people.c.person_id == v.c.volunteer_id)
    for name, subquery in counted.items():
        joined = joined.outerjoin(subquery, subquery.c.volunteer_id == v.c.volunteer_id)
        columns.append(subquery.c[name])
    columns.append(_related_to(need.beneficiary_id).label("related"))
    joined = joined.outerjoin(t.last_services, t.last_services.c.volunteer_id == v.c.volunteer_id)
    columns.append(t.last_services.c.served_at.label("last_served_at"))
    conditions: list[sa.ColumnElement[bool]] = []
    for number, skill in enumerate(need.skills):
        has = p.skills.alias(f"skill_{number}")
        joined = joined.outerjoin(has, sa.and_(has.c.volunteer_id == v.c.volunteer_id, has.c.skill == skill))
        columns.append(has.c.verified_level.label(f"level_{number}"))
        conditions.append(has.c.verified_level.is_not(None))
    if need.licence is not None:
        held = _best_licence(need.licence)
        joined = joined.outerjoin(held, held.c.volunteer_id == v.c.volunteer_id)
        columns.append(held.c.licence_until)
        conditions.append(held.c.licence_until >= last_day)
    if need.insurance_required:
        insured = _insured(first_day, last_day)
        joined = joined.outerjoin(insured, insured.c.volunteer_id == v.c.volunteer_id)
        columns += [insured.c.insured_from, insured.c.insured_until]
    query = sa.select(*columns).select_from(joined)
    if volunteer_ids is not None:
        return query.where(v.c.volunteer_id.in_(volunteer_ids))
    return query.where(v.c.state == "ACTIVE", p.people.c.erased_at.is_(None), *conditions)


def _counts(need: Need, at: datetime) -> dict[str, sa.Subquery]:
    """Per volunteer: a live assignment in the window, offers today, services for this person, and in that week."""
    a, o = t.assignments, t.offers
    day = at.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    local = need.window_start.astimezone(SHANGHAI)
    monday = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=local.isoweekday() - 1)

    def per_volunteer(table: sa.Table, name: str, *conditions: sa.ColumnElement[bool]) -> sa.Subquery:
        query = sa.select(table.c.volunteer_id, sa.func.count().label(name)).where(*conditions)
        return query.group_by(table.c.volunteer_id).subquery(name + "_counted")

    return {
        "overlapping": per_volunteer(
            a, "overlapping", a.c.live, a.c.busy_from < need.window_end, a.c.busy_until > need.window_start
        ),
        "offers_today": per_volunteer(o, "offers_today", o.c.offered_at >= day),
        "served_here": per_volunteer(a, "served_here", a.c.beneficiary_id == need.beneficiary_id, a.c.served.in_(DONE)),
        "services_this_week": per_volunteer(
            a,
            "services_this_week",
            a.c.window_start >= monday,
            a.c.window_start < monday + timedelta(days=7),
            sa.or_(a.c.live, a.c.served.in_(DONE)),
        ),
    }


def _related_to(person_id: UUID) -> sa.ColumnElement[bool]:
    r = p.relations
    others = sa.select(r.c.person_a_id).where(r.c.person_b_id == person_id, r.c.ended_at.is_(None))
    others_too = sa.select(r.c.person_b_id).where(r.c.person_a_id == person_id, r.c.ended_at.is_(None))
    return p.volunteers.c.volunteer_id.in_(others.union_all(others_too))


def _best_licence(licence: str) -> sa.Subquery:
    latest = sa.func.max(p.licences.c.expires_on).label("licence_until")
    query = sa.select(p.licences.c.volunteer_id, latest).where(p.licences.c.licence == licence)
    return query.group_by(p.licences.c.volunteer_id).subquery("held")


def _insured(first_day: date, last_day: date) -> sa.Subquery:
    i = p.insurances
    span = sa.func.min(i.c.valid_from).label("insured_from"), sa.func.max(i.c.expires_on).label("insured_until")
    query = sa.select(i.c.volunteer_id, *span).where(i.c.valid_from <= first_day, i.c.expires_on >= last_day)
    return query.group_by(i.c.volunteer_id).subquery("insured")


def _facts(row: Mapping[str, Any], need: Need) -> VolunteerFacts:
    levels = {skill: row[f"level_{number}"] for number, skill in enumerate(need.skills)}
    licence_until = row["licence_until"] if need.licence is not None else None
    return VolunteerFacts(
        volunteer_id=row["volunteer_id"],
        state=row["state"] if row["erased_at"] is None else None,
        household_id=row["household_id"],
        entrance_id=row["entrance_id"],
        grid_id=row["grid_id"],
        accompanied_only=row["accompanied_only"],
        skills={skill: level for skill, level in levels.items() if level is not None},
        licences={need.licence: licence_until} if need.licence is not None and licence_until is not None else {},
        insured_from=row["insured_from"] if need.insurance_required else None,
        insured_until=row["insured_until"] if need.insurance_required else None,
        available=available(row["weekly"], row["exceptions"], need.window_start, need.window_end),
        busy=bool(row["overlapping"]),
        related=row["related"],
        offers_today=row["offers_today"] or 0,
        served_here=row["served_here"] or 0,
        services_this_week=row["services_this_week"] or 0,
        last_served_at=row["last_served_at"],
    )


def available(
    weekly: Sequence[Sequence[Any]] | None,
    exceptions: Sequence[Sequence[Any]] | None,
    starts: datetime,
    ends: datetime,
) -> bool | None:
    """Whether the window lies within stated hours; None when none were stated. A day's exceptions replace its week day.

    `weekly` holds [weekday, from minute, to minute]; `exceptions` [ISO date, available, from minute, to minute].
    """
    if not weekly and not exceptions:
        return None
    first, last = starts.astimezone(SHANGHAI), ends.astimezone(SHANGHAI)
    day = first.date()
    from_minute = first.hour * 60 + first.minute
    length = -(-(last - first) // timedelta(minutes=1))
    to_minute = from_minute + length
    todays = [one for one in exceptions or () if one[0] == day.isoformat()]
    if todays:
        barred = any(not one[1] and one[2] < to_minute and from_minute < one[3] for one in todays)
        hours = [(one[2], one[3]) for one in todays if one[1]]
        if barred or hours:
            return not barred and any(begin <= from_minute and to_minute <= end for begin, end in hours)
    return any(
        weekday == day.isoweekday() and begin <= from_minute and to_minute <= end
        for weekday, begin, end in weekly or ()
    )
