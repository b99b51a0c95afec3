"""A statement's figures, from the entries that the tables hold; and which statements there are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ledger import (
    RECIPIENTS_MIN,
    FundStatement,
    Statement,
    StatementLine,
    StatementReversal,
    YearToDate,
)
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import FUND, SHANGHAI, Span
from services.ledger.posting_rules import AID, GOODS_ASSETS, IN_KIND_EXPENSE, IN_KIND_SALES
from services.ledger.read_models import tables as t
from services.ledger.read_models.queries import Row, many, one
from services.ledger.read_models.statements import fund_statements, statement_drafts

_RESTRICTED = ":restricted:"
_GOODS = "in_kind"
_SOLD = f"{IN_KIND_EXPENSE}:sold"
_AID, _DELIVERED = AID.partition(":")[2], f"{_GOODS}:aid"
_MANAGEMENT_CODE = "52"
"""管理费用 in the chart of accounts."""


@dataclass(slots=True)
class _Cell:
    """One category and purpose in the span: what it came to, how much of it restricted, who received."""

    amount_fen: int = 0
    restricted_fen: int = 0
    purposes: set[str] = field(default_factory=set)
    recipients: set[UUID] = field(default_factory=set)

    def with_(self, other: "_Cell") -> "_Cell":
        return _Cell(
            self.amount_fen + other.amount_fen,
            self.restricted_fen + other.restricted_fen,
            self.purposes | other.purposes,
            self.recipients | other.recipients,
        )


async def compute(connection: AsyncConnection, span: Span, size: int) -> Statement:
    """The statement of a span from the entries among the first `size` events."""
    sums = await many(connection, _sums(span, size))
    received = await _recipients(connection, span, size)
    held = await _held(connection, span)
    by_fund = _fund if span.purpose is None else _pot
    counted = await one(connection, _counted(span, size))
    assert counted is not None
    codes = [fund.code for fund in chart().funds if span.fund in {None, fund.code}]
    return Statement(
        kind=span.kind,
        period=span.period,
        first_day=span.first_day,
        last_day=span.last_day,
        purpose=span.purpose,
        entries=counted["entries"],
        first_entry_no=counted["first_no"],
        last_entry_no=counted["last_no"],
        funds=tuple(by_fund(code, [row for row in sums if row["fund"] == code], received, held) for code in codes),
        year=_year(sums),
        reversals=await _reversals(connection, span, size, later=False),
        reversed_later=await _reversals(connection, span, size, later=True),
    )


def _of_fund(span: Span) -> list[sa.ColumnElement[bool]]:
    """The postings that a statement is about: all, those of a campaign's fund, or those of its pot."""
    wanted = [] if span.fund is None else [t.postings.c.fund == span.fund]
    return wanted if span.purpose is None else [*wanted, _in_pot(span.purpose)]


def _in_pot(purpose: str) -> sa.ColumnElement[bool]:
    return t.postings.c.account.endswith(f"{_RESTRICTED}{purpose}", autoescape=True)


def _sums(span: Span, size: int) -> sa.Select[*tuple[Any, ...]]:
    """Per fund and account: what was posted before the span, in it, in its year so far, and in the year before."""
    p = t.postings.c
    year = date(span.last_day.year, 1, 1)
    before_year = date(span.last_day.year - 1, 1, 1)
    parts = {
        "before": p.effective_date < span.first_day,
        "within": p.effective_date.between(span.first_day, span.last_day),
        "lines": p.effective_date.between(span.first_day, span.last_day),
        "year": p.effective_date.between(year, span.last_day),
        "last_year": p.effective_date.between(before_year, year - timedelta(days=1)),
    }
    columns = [
        sa.func.count().filter(which).label(name)
        if name == "lines"
        else sa.cast(sa.func.coalesce(sa.func.sum(p.amount).filter(which), 0), sa.BigInteger).label(name)
        for name, which in parts.items()
    ]
    wanted = (p.book == FUND, p.position <= size, *_of_fund(span))
    return sa.select(p.fund, p.account, *columns).where(*wanted).group_by(p.fund, p.account)


def _counted(span: Span, size: int) -> sa.Select[*tuple[Any, ...]]:
    e = t.entries.c
    numbers = sa.func.count().label("entries"), sa.func.min(e.entry_no).label("first_no")
    wanted = [e.book == FUND, e.position <= size, e.effective_date.between(span.first_day, span.last_day)]
    if span.fund is not None:
        wanted.append(e.entry_id.in_(sa.select(t.postings.c.entry_id).where(*_of_fund(span))))
    return sa.select(*numbers, sa.func.max(e.entry_no).label("last_no")).where(*wanted)


