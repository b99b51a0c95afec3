"""Hours: a minute is credited once, to somebody who is in one place at a time, and never by themselves alone.

domain.md §4.4 (overlaps, 8 h and 12 h, two persons), ledger.md §6.1 (an entry for each credit).
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from cli.audit.breaches import apart, at, person, snake
from contracts.envelope import Recorded

AUTOMATIC_MINUTES, AUDITOR_MINUTES, DAY_MINUTES = 480, 720, 1_440


@dataclass(slots=True)
class _Claim:
    volunteer_id: UUID
    recorded_by: UUID | None
    by_hand: bool
    confirmed: bool = False
    approvals: list[UUID] = field(default_factory=list)
    interval: tuple[datetime, datetime] | None = None
    """Once it is credited."""
    minutes: int = 0
    day: date | None = None


class Credits:
    """Follows claims, what they came to, and what the ledger made of that."""

    def __init__(self) -> None:
        self._takes_part: dict[UUID, set[UUID]] = defaultdict(set)
        """Order → the people who had a hand in it."""
        self._claims: dict[UUID, _Claim] = {}
        self._days: Counter[tuple[UUID, date]] = Counter()
        self._times: dict[UUID, list[tuple[datetime, datetime, UUID]]] = defaultdict(list)
        self._expected: dict[UUID, Counter[str]] = {}
        """Event of volunteers → the entries that must follow from it."""
        self._found: dict[UUID, Counter[str]] = defaultdict(Counter)
        self._refused: set[UUID] = set()

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Take the event down; what is wrong with it."""
        event: Any = recorded.event
        if recorded.service == "orders" and recorded.stream.startswith("order-"):
            who = person(recorded)
            if who is not None:
                self._takes_part[event.order_id].add(who)
            return
        rule = getattr(self, f"_on_{snake(recorded.type)}", None)
        if rule is not None and recorded.service in {"volunteers", "ledger"}:
            yield from rule(recorded, event)

    def end(self) -> Iterator[str]:
        """Each credit and correction has its entries, and no entry is without one."""
        for event_id, expected in self._expected.items():
            found = self._found.pop(event_id, Counter())
            if found != expected and event_id not in self._refused:
                yield f"volunteers' event {event_id} must come to {dict(expected)}, the ledger has {dict(found)}"
        yield from (
            f"the ledger's entries {dict(found)} come from no credit: {event}" for event, found in self._found.items()
        )

    def _on_hours_claimed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if event.claim_id in self._claims:
            yield at(recorded, "the claim was made before")
        self._claims[event.claim_id] = _Claim(event.volunteer_id, event.recorded_by, event.source == "manual")
        what = "who served wrote it down for themselves"
        if event.source != "manual":
            yield from apart(recorded, who=event.recorded_by, others=[event.volunteer_id], what=what)

    def _on_hours_confirmed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        claim = self._claims[event.claim_id]
        claim.confirmed = True
        others = [claim.volunteer_id]
        yield from apart(recorded, who=event.confirmed_by, others=others, what="they confirmed their own hours")

    def _on_hours_approved(self, recorded: Recorded, event: Any) -> Iterator[str]:
        claim = self._claims[event.claim_id]
        others = [claim.volunteer_id, claim.recorded_by, *claim.approvals]
        what = "served it, entered it or approved it before"
        yield from apart(recorded, who=event.approved_by, others=others, what=f"who approved {what}")
        claim.approvals.append(event.approved_by)

    def _on_hours_logged(self, recorded: Recorded, event: Any) -> Iterator[str]:
        claim = self._claims.get(event.claim_id)
        if claim is None or not claim.confirmed:
            yield at(recorded, "nobody confirmed it")
            return
        if claim.interval is not None:
            yield at(recorded, "the claim was credited before")
        claim.interval, claim.minutes = (event.started_at, event.finished_at), event.minutes
        claim.day = event.service_date
        yield from self._one_place(recorded, event)
        yield from self._day(recorded, claim, event.minutes)
        if claim.by_hand and not claim.approvals:
            yield at(recorded, "hours entered by hand were credited without a second person")
        if event.order_id is not None and not self._takes_part[event.order_id] - {event.volunteer_id}:
            yield at(recorded, "nobody but the volunteer had a hand in it")
        self._expected[recorded.event_id] = Counter({"EntryPosted": 1})

    def _one_place(self, recorded: Recorded, event: Any) -> Iterator[str]:
        times, interval = self._times[event.volunteer_id], (event.started_at, event.finished_at, event.claim_id)
        place = bisect_left(times, interval)
        for other in times[max(0, place - 1) : place + 1]:
            if other[0] < event.finished_at and event.started_at < other[1]:
                yield at(recorded, f"it overlaps the credited claim {other[2]}")
        times.insert(place, interval)

    def _day(self, recorded: Recorded, claim: _Claim, more: int) -> Iterator[str]:
        assert claim.day is not None
        self._days[claim.volunteer_id, claim.day] += more
        total = self._days[claim.volunteer_id, claim.day]
        event: Any = recorded.event
        if event.day_minutes != total:
            yield at(recorded, f"the day comes to {total} minutes, it says {event.day_minutes}")
        needed = 2 if total > AUDITOR_MINUTES else 1 if total > AUTOMATIC_MINUTES else 0
        if total > DAY_MINUTES or (more > 0 and recorded.type == "HoursLogged" and len(claim.approvals) < needed):
            yield at(recorded, f"{total} minutes on one day with {len(claim.approvals)} approvals")

    def _on_hours_adjusted(self, recorded: Recorded, event: Any) -> Iterator[str]:
        claim = self._claims[event.claim_id]
        claim.minutes += event.delta
        yield from self._corrected(recorded, event, claim, event.delta)
        if event.minutes != claim.minutes:
            yield at(recorded, f"the claim comes to {claim.minutes} minutes, it says {event.minutes}")
        entries = {"EntryReversed": 1, "EntryPosted": 1} if event.delta else {}
        self._expected[recorded.event_id] = Counter(entries)

    def _on_hours_voided(self, recorded: Recorded, event: Any) -> Iterator[str]:
        claim = self._claims[event.claim_id]
        if event.minutes != claim.minutes:
            yield at(recorded, f"the claim had {claim.minutes} minutes, it says {event.minutes}")
        yield from self._corrected(recorded, event, claim, -claim.minutes)
        self._times[claim.volunteer_id] = [one for one in self._times[claim.volunteer_id] if one[2] != event.claim_id]
        claim.minutes, claim.interval = 0, None
        self._expected[recorded.event_id] = Counter({"EntryReversed": 1})

    def _corrected(self, recorded: Recorded, event: Any, claim: _Claim, more: int) -> Iterator[str]:
        if claim.interval is None:
            yield at(recorded, "nothing was credited that could be corrected")
            return
        yield from self._day(recorded, claim, more)
        others = [event.requested_by, claim.volunteer_id]
        yield from apart(recorded, who=event.approved_by, others=others, what="who decided had asked, or had served")

    def _on_entry_posted(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if event.book == "hours":
            self._found[event.source_event_id]["EntryPosted"] += 1
            claim = None if event.hours is None else self._claims.get(event.hours.claim_id)
            if claim is None:
                yield at(recorded, "an entry without a claim")

    def _on_entry_reversed(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        if event.book == "hours":
            self._found[event.source_event_id]["EntryReversed"] += 1
        yield from ()

    def _on_entry_refused(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._refused.add(event.source_event_id)
        yield from ()
