"""NATS connections, relays and consumers for tests, and a small service that hears another."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import nats
import sqlalchemy as sa

from contracts.command import SYSTEM, Command, Refused, Role
from contracts.envelope import Recorded
from contracts.volunteers import ConsentGiven
from eventstore.aggregate import Aggregate
from eventstore.broker import Connection, make_broker
from eventstore.log import Log
from eventstore.model import Append, StreamAppend
from eventstore.nats_api import API, api_prefix
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from eventstore.streams import context
from eventstore.tasks import end
from tests.support.logs import BY_TEST, declined, stream
from tests.support.servers import TestNats

NOON = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)


class Stopped:
    """A clock that stands still."""

    def now(self) -> datetime:
        return NOON


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, Any]) -> AsyncIterator["asyncio.Task[Any]"]:
    """A task for the length of a block; it is cancelled at the end, and an error of its own is raised there."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        ended = task.done()
        await end([task])
        if ended and not task.cancelled():
            task.result()


@contextlib.asynccontextmanager
async def connected(server: TestNats, service: str = "orders", seed: str | None = None) -> AsyncIterator[Connection]:
    """A service's connection, kept in the background as in a service process."""
    api = API if seed is None else api_prefix("chaoyangli")
    connection = Connection(make_broker(server.url, service, seed=seed, heard_api=api))
    async with running(connection.run()):
        yield connection


@contextlib.asynccontextmanager
async def plain_client(server: TestNats) -> AsyncIterator[Any]:
    """A client of nobody in particular, for looking at streams."""
    client = await nats.connect(server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1, error_cb=_silent)
    try:
        yield client
    finally:
        await client.close()


async def _silent(_: Exception) -> None:
    return


async def append(log: Log, count: int, *, each: int = 1) -> None:
    """Append `count` events in appends of `each`, each append a stream of its own."""
    parts = [
        Append([StreamAppend(stream(), 0, [declined(n + i + 1) for i in range(min(each, count - n))])], BY_TEST)
        for n in range(0, count, each)
    ]
    await asyncio.gather(*(log.append(part) for part in parts))


async def messages(client: Any, name: str = "ORDERS") -> list[Any]:
    """Every message of a stream, in order."""
    js = context(client)
    state = (await js.stream_info(name)).state
    return [await js.get_msg(name, seq=number) for number in range(1, state.last_seq + 1)]


async def is_the_log(client: Any, log: Log) -> bool:
    """Whether the stream holds exactly the log: same numbers, ids and bytes."""
    try:
        found = await messages(client, log.service.upper())
    except (nats.errors.Error, TimeoutError):
        return False
    stored = await log.read_raw(0, 100_000)
    return [(m.seq, m.headers["Nats-Msg-Id"], m.data) for m in found] == [
        (event.position, str(event.event_id), event.body) for event in stored
    ]


class Note(Command):
    """The listener's one command: note a number for a person. 9013 is refused, and so is a number noted before."""

    person_id: UUID
    number: int

    @property
    def stream(self) -> str:
        return f"notes-{self.person_id}"


def note(person: int, number: int) -> Note:
    return Note(by=SYSTEM, at=NOON, person_id=UUID(int=person), number=number)


def decide(command: Note, noted: tuple[int, ...]) -> Sequence[ConsentGiven]:
    if command.number == 9_013:
        raise Refused("unlucky", number=9_013)
    if command.number in noted:
        raise Refused("noted_before", number=command.number)
    return [
        ConsentGiven(
            person_id=command.person_id,
            purpose=f"n{command.number}",
            form="web",
            role=Role.SYSTEM,
            given_at=command.at,
        )
    ]


NOTES: Aggregate[Any, Any, Any] = Aggregate(
    category="notes",
    initial=tuple,
    decide=decide,
    evolve=lambda noted, event: (*noted, int(event.purpose[1:])),
    commands=(Note,),
)


class NotesOwn(ReadModel):
    """The listener's own table: one row a note; no two of the numbers from 9090 on."""

    source = "volunteers"
    metadata = sa.MetaData()
    version = 1
    notes = sa.Table(
        "notes",
        metadata,
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("unique_number", sa.Integer),
        sa.UniqueConstraint("unique_number", name="nineties_once", deferrable=True, initially="DEFERRED"),
    )

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        if isinstance(recorded.event, ConsentGiven):
            number = int(recorded.event.purpose[1:])
            unique = number if number >= 9_090 else None
            rows.insert(self.notes, event_id=recorded.event_id, number=number, unique_number=unique)


class HeardOrders(ReadModel):
    """The listener's copy of what it heard: one row an event. Number 9077 it cannot take."""

    source = "orders"
    metadata = sa.MetaData()
    version = 1
    heard = sa.Table(
        "heard_orders",
        metadata,
        sa.Column("position", sa.BigInteger, primary_key=True),
        sa.Column("wave", sa.Integer, nullable=False),
        sa.CheckConstraint("wave <> 9077", name="not_9077"),
    )

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        # insert, not upsert: folding an event twice would break the primary key
        rows.insert(self.heard, position=recorded.position, wave=recorded.event.wave)  # type: ignore[attr-defined]


LISTENER_MODELS = (NotesOwn(), HeardOrders())
LISTENER_CONSTRAINTS = {"nineties_once": "taken"}


async def noted(log: Log) -> list[int]:
    """The numbers that the listener has recorded, in order."""
    return [int(recorded.event.purpose[1:]) for recorded in await log.read(0, 100_000)]  # type: ignore[attr-defined]


async def copied(log: Log) -> list[tuple[int, int]]:
    """The listener's copy of what it heard: (position, number)."""
    async with log.queries() as connection:
        rows = await connection.execute(sa.select(HeardOrders.heard).order_by(HeardOrders.heard.c.position))
        return [(row.position, row.wave) for row in rows]
