"""Give a subscriber from outside what they hear by, look at it, change it, and take it away again."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import asyncpg
import nats
import nats.errors
from nats.aio.client import Client
from nats.js.errors import APIError, NotFoundError

from cli.embedded import EmbeddedError, NatsServer
from cli.nats_users import nats_accounts, subscribers_of
from cli.place import SERVICES, Place
from cli.starts import EVERYWHERE, CannotSubscribe, Start, first_of, starts_of
from cli.story import NothingFound
from eventstore import outsiders, streams
from eventstore.broker import inbox_prefix
from eventstore.durable import LockBusy, locked
from eventstore.durables import durables_lock
from eventstore.nats_api import api_prefix
from servicekit.nats_keys import new_seed, public_key
from servicekit.subscribers import Subscriber, expand, key_sha256, new_feed_key

_logger = logging.getLogger(__name__)

SETTLED_SECONDS = 10.0
"""So long a server that was told to read its configuration anew is given to let somebody in, and relays to forget."""
ALONE_SECONDS = 60.0
"""So long a command waits for another one that changes subscribers."""
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Given:
    """What a new subscriber is handed, once: nobody keeps the seed and the feed key but they."""

    subscriber: Subscriber
    withheld: tuple[str, ...]
    seed: str
    feed_key: str
    community: str
    first: Mapping[str, int]
    """Log, by name → the position that they begin at."""
    let_in: bool
    """Whether NATS knows them now; False: its configuration is not here, an operator has it read anew."""

    def credentials(self) -> dict[str, Any]:
        """What examples/subscribe.py and subscribe.mjs are given."""
        durable = outsiders.durable_name(self.subscriber.name)
        return {
            "name": self.subscriber.name,
            "events": list(self.subscriber.events),
            "nats_seed": self.seed,
            "nats_api_prefix": api_prefix(self.community),
            "nats_inbox_prefix": inbox_prefix(self.subscriber.name),
            "nats_consumers": [{"stream": streams.stream_name(log), "durable": durable} for log in self.first],
            "feed_key": self.feed_key,
        }


@contextmanager
def alone(place: Place) -> Iterator[None]:
    """No other command changes subscribers meanwhile: of two that write NATS's users at once one would be forgotten.

    Blocks. Raises CannotSubscribe when another one does not end.
    """
    try:
        with locked(place.state_dir / "subscribers", ALONE_SECONDS):
            yield
    except LockBusy:
        raise CannotSubscribe("another command is changing subscribers: try again when it is done") from None


async def add(
    place: Place,
    name: str,
    patterns: Iterable[str],
    start: Mapping[str, Start],
    hand_over: Callable[[dict[str, Any]], None] | None = None,
) -> Given:
    """Make a subscriber. `start` is by service, or EVERYWHERE; where it says nothing, from the first event on.

    `hand_over` is given the credentials before they open anything; when it raises OSError, nothing is made.

    Raises CannotBeGiven for events that nobody outside may hear, CannotSubscribe, SubscribersError, OSError.
    """
    registry = subscribers_of(place.secrets_dir)
    if registry.read(name) is not None:
        raise CannotSubscribe(f"there is a subscriber {name} already; remove it first, or choose another name")
    expansion = expand(patterns)
    seed, feed_key = new_seed(), new_feed_key()
    subscriber = Subscriber(
        name=name,
        events=expansion.events,
        feed_key_sha256=key_sha256(feed_key),
        nkey=public_key(seed),
        added_at=datetime.now(UTC),
    )
    first = {
        service: await first_of(place, service, at) for service, at in starts_of(services_of(subscriber), start).items()
    }
    async with connected(place, "admin") as client:
        # What an `add` or `remove` of this name left that was cut short.
        await _forget(place, client, name, SERVICES)
        await _make_durables(place, client, subscriber, first)
        registry.write(subscriber)
        logs = {place.log_name(service): position for service, position in first.items()}
        given = Given(subscriber, expansion.withheld, seed, feed_key, place.community, logs, let_in=False)
        try:
            if hand_over is not None:
                hand_over(given.credentials())
        except OSError:
            # Nobody would ever hold them.
            registry.remove(name)
            await _forget(place, client, name, SERVICES)
            raise
    let_in = await reload(place)
    if let_in:
        await _until(partial(_may_enter, place, seed), f"NATS does not let {name} in")
    return replace(given, let_in=let_in)


@dataclass(frozen=True, slots=True)
class Changed:
    """What a subscriber hears from now on. Their credentials are the same; what they bind to may have another name."""

    subscriber: Subscriber
    withheld: tuple[str, ...]
    first: Mapping[str, int]
    """Log, by name → the position that they go on from."""
    told: bool
    """Whether NATS knows it; see Given.let_in."""

    def binds(self) -> dict[str, Any]:
        """What replaces the same fields of the credentials that they hold."""
        durable = outsiders.durable_name(self.subscriber.name)
        consumers = [{"stream": streams.stream_name(log), "durable": durable} for log in self.first]
        return {"events": list(self.subscriber.events), "nats_consumers": consumers}


async def change(place: Place, name: str, patterns: Sequence[str], start: Mapping[str, Start]) -> Changed:
    """Give a subscriber other events (none named: the same), or another place.

    Cut short, it is run again; with no event named it makes true what their file says. What is taken away goes first.

    On a log of which `start` says nothing they go on where they are. Where they are nowhere, as on a log of which they
    heard nothing, or on its new stream after a loss, it has to say from where.

    Raises NothingFound when there is none of this name, CannotBeGiven, CannotSubscribe, SubscribersError.
    """
    registry = subscribers_of(place.secrets_dir)
    subscriber = registry.read(name)
    if subscriber is None:
        raise nobody_named(name)
    expansion = expand(patterns or subscriber.events)
    changed = subscriber.model_copy(update={"events": expansion.events})
    at = await durables(place, changed)
    starts = starts_of(services_of(changed), start, None)
    asked = {service: begin for service, begin in starts.items() if EVERYWHERE in start or service in start}
    if lost := [service for service in at if at[service] is None and service not in asked]:
        where = " and ".join(f"--from {service}=…" for service in lost)
        raise CannotSubscribe(f"{name} has no place on {', '.join(map(place.log_name, lost))}: say {where}, or `now`")
    first = {service: await first_of(place, service, begin) for service, begin in asked.items()}
    async with connected(place, "admin") as client:
        registry.write(changed)
        told = await reload(place)
        for service in at.keys() - first.keys():
            await _hear_otherwise(place, client, changed, service)
        # Of the other logs all, not those alone that they heard before: their file may tell of this change already.
        await _forget(place, client, name, [*first, *(service for service in SERVICES if service not in at)])
        await _make_durables(place, client, changed, first)
    goes_on = {service: first.get(service) or int((at[service] or {})["acknowledged"]) + 1 for service in at}
    logs = {place.log_name(service): position for service, position in goes_on.items()}
    return Changed(changed, expansion.withheld, logs, told)


async def _hear_otherwise(place: Place, client: Client, subscriber: Subscriber, service: str) -> None:
    """Have a durable that is there give other events and stay where it is."""
    js, log = streams.context(client, place.streams_api), place.log_name(service)
    name = streams.stream_name(log)
    types = subscriber.types(service)
    filters = outsiders.durable_config(place.community, log, subscriber.name, types, 1).filter_subjects
    async with _durables_held(place, service) as connection:
        try:
            # Where a durable began cannot be changed, and must be said again as it was.
            info = await answered(partial(js.consumer_info, name, outsiders.durable_name(subscriber.name)))
            config = replace(info.config, filter_subjects=filters, filter_subject=None)
            changed = await answered(partial(js.add_consumer, name, config))
        except APIError as error:
            raise CannotSubscribe(f"no place for {subscriber.name} on the log {log}: {error}") from None
        # As its relay does every few seconds: were NATS lost before that, what is taken away here would be given again.
        await streams.record_durables(connection, service, [changed])


async def remove(place: Place, name: str) -> bool:
    """Take a subscriber away: their credentials first, then their durables. Whether NATS has been told.

    Raises NothingFound when there is none of this name, CannotSubscribe, SubscribersError.
    """
    registry = subscribers_of(place.secrets_dir)
    registry.read(name)
    async with connected(place, "admin") as client:
        # Without a file, too: a removal that was cut short may have left the rest.
        there = registry.remove(name)
        told = await reload(place)
        left = await _forget(place, client, name, SERVICES)
    if not there and not left:
        raise nobody_named(name)
    return told


def nobody_named(name: str) -> NothingFound:
    """What every command says, and ends with, where there is no subscriber of this name."""
    return NothingFound(f"there is no subscriber {name}: see `chaoyangli subscribers list`")


async def durables(place: Place, subscriber: Subscriber) -> dict[str, dict[str, Any] | None]:
    """How far a subscriber is, by service; None where their durable is not there."""
    found: dict[str, dict[str, Any] | None] = {}
    async with connected(place) as client:
        js = streams.context(client, place.streams_api)
        for service in services_of(subscriber):
            stream = streams.stream_name(place.log_name(service))
            try:
                info = await answered(partial(js.consumer_info, stream, outsiders.durable_name(subscriber.name)))
            except NotFoundError:
                found[service] = None
                continue
            found[service] = {
                "acknowledged": info.ack_floor.stream_seq if info.ack_floor else 0,
                "waiting": info.num_pending,
                "unacknowledged": info.num_ack_pending,
                "sent_again": info.num_redelivered,
            }
    return found


@asynccontextmanager
async def connected(place: Place, user: str = "auditor") -> AsyncIterator[Client]:
    """A client of NATS, also while it reads its users anew, as a command before may have asked it to."""
    client = await _connect(place, user)
    try:
        yield client
    finally:
        await client.close()


async def _connect(place: Place, user: str) -> Client:
    """Whoever is just connecting when the server reads its users anew is sent away, as if they were none of them."""
    tries = 5
    while True:
        try:
            return await nats.connect(**place.nats_arguments(user))
        except (ConnectionResetError, nats.errors.Error) as error:
            tries -= 1
            sent_away = isinstance(error, ConnectionResetError) or "authorization" in str(error).lower()
            if not sent_away or not tries:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)


def services_of(subscriber: Subscriber) -> list[str]:
    """Whose events a subscriber hears, in the services' own order."""
    return [service for service in SERVICES if subscriber.types(service)]


