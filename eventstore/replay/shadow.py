"""The tables a replay fills: made as the live ones are, but without indexes until their rows are there.

An index made over full tables costs a fraction of one that grows row by row, and so does a key or a constraint.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import asyncpg

from eventstore.config import LogConfig
from eventstore.migrate import create_read_models
from eventstore.read_model import ReadModel


@dataclass(slots=True)
class Shadow:
    """The shadow schema of a service, and what its tables still lack."""

    connection: asyncpg.Connection
    schema: str
    keys: list[str] = field(default_factory=list)
    """Statements that make what finds rows: keys, indexes, references."""
    exclusions: list[str] = field(default_factory=list)
    """Statements that make the exclusion constraints; rows are written without them far faster, even one by one."""

    @classmethod
    async def make(cls, connection: asyncpg.Connection, config: LogConfig, models: Sequence[ReadModel]) -> "Shadow":
        """Make the tables in place of what was there, inside a transaction of the caller's.

        Never UNLOGGED, not even for a comparison that is rolled back. PostgreSQL killed within a moment of such a
        rollback would not start again: recovery makes the table's init fork anew, does not find the record of the
        rollback, which nobody waits to see written, and ends at the main fork that is already there ("File exists").
        """
        schema = config.shadow_schema
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        await create_read_models(connection, config.service, schema, models)
        shadow = cls(connection, schema)
        await shadow._take_off()
        return shadow

    async def _take_off(self) -> None:
        # Definitions then name the schema of whatever they refer to.
        await self.connection.execute("SET LOCAL search_path = pg_catalog")
        constraints = await self.connection.fetch(
            """SELECT c.conrelid::regclass::text AS of_table, quote_ident(c.conname) AS name, c.contype::text AS kind,
                      pg_get_constraintdef(c.oid) AS definition
               FROM pg_constraint c WHERE c.connamespace = $1::regnamespace AND c.contype IN ('p', 'u', 'f', 'x')
               ORDER BY array_position('{p,u,f,x}'::"char"[], c.contype), c.oid""",
            self.schema,
        )
        indexes = await self.connection.fetch(
            """SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
               FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
               WHERE c.relnamespace = $1::regnamespace
                 AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid) ORDER BY i.indexrelid""",
            self.schema,
        )
        made = {
            kind: [
                f"ALTER TABLE {row['of_table']} ADD CONSTRAINT {row['name']} {row['definition']}"
                for row in constraints
                if row["kind"] == kind
            ]
            for kind in "pufx"
        }
        self.keys = [*made["p"], *made["u"], *[row["definition"] for row in indexes], *made["f"]]
        self.exclusions = made["x"]
        await self._run([f"DROP INDEX {row['name']}" for row in indexes])
        await self._run(
            [f"ALTER TABLE {row['of_table']} DROP CONSTRAINT {row['name']}" for row in reversed(constraints)]
        )

    async def put_on_keys(self) -> None:
        """Make the keys, indexes and references, once. Raises what PostgreSQL finds wrong with the rows."""
        statements, self.keys = self.keys, []
        await self._run(statements)

    async def put_on_everything(self) -> None:
        """Let every constraint look at the rows. Raises what PostgreSQL finds wrong with them."""
        await self.put_on_keys()
        statements, self.exclusions = self.exclusions, []
        await self._run(statements)

    async def _run(self, statements: Iterable[str]) -> None:
        """All in one call: each is a round trip less."""
        await self.connection.execute(";\n".join(statements) or "SELECT")
