"""What commands are decided by, gathered from the tables: joins happen here, never in a fold."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from services.orders.commands.words import ItemFacts, Policy, ResidentFacts, VolunteerFacts
from services.orders.decider.deadlines import SHANGHAI
from services.orders.decider.fitness import Need
from services.orders.read_models import people as p
from services.orders.read_models import tables as t
from services.orders.read_models.fetching import row_of, rows_of
from services.orders.read_models.relations import is_proxy

DONE = ("FINISHED", "AUTO_CLOSED")
KNOWN_MAX = 400
"""How many volunteers are ranked for one order. A wave asks eight at most; the dispatcher may name anybody."""
SAFETY = "safety"
"""The training for visits at a home."""
SERVICE = "service"
"""The consent to be served."""


async def item(connection: AsyncConnection, item_code: str) -> ItemFacts | None:
    """The catalogue item as published now."""
    row = await row_of(connection, sa.select(t.service_items).where(t.service_items.c.item_code == item_code))
    if row is None:
        return None
    return _model(ItemFacts, row)


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
    return _model(ResidentFacts, row)


async def consent_withdrawn_at(connection: AsyncConnection, person_id: UUID) -> datetime | None:
    """When a person took the consent to be served back; None where it stands, or never was."""
    c = p.consents.c
    row = await row_of(connection, sa.select(c.withdrawn_at).where(c.person_id == person_id, c.purpose == SERVICE))
    return None if row is None else row["withdrawn_at"]


async def suspenders(connection: AsyncConnection, person_ids: Collection[UUID]) -> frozenset[UUID]:
    """Who stands for a suspension, in force, of any of these people."""
    c = p.volunteers.c
    query = sa.select(c.suspended_by).where(c.volunteer_id.in_(list(person_ids)), c.state == "SUSPENDED")
    return frozenset(UUID(one) for row in await rows_of(connection, query) for one in row["suspended_by"] or ())


async def reporters(
    connection: AsyncConnection, order_id: UUID | None, person_ids: Collection[UUID]
) -> frozenset[UUID]:
    """Who said of any of these people that they had not come to an order."""
    a = t.assignments.c
    query = sa.select(a.reported_by).where(
        a.order_id == order_id, a.volunteer_id.in_(list(person_ids)), a.reported_by.is_not(None)
    )
    return frozenset(row["reported_by"] for row in await rows_of(connection, query))


@dataclass(frozen=True, slots=True)
class Wish:
    """What PlaceOrder needs to know, in one round trip."""

    item: ItemFacts | None
    resident: ResidentFacts | None
    proxy: bool
    """The actor may act for the person."""
    duplicate: UUID | None
    """Another live order of the household for this item, placed lately: a hint (domain.md §4.1, row 1)."""


async def wish(
    connection: AsyncConnection, actor_id: UUID, person_id: UUID, item_code: str, since: datetime, at: datetime
) -> Wish:
    """Everything that is looked up when an order is placed."""
    asked = {"actor_id": actor_id, "person_id": person_id, "item_code": item_code, "since": since, "at": at}
    (row,) = await rows_of(connection, _wish_query(), asked)
    return Wish(
        item=_model(ItemFacts, row) if row["item_code"] is not None else None,
        resident=_model(ResidentFacts, row) if row["person_id"] is not None else None,
        proxy=row["proxy"],
        duplicate=row["duplicate"],
    )


@cache
def _wish_query() -> sa.Select[Any]:
    """Made once: to put it together took as long as to run it."""
    actor_id, person_id = sa.bindparam("actor_id", type_=sa.Uuid()), sa.bindparam("person_id", type_=sa.Uuid())
    item_code = sa.bindparam("item_code", type_=sa.Text())
    since, at = (sa.bindparam(name, type_=sa.DateTime(timezone=True)) for name in ("since", "at"))
    who, home = p.people, p.people.alias("home")
    o, i = t.orders, t.service_items
    consented = sa.exists().where(
        p.consents.c.person_id == person_id, p.consents.c.purpose == SERVICE, p.consents.c.live
    )
    duplicate = (
        sa.select(o.c.order_id)
        .join(home, home.c.person_id == o.c.beneficiary_id)
        .where(
            home.c.household_id == who.c.household_id,
            o.c.item_code == item_code,
            o.c.placed_at >= since,
            o.c.state.not_in(("CANCELLED", "REFUSED", "MERGED")),
        )
        .order_by(o.c.placed_at.desc())
        .limit(1)
        .scalar_subquery()
    )
    one = sa.select(sa.literal(1).label("one")).subquery("one")
    person = sa.and_(who.c.person_id == person_id, who.c.erased_at.is_(None))
    return sa.select(
        who,
        i,
        consented.label("consented"),
        is_proxy(actor_id, person_id, at).label("proxy"),
        duplicate.label("duplicate"),
    ).select_from(one.outerjoin(who, person).outerjoin(i, i.c.item_code == item_code))


M = TypeVar("M", bound=BaseModel)


def _model(model: type[M], row: Mapping[str, Any]) -> M:
    return model.model_validate({name: row[name] for name in model.model_fields})


async def households(connection: AsyncConnection, person_ids: Collection[UUID]) -> dict[UUID, UUID | None]:
    """Person → household, of those who are known."""
    query = sa.select(p.people.c.person_id, p.people.c.household_id).where(p.people.c.person_id.in_(list(person_ids)))
    return {row.person_id: row.household_id for row in await connection.execute(query)}


async def volunteers(
    connection: AsyncConnection,
    need: Need,
    at: datetime,
    policy: Policy,
    volunteer_ids: Iterable[UUID] | None = None,
) -> list[VolunteerFacts]:
    """What is known of these volunteers with regard to an order; with none named, of all ACTIVE ones who have its
    licence and its skills.
    """
    named = None if volunteer_ids is None else list(volunteer_ids)
    query = _facts_query(need, at, named, policy.ranking.lately_days)
    return [_facts(row, need) for row in await rows_of(connection, query)]


async def volunteer(connection: AsyncConnection, need: Need, at: datetime, volunteer_id: UUID) -> VolunteerFacts:
    """What is known of one volunteer, for the gates; state None when nobody volunteers under this id."""
    rows = await rows_of(connection, _facts_query(need, at, [volunteer_id], 0))
    return _facts(rows[0], need) if rows else VolunteerFacts(volunteer_id=volunteer_id, state=None)


def _facts_query(need: Need, at: datetime, volunteer_ids: list[UUID] | None, lately_days: int) -> sa.Select[Any]:
    """First who, then what is known of them.

    Every fact is a subquery of its own, looked up by index: joins would be planned badly while a young community's
    tables grow faster than PostgreSQL counts them.
    """
    known = _known(need, volunteer_ids).subquery("known")
    counts = [count.label(name) for name, count in _counts(known.c.volunteer_id, need, at, lately_days).items()]
    who = known.c.volunteer_id
    related, apart = _is_related(who, need.beneficiary_id), _is_kept_apart(who, need)
    query = sa.select(
        known,
        *counts,
        related.label("related"),
        apart.label("kept_apart"),
        _is_trained(who, need).label("trained"),
        _is_team_mate(who, need).label("team_mate"),
    )
    if need.insurance_required:
        first_day, last_day = _days(need)
        i = p.insurances
        covers = (i.c.volunteer_id == known.c.volunteer_id, i.c.valid_from <= first_day, i.c.expires_on >= last_day)
        for name, value in (
            ("insured_from", sa.func.min(i.c.valid_from)),
            ("insured_until", sa.func.max(i.c.expires_on)),
        ):
            query = query.add_columns(sa.select(value).where(*covers).scalar_subquery().label(name))
    return query


def _known(need: Need, volunteer_ids: list[UUID] | None) -> sa.Select[Any]:
    v, skills, licences = p.volunteers, p.skills, p.licences
    served_at = sa.select(t.last_services.c.served_at).where(t.last_services.c.volunteer_id == v.c.volunteer_id)
    last_served_at = served_at.scalar_subquery()
    columns: list[Any] = [v, p.people.c.household_id, p.people.c.entrance_id, p.people.c.grid_id, p.people.c.erased_at]
    columns.append(last_served_at.label("last_served_at"))
    offered_at = sa.select(sa.func.max(t.offers.c.offered_at)).where(t.offers.c.volunteer_id == v.c.volunteer_id)
    last_offered_at = offered_at.scalar_subquery()
    columns.append(last_offered_at.label("last_offered_at"))
    conditions: list[sa.ColumnElement[bool]] = [v.c.state == "ACTIVE", p.people.c.erased_at.is_(None)]
    for number, skill in enumerate(need.skills):
        has = sa.select(skills.c.verified_level).where(
            skills.c.volunteer_id == v.c.volunteer_id, skills.c.skill == skill
        )
        columns.append(has.scalar_subquery().label(f"level_{number}"))
        conditions.append(has.scalar_subquery().is_not(None))
    if need.licence is not None:
        held = sa.select(sa.func.max(licences.c.expires_on)).where(
            licences.c.volunteer_id == v.c.volunteer_id, licences.c.licence == need.licence
        )
        columns.append(held.scalar_subquery().label("licence_until"))
        conditions.append(held.scalar_subquery() >= _days(need)[1])
    query = sa.select(*columns).select_from(v.outerjoin(p.people, p.people.c.person_id == v.c.volunteer_id))
    if volunteer_ids is not None:
        return query.where(v.c.volunteer_id.in_(volunteer_ids))
    nearest = (
        sa.func.coalesce(p.people.c.entrance_id == need.entrance_id, sa.false()).desc(),
        sa.func.coalesce(p.people.c.grid_id == need.grid_id, sa.false()).desc(),
        last_served_at.asc().nulls_first(),
        last_offered_at.asc().nulls_first(),
        v.c.volunteer_id,
    )
    return query.where(*conditions).order_by(*nearest).limit(KNOWN_MAX)


def _counts(
    volunteer_id: sa.ColumnElement[UUID], need: Need, at: datetime, lately_days: int
) -> dict[str, sa.ScalarSelect[Any]]:
    """A live assignment in the window, offers today and lately, services for this person, services in that week."""
    a, o = t.assignments, t.offers
    day = at.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    local = need.window_start.astimezone(SHANGHAI)
    monday = local.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=local.isoweekday() - 1)

    def count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
        query = sa.select(sa.func.count()).select_from(table)
        return query.where(table.c.volunteer_id == volunteer_id, *conditions).scalar_subquery()

    taken = [a.c.live, a.c.busy_from < need.window_end, a.c.busy_until > need.window_start]
    if need.order_id is not None:
        taken.append(a.c.order_id != need.order_id)
    return {
        "overlapping": count(a, *taken),
        "offers_today": count(o, o.c.offered_at >= day),
        "offers_lately": count(o, o.c.offered_at > at - timedelta(days=lately_days)),
        "served_here": count(a, a.c.beneficiary_id == need.beneficiary_id, a.c.served.in_(DONE)),
        "services_this_week": count(
            a,
            a.c.window_start >= monday,
            a.c.window_start < monday + timedelta(days=7),
            sa.or_(a.c.live, a.c.served.in_(DONE)),
        ),
    }


def _is_related(volunteer_id: sa.ColumnElement[UUID], person_id: UUID) -> sa.ColumnElement[bool]:
    r = p.relations
    one_way = sa.and_(r.c.person_a_id == volunteer_id, r.c.person_b_id == person_id)
    other_way = sa.and_(r.c.person_b_id == volunteer_id, r.c.person_a_id == person_id)
    return sa.exists().where(r.c.ended_at.is_(None), sa.or_(one_way, other_way))


def _is_kept_apart(volunteer_id: sa.ColumnElement[UUID], need: Need) -> sa.ColumnElement[bool]:
    """A block, set by either side, between the volunteer and whoever is or will be there."""
    b, there = p.blocks.c, [need.beneficiary_id, *sorted(need.servers)]
    one_way = sa.and_(b.person_id == volunteer_id, b.other_id.in_(there))
    other_way = sa.and_(b.other_id == volunteer_id, b.person_id.in_(there))
    return sa.exists().where(sa.or_(one_way, other_way))


def _is_trained(volunteer_id: sa.ColumnElement[UUID], need: Need) -> sa.ColumnElement[bool]:
    x, last_day = p.trainings.c, _days(need)[1]
    holds = sa.or_(x.expires_on.is_(None), x.expires_on >= last_day)
    return sa.exists().where(x.volunteer_id == volunteer_id, x.training == SAFETY, holds)


def _is_team_mate(volunteer_id: sa.ColumnElement[UUID], need: Need) -> sa.ColumnElement[bool]:
    if not need.servers:
        return sa.false()
    mine, theirs = p.team_members.alias("mine"), p.team_members.alias("theirs")
    return sa.exists().where(
        mine.c.volunteer_id == volunteer_id,
        theirs.c.team_id == mine.c.team_id,
        theirs.c.volunteer_id.in_(sorted(need.servers)),
        p.teams.c.team_id == mine.c.team_id,
        mine.c.joined_at >= p.teams.c.founded_at,
        theirs.c.joined_at >= p.teams.c.founded_at,
    )


def _days(need: Need) -> tuple[date, date]:
    return need.window_start.astimezone(SHANGHAI).date(), need.window_end.astimezone(SHANGHAI).date()


def _facts(row: Mapping[str, Any], need: Need) -> VolunteerFacts:
    levels = {skill: row[f"level_{number}"] for number, skill in enumerate(need.skills)}
    licence_until = row["licence_until"] if need.licence is not None else None
    return VolunteerFacts.model_construct(
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
        kept_apart=row["kept_apart"],
        trained=row["trained"],
        team_mate=row["team_mate"],
        related=row["related"],
        offers_today=row["offers_today"],
        offers_lately=row["offers_lately"],
        last_offered_at=row["last_offered_at"],
        served_here=row["served_here"],
        services_this_week=row["services_this_week"],
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
