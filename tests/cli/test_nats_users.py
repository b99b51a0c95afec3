"""What the users that `init` writes for NATS may not do: each attempt on a real server, and that the server said no."""

from collections.abc import Iterable
from datetime import UTC, datetime

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, RePublish

from cli.nats_users import SERVICES, nats_accounts, subscribers_of
from eventstore import outsiders, streams
from eventstore.nats_api import API, api_prefix
from servicekit.migrate import definition_of
from servicekit.nats_keys import new_seed, public_key
from servicekit.secrets import init_secrets, read_nats_seed
from servicekit.subscribers import Subscriber
from tests.support.servers import new_key, running_nats
from tests.support.waiting import PATIENCE_SECONDS, eventually

COMMUNITY = "chaoyangli"
OTHERS = api_prefix(COMMUNITY)
READER = "auditor"


class Attempts:
    """One user's connection, and what the server refused it."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.refused: list[str] = []
        self.client: Client

    async def connect(self, url: str, seed: str) -> None:
        self.client = await nats.connect(
            url,
            nkeys_seed_str=seed,
            inbox_prefix=f"_INBOX_{self.user}",
            error_cb=self._error,
        )

    async def _error(self, error: Exception) -> None:
        self.refused.append(str(error).lower())

    async def publish(self, *subjects: str) -> None:
        """Send to all of them, and wait until the server has read it."""
        for subject in subjects:
            await self.client.publish(subject, b"{}", reply=f"_INBOX_{self.user}.x")
        await self.client.flush()

    async def listen(self, *subjects: str) -> None:
        """Subscribe to all of them, and wait until the server has read it."""
        for subject in subjects:
            await self.client.subscribe(subject)
        await self.client.flush()

    def let_through(self, subjects: Iterable[str]) -> list[str]:
        """Those among these subjects that the server has not refused."""
        return [subject for subject in subjects if not any(f'"{subject.lower()}"' in text for text in self.refused)]

    async def all_refused(self, subjects: Iterable[str]) -> None:
        """Wait for the server's refusal of each; refusals come in the order of the attempts, a moment later."""
        asked = list(subjects)

        def refused() -> bool:
            return not self.let_through(asked)

        try:
            await eventually(refused)
        except AssertionError:
            pytest.fail(f"{self.user} was let through: {self.let_through(asked)}")


def forbidden_to(user: str) -> list[str]:
    """Subjects that this user has no business with."""
    others = [service for service in SERVICES if service != user]
    foreign = [f"{COMMUNITY}.{other}.Forged" for other in others]
    foreign += [f"{COMMUNITY}.durable.{other}.{third}" for other in SERVICES for third in SERVICES if third != user]
    foreign += [f"_INBOX_{other}.reply" for other in others] + ["$SYS.REQ.SERVER.PING", "anything", COMMUNITY]
    for api in (API, OTHERS):
        for stream in map(streams.stream_name, SERVICES):
            verbs = ("DELETE", "PURGE", "UPDATE", "MSG.DELETE", "RESTORE", "LEADER.STEPDOWN")
            foreign += [f"{api}.STREAM.{verb}.{stream}" for verb in verbs]
            foreign.append(f"{api}.CONSUMER.DELETE.{stream}.x-reactions")
        for stream in map(streams.stream_name, others):
            foreign += [f"{api}.STREAM.CREATE.{stream}", f"{api}.CONSUMER.DURABLE.CREATE.{stream}.spy"]
            foreign += [f"{api}.CONSUMER.CREATE.{stream}", f"{api}.CONSUMER.CREATE.{stream}.spy"]
    foreign.append("$JS.API.STREAM.CREATE.MINE")
    return foreign


@pytest.fixture
async def everybody(tmp_path):
    init_secrets(tmp_path, SERVICES)
    with running_nats(users=lambda: nats_accounts(tmp_path, tmp_path, COMMUNITY)) as server:
        who = {user: Attempts(user) for user in (*SERVICES, READER)}
        for attempts in who.values():
            await attempts.connect(server.url, read_nats_seed(tmp_path, attempts.user))
        yield who
        for attempts in who.values():
            await attempts.client.close()


async def test_nobody_may_publish_for_another_or_change_a_stream(everybody):
    for user, attempts in everybody.items():
        subjects = forbidden_to(user)
        await attempts.publish(*subjects)
        await attempts.all_refused(subjects)


