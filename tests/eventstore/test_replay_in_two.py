"""Two processes fold a log to the tables that one folds it to; what does not fit, and what dies, ends in the same."""

import asyncio
import os
import signal
import sys

import psutil
import pytest

from eventstore.errors import Tampered
from eventstore.replay import ReplayFailed, pair, projector, replay
from eventstore.replay.pair import Pair
from tests.support.logs import as_role, migrated, opened, superuser
from tests.support.turns import Turns, TurnsThatErr, TurnsThatRead, write_turns

EVENTS = 1_000


@pytest.fixture
def pids(monkeypatch):
    """Two processes from the first event on, in many segments; the ids of the second ones."""
    started: list[int] = []
    start = Pair.start

    async def noted(*arguments):
        found = await start(*arguments)
        started.append(found._process.pid)
        return found

    monkeypatch.setattr(pair, "START_EVENTS", 0)
    monkeypatch.setattr(projector, "SEGMENT_EVENTS", 130)
    monkeypatch.setattr(projector, "is_worth_it", lambda models, events: events > 0)
    monkeypatch.setattr(Pair, "start", noted)
    yield started
    assert not [pid for pid in started if psutil.pid_exists(pid)]


@pytest.fixture
async def written(database):
    """A log with its live tables."""
    return await lived(database, Turns())


async def lived(database, model, seed=1):
    config = await migrated(database, read_models=(model,))
    async with opened(config, (model,)) as log:
        await write_turns(log, EVENTS, seed)
    return config


@pytest.mark.parametrize("seed", range(3))
async def test_two_processes_come_to_the_live_tables(database, pids, caplog, seed):
    config = await lived(database, Turns(), seed)
    told: list[tuple[int, int]] = []
    report = await replay(as_role(config, "migrator"), (Turns(),), progress=lambda *at: told.append(at))
    assert report.ok
    assert report.compared
    assert report.events == EVENTS
    assert {table.name: table.equal for table in report.tables} == {"turns": True, "people": True, "seen": True}
    assert all(table.rows > 1 for table in report.tables)
    assert told == sorted(told)
    assert told[-1] == (EVENTS, EVENTS)
    assert len(pids) == 1
    assert not caplog.records


async def test_a_changed_row_of_either_share_is_found(database, written, pids):
    async with superuser(database) as connection:
        await connection.execute("UPDATE orders_read.turns SET events = events + 1")
        await connection.execute("UPDATE orders_read.people SET times = times + 1")
        turns = await connection.fetchval("SELECT count(*) FROM orders_read.turns")
        people = await connection.fetchval("SELECT count(*) FROM orders_read.people")
    report = await replay(as_role(written, "migrator"), (Turns(),))
    found = {table.name: table.differences for table in report.tables}
    assert found == {"turns": turns, "people": people, "seen": 0}
    assert len(pids) == 1


@pytest.mark.parametrize(("model", "why"), [(TurnsThatErr(), "one row of people"), (TurnsThatRead(), "people is read")])
async def test_a_model_that_does_not_fit_is_folded_in_one(database, pids, caplog, model, why):
    config = await lived(database, model)
    report = await replay(as_role(config, "migrator"), (model,))
    assert report.ok
    assert report.events == EVENTS
    (record,) = caplog.records
    assert why in record.getMessage()
    assert len(pids) == 1


async def test_a_model_that_cannot_be_named_is_folded_in_one(database, pids, caplog):
    class Here(Turns):
        pass

    config = await lived(database, Here())
    assert (await replay(as_role(config, "migrator"), (Here(),))).ok
    assert "cannot be named to another process" in caplog.text
    assert not pids


