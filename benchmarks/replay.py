"""Replaying: the same history of orders read back by the engine and by the `eventsourcing` library, on one PostgreSQL.

Every round measures all of them one after the other, so a disturbed machine disturbs all; the medians are compared. Of
the fold into read models the best round is told as well: it is an absolute figure, and what disturbs only slows it.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from hashlib import sha256
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import uvloop
from eventsourcing.domain import DomainEvent
from eventsourcing.persistence import DatetimeAsISO, DecimalAsStr, JSONTranscoder, Mapper, UUIDAsHex
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from benchmarks.figures import Figure, ratio, rounds, table
from benchmarks.order_lives import lives, write_lives
from cli.embedded import PostgresServer
from contracts.event import Event
from eventstore.config import LogConfig
from eventstore.log import Log
from eventstore.log.reader import read_raw
from eventstore.migrate import RolePasswords, migrate
from eventstore.replay import replay
from eventstore.replay.histories import OwnHistory
from eventstore.replay.memory import no_collections
from eventstore.verify import verify
from services.orders.read_models.own import OrdersModel

PAGE = 2_000
_PASSWORDS = RolePasswords("bench-app", "bench-migrator", "bench-auditor")


async def measure(server: PostgresServer, *, short: bool = False) -> list[Figure]:
    """The figures of replay: ratios, one rate, and verification beside them."""
    events, library_events, most, seconds = (22_000, 4_000, 3, 12) if short else (360_000, 12_000, 5, 90)
    database = f"replay_{uuid4().hex[:8]}"
    admin = await asyncpg.connect(server.dsn())
    await admin.execute(f"CREATE DATABASE {database}")
    await admin.close()
    config = LogConfig("orders", "chaoyangli", "127.0.0.1", server.port, database, _PASSWORDS.app, b"s" * 32)
    await migrate(server.dsn(database), "orders", _PASSWORDS)
    log = await Log.open(config)
    size = await write_lives(log, events)
    await log.close()
    library = await asyncio.to_thread(_Library, server, database, library_events)
    library_rates, parsed_rates, decoded_rates, folded_rates, verified_rates = [], [], [], [], []
    for _ in rounds(most, seconds):
        library_rates.append(await asyncio.to_thread(library.replay))
        parsed_rates.append(await _parsed(config, size))
        decoded_rates.append(await _decoded(config, size))
        folded_rates.append(await _folded(config))
        verified_rates.append(await _verified(config))
    await asyncio.to_thread(library.close)
    peer = median(library_rates)
    return [
        Figure("replay, JSON parsed and leaf hash checked, over eventsourcing's decoded replay",
               ratio(parsed_rates, library_rates), "times", 3,
               note=f"{median(parsed_rates):,.0f}/s over {peer:,.0f}/s"),
        Figure("replay into contract classes, over eventsourcing's decoded replay",
               ratio(decoded_rates, library_rates), "times", 2, note=f"{median(decoded_rates):,.0f}/s"),
        Figure("replay into orders' read models, over eventsourcing's decoded replay",
               ratio(folded_rates, library_rates), "times", note="to compare machines by"),
        Figure("replay into orders' read models", max(folded_rates), "events/s", 50_000,
               note=f"median {median(folded_rates):,.0f}/s; from nothing to tables with their indexes"),
        Figure("verification of a log: bodies, columns, tree, tiles", max(verified_rates), "events/s",
               note=f"median {median(verified_rates):,.0f}/s"),
    ]  # fmt: skip


async def _parsed(config: LogConfig, size: int) -> float:
    """Every stored body against its leaf hash, and parsed."""
    connection = await asyncpg.connect(**config.connect_arguments("benchmark"))
    begin = time.perf_counter()
    position = 0
    while rows := await read_raw(connection, config.schema, position, PAGE):
        for row in rows:
            if sha256(b"\x00" + row.body).digest() != row.leaf_hash:
                raise AssertionError(f"event {row.position} does not hash")
            orjson.loads(row.body)
        position = rows[-1].position
    seconds = time.perf_counter() - begin
    await connection.close()
    return size / seconds


async def _decoded(config: LogConfig, size: int) -> float:
    """Every event as an object of its contract class, as a replay reads them."""
    connection = await asyncpg.connect(**config.connect_arguments("benchmark"))
    begin = time.perf_counter()
    found = 0
    with no_collections():
        async for events in OwnHistory(connection, config.schema).read(0, size):
            found += len(events)
    seconds = time.perf_counter() - begin
    await connection.close()
    return found / seconds


async def _folded(config: LogConfig) -> float:
    report = await replay(_as("migrator", config), (OrdersModel(),))
    return report.events / report.seconds


async def _verified(config: LogConfig) -> float:
    begin = time.perf_counter()
    report = await verify(_as("auditor", config))
    seconds = time.perf_counter() - begin
    if not report.ok:
        raise AssertionError(report.problems)
    return report.size / seconds


def _as(role: Any, config: LogConfig) -> LogConfig:
    from dataclasses import replace

    return replace(config, role=role, password=getattr(_PASSWORDS, role))


@dataclass(frozen=True)
class Happened(DomainEvent):
    """One of our events as the library would keep it: the same facts, its own encoding."""

    kind: str
    facts: dict[str, Any]


class _Library:
    """The same lives in the library's tables, read back as it reads a notification log: select, then map to events."""

    def __init__(self, server: PostgresServer, database: str, events: int) -> None:
        self._datastore = PostgresDatastore(
            database, "127.0.0.1", server.port, "postgres", server.password, schema="library"
        )
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS library")
        self._recorder = PostgresApplicationRecorder(self._datastore, events_table_name="stored_events")
        self._recorder.create_table()
        transcoder = JSONTranscoder()
        for transcoding in (UUIDAsHex(), DecimalAsStr(), DatetimeAsISO()):
            transcoder.register(transcoding)
        self._mapper: Mapper[UUID] = Mapper(transcoder)
        for life in lives(events):
            stored = [self._mapper.to_stored_event(each) for each in _happened(life)]
            self._recorder.insert_events(stored)

    def replay(self) -> float:
        """Decoded events a second."""
        begin = time.perf_counter()
        last = found = 0
        while page := self._recorder.select_notifications(last + 1, PAGE):
            for notification in page:
                self._mapper.to_domain_event(notification)
            found += len(page)
            last = page[-1].id
        return found / (time.perf_counter() - begin)

    def close(self) -> None:
        self._datastore.close()


def _happened(life: Iterable[Event]) -> Iterable[Happened]:
    originator, now = uuid4(), Happened.create_timestamp()
    for version, event in enumerate(life, 1):
        yield Happened(originator, version, now, event.type, _plain(event.model_dump(exclude_none=True)))


def _plain(value: Any) -> Any:
    """What the library's encoder takes: its transcodings know UUIDs and times, not tuples and enumerations."""
    match value:
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case tuple() | list():
            return [_plain(each) for each in value]
        case Enum():
            return value.value
        case UUID() | datetime() | _:
            return value


def main() -> None:
    """Measure on a PostgreSQL of its own and print the table."""
    with tempfile.TemporaryDirectory(prefix="replay-") as directory:
        server = PostgresServer(Path(directory) / "postgres", Path(directory) / "password")
        server.start()
        try:
            print(table(uvloop.run(measure(server, short="--short" in sys.argv))))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
