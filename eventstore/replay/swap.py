"""Putting replayed read models in the place of the live ones, while writes go on."""

from contextlib import suppress

import asyncpg

from eventstore.replay.comparing import count_tables
from eventstore.replay.projector import Projection
from eventstore.replay.run import LOCK_SECONDS, Goal, ReplayRefused, ReplayReport, Run, drop, live_state

_LAST_EVENTS = 500
"""So few events may be left when the head is locked."""
_ROUNDS_MOST = 100
_HELD_SECONDS = 10


async def swap_in(run: Run) -> ReplayReport:
    """Replay into the shadow schema and make it the live one. Raises as `replay` does; then nothing was changed."""
    config, connection = run.config, run.connection
    await drop(run, f"{config.read_schema}_old")
    projection = run.projection()
    async with connection.transaction():
        live = await live_state(connection, config)
        await run.make_shadow()
    try:
        goal = await _fold_near_the_end(run, projection)
        async with connection.transaction():
            await run.fill_shadow(projection)
        goal = await _fold_the_last(run, projection, goal)
    except BaseException:
        await drop(run, config.shadow_schema)
        raise
    await drop(run, f"{config.read_schema}_old")
    tables = await run.hashed(config.read_schema, await count_tables(connection, config.read_schema, run.models))
    return run.report(projection, goal, live, tables=tables, swapped=True, schema=config.read_schema)


async def _fold_near_the_end(run: Run, projection: Projection) -> Goal:
    """Fold in memory until little is left; in the database, should memory become full."""
    goal = await _goal_now(run)
    for _ in range(_ROUNDS_MOST):
        async with run.connection.transaction():
            await run.fold(projection, goal)
        before, goal = goal, await _goal_now(run)
        if _left(projection, goal) <= _LAST_EVENTS or before == goal:
            break
    return goal


async def _fold_the_last(run: Run, projection: Projection, goal: Goal) -> Goal:
    """Fold what came meanwhile until the rest is small, then the rest under the head's lock, and rename."""
    left_out = goal.left_out
    for _ in range(_ROUNDS_MOST):
        async with run.connection.transaction():
            goal = await run.goal()
            await run.fold(projection, goal)
        for source, history in run.histories.items():
            await history.read_ahead(projection.folded[source])
        with suppress(_NotYet, asyncpg.LockNotAvailableError):
            async with run.connection.transaction():
                await run.connection.execute(
                    f"""SET LOCAL lock_timeout = '{LOCK_SECONDS}s';
                        SET LOCAL idle_in_transaction_session_timeout = '{_HELD_SECONDS}s';
                        SELECT size FROM {run.config.schema}.head FOR UPDATE"""
                )
                goal = await run.goal()
                if not all(left_out[source] <= goal.left_out[source] for source in left_out):
                    raise ReplayRefused("a dead letter that the copies left out was retried meanwhile: replay again")
                left_out = goal.left_out
                if _left(projection, goal) > _LAST_EVENTS or not _is_read(run, projection, goal):
                    raise _NotYet
                await run.fold(projection, goal)
                await run.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
                await run.rename(goal.own)
            return goal
    raise ReplayRefused("writes outran the replay: nothing was swapped")


class _NotYet(Exception):
    """Too much came meanwhile to fold it under the lock, or some of it would have to be waited for."""


def _left(projection: Projection, goal: Goal) -> int:
    wanted = {source: goal.heard.get(source, goal.own) for source in projection.sources}
    return sum(max(0, position - projection.folded[source]) for source, position in wanted.items())


def _is_read(run: Run, projection: Projection, goal: Goal) -> bool:
    """Whether no stream must be waited for."""
    return all(
        projection.folded[source] >= position or run.history(source).has(projection.folded[source], position)
        for source, position in goal.heard.items()
    )


async def _goal_now(run: Run) -> Goal:
    async with run.connection.transaction(isolation="repeatable_read", readonly=True):
        return await run.goal()
