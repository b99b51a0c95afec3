"""What the whole records of volunteers are made of (民政部令第67号 §4), a page of volunteers at a time."""

from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.volunteers.read_models import hours_tables as h
from services.volunteers.read_models import tables as t
from services.volunteers.read_models.copies import ledger_hours_entries, orders_ratings
from services.volunteers.read_models.queries import Row, many, one
from services.volunteers.read_models.stars import stars


async def volunteers_after(
    connection: AsyncConnection, after: str, limit: int, volunteer_no: str | None
) -> Sequence[Row]:
    """Volunteers by their number, from behind one on; only those who are not erased, and were not turned down."""
    v, p = t.volunteers.c, t.persons.c
    statement = (
        sa.select(t.volunteers, p.profile_ref, p.grid_id.label("home_grid_id"))
        .select_from(t.volunteers.join(t.persons, p.person_id == v.volunteer_id))
        .where(p.erased_at.is_(None), v.state != "REJECTED", v.volunteer_no > after)
    )
    if volunteer_no is not None:
        statement = statement.where(v.volunteer_no == volunteer_no)
    return await many(connection, statement.order_by(v.volunteer_no).limit(limit))


async def number_taken(connection: AsyncConnection, volunteer_no: str | None) -> bool:
    """Whether some volunteer has this number."""
    if volunteer_no is None:
        return False
    return await one(connection, sa.select(t.volunteers).where(t.volunteers.c.volunteer_no == volunteer_no)) is not None


async def skills_of(connection: AsyncConnection, volunteer_ids: Collection[UUID]) -> Sequence[Row]:
    """What these volunteers can do."""
    s = t.skills.c
    statement = sa.select(s.volunteer_id, s.skill).where(s.volunteer_id.in_(volunteer_ids))
    return await many(connection, statement.order_by(s.volunteer_id, s.skill))


async def posted_services_of(connection: AsyncConnection, volunteer_ids: Collection[UUID]) -> Sequence[Row]:
    """The services that the ledger holds, oldest first, with the recipient's rating unless it was found mistaken."""
    c, e, r = h.claims.c, ledger_hours_entries.c, orders_ratings.c
    rated = sa.and_(r.order_id == c.order_id, sa.not_(r.mistaken))
    statement = (
        sa.select(
            *(c.volunteer_id, c.claim_id, c.service_date, c.started_at, c.finished_at, c.item_code, c.project_code),
            *(e.minutes, e.grade, e.position, r.score, r.rated_at),
        )
        .select_from(
            h.claims.join(ledger_hours_entries, sa.and_(e.claim_id == c.claim_id, e.standing)).outerjoin(
                orders_ratings, rated
            )
        )
        .where(c.volunteer_id.in_(volunteer_ids), c.state == "LOGGED")
    )
    return await many(connection, statement.order_by(c.volunteer_id, c.started_at, c.claim_id))


async def trainings_of(connection: AsyncConnection, volunteer_ids: Collection[UUID]) -> Sequence[Row]:
    """The trainings that these volunteers completed here."""
    c = t.trainings.c
    statement = sa.select(t.trainings).where(c.volunteer_id.in_(volunteer_ids))
    return await many(connection, statement.order_by(c.volunteer_id, c.completed_on, c.training_id))


async def awards_of(connection: AsyncConnection, volunteer_ids: Collection[UUID]) -> Sequence[Row]:
    """The stars that these volunteers were awarded and that no correction brought under review."""
    c = stars.c
    statement = sa.select(stars).where(c.volunteer_id.in_(volunteer_ids), c.state == "AWARDED")
    return await many(connection, statement.order_by(c.volunteer_id, c.level))
