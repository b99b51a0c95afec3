"""What `chaoyangli subscribers` does, on a real log, its relay and a NATS with the users that `up` gives it."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import nats
import nats.errors
import pytest

from cli import subscribing
from cli.nats_users import subscribers_of
from cli.starts import EVERYWHERE, CannotSubscribe
from cli.story import NothingFound
from eventstore import outsiders, streams
from eventstore.durables import DurableKeeper
from servicekit.subscribers import CannotBeGiven
from tests.cli.outside import Kept, as_subscriber, ignored, may_enter
from tests.support.waiting import PATIENCE_SECONDS, eventually

pytestmark = pytest.mark.timeout(400)
ALL = {EVERYWHERE: 1}


async def test_a_subscriber_hears_what_they_asked_for_and_skips_positions_while_the_stream_has_no_gaps(community):
    await community.say("d", "x", "d", "d", "x")
    given = await subscribing.add(community.place, "city", ["orders.OfferExpired"], ALL)
    async with as_subscriber(community.server, given) as heard:
        assert await heard(2) == [(2, "OfferExpired"), (5, "OfferExpired")]
    await community.say("d", "x")
    async with as_subscriber(community.server, given) as heard:
        assert await heard(1) == [(7, "OfferExpired")], "it goes on after what was acknowledged"
    state = await subscribing.durables(community.place, given.subscriber)
    assert state == {"orders": {"acknowledged": 7, "waiting": 0, "unacknowledged": 0, "sent_again": 0}}
    reader = await nats.connect(**community.place.nats_arguments())
    js = streams.context(reader, community.place.streams_api)
    whole = [(await js.get_msg("ORDERS", seq=position)).seq for position in range(1, 8)]
    config = (await js.consumer_info("ORDERS", "city-subscriber")).config
    await reader.close()
    assert whole == list(range(1, 8))
    assert config.max_deliver == outsiders.MAX_DELIVER


async def test_a_subscriber_begins_where_they_ask_to(community):
    await community.say("x", "x")
    between = datetime.now(UTC)
    await community.say("x", "x")
    for name, start, expected in (("one", 2, 2), ("two", between, 3)):
        given = await subscribing.add(community.place, name, ["orders.Offer*"], {"orders": start})
        assert given.first == {"orders": expected}, name
    from_now = await subscribing.add(community.place, "three", ["orders.Offer*"], {EVERYWHERE: None})
    (recorded,) = await community.log.read(after=2, limit=1)
    exact = await subscribing.add(community.place, "exact", ["orders.*"], {EVERYWHERE: recorded.recorded_at})
    just_after = recorded.recorded_at + timedelta(microseconds=1)
    later = await subscribing.add(community.place, "later", ["orders.*"], {EVERYWHERE: just_after})
    assert (exact.first["orders"], later.first["orders"]) == (3, 5)
    await community.say("d")
    async with as_subscriber(community.server, from_now) as heard:
        assert await heard(1) == [(5, "OfferDeclined")]


async def test_nobody_outside_is_given_what_is_internal_and_nothing_is_left_of_a_refused_one(community):
    await community.say("x")
    for patterns in (["orders.OrderPlaced"], ["orders.OfferExpired", "notify.NotificationQueued"], ["orders.Nothing"]):
        with pytest.raises(CannotBeGiven):
            await subscribing.add(community.place, "city", patterns, ALL)
    for patterns, start in (
        (["orders.*", "ledger.*"], ALL),  # no stream of the ledger's yet
        (["orders.*"], {"ledger": 1}),
        (["orders.*", "ledger.*"], {EVERYWHERE: 5}),
    ):
        with pytest.raises(CannotSubscribe):
            await subscribing.add(community.place, "city", patterns, start)
    assert subscribers_of(community.place.secrets_dir).read_all() == []
    given = await subscribing.add(community.place, "city", ["orders.*"], ALL)
    assert "orders.OrderPlaced" in given.withheld
    assert not set(given.withheld) & set(given.subscriber.events)
    with pytest.raises(CannotSubscribe, match="already"):
        await subscribing.add(community.place, "city", ["orders.*"], ALL)


async def test_nobody_begins_at_a_position_or_a_moment_that_is_not_there_yet(community):
    await community.say("x", "x")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    for start, why in ((4, "orders has 2 events"), (2**64, "orders has 2 events"), (tomorrow, "still to come")):
        with pytest.raises(CannotSubscribe, match=why):
            await subscribing.add(community.place, "city", ["orders.*"], {"orders": start})
    assert subscribers_of(community.place.secrets_dir).read_all() == []
    given = await subscribing.add(community.place, "city", ["orders.*"], {"orders": 3})
    assert given.first == {"orders": 3}
    with pytest.raises(CannotSubscribe, match="orders has 2 events"):
        await subscribing.change(community.place, "city", [], {"orders": 4})


async def test_nobody_is_made_a_subscriber_whose_credentials_cannot_be_written(community, tmp_path):
    def write_nowhere(credentials):
        (tmp_path / "nowhere" / "city.json").write_text(json.dumps(credentials))

    await community.say("x")
    with pytest.raises(FileNotFoundError):
        await subscribing.add(community.place, "city", ["orders.*"], ALL, write_nowhere)
    assert subscribers_of(community.place.secrets_dir).read_all() == []
    with pytest.raises(NothingFound, match="no subscriber"):
        await subscribing.remove(community.place, "city")
    handed: list[dict[str, Any]] = []
    given = await subscribing.add(community.place, "city", ["orders.*"], ALL, handed.append)
    assert handed == [given.credentials()]


async def test_a_removed_subscriber_is_cut_off_and_another_hears_on(community):
    await community.say("x")
    city, county = [
        await subscribing.add(community.place, name, ["orders.OfferExpired"], ALL) for name in ("city", "county")
    ]
    gone = asyncio.Event()

    async def closed() -> None:
        gone.set()

    client = await nats.connect(
        community.server.url, nkeys_seed_str=city.seed, allow_reconnect=False, closed_cb=closed, error_cb=ignored
    )
    async with as_subscriber(community.server, county) as heard:
        assert len(await heard(1)) == 1
        assert await subscribing.remove(community.place, "city")
        await asyncio.wait_for(gone.wait(), PATIENCE_SECONDS)
        await community.say("x")
        assert len(await heard(1)) == 1
    assert client.is_closed
    assert not await may_enter(community.server, city.seed)
    assert await may_enter(community.server, county.seed)
    assert await subscribing.durables(community.place, city.subscriber) == {"orders": None}
    assert [one.name for one in subscribers_of(community.place.secrets_dir).read_all()] == ["county"]
    with pytest.raises(NothingFound, match="no subscriber"):
        await subscribing.remove(community.place, "city")


async def test_a_subscriber_is_given_other_events_and_goes_on_where_they_were_with_the_same_key(community):
    await community.say("x", "d", "x", "d")
    given = await subscribing.add(community.place, "city", ["orders.OfferExpired"], ALL)
    async with as_subscriber(community.server, given) as heard:
        assert await heard(1) == [(1, "OfferExpired")]
    both = ["orders.OfferExpired", "orders.OfferDeclined"]
    changed = await subscribing.change(community.place, "city", both, {})
    assert (changed.subscriber.events, dict(changed.first), changed.told) == (tuple(sorted(both)), {"orders": 2}, True)
    assert changed.subscriber.nkey == given.subscriber.nkey
    async with as_subscriber(community.server, Kept(given, changed)) as heard:
        assert await heard(2) == [(2, "OfferDeclined"), (3, "OfferExpired")]
    assert subscribers_of(community.place.secrets_dir).read("city") == changed.subscriber


async def test_a_subscriber_is_put_elsewhere_with_the_same_key(community):
    await community.say("x", "x", "x")
    given = await subscribing.add(community.place, "city", ["orders.OfferExpired"], ALL)
    async with as_subscriber(community.server, given) as heard:
        assert len(await heard(3)) == 3
    changed = await subscribing.change(community.place, "city", [], {"orders": 2})
    assert (changed.subscriber, dict(changed.first)) == (given.subscriber, {"orders": 2})
    async with as_subscriber(community.server, Kept(given, changed)) as heard:
        assert await heard(2) == [(2, "OfferExpired"), (3, "OfferExpired")]


async def test_a_change_without_a_place_to_begin_at_is_refused_and_changes_nothing(community):
    await community.say("x")
    given = await subscribing.add(community.place, "city", ["orders.OfferExpired"], ALL)
    with pytest.raises(NothingFound, match="no subscriber county"):
        await subscribing.change(community.place, "county", [], {})
    for events, start, why in (
        (["orders.OfferExpired", "ledger.*"], {}, "no place on ledger: say --from ledger="),
        ([], {"ledger": 1}, "of which no event was asked for"),
    ):
        with pytest.raises(CannotSubscribe, match=why):
            await subscribing.change(community.place, "city", events, start)
    with pytest.raises(CannotBeGiven):
        await subscribing.change(community.place, "city", ["orders.DisputeRaised"], {})
    assert subscribers_of(community.place.secrets_dir).read_all() == [given.subscriber]
    async with as_subscriber(community.server, given) as heard:
        assert await heard(1) == [(1, "OfferExpired")]


async def test_after_nats_was_wiped_a_subscriber_goes_on_where_they_were(community):
    await community.say("x", "d", "x", "x")
    given = await subscribing.add(community.place, "city", ["orders.OfferExpired"], ALL)
    async with as_subscriber(community.server, given) as heard:
        assert await heard(2) == [(1, "OfferExpired"), (3, "OfferExpired")]

    async def noted() -> bool:
        query = "SELECT ack_floor FROM orders.relay_durables WHERE durable = 'city-subscriber'"
        return bool(await community.log.pool.fetchval(query) == 3)

    await eventually(noted)
    await asyncio.to_thread(community.server.wipe)

    await eventually(lambda: _is_back(community, given))
    async with as_subscriber(community.server, given) as heard:
        assert await heard(1) == [(4, "OfferExpired")]


async def test_a_kind_that_was_taken_away_is_not_given_by_a_nats_that_was_wiped_before_a_relay_saw(
    community, monkeypatch
):
    async def sees_nothing(self, js):
        del self, js

    async def noted() -> str | None:
        query = "SELECT config::text FROM orders.relay_durables WHERE durable = 'city-subscriber'"
        found: str | None = await community.log.pool.fetchval(query)
        return found

    await community.say("x", "d")
    both = ["orders.OfferExpired", "orders.OfferDeclined"]
    given = await subscribing.add(community.place, "city", both, ALL)
    await eventually(noted)
    with monkeypatch.context() as patched:
        patched.setattr(DurableKeeper, "_keep", sees_nothing)
        await subscribing.change(community.place, "city", both[:1], {})
        assert "OfferDeclined" not in str(await noted())
        await asyncio.to_thread(community.server.wipe)
    await eventually(lambda: _is_back(community, given))
    async with as_subscriber(community.server, given) as heard:
        await community.say("d", "x")
        assert await heard(2) == [(1, "OfferExpired"), (4, "OfferExpired")]


async def test_a_round_of_the_relay_that_has_seen_who_is_removed_does_not_bring_them_back(community, monkeypatch):
    await community.say("x")
    given = await subscribing.add(community.place, "city", ["orders.OfferExpired"], ALL)
    seen, go_on, rounds = asyncio.Event(), asyncio.Event(), 0
    note = streams.record_durables

    async def slowly(pool, schema, found):
        nonlocal rounds
        rounds += schema == "orders"
        if any(info.name == "city-subscriber" for info in found):
            seen.set()
            await go_on.wait()
        await note(pool, schema, found)

    async def waits() -> bool:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return bool(removing.done() or await community.log.pool.fetchval(query))

    monkeypatch.setattr(streams, "record_durables", slowly)
    await seen.wait()
    removing = asyncio.create_task(subscribing.remove(community.place, "city"))
    await eventually(waits)
    go_on.set()
    assert await removing
    before = rounds
    await eventually(lambda: rounds >= before + 3)
    assert await subscribing.durables(community.place, given.subscriber) == {"orders": None}
    query = "SELECT count(*) FROM orders.relay_durables WHERE durable = 'city-subscriber'"
    assert await community.log.pool.fetchval(query) == 0


async def _is_back(community, given) -> bool:
    with contextlib.suppress(nats.errors.Error, TimeoutError, OSError):
        return (await subscribing.durables(community.place, given.subscriber))["orders"] is not None
    return False


async def test_a_file_that_cannot_be_read_keeps_nobody_else_out(community):
    await community.say("x")
    given = await subscribing.add(community.place, "city", ["orders.OfferExpired"], ALL)
    directory = subscribers_of(community.place.secrets_dir).directory
    (directory / "torn.json").write_text("{")
    twice = given.subscriber.model_copy(update={"name": "twice"})
    subscribers_of(community.place.secrets_dir).write(twice)
    await asyncio.to_thread(community.server.restart)
    async with as_subscriber(community.server, given) as heard:
        assert await heard(1) == [(1, "OfferExpired")]
