"""Published statements, from the events alone: every figure anew, two people, the head they are bound to, corrections.

慈善法 §79; 令81 §16; domain.md §4.6–4.7. The bundle's check and the audit of a place both use this.
"""

import json
import re
from calendar import monthrange
from collections.abc import Iterator, Mapping
from datetime import date, timedelta, timezone
from hashlib import sha256
from typing import Any

from cli.audit.breaches import apart, at, person, snake
from cli.audit.figures import Books, figures
from cli.audit.tree import GrowingTree
from contracts.command import Role
from contracts.envelope import Recorded
from eventstore.merkle import leaf_hash
from services.ledger.chart_of_accounts import chart

_SHANGHAI = timezone(timedelta(hours=8))
DIFFERENCES_MAX = 5
"""So many differing figures of one statement are told."""


class Statements:
    """Follows the fund's book, and computes every statement again when it comes."""

    def __init__(self) -> None:
        self._books = Books()
        self._tree = GrowingTree()
        self._closed: list[tuple[int, date]] = []
        self._drafts: dict[str, tuple[str, Any]] = {}
        """Period → the SHA-256 that waits, and who drafted it."""
        self._standing: dict[str, Any] = {}
        self._corrected: dict[str, Any] = {}
        """Period → a correction whose new statement must follow."""

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Keep what the figures come from, and compare what was published."""
        if recorded.service != "ledger":
            return
        rule = getattr(self, f"_on_{snake(recorded.type)}", None)
        if rule is not None:
            yield from rule(recorded, recorded.event)
        self._tree.append(leaf_hash(recorded.body))

    def end(self) -> Iterator[str]:
        """No correction is without its new statement."""
        for correction in self._corrected.values():
            yield at(correction, "no new statement followed")

    def _on_entry_posted(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if event.book == "fund":
            self._books.entries[event.entry_id] = event
            self._books.positions[event.entry_id] = recorded.position
        yield from ()

    _on_entry_reversed = _on_entry_posted

    def _on_hold_placed(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._books.holds[event.hold_id] = [event, None]
        yield from ()

    def _on_hold_released(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        if event.hold_id in self._books.holds:
            self._books.holds[event.hold_id][1] = event
        yield from ()

    def _on_period_closed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if event.book == "fund" and event.step == 2:
            self._closed.append((recorded.position, event.closed_through))
        yield from ()

    def _on_fund_statement_published(self, recorded: Recorded, event: Any) -> Iterator[str]:
        # As it was published, and not as this program's classes would write it.
        said = json.loads(recorded.body)["data"]["statement"]
        canonical = json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
        if sha256(canonical).hexdigest() != event.statement_sha256:
            yield at(recorded, "its SHA-256 is not that of the statement")
        yield from self._span(recorded, event, said)
        yield from self._head(recorded, event)
        yield from self._compare(recorded, said, event.log_size)
        yield from self._hands(recorded, event)

    def _span(self, recorded: Recorded, event: Any, said: Mapping[str, Any]) -> Iterator[str]:
        statement = event.statement
        days = days_of(event.period)
        if days is not None and days != (statement.kind, statement.first_day, statement.last_day):
            yield at(recorded, f"its days are not those of {event.period}")
        if statement.last_day >= event.published_at.astimezone(_SHANGHAI).date():
            yield at(recorded, "its days were not over")
        closed = [through for position, through in self._closed if position <= event.log_size]
        if statement.kind != "interim" and (not closed or max(closed) < statement.last_day):
            yield at(recorded, "its days were not closed")
        told = {one["fund"] for one in said["funds"]}
        if statement.kind != "campaign" and told != {fund.code for fund in chart().funds}:
            yield at(recorded, "it leaves a fund out")
        if statement.kind != "campaign" and statement.purpose is not None:
            yield at(recorded, "it leaves out what was not for one purpose")

    def _head(self, recorded: Recorded, event: Any) -> Iterator[str]:
        known = self._tree.size
        if event.log_size > known:
            yield at(recorded, f"it names a head of {event.log_size}, and {known} events came before it")
        elif self._tree.root_at(event.log_size).hex() != event.log_root:
            yield at(recorded, f"the head of {event.log_size} that it names was never the log's")

    def _compare(self, recorded: Recorded, said: Mapping[str, Any], size: int) -> Iterator[str]:
        should = figures(self._books.upto(size), said)
        found = list(differences(should, {name: said.get(name) for name in should}, ""))
        found += [f"{name} is said and should not be" for name in _ENDS if name in said and name not in should]
        for one in found[:DIFFERENCES_MAX]:
            yield at(recorded, one)

    def _hands(self, recorded: Recorded, event: Any) -> Iterator[str]:
        standing, drafted = self._standing.get(event.period), self._drafts.get(event.period)
        if event.step == 1:
            if event.role is not Role.FUND_CLERK or event.drafted_by != person(recorded):
                yield at(recorded, "somebody else than a clerk drafted it")
            if standing is not None:
                yield at(recorded, "it was drafted although one stands")
            self._drafts[event.period] = (event.statement_sha256, event.drafted_by)
            return
        if event.role is not Role.SUPERVISOR or event.published_by != person(recorded):
            yield at(recorded, "somebody else than a supervisor published it")
        yield from apart(recorded, who=event.published_by, others=[event.drafted_by], what="one person did both")
        if drafted != (event.statement_sha256, event.drafted_by):
            yield at(recorded, "nobody drafted just this")
        correction = self._corrected.pop(event.period, None)
        expected = (1, None) if standing is None else (standing.revision + 1, standing.statement_id)
        if (event.revision, event.supersedes) != expected:
            yield at(recorded, "it does not follow what stands")
        if standing is not None and (correction is None or correction.event.replaced_by != event.statement_id):
            yield at(recorded, "it supersedes without a correction")
        self._standing[event.period] = event
        self._drafts.pop(event.period, None)

    def _on_disclosure_corrected(self, recorded: Recorded, event: Any) -> Iterator[str]:
        standing, drafted = self._standing.get(event.period), self._drafts.get(event.period)
        if standing is None or standing.statement_id != event.statement_id:
            yield at(recorded, "what it corrects does not stand")
        if event.corrected_by != person(recorded):
            yield at(recorded, "it names another person than who said so")
        if event.step == 1:
            if event.role is not Role.FUND_CLERK:
                yield at(recorded, "somebody else than a clerk drafted it")
            self._drafts[event.period] = (event.statement_sha256, event.corrected_by)
            return
        if event.role is not Role.SUPERVISOR:
            yield at(recorded, "somebody else than a supervisor published it")
        if drafted is None or drafted[0] != event.statement_sha256:
            yield at(recorded, "nobody drafted just this")
        else:
            yield from apart(recorded, who=event.corrected_by, others=[drafted[1]], what="one person did both")
        self._corrected[event.period] = recorded


_ENDS = ("first_entry_no", "last_entry_no")


def days_of(period: str) -> tuple[str, date, date] | None:
    """Kind and days of a period by its name; None of a campaign, whose days are the charity's."""
    if found := re.fullmatch(r"(\d{4})-(\d{2})", period):
        return ("month", *_months(int(found[1]), int(found[2]), int(found[2])))
    if found := re.fullmatch(r"(\d{4})-q([1-4])", period):
        return ("quarter", *_months(int(found[1]), int(found[2]) * 3 - 2, int(found[2]) * 3))
    if re.fullmatch(r"\d{4}", period):
        return ("year", *_months(int(period), 1, 12))
    if found := re.fullmatch(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})", period):
        return ("interim", date.fromisoformat(found[1]), date.fromisoformat(found[2]))
    return None


def _months(year: int, first: int, last: int) -> tuple[date, date]:
    return date(year, first, 1), date(year, last, monthrange(year, last)[1])


def differences(should: Any, said: Any, place: str) -> Iterator[str]:
    """Where two JSON values differ, each with its path."""
    if isinstance(should, dict) and isinstance(said, dict):
        for name in sorted(should.keys() | said.keys()):
            yield from differences(should.get(name), said.get(name), f"{place}.{name}" if place else name)
    elif isinstance(should, list) and isinstance(said, list) and len(should) == len(said):
        for number, (one, other) in enumerate(zip(should, said, strict=True)):
            yield from differences(one, other, f"{place}[{number}]")
    elif should != said:
        yield f"{place} is {json.dumps(said)}, by the entries {json.dumps(should)}"
