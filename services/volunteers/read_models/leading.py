"""Who leads whom: conditions that other queries are made of."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa

from services.volunteers.read_models import tables as t

m, c = t.team_members.c, t.teams.c
_ENDED = "DISSOLVED"


def current() -> sa.ColumnElement[bool]:
    """A condition on `team_members` and `teams`: a member now, of a team that exists."""
    return sa.and_(c.state != _ENDED, m.left_at.is_(None), m.joined_at >= c.founded_at)


def leads(actor_id: UUID, volunteer_id: UUID, at: datetime) -> sa.Exists:
    """Whether somebody leads a team now in which the volunteer is."""
    member = sa.exists().where(m.team_id == c.team_id, m.volunteer_id == volunteer_id, current())
    return sa.exists().where(member, *led_by(actor_id, at))


def led_by(actor_id: UUID, at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    """Conditions on `teams`: this person leads it within the term, and was not stopped as a volunteer."""
    v = t.volunteers.c
    serves = sa.exists().where(v.volunteer_id == actor_id, v.state.in_(("ACTIVE", "PAUSED")))
    return c.leader_id == actor_id, c.term_until > at, c.state != _ENDED, serves