async def _recipients(connection: AsyncConnection, span: Span, size: int) -> Mapping[tuple[str, str], set[UUID]]:
    """(fund, account of an expense) → the cases that were paid, or the deliveries."""
    p, e = t.postings.c, t.entries.c
    who = sa.func.coalesce(e.case_id, e.entry_id).label("who")
    expense = sa.or_(p.account.startswith(f"{AID}:"), p.account.startswith(f"{IN_KIND_EXPENSE}:aid:"))
    statement = (
        sa.select(p.fund, p.account, who)
        .select_from(t.postings.join(t.entries, e.entry_id == p.entry_id))
        .where(p.book == FUND, p.position <= size, p.effective_date.between(span.first_day, span.last_day), expense)
    )
    found: defaultdict[tuple[str, str], set[UUID]] = defaultdict(set)
    for row in await many(connection, statement.distinct()):
        found[row["fund"], row["account"]].add(row["who"])
    return found


async def _held(connection: AsyncConnection, span: Span) -> Mapping[str, int]:
    """Fund → what was set aside at the end of the last day, Asia/Shanghai."""
    end = datetime.combine(span.last_day + timedelta(days=1), datetime.min.time(), SHANGHAI)
    h = t.holds.c
    amount = h.amount_fen if span.purpose is None else h.restricted_fen
    total = sa.cast(sa.func.sum(amount), sa.BigInteger).label("held")
    standing = [h.placed_at < end, sa.or_(h.released_at.is_(None), h.released_at >= end)]
    if span.purpose is not None:
        standing.append(h.purpose == span.purpose)
    rows = await many(connection, sa.select(h.fund, total).where(*standing).group_by(h.fund))
    return {row["fund"]: row["held"] for row in rows}


async def _reversals(
    connection: AsyncConnection, span: Span, size: int, *, later: bool
) -> tuple[StatementReversal, ...]:
    """Reversals that take effect in the span, or after it those of its entries."""
    e, p, original = t.entries.c, t.postings.c, t.entries.alias("original")
    money = sa.and_(p.account.like("assets:%"), p.account != GOODS_ASSETS)
    # A pot's money is what was given for it less what it paid: which note or account it lies in, nobody can say.
    moved = sa.func.sum(p.amount).filter(money) if span.purpose is None else -sa.func.sum(p.amount)
    change = sa.cast(sa.func.coalesce(moved, 0), sa.BigInteger).label("money_fen")
    when: sa.ColumnElement[bool] = e.effective_date.between(span.first_day, span.last_day)
    if later:
        touched = original.c.effective_date.between(span.first_day, span.last_day)
        when = sa.and_(e.effective_date > span.last_day, touched)
    joined = t.entries.join(original, original.c.entry_id == e.reverses).join(t.postings, p.entry_id == e.entry_id)
    statement = (
        sa.select(e.entry_no, original.c.entry_no.label("reverses_no"), change)
        .select_from(joined)
        .where(e.book == FUND, e.position <= size, when, *_of_fund(span))
        .group_by(e.entry_no, original.c.entry_no)
        .order_by(e.entry_no)
    )
    return tuple(StatementReversal(**row) for row in await many(connection, statement))


def _is_asset(account: str, *, goods: bool) -> bool:
    return account.startswith("assets:") and (account == GOODS_ASSETS) is goods


def _pot(
    code: str, rows: Sequence[Row], received: Mapping[tuple[str, str], set[UUID]], held: Mapping[str, int]
) -> FundStatement:
    """One purpose's money: all of it restricted, and none of it things."""
    told = _fund(code, rows, received, held)
    money = {"opening_fen": told.opening_restricted_fen, "closing_fen": told.closing_restricted_fen}
    return told.model_copy(update=money)


