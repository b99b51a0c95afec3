"""What rules and pages ask about hours. A join across logs is made here, never in a fold."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.volunteers.commands.hours import DayFacts, EntryFacts, PresenceFacts, UnusualFacts, day_of
from services.volunteers.read_models import hours_tables as t
from services.volunteers.read_models.copies import (
    ledger_hours_entries,
    ledger_hours_refusals,
    orders_assignments,
    orders_hands,
    orders_orders,
)
from services.volunteers.read_models.queries import Row, many, one

PAIR_DAYS_LOOKED_AT = 31


async def day_facts(connection: AsyncConnection, claim: Mapping[Any, Any]) -> DayFacts:
    """What else is logged for a claim's volunteer on its day and across its interval, and who took part."""
    c, d, h = t.claims.c, t.day_totals.c, orders_hands.c
    overlapping = sa.select(c.claim_id).where(
        c.volunteer_id == claim["volunteer_id"],
        c.logged,
        c.claim_id != claim["claim_id"],
        c.started_at < claim["finished_at"],
        c.finished_at > claim["started_at"],
    )
    total = sa.select(d.minutes).where(d.volunteer_id == claim["volunteer_id"], d.service_date == claim["service_date"])
    others = sa.select(h.actor).where(h.order_id == claim["order_id"], h.actor != str(claim["volunteer_id"]))
    row = await one(
        connection,
        sa.select(
            total.scalar_subquery().label("total"),
            overlapping.limit(1).scalar_subquery().label("overlaps"),
            sa.exists(others).label("others"),
        ),
    )
    assert row is not None
    return DayFacts(logged_minutes=row["total"] or 0, overlaps=row["overlaps"], others_took_part=row["others"])


async def unusual_facts(
    connection: AsyncConnection,
    *,
    volunteer_id: UUID,
    beneficiary_id: UUID | None,
    order_id: UUID | None,
    started_at: datetime,
    recorder: UUID | None = None,
    at: datetime,
    recorder_is_kin: bool = False,
) -> UnusualFacts:
    """What may make a claim unusual: the recorder's other entries, the order's age, the same pair day after day."""
    c, day = t.claims.c, day_of(started_at)
    mine = sa.select(sa.func.count()).where(c.recorded_by == recorder)
    row = await one(
        connection,
        sa.select(
            mine.where(c.claimed_at > at - timedelta(minutes=1)).scalar_subquery().label("minute"),
            mine.where(c.claimed_at > at - timedelta(days=1)).scalar_subquery().label("day"),
            sa.select(orders_orders.c.placed_at)
            .where(orders_orders.c.order_id == order_id)
            .scalar_subquery()
            .label("placed_at"),
        ),
    )
    assert row is not None
    days: set[date] = set()
    if beneficiary_id is not None:
        served = sa.select(c.service_date).where(
            c.volunteer_id == volunteer_id,
            c.beneficiary_id == beneficiary_id,
            c.state.not_in(["REJECTED", "VOIDED"]),
            c.service_date >= day - timedelta(days=PAIR_DAYS_LOOKED_AT),
            c.service_date < day,
        )
        days = {found["service_date"] for found in await many(connection, served.distinct())}
    running = 0
    while day - timedelta(days=running + 1) in days:
        running += 1
    return UnusualFacts(
        entries_within_minute=0 if recorder is None else row["minute"],
        entries_that_day=0 if recorder is None else row["day"],
        order_placed_at=row["placed_at"],
        pair_days=running,
        recorder_is_kin=recorder_is_kin,
    )


async def presence(connection: AsyncConnection, assignment_id: UUID) -> PresenceFacts | None:
    """What orders recorded of an assignment."""
    a = orders_assignments.c
    row = await one(connection, sa.select(orders_assignments).where(a.assignment_id == assignment_id))
    if row is None:
        return None
    return PresenceFacts(
        volunteer_id=row["volunteer_id"],
        order_id=row["order_id"],
        beneficiary_id=row["beneficiary_id"],
        item_code=row["item_code"],
        project_code=row["project_code"],
        closed_by_itself=row["state"] == "AUTO_CLOSED",
        started_at=row["started_at"],
        closed_at=row["closed_at"],
    )


async def pairs_taken(
    connection: AsyncConnection, volunteer_id: UUID, project_code: str | None, service_date: date
) -> tuple[int, ...]:
    """The numbers of a volunteer's pairs at a project on a day."""
    c = t.claims.c
    statement = sa.select(c.pair_no).where(
        c.volunteer_id == volunteer_id,
        c.project_code == project_code,
        c.service_date == service_date,
        c.pair_no.is_not(None),
    )
    return tuple(row["pair_no"] for row in await many(connection, statement))


async def entry_facts(connection: AsyncConnection, claim: Mapping[Any, Any]) -> EntryFacts:
    """How the ledger answered the last credit or correction of a claim."""
    e, r = ledger_hours_entries.c, ledger_hours_refusals.c
    standing = sa.select(e.entry_id).where(e.claim_id == claim["claim_id"], e.standing).limit(1)
    posted = sa.select(e.entry_id).where(e.source_event_id == claim["posting_event_id"])
    refused = sa.select(r.event_id).where(r.source_event_id == claim["posting_event_id"])
    row = await one(
        connection,
        sa.select(
            standing.scalar_subquery().label("standing"),
            sa.or_(sa.exists(posted), sa.exists(refused)).label("answered"),
        ),
    )
    assert row is not None
    return EntryFacts(answered=row["answered"], standing=row["standing"])


