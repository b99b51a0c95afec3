"""From a command over HTTP to the event in the hands of a plain nats-py subscriber, with the whole system running.

Four services, PostgreSQL with fsync, NATS with sync_interval always; residents of the invented community place orders,
and everything that hears of an order reacts to it. Orders are sent in an open loop: an order's time begins when it was
due, not when there was room to send it.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import nats
import uvloop
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from benchmarks.figures import Figure, rounds, table
from benchmarks.open_loop import Door, at_rate, quantile
from cli.client import Client
from cli.seed.community import generate
from cli.seed.journal import Journal
from cli.seed.town import Town
from cli.stack import Stack
from eventstore.clock import direct
from eventstore.nats_api import api_prefix
from eventstore.streams import BATCH_MESSAGES
from eventstore.tasks import end
from servicekit.reference import reference
from servicekit.secrets import ISSUER_KEY, read_nats_seed
from servicekit.tokens import load_issuer_key

RATE = 50
BAR_MS, HIGHEST_MS = 25, 100
STEP, RATE_MAX = 1.25, 1_200
ARRIVAL_SECONDS = 30.0
DURABLE = "latency"
MORNING = datetime(2026, 11, 10, 9, 0, tzinfo=timezone(timedelta(hours=8)))
"""Business time: a Tuesday, when the office is open."""


async def measure(*, short: bool = False) -> list[Figure]:
    """The p99 at 50 orders a second, and the highest rate whose p99 is at most 100 ms."""
    most, seconds, step_seconds, climbing = (1, 8, 3, 20) if short else (3, 20, 6, 90)
    async with _community() as orders:
        await orders.window(RATE, 4)  # caches, connections and the code's first run
        windows = [await orders.window(RATE, seconds) for _ in rounds(most, climbing)]
        highest, at_highest = await _highest_rate(orders, step_seconds, time.monotonic() + climbing)
    answered = median(window.answered_ms(0.99) for window in windows)
    return [
        Figure(
            f"PlaceOrder over HTTP to a subscriber, {RATE}/s open loop for {seconds} s, p99",
            median(window.arrived_ms(0.99) for window in windows), "ms", BAR_MS, at_most=True,
            note=f"p50 {median(window.arrived_ms(0.5) for window in windows):.1f} ms; the answer p99 {answered:.1f} ms"
            + (f"; median of {len(windows)}" if len(windows) > 1 else ""),
        ),
        Figure(
            f"highest rate of PlaceOrder with p99 to a subscriber <= {HIGHEST_MS} ms", highest, "orders/s",
            note=f"p99 there {at_highest.arrived_ms(0.99):.0f} ms" if at_highest else f"longer even at {RATE}/s",
        ),
    ]  # fmt: skip


async def _highest_rate(orders: "_Orders", seconds: int, deadline: float) -> tuple[float, "_Window | None"]:
    """Step up by a quarter until the p99 is too long twice, or until `deadline`; the last rate that held."""
    held: _Window | None = None
    rate = float(RATE)
    while rate < RATE_MAX and time.monotonic() < deadline:
        for _ in range(2):
            window = await orders.window(rate, seconds)
            if window.arrived_ms(0.99) <= HIGHEST_MS:
                break
        else:
            break
        held, rate = window, rate * STEP
    return (rate / STEP, held) if held is not None else (0.0, None)


@dataclass(frozen=True, slots=True)
class _Window:
    """Seconds from when each order was due until its answer, and until its event arrived."""

    answered: list[float]
    arrived: list[float]

    def answered_ms(self, share: float) -> float:
        return quantile(self.answered, share) * 1e3

    def arrived_ms(self, share: float) -> float:
        return quantile(self.arrived, share) * 1e3


class _Orders:
    """Residents who place orders, and somebody who follows the stream."""

    def __init__(self, town: Town, door: Door) -> None:
        self._door = door
        self._town = town
        self._numbers = count()
        self._items = [item for item in reference().catalogue if item.licence is None]
        self._received: list[tuple[float, bytes]] = []

    async def heard(self, message: Msg) -> None:
        """An event, as it came."""
        self._received.append((time.perf_counter(), message.data))

    async def window(self, rate: float, seconds: float) -> _Window:
        """Place orders at this rate. Raises AssertionError when one is refused or its event does not come."""
        placed: dict[str, float] = {}
        answered: list[float] = []
        self._received.clear()

        async def place(_: int, due: float) -> None:
            status, answer = await self._door.post("/v1/orders", *self._order())
            if status != 201:
                raise AssertionError(f"an order was answered {status}: {answer}")
            answered.append(time.perf_counter() - due)
            placed[answer["event_ids"][0]] = due

        await at_rate(rate, int(rate * seconds), place)
        arrived = await self._arrivals(placed)
        await asyncio.sleep(1)  # let the others finish what they heard
        return _Window(answered, arrived)

    async def _arrivals(self, placed: dict[str, float]) -> list[float]:
        deadline = time.perf_counter() + ARRIVAL_SECONDS
        times: dict[str, float] = {}
        while not placed.keys() <= times.keys():
            if time.perf_counter() > deadline:
                missing = len(placed.keys() - times.keys())
                raise AssertionError(f"{missing} of {len(placed)} events did not come within {ARRIVAL_SECONDS:.0f} s")
            await asyncio.sleep(0.1)
            while self._received:
                moment, body = self._received.pop()
                times[json.loads(body)["id"]] = moment
        return [times[event_id] - due for event_id, due in placed.items()]

    def _order(self) -> tuple[dict[str, str], dict[str, Any]]:
        number = next(self._numbers)
        residents = self._town.community.residents
        resident = self._town.resident(residents[number % len(residents)])
        item = self._items[number % len(self._items)]
        start = MORNING + timedelta(days=2 + number % 60, minutes=10 * (number % 30))
        headers = {"Authorization": f"Bearer {self._town.client.token(resident)}", "Idempotency-Key": str(uuid4())}
        body = {
            "item_code": item.code,
            "window_start": start.isoformat(),
            "window_end": (start + timedelta(minutes=item.minutes + 30)).isoformat(),
            "details": {"address": "1-1-501", "note": "楼下等就行"},
        }
        return headers, body


@asynccontextmanager
async def _community() -> AsyncIterator[_Orders]:
    """The invented community, loaded and at rest, with a subscriber on its orders."""
    with tempfile.TemporaryDirectory(prefix="latency-") as directory:
        stack = Stack(Path(directory), mode="demo")
        direct(stack.clock_file, MORNING, 1)
        await asyncio.to_thread(stack.start)
        try:
            async with Client(stack.urls, load_issuer_key(stack.secrets_dir / ISSUER_KEY)) as client:
                with closing(Journal(stack.data / "journal", {})) as journal:
                    town = Town(client, generate("small"), journal, MORNING)
                    await town.load()
                await town.caught_up()
                door = Door(stack.urls["orders"])
                orders = _Orders(town, door)
                async with _subscribed(stack, orders.heard):
                    yield orders
                await door.close()
        finally:
            await asyncio.to_thread(stack.stop)


@asynccontextmanager
async def _subscribed(stack: Stack, heard: Callable[[Msg], Any]) -> AsyncIterator[None]:
    """As a listener hears: a durable that is asked for what comes, in an account that has no stream of orders."""
    seed = read_nats_seed(stack.secrets_dir, "admin")
    connection = await nats.connect(stack.servers.nats.url, nkeys_seed_str=seed)
    js = connection.jetstream(prefix=api_prefix(stack.community))
    await js.add_consumer("ORDERS", ConsumerConfig(durable_name=DURABLE, ack_policy=AckPolicy.NONE))
    pull = await js.pull_subscribe_bind(DURABLE, stream="ORDERS")

    async def follow() -> None:
        while True:
            with suppress(nats.errors.TimeoutError, TimeoutError):
                for message in await pull.fetch(BATCH_MESSAGES, timeout=5):
                    await heard(message)

    following = asyncio.create_task(follow())
    try:
        yield
    finally:
        await end([following])
        await connection.close()


def main() -> None:
    """Measure on a system of its own and print the table."""
    print(table(uvloop.run(measure(short="--short" in sys.argv))))


if __name__ == "__main__":
    main()
