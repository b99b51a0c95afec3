"""Read models as they were: folded again up to a position or a time, looked at, compared, and dropped."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from cli.commands.proof import replay_all
from cli.output import Tell
from cli.place import Place

Moment = int | datetime
"""A position of the service's own log, or a time."""


class NoSuchTable(ValueError):
    """The service has no read-model table of this name; the message lists those that it has."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a table at two times; None where it was not there."""

    table: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows of a table came, went and changed between two times."""

    table: str
    added: int
    removed: int
    changed: int


class Earlier:
    """A service's tables at one time, for as long as they are looked at."""

    def __init__(
        self, connection: asyncpg.Connection, schema: str, position: int, at: datetime | None, rows: dict[str, int]
    ) -> None:
        self._connection = connection
        self._schema = schema
        self.at = at
        """When the last event that is folded was recorded; at position 0 the first that is not; None without events."""
        self.position = position
        """How far the service's own log is folded."""
        self.rows = rows
        """Table → rows."""

    async def read(self, table: str) -> AsyncGenerator[dict[str, Any]]:
        """A table's rows in the order of its key. Raises NoSuchTable."""
        _require(table, self.rows)
        order = ", ".join(f't."{column}"' for column in await _key(self._connection, self._schema, table))
        statement = f'SELECT to_jsonb(t)::text AS row FROM {self._schema}."{table}" t ORDER BY {order}'  # noqa: S608
        async with self._connection.transaction(readonly=True):
            async for record in self._connection.cursor(statement):
                yield json.loads(record["row"])


@asynccontextmanager
async def as_of(place: Place, service: str, moment: Moment, tell: Tell) -> AsyncIterator[Earlier]:
    """A service's read models as of a moment. Raises what `eventstore.replay.replay` raises."""
    (report,) = await replay_all(place, (service,), tell, until=moment)
    assert report.schema is not None
    connection = await place.connect(service, "migrator")
    try:
        rows = {table.name: table.rows for table in report.tables}
        statement = f"SELECT recorded_at FROM {service}.events WHERE position = $1"  # noqa: S608 - one of four names
        at = await connection.fetchval(statement, max(report.position, 1))
        yield Earlier(connection, report.schema, report.position, at, rows)
    finally:
        await _drop(connection, service, report.schema)
        await connection.close()


class Between:
    """A service's tables at two times."""

    def __init__(self, connection: asyncpg.Connection, before: str, after: str, tables: Sequence[str]) -> None:
        self._connection = connection
        self._before, self._after = before, after
        self.tables = tables

    async def counted(self) -> list[Counted]:
        """How much of each table differs; those that do not are left out."""
        found = []
        for table in self.tables:
            row = await self._connection.fetchrow(
                f"""SELECT count(*) FILTER (WHERE before IS NULL) AS added,
                           count(*) FILTER (WHERE after IS NULL) AS removed,
                           count(*) FILTER (WHERE before IS NOT NULL AND after IS NOT NULL) AS changed
                    FROM ({await self._differing(table)}) d"""  # noqa: S608 - tables of our own read models
            )
            if any(row.values()):
                found.append(Counted(table, row["added"], row["removed"], row["changed"]))
        return found

    async def changes(self, table: str) -> AsyncGenerator[Change]:
        """The rows of a table that differ. Raises NoSuchTable."""
        _require(table, self.tables)
        async with self._connection.transaction(readonly=True):
            async for record in self._connection.cursor(await self._differing(table)):
                before, after = (None if one is None else json.loads(one) for one in record)
                yield Change(table, before, after)

    async def _differing(self, table: str) -> str:
        key = await _key(self._connection, self._after, table)
        same = " AND ".join(f'b."{column}" = a."{column}"' for column in key)
        order = ", ".join(f'coalesce(b."{column}", a."{column}")' for column in key)
        return f"""SELECT to_jsonb(b) AS before, to_jsonb(a) AS after
                   FROM {self._before}."{table}" b FULL OUTER JOIN {self._after}."{table}" a ON {same}
                   WHERE to_jsonb(b) IS DISTINCT FROM to_jsonb(a) ORDER BY {order}"""  # noqa: S608 - as above


@asynccontextmanager
async def between(place: Place, service: str, first: Moment, last: Moment, tell: Tell) -> AsyncIterator[Between]:
    """A service's read models at two moments. Raises what `eventstore.replay.replay` raises."""
    (report,) = await replay_all(place, (service,), tell, until=first)
    assert report.schema is not None
    before, connection = f"{service}_read_before", await place.connect(service, "migrator")
    try:
        await connection.execute(f"DROP SCHEMA IF EXISTS {before} CASCADE")
        await connection.execute(f"ALTER SCHEMA {report.schema} RENAME TO {before}")
        (later,) = await replay_all(place, (service,), tell, until=last)
        yield Between(connection, before, report.schema, [table.name for table in later.tables])
    finally:
        await _drop(connection, service, report.schema)
        await connection.execute(f"DROP SCHEMA IF EXISTS {before} CASCADE")
        await connection.close()


async def _drop(connection: asyncpg.Connection, service: str, schema: str) -> None:
    await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    await connection.execute(f"DELETE FROM {service}.read_model_state WHERE schema_name = $1", schema)  # noqa: S608


async def _key(connection: asyncpg.Connection, schema: str, table: str) -> list[str]:
    """The columns of a table's primary key, in its order."""
    rows = await connection.fetch(
        """SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
           WHERE i.indrelid = ($1 || '.' || quote_ident($2))::regclass AND i.indisprimary
           ORDER BY array_position(i.indkey::smallint[], a.attnum)""",
        schema,
        table,
    )
    return [row["attname"] for row in rows]


def _require(table: str, known: Sequence[str] | dict[str, int]) -> None:
    if table not in known:
        raise NoSuchTable(f"there is no table {table!r}: {', '.join(sorted(known))}")
