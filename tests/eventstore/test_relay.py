"""The relay: whatever happens to NATS, the stream ends up as the log, byte for byte, at the same numbers."""

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest
from nats.js.errors import APIError, NotFoundError

from contracts.ids import uuid7
from eventstore import streams
from eventstore.accounts import service_member
from eventstore.broker import Connection, make_broker
from eventstore.durables import durables_lock
from eventstore.errors import StreamDiverged
from eventstore.log import Log
from eventstore.model import Append, Metadata, StreamAppend
from eventstore.publish import BATCH_LEAST, PublishFailed, Target, publish, traceparent_of
from eventstore.relay import Relay
from tests.support.logs import declined, migrated, one, opened, stream
from tests.support.messaging import append, connected, is_the_log, messages, plain_client, running
from tests.support.servers import new_key, running_nats
from tests.support.waiting import PATIENCE_SECONDS, eventually


@pytest.fixture
async def log(database):
    async with opened(await migrated(database)) as log:
        yield log


def relay_of(log, connection, **options) -> Relay:
    relay = Relay(log, connection, **{"poll_seconds": 0.02, "check_seconds": 0.3, "record_seconds": 0.1, **options})
    relay.attach()
    return relay


@contextlib.asynccontextmanager
async def relaying(log, server, **options):
    async with connected(server) as connection:
        relay = relay_of(log, connection, **options)
        async with running(relay.run()):
            yield relay


async def caught_up(relay: Relay, log: Log) -> bool:
    return relay.published == (await log.head()).size


async def test_the_stream_becomes_the_log(log, nats_server):
    await append(log, 1_234, each=7)
    async with relaying(log, nats_server) as relay, plain_client(nats_server) as client:
        await eventually(lambda: caught_up(relay, log))
        assert await is_the_log(client, log)
        assert (relay.unpublished, relay.oldest_age_seconds, relay.problems()) == (0, 0.0, [])
        first = (await messages(client))[0]
        assert first.subject == "chaoyangli.orders.OfferDeclined"
        assert first.headers["content-type"] == "application/cloudevents+json"
        config = (await streams.context(client).stream_info("ORDERS")).config
        assert (config.storage, config.discard, config.compression) == ("file", "new", "s2")
        assert config.deny_delete
        assert config.deny_purge
        assert config.allow_atomic
        assert not config.allow_rollup_hdrs
        assert config.max_bytes == streams.MAX_BYTES
        assert config.duplicate_window == 120


async def test_few_events_go_singly_many_in_one_atomic_batch(log, nats_server):
    async with relaying(log, nats_server) as relay, plain_client(nats_server) as client:
        await log.append(one(stream(), 0, *range(1, BATCH_LEAST)))
        await eventually(lambda: relay.published == BATCH_LEAST - 1)
        await log.append(one(stream(), 0, *range(BATCH_LEAST)))
        await eventually(lambda: caught_up(relay, log))
        found = await messages(client)
        assert [("Nats-Batch-Id" in m.headers) for m in found] == [False] * (BATCH_LEAST - 1) + [True] * BATCH_LEAST
        assert [m.headers.get("Nats-Expected-Last-Sequence") for m in found] == [
            *map(str, range(BATCH_LEAST)),
            *[None] * (BATCH_LEAST - 1),
        ]
        assert len({m.headers.get("Nats-Batch-Id") for m in found}) == 2


async def test_the_trace_goes_with_the_message(log, nats_server):
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    await log.append(Append([StreamAppend(stream(), 0, [declined(1)])], Metadata("system", traceparent=trace)))
    await log.append(one(stream()))
    async with relaying(log, nats_server) as relay, plain_client(nats_server) as client:
        await eventually(lambda: caught_up(relay, log))
        assert [m.headers.get("traceparent") for m in await messages(client)] == [trace, None]
    assert [traceparent_of(event.body) for event in await log.read_raw(0, 9)] == [trace, None]


