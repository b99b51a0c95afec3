"""Tables out of one snapshot and into another database: COPY in text form, compressed, a file a table.

What can be computed again is left out: `events`, `head` and `tiles` come from the events' own bytes, read models from
the logs. What opens names, `vault_keys`, goes to a place of its own.
"""

import gzip
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import asyncpg

COMPUTED = frozenset({"events", "head", "tiles", "schema_version", "read_model_state"})
"""Tables of a log's schema that a restore makes anew."""
KEYS = "vault_keys"
_COMPRESSION = 3
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Table:
    """One table as it was copied."""

    schema: str
    name: str
    columns: tuple[str, ...]
    rows: int
    file: str

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Table":
        """From a manifest."""
        return cls(**{**document, "columns": tuple(document["columns"])})

    def to_json(self) -> dict[str, Any]:
        """For a manifest."""
        return asdict(self)


async def tables_of(connection: asyncpg.Connection, schema: str) -> list[str]:
    """The tables of a log's schema that have to be copied, in order of their names; the keys among them."""
    rows = await connection.fetch(
        """SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1""",
        schema,
    )
    return [row["relname"] for row in rows if row["relname"] not in COMPUTED]


async def strange_schemas(connection: asyncpg.Connection, services: Sequence[str]) -> list[str]:
    """Schemas with tables that are no service's: no backup holds them."""
    ours = [*services, *(f"{service}_read" for service in services), "eventstore_guard"]
    rows = await connection.fetch(
        """SELECT DISTINCT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind IN ('r', 'p') AND n.nspname <> ALL($1) AND n.nspname NOT LIKE 'pg\\_%'
             AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE '%\\_read\\_%' ORDER BY 1""",
        ours,
    )
    return [row["nspname"] for row in rows]


async def copy_out(connection: asyncpg.Connection, schema: str, name: str, directory: Path) -> Table:
    """Write one table to `<directory>/<schema>.<name>.gz`, as the connection's snapshot has it."""
    columns = [
        row["attname"]
        for row in await connection.fetch(
            """SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
               AND NOT attisdropped AND attgenerated = '' ORDER BY attnum""",
            f'{schema}."{name}"',
        )
    ]
    path = directory / f"{schema}.{name}.gz"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=_COMPRESSION, mtime=0) as packed:

            async def take(data: bytes) -> None:
                packed.write(data)

            status = await connection.copy_from_table(
                name, schema_name=schema, columns=columns, output=take, format="text"
            )
        raw.flush()
        os.fsync(raw.fileno())
    return Table(schema, name, tuple(columns), int(status.rpartition(" ")[2]), path.name)


async def copy_in(connection: asyncpg.Connection, table: Table, directory: Path) -> int:
    """Fill a table of the same name, which is empty; returns the rows written."""

    async def chunks() -> Any:
        with gzip.open(directory / table.file, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    status = await connection.copy_to_table(
        table.name, schema_name=table.schema, columns=list(table.columns), source=chunks(), format="text"
    )
    return int(status.rpartition(" ")[2])


async def empty(connection: asyncpg.Connection, tables: Sequence[Table]) -> None:
    """Take out what migrations put in: the copies hold it, too. All at once, whatever points at whatever."""
    await connection.execute("TRUNCATE " + ", ".join(f'{table.schema}."{table.name}"' for table in tables))


async def sequences_of(connection: asyncpg.Connection, schema: str) -> dict[str, int]:
    """Where the sequences of a schema stand."""
    rows = await connection.fetch(
        "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = $1 AND last_value IS NOT NULL", schema
    )
    return {row["sequencename"]: row["last_value"] for row in rows}


async def set_sequences(connection: asyncpg.Connection, schema: str, values: dict[str, int]) -> None:
    """Put them where they stood."""
    for name, value in values.items():
        await connection.execute("SELECT setval($1::regclass, $2)", f'{schema}."{name}"', value)
