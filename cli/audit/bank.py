"""The bank account and reviews from the events alone: statements that follow, true matches, figures that add up."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from cli.audit.breaches import apart, at, person, snake
from contracts.envelope import Recorded

ACCOUNT = "assets:bank"
_ENTERED = frozenset({"entry_posted", "entry_reversed"})


class Bank:
    """Follows the bank account of the fund's book, every statement and every match; and what disputes asked for."""

    def __init__(self) -> None:
        self._entries: dict[UUID, tuple[int, date, int]] = {}
        """Entry → position, day, what it changed at the bank."""
        self._through: tuple[date, int] | None = None
        """The last reconciled day, and what was there at its end."""
        self._waiting: Any = None
        self._matched: dict[UUID, tuple[UUID, int]] = {}
        self._open: dict[tuple[UUID, int], int] = {}
        self._hands: set[UUID | None] = set()
        self._to_review: dict[UUID, Recorded] = {}
        self._requested: set[UUID] = set()

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Compare what is said with what was said before."""
        if recorded.service == "orders" and recorded.type == "DisputeResolved":
            self._decided(recorded)
        name = snake(recorded.type)
        if recorded.service != "ledger":
            return
        if name in _ENTERED:
            self._entered(recorded)
        rule = getattr(self, f"_on_{name}", None)
        if rule is not None:
            yield from rule(recorded, recorded.event)

    def end(self) -> Iterator[str]:
        """What the ledger has not heard yet is no breach: reviews are compared when they are asked for."""
        yield from ()

    def _entered(self, recorded: Recorded) -> None:
        event: Any = recorded.event
        fen = sum(one.amount for one in event.postings if one.account == ACCOUNT)
        if event.book == "fund" and fen:
            self._entries[event.entry_id] = (recorded.position, event.effective_date, fen)

    # statements

    def _on_bank_statement_attested(self, recorded: Recorded, event: Any) -> Iterator[str]:
        waiting = None if self._waiting is None else self._waiting.statement_id
        if event.replaces != waiting:
            yield at(recorded, "the statement before it was neither reconciled nor replaced")
        if waiting is not None:
            self._forget(waiting)
        if self._through is not None:
            through_on, closing_fen = self._through
            if event.from_on != through_on + timedelta(days=1):
                yield at(recorded, "it does not begin on the day after the last statement")
            if event.opening_fen != closing_fen:
                yield at(recorded, "it does not begin with what the last statement ended with")
        if event.opening_fen + sum(line.amount_fen for line in event.lines) != event.closing_fen:
            yield at(recorded, "opening and lines do not come to the closing")
        self._waiting = event
        self._hands.add(event.attested_by)
        for line in event.lines:
            key = (event.statement_id, line.line_no)
            self._open[key] = line.amount_fen
            if not event.from_on <= line.booked_on <= event.until_on:
                yield at(recorded, f"line {line.line_no} is of another time")
            if line.entry_id is not None:
                yield from self._match(recorded, key, line.entry_id)

    def _forget(self, statement_id: UUID) -> None:
        self._open = {key: fen for key, fen in self._open.items() if key[0] != statement_id}
        self._matched = {entry: key for entry, key in self._matched.items() if key[0] != statement_id}

    def _match(self, recorded: Recorded, key: tuple[UUID, int], entry_id: UUID) -> Iterator[str]:
        entry, fen = self._entries.get(entry_id), self._open.pop(key, None)
        if entry is None:
            yield at(recorded, "it names an entry that is not there, or not of the bank account")
        elif entry[2] != fen:
            yield at(recorded, "line and entry are not the same money")
        if entry_id in self._matched:
            yield at(recorded, "an entry is two lines")
        self._matched[entry_id] = key

    def _on_bank_item_settled(self, recorded: Recorded, event: Any) -> Iterator[str]:
        self._hands.add(event.settled_by)
        if event.reason_code is None:
            yield from self._match(recorded, (event.statement_id, event.line_no), event.entry_id)

    def _on_fund_reconciled(self, recorded: Recorded, event: Any) -> Iterator[str]:
        waiting = self._waiting
        if waiting is None or waiting.statement_id != event.statement_id:
            yield at(recorded, "nobody handed this statement in")
        elif (waiting.file_sha256, waiting.closing_fen) != (event.file_sha256, event.closing_fen):
            yield at(recorded, "it is not what was handed in")
        who = person(recorded)
        yield from apart(recorded, who=who, others=self._hands, what="who handed in or settled reconciled it")
        if event.log_size >= recorded.position:
            yield at(recorded, "it was read from a log that was not there yet")
        seen = {one: entry for one, entry in self._entries.items() if entry[0] <= event.log_size}
        book_fen = sum(fen for _, day, fen in seen.values() if day <= event.until_on)
        later = [fen for one, (_, day, fen) in seen.items() if day > event.until_on and one in self._matched]
        if (event.book_fen, event.later_fen) != (book_fen, sum(later)):
            yield at(recorded, "the book says something else")
        if (event.open_lines, event.open_lines_fen) != (len(self._open), sum(self._open.values())):
            yield at(recorded, "other lines are open")
        explained = event.book_fen + event.later_fen - event.open_entries_fen + event.open_lines_fen
        if event.difference_fen != event.closing_fen - explained:
            yield at(recorded, "the difference is not the difference")
        self._through, self._waiting, self._hands = (event.until_on, event.closing_fen), None, set()

    # reviews

    def _decided(self, recorded: Recorded) -> None:
        event: Any = recorded.event
        if event.decision != "rejected" and (
            event.about == "fund" or {"aid_reversed", "fund_reviewed"} & set(event.consequences)
        ):
            self._to_review[event.dispute_id] = recorded

    def _on_fund_review_requested(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if event.dispute_id not in self._to_review:
            yield at(recorded, "no dispute about the fund was decided so")
        if event.dispute_id in self._requested:
            yield at(recorded, "it was asked for twice")
        self._requested.add(event.dispute_id)
