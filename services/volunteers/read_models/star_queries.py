"""What rules and pages ask about stars and service records."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.volunteers.commands.records import RecordedMinutes
from services.volunteers.commands.stars import StarMinutes
from services.volunteers.commands.words import StarPolicy
from services.volunteers.read_models import hours_tables as h
from services.volunteers.read_models.copies import ledger_hours_entries, ledger_hours_refusals
from services.volunteers.read_models.queries import Row, many, one
from services.volunteers.read_models.stars import service_records, star_minutes, stars


async def minutes_of(connection: AsyncConnection, volunteer_id: UUID) -> StarMinutes:
    """Credited minutes by grade."""
    row = await one(connection, sa.select(star_minutes).where(star_minutes.c.volunteer_id == volunteer_id))
    return StarMinutes() if row is None else StarMinutes(minutes_a=row["a"], minutes_b=row["b"], minutes_c=row["c"])


def _counted(policy: StarPolicy) -> sa.ColumnElement[int]:
    """As StarPolicy.counted says, in SQL; whole minutes are never negative, so the division rounds down alike."""
    m, share = star_minutes.c, policy.c_share_percent
    sure = m.a + m.b
    return sure + sa.func.least(m.c, sa.func.div(sure * share, 100 - share))


async def to_reach(connection: AsyncConnection, policy: StarPolicy, limit: int) -> Sequence[Row]:
    """Who counts enough for the next level: (volunteer_id, level), that level."""
    return await _crossing(connection, policy, limit, upward=True)


async def to_review(connection: AsyncConnection, policy: StarPolicy, limit: int) -> Sequence[Row]:
    """Who no longer counts enough for the level reached: (volunteer_id, level), that level."""
    return await _crossing(connection, policy, limit, upward=False)


async def _crossing(connection: AsyncConnection, policy: StarPolicy, limit: int, *, upward: bool) -> Sequence[Row]:
    m, counted = star_minutes.c, _counted(policy)
    levels = [
        sa.and_(m.level == level - 1, counted >= threshold)
        if upward
        else sa.and_(m.level == level, counted < threshold)
        for level, threshold in enumerate(policy.thresholds_minutes, 1)
    ]
    step = m.level + 1 if upward else m.level
    statement = sa.select(m.volunteer_id, step.label("level"), m.a, m.b, m.c).where(sa.or_(*levels))
    return await many(connection, statement.order_by(m.volunteer_id).limit(limit))


async def stars_of(connection: AsyncConnection, volunteer_id: UUID) -> Sequence[Row]:
    """A volunteer's stars by level."""
    return await many(connection, sa.select(stars).where(stars.c.volunteer_id == volunteer_id).order_by(stars.c.level))


async def stars_in(connection: AsyncConnection, state: str, limit: int) -> Sequence[Row]:
    """Stars in a state, those whose publicity ends first at the top."""
    statement = sa.select(stars).where(stars.c.state == state)
    return await many(
        connection, statement.order_by(stars.c.due_at.asc().nulls_last(), stars.c.changed_at).limit(limit)
    )


async def recorded_minutes(
    connection: AsyncConnection, volunteer_id: UUID, since: date, until: date, ledger_size: int
) -> RecordedMinutes:
    """What the ledger holds of the services of a period, as far as it was heard."""
    c, e, r = h.claims.c, ledger_hours_entries.c, ledger_hours_refusals.c
    answered = sa.or_(
        sa.exists(sa.select(e.entry_id).where(e.source_event_id == c.posting_event_id)),
        sa.exists(sa.select(r.event_id).where(r.source_event_id == c.posting_event_id)),
    )
    of_period = [c.volunteer_id == volunteer_id, c.service_date.between(since, until), c.state == "LOGGED"]
    standing = (
        sa.select(e.position, e.minutes, e.grade)
        .select_from(h.claims.join(ledger_hours_entries, e.claim_id == c.claim_id))
        .where(*of_period, e.standing)
        .order_by(e.position)
    )
    rows = await many(connection, standing)
    waiting = sa.select(sa.func.count()).select_from(h.claims).where(*of_period, sa.not_(answered))
    minutes = {grade: sum(row["minutes"] for row in rows if row["grade"] == grade) for grade in "ABC"}
    return RecordedMinutes(
        minutes_a=minutes["A"],
        minutes_b=minutes["B"],
        minutes_c=minutes["C"],
        positions=tuple(row["position"] for row in rows),
        ledger_size=ledger_size,
        unanswered=(await connection.execute(waiting)).scalar_one(),
    )


async def last_number(connection: AsyncConnection, prefix: str) -> int:
    """The highest number that a record with this prefix has, 0 when there is none."""
    found = sa.select(sa.func.max(service_records.c.record_no)).where(service_records.c.record_no.like(f"{prefix}%"))
    highest = (await connection.execute(found)).scalar_one_or_none()
    return 0 if highest is None else int(highest.removeprefix(prefix))


async def record(connection: AsyncConnection, record_id: UUID) -> Row | None:
    """A service record."""
    return await one(connection, sa.select(service_records).where(service_records.c.record_id == record_id))


async def record_by_code(connection: AsyncConnection, verify_code: str) -> Row | None:
    """The record that a code on a paper belongs to."""
    return await one(connection, sa.select(service_records).where(service_records.c.verify_code == verify_code))


async def records_of(connection: AsyncConnection, volunteer_id: UUID) -> Sequence[Row]:
    """A volunteer's records, newest first."""
    c = service_records.c
    return await many(
        connection, sa.select(service_records).where(c.volunteer_id == volunteer_id).order_by(c.issued_at.desc())
    )


async def standing_records(connection: AsyncConnection, volunteer_id: UUID, day: date) -> Sequence[UUID]:
    """The records that stand and whose period holds a day."""
    c = service_records.c
    statement = sa.select(c.record_id).where(
        c.volunteer_id == volunteer_id, c.state == "ISSUED", c.period_from <= day, c.period_until >= day
    )
    return [row["record_id"] for row in await many(connection, statement.order_by(c.record_id))]


async def leaf_of(connection: AsyncConnection, position: int) -> Row | None:
    """The entry at a position of the ledger, with its leaf's hash as it was heard."""
    return await one(connection, sa.select(ledger_hours_entries).where(ledger_hours_entries.c.position == position))


async def services_in(connection: AsyncConnection, volunteer_id: UUID, since: date, until: date) -> Sequence[Any]:
    """The credited services of a period, oldest first, with their entries."""
    c, e = h.claims.c, ledger_hours_entries.c
    statement = (
        sa.select(
            c.claim_id,
            c.service_date,
            c.started_at,
            c.finished_at,
            c.item_code,
            c.project_code,
            c.minutes,
            c.grade,
            e.position,
            e.entry_no,
        )
        .select_from(h.claims.outerjoin(ledger_hours_entries, sa.and_(e.claim_id == c.claim_id, e.standing)))
        .where(c.volunteer_id == volunteer_id, c.state == "LOGGED", c.service_date.between(since, until))
        .order_by(c.started_at)
    )
    return await many(connection, statement)
