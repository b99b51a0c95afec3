"""Does a log grow slow? Appends and proofs in a log of 10,000 events and in one of 10,000,000, on one PostgreSQL.

The long log is filled by COPY with bodies, leaf hashes, tiles and head as appends would have left them; only then are
its triggers switched on again. Both logs are measured in turn, round after round, and the medians compared.
"""

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import uvloop

from benchmarks.append import ledger_event
from benchmarks.figures import Figure, ratio, rounds, table
from cli.embedded import PostgresServer
from contracts.envelope import encode
from contracts.ids import uuid7
from eventstore.compact_range import PartialTiles
from eventstore.config import LogConfig
from eventstore.log import Log
from eventstore.merkle import leaf_hash, verify_inclusion
from eventstore.migrate import RolePasswords, migrate
from eventstore.model import Append, Call, Metadata, StreamAppend
from eventstore.proofs import prove_inclusion

SMALL, LARGE, LARGE_IF_SLOW, LARGE_IF_SHORT = 10_000, 10_000_000, 1_000_000, 200_000
FILL_SECONDS = 180
TRIED = 250_000
"""After so many rows it is known whether all of them will take too long."""
CALLERS = 64
CHUNK = 65_536
_PASSWORDS = RolePasswords("bench-app", "bench-migrator", "bench-auditor")
_METADATA = Metadata(actor="0190f5a2-7b1c-7d6e-8f9a-0b1c2d3e4f50")
_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_COLUMNS = ("position", "stream", "version", "event_id", "type", "recorded_at", "body", "leaf_hash")
_ALWAYS = ("refuse_change", "refuse_truncate", "continue")
_KEYS = {
    "events_pkey": "PRIMARY KEY (position)",
    "events_event_id_key": "UNIQUE (event_id)",
    "events_stream_version_key": "UNIQUE (stream, version)",
}


async def measure(server: PostgresServer, *, short: bool = False) -> list[Figure]:
    """Three ratios of time: append by one caller, by 64, and an inclusion proof."""
    most, seconds = (3, 15) if short else (5, 60)
    await _fast_loading(server, on=True)
    small_size, _ = await _filled(server, "size_small", SMALL, SMALL)
    target, instead = (LARGE_IF_SHORT, LARGE_IF_SHORT) if short else (LARGE, LARGE_IF_SLOW)
    large_size, filling = await _filled(server, "size_large", target, instead)
    await _fast_loading(server, on=False)
    logs = [await Log.open(_config(server, name)) for name in ("size_small", "size_large")]
    times: dict[str, tuple[list[float], list[float]]] = {what: ([], []) for what in ("one", "crowd", "proof")}
    for log in logs:  # fills the caches
        _ = await _one(log), await _crowd(log), await _proofs(log)
    for _ in rounds(most, seconds):
        for which, log in enumerate(logs):
            found = {"one": await _one(log), "crowd": await _crowd(log), "proof": await _proofs(log)}
            for what, seconds_each in found.items():
                times[what][which].append(seconds_each)
    for log in logs:
        await log.close()
    sizes = f"at {large_size:,} events over {small_size:,}"
    filled = f"filled in {filling:,.0f} s" if large_size == target else f"{target:,} would have taken too long here"
    names = {
        "one": f"append, 1 caller, p50, {sizes}",
        "crowd": f"append, {CALLERS} callers, {sizes}",
        "proof": f"inclusion proof, p50, {sizes}",
    }
    return [
        Figure(names[what], ratio(large, small), "times", 1.3, at_most=True,
               note=f"{median(large) * 1e3:.2f} ms over {median(small) * 1e3:.2f} ms; {filled}")
        for what, (small, large) in times.items()
    ]  # fmt: skip


async def _one(log: Log, calls: int = 150) -> float:
    return await _median_seconds(calls, lambda: log.append(_append()))


