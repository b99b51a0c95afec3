"""What rules, pages and timers ask of teams."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import Role
from services.volunteers.commands.words import team_id_of
from services.volunteers.read_models import tables as t
from services.volunteers.read_models.leading import current, led_by
from services.volunteers.read_models.queries import Row, many, one, row_of

m, c = t.team_members.c, t.teams.c


async def team(connection: AsyncConnection, team_code: str) -> Row | None:
    """One team."""
    return await row_of(connection, t.teams, team_id_of(team_code))


async def teams(connection: AsyncConnection) -> Sequence[Row]:
    """All teams that were ever begun, by code."""
    return await many(connection, sa.select(t.teams).order_by(c.team_code))


async def members_of(connection: AsyncConnection, team_code: str) -> Sequence[Row]:
    """The members, the longest first, each with number, state, and whether their name may be shown."""
    v, consents = t.volunteers.c, t.consents.c
    named = sa.exists().where(
        consents.person_id == m.volunteer_id, consents.purpose == "publish_name", consents.withdrawn_at.is_(None)
    )
    statement = (
        sa.select(m.volunteer_id, m.joined_at, v.volunteer_no, v.state, t.persons.c.profile_ref, named.label("named"))
        .join(t.teams, c.team_id == m.team_id)
        .join(t.volunteers, v.volunteer_id == m.volunteer_id)
        .join(t.persons, t.persons.c.person_id == m.volunteer_id)
        .where(m.team_id == team_id_of(team_code), current())
    )
    return await many(connection, statement.order_by(m.joined_at, m.volunteer_id))


async def teams_of(connection: AsyncConnection, volunteer_id: UUID) -> Sequence[Row]:
    """The teams of a volunteer, and whether they lead."""
    statement = (
        sa.select(c.team_code, c.state, m.joined_at, (c.leader_id == volunteer_id).label("leads"))
        .join(t.teams, c.team_id == m.team_id)
        .where(m.volunteer_id == volunteer_id, current())
    )
    return await many(connection, statement.order_by(c.team_code))


async def leads_team(connection: AsyncConnection, actor_id: UUID, team_code: str, at: datetime) -> bool:
    """Whether somebody leads a team now: within the term, and not stopped as a volunteer."""
    statement = sa.select(c.team_id).where(c.team_id == team_id_of(team_code), *led_by(actor_id, at))
    return await one(connection, statement) is not None


async def leader_grants(
    connection: AsyncConnection, person_id: UUID | None, team_code: str, at: datetime
) -> Sequence[UUID]:
    """The grants in force by which somebody holds TEAM_LEADER for a team."""
    r = t.roles.c
    statement = sa.select(r.grant_id).where(
        r.person_id == person_id,
        r.role == Role.TEAM_LEADER.value,
        r.scope == "team",
        r.scope_id == team_code,
        r.revoked_at.is_(None),
        sa.or_(r.valid_until.is_(None), r.valid_until > at),
    )
    return [row["grant_id"] for row in await many(connection, statement.order_by(r.granted_at))]


async def dormant_teams(connection: AsyncConnection, at: datetime, days: int, limit: int) -> Sequence[Row]:
    """Registered teams in which nothing happened for so many days, with the moment of the last activity."""
    hours = t.last_hours.c
    credited = (
        sa.select(sa.func.max(hours.logged_at))
        .join(t.team_members, m.volunteer_id == hours.volunteer_id)
        .where(m.team_id == c.team_id, m.left_at.is_(None), m.joined_at >= c.founded_at)
        .correlate(t.teams)
        .scalar_subquery()
    )
    last = sa.func.greatest(c.active_at, credited)
    statement = sa.select(c.team_code, last.label("last_activity_at")).where(
        c.state == "ACTIVE", c.due_at <= at, last <= at - timedelta(days=days)
    )
    return await many(connection, statement.order_by(c.due_at, c.team_id).limit(limit))


async def strays(connection: AsyncConnection, limit: int) -> Sequence[Row]:
    """Members who are no volunteers any more: they joined while the other news was under way."""
    v = t.volunteers.c
    statement = (
        sa.select(m.volunteer_id, m.joined_at, c.team_code)
        .join(t.teams, c.team_id == m.team_id)
        .join(t.volunteers, v.volunteer_id == m.volunteer_id)
        .where(current(), v.state.in_(("WITHDRAWN", "REJECTED")))
    )
    return await many(connection, statement.order_by(m.joined_at, m.volunteer_id).limit(limit))
