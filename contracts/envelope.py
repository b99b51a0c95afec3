"""The published form of an event: CloudEvents 1.0 JSON, encoded once, stored, hashed and sent as those bytes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, NotRequired
from uuid import UUID

from pydantic import ConfigDict, Field, GetCoreSchemaHandler, TypeAdapter, ValidationError, with_config
from pydantic_core import CoreSchema, core_schema, to_json
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
    "skim",
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
    generation: int
    """Which origin of its log it was recorded under, from 1: it grows when a loss was accepted (decision 0010)."""
    recorded_at: datetime
    """UTC; never decreases within a log."""
    event: Event
    actor: str | None
    correlation_id: UUID | None
    causation_id: UUID | None
    traceparent: str | None
    body: bytes
    """The exact bytes stored, hashed and sent."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """What `skim` left unread is read now, all of it. Raises as `decode` does."""
            if name not in _LEFT_UNREAD:
                raise AttributeError(f"Recorded has no attribute {name!r}")
            whole = decode(self.body)
            for each in _LEFT_UNREAD:
                _SLOTS[each].__set__(self, getattr(whole, each))
            return getattr(self, name)


_LEFT_UNREAD = (
    "event_id",
    "community",
    "generation",
    "recorded_at",
    "actor",
    "correlation_id",
    "causation_id",
    "traceparent",
)
_SLOTS = vars(Recorded)
"""Recorded is frozen; its slots' own descriptors still write, once, before anybody else sees it."""


def dataschema(service: str, type_name: str, version: int) -> str:
    """The schema's name in the envelope: an absolute URI, as CloudEvents 1.0 asks; its last segment is the version."""
    return f"{_SCHEMA_BASE}/{service}/{type_name}/{version}"


