"""Traces: off by default and then nothing; on, one trace over HTTP, log, broker and the other service."""

import asyncio
import contextlib
import socket
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from pydantic import ValidationError

from contracts.command import Role
from contracts.envelope import Recorded
from contracts.orders import ServiceItemPublished
from eventstore.log import Log
from eventstore.tracing import Kind
from servicekit import otlp
from servicekit.metrics import Metrics
from tests.servicekit.processes import deployed
from tests.servicekit.sample_service import NEIGHBOUR, sample
from tests.servicekit.test_process import Running, running, welcoming
from tests.servicekit.world import World
from tests.support.otlp import Collector, Seen, collector
from tests.support.servers import TestNats
from tests.support.waiting import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
OURS = f"00-{TRACE}-b7ad6b7169203331-01"
NO_NATS = "nats://127.0.0.1:9"
ITEM = {"item_code": "haircut", "minutes": 30}
ALLOWED = {
    *("http.request.method", "http.route", "http.response.status_code", "error.type"),
    *("messaging.system", "messaging.operation.type", "messaging.destination.name", "messaging.consumer.group.name"),
    *("messaging.batch.message_count", "chaoyangli.commands", "chaoyangli.events", "chaoyangli.refused"),
    *("chaoyangli.position", "chaoyangli.first_position", "chaoyangli.last_position", "chaoyangli.replayed"),
}


async def recorded_by(running_service: Running) -> list[Recorded]:
    log = await Log.open(running_service.settings.log_config(), running_service.process._definition.read_models)
    try:
        return await log.read(0, 1_000)
    finally:
        await log.close()


async def spans(found: Collector, *names: str) -> list[Seen]:
    """The first span of each name, once all are there."""

    def all_there() -> list[Seen]:
        here = {span.name: span for span in reversed(found.spans)}
        assert here.keys() >= set(names), sorted(here)
        return [here[name] for name in names]

    return await eventually(all_there)


async def test_a_request_goes_on_with_the_trace_it_names_and_the_event_carries_its_append(world: World) -> None:
    with collector() as found:
        async with running(world, sample(), NO_NATS, otlp_endpoint=found.url) as orders:
            await orders.until_ready("degraded")
            asked = await orders.client.post("/v1/items", json=ITEM, headers={**world.headers(), "traceparent": OURS})
            assert asked.status_code == 201
            other = {"item_code": "shopping", "minutes": 30}
            nonsense = {**world.headers(), "traceparent": "00-nonsense"}
            assert (await orders.client.post("/v1/items", json=other, headers=nonsense)).status_code == 201
            first, second = await recorded_by(orders)
            await eventually(lambda: sum(span.name == "append" for span in found.spans) == 2)
    (served,) = [span for span in found.of_trace(TRACE) if span.kind == "server"]
    (append,) = [span for span in found.of_trace(TRACE) if span.kind == "internal"]
    assert (served.parent, append.parent) == ("b7ad6b7169203331", served.span_id)
    assert first.traceparent == f"00-{TRACE}-{append.span_id}-01"
    assert served.name == "POST /v1/items"
    assert served.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/items",
        "http.response.status_code": 201,
    }
    assert append.attributes == {
        "chaoyangli.commands": ["PublishItem"],
        "chaoyangli.first_position": 1,
        "chaoyangli.last_position": 1,
        "chaoyangli.replayed": False,
    }
    begun = found.by_id()[str(second.traceparent).split("-")[2]]
    assert begun.trace_id != TRACE
    assert found.by_id()[begun.parent].parent == ""


async def test_a_trace_goes_through_log_and_broker_into_the_other_services_log(
    world: World, nats_server: TestNats
) -> None:
    url = nats_server.url
    with collector() as found:
        async with (
            running(world, NEIGHBOUR, url, otlp_endpoint=found.url) as volunteers,
            running(world, welcoming(), url, otlp_endpoint=found.url) as orders,
        ):
            await volunteers.until_ready()
            headers = {**world.headers(Role.GRID_WORKER), "traceparent": OURS}
            assert (await volunteers.client.post("/v1/persons", json={}, headers=headers)).status_code == 201
            served, append, sent, heard, answered = await spans(
                found,
                "POST /v1/persons",
                "append",
                "publish VOLUNTEERS",
                "process volunteers.PersonRegistered",
                "publish ORDERS",
            )
            (welcome,) = await recorded_by(orders)
    assert {span.trace_id for span in (served, append, sent, heard, answered)} == {TRACE}
    assert [span.service for span in (served, append, sent, heard, answered)] == [*["volunteers"] * 3, *["orders"] * 2]
    parents = [span.parent for span in (append, sent, heard, answered)]
    assert parents == [served.span_id, append.span_id, append.span_id, heard.span_id]
    assert [span.kind for span in (append, sent, heard, answered)] == ["internal", "producer", "consumer", "producer"]
    assert welcome.traceparent == f"00-{TRACE}-{heard.span_id}-01"
    assert heard.attributes == {
        "messaging.system": "nats",
        "messaging.operation.type": "process",
        "messaging.destination.name": "chaoyangli.volunteers.PersonRegistered",
        "messaging.consumer.group.name": "orders-reactions",
        "chaoyangli.position": 1,
    }


