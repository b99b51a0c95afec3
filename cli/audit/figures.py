"""A statement's figures anew, from the entries and the money set aside: by code that shares nothing with the service's.

The rules are those of contracts/ledger/statements.py; the result is JSON's, to be compared key by key.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from contracts.ledger import EntryPosted, EntryReversed
from services.ledger.chart_of_accounts import chart

_SHANGHAI = timezone(timedelta(hours=8))
_FEWEST = 5
"""ledger.md §5: a cell with fewer recipients is merged."""
_RECEIVED = ("in_kind:aid", "aid")
"""Where people receive."""
_THINGS = "assets:goods"
_NO_INCOME, _NO_SPENDING = "income:in_kind_sales", "expense:in_kind:sold"
"""A sale of things is no new income and no spending: their value came in once already."""

Entry = EntryPosted | EntryReversed


@dataclass(frozen=True, slots=True)
class Line:
    """One posting, with what of its entry counts here."""

    day: date
    fund: str
    account: str
    fen: int
    receiver: UUID

    @property
    def is_money(self) -> bool:
        """Whether it changes the fund's money."""
        return self.account.startswith("assets:") and self.account != _THINGS


@dataclass(slots=True)
class Books:
    """What was read of the fund's book so far."""

    entries: dict[UUID, Entry] = field(default_factory=dict)
    positions: dict[UUID, int] = field(default_factory=dict)
    """Where each stands in the log."""
    holds: dict[UUID, list[Any]] = field(default_factory=dict)
    """What was set aside, and its release if any."""

    def upto(self, size: int) -> "Books":
        """The entries among the first so many events; what is set aside is counted by days."""
        known = {entry_id: one for entry_id, one in self.entries.items() if self.positions[entry_id] <= size}
        return Books(known, self.positions, self.holds)

    def lines(self, funds: Iterable[str], purpose: str | None = None) -> Iterator[Line]:
        """The postings of these funds; with a purpose only those of the money given for it."""
        wanted = set(funds)
        for entry in self.entries.values():
            for posting in entry.postings:
                if posting.fund in wanted and is_of(posting.account, purpose):
                    receiver = entry.case_id or entry.entry_id
                    yield Line(entry.effective_date, posting.fund, posting.account, posting.amount, receiver)


def is_of(account: str, purpose: str | None) -> bool:
    """Whether a posting to it concerns the money that was given for a purpose; without one every posting does."""
    return purpose is None or account.endswith(f":restricted:{purpose}")


def figures(books: Books, said: Mapping[str, Any]) -> dict[str, Any]:
    """What a statement of these days and funds should say. `said`: the statement's own JSON."""
    first, last = date.fromisoformat(said["first_day"]), date.fromisoformat(said["last_day"])
    funds = [str(one["fund"]) for one in said["funds"]]
    purpose = said.get("purpose")
    lines = list(books.lines(funds, purpose))
    numbers = [
        entry.entry_no
        for entry in books.entries.values()
        if first <= entry.effective_date <= last
        and any(posting.fund in funds and is_of(posting.account, purpose) for posting in entry.postings)
    ]
    ends = {"first_entry_no": min(numbers), "last_entry_no": max(numbers)} if numbers else {}
    return {
        "entries": len(numbers),
        **ends,
        "funds": [
            _fund(books, fund, [one for one in lines if one.fund == fund], (first, last), purpose) for fund in funds
        ],
        "year": _year(lines, last),
        "reversals": list(_reversals(books, funds, purpose, lambda entry, _: first <= entry.effective_date <= last)),
        "reversed_later": list(
            _reversals(
                books,
                funds,
                purpose,
                lambda entry, original: first <= original.effective_date <= last < entry.effective_date,
            )
        ),
    }


def _fund(
    books: Books, fund: str, lines: Sequence[Line], days: tuple[date, date], purpose: str | None
) -> dict[str, Any]:
    first, last = days
    before = [one for one in lines if one.day < first]
    upto = [one for one in lines if one.day <= last]
    within = [one for one in upto if one.day >= first]

    def money(found: Sequence[Line]) -> int:
        return restricted(found) if purpose else sum(one.fen for one in found if one.is_money)

    def restricted(found: Sequence[Line]) -> int:
        return sum(-one.fen for one in found if ":restricted:" in one.account)

    def things(found: Sequence[Line]) -> int:
        return sum(one.fen for one in found if one.account == _THINGS)

    return {
        "fund": fund,
        "opening_fen": money(before),
        "opening_restricted_fen": restricted(before),
        "income": _cells(within, "income", things=False),
        "spending": _cells(within, "expense", things=False),
        "closing_fen": money(upto),
        "closing_restricted_fen": restricted(upto),
        "held_fen": sum(_held(books, fund, last, purpose)),
        "goods_opening_fen": things(before),
        "goods_income": _cells(within, "income", things=True),
        "goods_spending": _cells(within, "expense", things=True),
        "goods_closing_fen": things(upto),
    }


