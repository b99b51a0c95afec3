"""What commits beside the events: keys, steps, copies of what was heard, the vault; and several replicas at once."""

import asyncio
from itertools import pairwise

import pytest
import sqlalchemy as sa

from contracts.envelope import decode
from contracts.ids import uuid7
from eventstore.errors import (
    ConstraintBroken,
    KeyReused,
    NotCaughtUp,
    ReadModelMismatch,
    StepConflict,
)
from eventstore.log import Log
from eventstore.merkle import root_hash
from eventstore.model import Append, Call, DeadLetter, StreamAppend, VaultChange
from tests.support.logs import (
    BY_TEST,
    HeardTallies,
    Tallies,
    declined,
    migrated,
    one,
    opened,
    step,
    stream,
    superuser,
)
from tests.support.waiting import eventually


async def all_at_once(log, appends):
    return await asyncio.gather(*(log.append(append) for append in appends), return_exceptions=True)


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
        await eventually(lambda: _is_free(log, call))
        assert await log.answer_to(Call("tester/DeclineOffer", "young", b"{}")) is not None


async def _is_free(log, call):
    return await log.answer_to(call) is None


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