async def test_each_event_heard_in_one_batch_goes_on_with_its_own_trace(world: World, nats_server: TestNats) -> None:
    url = nats_server.url
    with collector() as found:
        async with running(world, NEIGHBOUR, url, otlp_endpoint=found.url) as volunteers:
            await volunteers.until_ready()
            for _ in range(5):
                await volunteers.post("/v1/persons", {}, Role.GRID_WORKER)
            async with running(world, welcoming(), url, otlp_endpoint=found.url) as orders:
                await eventually(lambda: sum(s.name.startswith("process") for s in found.spans) == 5)
                welcomes = await recorded_by(orders)
            causes = {each.event_id: each for each in await recorded_by(volunteers)}
    assert len(welcomes) == 5
    traced = found.by_id()
    for welcome in welcomes:
        assert isinstance(welcome.event, ServiceItemPublished)
        heard = traced[str(welcome.traceparent).split("-")[2]]
        cause = causes[welcome.causation_id or UUID(int=0)]
        assert str(cause.traceparent).split("-")[1:3] == [heard.trace_id, heard.parent]
        assert heard.attributes["chaoyangli.position"] == cause.position
    assert len({span.trace_id for span in found.spans if span.kind == "consumer"}) == 5


async def test_what_a_caller_does_not_want_sampled_is_not_sent_and_its_trace_goes_on(world: World) -> None:
    with collector() as found:
        async with running(world, sample(), NO_NATS, otlp_endpoint=found.url) as orders:
            await orders.until_ready("degraded")
            headers = {**world.headers(), "traceparent": f"{OURS[:-2]}00"}
            assert (await orders.client.post("/v1/items", json=ITEM, headers=headers)).status_code == 201
            (event,) = await recorded_by(orders)
            await orders.client.get("/v1/checkpoint")
            await spans(found, "GET /v1/checkpoint")
    assert str(event.traceparent).startswith(f"00-{TRACE}-")
    assert str(event.traceparent).endswith("-00")
    assert not found.of_trace(TRACE)


async def test_a_trace_tells_what_kind_of_thing_failed_and_nothing_that_anybody_wrote(world: World) -> None:
    with collector() as found, structlog.testing.capture_logs():
        async with running(world, sample(), NO_NATS, otlp_endpoint=found.url) as orders:
            await orders.until_ready("degraded")
            headers = world.headers(Role.RESIDENT)
            unknown, person = uuid4(), uuid4()
            await orders.client.get(f"/v1/items/{unknown}?phone=13800000000", headers=headers)
            await orders.client.get(f"/v1/neighbours/{person}", headers={**headers, "X-Note": "13800000000"})
            await orders.client.get("/v1/broken?name=王奶奶")
            await orders.client.get(f"/people/{person}")
            await orders.client.request("PROPFIND", f"/v1/items/{unknown}")
            spoken = {**ITEM, "words": "王奶奶 lives at 3号楼"}
            retire = f"/v1/items/{unknown}/retire"
            assert (await orders.client.post("/v1/items", json=spoken, headers=world.headers())).status_code == 201
            assert (await orders.client.post(retire, json={}, headers=world.headers())).status_code in {403, 404}
            await spans(found, "GET /v1/broken", "POST /v1/items/{item_id}/retire", "_OTHER /v1/items/{item_id}")
            await eventually(lambda: sum(span.name == "append" for span in found.spans) == 2)
    told = b"".join(found.bodies)
    for secret in (str(unknown), str(person), "王奶奶", "3号楼", "13800000000", "phone", "haircut", "people/"):
        assert secret.encode() not in told, secret
    assert {name for span in found.spans for name in span.attributes} <= ALLOWED
    assert not any(span.message.events or span.message.status.message for span in found.spans)
    named = {span.name: span for span in found.spans if span.kind == "server"}
    assert named["GET /v1/broken"].failed
    assert named["GET /v1/broken"].attributes == {
        "http.request.method": "GET",
        "http.route": "/v1/broken",
        "http.response.status_code": 500,
        "error.type": "RuntimeError",
    }
    (refused,) = [span for span in found.spans if "chaoyangli.refused" in span.attributes]
    assert (refused.name, refused.failed) == ("append", False)
    assert not named["POST /v1/items/{item_id}/retire"].failed


