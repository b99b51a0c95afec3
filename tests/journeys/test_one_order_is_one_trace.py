"""The journey with a collector beside it: what four real processes recorded, held against the spans they sent."""

import asyncpg
import pytest

from cli.place import place_of
from cli.stack import Stack
from contracts.envelope import Recorded, decode
from tests.journeys.embedded import embedded
from tests.journeys.steps import Journey
from tests.support.otlp import Collector, collector
from tests.support.waiting import eventually_blocking

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

WRITTEN = ("王桂兰", "李新民", "虚构", "10000000001", "10000000002", "1955-05-06", "请敲门大声一点", "剪得好")
"""What people wrote on the way, each of it in some vault."""
HEARING_ORDERS = {"volunteers", "ledger", "notify"}


@pytest.fixture
def traced(monkeypatch):
    """The whole system, told of a collector as a deployment is."""
    with collector() as found:
        monkeypatch.setenv("CHAOYANGLI_OTLP_ENDPOINT", found.url)
        with embedded() as system:
            yield system, found


async def log_of(stack: Stack, service: str) -> list[Recorded]:
    place = place_of(stack.data, stack.servers.postgres.port, stack.servers.nats.url, stack.urls)
    config = place.log_config(service)
    connection = await asyncpg.connect(**config.connect_arguments("test"))
    try:
        rows = await connection.fetch(f"SELECT body FROM {config.schema}.events ORDER BY position")
    finally:
        await connection.close()
    return [decode(row["body"]) for row in rows]


def ids_of(event: Recorded) -> tuple[str, str]:
    """The trace and the span that an event names."""
    _, trace_id, span_id, _ = str(event.traceparent).split("-")
    return trace_id, span_id


async def test_one_order_is_one_trace_through_every_log_and_the_broker(traced):
    system, found = traced
    journey = await system.journey()
    logs = {service: await log_of(system.stack, service) for service in system.stack.urls}
    events = [event for log in logs.values() for event in log]
    everywhere = {f"process {event.service}.{event.type}" for event in logs["orders"]}

    def all_there() -> bool:
        heard = {(span.service, span.name) for span in found.spans}
        expected = {(service, name) for service in HEARING_ORDERS for name in everywhere}
        return {ids_of(event)[1] for event in events} <= found.by_id().keys() and expected <= heard

    eventually_blocking(all_there, what="every span")
    each_event_is_of_a_span_of_whoever_recorded_it(events, found)
    the_order_is_heard_by_all(logs, found)
    the_minutes_are_booked_in_the_trace_of_an_orders_command(logs, found)
    nothing_that_anybody_wrote_is_told(journey, found)
    assert system.cli("verify")["ok"]


def each_event_is_of_a_span_of_whoever_recorded_it(events: list[Recorded], found: Collector) -> None:
    """An append's, below a request, a deadline or nothing; or that of hearing its cause, below the cause's own."""
    spans, by_event = found.by_id(), {event.event_id: event for event in events}
    for event in events:
        trace_id, span_id = ids_of(event)
        span = spans[span_id]
        assert (span.service, span.trace_id, span.failed) == (event.service, trace_id, False)
        if event.causation_id is None:
            assert (span.name, span.kind) == ("append", "internal")
            assert not span.parent or spans[span.parent].kind == "server"
        else:
            cause = by_event[event.causation_id]
            assert (span.name, span.kind) == (f"process {cause.service}.{cause.type}", "consumer")
            assert (trace_id, span.parent) == ids_of(cause)


def the_order_is_heard_by_all(logs: dict[str, list[Recorded]], found: Collector) -> None:
    """PlaceOrder: request, append, one publish and three that hear it, in one trace."""
    (placed,) = [event for event in logs["orders"] if event.type == "OrderPlaced"]
    trace_id, append_id = ids_of(placed)
    below = [span for span in found.of_trace(trace_id) if span.parent == append_id]
    assert {(span.service, span.kind) for span in below if "publish" in span.name} == {("orders", "producer")}
    assert {span.service for span in below if span.name == "process orders.OrderPlaced"} == HEARING_ORDERS
    (request,) = [span for span in found.of_trace(trace_id) if not span.parent]
    assert (request.name, request.kind, request.service) == ("POST /v1/orders", "server", "orders")
    assert found.by_id()[append_id].parent == request.span_id


def the_minutes_are_booked_in_the_trace_of_an_orders_command(logs: dict[str, list[Recorded]], found: Collector) -> None:
    """From a person's word in orders over volunteers into the ledger: causes and spans tell the same."""
    by_event = {event.event_id: event for log in logs.values() for event in log}
    (booked,) = [event for event in logs["ledger"] if event.type == "EntryPosted"]
    trace_id, _ = ids_of(booked)
    way, event = [booked.service], booked
    while event.causation_id is not None:
        event = by_event[event.causation_id]
        way.append(event.service)
        assert ids_of(event)[0] == trace_id
    assert way == ["ledger", "volunteers", "orders"]
    assert {"orders", "volunteers", "ledger"} <= {span.service for span in found.of_trace(trace_id)}


def nothing_that_anybody_wrote_is_told(journey: Journey, found: Collector) -> None:
    """Not to the collector: no words, no code, no id of a person or of a thing, hyphens or not."""
    told = b"".join(found.bodies)
    ids = [journey.resident.person_id, journey.volunteer.person_id, journey.admin.person_id, journey.order_id]
    for words in (*WRITTEN, journey.service_code, journey.order_no, *map(str, ids), *(one.hex for one in ids)):
        assert words
        assert words.encode() not in told, words
