"""What the sender, the rules and the pages ask the tables. A join across logs is made here, never in a fold."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import Role
from eventstore.bulk import Connection
from servicekit.reference import reference
from services.notify.read_models.copies import (
    ledger_cases,
    ledger_donors,
    orders_states,
    volunteers_left_in_peace,
    volunteers_proxies,
    volunteers_roles,
)
from services.notify.read_models.own import contacts, erased, notices, webhooks

Row = RowMapping
n = notices.c
SENDER = "sender"
"""Under which the sender's attempts are kept among the idempotency keys: `<notification id>:<attempt>`."""
EVERYWHERE = frozenset({"community", "street", "team"})
"""Scopes that are no place within the community: they cover all of it."""


async def many(connection: AsyncConnection, statement: sa.Select[*tuple[Any, ...]]) -> Sequence[Row]:
    """All rows, as mappings."""
    return (await connection.execute(statement)).mappings().all()


async def one(connection: AsyncConnection, statement: sa.Select[*tuple[Any, ...]]) -> Row | None:
    """The first row, as a mapping."""
    return (await connection.execute(statement.limit(1))).mappings().first()


def covers(scope: str, scope_id: str, grid_id: str | None) -> bool:
    """Whether a role held in a place concerns a grid (None: the whole community)."""
    if scope in EVERYWHERE or grid_id is None:
        return True
    known = reference()
    if scope == "entrance":
        return known.grid_of_entrance.get(scope_id) == grid_id
    if scope == "station":
        return grid_id in {station.grid for station in known.stations if station.code == scope_id}
    return scope_id == grid_id


def scope_of(scope_id: str) -> str:
    """The kind of place that a code names, as in a role's scope: grid, entrance, station, or all of the community."""
    known = reference()
    if scope_id in known.grids:
        return "grid"
    if scope_id in known.entrances:
        return "entrance"
    return "station" if scope_id in known.station_codes else "community"


async def roster(connection: AsyncConnection, role: Role, grid_id: str | None, at: datetime) -> list[UUID]:
    """The people who hold a role for a grid now, in the order of their ids; erased ones hold none."""
    rows = (await connection.execute(_holders(), {"role": role.value, "at": at})).all()
    return sorted({row.person_id for row in rows if covers(row.scope, row.scope_id, grid_id)})


@cache
def _holders() -> sa.Select[Any]:
    """Made once: it is asked for each order placed."""
    r = volunteers_roles.c
    in_force = sa.or_(r.valid_until.is_(None), r.valid_until > sa.bindparam("at", type_=sa.DateTime(timezone=True)))
    gone = sa.select(erased.c.person_id)
    return sa.select(r.person_id, r.scope, r.scope_id).where(
        r.role == sa.bindparam("role", type_=sa.Text()), in_force, r.person_id.not_in(gone)
    )


async def acts_for(connection: AsyncConnection, proxy_id: UUID, principal_id: UUID, at: datetime) -> bool:
    """Whether somebody is authorised to act for a person now."""
    p = volunteers_proxies.c
    in_force = sa.or_(p.valid_until.is_(None), p.valid_until > at)
    statement = sa.select(p.proxy_id).where(p.principal_id == principal_id, p.proxy_id == proxy_id, in_force)
    return await one(connection, statement) is not None


async def relations_to(connection: AsyncConnection, actor_id: UUID, ref: UUID, at: datetime) -> frozenset[str]:
    """How the actor stands to a ref: own, proxy, donation (it is a gift's donor, no person), case (of aid)."""
    if actor_id == ref:
        return frozenset({"own"})
    relations = set()
    if await acts_for(connection, actor_id, ref, at):
        relations.add("proxy")
    if await one(connection, sa.select(ledger_donors.c.donor_ref).where(ledger_donors.c.donor_ref == ref)) is not None:
        relations.add("donation")
    if await one(connection, sa.select(ledger_cases.c.case_id).where(ledger_cases.c.case_id == ref)) is not None:
        relations.add("case")
    return frozenset(relations)


async def due(connection: AsyncConnection, at: datetime, limit: int) -> Sequence[Row]:
    """What the sender should look at: due for a channel, or past its end; the longest overdue first."""
    sendable = sa.and_(n.due_at <= at, n.by_phone.is_(False))
    statement = sa.select(notices).where(n.state == "QUEUED", sa.or_(sendable, n.expires_at <= at))
    return await many(connection, statement.order_by(n.due_at, n.notification_id).limit(limit))


async def attempted_and_cancelled(connection: Connection, schema: str, read_schema: str, hours: int) -> Sequence[Any]:
    """Cancelled notices with an attempt of the last so many hours that has no outcome.

    With `topic_id`, `notification_id`, `attempt`, `channel` and `attempted_at` (ISO 8601). An attempt is a key that the
    sender kept before it handed over; a notice counts those whose failure was recorded.
    """
    rows: Sequence[Any] = await connection.fetch(
        f"""SELECT n.topic_id, n.notification_id, n.attempts + 1 AS attempt,
                   k.answer ->> 'channel' AS channel, k.answer ->> 'attempted_at' AS attempted_at
            FROM {schema}.idempotency k
            JOIN {read_schema}.notices n ON n.notification_id = split_part(k.key, ':', 1)::uuid
            WHERE k.scope = $1 AND k.kept_at > now() - make_interval(hours => $2) AND k.answer ? 'channel'
              AND n.state = 'CANCELLED' AND k.key = n.notification_id || ':' || (n.attempts + 1)""",  # noqa: S608
        SENDER,
        hours,
    )
    return rows


