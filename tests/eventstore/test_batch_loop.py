"""FastStream's replaced batch loop: what is there is handed over at once, errors wait, nothing spins."""

import asyncio
import importlib.metadata
import re
from pathlib import Path

import nats.errors
import pytest
from faststream.middlewares import AckPolicy
from faststream.nats import JStream, PullSub
from faststream.nats.subscriber.usecases import BatchPullStreamSubscriber
from nats.js.errors import ServiceUnavailableError

from eventstore import batch_loop, streams
from eventstore.batch_loop import FASTSTREAM_VERSION, consume_pull
from eventstore.broker import make_broker
from eventstore.consumer.consumer import undecoded
from tests.support.messaging import plain_client, running
from tests.support.waiting import eventually


class Subscription:
    """Answers each fetch with the next of a list, and then with silence."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.fetched = 0

    async def fetch(self, batch: int, timeout: float):
        self.fetched += 1
        if not self.answers:
            await asyncio.sleep(timeout)
            raise nats.errors.TimeoutError
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def subscriber_of(subscription, consumed):
    class Subscriber(BatchPullStreamSubscriber):
        def __init__(self) -> None:
            self.running = True
            self.subscription = subscription
            self.pull_sub = PullSub(batch_size=10, timeout=0.2, batch=True)
            self.stream = JStream("ORDERS", declare=False)

        async def consume(self, messages):
            consumed.append(messages)

    return Subscriber()


def test_the_loop_is_in_its_place_and_the_version_is_the_measured_one():
    assert BatchPullStreamSubscriber._consume_pull is consume_pull
    assert importlib.metadata.version("faststream") == FASTSTREAM_VERSION
    pinned = re.search(r'"faststream\[.*\]==([\d.]+)"', Path("pyproject.toml").read_text())
    assert pinned is not None
    assert pinned[1] == FASTSTREAM_VERSION


def test_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(batch_loop, "version", lambda _: "0.8.0")
    with pytest.raises(ImportError, match="measure anew"):
        batch_loop._replace()


async def test_a_partial_batch_is_handed_over_as_it_is():
    consumed: list[list[str]] = []
    subscription = Subscription(["a"], ["b", "c"])
    async with running(consume_pull(subscriber_of(subscription, consumed))):
        await eventually(lambda: len(consumed) == 2)
    assert consumed == [["a"], ["b", "c"]]


async def test_an_error_is_told_and_waits(monkeypatch):
    monkeypatch.setattr(batch_loop, "ERROR_SECONDS", 0.05)
    consumed: list[list[str]] = []
    told: list[Exception] = []
    subscription = Subscription(ServiceUnavailableError(), ValueError("odd"), TimeoutError(), ["a"])
    subscriber = subscriber_of(subscription, consumed)
    batch_loop.watch(subscriber, told.append)
    async with running(consume_pull(subscriber)):
        await eventually(lambda: consumed == [["a"]])
    assert [type(error) for error in told] == [ServiceUnavailableError, ValueError]


@pytest.mark.parametrize("error", [nats.errors.ConnectionClosedError, TimeoutError, nats.errors.TimeoutError])
async def test_errors_that_come_at_once_do_not_spin(error):
    subscription = Subscription(*[error() for _ in range(10_000)])
    async with running(consume_pull(subscriber_of(subscription, []))):
        for _ in range(1_000):
            await asyncio.sleep(0)
    assert subscription.fetched <= 2


async def test_a_lone_event_does_not_wait_for_a_full_batch(nats_server):
    arrived: list[list[bytes]] = []
    broker = make_broker(nats_server.url, "ledger")
    subscriber = broker.subscriber(
        "chaoyangli.orders.>",
        stream=JStream("ORDERS", declare=False),
        durable="ledger-reactions",
        pull_sub=PullSub(batch_size=100, timeout=600.0, batch=True),
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        decoder=undecoded,
    )

    @subscriber
    async def handle(messages):
        arrived.append([message.data for message in messages])

    async with plain_client(nats_server) as client:
        js = streams.context(client)
        await streams.ensure_stream(js, "chaoyangli", "orders")
        await streams.ensure_durable(js, "orders", "ledger", 0)
        await broker.connect()
        try:
            await subscriber.start()
            # FastStream's own loop would wait ten minutes for the other 99.
            for number in (b"3", b"not json", b'{"a":1}'):
                await js.publish("chaoyangli.orders.X", number)
                await eventually(lambda: arrived)
                assert arrived.pop() == [number]
        finally:
            await broker.stop()
