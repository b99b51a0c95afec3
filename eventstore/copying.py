r"""Many rows into one table with COPY, as CSV made from JSON.

Each row is written as one JSON list, and PostgreSQL is told to read that as a line of CSV: quotes and backslashes are
escaped by a backslash in both. A value so has the very form in which the bulk statements hand it over, and ids and
times cost a tenth of what it takes to pack them one by one.
"""

import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import asyncpg

from eventstore.bulk import Shape, json_bytes

CHUNK_ROWS = 500
"""Rows handed to the connection at a time, some 200 KB."""
_MAYBE_CONTROL = re.compile(rb'\\[^"\\]')
_ESCAPED = re.compile(rb"\\(u[0-9a-f]{4}|.)")
"""What JSON writes with a letter after the backslash, a newline as `\n`, CSV knows only as it is."""


async def copy_rows(
    connection: asyncpg.Connection, schema: str, shape: Shape, rows: Iterable[Mapping[str, Any]]
) -> None:
    """Add rows that have every column, in the table's order. Raises asyncpg.PostgresError for what is refused."""
    await copy_csv(connection, schema, shape, csv_chunks(shape, rows))


async def copy_csv(connection: asyncpg.Connection, schema: str, shape: Shape, chunks: Iterable[bytes]) -> None:
    """Add rows that `csv_chunks` wrote. Raises asyncpg.PostgresError for what is refused."""
    await connection.copy_to_table(
        shape.table.name,
        schema_name=schema,
        columns=list(shape.columns),
        source=_one_by_one(chunks),
        format="csv",
        null="null",
        escape="\\",
    )


def csv_chunks(shape: Shape, rows: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    """Rows that have every column, in the table's order, as lines for COPY, some at a time."""
    documents = [number for number, column in enumerate(shape.columns.values()) if column.is_json]
    left = iter(rows)
    while text := b"".join([_line(row, documents) for row in islice(left, CHUNK_ROWS)]):
        yield _ESCAPED.sub(_as_it_is, text) if _MAYBE_CONTROL.search(text) else text


async def _one_by_one(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _line(row: Mapping[str, Any], documents: Iterable[int]) -> bytes:
    values = list(row.values())
    for number in documents:
        if values[number] is not None:
            values[number] = json_bytes(values[number]).decode()
    return json_bytes(values)[1:-1] + b"\n"


def _as_it_is(match: re.Match[bytes]) -> bytes:
    escaped = match[0]
    return escaped if match[1] in b'"\\' else json.loads(b'"%b"' % escaped).encode()