_CLAIM_WITH_ENTRY = sa.select(
    t.claims,
    ledger_hours_entries.c.position.label("ledger_position"),
    ledger_hours_entries.c.entry_no.label("ledger_entry_no"),
).select_from(
    t.claims.outerjoin(ledger_hours_entries, ledger_hours_entries.c.source_event_id == t.claims.c.posting_event_id)
)


async def claim(connection: AsyncConnection, claim_id: UUID) -> Row | None:
    """A claim, with its place in the ledger once posted."""
    return await one(connection, _CLAIM_WITH_ENTRY.where(t.claims.c.claim_id == claim_id))


async def claims_by_id(connection: AsyncConnection, claim_ids: Collection[UUID]) -> Sequence[Row]:
    """These claims, as far as they exist."""
    return await many(connection, sa.select(t.claims).where(t.claims.c.claim_id.in_(claim_ids)))


async def claims_of_order(connection: AsyncConnection, order_id: UUID) -> Sequence[Row]:
    """All claims of an order."""
    c = t.claims.c
    return await many(connection, sa.select(t.claims).where(c.order_id == order_id).order_by(c.claimed_at, c.claim_id))


async def claim_posted_for(connection: AsyncConnection, event_id: UUID) -> Row | None:
    """The claim that an event credited, or adjusted."""
    c = t.claims.c
    return await one(
        connection, sa.select(t.claims).where(sa.or_(c.logged_event_id == event_id, c.posting_event_id == event_id))
    )


async def claims_of(
    connection: AsyncConnection, volunteer_id: UUID, since: date | None, until: date | None, limit: int
) -> Sequence[Row]:
    """A volunteer's claims by day, newest first."""
    c = t.claims.c
    statement = _CLAIM_WITH_ENTRY.where(c.volunteer_id == volunteer_id)
    if since is not None:
        statement = statement.where(c.service_date >= since)
    if until is not None:
        statement = statement.where(c.service_date <= until)
    return await many(connection, statement.order_by(c.started_at.desc()).limit(limit))


async def claims_in(
    connection: AsyncConnection,
    state: str | None,
    limit: int,
    *,
    flagged: bool = False,
    in_question: bool = False,
    sampled: bool = False,
) -> Sequence[Row]:
    """Claims in a state, or that ask for a look, largest first: the auditor's queue (domain.md §4.4).

    A flagged one leaves the queue once a person approved it, or its recipient confirmed it.
    """
    c = t.claims.c
    statement = _CLAIM_WITH_ENTRY
    if state is not None:
        statement = statement.where(c.state == state)
    if flagged:
        looked_at = sa.or_(sa.func.jsonb_array_length(c.approvals) > 0, c.sample_result == "confirmed")
        unseen = sa.not_(sa.func.coalesce(looked_at, False))
        statement = statement.where(sa.func.jsonb_array_length(c.flags) > 0, unseen)
        statement = statement.where(c.state.not_in(["REJECTED", "VOIDED"]))
    if in_question:
        statement = statement.where(sa.func.jsonb_array_length(c.open_corrections) > 0)
    if sampled:
        statement = statement.where(c.sample_result == "drawn")
    return await many(connection, statement.order_by(c.minutes.desc(), c.claimed_at).limit(limit))


async def corrections_of(connection: AsyncConnection, claim_id: UUID) -> Sequence[Row]:
    """What was doubted about a claim, and answered."""
    c = t.corrections.c
    statement = sa.select(t.corrections).where(c.claim_id == claim_id)
    return await many(connection, statement.order_by(c.requested_at, c.correction_id))


async def totals(connection: AsyncConnection, volunteer_id: UUID) -> dict[str, int]:
    """Credited minutes by evidence grade, always apart."""
    g = t.grade_totals.c
    rows = await many(connection, sa.select(g.grade, g.minutes).where(g.volunteer_id == volunteer_id))
    return {"A": 0, "B": 0, "C": 0} | {row["grade"]: row["minutes"] for row in rows}


async def month_to_draw(connection: AsyncConnection, before: date) -> Row | None:
    """The first month before a day with credited claims of which none was drawn so far."""
    m, c = t.months.c, t.claims.c
    standing = sa.exists(sa.select(c.claim_id).where(c.logged_month == m.month_start, c.state == "LOGGED"))
    statement = sa.select(t.months).where(m.month_start < before, m.drawn == 0, standing)
    return await one(connection, statement.order_by(m.month_start))


async def credited_in(connection: AsyncConnection, month_start: date) -> tuple[UUID, ...]:
    """The claims credited in a month that still stand, in the order of their ids."""
    c = t.claims.c
    statement = sa.select(c.claim_id).where(c.logged_month == month_start, c.state == "LOGGED").order_by(c.claim_id)
    return tuple(row["claim_id"] for row in await many(connection, statement))


async def checks_of(connection: AsyncConnection, limit: int) -> Sequence[Row]:
    """The months' random checks and what came of them, newest first: published (domain.md §2)."""
    m, c = t.months.c, t.claims.c
    counts = [
        sa.select(sa.func.count())
        .where(c.sample_month == m.month_start, c.sample_result == result)
        .scalar_subquery()
        .label(result)
        for result in ("confirmed", "not_confirmed", "unreachable")
    ]
    statement = sa.select(t.months, *counts).where(m.drawn > 0)
    return await many(connection, statement.order_by(m.month_start.desc()).limit(limit))
