"""How a caller stands to an order or to a person, by this service's own tables: never taken from the token."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import Role
from servicekit.reference import reference
from services.orders.read_models import people as p
from services.orders.read_models import tables as t
from services.orders.read_models.fetching import Row, rows_of

PROXY_SCOPES = ("all", "orders")
"""What an authorisation must say to cover orders."""
LOOKED_UP = ("proxy", "assigned", "serving", "missed", "offered", "household", "responsible")
COVERING = {
    Role.STATION_MANAGER: "station_covers",
    Role.GRID_WORKER: "grid_covers",
    Role.BUILDING_LEAD: "entrance_covers",
}


async def to_person(connection: AsyncConnection, actor_id: UUID, person_id: UUID, at: datetime) -> frozenset[str]:
    """`own`, `proxy`."""
    if actor_id == person_id:
        return frozenset({"own"})
    found = (await connection.execute(sa.select(is_proxy(actor_id, person_id, at)))).scalar_one()
    return frozenset({"proxy"}) if found else frozenset()


async def to_order(
    connection: AsyncConnection, actor_id: UUID, order: Mapping[str, Any], at: datetime
) -> frozenset[str]:
    """Every relation that holds between the actor and this row of `orders`.

    own, requester, proxy, assigned (fills a slot), serving (and is not done yet), missed (is said not to have come, and
    may still contest it), offered (an offer waits), pool (it is
    open, and they volunteer), household (lives with the beneficiary), responsible
    (has to put right what a follow-up found), and who covers its place: station_covers,
    grid_covers, entrance_covers.
    """
    a, o, order_id = t.assignments, t.offers, order["order_id"]
    filling = ("HELD", "STARTED", "FINISHED", "AUTO_CLOSED")
    assigned = sa.exists().where(a.c.order_id == order_id, a.c.volunteer_id == actor_id, a.c.served.in_(filling))
    missed = sa.exists().where(
        a.c.order_id == order_id, a.c.volunteer_id == actor_id, a.c.served == "NO_SHOW", a.c.contest_until > at
    )
    serving = sa.exists().where(a.c.order_id == order_id, a.c.volunteer_id == actor_id, a.c.live)
    responsible = sa.exists().where(
        t.follow_ups.c.order_id == order_id,
        t.follow_ups.c.responsible_id == actor_id,
        t.follow_ups.c.closed_at.is_(None),
    )
    offered = sa.exists().where(
        o.c.order_id == order_id, o.c.volunteer_id == actor_id, o.c.answer == "waiting", o.c.expires_at > at
    )
    active = sa.exists().where(p.volunteers.c.volunteer_id == actor_id, p.volunteers.c.state == "ACTIVE")
    lives_there = sa.exists().where(p.people.c.person_id == actor_id, p.people.c.household_id == order["household_id"])
    query = sa.select(
        is_proxy(actor_id, order["beneficiary_id"], at).label("proxy"),
        assigned.label("assigned"),
        serving.label("serving"),
        missed.label("missed"),
        offered.label("offered"),
        active.label("active"),
        lives_there.label("household"),
        responsible.label("responsible"),
    )
    (row,) = await rows_of(connection, query)
    relations = {name for name in LOOKED_UP if row[name]}
    if row["active"] and order["state"] == "OPEN":
        relations.add("pool")
    if actor_id == order["beneficiary_id"]:
        relations.add("own")
    if actor_id == order["requested_by"]:
        relations.add("requester")
    return frozenset(relations | await to_place(connection, actor_id, order["grid_id"], order["entrance_id"], at))


async def to_place(
    connection: AsyncConnection, actor_id: UUID, grid_id: str, entrance_id: str | None, at: datetime
) -> frozenset[str]:
    """The roles of the actor whose scope covers this place, each as its own relation."""
    granted = await roles_of(connection, actor_id, at)
    return frozenset(
        COVERING[row["role"]]
        for row in granted
        if row["role"] in COVERING and covers(row["scope"], row["scope_id"], grid_id, entrance_id)
    )


async def holds_role(
    connection: AsyncConnection, person_id: UUID, role: Role, order: Mapping[str, Any], at: datetime
) -> bool:
    """Whether this person holds the role, and where it has a place, for the order's place."""
    granted = await roles_of(connection, person_id, at)
    return any(
        row["role"] == role
        and (role not in COVERING or covers(row["scope"], row["scope_id"], order["grid_id"], order["entrance_id"]))
        for row in granted
    )


async def roles_of(connection: AsyncConnection, person_id: UUID, at: datetime) -> list[Row]:
    """The roles in force."""
    query = sa.select(p.roles).where(
        p.roles.c.person_id == person_id,
        p.roles.c.revoked_at.is_(None),
        sa.or_(p.roles.c.valid_until.is_(None), p.roles.c.valid_until > at),
    )
    return await rows_of(connection, query)


async def leads(connection: AsyncConnection, leader_id: UUID, volunteer_id: UUID, at: datetime) -> bool:
    """Whether the one leads a team now, within the term, in which the other is; or all teams of the community."""
    c, m = p.teams.c, p.team_members.c
    member = sa.exists().where(m.team_id == c.team_id, m.volunteer_id == volunteer_id, m.joined_at >= c.founded_at)
    found = sa.exists().where(c.leader_id == leader_id, c.term_until > at, member)
    if bool((await connection.execute(sa.select(found))).scalar_one()):
        return True
    granted = await roles_of(connection, leader_id, at)
    return any(row["role"] == Role.TEAM_LEADER and row["scope"] == "community" for row in granted)


async def covered_by(
    connection: AsyncConnection, actor_id: UUID, role: Role, table: sa.Table, at: datetime
) -> list[sa.ColumnElement[bool]]:
    """What a role with a place lists of a table with `grid_id` and `entrance_id`; other roles list all."""
    if role not in COVERING:
        return []
    grants = [row for row in await roles_of(connection, actor_id, at) if row["role"] == role]
    grids = {grid for grid in reference().grids for one in grants if covers(one["scope"], one["scope_id"], grid, None)}
    entrances = {one["scope_id"] for one in grants if one["scope"] == "entrance"}
    return [sa.or_(table.c.grid_id.in_(sorted(grids)), table.c.entrance_id.in_(sorted(entrances)))]


def covers(scope: str, scope_id: str, grid_id: str, entrance_id: str | None) -> bool:
    """Whether a role's scope includes a place. A station covers its grid; a team has no place."""
    match scope:
        case "community" | "street":
            return True
        case "grid":
            return scope_id == grid_id
        case "station":
            return any(station.code == scope_id and station.grid == grid_id for station in reference().stations)
        case "entrance":
            return scope_id == entrance_id
        case _:
            return False


def is_proxy(
    actor_id: UUID | sa.BindParameter[UUID],
    principal_id: UUID | sa.BindParameter[UUID],
    at: datetime | sa.BindParameter[datetime],
) -> sa.ColumnElement[bool]:
    """Whether an authorisation in force lets the actor act in orders for the principal."""
    x = p.proxies
    return sa.exists().where(
        x.c.proxy_id == actor_id,
        x.c.principal_id == principal_id,
        x.c.ended_at.is_(None),
        sa.or_(x.c.valid_until.is_(None), x.c.valid_until > at),
        sa.or_(*(x.c.scope.contains([scope]) for scope in PROXY_SCOPES)),
    )
