"""Upcasters: an event stored under an older version is read as today's class, byte for byte unchanged in the log."""

from typing import Any

import pytest

from contracts.envelope import Recorded, UnknownVersion, UnreadableEvent, decode
from contracts.event import Code, Count, Event, upcast, upcasts

OLD = (
    b'{"specversion":"1.0","id":"01900000-0000-7000-8000-0000000000ee","source":"/chaoyangli/orders",'
    b'"type":"TeaServed","subject":"tea-1","time":"2026-03-05T01:00:00.000000Z","datacontenttype":"application/json",'
    b'"dataschema":"urn:chaoyangli:schemas/orders/TeaServed/%d","position":1,"streamversion":1,"data":%s}'
)


@pytest.fixture(autouse=True)
def tea(registry: None) -> type[Event]:
    """An event at its third version, with the way there."""

    class TeaServed(Event, service="orders", audience="public", version=3):
        """上茶 — tea was served."""

        tea_code: Code
        cups: Count
        served_hot: bool = True

    @upcasts("TeaServed", from_version=1, service="orders")
    def name_the_tea(data: dict[str, Any]) -> dict[str, Any]:
        return {"tea_code": data["kind"], "cups": data["cups"]}

    @upcasts("TeaServed", from_version=2, service="orders")
    def count_pots(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "cups": data["cups"] * 2}

    return TeaServed


def read(version: int, data: bytes) -> Recorded:
    return decode(OLD % (version, data))


def test_the_first_version_goes_through_every_step(tea: type[Event]) -> None:
    recorded = read(1, b'{"kind":"jasmine","cups":2}')
    assert recorded.event == tea.model_validate({"tea_code": "jasmine", "cups": 4})
    assert recorded.body == OLD % (1, b'{"kind":"jasmine","cups":2}')


def test_the_second_only_through_the_last(tea: type[Event]) -> None:
    assert read(2, b'{"tea_code":"jasmine","cups":2}').event == tea.model_validate({"tea_code": "jasmine", "cups": 4})


def test_the_newest_goes_through_none_again_and_again(tea: type[Event]) -> None:
    for _ in range(3):
        event = read(3, b'{"tea_code":"jasmine","cups":2}').event
        assert event == tea.model_validate({"tea_code": "jasmine", "cups": 2})
        assert read(2, b'{"tea_code":"jasmine","cups":2}').event != event


def test_a_newer_one_is_parked() -> None:
    with pytest.raises(UnknownVersion):
        read(4, b"{}")


def test_what_an_upcaster_cannot_make_whole_is_unreadable() -> None:
    with pytest.raises(UnreadableEvent, match="cups"):
        read(2, b'{"tea_code":"jasmine","cups":9999}')


def test_an_upcaster_that_stumbles_over_the_data_makes_it_unreadable() -> None:
    with pytest.raises(UnreadableEvent, match="version 1"):
        read(1, b'{"cups":2}')


def test_a_missing_step_is_named() -> None:
    class CakeServed(Event, service="orders", audience="public", version=2):
        """上点心 — cake was served."""

        pieces: Count

    assert upcast({"pieces": 1}, "CakeServed", "orders", 2) == {"pieces": 1}
    with pytest.raises(UnknownVersion, match="CakeServed"):
        upcast({"pieces": 1}, "CakeServed", "orders", 1)


def test_two_upcasters_from_one_version_are_refused() -> None:
    with pytest.raises(TypeError, match="two upcasters"):
        upcasts("TeaServed", from_version=1, service="orders")(lambda data: data)
