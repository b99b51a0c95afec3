"""What rules and pages ask the tables. A join across logs is made here, never in a fold."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import Role
from services.volunteers.commands.words import GUARDIAN_KINDS
from services.volunteers.read_models import tables as t
from services.volunteers.read_models.leading import leads

PROXY_SCOPES = ("all", "volunteers")
Row = RowMapping


async def one(connection: AsyncConnection, statement: sa.Select[*tuple[Any, ...]]) -> Row | None:
    """The first row, as a mapping."""
    return (await connection.execute(statement.limit(1))).mappings().first()


async def many(connection: AsyncConnection, statement: sa.Select[*tuple[Any, ...]]) -> Sequence[Row]:
    """All rows, as mappings."""
    return (await connection.execute(statement)).mappings().all()


async def person(connection: AsyncConnection, person_id: UUID) -> Row | None:
    """A registered person, erased ones included."""
    return await one(connection, sa.select(t.persons).where(t.persons.c.person_id == person_id))


async def is_known(connection: AsyncConnection, person_id: UUID | None) -> bool:
    """Whether the person is registered and not erased."""
    if person_id is None:
        return False
    row = await person(connection, person_id)
    return row is not None and row["erased_at"] is None


async def erased_persons(connection: AsyncConnection) -> Sequence[UUID]:
    """Everybody erased, in the order it happened."""
    p = t.persons.c
    statement = sa.select(p.person_id).where(p.erased_at.is_not(None)).order_by(p.erased_at)
    return [row["person_id"] for row in await many(connection, statement)]


async def relations_to(connection: AsyncConnection, actor_id: UUID, subject_id: UUID, at: datetime) -> frozenset[str]:
    """How the actor stands to the subject now: own, proxy, guardian, household, related, leads (see access.py)."""
    if actor_id == subject_id:
        return frozenset({"own"})
    r, p = t.relations.c, t.proxies.c
    between = sa.or_(
        sa.and_(r.person_a_id == actor_id, r.person_b_id == subject_id),
        sa.and_(r.person_a_id == subject_id, r.person_b_id == actor_id),
    )
    guards = sa.and_(r.person_a_id == actor_id, r.person_b_id == subject_id, r.kind.in_(GUARDIAN_KINDS))
    actor, subject = t.persons.alias("actor"), t.persons.alias("subject")
    same_home = sa.select(actor.c.person_id).where(
        actor.c.person_id == actor_id,
        subject.c.person_id == subject_id,
        actor.c.household_id == subject.c.household_id,
    )
    acts_for = sa.select(p.proxy_id).where(
        p.principal_id == subject_id,
        p.proxy_id == actor_id,
        p.ended_at.is_(None),
        sa.or_(p.valid_until.is_(None), p.valid_until > at),
        sa.or_(*[p.scope.contains([scope]) for scope in PROXY_SCOPES]),
    )
    row = await one(
        connection,
        sa.select(
            sa.exists(acts_for).label("proxy"),
            sa.exists(sa.select(r.relation_id).where(guards, r.ended_at.is_(None))).label("guardian"),
            sa.exists(same_home).label("household"),
            sa.exists(sa.select(r.relation_id).where(between, r.ended_at.is_(None))).label("related"),
            leads(actor_id, subject_id, at).label("leads"),
        ),
    )
    return frozenset(name for name, holds in (row or {}).items() if holds)


def _in_force(at: datetime) -> sa.ColumnElement[bool]:
    c = t.roles.c
    return sa.and_(c.revoked_at.is_(None), sa.or_(c.valid_until.is_(None), c.valid_until > at))


async def holds_any(connection: AsyncConnection, person_id: UUID, roles: Collection[Role], at: datetime) -> bool:
    """Whether the person holds one of these roles, by a grant in force."""
    wanted = sa.select(t.roles.c.grant_id).where(
        t.roles.c.person_id == person_id, t.roles.c.role.in_([role.value for role in roles]), _in_force(at)
    )
    return await is_known(connection, person_id) and await one(connection, wanted) is not None


async def roles_of(connection: AsyncConnection, person_id: UUID, at: datetime) -> Sequence[Row]:
    """The grants of a person that are in force."""
    wanted = t.roles.c.person_id == person_id
    return await many(connection, sa.select(t.roles).where(wanted, _in_force(at)).order_by(t.roles.c.granted_at))


async def admin_ever(connection: AsyncConnection) -> bool:
    """Whether an ADMIN was ever granted."""
    return await one(connection, sa.select(t.roles.c.grant_id).where(t.roles.c.role == Role.ADMIN.value)) is not None


async def row_of(connection: AsyncConnection, table: sa.Table, key: UUID) -> Row | None:
    """The row of a table with one primary-key column."""
    (column,) = table.primary_key.columns
    return await one(connection, sa.select(table).where(column == key))


async def consenting_guardian(connection: AsyncConnection, person_id: UUID) -> UUID | None:
    """The guardian whose consent to volunteering stands."""
    c = t.consents.c
    statement = sa.select(c.guardian_id).where(
        c.person_id == person_id, c.purpose == "volunteering", c.guardian_id.is_not(None), c.withdrawn_at.is_(None)
    )
    row = await one(connection, statement)
    return None if row is None else row["guardian_id"]


async def volunteer(connection: AsyncConnection, volunteer_id: UUID) -> dict[str, Any] | None:
    """A volunteer with skills, papers and free time."""
    found = await row_of(connection, t.volunteers, volunteer_id)
    if found is None:
        return None
    parts: dict[str, Any] = {}
    for name in ("skills", "licences", "trainings", "insurances"):
        table = t.metadata.tables[name]
        statement = sa.select(table).where(table.c.volunteer_id == volunteer_id).order_by(*table.primary_key.columns)
        parts[name] = [dict(row) for row in await many(connection, statement)]
    hours = await row_of(connection, t.availability, volunteer_id)
    return {**found, **parts, "availability": None if hours is None else dict(hours)}