async def test_an_append_of_another_process_is_seen_by_ping_and_by_poll(database, nats_server):
    config = await migrated(database)
    async with opened(config) as here, opened(config) as there, connected(nats_server, "other") as other:
        async with relaying(here, nats_server, poll_seconds=3_600) as relay:
            await append(here, 1)
            await eventually(lambda: relay.published == 1)
            relay_of(there, other)  # attached, not running: a replica that holds no role
            await eventually(lambda: other.connected)
            await append(there, 3)
            await eventually(lambda: relay.published == 4)
        async with relaying(here, nats_server) as relay, opened(config) as silent:
            await append(silent, 3)
            await eventually(lambda: relay.published == 7)


async def test_the_fence_refuses_a_second_place_for_a_number(log, nats_server):
    await append(log, 30)
    async with plain_client(nats_server) as client:
        await streams.ensure_stream(streams.context(client), "chaoyangli", "orders")
        target = Target(client, "chaoyangli", "orders")
        events = await log.read_raw(0, 30)
        assert await publish(target, events[:20]) == 20
        for late in (events[:20], events[19:30], events[15:25], events[21:30], events[22:25]):
            with pytest.raises(PublishFailed, match="fenced"):
                await publish(target, late)
        assert await publish(target, events[20:23]) == 23
        with pytest.raises(PublishFailed, match="fenced"):
            await publish(target, events[21:24])
        # The last of those three was next in line: a fence judges each message by itself.
        assert (await streams.context(client).stream_info("ORDERS")).state.last_seq in {23, 24}


async def test_relays_that_race_cannot_double_misplace_or_lose(log, nats_server):
    async def write() -> None:
        for count in (1, 3, 12, 1, 40, 5, 200, 2, 11, 9):
            await append(log, count)

    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(plain_client(nats_server))
        relays = [await stack.enter_async_context(relaying(log, nats_server)) for _ in range(3)]
        await asyncio.gather(write(), write())
        await eventually(lambda: is_the_log(client, log))
        assert all(relay.diverged is None for relay in relays)


async def test_a_server_that_is_killed_loses_nothing(log, nats_server):
    async with relaying(log, nats_server) as relay, plain_client(nats_server) as client:
        for _ in range(3):
            before = relay.size
            writing = asyncio.ensure_future(append(log, 300, each=3))
            while relay.size == before:
                await asyncio.sleep(0)
            await asyncio.to_thread(nats_server.kill)
            await writing
            await asyncio.to_thread(nats_server.start)
            await eventually(lambda: caught_up(relay, log))
        await eventually(lambda: is_the_log(client, log))


async def test_commands_and_relay_survive_a_start_without_nats(log, nats_server):
    nats_server.kill()
    async with connected(nats_server) as connection:
        relay = relay_of(log, connection)
        async with running(relay.run()):
            await append(log, 25)
            await eventually(lambda: relay.size == 25)
            assert not connection.connected
            assert connection.problems()[0].startswith("NATS cannot be reached")
            await asyncio.to_thread(nats_server.start)
            await eventually(lambda: relay.published == 25)
            assert connection.problems() == []


async def test_a_wiped_store_is_filled_again_while_the_relay_runs(log, nats_server):
    async with relaying(log, nats_server) as relay, plain_client(nats_server) as client:
        await append(log, 600, each=4)
        await eventually(lambda: caught_up(relay, log))
        await asyncio.to_thread(nats_server.wipe)
        # nothing new is appended: the relay notices by itself
        await eventually(lambda: is_the_log(client, log))
        await append(log, 5)
        await eventually(lambda: is_the_log(client, log))


async def test_a_store_rolled_back_is_filled_up(log, nats_server):
    async with relaying(log, nats_server) as relay:
        await append(log, 40)
        await eventually(lambda: caught_up(relay, log))
    copy = await asyncio.to_thread(nats_server.copy_store)
    async with relaying(log, nats_server) as relay, plain_client(nats_server) as client:
        await append(log, 60)
        await eventually(lambda: caught_up(relay, log))
        await asyncio.to_thread(nats_server.put_back, copy)
        await append(log, 1)
        await eventually(lambda: is_the_log(client, log))
        assert (await streams.context(client).stream_info("ORDERS")).state.last_seq == 101


