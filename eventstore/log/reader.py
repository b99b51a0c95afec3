"""Reading a log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from contracts.envelope import Recorded, decode
from eventstore.errors import Tampered
from eventstore.log.head import TreeHead


class Connection(Protocol):
    """What is needed of an asyncpg pool or connection."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def fetchrow(self, query: str, *args: Any) -> Any: ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...


@dataclass(frozen=True, slots=True)
class RawEvent:
    """An event as stored: what is published and hashed is `body`, nothing else."""

    position: int
    event_id: UUID
    type: str
    body: bytes
    leaf_hash: bytes


async def read(connection: Connection, schema: str, after: int, limit: int) -> list[Recorded]:
    """Events after a position, in order. Positions have no gaps, so the next call continues from the last one read."""
    rows = await connection.fetch(
        f"SELECT body FROM {schema}.events WHERE position > $1 ORDER BY position LIMIT $2", after, limit
    )
    return [decode(row[0]) for row in rows]


async def read_raw(connection: Connection, schema: str, after: int, limit: int) -> list[RawEvent]:
    """The same, not decoded."""
    rows = await connection.fetch(
        f"""SELECT position, event_id, type, body, leaf_hash FROM {schema}.events
            WHERE position > $1 ORDER BY position LIMIT $2""",
        after,
        limit,
    )
    return [RawEvent(*row) for row in rows]


async def read_streams(connection: Connection, schema: str, after: Sequence[tuple[str, int]]) -> list[Recorded]:
    """The events of several streams after the version named with each, in the order of the log."""
    rows = await connection.fetch(
        f"""SELECT e.body FROM unnest($1::text[], $2::integer[]) AS s (stream, version)
            JOIN {schema}.events e ON e.stream = s.stream AND e.version > s.version ORDER BY e.position""",
        [stream for stream, _ in after],
        [version for _, version in after],
    )
    return [decode(row[0]) for row in rows]


async def head(connection: Connection, schema: str) -> TreeHead:
    """The head row. Raises Tampered."""
    row = await connection.fetchrow(f"SELECT size, range, recorded_at FROM {schema}.head")
    return stored_head(row)


def stored_head(row: Any) -> TreeHead:
    """A head row as it was read. Raises Tampered: nobody who may append can leave one that is missing or at odds."""
    if row is None:
        raise Tampered("the head row is missing")
    try:
        return TreeHead.stored(row["size"], row["range"], row["recorded_at"])
    except ValueError as error:
        raise Tampered(str(error)) from error


async def position_at(connection: Connection, schema: str, time: datetime) -> int:
    """The last position recorded at or before `time`, 0 when there is none."""
    return int(await connection.fetchval(f"SELECT {schema}.position_at($1)", time))


async def heard(connection: Connection, schema: str, source: str) -> int:
    """How far another service's log is heard, 0 when not at all."""
    return int(await connection.fetchval(f"SELECT position FROM {schema}.heard WHERE source = $1", source) or 0)
