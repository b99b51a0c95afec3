"""What must be told to everybody by when, and whether it was: a calendar that follows from books and statements.

Law sets calendar days here, none of them working days: three months for campaigns and projects that run (慈善法 §79),
31 May for a year, 30 days for what is large (民政部令第81号 §13, §14), five days in an emergency (慈善法 §72). A
month's own statement is the community's custom, within the same three months (domain.md §4.6).
"""

from calendar import monthrange
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ledger import StatementKind
from services.ledger.commands import FUND, Span, day_of, months
from services.ledger.posting_rules import GOODS_ASSETS
from services.ledger.read_models import tables as t
from services.ledger.read_models.queries import many
from services.ledger.read_models.statements import fund_statements

DueKind = Literal["month", "quarter", "year", "campaign", "emergency", "large_entry", "correction"]
DueState = Literal["told", "told_late", "waiting", "late"]
LARGE_DAYS = CORRECTION_DAYS = 30
EMERGENCY_DAYS = 5
MONTHS = 3
BASIS: dict[DueKind, str] = {
    "month": "custom",
    "quarter": "charity_law_79",
    "year": "mca_81_annual",
    "campaign": "charity_law_79",
    "emergency": "charity_law_72",
    "large_entry": "mca_81_13",
    "correction": "mca_81_16",
}
"""Where the duty comes from."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign of the charity's papers."""

    code: str
    first_day: date
    last_day: date
    emergency: bool = False
    fund: str | None = None
    purpose: str | None = None
    """What it raises money for, where it is not for all that the fund does."""

    def is_about(self, entry: "Booked") -> bool:
        """Whether its statements tell of an entry."""
        if self.purpose is not None:
            return (self.fund, self.purpose) in entry.pots
        return self.fund is None or self.fund in entry.funds


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry of the fund, as far as the calendar needs it."""

    entry_no: int
    position: int
    day: date
    booked_on: date
    money_fen: int
    """By how much the fund's money changes."""
    funds: frozenset[str] = frozenset()
    pots: frozenset[tuple[str | None, str]] = frozenset()
    """Fund and purpose of the money that was given for one."""
    reverses_day: date | None = None
    """When what it reverses took effect."""