async def channels_of(connection: AsyncConnection, refs: Collection[UUID]) -> Mapping[UUID, frozenset[str]]:
    """Ref → the channels it chose."""
    c = contacts.c
    found: dict[UUID, set[str]] = {}
    for row in await many(connection, sa.select(c.ref, c.channel).where(c.ref.in_(refs))):
        found.setdefault(row["ref"], set()).add(row["channel"])
    return {ref: frozenset(channels) for ref, channels in found.items()}


async def contacts_of(connection: AsyncConnection, refs: Collection[UUID]) -> Sequence[Row]:
    """The contacts of some refs."""
    c = contacts.c
    return await many(connection, sa.select(contacts).where(c.ref.in_(refs)).order_by(c.ref, c.channel))


async def erased_among(connection: AsyncConnection, refs: Collection[UUID]) -> frozenset[UUID]:
    """Those of the refs that were erased."""
    rows = await many(connection, sa.select(erased.c.person_id).where(erased.c.person_id.in_(refs)))
    return frozenset(row["person_id"] for row in rows)


async def left_in_peace(connection: AsyncConnection, refs: Collection[UUID]) -> frozenset[UUID]:
    """Those of the refs who took the consent to be contacted back: the inbox at most, and no call."""
    p = volunteers_left_in_peace.c
    rows = await many(connection, sa.select(p.person_id).where(p.person_id.in_(refs)))
    return frozenset(row["person_id"] for row in rows)


async def erased_persons(connection: AsyncConnection) -> Sequence[UUID]:
    """Everybody erased, in the order it happened."""
    rows = await many(connection, sa.select(erased.c.person_id).order_by(erased.c.erased_at))
    return [row["person_id"] for row in rows]


async def open_among(connection: AsyncConnection, order_nos: Collection[str]) -> frozenset[str]:
    """Those of the orders that wait in the pool."""
    o = orders_states.c
    rows = await many(connection, sa.select(o.order_no).where(o.order_no.in_(order_nos), o.state == "OPEN"))
    return frozenset(row["order_no"] for row in rows)


async def pending_of(connection: AsyncConnection, ref: UUID, *, calls_only: bool = False) -> Sequence[Row]:
    """The notices that wait for one ref; or only those that are calls."""
    statement = sa.select(n.topic_id, n.notification_id).where(n.ref == ref, n.state == "QUEUED")
    if calls_only:
        statement = statement.where(n.by_phone)
    return await many(connection, statement.order_by(n.topic_id))


async def notice(connection: AsyncConnection, notification_id: UUID) -> Row | None:
    """One notice."""
    return await one(connection, sa.select(notices).where(n.notification_id == notification_id))


async def of_topic(connection: AsyncConnection, topic_id: UUID) -> Sequence[Row]:
    """What became of every notice about one order, gift or claim, in the order they were queued."""
    statement = sa.select(notices).where(n.topic_id == topic_id)
    return await many(connection, statement.order_by(n.queued_at, n.notification_id))


async def inbox(connection: AsyncConnection, ref: UUID, before: datetime | None, limit: int) -> Sequence[Row]:
    """What was handed to a ref's inbox, the newest first."""
    statement = sa.select(notices).where(n.ref == ref, n.state == "HANDED_OVER", n.channel == "in_app")
    if before is not None:
        statement = statement.where(n.ended_at < before)
    return await many(connection, statement.order_by(n.ended_at.desc(), n.notification_id).limit(limit))


async def phone_list(connection: AsyncConnection, at: datetime, roles: Collection[str], limit: int) -> Sequence[Row]:
    """The calls to be made now by some roles, the longest waiting first."""
    live = sa.or_(n.expires_at.is_(None), n.expires_at > at)
    mine = sa.or_(n.to_role.is_(None), n.to_role.in_(roles))
    statement = sa.select(notices).where(n.state == "QUEUED", n.by_phone, n.due_at <= at, live, mine)
    return await many(connection, statement.order_by(n.due_at, n.notification_id).limit(limit))


async def all_webhooks(connection: AsyncConnection) -> Sequence[Row]:
    """Every webhook, the oldest first."""
    return await many(connection, sa.select(webhooks).order_by(webhooks.c.registered_at, webhooks.c.webhook_id))


async def webhook_room(connection: AsyncConnection) -> tuple[int, int]:
    """How many webhooks are enabled, and the first place from 1 on that none of them has."""
    query = sa.select(webhooks.c.place).where(webhooks.c.state == "ENABLED")
    places = (await connection.execute(query)).scalars().all()
    return len(places), next(place for place in itertools.count(1) if place not in places)


async def webhook(connection: AsyncConnection, webhook_id: UUID) -> Row | None:
    """One webhook."""
    return await one(connection, sa.select(webhooks).where(webhooks.c.webhook_id == webhook_id))
