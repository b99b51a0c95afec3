"""The ledger's two books as other people's programs read them: hledger, beancount, CSV (ledger.md §6.10).

Everything is computed from the entries, so that whoever has these can make the same files again, byte for byte. Account
names begin with their codes, since beancount takes no component that begins with another script's letter.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from contracts.ledger import EntryPosted, EntryReversed, Posting
from services.ledger.chart_of_accounts import Account, chart

Entry = EntryPosted | EntryReversed
ROOTS = {
    "assets": "Assets", "income": "Income", "expense": "Expenses", "volunteer": "Assets", "community": "Income",
}  # fmt: skip
"""What the first word of an account is to a bookkeeping program."""
COMMODITIES = {"fen": "CNY", "minutes": "MIN"}
BOOKS = ("fund", "hours")


@dataclass(frozen=True, slots=True)
class Numbered:
    """An entry and the position of its event in the ledger's log."""

    position: int
    entry: Entry


def account_name(posting: Posting) -> str:
    """`assets:bank` of a fund → `Assets:Fund-relief:1002-银行存款`."""
    known = chart().account(posting.account)
    parts = [ROOTS[posting.account.split(":", 1)[0]]]
    if posting.fund is not None:
        parts.append(posting.fund.capitalize())
    parts.append(f"{known.code.replace('.', '-')}-{known.name}")
    member = _member(known, posting.account)
    if member:
        parts.append(member)
    return ":".join(parts)


def _member(known: Account, account: str) -> str:
    """Which one of a family of accounts; empty where there is one only."""
    if "*" not in known.account:
        return ""
    before, _, after = known.account.partition("*")
    return "V" + account[len(before) : len(account) - len(after)].upper().replace("_", "-").replace(".", "-")


def amount(posting_amount: int, unit: str) -> str:
    """`20000` 分 → `200.00 CNY`; minutes as they are."""
    if unit == "minutes":
        return f"{posting_amount} MIN"
    sign, whole = ("-" if posting_amount < 0 else ""), abs(posting_amount)
    return f"{sign}{whole // 100}.{whole % 100:02d} CNY"


class Balances:
    """Running balances of one book, by account."""

    def __init__(self) -> None:
        self._sums: dict[str, int] = defaultdict(int)
        self._units: dict[str, str] = {}

    def post(self, postings: Iterable[Posting]) -> None:
        """Add an entry's postings."""
        for posting in postings:
            name = account_name(posting)
            self._sums[name] += posting.amount
            self._units[name] = posting.unit

    def __iter__(self) -> Iterator[tuple[str, int, str]]:
        for name in sorted(self._sums):
            yield name, self._sums[name], self._units[name]


def in_order(entries: Iterable[Numbered], book: str) -> list[Numbered]:
    """One book's entries by the day they take effect, then by number."""
    mine = [one for one in entries if one.entry.book == book]
    return sorted(mine, key=lambda one: (one.entry.effective_date, one.entry.entry_no))


def month_ends(entries: list[Numbered]) -> Iterator[tuple[date, list[Numbered]]]:
    """The entries month by month, each with the first day after it."""
    by_month: dict[date, list[Numbered]] = defaultdict(list)
    for one in entries:
        by_month[one.entry.effective_date.replace(day=1)].append(one)
    for month in sorted(by_month):
        yield (month + timedelta(days=32)).replace(day=1), by_month[month]


def _comment(one: Numbered) -> str:
    reverses = f", reverses:{one.entry.reverses}" if one.entry.reverses is not None else ""
    return f"entry_id:{one.entry.entry_id}, position:{one.position}{reverses}"


def hledger(entries: list[Numbered]) -> str:
    """A journal for hledger, `hledger check -s ordereddates`. `entries` are one book's, in order."""
    lines = ["; 由账本条目生成 · made from the ledger's entries", "commodity 1000.00 CNY", "commodity 1000. MIN"]
    balances = Balances()
    for one in entries:
        balances.post(one.entry.postings)
    lines += [f"account {name}" for name, _, _ in balances]
    balances = Balances()
    for next_month, months_entries in month_ends(entries):
        for one in months_entries:
            lines += ["", f"{one.entry.effective_date} * ({one.entry.entry_no}) {one.entry.kind}  ; {_comment(one)}"]
            lines += [f"    {account_name(each)}  {amount(each.amount, each.unit)}" for each in one.entry.postings]
            balances.post(one.entry.postings)
        lines += ["", f"{next_month - timedelta(days=1)} * 月末余额 · balances at the month's end"]
        lines += [f"    {name}  {amount(0, unit)} = {amount(total, unit)}" for name, total, unit in balances]
    return "\n".join(lines) + "\n"


def beancount(entries: list[Numbered]) -> str:
    """A journal for beancount, `bean-check`. `entries` are one book's, in order."""
    lines = ["; 由账本条目生成 · made from the ledger's entries"]
    balances = Balances()
    for one in entries:
        balances.post(one.entry.postings)
    first = entries[0].entry.effective_date if entries else date(2000, 1, 1)
    lines += [f"{first} open {name} {COMMODITIES[unit]}" for name, _, unit in balances]
    balances = Balances()
    for next_month, months_entries in month_ends(entries):
        for one in months_entries:
            lines += ["", f'{one.entry.effective_date} * "{one.entry.kind}"', f"  entry_no: {one.entry.entry_no}"]
            lines += [f'  entry_id: "{one.entry.entry_id}"', f"  position: {one.position}"]
            lines += [f"  {account_name(each)}  {amount(each.amount, each.unit)}" for each in one.entry.postings]
            balances.post(one.entry.postings)
        lines += ["", *(f"{next_month} balance {name} {amount(total, unit)}" for name, total, unit in balances)]
    return "\n".join(lines) + "\n"


def trial_balance(books: Mapping[str, list[Numbered]]) -> str:
    """The balances of both books as CSV: book, account, unit, balance in whole 分 or minutes."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["book", "account", "unit", "balance"])
    for book, entries in books.items():
        balances = Balances()
        for one in entries:
            balances.post(one.entry.postings)
        rows.writerows([book, name, unit, total] for name, total, unit in balances)
    return text.getvalue()


def files(entries: list[Numbered]) -> dict[str, str]:
    """Name under `books/` → content, from all entries of the ledger's log."""
    books = {book: in_order(entries, book) for book in BOOKS}
    made = {"balances.csv": trial_balance(books)}
    for book, mine in books.items():
        made[f"{book}.hledger"] = hledger(mine)
        made[f"{book}.beancount"] = beancount(mine)
    return made
