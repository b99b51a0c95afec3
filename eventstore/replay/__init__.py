"""Read models made anew from their histories: to check the live ones, to see an earlier time, or to replace them.

The tables are folded into the schema `<service>_read_shadow` by the service's migrator: the service's own log from
PostgreSQL, copies of other logs from their streams, up to where they were heard. Nothing is sent and nobody called.

- *Check* (the default): in one REPEATABLE READ snapshot the head says how far; everything is folded up to there and
  compared with the live tables row by row, while writes go on. Nothing is left behind.
- *As of* a position or time: the shadow stays, for queries (`views`).
- *Swap*: folds in rounds while writes go on, then locks the head, folds the last events and renames the schemas.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

import asyncpg
from nats.aio.client import Client
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from eventstore.config import LogConfig
from eventstore.errors import LogUnavailable, ReplayFailed
from eventstore.nats_api import API
from eventstore.read_model import ReadModel, models_version
from eventstore.replay.comparing import Difference, TableReport, compare_tables, count_tables
from eventstore.replay.histories import HeardHistory, HistoryElsewhere, Messages, OwnHistory
from eventstore.replay.memory import no_collections
from eventstore.replay.run import Goal, Progress, ReplayRefused, ReplayReport, Run, live_state
from eventstore.replay.share import replaying
from eventstore.replay.swap import swap_in
from eventstore.stream_reader import StreamReader

__all__ = [
    "Difference",
    "Progress",
    "ReplayFailed",
    "ReplayRefused",
    "ReplayReport",
    "TableReport",
    "ensure_read_models",
    "is_outdated",
    "replay",
    "views",
]


async def replay(
    config: LogConfig,
    read_models: Sequence[ReadModel],
    *,
    until: int | datetime | None = None,
    swap: bool = False,
    progress: Progress | None = None,
    nats: Client | None = None,
    api: str = API,
    copies: Mapping[str, Messages] | None = None,
    own: Messages | None = None,
    hashes: bool = False,
) -> ReplayReport:
    """Fold the read models from position 1; see the module for the three ways.

    `config` is the migrator's. `until`: a position of the service's own log, or a time; copies are then folded as far
    as their logs were recorded at that time, and heard. `nats` is needed where other logs were heard: a client that may
    read their streams directly (`api` as in `streams.context`); or `copies`: for each source, what reads its log
    elsewhere. `own`: what reads the service's own log elsewhere than in PostgreSQL, which then only says how far to
    fold and holds the tables. `hashes`: report each table's content hash. Raises ReplayRefused, ReplayFailed, Tampered,
    StreamUnreadable, LogUnavailable: the live tables are as before.
    """
    if config.role != "migrator":
        raise ValueError(f"a replay is done by the migrator, not by {config.user}")
    if not read_models:
        raise ReplayRefused(f"{config.service} has no read models")
    if swap and until is not None:
        raise ReplayRefused("only read models folded to the end can be swapped in: leave `until` out")
    started = time.perf_counter()
    async with _connected(config) as connection, _connection(config) as reading, AsyncExitStack() as stack:
        stack.enter_context(no_collections())
        log = OwnHistory(reading, config.schema) if own is None else HistoryElsewhere(own, config.service)
        itself = reading if own is None else None
        run = Run(config, read_models, connection, progress, started, log, itself, hashes=hashes)
        stack.push_async_callback(run.close)
        for source in sorted({model.source for model in read_models} - {config.service}):
            if copies is not None and source in copies:
                run.histories[source] = HeardHistory(source, copies[source])
            elif nats is not None:
                reader = await stack.enter_async_context(StreamReader(nats, config.log_name(source), api))
                run.histories[source] = HeardHistory(source, reader)
        if swap:
            return await swap_in(run)
        return await _check(run) if until is None else await _as_of(run, until)


async def ensure_read_models(
    config: LogConfig,
    read_models: Sequence[ReadModel],
    *,
    progress: Progress | None = None,
    nats: Client | None = None,
    api: str = API,
) -> ReplayReport | None:
    """Rebuild the live read models by replay and swap when they are of another version than `read_models`.

    None when there was nothing to do. To be called after `migrate`, before the services start. `config` is the
    migrator's. Raises as `replay` does.
    """
    if not await is_outdated(config, read_models):
        return None
    return await replay(config, read_models, swap=True, progress=progress, nats=nats, api=api)


async def is_outdated(config: LogConfig, read_models: Sequence[ReadModel]) -> bool:
    """Whether the live read models are of another version than `read_models`. Raises LogUnavailable."""
    if not read_models:
        return False
    async with _connection(config) as connection:
        state = await live_state(connection, config)
    return state is None or state["version"] != models_version(read_models)


def views(config: LogConfig) -> AsyncEngine:
    """An engine for queries on an as-of replay's tables, as `Log.queries` is for the live ones. Dispose of it."""
    return create_async_engine(
        config.sqlalchemy_url(),
        pool_size=1,
        max_overflow=0,
        isolation_level="AUTOCOMMIT",
        execution_options={"schema_translate_map": {None: config.shadow_schema}},
    )


