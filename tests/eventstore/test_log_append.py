"""What an append promises: all or nothing, in order, once, and answered with what is true."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from contracts.envelope import decode
from contracts.ids import uuid7
from eventstore.errors import (
    ConstraintBroken,
    EventRefused,
    KeyReused,
    LogUnavailable,
    NotCaughtUp,
    ReadModelMismatch,
    StepConflict,
    VersionConflict,
)
from eventstore.log import Log
from eventstore.merkle import root_hash
from eventstore.model import Append, Call, DeadLetter, Metadata, StreamAppend, VaultChange
from tests.support.logs import (
    BY_TEST,
    HeardTallies,
    Tallies,
    declined,
    migrated,
    number_of,
    one,
    opened,
    step,
    stream,
    superuser,
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
        assert commits == [200]
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


async def test_a_repeated_key_gets_the_first_answer(database):
    async with opened(await migrated(database)) as log:
        order_id = uuid7()
        call = Call("7/PlaceOrder", "key-1", b'{"item":"haircut"}', {"order_id": str(order_id)})
        name = stream()
        append = Append([StreamAppend(name, 0, [declined()])], BY_TEST, call)
        assert await log.answer_to(call) is None
        first = await log.append(append)
        again = await log.append(append)
        assert again == await log.answer_to(call)
        assert again.replayed
        assert (again.first_position, again.last_position, again.event_ids) == (1, 1, first.event_ids)
        assert again.answer == {"order_id": str(order_id)} == first.answer
        other = Call(call.scope, call.key, b'{"item":"repair"}')
        with pytest.raises(KeyReused, match="key-1"):
            await log.answer_to(other)
        with pytest.raises(KeyReused):
            await log.append(Append([StreamAppend(stream(), 0, [declined()])], BY_TEST, other))
        elsewhere = Call("8/PlaceOrder", call.key, call.body)
        assert await log.answer_to(elsewhere) is None
        assert (await log.head()).size == 1


async def test_a_key_sent_by_many_at_once_is_recorded_once(database):
    config = await migrated(database)
    async with opened(config) as log, opened(config) as replica:
        appends = [one(stream(), 0, 1, key="same") for _ in range(10)]
        outcomes = await all_at_once(log, appends[:5]) + await all_at_once(replica, appends[5:])
        assert len({o.event_ids for o in outcomes}) == 1
        assert [o.replayed for o in outcomes].count(False) == 1
        bodies = [one(stream(), 0, 1, key="bodies", body=bytes([n])) for n in range(6)]
        kinds = [type(o).__name__ for o in await all_at_once(log, bodies)]
        assert sorted(kinds) == ["Committed"] + ["KeyReused"] * 5
        assert (await log.head()).size == 2


async def test_the_body_is_not_kept_and_its_hmac_depends_on_the_secret(database):
    config = await migrated(database)
    async with opened(config) as log, superuser(database) as connection:
        await log.append(one(stream(), 0, 1, key="k", body="王大爷 138 0000 0000".encode()))
        kept = await connection.fetchval("SELECT i::text FROM orders.idempotency i")
        assert "王大爷" not in kept
        assert "王大爷".encode().hex() not in kept


async def test_expired_keys_are_deleted_and_free_again(database):
    config = await migrated(database)
    async with opened(config) as log, superuser(database) as connection:
        await log.append(one(stream(), 0, 1, key="old"))
        await log.append(one(stream(), 0, 1, key="young"))
        await connection.execute(
            "UPDATE orders.idempotency SET kept_at = now() - interval '30 days 1 s' WHERE key = 'old'"
        )
    async with opened(config) as log:
        call = Call("tester/DeclineOffer", "old", b"{}")
        async with asyncio.timeout(10):
            while await log.answer_to(call) is not None:
                await asyncio.sleep(0.01)
        assert await log.answer_to(Call("tester/DeclineOffer", "young", b"{}")) is not None


async def test_a_step_is_taken_once_and_in_turn(database):
    async with opened(await migrated(database)) as log:
        name = stream()
        outcomes = await all_at_once(
            log,
            [
                step("volunteers", 0, 3, StreamAppend(name, 0, [declined()])),
                step("volunteers", 0, 3),
                step("volunteers", 3, 5),
                step("ledger", 7, 9),
            ],
        )
        assert [type(o).__name__ for o in outcomes] == ["Committed", "StepConflict", "Committed", "StepConflict"]
        assert (outcomes[1].source, outcomes[1].expected, outcomes[1].actual) == ("volunteers", 0, 5)
        assert [await log.heard(source) for source in ("volunteers", "ledger")] == [5, 0]
        with pytest.raises(StepConflict):
            await log.append(step("volunteers", 3, 6, StreamAppend(name, 1, [declined()])))
        assert (await log.head()).size == 1


async def test_heard_events_are_folded_with_the_step_or_not_at_all(database):
    models = [Tallies(), HeardTallies()]
    config = await migrated(database, read_models=models)
    async with opened(config, models) as log:
        await log.append(one(stream(), 0, 1, 2))
        events = await log.read()
        heard = [_as_of("volunteers", recorded) for recorded in events]
        await log.append(Append((), BY_TEST, step=step("volunteers", 0, 2).step, heard=heard))
        with pytest.raises(StepConflict):
            await log.append(Append((), BY_TEST, step=step("volunteers", 0, 2).step, heard=heard))
        async with log.queries() as connection:
            rows = (await connection.execute(sa.select(HeardTallies.seen))).all()
        assert {row.event_id for row in rows} == {recorded.event_id for recorded in events}
        assert await log.heard("volunteers") == 2
        assert (await log.head()).size == 2


def _as_of(service, recorded):
    from dataclasses import replace

    return replace(recorded, service=service)


async def test_vault_changes_and_dead_letters_commit_with_the_append(database):
    models = [Tallies()]
    config = await migrated(database, read_models=models)
    async with opened(config, models) as log, superuser(database) as connection:
        person = uuid7()
        write = VaultChange(
            "INSERT INTO orders.vault_keys (person_id, purpose, wrapped) VALUES ($1, $2, $3)", (person, "contact", b"k")
        )
        letter = DeadLetter("volunteers", 4, uuid7(), "on_hours_logged", "no such order", b"{}", True)
        bad = Append([StreamAppend(stream(), 0, [declined(66)])], BY_TEST, vault=[write], dead_letters=[letter])
        with pytest.raises(ConstraintBroken):
            await log.append(bad)
        assert await connection.fetchval("SELECT count(*) FROM orders.vault_keys") == 0
        good = Append([StreamAppend(stream(), 0, [declined()])], BY_TEST, vault=[write], dead_letters=[letter])
        await log.append(good)
        await log.append(Append((), BY_TEST, dead_letters=[letter]))
        assert await connection.fetchval("SELECT person_id FROM orders.vault_keys") == person
        row = await connection.fetchrow("SELECT * FROM orders.dead_letters")
        assert (row["handler"], row["attempts"], row["state"], row["blocks"]) == ("on_hours_logged", 2, "open", True)


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


async def test_two_versions_of_the_read_models_never_write_at_once(database):
    models = [Tallies()]
    config = await migrated(database, read_models=models)

    class NewTallies(Tallies):
        version = 2

    async with opened(config, models) as log, superuser(database) as connection:
        await log.append(one(stream()))
        for wrong in ([NewTallies()], []):
            with pytest.raises(ReadModelMismatch, match="replay"):
                await Log.open(config, wrong)
        await connection.execute("UPDATE orders.read_model_state SET version = 'orders:Tallies.2'")
        outcomes = await all_at_once(log, [one(stream()) for _ in range(3)])
        assert {type(o) for o in outcomes} == {ReadModelMismatch}
        await connection.execute("UPDATE orders.read_model_state SET version = 'orders:Tallies.1', position = 0")
        with pytest.raises(ReadModelMismatch):
            await log.append(one(stream()))
        await connection.execute("UPDATE orders.read_model_state SET position = 1")
        assert (await log.append(one(stream()))).first_position == 2


async def test_replicas_append_at_once_and_all_succeed(database):
    models = [Tallies()]
    config = await migrated(database, read_models=models)
    async with opened(config, models) as a, opened(config, models) as b, opened(config, models) as c:

        async def some(log):
            for _ in range(40):
                await log.append(one(stream(), 0, 1, 2))

        await asyncio.gather(*(some(log) for log in (a, b, c) for _ in range(3)))
        raw = await a.read_raw(0, 1000)
        assert [event.position for event in raw] == list(range(1, 721))
        head = await b.head()
        assert (head.size, head.root) == (720, root_hash([event.leaf_hash for event in raw]))
        times = [decode(event.body).recorded_at for event in raw]
        assert all(earlier <= later for earlier, later in pairwise(times))


async def test_waiting_for_another_service_ends_when_any_replica_heard_it(database):
    config = await migrated(database)
    async with opened(config) as log, opened(config) as replica:
        with pytest.raises(NotCaughtUp) as missed:
            await log.wait_heard("volunteers", 4, timeout=0.05)
        assert (missed.value.wanted, missed.value.heard) == (4, 0)
        for hearing in (log, replica):
            at = await log.heard("volunteers")
            waiting = asyncio.create_task(log.wait_heard("volunteers", at + 4, timeout=10))
            await hearing.append(step("volunteers", at, at + 4))
            await waiting
        await log.wait_heard("volunteers", 8, timeout=0)


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