@dataclass(frozen=True, slots=True)
class Told:
    """A published statement."""

    kind: StatementKind
    period: str
    revision: int
    first_day: date
    last_day: date
    log_size: int
    told_on: date
    superseded: bool = False

    def corrected(self) -> "Told":
        """The same, with another standing beside it."""
        return replace(self, superseded=True)

    def touched_by(self, entry: Booked, campaign: Campaign | None) -> bool:
        """Whether what was recorded after it changes what it should say. `campaign`: the one that it is about."""
        if entry.position <= self.log_size or self.superseded or (campaign and not campaign.is_about(entry)):
            return False
        days = (entry.day,) if entry.reverses_day is None else (entry.day, entry.reverses_day)
        return any(self.first_day <= day <= self.last_day for day in days)


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to be told by the end of a day."""

    kind: DueKind
    about: str
    """A period, a campaign with its five days, the number of an entry."""
    first_day: date
    last_day: date
    due_on: date
    told_on: date | None
    state: DueState

    @property
    def basis(self) -> str:
        """Where the duty comes from."""
        return BASIS[self.kind]


def duties(
    entries: Sequence[Booked],
    told: Sequence[Told],
    campaigns: Sequence[Campaign],
    today: date,
    large_fen: int,
) -> list[Duty]:
    """Everything that is or was to be told, what is due first at the top. `large_fen`: what is to be told by itself."""
    found: list[Duty] = []
    if entries:
        found += _of_spans(min(entry.day for entry in entries), told, today)
    for campaign in campaigns:
        found += _of_campaign(campaign, told, today)
    for entry in entries:
        if abs(entry.money_fen) >= large_fen:
            due = entry.day + timedelta(days=LARGE_DAYS)
            silent = {one.code for one in campaigns if not one.is_about(entry)}
            of_it = [one for one in told if one.period not in silent]
            found.append(_duty("large_entry", str(entry.entry_no), entry.day, entry.day, due, of_it, today))
    found += _corrections(entries, told, {one.code: one for one in campaigns}, today)
    return sorted(found, key=lambda duty: (duty.due_on, duty.kind, duty.about))


def _of_spans(first: date, told: Sequence[Told], today: date) -> Iterator[Duty]:
    """Every month, quarter and year since the first entry that is over."""
    for year in range(first.year, today.year + 1):
        spans = [months("month", f"{year}-{month:02d}", year, month, 1) for month in range(1, 13)]
        spans += [months("quarter", f"{year}-q{number}", year, 3 * number - 2, 3) for number in range(1, 5)]
        spans.append(months("year", f"{year}", year, 1, 12))
        for span in spans:
            if span.last_day >= first and span.last_day < today:
                yield _of_span(span, told, today)


def _of_span(span: Span, told: Sequence[Told], today: date) -> Duty:
    match span.kind:
        case "month":
            own = [one for one in told if one.period == span.period]
            return _duty("month", span.period, span.first_day, span.last_day, months_after(span.last_day), own, today)
        case "quarter":
            closed = [one for one in told if one.kind in {"month", "quarter"}]
            due = months_after(span.last_day)
            return _duty("quarter", span.period, span.first_day, span.last_day, due, closed, today)
        case _:
            own = [one for one in told if one.period == span.period]
            due = date(span.last_day.year + 1, 5, 31)
            return _duty("year", span.period, span.first_day, span.last_day, due, own, today)


def _of_campaign(campaign: Campaign, told: Sequence[Told], today: date) -> Iterator[Duty]:
    if campaign.emergency:
        first = campaign.first_day
        while first <= campaign.last_day:
            last = min(first + timedelta(days=EMERGENCY_DAYS - 1), campaign.last_day)
            if last < today:
                # The five days are over at midnight: they are told on the next one.
                due = last + timedelta(days=1)
                yield _duty("emergency", f"{campaign.code}:{first}", first, last, due, told, today)
            first = last + timedelta(days=1)
    if campaign.last_day < today:
        own = [one for one in told if one.period == campaign.code]
        due = months_after(campaign.last_day)
        yield _duty("campaign", campaign.code, campaign.first_day, campaign.last_day, due, own, today)


def _corrections(
    entries: Sequence[Booked], told: Sequence[Told], campaigns: Mapping[str, Campaign], today: date
) -> Iterator[Duty]:
    """Statements that later entries overtook, since the first of these."""
    for one in told:
        campaign = campaigns.get(one.period)
        since = [entry.booked_on for entry in entries if one.touched_by(entry, campaign)]
        if since:
            due = min(since) + timedelta(days=CORRECTION_DAYS)
            yield _duty("correction", f"{one.period}.r{one.revision}", one.first_day, one.last_day, due, (), today)


def _duty(kind: DueKind, about: str, first: date, last: date, due_on: date, told: Sequence[Told], today: date) -> Duty:
    told_on = covered_on(first, last, told)
    if told_on is None:
        state: DueState = "waiting" if today <= due_on else "late"
    else:
        state = "told" if told_on <= due_on else "told_late"
    return Duty(kind, about, first, last, due_on, told_on, state)


def covered_on(first: date, last: date, told: Sequence[Told]) -> date | None:
    """The day by which statements had told of every day from `first` to `last`; None while one is missing."""
    open_days = {first + timedelta(days=number) for number in range((last - first).days + 1)}
    for one in sorted(told, key=lambda one: one.told_on):
        open_days = {day for day in open_days if not one.first_day <= day <= one.last_day}
        if not open_days:
            return one.told_on
    return None


def months_after(day: date, count: int = MONTHS) -> date:
    """So many months later, on the same day, or the month's last (民法典 §202)."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def pots_of(postings: Iterable[tuple[str | None, str]]) -> frozenset[tuple[str | None, str]]:
    """Fund and purpose of the restricted money that an entry's postings, as (fund, account), move."""
    found = ((fund, account.partition(":restricted:")[2]) for fund, account in postings)
    return frozenset((fund, purpose) for fund, purpose in found if purpose)


async def booked(connection: AsyncConnection) -> list[Booked]:
    """Every entry of the fund."""
    e, p, original = t.entries.c, t.postings.c, t.entries.alias("original")
    money = sa.and_(p.account.like("assets:%"), p.account != GOODS_ASSETS)
    change = sa.cast(sa.func.coalesce(sa.func.sum(p.amount).filter(money), 0), sa.BigInteger).label("money_fen")
    original_day = original.c.effective_date.label("reverses_day")
    funds = sa.func.array_agg(p.fund).label("funds")
    accounts = sa.func.array_agg(p.account).label("accounts")
    statement = (
        sa.select(e.entry_no, e.position, e.effective_date, e.booked_on, change, funds, accounts, original_day)
        .select_from(
            t.entries.join(t.postings, p.entry_id == e.entry_id).outerjoin(original, original.c.entry_id == e.reverses)
        )
        .where(e.book == FUND)
        .group_by(e.entry_id, original_day)
    )
    return [
        Booked(
            row["entry_no"], row["position"], row["effective_date"], row["booked_on"], row["money_fen"],
            frozenset(row["funds"]), pots_of(zip(row["funds"], row["accounts"], strict=True)), row["reverses_day"],
        )
        for row in await many(connection, statement)
    ]  # fmt: skip


async def told_so_far(connection: AsyncConnection) -> list[Told]:
    """Every published statement."""
    c = fund_statements.c
    return [
        told(
            row["kind"], row["period"], row["revision"], (row["first_day"], row["last_day"]), row["log_size"],
            row["published_at"], superseded=row["corrected_at"] is not None,
        )
        for row in await many(connection, sa.select(fund_statements).order_by(c.position))
    ]  # fmt: skip


def told(
    kind: StatementKind,
    period: str,
    revision: int,
    days: tuple[date, date],
    log_size: int,
    published_at: datetime,
    *,
    superseded: bool = False,
) -> Told:
    """A statement by what its event says."""
    return Told(kind, period, revision, *days, log_size, day_of(published_at), superseded)
