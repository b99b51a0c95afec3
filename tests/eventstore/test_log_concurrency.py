"""Eight writers in three processes: nothing is missed, doubled or reordered, whoever commits slowly."""

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

from contracts.envelope import decode
from eventstore.log import RawEvent
from eventstore.merkle import root_hash
from eventstore.model import Call
from tests.support.logs import Tallies, migrated, one, opened, stream, superuser


@asynccontextmanager
async def process(config, **order):
    """A process of tests.support.log_writers; killed at the end if it still runs."""
    settings = {name: value for name, value in asdict(config).items() if name != "idempotency_secret"}
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.log_writers",
        json.dumps({"config": settings, **order}),
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 24,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def answer(running):
    line = await running.stdout.readline()
    return json.loads(line) if line else None


async def answers(running):
    found = []
    while (line := await answer(running)) is not None:
        found.append(line)
    assert await running.wait() == 0
    return found


SLOW = """
    CREATE FUNCTION public.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.02); RETURN NULL; END';
    GRANT USAGE ON SCHEMA public TO PUBLIC;
    CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON orders.events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.position % 37 = 0) EXECUTE FUNCTION public.slow();
"""


async def test_a_tailing_reader_sees_every_event_once_and_in_order(database):
    config = await migrated(database)
    async with superuser(database) as connection:
        await connection.execute(SLOW)
    orders = [{"logs": logs, "callers": 3, "appends": 40} for logs in (3, 3, 2)]
    total = sum(order["logs"] * order["callers"] * order["appends"] * 2 for order in orders)
    async with (
        opened(config) as log,
        process(config, **orders[0]) as a,
        process(config, **orders[1]) as b,
        process(config, **orders[2]) as c,
    ):
        told = [asyncio.create_task(answers(running)) for running in (a, b, c)]
        seen: list[RawEvent] = []
        while len(seen) < total:
            found = await log.read_raw(seen[-1].position if seen else 0, 100)
            assert [event.position for event in found] == [len(seen) + n for n in range(1, len(found) + 1)]
            seen += found
            if not found and all(task.done() for task in told):
                break
        committed = [line for task in told for line in await task]

    assert len({line["writer"] for line in committed}) == 24
    assert [event.position for event in seen] == list(range(1, total + 1))
    recorded = [decode(event.body) for event in seen]
    assert all(r.position == event.position for r, event in zip(recorded, seen, strict=True))
    # What each caller was told is what the reader saw, in the order of the answers.
    for line in committed:
        assert {recorded[position - 1].stream for position in (line["first"], line["last"])} == {line["stream"]}
    versions: dict[str, int] = {}
    for r in recorded:
        assert r.version == versions.get(r.stream, 0) + 1
        versions[r.stream] = r.version
    assert set(versions.values()) == {80}
    async with opened(config) as log:
        assert (await log.head()).root == root_hash([event.leaf_hash for event in seen])


async def test_a_writer_stopped_for_good_does_not_keep_the_head(database):
    """SIGSTOP under the lock: others go on after the idle time-out, and nothing of the stopped append is recorded."""
    models = [Tallies()]
    config = replace(await migrated(database, read_models=models), idle_seconds=0.5)
    async with process(config, logs=0) as stopped, opened(config, models) as log:
        assert await answer(stopped) == {"stopping": True}
        committed = await log.append(one(stream(), 0, 5))
        assert committed.first_position == 1
        # If it ever wakes up, it is told that it does not know, and goes on.
        stopped.send_signal(signal.SIGCONT)
        assert await answer(stopped) == {"error": "LogUnavailable"}
        assert await answer(stopped) == {"first": 2}
        assert await stopped.wait() == 0
        assert await log.answer_to(Call("tester/DeclineOffer", "stopping-99", b"{}")) is None
        assert (await log.head()).size == 2


async def test_a_writer_killed_under_the_lock_leaves_nothing(database):
    models = [Tallies()]
    config = await migrated(database, read_models=models)
    async with process(config, logs=0) as stopped, opened(config, models) as log:
        assert await answer(stopped) == {"stopping": True}
        stopped.kill()
        await stopped.wait()
        assert (await log.append(one(stream(), 0, 5))).first_position == 1
        assert (await log.head()).size == 1