async def test_a_stream_ahead_of_the_log_stops_the_relay(database, postgres_server, nats_server):
    config = await migrated(database)
    async with opened(config) as log, relaying(log, nats_server) as relay:
        await append(log, 5)
        await eventually(lambda: caught_up(relay, log))
    empty = await asyncio.to_thread(postgres_server.create_database)
    async with opened(await migrated(empty)) as shorter, connected(nats_server) as connection:
        await append(shorter, 2)
        relay = relay_of(shorter, connection)
        with pytest.raises(StreamDiverged, match="5 messages, the log is shorter"):
            await asyncio.wait_for(relay.run(), PATIENCE_SECONDS)
        assert "restore the log" in relay.problems()[0]
        async with plain_client(nats_server) as client:
            assert len(await messages(client)) == 5
    await asyncio.to_thread(postgres_server.drop_database, empty.name)


@pytest.mark.parametrize("what", ["id", "body"])
async def test_a_stream_that_holds_something_else_stops_the_relay(log, nats_server, what):
    await append(log, 3)
    async with plain_client(nats_server) as client, connected(nats_server) as connection:
        js = streams.context(client)
        await streams.ensure_stream(js, "chaoyangli", "orders")
        event = (await log.read_raw(0, 1))[0]
        await js.publish(
            "chaoyangli.orders.OfferDeclined",
            event.body if what == "id" else event.body.replace(b'"wave":1', b'"wave":2'),
            headers={"Nats-Msg-Id": str(uuid7() if what == "id" else event.event_id)},
        )
        relay = relay_of(log, connection)
        with pytest.raises(StreamDiverged, match="the log has"):
            await asyncio.wait_for(relay.run(), PATIENCE_SECONDS)
        assert relay.diverged is not None
        assert (await js.stream_info("ORDERS")).state.last_seq == 1


async def test_a_full_stream_refuses_no_command_and_says_so(log, nats_server):
    async with relaying(log, nats_server, max_bytes=20_000) as relay:
        await append(log, 100)
        await eventually(lambda: relay.errors["full"])
        assert any("full" in problem for problem in relay.problems())
        await append(log, 1)
        assert relay.unpublished == 101 - (relay.published or 0)
        await eventually(lambda: relay.oldest_age_seconds > 0)


async def test_a_stream_set_otherwise_is_reported_and_left_alone(log, nats_server):
    async with plain_client(nats_server) as client:
        config = streams.stream_config("chaoyangli", "orders")
        config.max_msgs = 1_000_000
        config.deny_purge = False
        config.max_bytes = streams.MAX_BYTES * 2  # a larger stream is nobody's problem
        await streams.context(client).add_stream(config)
        async with relaying(log, nats_server) as relay:
            await append(log, 2)
            await eventually(lambda: caught_up(relay, log))
            assert relay.problems() == ["stream ORDERS is set otherwise than ours: deny_purge, max_msgs"]
        assert (await streams.context(client).stream_info("ORDERS")).config.max_msgs == 1_000_000


