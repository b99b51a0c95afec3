"""The base of every event, the types its fields may have, and the registry of all event classes.

An event says what happened, for ever: it is stored, hashed and published as one and the same bytes. So it holds ids,
codes, times, whole numbers and commitments; never a name, an address or a sentence (architecture.md §1, sentence 8).
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

Audience = Literal["public", "partner", "internal"]
SERVICES = ("orders", "volunteers", "ledger", "notify")
"""The services whose events are declared here. Programs of others may declare theirs beside them."""


class ContractError(Exception):
    """What goes wrong between an event and its published form; the subclasses say which side is at fault."""


class UnknownEvent(ContractError):
    """No such event type is known for this service: park it, and update the contracts."""

    def __init__(self, service: str, type_name: str) -> None:
        super().__init__(f"unknown event {service}/{type_name}")
        self.service, self.type_name = service, type_name


class UnknownVersion(ContractError):
    """The event is of a version newer than this program knows, or an older one without an upcaster."""

    def __init__(self, service: str, type_name: str, version: int, newest: int) -> None:
        super().__init__(f"unknown version {version} of {service}/{type_name} (newest known: {newest})")
        self.service, self.type_name, self.version, self.newest = service, type_name, version, newest


class _UtcInstant:
    """An aware time, kept in UTC. Python callers may pass any zone; JSON must say `Z` (or +00:00)."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """JSON is checked wholly in pydantic-core (decoding is hot); only Python values pass through a function."""
        return core_schema.json_or_python_schema(
            json_schema=core_schema.datetime_schema(tz_constraint=0),
            python_schema=core_schema.no_info_after_validator_function(
                _to_utc, core_schema.datetime_schema(tz_constraint="aware")
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """RFC 3339, UTC."""
        return {"type": "string", "format": "date-time", "pattern": "(Z|\\+00:00)$"}


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Instant = Annotated[datetime, _UtcInstant]
"""A moment, UTC, RFC 3339 with `Z` in JSON; at most microseconds."""
Code = Annotated[str, Field(pattern=r"^[a-z0-9_:.\-]{1,64}$")]
"""A lower-case code from a list that somebody keeps: an item, a skill, a reason. Never words that a person typed."""
UnitCode = Annotated[str, Field(pattern=r"^[a-z0-9_:.\-]{1,64}$")]
"""The code of a place or body in the community's reference list: a grid, an entrance, a station."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""32 bytes in lower-case hex: SHA-256, or HMAC-SHA-256 under a salt that lies in the vault (a commitment)."""
OrderNo = Annotated[str, Field(pattern=r"^[0-9]{8}$")]
"""The number that people read out: eight digits, shown 4-4."""
ReceiptNo = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9\-]{0,31}$")]
"""The printed number of a receipt or a card: capitals, digits and hyphens."""
Signature = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/_\-]{16,256}={0,2}$")]
"""A signature in base64."""
Minutes = Annotated[int, Field(ge=0, le=1_000_000)]
"""Whole minutes."""
Count = Annotated[int, Field(ge=0, le=10_000)]
"""A small whole number: slots, waves, attempts."""
AmountFen = Annotated[int, Field(ge=1, le=100_000_000_000)]
"""Money in 分, more than nothing."""
Position = Annotated[int, Field(ge=0, le=2**53 - 1)]
"""A number of an event in its log, or of the events that a head counts."""
Origin = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}/[a-z][a-z0-9_]{0,31}(/[1-9][0-9]{0,3})?$")]
"""The origin that a log's heads are signed under: `chaoyangli/orders`, `chaoyangli/orders/2`."""
SignedAmount = Annotated[int, Field(ge=-(2**53) + 1, le=2**53 - 1)]
"""One side of a posting, in the unit named beside it; within what every JSON reader holds exactly."""


class Part(BaseModel):
    """A value inside an event: frozen, strict (nothing is converted), and lenient to fields added later."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class Event(Part):
    """Something that happened. A subclass that names its `service` and `audience` is registered and published:

    `class OrderPlaced(Event, service="orders", audience="public"):` and one docstring line, `中文 — english sentence.`
    The class is the newest version; older ones live on as committed schemas, golden files and `@upcasts` functions.
    """

    service: ClassVar[str] = ""
    audience: ClassVar[Audience] = "internal"
    version: ClassVar[int] = 0

    def __init_subclass__(
        cls, *, service: str = "", audience: Audience | None = None, version: int = 1, **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, service: str = "", audience: Audience | None = None, version: int = 1, **kwargs: Any
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not service:
            return
        cls.service, cls.version = service, version
        cls.audience = _checked(cls, service, audience, version)
        known = EVENTS.get((service, cls.__name__))
        if known is not None and known.version == version and known.__module__ != cls.__module__:
            raise TypeError(f"{service}/{cls.__name__}/{version} is declared twice")
        if known is None or known.version <= version:
            EVENTS[service, cls.__name__] = cls

    @property
    def type(self) -> str:
        """The one spelling: class name = stored type = subject token = schema file."""
        return self.__class__.__name__

    def to_json(self) -> bytes:
        """The `data` of the published event: compact JSON, fields in declared order, absent ones left out."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


