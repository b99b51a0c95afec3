"""Appends that commit together: prepared before they wait, numbered and encoded before the head is locked."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import orjson

from contracts.envelope import Recorded, encode
from contracts.event import ContractError, Event
from contracts.ids import uuid7
from eventstore.config import LogConfig
from eventstore.errors import EventRefused, VersionConflict
from eventstore.idempotency import KEY_LENGTH_MAX, body_hmac, kept_answer
from eventstore.log.head import TreeHead
from eventstore.model import Append, Call, Committed

_LATER_MAX = 200
"""So many appends may be passed over in one batch: else a crowd on one stream would be looked through every time."""
_NO_ANSWER = orjson.Fragment(b"{}")


@dataclass(slots=True)
class PreparedEvent:
    """An event with all but its position and time."""

    stream: str
    version: int
    event_id: UUID
    event: Event
    json: bytes
    correlation_id: UUID | None
    causation_id: UUID | None
    traceparent: str | None


@dataclass(slots=True)
class Waiting:
    """An append on its way through the writer."""

    append: Append
    events: list[PreparedEvent]
    hmac: bytes
    answer: orjson.Fragment
    done: asyncio.Future[Committed]


def prepared(append: Append, config: LogConfig, done: asyncio.Future[Committed]) -> Waiting:
    """Check an append and serialise its events, in the caller's own time. Raises EventRefused.

    Raises VersionConflict when the append contradicts itself: no log could satisfy both of its expectations.
    """
    events: list[PreparedEvent] = []
    versions: dict[str, int] = {}
    metadata = append.metadata
    for part in append.streams:
        if part.expected_version < 0:
            raise EventRefused(f"{part.stream} cannot be expected at version {part.expected_version}")
        known = versions.get(part.stream, part.expected_version)
        if known != part.expected_version:
            raise VersionConflict(part.stream, part.expected_version, known)
        versions[part.stream] = known + len(part.events)
        correlation = part.correlation_id or metadata.correlation_id
        causation = part.causation_id or metadata.causation_id
        trace = part.traceparent or metadata.traceparent
        for version, event in enumerate(part.events, part.expected_version + 1):
            if event.service != config.service:
                raise EventRefused(f"{event.type} is of {event.service or 'no service'}, not of {config.service}")
            ids = (correlation, causation, trace)
            events.append(PreparedEvent(part.stream, version, uuid7(), event, event.to_json(), *ids))
    if len(events) > config.append_events_max:
        raise EventRefused(f"{len(events)} events in one append, at most {config.append_events_max}")
    call = append.call
    if call is None:
        return Waiting(append, events, b"", _NO_ANSWER, done)
    _check_call(call)
    return Waiting(append, events, body_hmac(config.idempotency_secret, call), kept_answer(call), done)


def _check_call(call: Call) -> None:
    for text in (call.key, call.scope):
        if not 0 < len(text) <= KEY_LENGTH_MAX or not text.isprintable():
            raise EventRefused(f"an idempotency key and its scope have 1 to {KEY_LENGTH_MAX} printable characters")


def gather(waiting: deque[Waiting], events_max: int) -> list[Waiting]:
    """Take appends from the queue that can be tried in one transaction; what must wait for them goes back to the front.

    An append joins only when its expectations hold after those before it in the batch: two decided on the same version
    of a stream, with the same key or the same step are tried one after the other: PostgreSQL decides, not a guess.
    """
    batch: list[Waiting] = []
    later: list[Waiting] = []
    after = _After()
    events = 0
    while waiting and events < events_max and len(later) < _LATER_MAX:
        item = waiting[0]
        if batch and events + len(item.events) > events_max:
            break
        waiting.popleft()
        if item.done.done():
            continue  # the caller gave up before anything was written
        if after.admits(item):
            batch.append(item)
            # An append without events costs about as much as one with.
            events += len(item.events) or 1
        else:
            later.append(item)
    waiting.extendleft(reversed(later))
    return batch


class _After:
    """What the appends admitted so far leave behind, if they succeed."""

    def __init__(self) -> None:
        self._versions: dict[str, int] = {}
        self._keys: set[tuple[str, str]] = set()
        self._steps: dict[str, int] = {}

    def admits(self, item: Waiting) -> bool:
        append = item.append
        call, step = append.call, append.step
        key = (call.scope, call.key) if call is not None else None
        if key in self._keys:
            return False
        if step is not None and self._steps.get(step.source, step.expected) != step.expected:
            return False
        versions = self._versions
        # An append's own parts follow each other (`prepared` saw to it): only the first of a stream can be in the way.
        first: set[str] = set()
        for part in append.streams:
            if part.stream not in first and versions.get(part.stream, part.expected_version) != part.expected_version:
                return False
            first.add(part.stream)
        for part in append.streams:
            versions[part.stream] = part.expected_version + len(part.events)
        if key is not None:
            self._keys.add(key)
        if step is not None:
            self._steps[step.source] = step.position
        return True


class ItemRefused(Exception):
    """One append of the batch can never be stored; `cause` is the answer for its caller."""

    def __init__(self, item: Waiting, cause: Exception) -> None:
        super().__init__(str(cause))
        self.item, self.cause = item, cause


@dataclass(slots=True)
class Numbered:
    """A batch numbered from a head: the arguments of the append function, and what is true once it is committed."""

    items: Sequence[Waiting]
    head: TreeHead
    arguments: tuple[Any, ...]
    committed: list[Committed]
    bodies: list[bytes]

    def recorded(self, config: LogConfig) -> list[Sequence[Recorded]]:
        """The events as read models see them, append by append."""
        bodies = iter(self.bodies)
        recorded_at = self.head.recorded_at
        if recorded_at is None:
            return []  # nothing was ever recorded, and nothing is in this batch
        found: list[Sequence[Recorded]] = []
        for item, committed in zip(self.items, self.committed, strict=True):
            metadata = item.append.metadata
            found.append(
                [
                    Recorded(
                        position=position,
                        stream=part.stream,
                        version=part.version,
                        event_id=part.event_id,
                        type=part.event.type,
                        service=config.service,
                        community=config.community,
                        generation=config.generation,
                        recorded_at=recorded_at,
                        event=part.event,
                        actor=metadata.actor,
                        correlation_id=part.correlation_id,
                        causation_id=part.causation_id,
                        traceparent=part.traceparent,
                        body=next(bodies),
                    )
                    for position, part in enumerate(item.events, committed.first_position)
                ]
            )
        return found


class _Encoding:
    """The events of a batch as they are encoded, one after another."""

    __slots__ = ("bodies", "leaf_hashes", "offset", "rows")

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.leaf_hashes: list[bytes] = []
        self.rows: list[tuple[str, int, UUID, str, int, int]] = []
        self.offset = 1

    def add(self, item: Waiting, position: int, recorded_at: datetime, config: LogConfig) -> int:
        """Encode an append's events after `position`; the position of the last."""
        service, community, actor = config.service, config.community, item.append.metadata.actor
        for part in item.events:
            position += 1
            type_name = part.event.type
            body = encode(
                part.json,
                type=type_name,
                service=service,
                version=part.event.version,
                community=community,
                position=position,
                stream=part.stream,
                streamversion=part.version,
                event_id=part.event_id,
                time=recorded_at,
                generation=config.generation,
                actor=actor,
                correlationid=part.correlation_id,
                causationid=part.causation_id,
                traceparent=part.traceparent,
            )
            self.bodies.append(body)
            self.leaf_hashes.append(sha256(b"\x00" + body).digest())
            self.rows.append((part.stream, part.version, part.event_id, type_name, self.offset, len(body)))
            self.offset += len(body)
        return position


