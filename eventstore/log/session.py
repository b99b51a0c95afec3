"""The writer's connection: what it sends, and what a lost answer means."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import asyncpg

from eventstore import idempotency
from eventstore.config import LogConfig
from eventstore.log import reader
from eventstore.log.batch import Numbered, Waiting
from eventstore.log.folding import Folding
from eventstore.log.head import TreeHead
from eventstore.model import Committed, DeadLetter

_LOST = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError)


class ConnectionLost(Exception):
    """The connection broke, or the server gave no answer in time: what it did is unknown."""


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except _LOST as error:
        raise ConnectionLost(f"{type(error).__name__}: {error}") from error


class Session:
    """One connection with time-outs that free the head's lock from a writer that stopped."""

    def __init__(self, config: LogConfig, connection: asyncpg.Connection) -> None:
        self._config = config
        self.connection = connection
        self._call = f"SELECT * FROM {config.schema}.append($1, $2, $3, $4, $5, $6, $7, $8, $9)"

    @classmethod
    async def open(cls, config: LogConfig) -> "Session":
        """Connect. Raises ConnectionLost, asyncpg.PostgresError."""
        arguments = config.connect_arguments("writer")
        arguments["server_settings"] |= {
            "lock_timeout": _milliseconds(config.lock_seconds),
            "statement_timeout": _milliseconds(config.statement_seconds),
            "idle_in_transaction_session_timeout": _milliseconds(config.idle_seconds),
            "synchronous_commit": "on",
            "jit": "off",
            # The writer finds every row by a key, and plans are kept from when tables were empty: no scans.
            "plan_cache_mode": "force_generic_plan",
            "enable_seqscan": "off",
            "enable_hashjoin": "off",
            "enable_mergejoin": "off",
        }
        with _answered():
            connection = await asyncpg.connect(
                **arguments,
                command_timeout=config.statement_seconds + config.connect_seconds,
                statement_cache_size=1_000,
                max_cached_statement_lifetime=0,
            )
            if connection.get_server_version().major >= 17:
                await connection.execute(f"SET transaction_timeout = {_milliseconds(config.transaction_seconds)}")
        return cls(config, connection)

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return bool(self.connection.is_closed())

    async def head(self) -> TreeHead:
        """The head as committed."""
        with _answered():
            return await reader.head(self.connection, self._config.schema)

    async def begin_with_head(self) -> TreeHead:
        """Begin a transaction with the head locked."""
        await self.execute("BEGIN")
        with _answered():
            row = await self.connection.fetchrow(
                f"SELECT size, range, recorded_at FROM {self._config.schema}.head FOR UPDATE"
            )
        return reader.stored_head(row)

    async def uncounted(self) -> tuple[int, int] | None:
        """The first event that the head does not count, and what the head counts; None when there is none."""
        schema = self._config.schema
        with _answered():
            row = await self.connection.fetchrow(
                f"""SELECT e.position, h.size FROM {schema}.head h JOIN {schema}.events e ON e.position > h.size
                    ORDER BY e.position LIMIT 1"""
            )
        return (row["position"], row["size"]) if row is not None else None

    async def models_state(self) -> tuple[str, int] | None:
        """Version and position of the live read models; None when there are none."""
        with _answered():
            row = await self.connection.fetchrow(
                f"SELECT version, position FROM {self._config.schema}.read_model_state WHERE schema_name = $1",
                self._config.read_schema,
            )
        return (row["version"], row["position"]) if row is not None else None

    async def append(self, whole: Numbered, folding: Folding) -> Any:
        """Call the append function; the row it answers with."""
        with _answered():
            return await self.connection.fetchrow(self._call, *whole.arguments, folding.rows_json)

    async def write_beside(self, items: Sequence[Waiting], folding: Folding) -> None:
        """What else commits with the events: vault, dead letters, models that read. The append locked the head."""
        with _answered():
            for item in items:
                for change in item.append.vault:
                    await self.connection.execute(change.statement, *change.arguments)
                for letter in item.append.dead_letters:
                    await self._bury(letter)
            await folding.write_late(self.connection)

    async def repeated(self, answer: Mapping[str, Any], first: int, last: int) -> Committed:
        """The first answer of a repeated key."""
        with _answered():
            return await idempotency.repeated(self.connection, self._config.schema, answer, first, last)

    async def execute(self, sql: str) -> None:
        """Run SQL without arguments."""
        with _answered():
            await self.connection.execute(sql)

    async def roll_back(self) -> None:
        """Leave the transaction, if one is open. Raises ConnectionLost, asyncpg.PostgresError."""
        if not self.is_closed and self.connection.is_in_transaction():
            await self.execute("ROLLBACK")

    async def close(self, seconds: float) -> None:
        """Say good-bye."""
        with _answered():
            await self.connection.close(timeout=seconds)

    def terminate(self) -> None:
        """Drop the connection without waiting for anybody."""
        self.connection.terminate()

    async def _bury(self, letter: DeadLetter) -> None:
        await self.connection.execute(
            f"""INSERT INTO {self._config.schema}.dead_letters AS d
                    (source, position, handler, event_id, error, body, blocks)
                VALUES ($1, $2, $3, $4, $5, $6, $7)
                ON CONFLICT (source, position, handler) DO UPDATE SET error = excluded.error, blocks = excluded.blocks,
                    state = 'open', attempts = d.attempts + 1, last_at = now()""",
            letter.source,
            letter.position,
            letter.handler,
            letter.event_id,
            letter.error,
            letter.body,
            letter.blocks,
        )


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1_000))