async def test_a_service_may_publish_what_is_its_own_and_the_reader_nothing(everybody):
    own = {service: f"{COMMUNITY}.{service}.Something" for service in SERVICES}
    for service, subject in own.items():
        await everybody[service].publish(subject, "the.last.of.them")
        await everybody[service].all_refused(["the.last.of.them"])
        assert everybody[service].let_through([subject]) == [subject]
    told = [*own.values(), *(streams.wake_subject(COMMUNITY, service) for service in SERVICES)]
    await everybody[READER].publish(*told)
    await everybody[READER].all_refused(told)


async def test_nobody_listens_to_what_is_told_to_another(everybody):
    for user, attempts in everybody.items():
        others = [f"_INBOX_{other}.>" for other in everybody if other != user]
        closed = [">", f"{COMMUNITY}.>", "$SYS.>", "_INBOX.>", "_INBOX_admin.>", *others]
        await attempts.listen(f"_INBOX_{user}.>", *closed)
        await attempts.all_refused(closed)
        assert attempts.let_through([f"_INBOX_{user}.>"])


async def test_whoever_has_no_key_gets_no_connection(tmp_path):
    init_secrets(tmp_path, SERVICES)
    strangers = [{}, {"user": "admin", "password": "admin"}, {"user": public_key(read_nats_seed(tmp_path, "admin"))}]
    with running_nats(users=lambda: nats_accounts(tmp_path, tmp_path, COMMUNITY)) as server:
        for stranger in (*strangers, {"nkeys_seed_str": new_seed()}):
            with pytest.raises(nats.errors.Error, match="Authorization Violation"):
                await nats.connect(server.url, allow_reconnect=False, **stranger)


@pytest.fixture
async def community(tmp_path):
    """Every service and the auditor connected, an event in each stream, a durable for each listener; the operator."""
    init_secrets(tmp_path, SERVICES)
    with running_nats(users=lambda: nats_accounts(tmp_path, tmp_path, COMMUNITY)) as server:
        admin = await nats.connect(server.url, nkeys_seed_str=read_nats_seed(tmp_path, "admin"))
        js = streams.context(admin, OTHERS)
        for service in SERVICES:
            await streams.ensure_stream(js, COMMUNITY, service)
            await js.publish(f"{COMMUNITY}.{service}.Something", service.encode())
        for listener in SERVICES:
            for source in definition_of(listener).sources:
                await streams.ensure_durable(js, source, listener, 0)
        who = {user: Attempts(user) for user in (*SERVICES, READER)}
        for attempts in who.values():
            await attempts.connect(server.url, read_nats_seed(tmp_path, attempts.user))
        yield who, js
        for client in (admin, *(attempts.client for attempts in who.values())):
            await client.close()


async def has_one_event_each(js) -> None:
    for service in SERVICES:
        assert (await js.stream_info(streams.stream_name(service))).state.last_seq == 1, service


async def test_no_answer_of_jetstreams_reaches_another_services_stream(community):
    """Whatever a request names to answer to: of its own stream, of one that it hears, of one that it may read."""
    who, js = community
    for user, attempts in who.items():
        for source in definition_of(user).sources if user in SERVICES else SERVICES:
            stream, durable = streams.stream_name(source), streams.durable_name(user)
            for forged in (f"{COMMUNITY}.{victim}.Forged" for victim in SERVICES if victim != user):
                send = attempts.client.publish
                await send(f"{OTHERS}.STREAM.INFO.{stream}", b"", reply=forged)
                await send(f"{OTHERS}.STREAM.MSG.GET.{stream}", b'{"seq":1}', reply=forged)
                await send(f"{OTHERS}.DIRECT.GET.{stream}", b'{"seq":1}', reply=forged)
                await send(f"{OTHERS}.CONSUMER.INFO.{stream}.{durable}", b"", reply=forged)
                if user in SERVICES:
                    await send(f"{OTHERS}.CONSUMER.MSG.NEXT.{stream}.{durable}", b"1", reply=forged)
                    own = streams.stream_name(user)
                    await send(f"{API}.STREAM.MSG.GET.{own}", b'{"seq":1}', reply=forged)
                    await send(f"{API}.STREAM.INFO.{own}", b"", reply=forged)
        await attempts.client.flush()
        assert attempts.refused == [], "each was asked for by right"
    await has_one_event_each(js)