async def reload(place: Place) -> bool:
    """Have the NATS of a data directory read who its users are; False where it is not one of ours to tell.

    Raises CannotSubscribe when it does not do so.
    """
    if place.data is None:
        return False
    accounts = NatsServer(
        place.data / "nats", accounts=lambda: nats_accounts(place.secrets_dir, place.state_dir, place.community)
    )
    try:
        return await asyncio.to_thread(accounts.reload)
    except EmbeddedError as error:
        raise CannotSubscribe(str(error)) from error


async def _make_durables(place: Place, client: Client, subscriber: Subscriber, first: Mapping[str, int]) -> None:
    """All of them or none."""
    js = streams.context(client, place.streams_api)
    made: list[str] = []
    log = ""
    try:
        for service, position in first.items():
            log = place.log_name(service)
            config = outsiders.durable_config(
                place.community, log, subscriber.name, subscriber.types(service), position
            )
            await answered(partial(js.add_consumer, streams.stream_name(log), config))
            made.append(log)
    except APIError as error:
        for before in made:
            await js.delete_consumer(streams.stream_name(before), outsiders.durable_name(subscriber.name))
        why = "its stream is not there yet: let the services run once" if isinstance(error, NotFoundError) else error
        raise CannotSubscribe(f"no place for {subscriber.name} on the log {log}: {why}") from None


