"""The feed behind a real port on a real PostgreSQL: what a subscriber outside gets, resumes, and is refused."""

import asyncio
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock
from uuid import uuid4

import httpx
import pytest

from contracts.event import LossAcceptedFields
from contracts.orders import PersonDataErased
from eventstore.model import Append, Metadata, StreamAppend
from servicekit.feed import checked_cursor, cursor_of, wants_stream
from servicekit.feed_tail import FEEDS_OF_A_SUBSCRIBER_MAX, READ_ROWS
from servicekit.problems import Problem
from servicekit.signing import sign
from servicekit.subscribers import Registry
from tests.servicekit.feeds import BOTH, Publisher, add_subscriber, code_of, publisher, reading
from tests.servicekit.sample_service import sample
from tests.servicekit.world import Served, World, served
from tests.support.logs import declined, stream
from tests.support.waiting import PATIENCE_SECONDS, eventually

NOON = datetime(2026, 11, 1, 4, tzinfo=UTC)
RETIRED = ("orders.ServiceItemRetired",)


async def recorded(service: Served, count: int, at_once: int = 1_000) -> None:
    """Record `count` OfferDeclined, in few appends."""
    for begin in range(0, count, at_once):
        some = [StreamAppend(stream(), 0, [declined()]) for _ in range(min(at_once, count - begin))]
        await service.runtime.log.append(Append(some, Metadata(actor="test")))


async def erased(service: Served) -> None:
    """Record an internal event."""
    person = uuid4()
    said = PersonDataErased(person_id=person, purposes=("erasable_profile",), erased_at=NOON)
    await service.runtime.log.append(Append([StreamAppend(f"person-{person}", 0, [said])], Metadata(actor="test")))


def key_of(service: Served, *events: str, name: str = "city") -> str:
    return add_subscriber(service.runtime.settings, name, *events)


async def page(service: Served, key: str, query: str = "") -> httpx.Response:
    return await service.client.get(f"/events{query}", headers={"Authorization": f"Bearer {key}"})


async def test_pages_hold_the_very_bytes_in_order_and_lead_to_the_next(service: Served) -> None:
    key = key_of(service, *BOTH)
    for number in range(7):
        assert (await service.publish(code_of(number))).status_code == 201
    await sign(service.runtime.signer, service.runtime.log)
    stored = await service.runtime.log.read_raw(0, 10)
    seen: list[int] = []
    cursor, pages = "0", 0
    while True:
        answer = await page(service, key, f"?after={cursor}&limit=3")
        assert answer.status_code == 200, answer.text
        assert (answer.headers["Log-Origin"], answer.headers["Log-Size"]) == ("chaoyangli/orders", "7")
        document = answer.json()
        wanted = stored[len(seen) : len(seen) + 3]
        assert b'"events": [' + b",".join(event.body for event in wanted) + b"]}" in answer.content
        seen += [event["position"] for event in document["events"]]
        cursor, pages = document["next"], pages + 1
        if not document["more"]:
            break
    assert (seen, pages, cursor) == (list(range(1, 8)), 3, "7")
    assert (await page(service, key, "?after=7")).json()["events"] == []


async def test_only_what_a_signed_head_counts_is_told(service: Served) -> None:
    key = key_of(service, *BOTH)
    await service.publish("haircut")
    await sign(service.runtime.signer, service.runtime.log)
    await service.publish("window-cleaning")
    found = (await page(service, key)).json()
    assert ([event["position"] for event in found["events"]], found["size"], found["more"]) == ([1], 1, False)
    await sign(service.runtime.signer, service.runtime.log)
    assert [event["position"] for event in (await page(service, key, "?after=1")).json()["events"]] == [2]


async def test_a_filtered_page_skips_positions_and_says_how_far_it_looked(service: Served) -> None:
    key = key_of(service, *RETIRED)
    published = (await service.publish("haircut")).json()
    await recorded(service, READ_ROWS + 500)
    answer = await service.client.post(f"/v1/items/{published['item_id']}/retire", headers=service.headers())
    assert answer.status_code == 200
    await recorded(service, 10)
    await sign(service.runtime.signer, service.runtime.log)
    found = (await page(service, key)).json()
    assert [event["position"] for event in found["events"]] == [READ_ROWS + 502]
    assert (found["next"], found["more"]) == (str(READ_ROWS + 512), False)


