"""Who leads whom: conditions that other queries are made of."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from contracts.command import Role
from services.volunteers.read_models import tables as t

m, c = t.team_members.c, t.teams.c
_ENDED = "DISSOLVED"


def current() -> sa.ColumnElement[bool]:
    """A condition on `team_members` and `teams`: a member now, of a team that exists."""
    return sa.and_(c.state != _ENDED, m.left_at.is_(None), m.joined_at >= c.founded_at)


def leads(actor_id: UUID, volunteer_id: UUID, at: datetime) -> sa.ColumnElement[bool]:
    """Whether somebody leads a team now in which the volunteer is, or all teams of the community."""
    r = t.roles.c
    member = sa.exists().where(m.team_id == c.team_id, m.volunteer_id == volunteer_id, current())
    everybody = sa.exists().where(
        r.person_id == actor_id,
        r.role == Role.TEAM_LEADER.value,
        r.scope == "community",
        r.revoked_at.is_(None),
        sa.or_(r.valid_until.is_(None), r.valid_until > at),
    )
    return sa.or_(sa.exists().where(member, *led_by(actor_id, at)), everybody)


def led_by(actor_id: UUID, at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Conditions on `teams`: this person leads it within the term, and was not stopped as a volunteer."""
    v = t.volunteers.c
    serves = sa.exists().where(v.volunteer_id == actor_id, v.state.in_(("ACTIVE", "PAUSED")))
    return c.leader_id == actor_id, c.term_until > at, c.state != _ENDED, serves
