import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.event import EVENTS
from servicekit.subscribers import (
    FEED_KEY_PATTERN,
    CannotBeGiven,
    Registry,
    Subscriber,
    SubscribersError,
    expand,
    find,
    key_sha256,
    new_feed_key,
)

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
INTERNAL = sorted(f"{service}.{name}" for (service, name), event in EVENTS.items() if event.audience == "internal")


def subscriber(name: str, key: str = "", *events: str) -> Subscriber:
    digest = key_sha256(key) if key else None
    return Subscriber(name=name, events=events or ("orders.OrderVerified",), feed_key_sha256=digest, added_at=NOW)


def test_a_wildcard_comes_to_what_may_be_given_out_and_tells_the_rest() -> None:
    found = expand(["orders.*", "ledger.DonationReceived"])
    assert "orders.OrderVerified" in found.events
    assert "ledger.DonationReceived" in found.events
    assert {event for event in found.events if event.startswith("ledger.")} == {"ledger.DonationReceived"}
    assert set(found.withheld) == {event for event in INTERNAL if event.startswith("orders.")}
    everything = expand(["*"])
    assert set(everything.events) | set(everything.withheld) == {f"{service}.{name}" for service, name in EVENTS}
    assert set(everything.withheld) == set(INTERNAL)


@pytest.mark.parametrize("pattern", [*INTERNAL, "orders.OrderEaten", "shop.*", "OrderPlaced", "orders.>", "", "a.b.c"])
def test_internal_and_unknown_events_are_refused_by_name(pattern: str) -> None:
    with pytest.raises(CannotBeGiven) as refused:
        expand(["orders.OrderVerified", pattern])
    assert pattern in str(refused.value)


def test_a_file_edited_by_hand_gives_nobody_an_internal_event() -> None:
    edited = subscriber("city", "", "orders.OrderVerified", "orders.NoSuchThing", *INTERNAL)
    assert edited.types("orders") == {"OrderVerified"}
    assert all(not edited.types(service) for service in ("volunteers", "ledger", "notify"))


def test_a_subscriber_is_written_for_its_owner_only_and_found_by_its_key(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "subscribers")
    assert registry.read_all() == []
    keys = {name: new_feed_key() for name in ("city", "school-2", "bank")}
    for name, key in keys.items():
        assert FEED_KEY_PATTERN.fullmatch(key)
        path = registry.write(subscriber(name, key))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert key not in path.read_text()
    everybody = registry.read_all()
    assert [each.name for each in everybody] == ["bank", "city", "school-2"]
    for name, key in keys.items():
        found = find(everybody, key)
        assert found is not None
        assert found.name == name
        assert find(everybody, key[:-1]) is None
    assert find([subscriber("keyless")], "") is None
    assert registry.remove("city")
    assert not registry.remove("city")
    assert find(registry.read_all(), keys["city"]) is None
    assert sorted(path.name for path in registry.directory.iterdir()) == ["bank.json", "school-2.json"]


def test_a_spoilt_file_costs_only_its_own_subscriber_and_is_named(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.write(subscriber("city"))
    (tmp_path / "bank.json").write_text('{"name": "bank", "events": "all"}')
    (tmp_path / "other.json").write_text(subscriber("city").model_dump_json())
    found, problems = registry.scan()
    assert [each.name for each in found] == ["city"]
    assert ["bank.json" in problems[0], "other.json" in problems[1], len(problems)] == [True, True, 2]
    with pytest.raises(SubscribersError, match=r"bank\.json"):
        registry.read_all()


@pytest.mark.parametrize("name", ["", "a", "../etc", "City", "a" * 32, "a/b", "city\n"])
def test_a_name_that_could_be_a_path_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(SubscribersError):
        Registry(tmp_path).read(name)