def _fund(
    code: str, rows: Sequence[Row], received: Mapping[tuple[str, str], set[UUID]], held: Mapping[str, int]
) -> FundStatement:
    def total(part: str, *, goods: bool) -> int:
        return sum(int(row[part]) for row in rows if _is_asset(row["account"], goods=goods))

    def restricted(part: str) -> int:
        return -sum(int(row[part]) for row in rows if _RESTRICTED in row["account"])

    def lines(side: str, *, goods: bool) -> tuple[StatementLine, ...]:
        cells: defaultdict[str, dict[str, _Cell]] = defaultdict(dict)
        for row in rows:
            kind, _, rest = row["account"].partition(":")
            if kind != side or not row["lines"] or _is_of_goods(rest) is not goods:
                continue
            category, purpose, is_restricted = split(rest)
            cell = cells[category].setdefault(purpose, _Cell(purposes={purpose} if purpose else set()))
            amount = row["within"] if side == "expense" else -row["within"]
            cell.amount_fen += amount
            cell.restricted_fen += amount if is_restricted else 0
            cell.recipients |= received.get((code, row["account"]), set())
        return tuple(line for category in sorted(cells) for line in _shown(category, cells[category]))

    return FundStatement(
        fund=code,
        opening_fen=total("before", goods=False),
        opening_restricted_fen=restricted("before"),
        income=lines("income", goods=False),
        spending=lines("expense", goods=False),
        closing_fen=total("before", goods=False) + total("within", goods=False),
        closing_restricted_fen=restricted("before") + restricted("within"),
        held_fen=held.get(code, 0),
        goods_opening_fen=total("before", goods=True),
        goods_income=lines("income", goods=True),
        goods_spending=lines("expense", goods=True),
        goods_closing_fen=total("before", goods=True) + total("within", goods=True),
    )


def _is_of_goods(rest: str) -> bool:
    """Whether an income or an expense is one of things; what they were sold for is money."""
    return rest == _GOODS or rest.startswith(f"{_GOODS}:")


def split(rest: str) -> tuple[str, str, bool]:
    """Category, purpose and whether restricted, of an account without its side: `aid:restricted:illness`."""
    if _RESTRICTED in rest:
        category, _, purpose = rest.partition(_RESTRICTED)
        return category, purpose, True
    for category in (_DELIVERED, _AID):
        if rest.startswith(f"{category}:"):
            return category, rest.removeprefix(f"{category}:"), False
    return rest, "", False


def _shown(category: str, cells: Mapping[str, _Cell]) -> Iterable[StatementLine]:
    """The category's lines. Where people receive, cells with fewer than k of them are merged (ledger.md §5)."""
    if category not in {_AID, _DELIVERED}:
        return [_line(category, cells[purpose]) for purpose in sorted(cells)]
    kept = dict(cells)
    merged: _Cell | None = None
    for purpose, cell in sorted(cells.items(), key=lambda item: (len(item[1].recipients), item[0])):
        small = len(cell.recipients) < RECIPIENTS_MIN
        if small or (merged is not None and len(merged.recipients) < RECIPIENTS_MIN):
            merged = cell if merged is None else merged.with_(cell)
            del kept[purpose]
    lines = [_line(category, kept[purpose], len(kept[purpose].recipients)) for purpose in sorted(kept)]
    return lines if merged is None else [*lines, _line(category, merged, len(merged.recipients))]


def _line(category: str, cell: _Cell, recipients: int | None = None) -> StatementLine:
    small = recipients is not None and recipients < RECIPIENTS_MIN
    return StatementLine(
        category=category,
        purposes=() if small else tuple(sorted(cell.purposes)),
        amount_fen=cell.amount_fen,
        restricted_fen=cell.restricted_fen,
        recipients=None if small else recipients,
    )


def _year(rows: Sequence[Row]) -> YearToDate:
    """Sales of things given are left out on both sides: what they were worth came in once already."""
    income = [row for row in rows if row["account"].startswith("income:") and row["account"] != IN_KIND_SALES]
    expense = [row for row in rows if row["account"].startswith("expense:") and row["account"] != _SOLD]
    managing = [row for row in expense if chart().account(row["account"]).code.startswith(_MANAGEMENT_CODE)]
    management_fen = sum(row["year"] for row in managing)
    return YearToDate(
        income_fen=-sum(row["year"] for row in income),
        spending_fen=sum(row["year"] for row in expense) - management_fen,
        management_fen=management_fen,
        income_last_year_fen=-sum(row["last_year"] for row in income),
    )


async def closed_through(connection: AsyncConnection) -> date | None:
    """The last closed day of the fund's book."""
    row = await one(connection, sa.select(t.books.c.closed_through).where(t.books.c.book == FUND))
    return None if row is None else row["closed_through"]


async def published(connection: AsyncConnection, size: int | None = None) -> Sequence[Row]:
    """Every published statement among the first `size` events (None: all), the newest span first."""
    c = fund_statements.c
    statement = sa.select(fund_statements)
    if size is not None:
        statement = statement.where(c.position <= size)
    return await many(connection, statement.order_by(c.last_day.desc(), c.period, c.revision.desc()))


async def draft(connection: AsyncConnection, period: str) -> Row | None:
    """What waits for a supervisor."""
    return await one(connection, sa.select(statement_drafts).where(statement_drafts.c.period == period))
