"""What is handed to a log and what comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.envelope import Recorded
from contracts.event import Event


@dataclass(frozen=True, slots=True)
class Metadata:
    """Who caused an append and what it belongs to; becomes extension attributes of every event in it."""

    actor: str
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class StreamAppend:
    """New events for one stream. `expected_version` is the number of events it must have now (0: it is new)."""

    stream: str
    expected_version: int
    events: Sequence[Event]
    causation_id: UUID | None = None
    """Overrides the append's causation id: in a consumer's batch each event has its own cause."""
    correlation_id: UUID | None = None
    traceparent: str | None = None
    """Overrides the append's: in a consumer's batch each event has its own trace, where somebody traces."""


@dataclass(frozen=True, slots=True)
class Call:
    """An idempotent request: the key is scoped to (actor, command), the body compared by HMAC."""

    scope: str
    key: str
    body: bytes
    answer: Mapping[str, Any] = field(default_factory=dict)
    """Ids to keep with the answer beside the positions; JSON values."""


@dataclass(frozen=True, slots=True)
class Step:
    """A consumer's progress: `source` is heard up to `expected` now, and up to `position` afterwards."""

    source: str
    expected: int
    position: int


@dataclass(frozen=True, slots=True)
class VaultChange:
    """One row to write to, or one key to destroy in, the service's vault together with the append (made by `Vault`)."""

    statement: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Append:
    """All or nothing: events of any number of streams (even none), the consumer's step, vault changes."""

    streams: Sequence[StreamAppend]
    metadata: Metadata
    call: Call | None = None
    step: Step | None = None
    heard: Sequence[Recorded] = ()
    """Events of another service, folded into this service's copies in the same transaction."""
    vault: Sequence[VaultChange] = ()
    dead_letters: Sequence["DeadLetter"] = ()


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A heard event that could not be handled."""

    source: str
    position: int
    event_id: UUID | None
    handler: str
    error: str
    body: bytes
    blocks: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """What an append left in the log. `replayed` is true when the answer is the first one of a repeated key."""

    first_position: int
    last_position: int
    event_ids: tuple[UUID, ...]
    answer: Mapping[str, Any] = field(default_factory=dict)
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """The log's size (= last position), Merkle root and last recording time."""

    size: int
    root: bytes
    recorded_at: datetime | None