async def test_probes_are_not_traced(world: World) -> None:
    with collector() as found:
        async with running(world, sample(), NO_NATS, otlp_endpoint=found.url) as orders:
            await orders.until_ready("degraded")
            for path in ("/livez", "/readyz", "/metrics", "/v1/checkpoint"):
                await orders.client.get(path)
            await spans(found, "GET /v1/checkpoint")
    assert [span.name for span in found.spans if span.kind == "server"] == ["GET /v1/checkpoint"]


@contextlib.contextmanager
def mute() -> Any:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextlib.contextmanager
def nobody() -> Any:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def broken() -> Any:
    """A collector that answers 500."""
    with collector(500) as found:
        yield found.url


@pytest.mark.parametrize("away", [mute, nobody, broken])
async def test_a_collector_that_is_away_costs_spans_which_are_counted_and_no_command(
    world: World, away: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(otlp, "QUEUE_MAX", 8)
    monkeypatch.setattr(otlp, "BATCH_MAX", 4)
    monkeypatch.setattr(otlp, "EXPORT_SECONDS", 0.5)
    with away() as url:
        async with running(world, sample(), NO_NATS, otlp_endpoint=url) as orders:
            await orders.until_ready("degraded")
            for number in range(30):
                code = "item-" + "abcdefghijklmnopqrstuvwxyzabcd"[number] * (1 + number // 26)
                await orders.post("/v1/items", {"item_code": code, "minutes": 30})
            assert (await orders.until_ready("degraded"))["positions"]["orders"] == 30
            lost = orders.process.metrics.registry.get_sample_value

            def counted() -> bool:
                reasons = ["collector", "queue"] if away is mute else ["collector"]
                return all(lost("trace_spans_dropped_total", {"why": why}) for why in reasons)

            await eventually(counted)
            assert not lost("trace_spans_exported_total")


async def test_spans_that_wait_are_handed_over_when_the_process_ends(world: World) -> None:
    with collector() as found:
        async with running(world, sample(), NO_NATS, otlp_endpoint=found.url) as orders:
            await orders.until_ready("degraded")
            await orders.post("/v1/items", ITEM)
        assert {"POST /v1/items", "append"} <= {span.name for span in found.spans}
        exported = orders.process.metrics.registry.get_sample_value("trace_spans_exported_total")
    assert exported == len(found.spans)


@pytest.mark.parametrize(
    "wrong", ["collector:4318", "ftp://collector", "http://", "http://me:secret@collector", "http://collector/?a=b"]
)
def test_an_endpoint_that_is_no_base_url_is_refused(world: World, wrong: str) -> None:
    with pytest.raises(ValidationError, match="otlp_endpoint"):
        world.settings("orders", otlp_endpoint=wrong)


def test_the_path_of_the_protocol_is_added_once(world: World) -> None:
    for given in ("http://c:4318", "http://c:4318/", "http://c:4318/v1/traces"):
        assert world.settings("orders", otlp_endpoint=given).otlp_traces == "http://c:4318/v1/traces"
    assert world.settings("orders").otlp_traces is None


def test_a_span_ended_twice_counts_once(world: World) -> None:
    with collector() as found, asyncio.Runner() as runner:
        tracing = otlp.OtlpTracing(world.settings("orders", otlp_endpoint=found.url), Metrics("orders"))
        span = tracing.begin("once", Kind.INTERNAL, None)
        span.end(KeyError("王奶奶"))
        span.end()
        runner.run(tracing.close(30))
    (seen,) = found.spans
    assert (seen.name, seen.failed, seen.attributes) == ("once", True, {"error.type": "KeyError"})


RUN = """
import sys
from servicekit.process import run
from tests.servicekit.sample_service import sample
run(sample())
print("imported:", *sorted(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "requests"))))
"""


async def test_where_no_endpoint_is_set_nothing_is_imported_and_events_are_as_ever(world: World) -> None:
    settings = world.settings("orders")
    # An empty endpoint: as a deployment passes on what nobody set.
    async with deployed(settings, RUN, otlp_endpoint="") as orders:
        for code, more in (("haircut", {"traceparent": OURS}), ("shopping", {})):
            body = {"item_code": code, "minutes": 30}
            answer = await orders.client.post("/v1/items", json=body, headers={**world.headers(), **more})
            assert answer.status_code == 201
        output, errors = await orders.end()
    assert output.decode().splitlines()[-1] == "imported:", errors
    log = await Log.open(settings.log_config(), sample().read_models)
    try:
        first, second = await log.read(0, 10)
    finally:
        await log.close()
    assert (first.traceparent, second.traceparent) == (OURS, None)
    assert b"traceparent" not in second.body
