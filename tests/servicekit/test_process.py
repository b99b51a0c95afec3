import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest

from contracts.command import SYSTEM, Command, Role
from contracts.envelope import Recorded
from contracts.volunteers import PersonRegistered
from eventstore.clock import direct
from eventstore.consumer import ReactionContext, Reactions, derived_id
from servicekit import http as doors
from servicekit.process import CannotStart, Runtime, ServiceDefinition, ServiceProcess, listening
from servicekit.settings import ServiceSettings
from tests.servicekit.processes import deployed
from tests.servicekit.sample_service import LIFE, NEIGHBOUR, PublishItem, sample
from tests.servicekit.world import World
from tests.support.servers import TestNats, TestPostgres
from tests.support.waiting import PATIENCE_SECONDS, eventually


@dataclass
class Running:
    """A service process within this one, on a port of its own."""

    world: World
    settings: ServiceSettings
    process: ServiceProcess
    stop: asyncio.Event
    client: httpx.AsyncClient
    task: asyncio.Task[None] = field(init=False)

    async def readiness(self) -> tuple[int, dict[str, Any]]:
        with contextlib.suppress(httpx.TransportError):
            answer = await self.client.get("/readyz")
            return answer.status_code, answer.json()
        return 0, {}

    async def until_ready(self, word: str = "ok") -> dict[str, Any]:
        """Wait for a 200 whose status is `word`."""

        async def ready() -> dict[str, Any]:
            status, document = await self.readiness()
            assert (status, document.get("status")) == (200, word), document
            return document

        return await eventually(ready)

    async def post(self, path: str, body: Mapping[str, Any], *roles: Role) -> dict[str, Any]:
        answer = await self.client.post(path, json=body, headers=self.world.headers(*roles))
        assert answer.status_code in {200, 201}, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def metric(self, name: str, **labels: str) -> float | None:
        return self.process.metrics.registry.get_sample_value(name, labels)


@contextlib.asynccontextmanager
async def running(
    world: World, definition: ServiceDefinition, nats_url: str, **settings: Any
) -> AsyncIterator[Running]:
    given = world.settings(definition.name, nats_url=nats_url, **settings)
    process, stop = ServiceProcess(definition), asyncio.Event()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{given.port}", timeout=PATIENCE_SECONDS) as client:
        found = Running(world, given, process, stop, client)
        found.task = asyncio.create_task(process.serve(stop, given))
        try:
            yield found
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await found.task