async def test_where_no_process_can_be_started_it_is_folded_in_one(written, pids, caplog, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    report = await replay(as_role(written, "migrator"), (Turns(),))
    assert report.ok
    assert report.compared
    assert report.events == EVENTS
    assert "no other process can be started" in caplog.text
    assert not pids


@pytest.mark.parametrize("at", [1, 500, EVENTS])
async def test_the_second_process_dies_while_folding(written, pids, caplog, monkeypatch, at):
    fold = Pair.fold

    async def deadly(self, after, up_to, *more):
        if after < at <= up_to:
            os.kill(pids[0], signal.SIGKILL)
        await fold(self, after, up_to, *more)

    monkeypatch.setattr(Pair, "fold", deadly)
    report = await replay(as_role(written, "migrator"), (Turns(),))
    assert report.ok
    assert report.events == EVENTS
    assert "the other process ended (-9)" in caplog.text
    assert len(pids) == 1


async def test_the_second_process_dies_before_it_gave_its_rows(database, written, pids, monkeypatch):
    write = Pair.write

    async def deadly(self, *more):
        os.kill(pids[-1], signal.SIGKILL)
        await write(self, *more)

    with monkeypatch.context() as patched:
        patched.setattr(Pair, "write", deadly)
        with pytest.raises(ReplayFailed, match="its rows are lost: replay again"):
            await replay(as_role(written, "migrator"), (Turns(),))
    async with superuser(database) as connection:
        assert not await connection.fetchval("SELECT to_regnamespace('orders_read_shadow') IS NOT NULL")
    assert (await replay(as_role(written, "migrator"), (Turns(),))).ok


async def test_a_missing_event_is_named_as_ever(database, written, pids, caplog):
    async with superuser(database) as connection:
        await connection.execute(
            "ALTER TABLE orders.events DISABLE TRIGGER USER; DELETE FROM orders.events WHERE position = 77"
        )
    with pytest.raises(Tampered) as caught:
        await replay(as_role(written, "migrator"), (Turns(),))
    assert caught.value.position == 77
    assert "1 events are missing" in caplog.text


async def test_events_that_change_places_are_named_as_ever(database, written, pids, caplog):
    async with superuser(database) as connection:
        await connection.execute(
            """ALTER TABLE orders.events DISABLE TRIGGER USER;
               UPDATE orders.events e SET body = (SELECT body FROM orders.events WHERE position = 81)
               WHERE position = 80"""
        )
    with pytest.raises(Tampered) as caught:
        await replay(as_role(written, "migrator"), (Turns(),))
    assert caught.value.position == 80
    assert "where event 80 should be is 81" in caplog.text


async def test_a_stream_noted_wrongly_beside_its_event_changes_nothing(database, written, pids):
    """The column decides only which process folds an event."""
    async with superuser(database) as connection:
        await connection.execute(
            """ALTER TABLE orders.events DISABLE TRIGGER USER;
               UPDATE orders.events SET stream = 'order-' || position WHERE position % 3 = 0"""
        )
    assert (await replay(as_role(written, "migrator"), (Turns(),))).ok


async def test_a_full_memory_is_written_and_the_rest_folded_in_the_database(written, pids, monkeypatch, caplog):
    made = projector.Projection
    monkeypatch.setattr("eventstore.replay.run.Projection", lambda models, schema: made(models, schema, 250))
    report = await replay(as_role(written, "migrator"), (Turns(),))
    assert report.ok
    assert report.events == EVENTS
    assert len(pids) == 1
    assert not caplog.records


async def test_swapping_in_while_writes_go_on(database, written, pids, caplog):
    async with opened(written, (Turns(),)) as log:
        stopped = asyncio.Event()

        async def write() -> None:
            seed = 100
            while not stopped.is_set():
                seed += 1
                await write_turns(log, 30, seed)

        writing = asyncio.create_task(write())
        report = await replay(as_role(written, "migrator"), (Turns(),), swap=True)
        stopped.set()
        await writing
    assert report.swapped
    assert report.position > EVENTS
    assert (await replay(as_role(written, "migrator"), (Turns(),))).ok
    assert not caplog.records


async def test_a_replay_that_is_given_up_leaves_no_process(written, pids):
    told = asyncio.Event()
    replaying = asyncio.create_task(replay(as_role(written, "migrator"), (Turns(),), progress=lambda *_at: told.set()))
    await told.wait()
    replaying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await replaying
    assert len(pids) == 1


@pytest.mark.parametrize(
    ("events", "cores", "models", "worth"),
    [
        (60_000, 2, (Turns(),), True),
        (59_999, 2, (Turns(),), False),
        (60_000, 1, (Turns(),), False),
        (60_000, 2, (), False),
    ],
)
def test_a_second_process_is_for_long_logs_and_a_second_core(
    monkeypatch, events: int, cores: int, models: tuple[Turns, ...], worth: bool
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
    assert pair.is_worth_it(models, events) is worth