async def test_durables_are_recorded_and_made_again(log, database, nats_server):
    schema = log.config.schema

    async def floors():
        rows = await log.pool.fetch(f"SELECT durable, ack_floor FROM {schema}.relay_durables")
        return {row["durable"]: row["ack_floor"] for row in rows}

    async with relaying(log, nats_server) as relay, plain_client(nats_server) as client:
        js = streams.context(client)
        await append(log, 30)
        await eventually(lambda: caught_up(relay, log))
        await js.add_consumer(
            "ORDERS",
            durable_name="partner",
            name="partner",
            filter_subject="chaoyangli.orders.OfferDeclined",
            ack_policy="explicit",
            max_deliver=7,
        )
        await streams.ensure_durable(js, "orders", "ledger", 4)
        subscription = await js.pull_subscribe_bind("partner", "ORDERS")
        for message in await subscription.fetch(12, PATIENCE_SECONDS):
            await message.ack()
        await eventually(lambda: _is(floors(), {"partner": 12, "ledger-reactions": 4}))
        await asyncio.to_thread(nats_server.wipe)
        await eventually(lambda: is_the_log(client, log))

        async def again():
            with contextlib.suppress(NotFoundError):
                return await js.consumer_info("ORDERS", "partner")

        info = await eventually(again)
        assert (info.config.filter_subject, info.config.max_deliver) == ("chaoyangli.orders.OfferDeclined", 7)
        subscription = await js.pull_subscribe_bind("partner", "ORDERS")
        assert [m.metadata.sequence.stream for m in await subscription.fetch(3, PATIENCE_SECONDS)] == [13, 14, 15]
        with pytest.raises(NotFoundError):
            await js.consumer_info("ORDERS", "ledger-reactions")  # ours is asked for by its listener
        async with log.pool.acquire() as held:
            await held.execute("SELECT pg_advisory_lock($1)", durables_lock("orders"))
            await streams.forget_durable(held, schema, "partner")
            await js.delete_consumer("ORDERS", "partner")
            await held.execute("SELECT pg_advisory_unlock($1)", durables_lock("orders"))
        await streams.ensure_durable(js, "orders", "volunteers", 0)
        await eventually(lambda: _has(floors(), "volunteers-reactions"))  # a later round made nothing of it again
        assert "partner" not in await floors()
        assert "partner" not in {info.name for info in await streams.durables(js, "orders")}
        # A durable may be asked for at a place that the stream has not reached again.
        await client.publish(streams.durable_subject("chaoyangli", "orders", "notify"), b"29")

        async def asked():
            with contextlib.suppress(NotFoundError):
                return await js.consumer_info("ORDERS", "notify-reactions")

        info = await eventually(asked)
        assert (info.config.opt_start_seq, info.config.ack_policy, info.num_pending) == (30, "all", 1)


async def _is(found, expected):
    return await found == expected


async def _has(found, name):
    return name in await found


async def test_a_durable_beyond_the_end_begins_where_it_was_told(nats_server):
    async with plain_client(nats_server) as client:
        js = streams.context(client)
        await streams.ensure_stream(js, "chaoyangli", "orders")
        await streams.ensure_durable(js, "orders", "ledger", 2)
        for number in range(4):
            await js.publish("chaoyangli.orders.X", str(number).encode())
        subscription = await js.pull_subscribe_bind(streams.durable_name("ledger"), "ORDERS")
        assert [m.metadata.sequence.stream for m in await subscription.fetch(2, PATIENCE_SECONDS)] == [3, 4]


async def test_a_stream_cannot_be_purged_or_thinned(nats_server):
    async with plain_client(nats_server) as client:
        js = streams.context(client)
        await streams.ensure_stream(js, "chaoyangli", "orders")
        await js.publish("chaoyangli.orders.X", b"")
        with pytest.raises(APIError, match="10110"):
            await js.purge_stream("ORDERS")
        with pytest.raises(APIError, match="10057"):
            await js.delete_msg("ORDERS", 1)
        with pytest.raises(APIError, match="10111"):
            await js.publish("chaoyangli.orders.X", b"", headers={"Nats-Rollup": "all"})


async def test_a_closed_client_is_replaced(nats_server):
    async with connected(nats_server) as connection:
        client = await connection.client()
        await client.close()
        other = await asyncio.wait_for(connection.client(), PATIENCE_SECONDS)
        assert other is not client
        assert connection.connected


async def test_a_wrong_key_waits_for_the_right_one(nats_server):
    with running_nats(service_member("chaoyangli", "orders", new_key().public)) as server:
        connection = Connection(make_broker(server.url, "orders", seed=new_key().seed))
        async with running(connection.run()):
            await eventually(lambda: connection.errors.total() >= 3)
            assert not connection.connected
            assert "authorization" in connection.problems()[0].lower()


async def test_the_age_of_the_oldest_waiting_event_is_its_recording_time(log, nats_server):
    nats_server.kill()
    async with connected(nats_server) as connection:
        relay = relay_of(log, connection)
        relay.published = 0
        async with running(relay.run()):
            await log.append(one(stream()))
            await eventually(lambda: relay.oldest_age_seconds > 0)
            recorded = (await log.read())[0].recorded_at
            assert relay.oldest_age_seconds <= (datetime.now(UTC) - recorded).total_seconds()
