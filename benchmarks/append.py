"""Appending: the engine beside the `eventsourcing` library and beside bare INSERTs, on one PostgreSQL, fsync on.

Every round measures all of them one after the other, so a disturbed machine disturbs all; the medians are compared.
"""

import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

import contracts
from benchmarks.figures import Figure, ratio, rounds, table
from benchmarks.order_lives import life
from cli.embedded import PostgresServer
from contracts.event import Event, event_class
from contracts.ids import uuid7
from eventstore.config import LogConfig
from eventstore.log import Log
from eventstore.migrate import RolePasswords, migrate
from eventstore.model import Append, Call, Metadata, StreamAppend
from eventstore.read_model import ReadModel
from services.orders.read_models.own import OrdersModel

CALLERS = 64
CONNECTIONS = 32
THREADS = 8
BODY_BYTES = 640
"""About what an event of orders takes as published."""
_PASSWORDS = RolePasswords("bench-app", "bench-migrator", "bench-auditor")
_METADATA = Metadata(actor="0190f5a2-7b1c-7d6e-8f9a-0b1c2d3e4f50")
_BARE = "INSERT INTO bare (stream, version, event_id, body) VALUES ($1, 1, $2, $3)"


async def measure(server: PostgresServer, *, short: bool = False) -> list[Figure]:
    """The figures of append: three ratios and one rate."""
    most, seconds = (3, 20) if short else (7, 100)
    events = 4_000 if short else 16_000
    calls = 200 if short else 1_000
    engine, library, bare, one, one_bare, models = [], [], [], [], [], []
    async with _Peers(server) as peers:
        await peers.engine(peers.log, events // 4)
        for _ in rounds(most, seconds):
            library.append(await asyncio.to_thread(peers.library, events // 8))
            engine.append(await peers.engine(peers.log, events))
            bare.append(await peers.bare(events // 2))
            models.append(await peers.lives(peers.with_models, events // 2))
            one_bare += await peers.one_bare(calls)
            one += await peers.one(calls)
    return [
        Figure("append, 64 callers, one event each, over eventsourcing with 8 threads",
               ratio(engine, library), "times", 12, note=f"{median(library):,.0f}/s"),
        Figure("append, 64 callers, over one-row INSERT transactions on 32 connections",
               ratio(engine, bare), "times", 1.5, note=f"{median(bare):,.0f}/s"),
        Figure("append, 64 callers, engine alone", median(engine), "events/s"),
        Figure("append, 64 callers, with orders' read models", median(models), "events/s", 6_000),
        Figure("append latency p50, 1 caller, over one bare INSERT transaction",
               median(one) / median(one_bare), "times", 2.5, at_most=True,
               note=f"{median(one) * 1e3:.2f} ms over {median(one_bare) * 1e3:.2f} ms"),
    ]  # fmt: skip


class _Peers:
    """The three that append, each with tables of its own in one database."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._lives: Iterator[int] = iter(range(1, 10**9))

    async def __aenter__(self) -> "_Peers":
        database = f"append_{uuid4().hex[:8]}"
        admin = await asyncpg.connect(self._server.dsn())
        await admin.execute(f"CREATE DATABASE {database}")
        await admin.close()
        self.log = await self._log(database, "ledger", ())
        self.with_models = await self._log(database, "orders", (OrdersModel(),))
        self._connections = [await asyncpg.connect(self._server.dsn(database)) for _ in range(CONNECTIONS)]
        await self._connections[0].execute(
            """CREATE TABLE bare (position bigserial PRIMARY KEY, stream text NOT NULL, version integer NOT NULL,
               event_id uuid NOT NULL UNIQUE, body bytea NOT NULL, UNIQUE (stream, version))"""
        )
        await self._connections[0].execute("CREATE SCHEMA library")
        self._datastore = PostgresDatastore(
            database, "127.0.0.1", self._server.port, "postgres", self._server.password,
            pool_size=THREADS, schema="library",
        )  # fmt: skip
        self._recorder = PostgresApplicationRecorder(self._datastore, events_table_name="stored_events")
        await asyncio.to_thread(self._recorder.create_table)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.log.close()
        await self.with_models.close()
        for connection in self._connections:
            await connection.close()
        await asyncio.to_thread(self._datastore.close)

    async def _log(self, database: str, service: str, read_models: tuple[ReadModel, ...]) -> Log:
        await migrate(self._server.dsn(database), service, _PASSWORDS, read_models)
        config = LogConfig(
            service, "chaoyangli", "127.0.0.1", self._server.port, database, _PASSWORDS.app,
            idempotency_secret=b"a secret of a benchmark, 32 bytes",
        )  # fmt: skip
        return await Log.open(config, read_models)

    async def engine(self, log: Log, events: int) -> float:
        """Events a second, one an append, each on a new stream with a key."""
        event = ledger_event()

        async def call() -> None:
            await log.append(_append(f"donation-{uuid7()}", 0, event))

        return await _rate(CALLERS, events, call)

    async def lives(self, log: Log, events: int) -> float:
        """The same with read models: callers live through orders, one event an append."""
        lives = [_life(number) for number in zip(range(CALLERS * 2 + events // 10), self._lives, strict=False)]
        done = 0

        async def caller() -> None:
            nonlocal done
            while lives and done < events:
                name = f"order-{uuid7()}"
                for version, event in enumerate(lives.pop()):
                    await log.append(_append(name, version, event))
                    done += 1

        begin = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return done / (time.perf_counter() - begin)

    async def bare(self, events: int) -> float:
        """One-row INSERT transactions a second."""
        body, free = b"x" * BODY_BYTES, list(self._connections)

        async def call() -> None:
            connection = free.pop()
            await connection.execute(_BARE, f"order-{uuid7()}", uuid7(), body)
            free.append(connection)

        return await _rate(CONNECTIONS, events, call)

    def library(self, events: int) -> float:
        """Events a second through the library's recorder."""
        state, left, lock = b"x" * (BODY_BYTES - 100), events, threading.Lock()

        def insert() -> None:
            nonlocal left
            while True:
                with lock:
                    left -= 1
                    if left < 0:
                        return
                self._recorder.insert_events([StoredEvent(uuid4(), 1, "orders:OrderPlaced", state)])

        begin = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            for future in [pool.submit(insert) for _ in range(THREADS)]:
                future.result()
        return events / (time.perf_counter() - begin)

    async def one(self, calls: int) -> list[float]:
        """Seconds of each append of a single caller."""
        event = ledger_event()
        return await _latencies(calls, lambda: self.log.append(_append(f"donation-{uuid7()}", 0, event)))

    async def one_bare(self, calls: int) -> list[float]:
        """Seconds of each INSERT of a single caller."""
        body = b"x" * BODY_BYTES
        connection = self._connections[0]
        return await _latencies(calls, lambda: connection.execute(_BARE, f"order-{uuid7()}", uuid7(), body))


def _life(numbers: tuple[int, int]) -> list[Event]:
    return life(numbers[1])


@cache
def ledger_event() -> Event:
    """A donation received, as in the contracts' examples."""
    path = Path(contracts.__file__).parent / "examples" / "ledger" / "DonationReceived.json"
    data = json.loads(path.read_text())["data"]
    return event_class("DonationReceived", "ledger").model_validate_json(json.dumps(data))


def _append(stream: str, version: int, event: Event) -> Append:
    return Append([StreamAppend(stream, version, [event])], _METADATA, Call("someone/Something", str(uuid7()), b"{}"))


async def _rate(callers: int, count: int, call: Callable[[], Awaitable[Any]]) -> float:
    async def caller() -> None:
        for _ in range(count // callers):
            await call()

    begin = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return count // callers * callers / (time.perf_counter() - begin)


async def _latencies(calls: int, call: Callable[[], Awaitable[Any]]) -> list[float]:
    found = []
    for _ in range(calls):
        begin = time.perf_counter()
        await call()
        found.append(time.perf_counter() - begin)
    return found


def main() -> None:
    """Measure on a PostgreSQL of its own and print the table."""
    with tempfile.TemporaryDirectory(prefix="append-") as directory:
        server = PostgresServer(Path(directory) / "postgres", Path(directory) / "password")
        server.start()
        try:
            print(table(uvloop.run(measure(server, short="--short" in sys.argv))))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