def _held(books: Books, fund: str, last: date, purpose: str | None) -> Iterator[int]:
    for placed, released in books.holds.values():
        is_free = released is not None and _day(released.released_at) <= last
        if placed.fund == fund and _day(placed.placed_at) <= last and not is_free:
            if purpose is None:
                yield placed.amount_fen
            elif placed.purpose == purpose:
                yield placed.restricted_fen


def _day(moment: datetime) -> date:
    return moment.astimezone(_SHANGHAI).date()


def _cells(lines: Sequence[Line], side: str, *, things: bool) -> list[dict[str, Any]]:
    found: defaultdict[str, defaultdict[str, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for one in lines:
        kind, _, rest = one.account.partition(":")
        if kind == side and (rest.split(":")[0] == "in_kind") is things:
            category, purpose = _named(rest)
            found[category][purpose].append(one)
    return [cell for category in sorted(found) for cell in _of_category(category, found[category])]


def _named(rest: str) -> tuple[str, str]:
    """`aid:restricted:illness` → aid, illness."""
    if ":restricted:" in rest:
        category, purpose = rest.split(":restricted:")
        return category, purpose
    for category in _RECEIVED:
        if rest.startswith(f"{category}:"):
            return category, rest[len(category) + 1 :]
    return rest, ""


def _of_category(category: str, by_purpose: Mapping[str, list[Line]]) -> Iterator[dict[str, Any]]:
    if category not in _RECEIVED:
        for purpose, lines in sorted(by_purpose.items()):
            yield _cell(category, [purpose] if purpose else [], lines)
        return
    receivers = {purpose: {one.receiver for one in lines} for purpose, lines in by_purpose.items()}
    left = sorted(by_purpose, key=lambda purpose: (len(receivers[purpose]), purpose))
    pool: list[str] = []
    pooled: set[UUID] = set()
    while left and (len(receivers[left[0]]) < _FEWEST or (pool and len(pooled) < _FEWEST)):
        pooled |= receivers[left[0]]
        pool.append(left.pop(0))
    for purpose in sorted(left):
        yield _cell(category, [purpose], by_purpose[purpose]) | {"recipients": len(receivers[purpose])}
    if pool:
        together = [one for purpose in pool for one in by_purpose[purpose]]
        enough = len(pooled) >= _FEWEST
        cell = _cell(category, sorted(pool) if enough else [], together)
        yield cell | ({"recipients": len(pooled)} if enough else {})


def _cell(category: str, purposes: list[str], lines: Sequence[Line]) -> dict[str, Any]:
    def signed(one: Line) -> int:
        return one.fen if one.account.startswith("expense:") else -one.fen

    return {
        "category": category,
        "purposes": purposes,
        "amount_fen": sum(signed(one) for one in lines),
        "restricted_fen": sum(signed(one) for one in lines if ":restricted:" in one.account),
    }


def _year(lines: Sequence[Line], last: date) -> dict[str, int]:
    income = spending = management = before = 0
    for one in lines:
        this_year = one.day.year == last.year and one.day <= last
        if one.account.startswith("income:") and one.account != _NO_INCOME:
            income -= one.fen if this_year else 0
            before -= one.fen if one.day.year == last.year - 1 else 0
        elif one.account.startswith("expense:") and one.account != _NO_SPENDING and this_year:
            if chart().account(one.account).code.startswith("52"):
                management += one.fen
            else:
                spending += one.fen
    return {
        "income_fen": income,
        "spending_fen": spending,
        "management_fen": management,
        "income_last_year_fen": before,
    }


def _reversals(books: Books, funds: Sequence[str], purpose: str | None, wanted: Any) -> Iterator[dict[str, int]]:
    for entry in sorted(books.entries.values(), key=lambda one: one.entry_no):
        original = books.entries.get(entry.reverses) if isinstance(entry, EntryReversed) else None
        mine = [one for one in entry.postings if one.fund in funds and is_of(one.account, purpose)]
        if original is None or not mine or not wanted(entry, original):
            continue
        money = [one.amount for one in mine if one.account.startswith("assets:") and one.account != _THINGS]
        if purpose is not None:
            money = [-one.amount for one in mine]
        yield {
            "entry_no": entry.entry_no,
            "reverses_no": original.entry_no,
            "money_fen": sum(money),
        }
