"""What an append promises: all or nothing, in order, once, and answered with what is true."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from contracts.envelope import decode
from contracts.ids import uuid7
from eventstore.errors import (
    ConstraintBroken,
    EventRefused,
    LogUnavailable,
    VersionConflict,
)
from eventstore.log import Log
from eventstore.model import Append, Call, Metadata, StreamAppend
from tests.support.logs import (
    BY_TEST,
    Tallies,
    declined,
    migrated,
    number_of,
    one,
    opened,
    stream,
)


async def all_at_once(log, appends):
    return await asyncio.gather(*(log.append(append) for append in appends), return_exceptions=True)


async def test_events_are_read_as_they_were_appended(database):
    async with opened(await migrated(database)) as log:
        a, b = stream(), stream()
        metadata = Metadata("system", correlation_id=uuid7(), traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
        cause = uuid7()
        committed = await log.append(
            Append(
                [
                    StreamAppend(a, 0, [declined(1), declined(2)]),
                    StreamAppend(b, 0, [declined(3)], causation_id=cause),
                    StreamAppend(a, 2, [declined(4)]),
                ],
                metadata,
            )
        )
        assert (committed.first_position, committed.last_position, committed.replayed) == (1, 4, False)
        recorded = await log.read()
        assert [(r.position, r.stream, r.version, number_of(r.event)) for r in recorded] == [
            (1, a, 1, 1),
            (2, a, 2, 2),
            (3, b, 1, 3),
            (4, a, 3, 4),
        ]
        assert tuple(r.event_id for r in recorded) == committed.event_ids
        assert [r.causation_id for r in recorded] == [None, None, cause, None]
        assert {(r.actor, r.correlation_id, r.traceparent) for r in recorded} == {
            ("system", metadata.correlation_id, metadata.traceparent)
        }
        assert [r.version for r in await log.read_stream(a, 1)] == [2, 3]
        assert await log.read_stream(stream()) == []
        assert [r.position for r in await log.read(after=2, limit=1)] == [3]
        raw = await log.read_raw(0, 10)
        assert [decode(event.body) for event in raw] == recorded
        assert await log.read_streams({a: 2, b: 0}) == [recorded[2], recorded[3]]


async def test_a_time_names_a_position(database):
    times = [datetime(2026, 5, 1, 8, minute, tzinfo=UTC) for minute in (0, 1, 1, 5)]
    clock = iter(times)
    async with opened(await migrated(database), now=lambda: next(clock)) as log:
        for _ in times:
            await log.append(one(stream()))
        assert [await log.position_at(times[0] + timedelta(minutes=m)) for m in (-1, 0, 1, 4, 5, 9)] == [
            0,
            1,
            3,
            3,
            4,
            4,
        ]


async def test_recording_time_never_decreases_when_the_clock_steps_back(database):
    now = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
    clock = iter([now, now - timedelta(hours=1), now - timedelta(days=1), now + timedelta(seconds=1)])
    config = await migrated(database)
    async with opened(config, now=lambda: next(clock)) as log:
        await log.append(one(stream()))
        await log.append(one(stream()))
    async with opened(config, now=lambda: next(clock)) as log:  # the next process starts with a clock that is wrong
        await log.append(one(stream()))
        await log.append(one(stream()))
        times = [recorded.recorded_at for recorded in await log.read()]
        assert times == [now, now, now, now + timedelta(seconds=1)]
        assert (await log.head()).recorded_at == times[-1]


async def test_many_at_once_commit_together_without_gaps(database):
    async with opened(await migrated(database)) as log:
        commits: list[int] = []
        log.on_commit(commits.append)
        outcomes = await all_at_once(log, [one(stream(), 0, 1, 2) for _ in range(100)])
        assert sorted(o.first_position for o in outcomes) == list(range(1, 200, 2))
        assert commits == sorted(commits)
        assert (len(commits) <= 3, commits[-1]) == (True, 200)
        assert [r.position for r in await log.read()] == list(range(1, 201))


async def test_one_stream_in_one_batch_first_wins_and_the_next_version_follows(database):
    async with opened(await migrated(database)) as log:
        name = stream()
        outcomes = await all_at_once(
            log, [one(name, 0, 1), one(name, 0, 2), one(name, 1, 3), one(name, 1, 4), one(name, 5)]
        )
        assert [type(o) for o in outcomes[1::2]] == [VersionConflict, VersionConflict]
        assert (outcomes[1].stream, outcomes[1].expected, outcomes[1].actual) == (name, 0, 2)
        assert isinstance(outcomes[4], VersionConflict)
        assert [number_of(r.event) for r in await log.read_stream(name)] == [1, 3]


async def test_an_append_that_contradicts_itself_is_refused(database):
    async with opened(await migrated(database)) as log:
        name = stream()
        with pytest.raises(VersionConflict):
            await log.append(
                Append([StreamAppend(name, 0, [declined()]), StreamAppend(name, 0, [declined()])], BY_TEST)
            )
        assert (await log.head()).size == 0


@pytest.mark.parametrize("number", [66, 101, 77])
async def test_one_bad_append_fails_alone(database, number):
    """A constraint broken at once (66), a deferred one (101 twice), and a read model that raises (77)."""
    models = [Tallies()]
    async with opened(await migrated(database, read_models=models), models) as log:
        await log.append(one(stream(), 0, 101))
        good = [one(stream(), 0, n % 50 + 1, key=f"k{n}") for n in range(70)]
        outcomes = await all_at_once(log, [*good[:20], one(stream(), 0, 1, number, key="bad"), *good[20:]])
        failure = outcomes.pop(20)
        if number == 77:
            assert isinstance(failure, ZeroDivisionError)
        else:
            assert isinstance(failure, ConstraintBroken)
            assert failure.constraint == {66: "not_66", 101: "one_of_each"}[number]
        assert sorted(o.first_position for o in outcomes) == list(range(2, 72))
        assert (await log.head()).size == 71
        assert await log.answer_to(Call("tester/DeclineOffer", "bad", b"{}")) is None
        assert (await log.answer_to(Call("tester/DeclineOffer", "k3", b"{}"))).event_ids == outcomes[3].event_ids
        async with log.queries() as connection:
            assert await connection.scalar(sa.select(sa.func.count()).select_from(Tallies.tallies)) == 71


async def test_a_deferred_constraint_counts_after_the_append_not_within(database):
    models = [Tallies()]
    async with opened(await migrated(database, read_models=models), models) as log:
        a, b = stream(), stream()
        await log.append(Append([StreamAppend(a, 0, [declined(101)]), StreamAppend(b, 0, [declined(102)])], BY_TEST))
        swap = [StreamAppend(a, 1, [declined(102)]), StreamAppend(b, 1, [declined(101)])]
        bad = one(stream(), 0, 66)  # sends the whole batch to the savepoints
        outcomes = await all_at_once(log, [bad, Append(swap, BY_TEST)])
        assert isinstance(outcomes[0], ConstraintBroken)
        assert outcomes[1].last_position == 4


async def test_what_can_never_be_stored_is_refused_alone(database):
    config = await migrated(database)
    async with opened(config) as log:
        wide = declined().model_copy(update={"reason_code": "x" * 66_000})
        outcomes = await all_at_once(
            log,
            [
                one(stream()),
                Append([StreamAppend(stream(), 0, [wide])], BY_TEST),
                Append([StreamAppend('order-"quoted"', 0, [declined()])], BY_TEST),
                Append([StreamAppend(stream(), 0, [declined()])], Metadata("王大爷")),
                Append([StreamAppend(stream(), -1, [declined()])], BY_TEST),
                one(stream(), 0, 1, key="k" * 300),
                Append([StreamAppend(stream(), 0, [declined()] * (config.append_events_max + 1))], BY_TEST),
                one(stream()),
            ],
        )
        assert [type(o).__name__ for o in outcomes] == ["Committed", *["EventRefused"] * 6, "Committed"]
        assert isinstance(outcomes[1], EventRefused)
        assert (await log.head()).size == 2


async def test_an_append_larger_than_a_batch_goes_whole(database):
    config = await migrated(database)
    async with opened(config) as log:
        small = [one(stream()) for _ in range(10)]
        numbers = range(1, config.batch_events * 2 + 1)
        outcomes = await all_at_once(log, [*small, one(stream(), 0, *numbers), *small[:0]])
        assert outcomes[-1].last_position - outcomes[-1].first_position + 1 == len(numbers)
        assert (await log.head()).size == 10 + len(numbers)


async def test_closing_commits_what_waits_and_refuses_the_rest(database):
    config = await migrated(database)
    log = await Log.open(config)
    waiting = [asyncio.create_task(log.append(one(stream()))) for _ in range(20)]
    await asyncio.sleep(0)
    await log.close()
    assert {(await task).replayed for task in waiting} == {False}
    with pytest.raises(LogUnavailable, match="closed"):
        await log.append(one(stream()))
    async with opened(config) as log:
        assert (await log.head()).size == 20


async def test_a_caller_that_gave_up_before_the_commit_is_not_recorded(database):
    async with opened(await migrated(database)) as log:
        task = asyncio.create_task(log.append(one(stream())))
        await asyncio.sleep(0)  # it is queued now
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await log.append(one(stream()))
        assert (await log.head()).size == 1


async def test_a_short_secret_and_a_wrong_password_are_refused(database):
    from dataclasses import replace

    config = await migrated(database)
    with pytest.raises(ValueError, match="32 bytes"):
        await Log.open(replace(config, idempotency_secret=b"short"))
    with pytest.raises(LogUnavailable):
        await Log.open(replace(config, password="wrong"))
    assert config.password not in repr(config)
