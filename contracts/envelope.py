"""The published form of an event: CloudEvents 1.0 JSON, encoded once, stored, hashed and sent as those bytes."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, NotRequired
from uuid import UUID

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import to_json
from typing_extensions import TypedDict

from contracts.event import ContractError, Event, Instant, UnknownEvent, UnknownVersion, event_class, upcast

__all__ = [
    "MAX_BODY_BYTES",
    "EventTooLarge",
    "Recorded",
    "UnknownEvent",
    "UnknownVersion",
    "UnreadableEvent",
    "dataschema",
    "decode",
    "encode",
]

MAX_BODY_BYTES = 65_535
"""An event's body is at most this long (architecture.md §3)."""
_TOKEN = re.compile(r"[a-z0-9][a-z0-9_\-]{0,62}")
_PLAIN = re.compile(r"[A-Za-z0-9_:.@/\-]{1,160}")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_SCHEMA_BASE = "urn:chaoyangli:schemas"


class EventTooLarge(ContractError, ValueError):
    """The body would be longer than MAX_BODY_BYTES: it can never be stored."""


class UnreadableEvent(ContractError, ValueError):
    """These bytes are not an event as it is published. `reason` says what is wrong, with no value from the bytes."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True, frozen=True)
class Recorded:
    """An event as it lies in a log: what happened, and where, when and by whom it was recorded."""

    position: int
    """Its number in the service's log, from 1, without gaps."""
    stream: str
    version: int
    """Its number in the stream, from 1."""
    event_id: UUID
    type: str
    service: str
    community: str
    recorded_at: datetime
    """UTC; never decreases within a log."""
    event: Event
    actor: str | None
    correlation_id: UUID | None
    causation_id: UUID | None
    traceparent: str | None
    body: bytes
    """The exact bytes stored, hashed and sent."""


def dataschema(service: str, type_name: str, version: int) -> str:
    """The schema's name in the envelope: an absolute URI, as CloudEvents 1.0 asks; its last segment is the version."""
    return f"{_SCHEMA_BASE}/{service}/{type_name}/{version}"


@lru_cache(maxsize=4096)
def _fixed_parts(community: str, service: str, type_name: str, version: int) -> tuple[str, str]:
    for token in (community, service):
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"{token!r} cannot be a part of an event's source")
    event_class(type_name, service)
    before = f'","source":"/{community}/{service}","type":"{type_name}","subject":"'
    schema = dataschema(service, type_name, version)
    after = f'","datacontenttype":"application/json","dataschema":"{schema}","position":'
    return before, after


def encode(
    event_json: bytes,
    *,
    type: str,  # noqa: A002 — the attribute's own name
    service: str,
    version: int,
    community: str,
    position: int,
    stream: str,
    streamversion: int,
    event_id: UUID,
    time: datetime,
    actor: str | None = None,
    correlationid: UUID | None = None,
    causationid: UUID | None = None,
    traceparent: str | None = None,
) -> bytes:
    """Return the CloudEvent's bytes, keys in fixed order, around `event_json` (Event.to_json(), made once).

    `time` is the recording time. Raises EventTooLarge; ValueError for text that has no place in an attribute.
    """
    before, after = _fixed_parts(community, service, type, version)
    if not _PLAIN.fullmatch(stream):
        raise ValueError(f"{stream!r} cannot be a stream")
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    head = (
        f'{{"specversion":"1.0","id":"{event_id}{before}{stream}","time":"{time.isoformat(timespec="microseconds")[:-6]}Z'
        f'{after}{position},"streamversion":{streamversion}'
    )
    if correlationid is not None:
        head += f',"correlationid":"{correlationid}"'
    if causationid is not None:
        head += f',"causationid":"{causationid}"'
    if actor is not None:
        if not _PLAIN.fullmatch(actor):
            raise ValueError("an actor is an opaque id, letters, digits and -_:.@/ only")
        head += f',"actor":"{actor}"'
    if traceparent is not None:
        if not _TRACEPARENT.fullmatch(traceparent):
            raise ValueError("traceparent is not as W3C Trace Context has it")
        head += f',"traceparent":"{traceparent}"'
    body = b'%b,"data":%b}' % (head.encode(), event_json)
    if len(body) > MAX_BODY_BYTES:
        raise EventTooLarge(f"{service}/{type}: {len(body)} bytes, at most {MAX_BODY_BYTES}")
    return body


@with_config(ConfigDict(extra="ignore", strict=True))
class _Envelope(TypedDict):
    """The attributes as CloudEvents 1.0 names them; `data` is checked against the event's class."""

    specversion: Literal["1.0"]
    id: UUID
    source: str
    type: str
    subject: str
    time: Instant
    datacontenttype: Literal["application/json"]
    dataschema: str
    position: int
    streamversion: int
    correlationid: NotRequired[UUID]
    causationid: NotRequired[UUID]
    actor: NotRequired[str]
    traceparent: NotRequired[str]
    data: dict[str, Any]


_ENVELOPE = TypeAdapter(_Envelope)
_SOURCE = re.compile(r"/([a-z0-9][a-z0-9_\-]*)/([a-z0-9][a-z0-9_\-]*)")


def decode(body: bytes) -> Recorded:
    """Read one event. Raises UnreadableEvent, UnknownEvent or UnknownVersion; never anything else."""
    try:
        envelope = _ENVELOPE.validate_json(body)
    except ValidationError as error:
        raise UnreadableEvent(_reason(error)) from None
    source = _SOURCE.fullmatch(envelope["source"])
    if source is None:
        raise UnreadableEvent("source is not /community/service")
    community, service = source.groups()
    type_name = envelope["type"]
    cls = event_class(type_name, service)
    version = _schema_version(envelope["dataschema"], service, type_name)
    data = envelope["data"]
    if version != cls.version:
        data = upcast(data, type_name, service, version)
    try:
        event = cls.model_validate_json(to_json(data))
    except ValidationError as error:
        raise UnreadableEvent(_reason(error)) from None
    return Recorded(
        position=envelope["position"],
        stream=envelope["subject"],
        version=envelope["streamversion"],
        event_id=envelope["id"],
        type=type_name,
        service=service,
        community=community,
        recorded_at=envelope["time"],
        event=event,
        actor=envelope.get("actor"),
        correlation_id=envelope.get("correlationid"),
        causation_id=envelope.get("causationid"),
        traceparent=envelope.get("traceparent"),
        body=body,
    )


def _schema_version(schema: str, service: str, type_name: str) -> int:
    named, _, version = schema.rpartition("/")
    if named != f"{_SCHEMA_BASE}/{service}/{type_name}" or not version.isdecimal():
        raise UnreadableEvent("dataschema does not name this event's schema and version")
    return int(version)


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
