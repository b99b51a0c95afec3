"""What rules and pages ask the tables. A join across logs is made here, never in a fold."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ledger import Book, HoursEntry
from services.ledger.commands import FUND, HoursFacts
from services.ledger.posting_rules import ASSETS, GOODS_ASSETS, volunteer_account
from services.ledger.read_models import tables as t
from services.ledger.read_models.copies import volunteers_persons, volunteers_proxies

PROXY_SCOPES = ("all", "volunteers")
GIFTS_IN = ("donation_received", "goods_received")
"""The kinds of entry that take a gift in."""
VOLUNTEER_ACCOUNTS = "volunteer:*:minutes"
"""All volunteers' accounts as one line: who has how many minutes is nobody else's business."""
Row = RowMapping


@dataclass(frozen=True, slots=True)
class AsOf:
    """A point in two times: what was recorded up to `position`, and takes effect up to `effective_on`. None: all."""

    position: int | None = None
    effective_on: date | None = None

    def of(self, columns: Any) -> list[sa.ColumnElement[bool]]:
        """The conditions on a table with `position` and `effective_date`."""
        conditions: list[sa.ColumnElement[bool]] = []
        if self.position is not None:
            conditions.append(columns.position <= self.position)
        if self.effective_on is not None:
            conditions.append(columns.effective_date <= self.effective_on)
        return conditions


NOW = AsOf()


async def one(connection: AsyncConnection, statement: sa.Select[*tuple[Any, ...]]) -> Row | None:
    """The first row, as a mapping."""
    return (await connection.execute(statement.limit(1))).mappings().first()


async def many(connection: AsyncConnection, statement: sa.Select[*tuple[Any, ...]]) -> Sequence[Row]:
    """All rows, as mappings."""
    return (await connection.execute(statement)).mappings().all()


def _shown(account: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    return sa.case((account.like("volunteer:%"), VOLUNTEER_ACCOUNTS), else_=account)


async def balances(connection: AsyncConnection, book: Book, fund: str | None, as_of: AsOf) -> Sequence[Row]:
    """Each account's debit and credit, with `last_position`: up to where these are known. Volunteers' in one line."""
    if as_of == NOW:
        c: Any = t.balances.c
        debit, credit = c.debit, c.credit
    else:
        c = t.postings.c
        debit, credit = sa.func.greatest(c.amount, 0), sa.func.greatest(-c.amount, 0)
    account = _shown(c.account).label("account")
    # In the same statement, so that both are of one moment.
    last = sa.select(sa.func.max(t.entries.c.position)).where(t.entries.c.book == book).scalar_subquery()
    statement = (
        sa.select(
            account,
            c.fund,
            c.unit,
            sa.cast(sa.func.sum(debit), sa.BigInteger).label("debit"),
            sa.cast(sa.func.sum(credit), sa.BigInteger).label("credit"),
            last.label("last_position"),
        )
        .where(c.book == book)
        .group_by(account, c.fund, c.unit)
        .order_by(account, c.fund)
    )
    if fund is not None:
        statement = statement.where(c.fund == fund)
    if as_of != NOW:
        statement = statement.where(*as_of.of(c))
    return await many(connection, statement)


async def fund_balances(connection: AsyncConnection, as_of: AsOf) -> Mapping[str, int]:
    """What each fund holds, 分: the sum of its assets but for things given, whose declared value is no money."""
    if as_of == NOW:
        rows = await many(connection, sa.select(t.fund_balances))
    else:
        c = t.postings.c
        held = sa.cast(sa.func.sum(c.amount), sa.BigInteger).label("balance_fen")
        money = (c.account.like(f"{ASSETS}%"), c.account != GOODS_ASSETS)
        statement = sa.select(c.fund, held).where(c.book == FUND, *money, *as_of.of(c))
        rows = await many(connection, statement.group_by(c.fund))
    return {row["fund"]: row["balance_fen"] for row in rows}


async def minutes_of(connection: AsyncConnection, volunteer_id: UUID, as_of: AsOf) -> dict[str, int]:
    """A volunteer's posted minutes by evidence grade, always apart (domain.md §4.4)."""
    p, e = t.postings.c, t.entries.c
    total = sa.cast(sa.func.sum(p.amount), sa.BigInteger).label("minutes")
    statement = (
        sa.select(e.grade, total)
        .select_from(t.postings.join(t.entries, e.entry_id == p.entry_id))
        .where(p.account == volunteer_account(volunteer_id), *as_of.of(p))
        .group_by(e.grade)
    )
    return {"A": 0, "B": 0, "C": 0} | {row["grade"]: row["minutes"] for row in await many(connection, statement)}


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries: of a book, and of an account, fund, gift or volunteer where given; after a number."""

    book: Book
    account: str | None = None
    fund: str | None = None
    donation_id: UUID | None = None
    volunteer_id: UUID | None = None
    after_no: int = 0
    limit: int = 50


async def entries(connection: AsyncConnection, wanted: EntryFilter, as_of: AsOf) -> list[dict[str, Any]]:
    """Entries in the order of their numbers, each with its postings."""
    c, p = t.entries.c, t.postings.c
    statement = sa.select(t.entries).where(c.book == wanted.book, c.entry_no > wanted.after_no, *as_of.of(c))
    for name in ("donation_id", "volunteer_id"):
        if (value := getattr(wanted, name)) is not None:
            statement = statement.where(c[name] == value)
    if wanted.account is not None or wanted.fund is not None:
        posted = sa.select(p.entry_id)
        for name in ("account", "fund"):
            if (value := getattr(wanted, name)) is not None:
                posted = posted.where(p[name] == value)
        statement = statement.where(c.entry_id.in_(posted))
    found = await many(connection, statement.order_by(c.entry_no).limit(wanted.limit))
    lines = sa.select(p.entry_id, p.account, p.fund, p.amount, p.unit)
    lines = lines.where(p.entry_id.in_([row["entry_id"] for row in found])).order_by(p.entry_id, p.line)
    of_entry: dict[UUID, list[dict[str, Any]]] = {}
    for line in await many(connection, lines):
        shown = {**line, "fund": line["fund"] or None}
        of_entry.setdefault(shown.pop("entry_id"), []).append(shown)
    return [{**row, "postings": of_entry.get(row["entry_id"], [])} for row in found]


async def standing_entry(connection: AsyncConnection, claim_id: UUID) -> Row | None:
    """The entry that stands for a claim."""
    e = t.entries.c
    statement = sa.select(t.entries).where(e.claim_id == claim_id, e.reverses.is_(None), e.reversed_by.is_(None))
    return await one(connection, statement.order_by(e.position.desc()))


async def hours_facts(
    connection: AsyncConnection, source_event_id: UUID, hours: HoursEntry, leaving: UUID | None = None
) -> HoursFacts:
    """What the hours book holds that concerns this credit, but for the entry that leaves it in the same append."""
    e, r, i = t.entries.c, t.refusals.c, t.hours_intervals.c
    posted = sa.select(e.entry_id).where(e.source_event_id == source_event_id)
    refused = sa.select(r.event_id).where(r.source_event_id == source_event_id)
    same = sa.or_(
        i.standing_claim_id == hours.claim_id,
        sa.and_(i.standing_assignment_id.is_not(None), i.standing_assignment_id == hours.assignment_id),
    )
    stays = sa.true() if leaving is None else i.entry_id != leaving
    overlapping = sa.and_(
        i.volunteer_id == hours.volunteer_id,
        i.standing,
        stays,
        i.started_at < hours.finished_at,
        i.finished_at > hours.started_at,
    )
    row = await one(
        connection,
        sa.select(
            sa.or_(sa.exists(posted), sa.exists(refused)).label("answered"),
            sa.select(i.entry_id).where(same, stays).limit(1).scalar_subquery().label("same_service"),
            sa.select(i.entry_id).where(overlapping).limit(1).scalar_subquery().label("overlapping"),
        ),
    )
    assert row is not None
    return HoursFacts(**row)


async def donation(connection: AsyncConnection, donation_id: UUID) -> Row | None:
    """A gift, with the entry that took it in once posted."""
    e = t.entries.c
    taken_in = sa.and_(e.donation_id == t.donations.c.donation_id, e.kind.in_(GIFTS_IN))
    joined = t.donations.outerjoin(t.entries, taken_in)
    statement = sa.select(t.donations, e.entry_id, e.entry_no, e.position.label("entry_position"))
    return await one(connection, statement.select_from(joined).where(t.donations.c.donation_id == donation_id))


async def donations(connection: AsyncConnection, state: str | None, fund: str | None, limit: int) -> Sequence[Row]:
    """Gifts, those whose receipt is due first at the top, then the newest."""
    c = t.donations.c
    statement = sa.select(t.donations)
    if state is not None:
        statement = statement.where(c.state == state)
    if fund is not None:
        statement = statement.where(c.fund == fund)
    return await many(connection, statement.order_by(c.due_at.asc().nulls_last(), c.pledged_at.desc()).limit(limit))


async def are_known(connection: AsyncConnection, person_ids: Collection[UUID]) -> bool:
    """Whether all of them are registered and not erased."""
    c = volunteers_persons.c
    known = sa.select(sa.func.count()).select_from(volunteers_persons)
    known = known.where(c.person_id.in_(list(person_ids)), c.erased_at.is_(None))
    return (await connection.execute(known)).scalar_one() == len(set(person_ids))


async def is_erased(connection: AsyncConnection, person_id: UUID) -> bool:
    """Whether the person was erased."""
    row = await one(connection, sa.select(volunteers_persons).where(volunteers_persons.c.person_id == person_id))
    return row is not None and row["erased_at"] is not None


async def erased_persons(connection: AsyncConnection) -> list[UUID]:
    """Everybody who was erased."""
    c = volunteers_persons.c
    statement = sa.select(c.person_id).where(c.erased_at.is_not(None)).order_by(c.erased_at)
    return [row["person_id"] for row in await many(connection, statement)]


async def relations_to(connection: AsyncConnection, actor_id: UUID, subject_id: UUID, at: datetime) -> frozenset[str]:
    """How the actor stands to a volunteer: `own`, or `proxy` by an authorisation in force."""
    if actor_id == subject_id:
        return frozenset({"own"})
    c = volunteers_proxies.c
    acts_for = sa.select(c.proxy_id).where(
        c.principal_id == subject_id,
        c.proxy_id == actor_id,
        c.ended_at.is_(None),
        sa.or_(c.valid_until.is_(None), c.valid_until > at),
        sa.or_(*[c.scope.contains([scope]) for scope in PROXY_SCOPES]),
    )
    return frozenset({"proxy"}) if await one(connection, acts_for) is not None else frozenset()


async def book_row(connection: AsyncConnection, book: Book) -> Row | None:
    """A book's counter and its closed months; None before its first entry."""
    return await one(connection, sa.select(t.books).where(t.books.c.book == book))
