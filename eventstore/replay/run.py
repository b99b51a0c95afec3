"""One replay: how far to fold, the shadow tables, and what is reported."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg

from contracts.envelope import Recorded
from eventstore.config import LogConfig
from eventstore.dead_letters import COPIES, UNREADABLE
from eventstore.errors import EngineError, ReplayFailed
from eventstore.read_model import ReadModel, models_version
from eventstore.replay.comparing import TableReport, with_hashes
from eventstore.replay.histories import HeardHistory, OwnHistory
from eventstore.replay.projector import Projection
from eventstore.replay.shadow import Shadow

Progress = Callable[[int, int], None]
"""Called with (events folded, events there are) after each batch. It must not block."""

LOCK_SECONDS = 3
_DROP_TRIES = 20


class ReplayRefused(EngineError):
    """The replay was not begun, or not ended; nothing was changed. The message says what to do."""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did."""

    service: str
    position: int
    """How far the service's own log is folded."""
    heard: Mapping[str, int]
    """How far other services' logs are folded."""
    events: int
    seconds: float
    version: str
    live_version: str | None
    """Of the live read models before; None when there were none."""
    swapped: bool
    compared: bool
    schema: str | None
    """Where the tables are; None when they were only compared."""
    tables: Sequence[TableReport]
    note: str = ""

    @property
    def ok(self) -> bool:
        """No table that was compared differs."""
        return all(table.equal is not False for table in self.tables)

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "service": self.service,
            "ok": self.ok,
            "position": self.position,
            "heard": dict(self.heard),
            "events": self.events,
            "seconds": round(self.seconds, 3),
            "version": self.version,
            "live_version": self.live_version,
            "swapped": self.swapped,
            "compared": self.compared,
            "schema": self.schema,
            "tables": [table.to_json() for table in self.tables],
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Goal:
    """How far everything is to be folded, as one snapshot has it."""

    own: int
    heard: Mapping[str, int]
    left_out: Mapping[str, frozenset[int]]
    """Heard events that the copies leave out: their dead letters were passed."""


