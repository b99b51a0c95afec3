"""Small histories for the audit to read: events of contracts/examples with other values, in three logs."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.envelope import Recorded, decode

EXAMPLES = Path(__file__).parents[3] / "contracts" / "examples"
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RESIDENT, HELPER, OTHER, DISPATCHER, REVIEWER, AUDITOR, STATION, LEADER = (UUID(int=number) for number in range(1, 9))
SERVICES = ("orders", "volunteers", "ledger")


def moment(minutes: int) -> str:
    """So many minutes after the beginning."""
    return (BEGIN + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


@dataclass
class Said:
    """One event before it is recorded."""

    service: str
    type: str
    stream: str
    actor: UUID | None
    data: dict[str, Any]


@dataclass
class History:
    """What was said, in order; `recorded` numbers it per log."""

    said: list[Said] = field(default_factory=list)

    def say(self, service: str, event_type: str, stream: str, by: UUID | None, **data: Any) -> None:
        example = json.loads((EXAMPLES / service / f"{event_type}.json").read_text(encoding="utf-8"))["data"]
        unknown = data.keys() - example.keys() - OPTIONAL
        assert not unknown, f"{event_type} has no {unknown}"
        self.said.append(Said(service, event_type, stream, by, {**example, **data}))

    def recorded(self) -> list[Recorded]:
        """The logs, one after the other."""
        found: list[Recorded] = []
        for service in SERVICES:
            mine = [said for said in self.said if said.service == service]
            for position, said in enumerate(mine, 1):
                body = json.loads((EXAMPLES / service / f"{said.type}.json").read_text(encoding="utf-8"))
                body |= {
                    "id": str(event_id(service, position)),
                    "subject": said.stream,
                    "position": position,
                    "actor": "system" if said.actor is None else str(said.actor),
                    "data": said.data,
                }
                found.append(decode(json.dumps(body, separators=(",", ":"), default=str).encode()))
        return found

    def find(self, event_type: str, number: int = 0) -> dict[str, Any]:
        """The data of an event, to be changed."""
        return [said for said in self.said if said.type == event_type][number].data

    def drop(self, event_type: str) -> None:
        """Take all events of a type out."""
        self.said = [said for said in self.said if said.type != event_type]

    def twice(self, event_type: str) -> None:
        """Say an event a second time, just after the first."""
        at = next(place for place, said in enumerate(self.said) if said.type == event_type)
        self.said.insert(at, self.said[at])


OPTIONAL = frozenset(
    {"next_due_at", "next_due_for", "owner_role", "source_event_id", "recorded_by", "order_id", "inquiry_id",
     "suspended_by", "seconded_by", "reverses", "hours", "approvals", "due_at", "rating_id"}
)  # fmt: skip
"""Fields that an event may have and its example need not show."""


def event_id(service: str, position: int) -> UUID:
    """The id of the event at a position."""
    return UUID(f"01900000-0000-7000-8000-{SERVICES.index(service):02d}{position:010d}")
