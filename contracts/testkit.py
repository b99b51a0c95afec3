"""For those who subscribe: what their program will meet one day, to be tried before it does.

    given = deliveries(["orders.OrderVerified", "ledger.EntryPosted"])
    for each in given:
        mine.receive(each.body)  # as a feed, a stream or a webhook hands it over
    assert mine.handled == [each.id for each in given if each.expect == "handle"]

It needs pydantic and this package, no server. What subscribers are promised: contracts/CATALOGUE.md.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal
from uuid import NAMESPACE_URL, uuid5

from contracts.event import EVENTS, UnknownEvent
from contracts.generator.examples import all_examples
from contracts.generator.schemas import event_schema

Expect = Literal["handle", "skip", "park"]
"""`handle`: it is new, do your work. `skip`: you had it. `park`: keep it until your program knows it; never fail."""

CASES = {
    "every_event": "each event once, with every field that its class has; positions skip what the list does not name",
    "again": "the last event a second time: its id tells",
    "resumed": "the last events again, in order, as after a restart that lost a little of your place",
    "fields_absent": "each event with only the fields that it must have: absent means null",
    "field_added": "fields that did not exist when you wrote your program, in the data and in the envelope",
    "version_unknown": "a version of an event that you do not know: the last segment of dataschema",
    "type_unknown": "an event that you do not know at all",
    "new_origin": "after a loss that was accepted: another source, in which a position that you know is another event",
}
"""What is tried, and what it is about."""
_LOSS = "LossAccepted"
_STEP = 3
"""Positions between two deliveries: a subscription to some events skips the others."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event as it may be handed over, and what a subscriber should do with it."""

    case: str
    """A key of CASES."""
    id: str
    """The event's id: whatever has been handled under it is not handled again."""
    body: bytes
    """A CloudEvent 1.0 in JSON, as it is published."""
    expect: Expect


def deliveries(events: Iterable[str]) -> list[Delivery]:
    """Everything that subscribers to these events (`<service>.<Event>`) should be ready for, in the order of delivery.

    The same at every call; people in it are invented ids. Raises UnknownEvent.
    """
    by_service: dict[str, list[str]] = {}
    for event in sorted(set(events)):
        service, _, name = event.partition(".")
        if (service, name) not in EVENTS:
            raise UnknownEvent(service, name)
        by_service.setdefault(service, []).append(name)
    return [each for service, names in by_service.items() for each in _Log(service, names).told()]


class _Log:
    """A log as a subscriber to some of its events sees it."""

    def __init__(self, service: str, names: list[str]) -> None:
        self._service = service
        self._names = [name for name in names if name != _LOSS]
        self._position = 0
        self._recorded_at = datetime(2026, 3, 5, 2, 0, tzinfo=UTC)
        self._examples = {name: _files()[f"examples/{service}/{name}.json"] for name in names}

    def told(self) -> Iterator[Delivery]:
        if self._names:
            yield from self._first_origin()
        if _LOSS in self._examples:
            yield from self._begun_anew()

    def _first_origin(self) -> Iterator[Delivery]:
        first = [self._new("every_event", name) for name in self._names]
        yield from first
        yield from (self._repeated("again", each) for each in first[-1:])
        yield from (self._repeated("resumed", each) for each in first[-5:])
        yield from (self._new("fields_absent", name, data=self._needed(name)) for name in self._names)
        grown = {**json.loads(self._examples[self._names[0]])["data"], "added_later": {"code": "not_known_yet"}}
        yield self._new("field_added", self._names[0], data=grown, addedlater="7")
        later = f"urn:chaoyangli:schemas/{self._service}/{self._names[0]}/99"
        yield self._new("version_unknown", self._names[0], "park", dataschema=later, data={"shaped": ["otherwise"]})
        unheard = f"urn:chaoyangli:schemas/{self._service}/SomethingUnheard/1"
        yield self._new("type_unknown", self._names[0], "park", type="SomethingUnheard", dataschema=unheard)

    def _begun_anew(self) -> Iterator[Delivery]:
        """What was told from the second event on is lost; its positions come again under another source."""
        source = json.loads(self._examples[_LOSS])["source"]
        self._position = _STEP
        for name in (_LOSS, *self._names[:1]):
            yield self._new("new_origin", name, source=source)

    def _new(self, case: str, name: str, expect: Expect = "handle", **changes: Any) -> Delivery:
        self._position += _STEP
        event: dict[str, Any] = json.loads(self._examples[name])
        made = str(uuid5(NAMESPACE_URL, f"{case}/{self._service}/{name}/{self._position}"))
        self._recorded_at += timedelta(seconds=1)
        time = self._recorded_at.isoformat(timespec="microseconds")
        event |= {"id": made, "position": self._position, "time": time.replace("+00:00", "Z")}
        return Delivery(case, made, _as_published({**event, **changes}), expect)

    def _needed(self, name: str) -> dict[str, Any]:
        """The example's data without what may be absent."""
        needed = _required(self._service, name)
        data = json.loads(self._examples[name])["data"]
        return {field: value for field, value in data.items() if field in needed}

    @staticmethod
    def _repeated(case: str, before: Delivery) -> Delivery:
        return Delivery(case, before.id, before.body, "skip")


@cache
def _files() -> dict[str, bytes]:
    return all_examples()


@cache
def _required(service: str, name: str) -> tuple[str, ...]:
    return tuple(event_schema(EVENTS[service, name]).get("required", ()))


def _as_published(event: dict[str, Any]) -> bytes:
    """Compact JSON, the data last, as everywhere."""
    data = event.pop("data")
    return json.dumps({**event, "data": data}, separators=(",", ":"), ensure_ascii=False).encode()