@lru_cache(maxsize=4096)
def _fixed_parts(community: str, service: str, type_name: str, version: int, generation: int = 1) -> tuple[str, str]:
    for token in (community, service):
        if not _TOKEN.fullmatch(token):
            raise ValueError(f"{token!r} cannot be a part of an event's source")
    event_class(type_name, service)
    origin = f"/{community}/{service}" if generation == 1 else f"/{community}/{service}/{generation}"
    before = f'","source":"{origin}","type":"{type_name}","subject":"'
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
    generation: int = 1,
    actor: str | None = None,
    correlationid: UUID | None = None,
    causationid: UUID | None = None,
    traceparent: str | None = None,
) -> bytes:
    """Return the CloudEvent's bytes, keys in fixed order, around `event_json` (Event.to_json(), made once).

    `time` is the recording time; `generation` says which origin of its log counts, from 1. Raises EventTooLarge;
    ValueError for text that has no place in an attribute.
    """
    before, after = _fixed_parts(community, service, type, version, generation)
    if not _PLAIN.fullmatch(stream):
        raise ValueError(f"{stream!r} cannot be a stream")
    if time.tzinfo is not UTC:
        time = time.astimezone(UTC)
    recorded = time.isoformat(timespec="microseconds")[:-6]
    head = (
        f'{{"specversion":"1.0","id":"{event_id}{before}{stream}","time":"{recorded}Z{after}'
        f'{position},"streamversion":{streamversion}'
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


Ordinal = Annotated[int, Field(ge=1, le=2**63 - 1)]


@with_config(ConfigDict(extra="ignore", strict=True))
class _Envelope(TypedDict):
    """The attributes as CloudEvents 1.0 names them, and ours; `data` is checked against the event's class."""

    specversion: Literal["1.0"]
    id: UUID
    source: str
    type: str
    subject: str
    time: Instant
    datacontenttype: Literal["application/json"]
    dataschema: str
    position: Ordinal
    streamversion: Ordinal
    correlationid: NotRequired[UUID]
    causationid: NotRequired[UUID]
    actor: NotRequired[str]
    traceparent: NotRequired[str]
    data: dict[str, Any]


_ENVELOPE = TypeAdapter(_Envelope)
_SOURCE = re.compile(r"/([a-z0-9][a-z0-9_\-]*)/([a-z0-9][a-z0-9_\-]*)(?:/([2-9]|[1-9][0-9]{1,3}))?")
_HEAD = b'{"specversion":"1.0","id":"'
_SOURCE_AT = len(_HEAD) + 36
_TIME_LENGTH = len('","time":"2026-01-01T00:00:00.000000Z')

_Reader = Callable[[bytes], Recorded]
_READERS: dict[bytes, tuple[_Reader, _Reader]] = {}
"""What our own encoder writes for source, type and dataschema → the readers of exactly that: whole, and skimming."""
_READERS_MAX = 10_000


def decode(body: bytes) -> Recorded:
    """Read one event. Raises UnreadableEvent, UnknownEvent or UnknownVersion, and nothing else.

    A body as `encode` writes it is read in one pass of a reader made for its class; any other JSON goes the long way.
    """
    return _read(body, 0)


def skim(body: bytes) -> Recorded:
    """Read one event from one's own log as a fold needs it: what happened, and its place. Raises as `decode` does.

    The event itself is checked as ever. Who recorded it, when, and on what account is read, and checked, once somebody
    asks for it: most folds never do, and it is a third of the work.
    """
    return _read(body, 1)


def _read(body: bytes, which: int) -> Recorded:
    subject_at = body.find(b'","subject":"', _SOURCE_AT)
    schema_at = body.find(b'","time":"', subject_at) + _TIME_LENGTH
    names = body[_SOURCE_AT:subject_at] + body[schema_at : body.find(b',"position":', schema_at)]
    readers = _READERS.get(names)
    if readers is not None and body.startswith(_HEAD):
        try:
            return readers[which](body)
        except ValidationError:
            return _decode_any(body, names)  # which says what is wrong
    return _decode_any(body, names)


def _decode_any(body: bytes, names: bytes) -> Recorded:
    if len(body) > MAX_BODY_BYTES:
        raise UnreadableEvent(f"longer than {MAX_BODY_BYTES} bytes")
    try:
        envelope = _ENVELOPE.validate_json(body)
    except ValidationError as error:
        raise UnreadableEvent(_reason(error)) from None
    source = _SOURCE.fullmatch(envelope["source"])
    if source is None:
        raise UnreadableEvent("source is neither /community/service nor /community/service/number")
    community, service, later = source.groups()
    generation = int(later or 1)
    type_name = envelope["type"]
    cls = event_class(type_name, service)
    version = _schema_version(envelope["dataschema"], service, type_name)
    data = envelope["data"]
    if version != cls.version:
        try:
            data = upcast(data, type_name, service, version)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableEvent(f"data is not as version {version} has it ({type(error).__name__})") from None
    try:
        event = cls.model_validate_json(to_json(data))
    except ValidationError as error:
        raise UnreadableEvent("data." + _reason(error)) from None
    if version == cls.version and names == _names(community, cls, generation) and len(_READERS) < _READERS_MAX:
        _READERS[names] = _whole_reader(community, cls, generation), _skimming_reader(cls)
    return Recorded(
        position=envelope["position"],
        stream=envelope["subject"],
        version=envelope["streamversion"],
        event_id=envelope["id"],
        type=type_name,
        service=service,
        community=community,
        generation=generation,
        recorded_at=envelope["time"],
        event=event,
        actor=envelope.get("actor"),
        correlation_id=envelope.get("correlationid"),
        causation_id=envelope.get("causationid"),
        traceparent=envelope.get("traceparent"),
        body=body,
    )


def _names(community: str, cls: type[Event], generation: int) -> bytes:
    """The parts of an encoded body that name its reader: from `","source":` on, and from `","datacontenttype":` on."""
    before, after = _fixed_parts(community, cls.service, cls.__name__, cls.version, generation)
    return (before.removesuffix('","subject":"') + after.removesuffix(',"position":')).encode()


def _field(name: str, attribute: str, schema: CoreSchema, *, required: bool = True) -> core_schema.DataclassField:
    if not required:
        schema = core_schema.with_default_schema(schema, default=None)
    return core_schema.dataclass_field(name, schema, validation_alias=attribute)


def _place_and_event(cls: type[Event], handler: GetCoreSchemaHandler) -> list[core_schema.DataclassField]:
    ordinal = handler.generate_schema(Ordinal)
    return [
        _field("position", "position", ordinal),
        _field("stream", "subject", core_schema.str_schema()),
        _field("version", "streamversion", ordinal),
        _field("event", "data", handler.generate_schema(cls)),
    ]


def _rest(handler: GetCoreSchemaHandler) -> list[core_schema.DataclassField]:
    text, uuid = core_schema.str_schema(), core_schema.uuid_schema()
    return [
        _field("event_id", "id", uuid),
        _field("recorded_at", "time", handler.generate_schema(Instant)),
        _field("actor", "actor", text, required=False),
        _field("correlation_id", "correlationid", uuid, required=False),
        _field("causation_id", "causationid", uuid, required=False),
        _field("traceparent", "traceparent", text, required=False),
    ]


def _validator(cls: type[Event], *, whole: bool) -> Callable[[bytes], Recorded]:
    """Bodies of one class straight into Recorded."""

    class Target:
        @classmethod
        def __get_pydantic_core_schema__(cls_, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: N804
            fields = _place_and_event(cls, handler) + (_rest(handler) if whole else [])
            arguments = core_schema.dataclass_args_schema("Recorded", fields, extra_behavior="ignore")
            names = [each["name"] for each in fields]
            return core_schema.dataclass_schema(Recorded, arguments, names, slots=True, config={"strict": True})

    validate: Callable[[bytes], Recorded] = TypeAdapter(Target).validator.validate_json
    return validate


def _whole_reader(community: str, cls: type[Event], generation: int) -> _Reader:
    validate, service, type_name = _validator(cls, whole=True), cls.service, cls.__name__
    set_body, set_type = _SLOTS["body"].__set__, _SLOTS["type"].__set__
    set_service, set_community = _SLOTS["service"].__set__, _SLOTS["community"].__set__
    set_generation = _SLOTS["generation"].__set__

    def read(body: bytes) -> Recorded:
        recorded = validate(body)
        set_body(recorded, body)
        set_type(recorded, type_name)
        set_service(recorded, service)
        set_community(recorded, community)
        set_generation(recorded, generation)
        return recorded

    return read


def _skimming_reader(cls: type[Event]) -> _Reader:
    validate, service, type_name = _validator(cls, whole=False), cls.service, cls.__name__
    set_body, set_type, set_service = (_SLOTS[name].__set__ for name in ("body", "type", "service"))

    def read(body: bytes) -> Recorded:
        recorded = validate(body)
        set_body(recorded, body)
        set_type(recorded, type_name)
        set_service(recorded, service)
        return recorded

    return read


def _schema_version(schema: str, service: str, type_name: str) -> int:
    named, _, version = schema.rpartition("/")
    if named != f"{_SCHEMA_BASE}/{service}/{type_name}" or not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise UnreadableEvent("dataschema does not name this event's schema and version")
    return int(version)


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"]
