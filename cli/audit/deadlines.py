"""Deadlines: each was met, or what must follow when it passes did follow (domain.md §4.1, timers; §4.7).

A service acts on a deadline at the first moment its clock shows that it has passed, so lateness is counted in moments
of its own log: how many other things it recorded at later times before it came to this one.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cli.audit.breaches import at
from cli.story import happened_at
from contracts.envelope import Recorded

MOMENTS_LATE = 25
HOURS_LATE = timedelta(hours=1)
ASKED_AGAIN = "CorrectionRequested"
SHOWN_ONLY = frozenset({"decision"})
"""A person's to decide, and only shown when it passes (contracts.orders.DueFor)."""


@dataclass(slots=True)
class _Due:
    at: datetime
    what: str


class Deadlines:
    """Follows what each order, welfare check, held claim, correction and random check waits for."""

    def __init__(self, *, open_allowed: bool = False, patience: timedelta = timedelta()) -> None:
        """`patience`: so much recording time, which is real, may pass besides, where services fail meanwhile."""
        self._open_allowed = open_allowed
        self._patience = patience
        self._moments: dict[str, list[datetime]] = {}
        self._recorded: dict[str, list[datetime]] = {}
        """When each of the moments was recorded."""
        self._due: dict[tuple[str, str, UUID], _Due] = {}

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Compare when something happened with when it was due, and note what is due next."""
        moment = happened_at(recorded)
        moments = self._moments.setdefault(recorded.service, [])
        if not moments or moment > moments[-1]:
            moments.append(moment)
            self._recorded.setdefault(recorded.service, []).append(recorded.recorded_at)
        for kind, key, due in _owed(recorded):
            place = (recorded.service, kind, key)
            if recorded.type == ASKED_AGAIN and place in self._due:
                # One answer closes every open request about a claim: the first one's deadline counts.
                continue
            yield from self._late(recorded, self._due.pop(place, None), moment)
            if due is not None:
                self._due[place] = due

    def end(self) -> Iterator[str]:
        """What was due before the last moment of a log was not forgotten."""
        if self._open_allowed:
            return
        for (service, kind, key), due in self._due.items():
            last = self._moments[service][-1]
            if self._is_late(service, due, last):
                yield f"{service}: {kind} {key} was due for {due.what} at {due.at}, and nothing followed"

    def _late(self, recorded: Recorded, due: _Due | None, moment: datetime) -> Iterator[str]:
        if due is not None and self._is_late(recorded.service, due, moment):
            yield at(recorded, f"came at {moment}; {due.what} was due at {due.at}")

    def _is_late(self, service: str, due: _Due, moment: datetime) -> bool:
        if moment <= due.at + HOURS_LATE:
            return False
        moments, recorded = self._moments[service], self._recorded[service]
        seen, acted = bisect_right(moments, due.at), bisect_right(moments, moment)
        late = acted - seen > MOMENTS_LATE
        return late and (not self._patience or recorded[acted - 1] - recorded[seen] >= self._patience)


def _owed(recorded: Recorded) -> Iterator[tuple[str, UUID, _Due | None]]:
    """(kind, of what, what is due now): each event settles what was due of the same thing before."""
    event: Any = recorded.event
    if recorded.stream.startswith("order-") and recorded.service == "orders":
        due_at, due_for = event.next_due_at, event.next_due_for
        yield "order", event.order_id, None if due_at is None or due_for in SHOWN_ONLY else _Due(due_at, due_for)
        if recorded.type == "OrderPlaced" and event.inquiry_id is not None:
            yield "inquiry", event.inquiry_id, None
        return
    match recorded.type:
        case "WelfareCheckRaised" | "WelfareCheckEscalated" | "WelfareCheckClosed":
            due_at = getattr(event, "due_at", None)
            yield "welfare check", event.check_id, None if due_at is None else _Due(due_at, "an outcome")
        case "InquiryRecorded" if event.due_at is not None:
            yield "inquiry", event.inquiry_id, _Due(event.due_at, "an order")
        case "HoursHeld":
            yield "claim", event.claim_id, _Due(event.due_at, "a look at held hours")
        case "HoursApproved" | "HoursRejected" | "HoursLogged":
            yield "claim", event.claim_id, None
        case "CorrectionRequested":
            yield "correction of claim", event.claim_id, _Due(event.due_at, "an answer")
        case "HoursAdjusted" | "HoursVoided":
            yield "correction of claim", event.claim_id, None
        case "HoursSampled":
            due = None if event.due_at is None else _Due(event.due_at, "a call")
            yield "random check", event.claim_id, due
        case "MarketSessionOpened":
            yield "market", event.market_id, _Due(event.due_at, "a disclosure")
        case "MarketDisclosed":
            yield "market", event.market_id, None
        case "MarketReconciled" if event.due_at is not None and event.counted_fen:
            yield "count of market", event.market_id, _Due(event.due_at, "a deposit")
        case "ProceedsDeposited":
            yield "count of market", event.market_id, None
        case _:
            pass  # nothing is due of it
