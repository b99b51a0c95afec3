"""Separation of duties among those around an order: who served does not judge, who decides had no part in it.

domain.md §4.0 (SoD), §4.1 rows 18, 21, 24, 28, 30, §4.2, §4.7.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cli.audit.breaches import apart, at, person, snake
from contracts.envelope import Recorded

AMEND_DAYS = 7
_CHECK_OPEN = "a welfare check of it is open"


@dataclass(slots=True)
class _Parts:
    """Who had which part in an order."""

    servers: set[UUID] = field(default_factory=set)
    dispatchers: set[UUID] = field(default_factory=set)
    rated_at: datetime | None = None
    ratings: set[UUID] = field(default_factory=set)
    open_checks: set[UUID] = field(default_factory=set)
    contested_by: UUID | None = None
    resolved_by: set[UUID] = field(default_factory=set)


class Duties:
    """Follows who did what."""

    def __init__(self) -> None:
        self._orders: dict[UUID, _Parts] = {}
        self._disputes: dict[UUID, tuple[UUID | None, set[UUID]]] = {}
        self._checks: dict[UUID, UUID | None] = {}

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Compare who acts with who must not."""
        if recorded.service != "orders":
            return
        rule = getattr(self, f"_on_{snake(recorded.type)}", None)
        if rule is not None:
            yield from rule(recorded, recorded.event)

    def end(self) -> Iterator[str]:
        """No worry is left open."""
        for check_id, order_id in self._checks.items():
            yield f"welfare check {check_id} of order {order_id} was never closed"

    def _of(self, event: Any) -> _Parts:
        return self._orders.setdefault(event.order_id, _Parts())

    def _on_order_verified(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        if event.verified_by is not None:
            self._of(event).dispatchers.add(event.verified_by)
        yield from ()

    def _on_order_dispatched(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        if event.dispatched_by is not None:
            self._of(event).dispatchers.add(event.dispatched_by)
        yield from ()

    _on_order_redispatched = _on_order_dispatched

    def _on_service_started(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._of(event).servers.add(event.volunteer_id)
        yield from ()

    def _on_service_recorded_afterwards(self, recorded: Recorded, event: Any) -> Iterator[str]:
        self._of(event).servers.add(event.volunteer_id)
        yield from apart(
            recorded, who=event.recorded_by, others=[event.volunteer_id], what="who served wrote it down themselves"
        )

    def _on_volunteer_no_show_recorded(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if person(recorded) is None:
            yield at(recorded, "no person said that the volunteer did not come")
        others = [event.volunteer_id]
        yield from apart(recorded, who=event.reported_by, others=others, what="the volunteer reported themselves")

    def _on_completion_confirmed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        servers = self._of(event).servers
        yield from apart(recorded, who=event.confirmed_by, others=servers, what="who served confirmed it")

    def _on_order_rated(self, recorded: Recorded, event: Any) -> Iterator[str]:
        parts = self._of(event)
        if parts.rated_at is not None:
            yield at(recorded, "the order was rated before")
        parts.rated_at = event.rated_at
        parts.ratings = {event.rating_id or event.order_id}
        yield from self._rated(recorded, event, parts)

    def _on_order_rating_amended(self, recorded: Recorded, event: Any) -> Iterator[str]:
        parts = self._of(event)
        if parts.rated_at is None or event.supersedes not in parts.ratings:
            yield at(recorded, "it supersedes no rating")
        elif event.amended_at > parts.rated_at + timedelta(days=AMEND_DAYS):
            yield at(recorded, f"it was amended after more than {AMEND_DAYS} days")
        parts.ratings.add(event.rating_id)
        yield from self._rated(recorded, event, parts)

    def _rated(self, recorded: Recorded, event: Any, parts: _Parts) -> Iterator[str]:
        yield from apart(recorded, who=event.rater_id, others=parts.servers, what="who served rated it")
        if event.rater_kind == "reviewer":
            yield from apart(recorded, who=event.rater_id, others=parts.dispatchers, what="who dispatched it rated it")

    def _on_follow_up_contacted(self, recorded: Recorded, event: Any) -> Iterator[str]:
        parts = self._of(event)
        others = parts.servers | parts.dispatchers
        yield from apart(recorded, who=event.contacted_by, others=others, what="the reviewer had a part in the order")

    def _on_follow_up_dismissed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        parts = self._of(event)
        yield from apart(recorded, who=event.dismissed_by, others=[event.seconded_by], what="one person dismissed it")
        for who in (event.dismissed_by, event.seconded_by):
            yield from apart(recorded, who=who, others=parts.servers, what="who served dismissed it")

    def _on_rectification_verified(self, recorded: Recorded, event: Any) -> Iterator[str]:
        servers = self._of(event).servers
        yield from apart(recorded, who=event.verified_by, others=servers, what="who served found it put right")

    def _on_order_unfulfilled(self, recorded: Recorded, event: Any) -> Iterator[str]:
        others = [event.seconded_by]
        yield from apart(recorded, who=event.declared_by, others=others, what="one person gave it up alone")

    def _on_completion_contested(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._disputes[event.dispute_id] = (event.contested_by, set())
        yield from ()

    def _on_dispute_raised(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._disputes[event.dispute_id] = (event.raised_by, set())
        yield from ()

    def _on_dispute_resolved(self, recorded: Recorded, event: Any) -> Iterator[str]:
        raised_by, resolved = self._disputes.setdefault(event.dispute_id, (None, set()))
        servers = set() if event.order_id is None else self._of(event).servers
        others = {raised_by, event.raised_for, *servers}
        yield from apart(recorded, who=event.resolved_by, others=others, what="who decided had a part in it")
        yield from apart(recorded, who=event.resolved_by, others=resolved, what="one person decided it twice")
        resolved.add(event.resolved_by)

    def _on_welfare_check_raised(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._checks[event.check_id] = event.order_id
        if event.order_id is not None:
            self._of(event).open_checks.add(event.check_id)
        yield from ()

    def _on_welfare_check_closed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if person(recorded) is None:
            yield at(recorded, "no person closed it")
        self._checks.pop(event.check_id, None)
        if event.order_id is not None:
            self._of(event).open_checks.discard(event.check_id)

    def _on_order_closed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if self._of(event).open_checks:
            yield at(recorded, _CHECK_OPEN)

    def _on_order_cancelled(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if self._of(event).open_checks:
            yield at(recorded, _CHECK_OPEN)
