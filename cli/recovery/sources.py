"""Where a log's missing events may still lie: a bundle, another database, the stream."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import asyncpg
from nats.aio.client import Client

from cli.place import Place
from cli.recovery.bundles import BundledLog
from eventstore.errors import EngineError
from eventstore.recovery import Base, TailRefused
from eventstore.stream_reader import StreamMessage, StreamReader


class SourceUnreachable(EngineError):
    """The other database cannot be read."""


class Source(Protocol):
    """Something that kept a log's events."""

    name: str

    async def bodies(self, service: str, after: int) -> list[bytes]:
        """The events after a position, in order, as far as it has them without a gap."""


class Bundle:
    """An audit bundle."""

    def __init__(self, path: Path) -> None:
        self.name = f"the bundle {path}"
        self._path = path

    async def bodies(self, service: str, after: int) -> list[bytes]:
        return BundledLog(self._path, service).bodies(after)


class Database:
    """Another database, such as one that PostgreSQL itself recovered from a base backup and its WAL archive."""

    name = "the other database"

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def bodies(self, service: str, after: int) -> list[bytes]:
        try:
            connection = await asyncpg.connect(self._dsn)
            try:
                rows = await connection.fetch(
                    f"SELECT position, body FROM {service}.events WHERE position > $1 ORDER BY position",  # noqa: S608
                    after,
                )
            finally:
                await connection.close()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, ValueError) as error:
            raise SourceUnreachable(f"{self.name} cannot be read: {error}") from error
        return [row["body"] for number, row in enumerate(rows, after + 1) if row["position"] == number]


class Stream:
    """The stream in JetStream."""

    name = "the stream"

    def __init__(self, client: Client, place: Place) -> None:
        """`client`: the auditor's, or the operator's."""
        self._client, self._place = client, place

    async def bodies(self, service: str, after: int) -> list[bytes]:
        found: list[bytes] = []
        async with StreamReader(self._client, self._place.log_name(service), self._place.streams_api) as reader:
            while await reader.last() > after + len(found):
                messages = await reader.read(after + len(found) + 1)
                for message in messages:
                    if message.position != after + len(found) + 1:
                        return found
                    found.append(message.body)
                if not messages:
                    break
        return found


async def gathered(service: str, base: Base, sources: Sequence[Source]) -> tuple[list[bytes], list[str]]:
    """What follows the log's end, from one source after another, and the names of those that gave something.

    Raises TailRefused when a source holds something else at the place where the log (or the one before) ends.
    """
    found: list[bytes] = []
    names = []
    for source in sources:
        size = base.size + len(found)
        bodies = await source.bodies(service, max(size - 1, 0))
        last = found[-1] if found else base.last_body
        if last is not None and bodies:
            if bodies[0] != last:
                raise TailRefused(f"{source.name} holds another event {size} of {service}: it is not of this log")
            bodies = bodies[1:]
        if bodies:
            found += bodies
            names.append(source.name)
    return found, names


class LogReader:
    """A log read as if it were its stream, to fold copies from when the stream has still to be filled."""

    def __init__(self, connection: asyncpg.Connection, service: str) -> None:
        self._connection, self._service = connection, service

    async def read(self, first: int, limit: int = 1_000) -> list[StreamMessage]:
        """Events from `first` on, in order."""
        rows = await self._connection.fetch(
            f"""SELECT position, event_id::text, type, body FROM {self._service}.events
                WHERE position >= $1 ORDER BY position LIMIT $2""",  # noqa: S608 - a service's name
            first,
            limit,
        )
        return [StreamMessage(*row) for row in rows]


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that is closed afterwards."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
