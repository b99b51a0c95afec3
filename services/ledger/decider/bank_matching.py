"""Which line of a bank statement is which entry: one to one, and only where nothing else could be meant.

What could be two things is left to a person: a wrong match hides a difference, an open item shows one.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping

from contracts.ledger import MatchedBy
from services.ledger.commands import BankEntry, StatementLine

Matches = Mapping[int, tuple[BankEntry, MatchedBy]]
"""Line number → the entry that it is, and how that was seen."""


def match(lines: Iterable[StatementLine], entries: Iterable[BankEntry], days: int) -> Matches:
    """First by the bank's reference, then by amount on the same day, then by amount within `days`."""
    found: dict[int, tuple[BankEntry, MatchedBy]] = {}
    lines_left, entries_left = list(lines), list(entries)

    def take(pairs: Iterable[tuple[StatementLine, BankEntry]], how: MatchedBy) -> None:
        for line, entry in pairs:
            found[line.line_no] = (entry, how)
            lines_left.remove(line)
            entries_left.remove(entry)

    with_reference = [line for line in lines_left if line.reference is not None]
    named = [entry for entry in entries_left if entry.reference is not None]
    take(_only(with_reference, named, _same_reference), "reference")
    take(_only(lines_left, entries_left, lambda line, entry: _same_amount(line, entry, 0)), "amount_and_day")
    take(_only(lines_left, entries_left, lambda line, entry: _same_amount(line, entry, days)), "amount_and_day")
    return found


def _same_reference(line: StatementLine, entry: BankEntry) -> bool:
    return line.reference == entry.reference and line.amount_fen == entry.amount_fen


def _same_amount(line: StatementLine, entry: BankEntry, days: int) -> bool:
    differs = None not in (line.reference, entry.reference) and line.reference != entry.reference
    near = abs((line.booked_on - entry.effective_date).days) <= days
    return line.amount_fen == entry.amount_fen and near and not differs


def _only(
    lines: Iterable[StatementLine],
    entries: Iterable[BankEntry],
    fits: Callable[[StatementLine, BankEntry], bool],
) -> list[tuple[StatementLine, BankEntry]]:
    """The pairs of which neither side fits anything else."""
    of_amount: dict[Hashable, list[BankEntry]] = defaultdict(list)
    for entry in entries:
        of_amount[entry.amount_fen].append(entry)
    pairs = [(line, entry) for line in lines for entry in of_amount.get(line.amount_fen, ()) if fits(line, entry)]
    of_line: dict[int, int] = defaultdict(int)
    of_entry: dict[Hashable, int] = defaultdict(int)
    for line, entry in pairs:
        of_line[line.line_no] += 1
        of_entry[entry.entry_id] += 1
    return [(line, entry) for line, entry in pairs if of_line[line.line_no] == of_entry[entry.entry_id] == 1]
