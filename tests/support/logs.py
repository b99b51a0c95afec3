"""Logs for tests: a migrated database, a few events, a read model that counts them."""

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.command import Role
from contracts.envelope import Recorded
from contracts.event import Event
from contracts.ids import uuid7
from contracts.orders import OfferDeclined, OrderState
from eventstore.config import LogConfig
from eventstore.log import Log
from eventstore.migrate import RolePasswords, migrate
from eventstore.model import Append, Call, Metadata, Step, StreamAppend
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from tests.support.servers import Database

PASSWORDS = RolePasswords(app="app-of-a-test", migrator="migrator-of-a-test", auditor="auditor-of-a-test")
SECRET = b"a secret of thirty-two bytes, ok"
BY_TEST = Metadata(actor="system")


async def migrated(database: Database, service: str = "orders", read_models: Sequence[ReadModel] = ()) -> LogConfig:
    """Migrate one service's schemas into the database; how its app reaches them."""
    await migrate(database.dsn, service, PASSWORDS, read_models)
    return LogConfig(
        service=service,
        community="chaoyangli",
        host=database.host,
        port=database.port,
        database=database.name,
        password=PASSWORDS.app,
        idempotency_secret=SECRET,
    )


def as_role(config: LogConfig, role: Any) -> LogConfig:
    """The same log, reached as another role."""
    return replace(config, role=role, password=getattr(PASSWORDS, role))


@asynccontextmanager
async def opened(config: LogConfig, read_models: Sequence[ReadModel] = (), **options: Any):
    """A log that is closed afterwards."""
    log = await Log.open(config, read_models, **options)
    try:
        yield log
    finally:
        await log.close()


@asynccontextmanager
async def superuser(database: Database):
    """A superuser's connection."""
    connection = await asyncpg.connect(database.dsn)
    try:
        yield connection
    finally:
        await connection.close()


def stream() -> str:
    """A new stream's name."""
    return f"order-{uuid7()}"


def declined(number: int = 1, volunteer_id: UUID | None = None) -> OfferDeclined:
    """An event whose `wave` is a number to recognise it by."""
    return OfferDeclined(
        order_id=UUID(int=7),
        role=Role.VOLUNTEER,
        state=next(iter(OrderState)),
        offer_id=UUID(int=8),
        volunteer_id=volunteer_id or UUID(int=9),
        wave=number,
        offers_left=0,
        declined_at=datetime(2026, 3, 5, 9, 30, tzinfo=UTC),
    )


def number_of(event: Event) -> int:
    """The number that `declined` was given."""
    assert isinstance(event, OfferDeclined)
    return event.wave


def one(name: str, expected: int = 0, *numbers: int, key: str | None = None, body: bytes = b"{}") -> Append:
    """An append of one stream, one event a number."""
    call = Call("tester/DeclineOffer", key, body) if key is not None else None
    return Append([StreamAppend(name, expected, [declined(number) for number in numbers or (1,)])], BY_TEST, call)


def step(source: str, expected: int, position: int, *streams: StreamAppend) -> Append:
    """A consumer's append."""
    return Append(streams, BY_TEST, step=Step(source, expected, position))


class Tallies(ReadModel):
    """Counts events a stream, remembers the last number, and lets no two streams end with the same number above 100.

    The constraint is deferred: only the state after an append counts.
    """

    source = "orders"
    metadata = sa.MetaData()
    version = 1
    tallies = sa.Table(
        "tallies",
        metadata,
        sa.Column("stream", sa.Text, primary_key=True),
        sa.Column("events", sa.Integer, nullable=False, default=0),
        sa.Column("last_number", sa.Integer, nullable=False),
        sa.Column("numbers", JSONB, nullable=False, default=[]),
        sa.Column("unique_number", sa.Integer),
        sa.CheckConstraint("last_number <> 66", name="not_66"),
        sa.UniqueConstraint("unique_number", name="one_of_each", deferrable=True, initially="DEFERRED"),
    )

    def needs(self, recorded: Recorded):
        return [(self.tallies, recorded.stream)]

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        if not isinstance(recorded.event, OfferDeclined):
            return
        number = recorded.event.wave
        if number == 77:
            raise ZeroDivisionError("a read model's mistake")
        before = rows.get(self.tallies, recorded.stream)
        numbers = [*(before["numbers"] if before else []), number]
        unique = number if number > 100 else None
        if before is None:
            rows.insert(self.tallies, stream=recorded.stream, last_number=number, numbers=numbers, unique_number=unique)
        else:
            rows.update(self.tallies, recorded.stream, last_number=number, numbers=numbers, unique_number=unique)
        rows.add(self.tallies, recorded.stream, events=1)


class HeardTallies(ReadModel):
    """A copy of another service's events: how often each volunteer declined. Reads no rows."""

    source = "volunteers"
    metadata = sa.MetaData()
    version = 1
    seen = sa.Table(
        "seen", metadata, sa.Column("event_id", sa.Uuid, primary_key=True), sa.Column("position", sa.BigInteger)
    )

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        rows.upsert(self.seen, event_id=recorded.event_id, position=recorded.position)