def welcoming() -> ServiceDefinition:
    """The sample, which publishes a service for every new neighbour."""
    reactions = Reactions("volunteers")

    @reactions.on(PersonRegistered, refusals={"code_taken": "ignore"})
    async def on_person_registered(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
        item_id = derived_id(recorded, "welcome")
        return [PublishItem(by=SYSTEM, at=context.now(), item_id=item_id, item_code=f"welcome-{item_id}", minutes=15)]

    return sample(reactions=[reactions], hears=[])


async def test_what_one_service_records_another_hears_and_signs(
    world: World, nats_server: TestNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "AFTER_WAIT_SECONDS", PATIENCE_SECONDS)
    url = nats_server.url
    async with running(world, NEIGHBOUR, url) as volunteers, running(world, welcoming(), url) as orders:
        await volunteers.until_ready()
        await orders.until_ready()
        registered = await volunteers.post("/v1/persons", {}, Role.GRID_WORKER)
        position = registered["positions"]["volunteers"][1]
        read = world.headers(Role.RESIDENT, After=f"volunteers={position}")
        answer = await orders.client.get(f"/v1/neighbours/{registered['person_id']}", headers=read)
        assert answer.json() == {"known": True}
        ready = await orders.until_ready()
        assert ready["positions"] == {"orders": 1, "volunteers": 1}
        await eventually(lambda: orders.process.metrics.registry.get_sample_value("ledger_signed_size") == 1)
        assert (await orders.client.get("/v1/checkpoint")).text.startswith("chaoyangli/orders\n1\n")

        async def published() -> bool:
            client = await nats.connect(url)
            try:
                message = await client.jetstream().get_msg("ORDERS", seq=1)
                return message.subject == "chaoyangli.orders.ServiceItemPublished"
            finally:
                await client.close()

        assert await eventually(published)

        async def level() -> bool:
            # Looked at once a second: a look between an append and its publishing found that one waits.
            lags: dict[str, int] = (await orders.until_ready())["lags"]
            return lags == {"relay": 0, "volunteers": 0}

        assert await eventually(level)
        metrics = (await orders.client.get("/metrics")).text
        assert 'consumer_lag{durable="orders-reactions:volunteers"} 0.0' in metrics
        assert 'faststream_received_messages_total{app_name="orders"' in metrics


async def test_a_service_serves_before_and_without_nats_and_catches_up(world: World, nats_server: TestNats) -> None:
    nats_server.stop()
    async with running(world, sample(), nats_server.url) as orders:
        document = await orders.until_ready("degraded")
        assert any("NATS" in reason for reason in document["degraded"])
        await orders.post("/v1/items", {"item_code": "haircut", "minutes": 30})
        nats_server.start()
        async with running(world, NEIGHBOUR, nats_server.url):
            await orders.until_ready()
            await eventually(lambda: orders.process.metrics.registry.get_sample_value("outbox_unpublished") == 0)


async def test_a_log_behind_its_stream_ends_the_process_and_keeps_it_from_taking_commands(
    world: World, nats_server: TestNats
) -> None:
    async with running(world, sample(), nats_server.url) as orders:
        await orders.until_ready("degraded")
        await orders.post("/v1/items", {"item_code": "haircut", "minutes": 30})
        await eventually(lambda: orders.process.status.lags.get("relay") == 0)
    client = await nats.connect(nats_server.url)
    await client.jetstream().publish("chaoyangli.orders.ServiceItemPublished", b"what an old copy of the log lacks")
    await client.close()
    # Started while NATS is away it cannot know; it ends as soon as its relay has found out.
    nats_server.stop()
    settings = world.settings("orders", nats_url=nats_server.url)
    process = ServiceProcess(sample())
    serving = asyncio.create_task(process.serve(asyncio.Event(), settings))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{settings.port}", timeout=PATIENCE_SECONDS) as http:
        await eventually(lambda: _ready(http))
    nats_server.start()
    with pytest.raises(CannotStart, match="chaoyangli recover orders"):
        await asyncio.wait_for(serving, PATIENCE_SECONDS)
    async with running(world, sample(), nats_server.url) as again:

        async def refused() -> bool:
            answer = await again.client.get("/readyz")
            return answer.status_code == 503 and "chaoyangli recover orders" in answer.text

        await eventually(refused)
        body = {"item_code": "shopping", "minutes": 30}
        answer = await again.client.post("/v1/items", json=body, headers=world.headers())
        assert answer.status_code == 503


async def _ready(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/readyz")).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_deadline_fires_in_business_time_once(world: World, nats_server: TestNats, tmp_path: Path) -> None:
    clock, start = tmp_path / "clock", datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    direct(clock, start, speed=0)
    url = nats_server.url
    async with (
        # Without it, only the replica that holds the lock of hearing is degraded, and nobody knows which that is.
        running(world, NEIGHBOUR, url),
        running(world, sample(), url, clock_file=clock) as first,
        running(world, sample(), url, clock_file=clock) as second,
    ):
        await first.until_ready()
        await second.until_ready()
        item_id = (await first.post("/v1/items", {"item_code": "haircut", "minutes": 30}))["item_id"]
        direct(clock, start + LIFE + timedelta(minutes=1), speed=0)

        async def retired() -> bool:
            answer = await second.client.get(f"/v1/items/{item_id}", headers=world.headers(Role.RESIDENT))
            return answer.json()["live"] is False

        assert await eventually(retired)

        async def fired() -> float:
            told = [await each.metric("timer_outcomes_total", outcome="fired") for each in (first, second)]
            return sum(count or 0.0 for count in told)

        assert await eventually(fired) == 1
        assert (await second.until_ready())["positions"]["orders"] == 2


async def test_a_request_that_has_begun_is_answered_before_the_process_ends(world: World) -> None:
    async with running(world, sample(), "nats://127.0.0.1:9") as orders:
        await orders.until_ready("degraded")
        headers = world.headers(After="volunteers=1")
        body = {"item_code": "haircut", "minutes": 30}
        waiting = asyncio.create_task(orders.client.post("/v1/items", json=body, headers=headers))
        registry = orders.process.metrics.registry
        await eventually(lambda: registry.get_sample_value("http_requests_under_way") == 1)
        orders.stop.set()
        assert (await waiting).json()["reason_code"] == "not_caught_up"
        await orders.task


async def test_a_background_task_that_dies_is_started_again(world: World) -> None:
    runs = 0

    async def sender(runtime: Runtime) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ConnectionError("once")
        await asyncio.Event().wait()

    async with running(world, sample(background=[sender]), "nats://127.0.0.1:9") as orders:
        await orders.until_ready("degraded")
        await eventually(lambda: runs == 2)
        assert await orders.metric("task_failures_total", task="sender") == 1


async def test_a_service_without_its_database_lives_and_is_not_ready(world: World) -> None:
    async with running(world, sample(), "nats://127.0.0.1:9", database_port=9) as orders:

        async def unready() -> bool:
            status, document = await orders.readiness()
            return status == 503 and document["reasons"] == ["log: cannot be opened (LogUnavailable)"]

        assert await eventually(unready)
        assert (await orders.client.get("/livez")).status_code == 200
        refused = await orders.client.post("/v1/items", json={})
        assert (refused.status_code, refused.json()["reason_code"]) == (503, "log_unavailable")
        assert refused.headers["Retry-After"] == "1"


async def test_a_database_that_dies_refuses_for_a_while_and_a_repeated_key_records_once(
    own_world: World, own_postgres_server: TestPostgres
) -> None:
    body, headers = {"item_code": "haircut", "minutes": 30}, own_world.headers()
    async with running(own_world, sample(), "nats://127.0.0.1:9") as orders:
        await orders.until_ready("degraded")
        await asyncio.to_thread(own_postgres_server.kill)

        async def unready() -> bool:
            status, document = await orders.readiness()
            return status == 503 and document["reasons"][0].startswith("log: PostgreSQL does not answer")

        assert await eventually(unready)
        reading = own_world.headers(Role.RESIDENT)
        for refused in (
            await orders.client.post("/v1/items", json=body, headers=headers),
            await orders.client.get("/v1/items/0199a0c0-0000-7000-8000-000000000001", headers=reading),
        ):
            assert (refused.status_code, refused.json()["reason_code"]) == (503, "log_unavailable")
            assert refused.headers["Retry-After"] == "1"
        await asyncio.to_thread(own_postgres_server.start)
        await orders.until_ready("degraded")

        async def recorded() -> bool:
            return (await orders.client.post("/v1/items", json=body, headers=headers)).status_code == 201

        assert await eventually(recorded)
        assert (await orders.client.post("/v1/items", json=body, headers=headers)).status_code == 201
        assert (await orders.until_ready("degraded"))["positions"]["orders"] == 1


async def test_a_taken_port_is_told(world: World) -> None:
    settings = world.settings("orders")
    with socket.create_server(("127.0.0.1", settings.port)), pytest.raises(CannotStart, match="CHAOYANGLI_HTTP_PORT"):
        await ServiceProcess(sample()).serve(asyncio.Event(), settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_answer_is_sent_without_waiting_for_the_client_to_acknowledge_its_head(host: str) -> None:
    with listening(host, 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_missing_secrets_are_told(world: World, tmp_path: Path) -> None:
    for missing in ({"issuer_jwks": tmp_path / "none"}, {"secrets_dir": tmp_path}, {"clock_file": tmp_path / "none"}):
        with pytest.raises(CannotStart, match=str(tmp_path)):
            await ServiceProcess(sample()).serve(asyncio.Event(), world.settings("orders", **missing))
    with pytest.raises(CannotStart, match="'volunteers'"):
        await ServiceProcess(sample()).serve(asyncio.Event(), world.settings("volunteers"))


RUN = "from servicekit.process import run; from tests.servicekit.sample_service import sample; run(sample())"


async def test_a_real_process_ends_in_order_on_sigterm(world: World, nats_server: TestNats) -> None:
    settings = world.settings("orders", nats_url=nats_server.url)
    async with deployed(settings, RUN) as orders:
        answer = await orders.client.post(
            "/v1/items", json={"item_code": "haircut", "minutes": 30}, headers=world.headers()
        )
        assert answer.status_code == 201
        output, errors = await orders.end()
    assert orders.process.returncode == 0, errors
    assert b'"event": "stopping"' in output
    assert errors == b""
