"""Does a reader that follows a log miss what commits late? Eight writers in three processes, and beside it bigserial.

The reader asks for what comes after the last position it saw, over and over, as fast as it can. At the end the table is
compared with what it saw. The same reader on a bigserial column shows that misses would be noticed: there a number is
taken before the commit, and whoever commits late is passed over.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvloop

from benchmarks.figures import Figure, table
from benchmarks.order_lives import life
from cli.embedded import PostgresServer
from contracts.ids import uuid7
from eventstore.config import LogConfig
from eventstore.log import Log
from eventstore.migrate import RolePasswords, migrate
from eventstore.model import Append, Call, Metadata, StreamAppend

WRITERS = (3, 3, 2)
"""How many logs each process opens; every one is a writer of its own, with these many callers."""
CALLERS = 8
PAGE = 500
_PASSWORDS = RolePasswords("bench-app", "bench-migrator", "bench-auditor")
_METADATA = Metadata(actor="0190f5a2-7b1c-7d6e-8f9a-0b1c2d3e4f50")
_SECRET = b"a secret of a benchmark, 32 bytes"
_Fetch = Callable[[int], Awaitable[Sequence[tuple[int, UUID]]]]
"""Gives numbers and ids after a number, in order."""
_BARE = "INSERT INTO bare (event_id, body) VALUES ($1, $2)"


async def measure(server: PostgresServer, *, short: bool = False) -> list[Figure]:
    """What a tailing reader missed: of our log, and of a table with bigserial."""
    appends = 60 if short else 300
    database = f"readers_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(server.dsn())
    await admin.execute(f"CREATE DATABASE {database}")
    await admin.close()
    await migrate(server.dsn(database), "orders", _PASSWORDS)
    config = LogConfig("orders", "chaoyangli", "127.0.0.1", server.port, database, _PASSWORDS.app, _SECRET)
    ours = await _ours(config, appends)
    bare = await _bigserial(server.dsn(database), appends)
    return [
        Figure("committed events that a tailing reader misses, 8 writers in 3 processes", ours.missed, "events", 0,
               at_most=True, note=f"of {ours.written:,}; out of order {ours.disordered}; {ours.reads:,} reads"),
        Figure("the same with bigserial numbers and one-row transactions", bare.missed, "events",
               note=f"of {bare.written:,}: that such a reader can miss, and that it is seen"),
    ]  # fmt: skip


class _Seen:
    """What a tailing reader saw, and what it should have seen."""

    def __init__(self) -> None:
        self.ids: set[UUID] = set()
        self.reads = 0
        self.disordered = 0
        self.written = 0
        self.missed = 0

    async def follow(self, fetch: _Fetch, writers: Sequence[asyncio.Task[Any]]) -> None:
        """Read on after the last number until the writers have ended and nothing more comes."""
        last = 0
        while True:
            ended = all(writer.done() for writer in writers)
            found = await fetch(last)
            self.reads += 1
            for number, event_id in found:
                self.disordered += number <= last
                self.ids.add(event_id)
                last = number
            if ended and not found:
                return

    def compare(self, committed: Sequence[UUID]) -> None:
        """Count what is there and was not seen."""
        self.written = len(committed)
        self.missed = len(set(committed) - self.ids)


async def _ours(config: LogConfig, appends: int) -> _Seen:
    seen = _Seen()
    log = await Log.open(config)
    writers = [asyncio.create_task(_process(config, logs, appends)) for logs in WRITERS]

    async def fetch(after: int) -> list[tuple[int, UUID]]:
        return [(event.position, event.event_id) for event in await log.read_raw(after, PAGE)]

    await seen.follow(fetch, writers)
    told = sum(await asyncio.gather(*writers))
    await log.close()
    connection = await asyncpg.connect(**config.connect_arguments("benchmark"))
    committed = [row[0] for row in await connection.fetch(f"SELECT event_id FROM {config.schema}.events")]
    await connection.close()
    if len(committed) != told:
        raise AssertionError(f"writers were told of {told} events, {len(committed)} are there")
    seen.compare(committed)
    return seen


async def _bigserial(dsn: str, appends: int) -> _Seen:
    seen = _Seen()
    pool = await asyncpg.create_pool(dsn, min_size=1 + sum(WRITERS), max_size=1 + sum(WRITERS))
    await pool.execute("CREATE TABLE bare (number bigserial PRIMARY KEY, event_id uuid, body bytea)")

    async def write() -> None:
        async with pool.acquire() as connection:
            for _ in range(appends * CALLERS):
                await connection.execute(_BARE, uuid7(), b"x" * 640)

    async def fetch(after: int) -> list[tuple[int, UUID]]:
        rows = await pool.fetch("SELECT number, event_id FROM bare WHERE number > $1 ORDER BY 1 LIMIT $2", after, PAGE)
        return [(row[0], row[1]) for row in rows]

    writers = [asyncio.create_task(write()) for _ in range(sum(WRITERS))]
    await seen.follow(fetch, writers)
    await asyncio.gather(*writers)
    seen.compare([row[0] for row in await pool.fetch("SELECT event_id FROM bare")])
    await pool.close()
    return seen


async def _process(config: LogConfig, logs: int, appends: int) -> int:
    """Run writers in a process of their own; how many events they were told are recorded."""
    settings = {name: value for name, value in asdict(config).items() if name != "idempotency_secret"}
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.readers", "--write",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    order = json.dumps({"config": settings, "logs": logs, "appends": appends}).encode()
    try:
        said, _ = await running.communicate(order)
    finally:
        if running.returncode is None:
            running.kill()
    if running.returncode != 0:
        raise AssertionError(f"a process of writers ended with {running.returncode}")
    return int(said)


async def _write(order: dict[str, object]) -> int:
    config = LogConfig(**order["config"], idempotency_secret=_SECRET)  # type: ignore[arg-type]
    logs = [await Log.open(config) for _ in range(int(str(order["logs"])))]

    async def caller(log: Log, number: int) -> int:
        stream, events = f"order-{uuid7()}", life(number)
        told = 0
        for version in range(int(str(order["appends"]))):
            part = StreamAppend(stream, version, [events[version % len(events)]])
            committed = await log.append(Append([part], _METADATA, Call("someone/Something", str(uuid7()), b"{}")))
            told += committed.last_position - committed.first_position + 1
        return told

    # Each process has lives of its own, of the 39,600 that `life` can tell.
    numbers = range(os.getpid() % 390 * 100 + 1, 39_600)
    told = await asyncio.gather(*(caller(log, numbers[i]) for log in logs for i in range(CALLERS)))
    for log in logs:
        await log.close()
    return sum(told)


def main() -> None:
    """Measure on a PostgreSQL of its own and print the table; with --write: be one of the processes that write."""
    if "--write" in sys.argv:
        print(uvloop.run(_write(json.load(sys.stdin))))
        return
    with tempfile.TemporaryDirectory(prefix="readers-") as directory:
        server = PostgresServer(Path(directory) / "postgres", Path(directory) / "password")
        server.start()
        try:
            print(table(uvloop.run(measure(server, short="--short" in sys.argv))))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
