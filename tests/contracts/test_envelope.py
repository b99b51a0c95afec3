"""encode and decode: the same bytes for ever, and a precise word for whatever is not an event."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from contracts import envelope
from contracts.envelope import (
    MAX_BODY_BYTES,
    EventTooLarge,
    UnknownEvent,
    UnknownVersion,
    UnreadableEvent,
    decode,
    encode,
    skim,
)
from contracts.event import EVENTS
from contracts.generator.examples import all_examples
from contracts.generator.schemas import event_schema
from contracts.ids import uuid7
from contracts.orders import ServiceItemRetired
from tests.contracts.strategies import data_of

ITEM = UUID("01900000-0000-7000-8000-000000000001")
NINE = datetime(2026, 3, 5, 9, 0, tzinfo=ZoneInfo("Asia/Shanghai"))
RETIRED = ServiceItemRetired(item_id=ITEM, item_code="coal_delivery", item_version=3, retired_at=NINE)
ALL = [pytest.param(key, id=".".join(key)) for key in sorted(EVENTS)]


def body_of(event: Any = RETIRED, data: bytes | None = None, **changes: Any) -> bytes:
    attributes: dict[str, Any] = {
        "type": event.type,
        "service": event.service,
        "version": event.version,
        "community": "chaoyangli",
        "position": 7,
        "stream": f"service_item-{ITEM}",
        "streamversion": 2,
        "event_id": UUID("01900000-0000-7000-8000-0000000000ee"),
        "time": NINE,
    }
    return encode(data or event.to_json(), **{**attributes, **changes})


def changed(**changes: Any) -> bytes:
    fields = json.loads(body_of())
    for key, value in changes.items():
        if value is ...:
            del fields[key]
        else:
            fields[key] = value
    return json.dumps(fields).encode()


def test_the_bytes_are_these() -> None:
    assert body_of(actor="system", correlationid=ITEM, causationid=ITEM) == (
        b'{"specversion":"1.0","id":"01900000-0000-7000-8000-0000000000ee","source":"/chaoyangli/orders",'
        b'"type":"ServiceItemRetired","subject":"service_item-01900000-0000-7000-8000-000000000001",'
        b'"time":"2026-03-05T01:00:00.000000Z","datacontenttype":"application/json",'
        b'"dataschema":"urn:chaoyangli:schemas/orders/ServiceItemRetired/1","position":7,"streamversion":2,'
        b'"correlationid":"01900000-0000-7000-8000-000000000001","causationid":"01900000-0000-7000-8000-000000000001",'
        b'"actor":"system","data":{"item_id":"01900000-0000-7000-8000-000000000001","item_code":"coal_delivery",'
        b'"item_version":3,"retired_at":"2026-03-05T01:00:00Z"}}'
    )


def test_what_is_encoded_is_read_back_with_all_its_attributes() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = body_of(actor="system", correlationid=ITEM, causationid=uuid7(), traceparent=trace)
    recorded = decode(body)
    assert (recorded.position, recorded.stream, recorded.version) == (7, f"service_item-{ITEM}", 2)
    assert (recorded.type, recorded.service, recorded.community) == ("ServiceItemRetired", "orders", "chaoyangli")
    assert recorded.recorded_at == NINE
    assert recorded.recorded_at.utcoffset() == timedelta(0)
    assert recorded.event == RETIRED
    assert (recorded.actor, recorded.correlation_id, recorded.traceparent) == ("system", ITEM, trace)
    assert recorded.causation_id is not None
    assert recorded.body is body


def test_absent_attributes_are_none() -> None:
    recorded = decode(body_of())
    assert (recorded.actor, recorded.correlation_id, recorded.causation_id, recorded.traceparent) == (None,) * 4


@cache
def examples() -> dict[str, bytes]:
    """Made once: it takes as long as everything else here."""
    return all_examples()


@pytest.mark.parametrize("key", ALL)
def test_the_short_way_reads_what_the_long_way_reads(key: tuple[str, str]) -> None:
    body = examples()[f"examples/{key[0]}/{key[1]}.json"]
    long_way = envelope._decode_any(body, b"")
    decode(body)
    of_this = re.compile(rf'/{key[0]}(/2)?","type":"{key[1]}"'.encode())
    assert any(of_this.search(names) for names in envelope._READERS), "no short way was made"
    assert decode(body) == long_way
    assert skim(body) == long_way


@pytest.mark.parametrize("key", ALL)
@settings(max_examples=6, deadline=None)
@given(draw=st.data())
def test_any_event_comes_back_as_it_was(key: tuple[str, str], draw: st.DataObject) -> None:
    cls = EVENTS[key]
    event = cls.model_validate_json(to_json(draw.draw(data_of(event_schema(cls)))))
    body = body_of(event, position=draw.draw(st.integers(1, 2**63 - 1)))
    recorded = decode(body)
    assert recorded.event == event
    assert recorded.event.to_json() == event.to_json()
    assert (
        encode(
            recorded.event.to_json(),
            type=recorded.type,
            service=recorded.service,
            version=cls.version,
            community=recorded.community,
            position=recorded.position,
            stream=recorded.stream,
            streamversion=recorded.version,
            event_id=recorded.event_id,
            time=recorded.recorded_at,
        )
        == body
    )


def test_keys_in_another_order_and_white_space_are_read_as_well() -> None:
    fields = json.loads(body_of())
    turned = json.dumps(dict(reversed(fields.items())), indent=2).encode()
    assert decode(turned).event == RETIRED


def test_unknown_attributes_and_fields_are_ignored() -> None:
    data = {**json.loads(body_of())["data"], "colour": "red"}
    assert decode(changed(data=data, partitionkey="x")).event == RETIRED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"specversion":"1.0"}',
        b"[" * 100_000,
        body_of()[:-1],
        body_of() + b"}",
        body_of().replace(b"coal_delivery", b"coal\xffdelivery"),
        body_of().replace(b'"item_version":3', b'"item_version":3.0'),
        body_of().replace(b'"item_version":3', b'"item_version":"3"'),
        body_of().replace(b"coal_delivery", b"Coal delivery"),
        body_of().replace(b'"retired_at":"2026-03-05T01:00:00Z"', b'"retired_at":"2026-03-05T09:00:00+08:00"'),
        body_of().replace(b'"retired_at":"2026-03-05T01:00:00Z"', b'"retired_at":"2026-03-05T01:00:00"'),
        body_of().replace(b'"position":7', b'"position":0'),
        body_of().replace(b'"position":7', b'"position":-7'),
        body_of().replace(b'"position":7', b'"position":7.0'),
        body_of().replace(b'"position":7', b'"position":99999999999999999999'),
        body_of().replace(b'"id":"01900000', b'"id":"no-uuid-'),
        changed(specversion="0.3"),
        changed(source="orders"),
        changed(source="/chaoyangli/orders/more"),
        changed(time="yesterday"),
        changed(time="2026-03-05T09:00:00+08:00"),
        changed(datacontenttype="text/plain"),
        changed(dataschema="/schemas/orders/ServiceItemRetired/1"),
        changed(dataschema="urn:chaoyangli:schemas/orders/OrderPlaced/1"),
        changed(dataschema="urn:chaoyangli:schemas/orders/ServiceItemRetired/x"),
        changed(dataschema="urn:chaoyangli:schemas/orders/ServiceItemRetired/0"),
        changed(dataschema="urn:chaoyangli:schemas/orders/ServiceItemRetired/٣"),
        changed(data=None),
        changed(data=[]),
        *[
            changed(**{key: ...})
            for key in ("id", "source", "type", "subject", "time", "dataschema", "position", "data")
        ],
    ],
)
def test_what_is_not_an_event_is_unreadable_and_says_why(body: bytes) -> None:
    with pytest.raises(UnreadableEvent) as caught:
        decode(body)
    assert caught.value.reason
    assert "coal" not in caught.value.reason, "a reason must not carry what was in the bytes"


def test_a_body_that_is_too_long_is_unreadable() -> None:
    with pytest.raises(UnreadableEvent, match="longer"):
        decode(changed(filler="x" * MAX_BODY_BYTES))


@given(st.binary(max_size=300))
def test_no_bytes_at_all_raise_anything_else(body: bytes) -> None:
    with pytest.raises(UnreadableEvent):
        decode(body)


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, len(body_of())), put=st.binary(max_size=6), take=st.integers(0, 6))
def test_damage_anywhere_is_either_harmless_or_named(cut: int, put: bytes, take: int) -> None:
    body = body_of()
    damaged = body[:cut] + put + body[cut + take :]
    try:
        recorded = decode(damaged)
    except (UnreadableEvent, UnknownEvent, UnknownVersion):
        return
    assert recorded.body == damaged
    assert recorded.event.type == recorded.type == json.loads(damaged)["type"]


@settings(max_examples=300, deadline=None)
@given(cut=st.integers(0, len(body_of())), put=st.binary(max_size=6), take=st.integers(0, 6))
def test_skimming_refuses_a_damaged_event_at_once_and_a_damaged_envelope_when_it_is_asked(
    cut: int, put: bytes, take: int
) -> None:
    body = body_of(actor="system", correlationid=ITEM)
    damaged = body[:cut] + put + body[cut + take :]
    try:
        whole = decode(damaged)
    except (UnreadableEvent, UnknownEvent, UnknownVersion) as error:
        with pytest.raises(type(error)):
            _ = skim(damaged).recorded_at
    else:
        assert skim(damaged) == whole


def test_what_was_skimmed_has_no_other_attributes() -> None:
    decode(body_of())
    with pytest.raises(AttributeError, match="recorded_by"):
        _ = skim(body_of()).recorded_by  # type: ignore[attr-defined]


def test_an_unknown_type_is_named() -> None:
    with pytest.raises(UnknownEvent) as caught:
        decode(changed(type="TeaServed", dataschema="urn:chaoyangli:schemas/orders/TeaServed/1"))
    assert (caught.value.service, caught.value.type_name) == ("orders", "TeaServed")


def test_an_event_of_another_service_is_not_known_here() -> None:
    with pytest.raises(UnknownEvent):
        decode(changed(source="/chaoyangli/ledger"))


def test_a_newer_version_is_named() -> None:
    with pytest.raises(UnknownVersion) as caught:
        decode(changed(dataschema="urn:chaoyangli:schemas/orders/ServiceItemRetired/2"))
    assert (caught.value.version, caught.value.newest) == (2, 1)


def test_the_largest_event_fits_and_one_byte_more_does_not() -> None:
    room = MAX_BODY_BYTES - len(body_of())
    data = RETIRED.to_json()[:-1] + b',"x":"' + b"y" * (room - len(',"x":""')) + b'"}'
    largest = body_of(data=data)
    assert len(largest) == MAX_BODY_BYTES
    assert decode(largest).event == RETIRED
    with pytest.raises(EventTooLarge, match="65536"):
        body_of(data=data.replace(b"yy", b"yyy", 1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"stream": 'x","type":"OrderPlaced'},
        {"stream": ""},
        {"actor": 'me"'},
        {"actor": "王\u5e08\u5085"},
        {"actor": "line\n"},
        {"traceparent": '"}'},
        {"traceparent": "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"},
        {"community": "a/b"},
    ],
)
def test_text_that_would_break_the_bytes_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"cannot be|opaque|traceparent"):
        body_of(**wrong)


def test_an_event_of_a_later_origin_says_so_in_its_source() -> None:
    later, first = body_of(generation=12), body_of()
    assert (json.loads(first)["source"], decode(first).generation) == ("/chaoyangli/orders", 1)
    assert json.loads(later)["source"] == "/chaoyangli/orders/12"
    for _ in range(2):  # the long way, then the short way that it made
        assert (decode(later).generation, decode(later).service, decode(later).community) == (
            12,
            "orders",
            "chaoyangli",
        )
        assert (decode(first).generation, skim(later).generation) == (1, 12)


@pytest.mark.parametrize("number", ["0", "1", "02", "x", "12345", ""])
def test_a_source_of_no_origin_is_refused(number: str) -> None:
    with pytest.raises(UnreadableEvent, match="source is neither"):
        decode(changed(source=f"/chaoyangli/orders/{number}"))


def test_an_event_that_nobody_declared_is_not_encoded() -> None:
    with pytest.raises(UnknownEvent):
        body_of(type="TeaServed")


def test_times_of_any_zone_are_published_in_utc() -> None:
    east = datetime(2026, 3, 5, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    event = ServiceItemRetired(item_id=ITEM, item_code="coal_delivery", item_version=3, retired_at=east)
    assert event.retired_at.tzinfo is UTC
    assert b'"retired_at":"2026-03-05T01:00:00.123456Z"' in event.to_json()
    assert b'"time":"2026-03-05T01:00:00.123456Z"' in body_of(time=east)
    with pytest.raises(ValueError, match="timezone"):
        ServiceItemRetired(
            item_id=ITEM, item_code="coal_delivery", item_version=3, retired_at=east.replace(tzinfo=None)
        )