async def _crowd(log: Log, events: int = 640) -> float:
    async def caller() -> None:
        for _ in range(events // CALLERS):
            await log.append(_append())

    begin = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return (time.perf_counter() - begin) / events


async def _proofs(log: Log, calls: int = 150) -> float:
    head = await log.head()
    position = random.randint(1, head.size)
    proof = await prove_inclusion(log.pool, log.config.schema, position, head.size)
    (event,) = await log.read_raw(position - 1, 1)
    verify_inclusion(position - 1, head.size, leaf_hash(event.body), proof, head.root)

    async def prove() -> None:
        await prove_inclusion(log.pool, log.config.schema, random.randint(1, head.size), head.size)

    return await _median_seconds(calls, prove)


async def _median_seconds(calls: int, call: Callable[[], Awaitable[Any]]) -> float:
    found = []
    for _ in range(calls):
        begin = time.perf_counter()
        await call()
        found.append(time.perf_counter() - begin)
    return median(found)


def _append() -> Append:
    call = Call("someone/Something", str(uuid4()), b"{}")
    return Append([StreamAppend(f"donation-{uuid7()}", 0, [ledger_event()])], _METADATA, call)


def _config(server: PostgresServer, database: str) -> LogConfig:
    return LogConfig("ledger", "chaoyangli", "127.0.0.1", server.port, database, _PASSWORDS.app, b"s" * 32)


async def _fast_loading(server: PostgresServer, *, on: bool) -> None:
    """While the logs are filled, what can be loaded again need not go through the WAL. Measured is without this."""
    admin = await asyncpg.connect(server.dsn())
    for name, value in {"wal_level": "minimal", "max_wal_senders": "0", "autovacuum": "off"}.items():
        await admin.execute(f"ALTER SYSTEM SET {name} = {value}" if on else f"ALTER SYSTEM RESET {name}")
    await admin.close()
    await asyncio.to_thread(server.restart)


async def _filled(server: PostgresServer, database: str, size: int, size_if_slow: int) -> tuple[int, float]:
    """Make a log and fill it; its size, and how many seconds that took."""
    admin = await asyncpg.connect(server.dsn())
    await admin.execute(f"CREATE DATABASE {database}")
    await admin.close()
    await migrate(server.dsn(database), "ledger", _PASSWORDS)
    rows = _Rows(size, size_if_slow)
    connection = await asyncpg.connect(server.dsn(database))
    await connection.execute("SET maintenance_work_mem = '512MB'; SET search_path = ledger")
    async with connection.transaction():
        await connection.execute("ALTER TABLE events DISABLE TRIGGER USER; TRUNCATE events")
        for name in _KEYS:
            await connection.execute(f"ALTER TABLE events DROP CONSTRAINT {name}")
        await connection.copy_records_to_table("events", schema_name="ledger", columns=_COLUMNS, records=rows.events())
        for name, definition in _KEYS.items():
            await connection.execute(f"ALTER TABLE events ADD CONSTRAINT {name} {definition}")
        for name in _ALWAYS:
            await connection.execute(f"ALTER TABLE events ENABLE ALWAYS TRIGGER {name}")
        await connection.copy_records_to_table(
            "tiles", schema_name="ledger", columns=("level", "index", "hashes", "root"), records=rows.tiles
        )
        await connection.execute(
            "UPDATE head SET size = $1, range = $2, recorded_at = $3",
            rows.written, rows.edge.compact_range().to_bytes(), _BEGAN,
        )  # fmt: skip
    await connection.execute("ANALYZE; CHECKPOINT")
    await connection.execute("ALTER TABLE events SET (autovacuum_enabled = false)")  # not in the middle of a round
    await connection.close()
    return rows.written, time.perf_counter() - rows.began


class _Rows:
    """The rows of a log as appends of one event each would have written them, and the tiles they fill."""

    def __init__(self, size: int, size_if_slow: int) -> None:
        self._size, self._size_if_slow = size, size_if_slow
        self.began = time.perf_counter()
        self.tiles: list[tuple[int, int, bytes, bytes]] = []
        self.edge = PartialTiles()
        self.written = 0

    def events(self) -> Iterator[tuple[Any, ...]]:
        """Rows for COPY. Ends early, at the smaller size, when the larger would take too long."""
        hashes: list[bytes] = []
        before_id, before_stream, before_position, rest = _template()
        base = uuid7().int & ~((1 << 62) - 1)
        end = self._size
        while self.written < end:
            self.written += 1
            position = self.written
            event_id = UUID(int=base + 2 * position)
            stream = f"donation-{UUID(int=base + 2 * position + 1)}"
            own = (before_id, str(event_id).encode(), before_stream, stream.encode(), before_position)
            body = b"".join((*own, b"%d" % position, rest))
            digest = sha256(b"\x00" + body).digest()
            hashes.append(digest)
            if len(hashes) == CHUNK:
                self._grow(hashes)
            if position == TRIED and (time.perf_counter() - self.began) * self._size / TRIED > FILL_SECONDS:
                end = min(end, max(self._size_if_slow, position))
            yield position, stream, 1, event_id, "DonationReceived", _BEGAN, body, digest
        self._grow(hashes)

    def _grow(self, hashes: list[bytes]) -> None:
        self.edge, full = self.edge.extend(hashes)
        self.tiles += [(tile.level, tile.index, tile.hashes, tile.root) for tile in full]
        hashes.clear()


def _template() -> tuple[bytes, bytes, bytes, bytes]:
    """An event as it is published, cut where its id, its stream and its position stand."""
    event, event_id, stream, position = ledger_event(), uuid7(), f"donation-{uuid7()}", 987_654_321
    body = encode(
        event.to_json(), type=event.type, service="ledger", version=event.version, community="chaoyangli",
        position=position, stream=stream, streamversion=1, event_id=event_id, time=_BEGAN, actor=_METADATA.actor,
        correlationid=None, causationid=None, traceparent=None,
    )  # fmt: skip
    before_id, body = body.split(str(event_id).encode())
    before_stream, body = body.split(stream.encode())
    before_position, rest = body.split(str(position).encode())
    return before_id, before_stream, before_position, rest


def main() -> None:
    """Measure on a PostgreSQL of its own and print the table."""
    with tempfile.TemporaryDirectory(prefix="size-") as directory:
        server = PostgresServer(Path(directory) / "postgres", Path(directory) / "password")
        server.start()
        try:
            print(table(uvloop.run(measure(server, short="--short" in sys.argv))))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
