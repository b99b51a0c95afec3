"""What a service's NATS user may do: all that relay and consumer need, and nothing else."""

import asyncio
import contextlib

import nats.errors
import pytest

from eventstore import streams
from eventstore.accounts import Member, service_member
from eventstore.consumer import Consumer
from eventstore.executor import Executor
from eventstore.relay import Relay
from tests.support.house import QUICK, noting
from tests.support.logs import migrated, opened
from tests.support.messaging import LISTENER_MODELS, NOTES, Stopped, append, connected, running
from tests.support.servers import new_key, running_nats
from tests.support.waiting import eventually


@pytest.fixture
async def log(database):
    async with opened(await migrated(database)) as log:
        yield log


def relay_of(log, connection):
    relay = Relay(log, connection, poll_seconds=0.02)
    relay.attach()
    return relay


async def caught_up(relay, log):
    return relay.published == (await log.head()).size


async def test_rights_let_the_relay_work_and_nothing_else(log, database):
    keys = {name: new_key() for name in ("orders", "ledger")}
    members = (
        service_member("chaoyangli", "orders", keys["orders"].public),
        Member("LEDGER", keys["ledger"].public, ("chaoyangli.ledger.>",), ("_INBOX_ledger.>",), (), has_streams=True),
    )
    with running_nats(*members) as server:
        async with connected(server, seed=keys["orders"].seed) as connection:
            relay = relay_of(log, connection)
            async with running(relay.run()):
                await append(log, 30)
                await append(log, 2)
                await eventually(lambda: caught_up(relay, log))
                assert not connection.errors["permission"]
                js = streams.context(await connection.client())
                for forbidden in (
                    js.delete_stream("ORDERS"),
                    js.purge_stream("ORDERS"),
                    js.update_stream(streams.stream_config("chaoyangli", "orders", 1)),
                    js.publish("chaoyangli.ledger.X", b"", timeout=0.2),
                ):
                    before = connection.errors["permission"]
                    with pytest.raises((nats.errors.Error, TimeoutError)):
                        await asyncio.wait_for(forbidden, 0.3)
                    await eventually(lambda: connection.errors["permission"] > before)  # noqa: B023 - awaited here
        async with connected(server, "ledger", seed=keys["ledger"].seed) as stranger:
            # A server whose rights lack something: said in the errors, not hidden in a time-out.
            relay = relay_of(log, stranger)
            async with running(relay.run()):
                await eventually(lambda: stranger.errors["permission"])


async def test_rights_let_a_listener_hear_and_nothing_else(database):
    keys = {name: new_key() for name in ("orders", "volunteers")}

    def member(service, *sources):
        return service_member("chaoyangli", service, keys[service].public, sources)

    async with contextlib.AsyncExitStack() as stack:
        source = await stack.enter_async_context(opened(await migrated(database, "orders")))
        config = await migrated(database, "volunteers", LISTENER_MODELS)
        listener = await stack.enter_async_context(opened(config, LISTENER_MODELS))
        server = stack.enter_context(running_nats(member("orders", "volunteers"), member("volunteers", "orders")))
        orders = await stack.enter_async_context(connected(server, "orders", keys["orders"].seed))
        volunteers = await stack.enter_async_context(connected(server, "volunteers", keys["volunteers"].seed))
        relay = Relay(source, orders, poll_seconds=0.02)
        relay.attach()
        _ = await stack.enter_async_context(running(relay.run()))
        consumer = Consumer(Executor(listener, [NOTES]), noting(), volunteers, Stopped(), limits=QUICK)
        _ = await stack.enter_async_context(running(consumer.run()))
        await append(source, 50)
        await eventually(lambda: consumer.position == 50)
        assert not orders.errors["permission"]
        assert not volunteers.errors["permission"]
        js = streams.context(await volunteers.client(), volunteers.heard_api)
        for forbidden in (
            js.add_consumer("ORDERS", name="spy", durable_name="spy"),
            js.publish("chaoyangli.orders.OfferDeclined", b"forged", timeout=0.2),
            js.delete_consumer("ORDERS", "volunteers-reactions"),
        ):
            before = volunteers.errors["permission"]
            with pytest.raises((nats.errors.Error, TimeoutError)):
                await asyncio.wait_for(forbidden, 0.3)
            await eventually(lambda: volunteers.errors["permission"] > before)  # noqa: B023 - awaited here