def numbered(
    items: Sequence[Waiting], head: TreeHead, models: str | None, now: datetime, config: LogConfig
) -> Numbered:
    """Number, encode and hash a batch as it would follow `head`. Raises ItemRefused for the first that cannot be."""
    recorded_at = now if head.recorded_at is None else max(now, head.recorded_at)
    encoding = _Encoding()
    committed: list[Committed] = []
    position = head.size
    for item in items:
        first = position + 1
        try:
            position = encoding.add(item, position, recorded_at, config)
        except (ContractError, ValueError) as error:
            raise ItemRefused(item, EventRefused(str(error))) from error
        answer = item.append.call.answer if item.append.call is not None else {}
        committed.append(Committed(first, position, tuple([part.event_id for part in item.events]), answer))
    grown, tiles = head.grown(encoding.leaf_hashes, recorded_at) if encoding.rows else (head, [])
    batch = {
        "events": encoding.rows,
        "tiles": [(tile.level, tile.index, tile.root.hex()) for tile in tiles],
        "checks": _checks(items),
        "keys": _keys(items, committed),
        "steps": _steps(items),
    }
    arguments = (
        head.size,
        head.tree.to_bytes(),
        models,
        recorded_at,
        grown.tree.to_bytes(),
        b"".join(encoding.bodies),
        b"".join(encoding.leaf_hashes),
        orjson.dumps({name: rows for name, rows in batch.items() if rows}).decode(),
    )
    return Numbered(tuple(items), grown, arguments, committed, encoding.bodies)


def _checks(items: Sequence[Waiting]) -> list[tuple[int, str, int]]:
    """The first append to each stream says what version the stream must have; the others continue it."""
    first: dict[str, tuple[int, str, int]] = {}
    for number, item in enumerate(items):
        for part in item.append.streams:
            if part.stream not in first:
                first[part.stream] = (number, part.stream, part.expected_version)
    return list(first.values())


def _keys(items: Sequence[Waiting], committed: Sequence[Committed]) -> list[tuple[Any, ...]]:
    return [
        (number, call.scope, call.key, item.hmac.hex(), item.answer, done.first_position, done.last_position)
        for number, (item, done) in enumerate(zip(items, committed, strict=True))
        if (call := item.append.call) is not None
    ]


def _steps(items: Sequence[Waiting]) -> list[tuple[int, str, int, int]]:
    """A source's first step says where it must be, its last one where it will be."""
    steps: dict[str, tuple[int, str, int, int]] = {}
    for number, item in enumerate(items):
        step = item.append.step
        if step is not None:
            first, source, expected, _ = steps.get(step.source, (number, step.source, step.expected, 0))
            steps[step.source] = (first, source, expected, step.position)
    return list(steps.values())
