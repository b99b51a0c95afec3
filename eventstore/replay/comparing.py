"""Two sets of read-model tables compared row by row, in the database."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import sqlalchemy as sa

from eventstore.read_model import ReadModel


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that is not the same: its key, and the columns that differ, in both. A missing row is None."""

    key: dict[str, Any]
    live: dict[str, Any] | None
    replayed: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class TableReport:
    """One table after a replay. `equal` and `live_rows` are None when it was not compared."""

    name: str
    source: str
    rows: int
    live_rows: int | None = None
    equal: bool | None = None
    differences: int = 0
    first_difference: Difference | None = None
    content_sha256: str | None = None
    """`content_hash` of the rows folded; None when it was not asked for."""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        first = self.first_difference
        return {
            "name": self.name,
            "source": self.source,
            "rows": self.rows,
            "live_rows": self.live_rows,
            "equal": self.equal,
            "differences": self.differences,
            "content_sha256": self.content_sha256,
            "first_difference": first and {"key": first.key, "live": first.live, "replayed": first.replayed},
        }


def tables_of(models: Sequence[ReadModel]) -> list[tuple[str, sa.Table]]:
    """All tables with the source that each is folded from."""
    found = {table: model.source for model in models for table in model.metadata.sorted_tables}
    return [(source, table) for table, source in found.items()]


async def count_tables(connection: asyncpg.Connection, schema: str, models: Sequence[ReadModel]) -> list[TableReport]:
    """The tables with their numbers of rows."""
    return [
        TableReport(
            table.name, source, await connection.fetchval(f"SELECT count(*) FROM {schema}.{_quoted(table.name)}")
        )
        for source, table in tables_of(models)
    ]


async def with_hashes(connection: asyncpg.Connection, schema: str, reports: Sequence[TableReport]) -> list[TableReport]:
    """The same reports, each with the content hash of its table in this schema."""
    return [replace(one, content_sha256=await content_hash(connection, schema, one.name)) for one in reports]


async def content_hash(connection: asyncpg.Connection, schema: str, table: str) -> str:
    """What a table holds, as one hash that does not depend on where its rows came from or in which order they lie.

    The SHA-256 of each row's JSON (PostgreSQL's `to_jsonb(row)::text`, times in UTC); these hashes sorted as bytes, put
    one after another, and hashed again. In hex.
    """
    hashed: str = await connection.fetchval(
        f"""SELECT encode(sha256(coalesce(string_agg(hash, ''::bytea ORDER BY hash), ''::bytea)), 'hex')
            FROM (SELECT sha256(convert_to(to_jsonb(t)::text, 'UTF8')) AS hash
                  FROM {schema}.{_quoted(table)} t) AS hashes"""
    )
    return hashed


async def compare_tables(
    connection: asyncpg.Connection, live: str, replayed: str, models: Sequence[ReadModel]
) -> list[TableReport]:
    """Every row of every table in both schemas."""
    return [await _compare(connection, live, replayed, source, table) for source, table in tables_of(models)]


async def _compare(
    connection: asyncpg.Connection, live: str, replayed: str, source: str, table: sa.Table
) -> TableReport:
    name = _quoted(table.name)
    keys = [_quoted(column.name) for column in table.primary_key.columns]
    columns = [_quoted(column.name) for column in table.columns]
    on = " AND ".join(f"l.{key} = r.{key}" for key in keys)
    joined = f"{live}.{name} l FULL JOIN {replayed}.{name} r ON {on}"
    # As text every type can be compared, json among them; both sides are written by the same session.
    differs = f"({_row('l', columns)})::text IS DISTINCT FROM ({_row('r', columns)})::text"
    counted = await connection.fetchrow(
        f"""SELECT count(l.{keys[0]}) AS live, count(r.{keys[0]}) AS replayed,
                   count(*) FILTER (WHERE {differs}) AS differences FROM {joined}"""
    )
    first = None
    if counted["differences"]:
        order = ", ".join(f"coalesce(l.{key}, r.{key})" for key in keys)
        row = await connection.fetchrow(
            f"""SELECT to_jsonb(l)::text AS live, to_jsonb(r)::text AS replayed
                FROM {joined} WHERE {differs} ORDER BY {order} LIMIT 1"""
        )
        first = _difference(table, row["live"], row["replayed"])
    return TableReport(
        table.name,
        source,
        counted["replayed"],
        counted["live"],
        counted["differences"] == 0,
        counted["differences"],
        first,
    )


def _row(alias: str, columns: Sequence[str]) -> str:
    return f"ROW({', '.join(f'{alias}.{column}' for column in columns)})"


def _difference(table: sa.Table, live: str | None, replayed: str | None) -> Difference:
    left = json.loads(live) if live is not None else None
    right = json.loads(replayed) if replayed is not None else None
    there = left or right or {}
    key = {column.name: there[column.name] for column in table.primary_key.columns}
    if left is not None and right is not None:
        names = [name for name in left if left[name] != right[name]] or list(left)
        left, right = ({name: row[name] for name in names} for row in (left, right))
    return Difference(key, left, right)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