async def test_no_consumer_and_no_stream_sends_on_into_another_services_stream(community):
    """A service may make consumers of its stream, and streams of later origins; both can name where messages go."""
    who, js = community
    for service in SERVICES:
        own = streams.stream_name(service)
        client = who[service].client
        mine = streams.context(client)
        for number, victim in enumerate(name for name in SERVICES if name != service):
            forged = f"{COMMUNITY}.{victim}.Forged"
            config = ConsumerConfig(deliver_subject=forged, ack_policy=AckPolicy.NONE)
            await mine.add_consumer(own, config, name=f"forger-{number}")
            later = streams.stream_config(COMMUNITY, f"{service}/{number + 2}")
            later.republish = RePublish(
                src=f"{COMMUNITY}.{service}-{number + 2}.*", dest=f"{COMMUNITY}.{victim}.{{{{wildcard(1)}}}}"
            )
            await mine.add_stream(later)
            await mine.publish(streams.subject(COMMUNITY, f"{service}/{number + 2}", "Something"), b"forged")
        await mine.stream_info(own)
    await has_one_event_each(js)


@pytest.fixture
async def outside(tmp_path):
    """Two subscribers from outside, their places on ORDERS, which has one event; and the operator."""
    init_secrets(tmp_path, SERVICES)
    keys = {name: new_key() for name in ("city", "county")}
    for name, key in keys.items():
        events = ("orders.OfferExpired",)
        subscribers_of(tmp_path).write(
            Subscriber(name=name, events=events, nkey=key.public, added_at=datetime(2026, 3, 5, tzinfo=UTC))
        )
    with running_nats(users=lambda: nats_accounts(tmp_path, tmp_path, COMMUNITY)) as server:
        admin = await nats.connect(server.url, nkeys_seed_str=read_nats_seed(tmp_path, "admin"))
        js = streams.context(admin, OTHERS)
        await streams.ensure_stream(js, COMMUNITY, "orders")
        for name in keys:
            config = outsiders.durable_config(COMMUNITY, "orders", name, ["OfferExpired"], 1)
            await js.add_consumer("ORDERS", config)
        for kind in ("OrderPlaced", "OfferExpired"):
            await js.publish(f"{COMMUNITY}.orders.{kind}", kind.encode())
        who = {name: Attempts(name) for name in keys}
        for name, attempts in who.items():
            await attempts.connect(server.url, keys[name].seed)
        yield who, js
        for client in (admin, *(attempts.client for attempts in who.values())):
            await client.close()


async def test_an_outsider_hears_what_they_were_given_and_may_do_nothing_else(outside):
    who, js = outside
    city, api = who["city"], OTHERS
    foreign = [*forbidden_to("city"), "_INBOX_county.x", "$JS.API.INFO", f"{api}.INFO", "$JS.API.STREAM.NAMES"]
    foreign += [f"{COMMUNITY}.orders.OrderPlaced", "$JS.API.CONSUMER.CREATE.ORDERS", f"{api}.STREAM.INFO.ORDERS"]
    foreign += [f"{api}.{verb}.ORDERS" for verb in ("CONSUMER.CREATE", "STREAM.MSG.GET", "DIRECT.GET", "STREAM.PURGE")]
    foreign += [f"{api}.CONSUMER.{verb}.ORDERS.city-subscriber" for verb in ("CREATE", "DELETE", "PAUSE")]
    foreign += [f"{api}.CONSUMER.{verb}.ORDERS.county-subscriber" for verb in ("INFO", "MSG.NEXT")]
    foreign += [f"$JS.ACK.ORDERS.{other}.1.1.1.1.1" for other in ("county-subscriber", "ledger-reactions")]
    await city.publish(*foreign)
    await city.all_refused(foreign)
    closed = [">", f"{COMMUNITY}.>", f"{COMMUNITY}.orders.OrderPlaced", "$JS.>", "_INBOX.>", "_INBOX_county.>"]
    await city.listen(*closed, "_INBOX_orders.>")
    await city.all_refused([*closed, "_INBOX_orders.>"])

    # JetStream answers under whatever subject a request names: it must not be one of a log's.
    forged = f"{COMMUNITY}.orders.OfferExpired"
    await city.client.publish(f"{api}.CONSUMER.MSG.NEXT.ORDERS.city-subscriber", b"1", reply=forged)
    await city.client.publish(f"{api}.CONSUMER.INFO.ORDERS.city-subscriber", b"", reply=forged)
    pull = await city.client.jetstream(prefix=api).pull_subscribe_bind(consumer="city-subscriber", stream="ORDERS")
    assert (await pull.consumer_info()).name == "city-subscriber", "what was asked before is answered by now"
    assert (await js.stream_info("ORDERS")).state.last_seq == 2
    county = who["county"].client.jetstream(prefix=api)
    pull = await county.pull_subscribe_bind(consumer="county-subscriber", stream="ORDERS")
    (message,) = await pull.fetch(5, timeout=PATIENCE_SECONDS)
    assert (message.metadata.sequence.stream, message.data) == (2, b"OfferExpired")
    await message.ack_sync(PATIENCE_SECONDS)
    assert who["county"].refused == []
