"""What the fund's public pages ask of the tables: up to a position, and of the fund's book only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ledger.commands import FUND
from services.ledger.posting_rules import GOODS_ASSETS, IN_KIND, IN_KIND_EXPENSE
from services.ledger.read_models import tables as t
from services.ledger.read_models.queries import many, one


@dataclass(frozen=True, slots=True)
class Line:
    """One entry as the public reads it. `money_fen`: what the fund's money changed by, or the amount that was moved."""

    entry_no: int
    position: int
    entry_id: UUID
    kind: str
    effective_date: date
    money_fen: int
    reverses_no: int | None
    explanation_ref: UUID | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Fund → what it holds, what of it is set aside, what came and what went, 分."""

    by_fund: Mapping[str, Mapping[str, int]]

    def of(self, fund: str) -> Mapping[str, int]:
        """One fund's; zeros where nothing was posted."""
        return {"balance": 0, "held": 0, "income": 0, "spending": 0} | dict(self.by_fund.get(fund, {}))


async def count(connection: AsyncConnection, size: int) -> int:
    """How many entries of the fund's book are among the first `size` events: its numbers have no gaps."""
    e = t.entries.c
    statement = sa.select(e.entry_no).where(e.book == FUND, e.position <= size).order_by(e.entry_no.desc())
    row = await one(connection, statement)
    return 0 if row is None else int(row["entry_no"])


async def lines(connection: AsyncConnection, first_no: int, last_no: int) -> Sequence[Line]:
    """The fund's entries with the numbers from `first_no` to `last_no`, both included, in their order."""
    e, p = t.entries.c, t.postings.c
    chosen = sa.select(t.entries).where(e.book == FUND, e.entry_no.between(first_no, last_no)).subquery("chosen")
    c = chosen.c
    reversed_ = t.entries.alias("reversed_")
    is_money = sa.and_(p.account.like("assets:%"), p.account != GOODS_ASSETS)
    changed = sa.func.sum(p.amount).filter(is_money)
    moved = sa.func.sum(p.amount).filter(sa.and_(is_money, p.amount > 0))
    sums = (
        sa.select(p.entry_id, changed.label("changed"), moved.label("moved"))
        .where(p.entry_id.in_(sa.select(c.entry_id)))
        .group_by(p.entry_id)
        .subquery()
    )
    statement = (
        sa.select(
            c.entry_no, c.position, c.entry_id, c.kind, c.effective_date, c.explanation_ref,
            reversed_.c.entry_no.label("reverses_no"), sums.c.changed, sums.c.moved,
        )
        .select_from(
            chosen.join(sums, sums.c.entry_id == c.entry_id).outerjoin(reversed_, reversed_.c.entry_id == c.reverses)
        )
        .order_by(c.entry_no)
    )  # fmt: skip
    return [
        Line(
            entry_no=row["entry_no"],
            position=row["position"],
            entry_id=row["entry_id"],
            kind=row["kind"],
            effective_date=row["effective_date"],
            money_fen=int(row["changed"] or row["moved"] or 0),
            reverses_no=row["reverses_no"],
            explanation_ref=row["explanation_ref"],
        )
        for row in await many(connection, statement)
    ]


async def totals(connection: AsyncConnection, size: int) -> Totals:
    """Each fund's totals over its entries among the first `size` events; what is set aside, as of now."""
    p = t.postings.c
    things = p.account.startswith(f"{IN_KIND_EXPENSE}:", autoescape=True)
    account = {
        "balance": (sa.and_(p.account.like("assets:%"), p.account != GOODS_ASSETS), 1),
        "income": (sa.and_(p.account.like("income:%"), p.account != IN_KIND), -1),
        "spending": (sa.and_(p.account.like("expense:%"), sa.not_(things)), 1),
    }
    columns: list[Any] = [
        sa.cast(sign * sa.func.coalesce(sa.func.sum(p.amount).filter(which), 0), sa.BigInteger).label(name)
        for name, (which, sign) in account.items()
    ]
    posted = sa.select(p.fund, *columns).where(p.book == FUND, p.position <= size).group_by(p.fund)
    held = sa.select(
        t.fund_pots.c.fund, sa.cast(sa.func.sum(t.fund_pots.c.held_fen), sa.BigInteger).label("held")
    ).group_by(t.fund_pots.c.fund)
    found: dict[str, dict[str, int]] = {}
    for statement in (posted, held):
        for row in await many(connection, statement):
            values = {name: int(value) for name, value in row.items() if name != "fund"}
            found.setdefault(row["fund"], {}).update(values)
    return Totals(found)


async def position_of(connection: AsyncConnection, entry_no: int) -> int | None:
    """Where an entry of the fund's book stands in the log; None when there is no such number."""
    e = t.entries.c
    row = await one(connection, sa.select(e.position).where(e.book == FUND, e.entry_no == entry_no))
    return None if row is None else int(row["position"])