async def answered(ask: Callable[[], Awaitable[Any]]) -> Any:
    """What JetStream answers. While the server reads its users anew it answers nobody for a moment: ask again."""
    loop = asyncio.get_running_loop()
    end = loop.time() + SETTLED_SECONDS
    while True:
        try:
            return await ask()
        except (nats.errors.Error, TimeoutError) as error:
            refused = isinstance(error, APIError) and error.err_code is not None
            if refused or loop.time() > end:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)


async def _forget(place: Place, client: Client, name: str, services: Iterable[str]) -> bool:
    """Take the durables of this name away from these logs; whether there was one. Raises CannotSubscribe."""
    found = False
    for service in services:
        if not await _forgotten(place, client, service, name):
            found = True
            await _until(partial(_forgotten, place, client, service, name), f"{service} keeps {name}")
    return found


async def _forgotten(place: Place, client: Client, service: str, name: str) -> bool:
    """Whether log and stream know nothing of the subscriber's durable, after they were told to forget it.

    An answer of NATS may be lost: hence asked again.
    """
    durable, stream = outsiders.durable_name(name), streams.stream_name(place.log_name(service))
    noted = False
    try:
        async with _durables_held(place, service) as connection:
            noted = await streams.forget_durable(connection, service, durable)
            await streams.context(client, place.streams_api).delete_consumer(stream, durable)
    except NotFoundError:
        return not noted
    except (nats.errors.Error, TimeoutError) as error:
        # As in `answered`.
        _logger.info("%s: %s was not deleted yet: %r", stream, durable, error)
    return False


@asynccontextmanager
async def _durables_held(place: Place, service: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection while nobody else notes, makes or takes away durables of the log. Raises CannotSubscribe."""
    connection = await place.connect(service, "app")
    try:
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", durables_lock(service), timeout=SETTLED_SECONDS)
        except TimeoutError:
            raise CannotSubscribe(
                f"the relay of {service} has been at its durables for {SETTLED_SECONDS:.0f} seconds: is it stopped?"
            ) from None
        yield connection
    finally:
        await connection.close()  # and with it the lock is gone


async def _may_enter(place: Place, seed: str) -> bool:
    try:
        client = await nats.connect(
            place.nats_url, nkeys_seed_str=seed, allow_reconnect=False, connect_timeout=2, error_cb=_heard
        )
    except (nats.errors.Error, OSError, TimeoutError):
        return False
    await client.close()
    return True


async def _heard(error: Exception) -> None:
    """What nats-py reports beside raising it: that nobody is let in with this key yet."""
    del error


async def _until(holds: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + SETTLED_SECONDS
    while not await holds():
        if loop.time() > end:
            raise CannotSubscribe(f"{otherwise}, {SETTLED_SECONDS:.0f} seconds after it was told otherwise")
        await asyncio.sleep(_PAUSE_SECONDS)
