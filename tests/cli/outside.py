"""A place with logs, their relays and a NATS with the users that `up` gives it; and a subscriber's own client there."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import nats
import nats.errors

from cli import subscribing
from cli.nats_users import SERVICES, nats_accounts
from cli.place import Place
from contracts.command import Role
from contracts.orders import OfferExpired, OrderState
from contracts.volunteers import VolunteerPaused
from eventstore.log import Log
from eventstore.model import Append, StreamAppend
from eventstore.relay import Relay
from servicekit.secrets import init_secrets, read_nats_seed
from tests.support.logs import BY_TEST, PASSWORDS, declined, migrated, opened, stream
from tests.support.messaging import connected, running
from tests.support.servers import Database, TestNats, temporary_directory
from tests.support.waiting import PATIENCE_SECONDS, eventually


@dataclass
class Community:
    """A place, the log of orders, and its relay, which runs."""

    place: Place
    log: Log
    relay: Relay
    server: TestNats

    async def say(self, *kinds: str) -> None:
        """Append events: d for one that a volunteer declined, x for an offer that expired; wait until all are out."""
        events = [declined() if kind == "d" else expired() for kind in kinds]
        await self.log.append(Append([StreamAppend(stream(), 0, events)], BY_TEST))
        size = (await self.log.head()).size
        await eventually(lambda: self.relay.published == size)


def expired() -> OfferExpired:
    return OfferExpired(
        order_id=UUID(int=7),
        role=Role.SYSTEM,
        state=next(iter(OrderState)),
        wave=1,
        offer_ids=(UUID(int=8),),
        offers_left=0,
        expired_at=datetime(2026, 3, 5, 9, 30, tzinfo=UTC),
    )


def paused() -> VolunteerPaused:
    return VolunteerPaused(
        volunteer_id=UUID(int=9), role=Role.VOLUNTEER, paused_at=datetime(2026, 3, 5, 9, 30, tzinfo=UTC)
    )


@contextlib.asynccontextmanager
async def community(database: Database) -> AsyncIterator[Community]:
    """Four logs, two of them with a relay and so a stream: orders, where `say` speaks, and volunteers."""
    configs = {service: await migrated(database, service) for service in SERVICES}
    async with contextlib.AsyncExitStack() as stack:
        data = stack.enter_context(temporary_directory())
        secrets, state = data / "secrets", data / "state"
        init_secrets(secrets, SERVICES)
        for service, role in itertools.product(SERVICES, ("app", "auditor")):
            (secrets / f"{service}_{role}.password").write_text(getattr(PASSWORDS, role))
        server = TestNats(data, lambda: nats_accounts(secrets, state, "chaoyangli"))
        server.start()
        stack.callback(server.kill)

        async def relayed(service: str) -> tuple[Log, Relay]:
            log = await stack.enter_async_context(opened(configs[service]))
            seed = read_nats_seed(secrets, service)
            connection = await stack.enter_async_context(connected(server, service, seed=seed))
            relay = Relay(log, connection, poll_seconds=0.02, record_seconds=0.1)
            relay.attach()
            _ = await stack.enter_async_context(running(relay.run()))
            return log, relay

        log, relay = await relayed("orders")
        volunteers, its_relay = await relayed("volunteers")
        await volunteers.append(Append([StreamAppend(stream(), 0, [paused()] * 3)], BY_TEST))
        await eventually(lambda: its_relay.published == 3)
        place = Place(
            community="chaoyangli",
            secrets_dir=secrets,
            state_dir=state,
            database_host=database.host,
            database_port=database.port,
            database_name=database.name,
            nats_url=server.url,
            urls={},
            data=data,
        )
        yield Community(place, log, relay, server)


@dataclass(frozen=True)
class Kept:
    """Credentials as a subscriber holds them after they were told of a change."""

    given: subscribing.Given
    changed: subscribing.Changed

    def credentials(self):
        return self.given.credentials() | self.changed.binds()


@contextlib.asynccontextmanager
async def as_subscriber(server: TestNats, given: "subscribing.Given | Kept"):
    """Their own client, with nothing but their credentials: a function that fetches and acknowledges."""
    who = given.credentials()
    client = await nats.connect(
        server.url, nkeys_seed_str=who["nats_seed"], inbox_prefix=who["nats_inbox_prefix"], reconnect_time_wait=0.1
    )
    (there,) = who["nats_consumers"]
    pull = await client.jetstream(prefix=who["nats_api_prefix"]).pull_subscribe_bind(
        consumer=there["durable"], stream=there["stream"]
    )

    async def heard(count: int) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(found) < count:
                with contextlib.suppress(nats.errors.TimeoutError, TimeoutError):
                    for message in await pull.fetch(count - len(found), timeout=0.5):
                        found.append((message.metadata.sequence.stream, message.subject.rpartition(".")[2]))
                        await message.ack_sync(PATIENCE_SECONDS)
        return found

    try:
        yield heard
    finally:
        await client.close()


async def may_enter(server: TestNats, seed: str) -> bool:
    try:
        client = await nats.connect(
            server.url,
            nkeys_seed_str=seed,
            allow_reconnect=False,
            connect_timeout=int(PATIENCE_SECONDS),
            error_cb=ignored,
        )
    except (nats.errors.Error, ConnectionResetError):
        return False
    await client.close()
    return True


async def ignored(error: Exception) -> None:
    del error