async def _check(run: Run) -> ReplayReport:
    transaction = run.connection.transaction(isolation="repeatable_read")
    await transaction.start()
    try:
        live = await live_state(run.connection, run.config)
        goal, projection = await run.goal(), run.projection()
        await run.make_shadow()
        await run.fold(projection, goal)
        # Enough to join by keys, once; it is a tenth of the work.
        await run.fill_shadow(projection, statistics=10)
        note = _why_not_compared(run, live, goal)
        if note:
            tables = await count_tables(run.connection, run.config.shadow_schema, run.models)
        else:
            tables = await compare_tables(run.connection, run.config.read_schema, run.config.shadow_schema, run.models)
        tables = await run.hashed(run.config.shadow_schema, tables)
        return run.report(projection, goal, live, tables=tables, compared=not note, note=note)
    finally:
        await transaction.rollback()


def _why_not_compared(run: Run, live: Any, goal: Goal) -> str:
    if live is None:
        return "there are no live read models"
    if live["version"] != run.version:
        return f"not compared: the live read models are of {live['version']}, this program's of {run.version}"
    if live["position"] != goal.own:
        return f"not compared: the live read models are folded to {live['position']}, the log has {goal.own} events"
    return ""


async def _as_of(run: Run, until: int | datetime) -> ReplayReport:
    config, connection = run.config, run.connection
    async with connection.transaction(isolation="repeatable_read"):
        live = await live_state(connection, config)
        size = await connection.fetchval(f"SELECT size FROM {config.schema}.head")
        if isinstance(until, datetime):
            if until.tzinfo is None:
                raise ReplayRefused("a time needs its zone")
            own = await connection.fetchval(f"SELECT {config.schema}.position_at($1)", until)
            moment: datetime | None = until
        else:
            if not 0 <= until <= size:
                raise ReplayRefused(f"{config.service} has {size} events: there is no position {until}")
            own = until
            moment = await connection.fetchval(
                f"SELECT recorded_at FROM {config.schema}.events WHERE position = $1", max(until, 1)
            )
        goal, projection = await run.goal(own, moment), run.projection()
        await run.make_shadow()
        await run.fold(projection, goal)
        await run.fill_shadow(projection)
        tables = await count_tables(connection, config.shadow_schema, run.models)
        tables = await run.hashed(config.shadow_schema, tables)
    return run.report(projection, goal, live, tables=tables, schema=config.shadow_schema)


@asynccontextmanager
async def _connected(config: LogConfig) -> AsyncIterator[asyncpg.Connection]:
    """A connection that holds the right to replay this service: one at a time."""
    async with _connection(config) as connection:
        lock = "SELECT pg_try_advisory_lock(hashtext('replay'), hashtext($1))"
        if not await connection.fetchval(lock, config.service):
            raise ReplayRefused(f"another replay of {config.service} is under way")
        yield connection


@asynccontextmanager
async def _connection(config: LogConfig) -> AsyncIterator[asyncpg.Connection]:
    try:
        connection = await asyncpg.connect(**replaying(config))
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        raise LogUnavailable(f"the log of {config.service} cannot be reached: {error!r}") from error
    try:
        yield connection
    finally:
        await connection.close()