async def test_a_time_names_where_to_begin(service: Served) -> None:
    key = key_of(service, *BOTH)
    for number in range(3):
        await service.publish(code_of(number))
    await sign(service.runtime.signer, service.runtime.log)
    second = (await service.runtime.log.read(1, 1))[0].recorded_at
    at = second.isoformat().replace("+00:00", "Z")
    begun = (await page(service, key, f"?since={at}")).json()
    assert all(event["time"] >= at for event in begun["events"])
    assert 2 in [event["position"] for event in begun["events"]]
    last = (await service.runtime.log.read(2, 1))[0].recorded_at
    after = (last + timedelta(microseconds=1)).isoformat().replace("+00:00", "Z")
    assert (await page(service, key, f"?since={after}")).json()["next"] == "3"


async def test_a_time_that_is_still_to_come_is_refused_unless_the_log_has_reached_it(service: Served) -> None:
    key = key_of(service, *BOTH)
    await service.publish("haircut")
    await sign(service.runtime.signer, service.runtime.log)
    later = datetime.now(UTC) + timedelta(days=1)
    written = later.isoformat().replace("+00:00", "Z")
    refused = await page(service, key, f"?since={written}")
    assert (refused.status_code, refused.json()["reason_code"]) == (400, "since_ahead"), refused.text
    assert refused.json()["facts"] == {"since": written}
    resumed = await service.client.get(
        f"/events?since={written}", headers={"Authorization": f"Bearer {key}", "Last-Event-ID": "0"}
    )
    assert resumed.status_code == 200, "where a stream resumes goes before `since`"
    # Recorded by a clock that was ahead: what was told with this time may be asked for by it.
    log = service.runtime.log
    head = replace(await log.head(), recorded_at=later)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(log, "head", AsyncMock(return_value=head))
        assert (await page(service, key, f"?since={written}")).status_code == 200


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream; charset=utf-8", True),
        ("application/json, text/event-stream;q=0.001", True),
        ("text/event-stream;q=0, text/event-stream", True),
        ("text/event-stream;q=0", False),
        ("application/json, text/event-stream ; Q = 0.000", False),
        ("text/event-stream; charset=utf-8; q=0.", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_stream_is_for_who_asks_for_one_and_not_for_who_refuses_it(accept: str, wanted: bool) -> None:
    assert wants_stream(accept) is wanted


async def test_who_refuses_a_stream_gets_a_page(service: Served) -> None:
    headers = {"Authorization": f"Bearer {key_of(service, *BOTH)}", "Accept": "text/event-stream;q=0"}
    async with asyncio.timeout(PATIENCE_SECONDS):
        answer = await service.client.get("/events", headers=headers)
    assert answer.headers["Content-Type"] == "application/json"


async def test_an_internal_event_is_given_to_nobody_whatever_the_file_says(world: World) -> None:
    async with publisher(world) as orders, served(world, sample()) as beside:
        key = add_subscriber(orders.settings, "edited", *BOTH, "orders.PersonDataErased", "orders.OrderPlaced")
        await orders.publish(1)
        await erased(beside)
        await orders.publish(1)
        await orders.until_signed(3)
        assert [event["position"] for event in (await orders.page(key)).json()["events"]] == [1, 3]
        async with reading(orders, key) as reader:
            await eventually(lambda: reader.last_id == "3")
            await erased(beside)
            await orders.publish(1)
            await eventually(lambda: reader.last_id == "5")
            assert reader.positions == [1, 3, 5]
            assert set(reader.types) == {"ServiceItemPublished"}
        only = add_subscriber(orders.settings, "nothing-left", "orders.PersonDataErased")
        refused = await orders.page(only)
        assert (refused.status_code, refused.json()["reason_code"]) == (403, "no_events_here")


async def test_a_feed_goes_on_with_what_is_recorded_and_resumes_where_it_was(world: World) -> None:
    async with publisher(world) as orders, served(world, sample()) as beside:
        key = add_subscriber(orders.settings, "city", *BOTH)
        await orders.publish(3)
        async with reading(orders, key) as reader:
            await eventually(lambda: reader.positions == [1, 2, 3])
            await orders.publish(2)
            await eventually(lambda: reader.positions == [1, 2, 3, 4, 5])
            assert reader.answer.headers["Log-Origin"] == "chaoyangli/orders"
            assert reader.last_id == "5"
        await orders.retire(0)
        # Another replica records, too.
        await recorded(beside, 20)
        await orders.publish(1)
        async with reading(orders, key, last_id=reader.last_id) as again:
            await eventually(lambda: again.positions == [6, 27])
        stored = await beside.runtime.log.read_raw(0, 100)
        told = [event.body for event in stored if event.type != "OfferDeclined"]
        assert reader.bodies + again.bodies == told


async def test_what_is_skipped_moves_the_readers_id_on_so_that_it_is_not_looked_at_again(world: World) -> None:
    async with publisher(world) as orders, served(world, sample()) as beside:
        key = add_subscriber(orders.settings, "city", *RETIRED)
        await recorded(beside, READ_ROWS + 100)
        async with reading(orders, key) as reader:
            await eventually(lambda: reader.last_id == str(READ_ROWS + 100))
            await recorded(beside, 30)
            await eventually(lambda: reader.last_id == str(READ_ROWS + 130))
            assert reader.events == []


async def test_a_feed_of_a_subscriber_that_is_removed_ends_and_its_key_opens_nothing(world: World) -> None:
    async with publisher(world) as orders:
        key, other = (add_subscriber(orders.settings, name, *BOTH) for name in ("city", "school"))
        await orders.publish(1)
        async with reading(orders, key) as gone, reading(orders, other) as stays:
            await eventually(lambda: gone.positions == stays.positions == [1])
            assert Registry(orders.settings.subscribers).remove("city")
            await eventually(lambda: gone.ended)
            await orders.publish(1)
            await eventually(lambda: stays.positions == [1, 2])
            assert gone.positions == [1]
        refused = await orders.page(key)
        assert (refused.status_code, refused.json()["reason_code"]) == (401, "feed_key_invalid")


async def test_only_so_many_feeds_of_one_key_are_open_at_once(world: World) -> None:
    async with publisher(world) as orders:
        key = add_subscriber(orders.settings, "city", *BOTH)
        await orders.publish(1)
        headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
        async with reading(orders, key), reading(orders, key), reading(orders, key):
            async with reading(orders, key) as last:
                await eventually(lambda: orders.metric("feeds_open") == FEEDS_OF_A_SUBSCRIBER_MAX == 4)
                refused = await orders.client.get("/events", headers=headers)
                assert (refused.status_code, refused.json()["reason_code"]) == (503, "feeds_of_key_full")
                assert int(refused.headers["Retry-After"]) > 0
                await eventually(lambda: last.positions == [1])
            await eventually(lambda: orders.metric("feeds_open") == 3)
            async with reading(orders, key) as another:
                await eventually(lambda: another.positions == [1])
        await eventually(lambda: orders.metric("feeds_open") == 0)


async def test_a_reader_that_takes_nothing_is_not_read_ahead_for_and_misses_nothing(world: World) -> None:
    count = 20_000
    async with publisher(world) as orders, served(world, sample()) as beside:
        key = add_subscriber(orders.settings, "slow", "orders.OfferDeclined")
        await recorded(beside, count)
        await orders.until_signed(count)
        reader, writer = await _asleep(orders, key)
        told = -1.0

        async def stalled() -> bool:
            nonlocal told
            before, told = told, orders.metric("feed_events_total") or 0.0
            return 0 < told == before

        await eventually(stalled, every=0.5)
        assert told < count
        said = b""
        while f"id: {count}\n".encode() not in said[-2_000:]:
            said += await asyncio.wait_for(reader.read(65_536), PATIENCE_SECONDS)
        assert said.count(b"\nevent: OfferDeclined\r\n") + said.count(b"\nevent: OfferDeclined\n") == count
        writer.close()


async def _asleep(orders: Publisher, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection with a small window that has asked for a feed and reads nothing so far."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", orders.settings.port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=4_096)
    asked = f"GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nAccept: text/event-stream\r\n\r\n"
    writer.write(asked.encode())
    await writer.drain()
    return reader, writer


async def test_a_service_that_stops_ends_its_feeds_in_order_also_one_that_nobody_reads(world: World) -> None:
    async with publisher(world) as orders, served(world, sample()) as beside:
        key = add_subscriber(orders.settings, "city", *BOTH)
        slow = add_subscriber(orders.settings, "slow", "orders.OfferDeclined")
        await recorded(beside, 20_000)
        await orders.publish(1)
        async with reading(orders, key) as idle:
            _, writer = await _asleep(orders, slow)
            await eventually(lambda: idle.positions == [20_001] and orders.metric("feeds_open") == 2)
            orders.stop.set()
            await eventually(lambda: idle.ended)
            # `publisher` waits until the process has ended.
        writer.close()


async def test_a_key_is_needed_is_never_written_into_an_address_and_never_into_a_log(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async with publisher(world) as orders:
        key = add_subscriber(orders.settings, "city", *BOTH)
        await orders.publish(1)
        await orders.until_signed(1)
        with_key = {"Authorization": f"Bearer {key}"}

        async def refused(query: str, headers: dict[str, str], status: int, reason_code: str) -> httpx.Response:
            answer = await orders.client.get(f"/events{query}", headers=headers)
            assert (answer.status_code, answer.json()["reason_code"]) == (status, reason_code), answer.text
            assert key not in answer.text
            return answer

        missing = await refused("", {}, 401, "feed_key_missing")
        assert missing.headers["WWW-Authenticate"] == 'Bearer realm="chaoyangli"'
        await refused("", {"Authorization": f"Bearer {key[:-1]}"}, 401, "feed_key_invalid")
        await refused("", {"Authorization": f"Basic {key}"}, 401, "feed_key_invalid")
        await refused("", {"Authorization": f"Bearer {world.token()}"}, 401, "feed_key_invalid")
        for query in (f"?key={key}", "?access_token=x", f"?after=0&x={key}", f"?{key}"):
            await refused(query, with_key, 400, "feed_key_in_address")
            await refused(query, {}, 400, "feed_key_in_address")
        at_odds = ("?after=1&after=2", "?after=1&since=2026-11-01T00:00:00Z", "?types=OrderClosed")
        times = ("?since=yesterday", "?since=0001-01-01T00:00:00Z")
        for query in ("?limit=0", "?limit=1001", "?after=-1", "?after=x", *times, *at_odds):
            await refused(query, with_key, 422, "invalid_request")
        await refused("", {**with_key, "Last-Event-ID": "x"}, 400, "header_invalid")
        ahead = await refused("?after=2", with_key, 409, "position_ahead")
        assert ahead.json()["facts"] == {"size": 1, "after": "2", "origin": "chaoyangli/orders"}
        assert (await orders.page(key)).status_code == 200
        said = capsys.readouterr()
        assert "/events" in said.out
        assert key not in said.out + said.err


async def test_after_a_loss_a_cursor_of_the_old_origin_is_good_only_up_to_the_loss(service: Served) -> None:
    loss = LossAcceptedFields(
        old_origin="chaoyangli/orders",
        new_origin="chaoyangli/orders/2",
        signed_size=120,
        signed_root="0" * 64,
        first_lost=101,
        last_lost=120,
        proven_size=100,
        accepted_at=NOON,
    )
    runtime = replace(service.runtime, losses=(loss,))
    assert cursor_of(service.runtime, 100) == "100"
    assert cursor_of(runtime, 100) == "2/100"
    assert checked_cursor(runtime, "100", 500, "after") == 100
    assert checked_cursor(runtime, "2/450", 500, "after") == 450
    with pytest.raises(Problem) as ended:
        checked_cursor(runtime, "101", 500, "after")
    assert ended.value.reason_code == "origin_ended"
    assert ended.value.facts["after"] == "2/100"
    for unknown in ("3/5", "2/501"):
        with pytest.raises(Problem) as ahead:
            checked_cursor(runtime, unknown, 500, "after")
        assert ahead.value.reason_code == "position_ahead"
