"""Measures and honours: two persons for a suspension, three for a star (domain.md §4.3, §4.7)."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from cli.audit.breaches import apart, at, snake
from contracts.envelope import Recorded


class People:
    """Follows suspensions and stars."""

    def __init__(self) -> None:
        self._stars: dict[UUID, dict[str, Any]] = {}

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Compare who acts with who acted before."""
        event: Any = recorded.event
        match recorded.type:
            case "VolunteerSuspended":
                yield from self._suspended(recorded, event)
            case "StarThresholdReached":
                self._stars[event.star_id] = {"reached": True}
            case "StarNominated" | "StarPublicized" | "StarObjected" | "StarAwarded" | "StarReviewOpened":
                star = self._stars.setdefault(event.star_id, {})
                yield from getattr(self, f"_on_{snake(recorded.type)}")(recorded, event, star)
            case _:
                pass  # another check's

    def end(self) -> Iterator[str]:
        """Nothing is owed at the end."""
        yield from ()

    def _suspended(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if event.suspended_by is None:
            return
        if event.seconded_by is None:
            yield at(recorded, "one person suspended somebody alone")
        others = [event.seconded_by, event.volunteer_id]
        yield from apart(recorded, who=event.suspended_by, others=others, what="one person suspended somebody alone")

    def _on_star_nominated(self, recorded: Recorded, event: Any, star: dict[str, Any]) -> Iterator[str]:
        if not star.get("reached"):
            yield at(recorded, "the minutes had not reached it")
        star["nominated_by"] = event.nominated_by
        yield from apart(
            recorded, who=event.nominated_by, others=[event.volunteer_id], what="they put themselves forward"
        )

    def _on_star_publicized(self, recorded: Recorded, event: Any, star: dict[str, Any]) -> Iterator[str]:
        star.update(due_at=event.due_at, objected=False)
        others = [star.get("nominated_by"), event.volunteer_id]
        yield from apart(recorded, who=event.publicized_by, others=others, what="who put it forward showed it")

    def _on_star_objected(self, _recorded: Recorded, _event: Any, star: dict[str, Any]) -> Iterator[str]:
        star["objected"] = True
        yield from ()

    def _on_star_awarded(self, recorded: Recorded, event: Any, star: dict[str, Any]) -> Iterator[str]:
        if star.get("due_at") is None or event.awarded_at < star["due_at"]:
            yield at(recorded, "its publicity was not over")
        if star.get("objected"):
            yield at(recorded, "an objection was open")
        if event.counted_minutes < event.threshold_minutes:
            yield at(recorded, "the minutes are below its level")
        others = [star.get("nominated_by"), event.volunteer_id]
        yield from apart(recorded, who=event.awarded_by, others=others, what="who put it forward awarded it")

    def _on_star_review_opened(self, recorded: Recorded, event: Any, star: dict[str, Any]) -> Iterator[str]:
        star["reached"] = False
        if event.counted_minutes >= event.threshold_minutes:
            yield at(recorded, "the minutes still reach it")
