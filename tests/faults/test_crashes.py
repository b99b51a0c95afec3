"""Processes killed at each step boundary, stopped, cut off: afterwards log = stream, and every effect exactly once."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from eventstore.errors import LogUnavailable
from eventstore.log import Log
from tests.faults.worker import Task, write
from tests.support.house import House, noting
from tests.support.logs import PASSWORDS, migrated, opened
from tests.support.messaging import LISTENER_MODELS, append, is_the_log, noted, plain_client
from tests.support.waiting import eventually

EVENTS = 150
POINTS = (
    "writer: before the append",
    "writer: committed, nobody answered",
    "relay: stream made",
    "relay: before a publish",
    "relay: half a batch sent",
    "relay: published",
    "relay: durable made",
    "relay: durables noted",
    "consumer: fetched",
    "consumer: decided",
    "consumer: committed",
    "consumer: acknowledged",
)
"""Those that a process without HTTP, timers, sender and signer comes to; test_everything_fails has all."""
QUICKLY = {"relay: half a batch sent", "consumer: committed"}
"""The points that `make test` tries; `make test-long` tries all."""


@contextlib.asynccontextmanager
async def worker(task: Task) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.faults.worker",
        task.as_argument(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process, word: str) -> None:
    """Return when the worker has said this word. Fails when it ended before."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while line := await process.stdout.readline():
            if line.decode().strip() == word:
                return
    raise AssertionError(f"the worker ended with {await process.wait()} before it said {word}")


def task_for(house: House, *roles: str, **options) -> Task:
    config = house.source.config
    return Task(config.host, config.port, config.database, PASSWORDS.app, house.server.url, roles, **options)


async def all_is_well(house: House) -> None:
    """The stream is the log, the log has each number once and in order, and so have the listener's effects."""
    async with plain_client(house.server) as client:
        await eventually(lambda: is_the_log(client, house.source))
    assert [recorded.event.wave for recorded in await house.source.read(0, 10_000)] == list(range(1, EVENTS + 1))
    await house.everything_once()


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "point", [pytest.param(point, marks=() if point in QUICKLY else pytest.mark.long) for point in POINTS]
)
async def test_a_process_killed_at_a_step_boundary_is_as_if_it_had_not_been(house, point, times):
    if times > 1 and point.endswith("made"):
        times = 1  # made once
    async with worker(task_for(house, "write", "relay", "hear", events=EVENTS, crash=(point, times))) as process:
        async with asyncio.timeout(60):
            assert await process.wait() == -signal.SIGKILL
    # Another process takes over: here, this one.
    await write(house.source, EVENTS)
    await house.relay()
    async with house.hears(noting()):
        await eventually(house.caught_up)
    await all_is_well(house)


async def test_a_process_stopped_for_good_is_succeeded_and_harmless_when_it_wakes(house):
    async with worker(task_for(house, "write", "relay", "hear", events=EVENTS)) as first:
        await said(first, "ready")
        await eventually(lambda: _some_heard(house))
        os.kill(first.pid, signal.SIGSTOP)
        async with worker(task_for(house, "write", "relay", "hear", events=EVENTS)) as second:
            await said(second, "written")
            await eventually(house.caught_up)
            await all_is_well(house)
            os.kill(first.pid, signal.SIGCONT)
            await said(first, "written")
            await append_and_hear(house)


async def _some_heard(house: House) -> bool:
    return bool(await house.heard())


async def append_and_hear(house: House) -> None:
    """Further events have their effects once while both processes live."""
    before = len(await noted(house.listener))
    await append(house.source, 20)
    await eventually(house.caught_up)
    assert len(await noted(house.listener)) == before + 20
    await house.everything_once()


@pytest.mark.parametrize("lost", [{1}, {1, 2, 3}, {2, 5}])
async def test_a_commit_whose_response_is_lost_is_neither_lost_nor_repeated(house, monkeypatch, lost):
    """The listener's database commits and does not say so."""
    calls = 0
    original = Log.append

    async def answer_lost(self, append):
        nonlocal calls
        committed = await original(self, append)
        if self.service == "volunteers":
            calls += 1
            if calls in lost:
                raise LogUnavailable("the answer was lost")
        return committed

    await append(house.source, 60, each=7)
    await house.relay()
    with monkeypatch.context() as patch:
        patch.setattr(Log, "append", answer_lost)
        async with house.hears(noting(), batch_messages=10):
            await eventually(house.caught_up)
            assert calls > max(lost)
    await house.everything_once()
    assert await house.listener.pool.fetchval("SELECT count(*) FROM volunteers.dead_letters") == 0


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(2))
async def test_everything_killed_at_random(own_postgres_server, nats_server, seed):
    """Workers, NATS and PostgreSQL are killed again and again while the others go on."""
    dice = random.Random(seed)
    database = await asyncio.to_thread(own_postgres_server.create_database)
    config = await migrated(database, "orders")
    await migrated(database, "volunteers", LISTENER_MODELS)
    task = Task(config.host, config.port, config.database, PASSWORDS.app, nats_server.url, ("write", "relay", "hear"))
    task.events = EVENTS * 4
    for _ in range(6):
        async with worker(task), worker(task):
            await asyncio.sleep(dice.uniform(2.0, 5.0))
            match dice.choice(["workers", "nats", "wipe", "postgres"]):
                case "nats":
                    await asyncio.to_thread(nats_server.kill)
                    await asyncio.sleep(dice.uniform(0, 1))
                    await asyncio.to_thread(nats_server.start)
                case "wipe":
                    await asyncio.to_thread(nats_server.wipe)
                case "postgres":
                    await asyncio.to_thread(own_postgres_server.kill)
                    await asyncio.to_thread(own_postgres_server.start)
                case _:
                    pass  # the workers are, at the end of each round
            await asyncio.sleep(dice.uniform(0, 2.0))
    async with contextlib.AsyncExitStack() as stack:
        source = await stack.enter_async_context(opened(config))
        listener_config = task.log_config("volunteers")
        listener = await stack.enter_async_context(opened(listener_config, LISTENER_MODELS))
        house = House(source, listener, nats_server, stack)
        await write(source, task.events)
        await house.relay()
        async with house.hears(noting()):
            await eventually(house.caught_up)
        async with plain_client(nats_server) as client:
            await eventually(lambda: is_the_log(client, source))
        waves = [recorded.event.wave for recorded in await source.read(0, 10_000)]
        assert waves == list(range(1, task.events + 1))
        await house.everything_once()
