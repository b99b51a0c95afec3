"""Slots and people's time: never more hands than slots, never one person in two places (domain.md §4.1, I2 and I3)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cli.audit.breaches import at
from contracts.envelope import Recorded

FREED_ONE = frozenset(
    {
        "AcceptanceWithdrawn", "AssignmentLapsed", "VolunteerNoShowRecorded", "ServiceFinished", "ServiceAutoClosed",
        "ServiceRecordedAfterwards",
    }
)  # fmt: skip
SERVED = frozenset({"ServiceFinished", "ServiceAutoClosed", "ServiceRecordedAfterwards"})


@dataclass(slots=True)
class _Promise:
    order_id: UUID
    volunteer_id: UUID
    busy_from: datetime
    busy_until: datetime


class Promises:
    """Follows who has promised which time to which order."""

    def __init__(self) -> None:
        self._slots: dict[UUID, int] = {}
        self._filled: dict[UUID, set[UUID]] = defaultdict(set)
        """Order → assignments that hold a slot: promised, in service or served."""
        self._live: dict[UUID, _Promise] = {}
        """Assignment → the time promised; until the service is over."""
        self._of: dict[UUID, set[UUID]] = defaultdict(set)
        """Volunteer → their live assignments."""

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Take promises and their ends down."""
        event: Any = recorded.event
        if recorded.service != "orders":
            return
        match recorded.type:
            case "OrderPlaced" | "OrderVerified":
                self._slots[event.order_id] = event.slots
            case "OrderAccepted":
                yield from self._accepted(recorded, event)
            case "OrderRescheduled":
                yield from self._moved(recorded, event)
            case "OrderRedispatched":
                if event.from_assignment_id is not None:
                    self._free(event.order_id, [event.from_assignment_id])
            case "OrderCancelled" | "OrderUnfulfilled" | "OrderMerged" | "ResidentAbsentRecorded":
                self._free(event.order_id, event.released_assignments)
            case name if name in FREED_ONE:
                self._done(event, served=name in SERVED)
                yield from self._too_many(recorded, event.order_id)
            case _:
                pass  # says nothing about anybody's time

    def end(self) -> Iterator[str]:
        """Nothing is owed at the end."""
        yield from ()

    def _accepted(self, recorded: Recorded, event: Any) -> Iterator[str]:
        promise = _Promise(event.order_id, event.volunteer_id, event.busy_from, event.busy_until)
        yield from self._overlaps(recorded, promise, event.assignment_id)
        self._filled[event.order_id].add(event.assignment_id)
        self._live[event.assignment_id] = promise
        self._of[event.volunteer_id].add(event.assignment_id)
        yield from self._too_many(recorded, event.order_id)

    def _moved(self, recorded: Recorded, event: Any) -> Iterator[str]:
        """Whoever is asked anew holds the new time meanwhile; who could not fell out in the same append."""
        for staffing in event.awaiting:
            promise = self._live.get(staffing.assignment_id)
            if promise is not None:
                promise.busy_from, promise.busy_until = event.busy_from, event.busy_until
                yield from self._overlaps(recorded, promise, staffing.assignment_id)

    def _overlaps(self, recorded: Recorded, promise: _Promise, assignment_id: UUID) -> Iterator[str]:
        for other_id in self._of[promise.volunteer_id] - {assignment_id}:
            other = self._live[other_id]
            if other.busy_from < promise.busy_until and promise.busy_from < other.busy_until:
                yield at(
                    recorded, f"{promise.volunteer_id} promised one time to {other.order_id} and {promise.order_id}"
                )

    def _too_many(self, recorded: Recorded, order_id: UUID) -> Iterator[str]:
        filled, slots = len(self._filled[order_id]), self._slots.get(order_id, 0)
        if filled > slots:
            yield at(recorded, f"order {order_id} has {filled} for {slots} slots")

    def _done(self, event: Any, *, served: bool) -> None:
        if served:
            self._filled[event.order_id].add(event.assignment_id)
            self._end(event.assignment_id)
        else:
            self._free(event.order_id, [event.assignment_id])

    def _free(self, order_id: UUID, assignments: Iterable[UUID]) -> None:
        for assignment_id in assignments:
            self._filled[order_id].discard(assignment_id)
            self._end(assignment_id)

    def _end(self, assignment_id: UUID) -> None:
        promise = self._live.pop(assignment_id, None)
        if promise is not None:
            self._of[promise.volunteer_id].discard(assignment_id)