@dataclass
class Run:
    """One replay."""

    config: LogConfig
    models: Sequence[ReadModel]
    connection: asyncpg.Connection
    progress: Progress | None
    started: float
    log: OwnHistory
    reading: asyncpg.Connection | None
    """What else reads the log from PostgreSQL; None where it is read elsewhere."""
    histories: dict[str, HeardHistory] = field(default_factory=dict)
    shadow: Shadow | None = None
    hashes: bool = False
    _projection: Projection | None = None

    @property
    def version(self) -> str:
        version = models_version(self.models)
        assert version is not None
        return version

    def projection(self) -> Projection:
        self._projection = Projection(self.models, self.config.shadow_schema)
        return self._projection

    async def close(self) -> None:
        if self._projection is not None:
            await self._projection.close()

    async def goal(self, own: int | None = None, moment: datetime | None = None) -> Goal:
        """Where the log and the checkpoints are. Take it inside a transaction that sees one state."""
        schema, connection = self.config.schema, self.connection
        size = await connection.fetchval(f"SELECT size FROM {schema}.head")
        sources = {model.source for model in self.models} - {self.config.service}
        rows = await connection.fetch(f"SELECT source, position FROM {schema}.heard WHERE source = ANY($1)", [*sources])
        heard = {row["source"]: row["position"] for row in rows}
        letters = await connection.fetch(
            f"""SELECT DISTINCT source, position FROM {schema}.dead_letters
                WHERE handler IN ($1, $2) AND state <> 'retried'""",
            COPIES,
            UNREADABLE,
        )
        left_out: dict[str, set[int]] = {source: set() for source in sources}
        for row in letters:
            if row["source"] in sources and row["position"] <= heard.get(row["source"], 0):
                left_out[row["source"]].add(row["position"])
        if moment is not None:
            for source, position in heard.items():
                heard[source] = await self.history(source).position_at(moment, position)
        return Goal(
            size if own is None else own,
            {source: heard.get(source, 0) for source in sources},
            {source: frozenset(positions) for source, positions in left_out.items()},
        )

    async def hashed(self, schema: str, tables: list[TableReport]) -> list[TableReport]:
        """The reports with content hashes, where they were asked for."""
        return await with_hashes(self.connection, schema, tables) if self.hashes else tables

    def history(self, source: str) -> HeardHistory:
        history = self.histories.get(source)
        if history is None:
            raise ReplayRefused(f"the copies of {source} are folded from its stream: NATS is needed")
        return history

    async def fold(self, projection: Projection, goal: Goal) -> None:
        """Fold on to the goal."""
        own = self.config.service
        total = goal.own * (own in projection.folded) + sum(goal.heard.values())

        def tell(more: int = 0) -> None:
            if self.progress is not None:
                self.progress(sum(projection.folded.values()) + more, total)

        if self.reading is not None and own in projection.folded:
            await projection.fold_in_two(self.config, self.reading, goal.own, tell)
            if projection.must_write:
                await self._write(projection)
            tell()
        async for source, events, position in self._batches(projection, goal):
            await projection.fold(self.connection, source, events, position)
            if projection.must_write:
                await self._write(projection)
            tell()

    async def _batches(self, projection: Projection, goal: Goal) -> AsyncIterator[tuple[str, Sequence[Recorded], int]]:
        own = self.config.service
        if own in projection.folded:
            async for events in self.log.read(projection.folded[own], goal.own, projection.at_once):
                yield own, events, events[-1].position
        for source, position in goal.heard.items():
            after = projection.folded[source]
            if after < position:
                async for events, end in self.history(source).read(after, position, goal.left_out[source]):
                    yield source, events, end

    async def make_shadow(self) -> None:
        """Empty tables in the shadow schema."""
        self.shadow = await Shadow.make(self.connection, self.config, self.models)

    async def fill_shadow(self, projection: Projection, *, statistics: int = 100) -> None:
        """Write what is folded and let every constraint look at it. Raises ReplayFailed when one refuses.

        `statistics` is PostgreSQL's default_statistics_target: what the planner is told of the tables.
        """
        assert self.shadow is not None
        with _broken_constraints():
            await projection.write(self.connection)
            await self.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            await self.shadow.put_on_everything()
        await self.connection.execute(f"SET LOCAL default_statistics_target = {statistics}")
        for model in self.models:
            for table in model.metadata.sorted_tables:
                await self.connection.execute(f'ANALYZE {self.config.shadow_schema}."{table.name}"')
        await self._note_state(self.config.shadow_schema, projection.folded.get(self.config.service, 0))

    async def _write(self, projection: Projection) -> None:
        """Write what is in memory; from now on rows are found by their keys."""
        assert self.shadow is not None
        with _broken_constraints():
            await projection.write(self.connection)
            await self.shadow.put_on_keys()

    async def _note_state(self, schema: str, position: int) -> None:
        await self.connection.execute(
            f"""INSERT INTO {self.config.schema}.read_model_state (schema_name, version, position) VALUES ($1, $2, $3)
                ON CONFLICT (schema_name) DO UPDATE SET version = excluded.version, position = excluded.position""",
            schema,
            self.version,
            position,
        )

    async def rename(self, size: int) -> None:
        """Put the shadow in the live tables' place. The caller holds the head's lock."""
        schema, live, shadow = self.config.schema, self.config.read_schema, self.config.shadow_schema
        if await self.connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", live):
            await self.connection.execute(f"ALTER SCHEMA {live} RENAME TO {live}_old")
        await self.connection.execute(f"ALTER SCHEMA {shadow} RENAME TO {live}")
        await self.connection.execute(f"DELETE FROM {schema}.read_model_state WHERE schema_name = $1", shadow)
        await self._note_state(live, size)

    def report(self, projection: Projection, goal: Goal, live: Any, **facts: Any) -> ReplayReport:
        return ReplayReport(
            service=self.config.service,
            position=goal.own,
            heard=goal.heard,
            events=projection.events,
            seconds=time.perf_counter() - self.started,
            version=self.version,
            live_version=live["version"] if live is not None else None,
            **({"swapped": False, "compared": False, "schema": None} | facts),
        )


@contextmanager
def _broken_constraints() -> Iterator[None]:
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise ReplayFailed(f"the history breaks {error.constraint_name}: {error.detail or error}") from error


async def live_state(connection: asyncpg.Connection, config: LogConfig) -> Any:
    """Version and position of the live read models, None when there are none."""
    return await connection.fetchrow(
        f"SELECT version, position FROM {config.schema}.read_model_state WHERE schema_name = $1", config.read_schema
    )


async def drop(run: Run, schema: str) -> None:
    """Drop a schema that nobody needs any more; readers that still look at it may take their time."""
    for attempt in range(_DROP_TRIES):
        try:
            async with run.connection.transaction():
                await run.connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
                await run.connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
                await run.connection.execute(
                    f"DELETE FROM {run.config.schema}.read_model_state WHERE schema_name = $1", schema
                )
            return
        except asyncpg.LockNotAvailableError:
            if attempt == _DROP_TRIES - 1:
                raise