EVENTS: dict[tuple[str, str], type[Event]] = {}
"""(service, type) → the newest class. Two services may say events of one name, such as PersonDataErased."""

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
UPCASTERS: dict[tuple[str, str, int], Upcaster] = {}
"""(service, type, from version) → the function that turns that version's data into the next one's."""

_DOCSTRING = re.compile(r"[\u3400-\u9fff][^\n]* — [a-z0-9][^\n]*\.")
_NAME = re.compile(r"(?:[A-Z][a-z]+){2,}")


def _checked(cls: type[Event], service: str, audience: Audience | None, version: int) -> Audience:
    name = cls.__name__
    if service not in SERVICES and cls.__module__.startswith("contracts."):
        raise TypeError(f"{name}: unknown service {service!r}")
    if audience is None:
        raise TypeError(f"{name}: say its audience: public, partner or internal")
    if version < 1:
        raise TypeError(f"{name}: versions begin at 1")
    if not _NAME.fullmatch(name) or name.endswith("Event"):
        raise TypeError(f"{name}: an event is named subject first, past tense, as in OrderPlaced")
    if not _DOCSTRING.fullmatch((cls.__dict__.get("__doc__") or "").strip()):
        raise TypeError(f"{name}: needs one docstring line, `中文 — english sentence.`")
    return audience


def event_class(type_name: str, service: str) -> type[Event]:
    """Return the newest class of this event. Raises UnknownEvent."""
    try:
        return EVENTS[service, type_name]
    except KeyError:
        raise UnknownEvent(service, type_name) from None


def upcasts(type_name: str, *, from_version: int, service: str) -> Callable[[Upcaster], Upcaster]:
    """Declare the function that turns the `data` of `from_version` into that of `from_version + 1`."""

    def register(function: Upcaster) -> Upcaster:
        key = (service, type_name, from_version)
        if key in UPCASTERS:
            raise TypeError(f"two upcasters from version {from_version} of {service}/{type_name}")
        UPCASTERS[key] = function
        return function

    return register


def upcast(data: dict[str, Any], type_name: str, service: str, version: int) -> dict[str, Any]:
    """Bring the data of an older version up to the newest. Raises UnknownEvent, UnknownVersion."""
    newest = event_class(type_name, service).version
    if not 1 <= version <= newest:
        raise UnknownVersion(service, type_name, version, newest)
    for step in range(version, newest):
        function = UPCASTERS.get((service, type_name, step))
        if function is None:
            raise UnknownVersion(service, type_name, version, newest)
        data = function(data)
    return data


class PersonDataErasedFields(Event):
    """What every service says after it destroyed its keys for an erased person, by its own PersonDataErased."""

    person_id: UUID
    source_event_id: UUID | None = None
    """The PersonErased that asked for it; absent in the service that says both in one append."""
    purposes: tuple[Code, ...]
    """What was destroyed, by purpose."""
    kept: tuple["KeptData", ...] = ()
    """What the law bids to keep, locked."""
    erased_at: Instant


class KeptData(Part):
    """Data kept under a legal period in spite of an erasure."""

    purpose: Code
    basis: Code
    """The rule it is kept under, such as `accounting_law_23`."""
    until: Instant | None = None


class PolicyAdoptedFields(Event):
    """What every service says when its rules' figures change; each declares its own PolicyAdopted."""

    policy_id: UUID
    policy_code: Code
    policy_version: Count
    settings: tuple["PolicySetting", ...]
    effective_from: Instant
    adopted_at: Instant


class PolicySetting(Part):
    """One figure of a policy. Its unit is the last word of the code, as in `offer_minutes`."""

    code: Code
    value: SignedAmount


class LossAcceptedFields(Event):
    """What a log says first in a new origin, by its service's own LossAccepted (decision 0010).

    Numbers from `first_lost` on belong to this origin from here; what was signed under them before was another history.
    """

    old_origin: Origin
    new_origin: Origin
    signed_size: Position
    """Events that the last head signed under the old origin counts."""
    signed_root: Digest
    """Its root hash, in hex."""
    first_lost: Position
    last_lost: Position
    proven_size: Position
    """So many of the events that are left hash to a head that was published; for those after them nobody vouches."""
    accepted_at: Instant


PersonDataErasedFields.model_rebuild()
PolicyAdoptedFields.model_rebuild()
