"""Replay: what is folded anew equals what was folded live, whatever came, and while more comes."""

import asyncio
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa

from eventstore.errors import ReadModelMismatch, Tampered
from eventstore.replay import ReplayFailed, ReplayRefused, ensure_read_models, replay, views
from eventstore.replay.histories import OwnHistory
from eventstore.replay.memory import MemoryRows
from eventstore.replay.projector import Projection
from tests.support.logs import Tallies, as_role, migrated, one, opened, stream, superuser
from tests.support.messaging import plain_client, running
from tests.support.replays import MODELS, Calendar, carry, hear, write_calendar, write_consents
from tests.support.servers import Database

CALENDAR = (MODELS[0],)


async def tables(database: Database, schema: str = "orders_read") -> dict[str, list[str]]:
    """Every row of a schema's tables, as text."""
    async with superuser(database) as connection:
        names = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
        return {
            name: sorted(row[0] for row in await connection.fetch(f'SELECT t::text FROM {schema}."{name}" t'))
            for (name,) in names
        }


async def schemas(database: Database) -> set[str]:
    async with superuser(database) as connection:
        rows = await connection.fetch("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'orders%'")
        return {row[0] for row in rows}


@pytest.mark.parametrize("seed", range(4))
async def test_a_replay_equals_the_live_tables_after_random_work(database, seed):
    config = await migrated(database, read_models=CALENDAR)
    async with opened(config, CALENDAR) as log:
        await write_calendar(log, 900, seed)
        seen = []
        report = await replay(as_role(config, "migrator"), CALENDAR, progress=lambda *at: seen.append(at))
    assert report.ok
    assert report.compared
    assert (report.position, report.events) == (900, 900)
    assert seen[-1] == (900, 900)
    assert {table.name: table.equal for table in report.tables} == {"people": True, "spans": True}
    assert report.tables[0].rows == report.tables[0].live_rows == 12
    assert await schemas(database) == {"orders", "orders_read"}


async def test_a_changed_row_is_named_with_what_differs(database):
    config = await migrated(database, read_models=CALENDAR)
    async with opened(config, CALENDAR) as log:
        await write_calendar(log, 100, 1)
    async with superuser(database) as connection:
        await connection.execute("UPDATE orders_read.people SET events = events + 1 WHERE person_id = $1", UUID(int=3))
        await connection.execute("DELETE FROM orders_read.spans WHERE ctid = (SELECT min(ctid) FROM orders_read.spans)")
    report = await replay(as_role(config, "migrator"), CALENDAR)
    assert not report.ok
    people, spans = report.tables
    assert (people.equal, people.differences) == (False, 1)
    first = people.first_difference
    assert first is not None
    assert first.live is not None
    assert first.replayed is not None
    assert first.key == {"person_id": str(UUID(int=3))}
    assert first.live["events"] == first.replayed["events"] + 1
    assert set(first.live) == {"events"}
    assert (spans.equal, spans.differences) == (False, 1)
    assert spans.live_rows == spans.rows - 1
    assert spans.first_difference is not None
    assert spans.first_difference.live is None
    assert report.to_json()["tables"][1]["first_difference"]["live"] is None


async def test_rows_that_are_there_too_much_are_found(database):
    config = await migrated(database, read_models=CALENDAR)
    async with opened(config, CALENDAR) as log:
        await write_calendar(log, 20, 1)
    async with superuser(database) as connection:
        await connection.execute("INSERT INTO orders_read.people VALUES ($1, 0, '[]', NULL)", UUID(int=99))
    report = await replay(as_role(config, "migrator"), CALENDAR)
    assert report.tables[0].first_difference is not None
    assert report.tables[0].first_difference.replayed is None


async def test_comparing_while_writes_go_on(database):
    config = await migrated(database, read_models=CALENDAR)
    async with opened(config, CALENDAR) as log:
        await write_calendar(log, 500, 1)
        stopped = asyncio.Event()

        async def write() -> int:
            number = 0
            while not stopped.is_set():
                number += 1
                await write_calendar(log, 20, number)
            return number

        writing = asyncio.create_task(write())
        reports = [await replay(as_role(config, "migrator"), CALENDAR) for _ in range(3)]
        stopped.set()
        assert await writing > 3
        assert all(report.ok and report.compared for report in reports)
        assert reports[0].position < reports[-1].position < (await log.head()).size


async def test_copies_are_folded_from_the_stream_up_to_where_it_was_heard(database, nats_server):
    config = await migrated(database, read_models=MODELS)
    others = await migrated(database, "volunteers")
    async with opened(config, MODELS) as log, opened(others) as volunteers, plain_client(nats_server) as client:
        await write_calendar(log, 100, 1)
        await write_consents(volunteers, 2_345, 1)
        await carry(volunteers, client)
        await hear(log, volunteers, 2_100, batch=300, leave_out=[1, 70, 71, 2_100])
        report = await replay(as_role(config, "migrator"), MODELS, nats=client)
        assert report.ok
        assert report.compared
        assert (report.position, report.heard, report.events) == (100, {"volunteers": 2_100}, 2_196)
        assert {table.name: table.source for table in report.tables}["consents"] == "volunteers"
        with pytest.raises(ReplayRefused, match="NATS is needed"):
            await replay(as_role(config, "migrator"), MODELS)


async def test_a_stream_that_lacks_what_was_heard_ends_the_replay(database, nats_server):
    config = await migrated(database, read_models=MODELS)
    others = await migrated(database, "volunteers")
    async with opened(config, MODELS) as log, opened(others) as volunteers, plain_client(nats_server) as client:
        await write_consents(volunteers, 10, 1)
        await carry(volunteers, client)
        await write_consents(volunteers, 10, 2)
        await hear(log, volunteers, 15)
        with pytest.raises(ReplayFailed, match="lacks event 11"):
            await replay(as_role(config, "migrator"), MODELS, nats=client)
    assert await schemas(database) == {"orders", "orders_read"}


async def test_swapping_while_writes_and_hearing_go_on(database, nats_server):
    config = await migrated(database, read_models=MODELS)
    others = await migrated(database, "volunteers")
    async with opened(config, MODELS) as log, opened(others) as volunteers, plain_client(nats_server) as client:
        await write_calendar(log, 3_000, 1)
        await write_consents(volunteers, 3_000, 1)
        await carry(volunteers, client)
        await hear(log, volunteers, 1_000, batch=100)
        stopped = asyncio.Event()

        async def write() -> None:
            number = 0
            while not stopped.is_set():
                number += 1
                await write_calendar(log, 20, number)

        async def listen() -> None:
            while not stopped.is_set():
                await hear(log, volunteers, min(3_000, await log.heard("volunteers") + 5), batch=5)

        async with superuser(database) as connection:
            old = await connection.fetchval("SELECT 'orders_read.people'::regclass::oid")
            async with running(write()) as writing, running(listen()) as listening:
                report = await replay(as_role(config, "migrator"), MODELS, swap=True, nats=client)
                size, heard = (await log.head()).size, await log.heard("volunteers")
                assert size >= report.position > 3_000
                assert heard >= report.heard["volunteers"] > 1_000
                await write_calendar(log, 50, 99)
                stopped.set()
                await asyncio.gather(writing, listening)
            assert await connection.fetchval("SELECT 'orders_read.people'::regclass::oid") != old
        assert report.swapped
        assert await schemas(database) == {"orders", "orders_read"}
        async with log.queries() as queries:
            rows = (await queries.execute(sa.select(Calendar.people))).all()
        assert sum(row.events for row in rows) == (await log.head()).size
        after = await replay(as_role(config, "migrator"), MODELS, nats=client)
        assert after.ok
        assert after.compared
        assert after.position == (await log.head()).size


async def test_what_was_swapped_in_has_its_rights_and_constraints(database):
    config = await migrated(database, read_models=CALENDAR)
    async with opened(config, CALENDAR) as log:
        await write_calendar(log, 50, 1)

    async def constraints() -> list[tuple[str, str]]:
        async with superuser(database) as connection:
            rows = await connection.fetch(
                """SELECT conname, replace(pg_get_constraintdef(c.oid), 'orders_read.', '') FROM pg_constraint c
                   WHERE connamespace = 'orders_read'::regnamespace ORDER BY 1"""
            )
            indexes = await connection.fetch(
                "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'orders_read' ORDER BY 1"
            )
            grants = await connection.fetch(
                """SELECT grantee, table_name || privilege_type FROM information_schema.role_table_grants
                   WHERE table_schema = 'orders_read' ORDER BY 1, 2"""
            )
            return [tuple(row) for row in (*rows, *indexes, *grants)]

    before = await constraints()
    await replay(as_role(config, "migrator"), CALENDAR, swap=True)
    assert await constraints() == before
    async with opened(config, CALENDAR) as log:
        await write_calendar(log, 50, 2)
    connection = await asyncpg.connect(**as_role(config, "auditor").connect_arguments("test"))
    assert await connection.fetchval("SELECT sum(events) FROM orders_read.people") == 100
    await connection.close()


class NewerCalendar(Calendar):
    """The same tables, another fold: people are counted double."""

    version = 2

    def apply(self, recorded, rows) -> None:
        super().apply(recorded, rows)
        rows.add(self.people, recorded.event.volunteer_id, events=1)


NewerCalendar.__name__ = "Calendar"


async def test_read_models_of_another_version_are_rebuilt(database):
    config = await migrated(database, read_models=CALENDAR)
    newer = (NewerCalendar(),)
    async with opened(config, CALENDAR) as log:
        await write_calendar(log, 300, 1)
        report = await replay(as_role(config, "migrator"), newer)
        assert (report.compared, report.ok) == (False, True)
        assert "not compared" in report.note
        assert await ensure_read_models(as_role(config, "migrator"), CALENDAR) is None
        rebuilt = await ensure_read_models(as_role(config, "migrator"), newer)
        assert rebuilt is not None
        assert rebuilt.swapped
        assert (rebuilt.live_version, rebuilt.version) == ("orders:Calendar.1", "orders:Calendar.2")
        # The program of the older version must write no more.
        with pytest.raises(ReadModelMismatch):
            await log.append(one(stream(), 0, 1))
    async with opened(config, newer) as log:
        await write_calendar(log, 10, 2)
        async with log.queries() as queries:
            assert await queries.scalar(sa.select(sa.func.sum(Calendar.people.c.events))) == 620
    assert (await replay(as_role(config, "migrator"), newer)).compared


async def test_an_earlier_position_or_time_stays_for_queries(database, nats_server):
    config = await migrated(database, read_models=MODELS)
    others = await migrated(database, "volunteers")
    async with opened(config, MODELS) as log, opened(others) as volunteers, plain_client(nats_server) as client:
        await write_consents(volunteers, 40, 1)
        await carry(volunteers, client)
        await hear(log, volunteers, 30)
        await write_calendar(log, 100, 1)
        moment = (await log.head()).recorded_at
        at_hundred = await tables(database)
        late = await carry(volunteers, client, 40)
        assert late == 40
        await write_consents(volunteers, 40, 2)
        await carry(volunteers, client, 40)
        await write_calendar(log, 100, 2)
        await hear(log, volunteers, 60)
        assert await tables(database) != at_hundred
        for until in (100, moment + timedelta(microseconds=0)):
            report = await replay(as_role(config, "migrator"), MODELS, until=until, nats=client)
            assert (report.position, report.schema, report.compared) == (100, "orders_read_shadow", False)
            # Copies are as their log was then: it had forty events.
            assert report.heard == {"volunteers": 40}
            shadow = await tables(database, "orders_read_shadow")
            assert shadow["people"] == at_hundred["people"]
            assert shadow["spans"] == at_hundred["spans"]
        engine = views(config)
        async with engine.connect() as connection:
            assert await connection.scalar(sa.select(sa.func.sum(Calendar.people.c.events))) == 100
        await engine.dispose()
        before = await replay(as_role(config, "migrator"), MODELS, until=moment - timedelta(days=1), nats=client)
        assert (before.position, before.heard) == (0, {"volunteers": 0})
        with pytest.raises(ReplayRefused, match="no position 201"):
            await replay(as_role(config, "migrator"), MODELS, until=201, nats=client)
        with pytest.raises(ReplayRefused, match="leave `until` out"):
            await replay(as_role(config, "migrator"), MODELS, until=20, swap=True, nats=client)
        await write_calendar(log, 5, 3)
        assert (await replay(as_role(config, "migrator"), MODELS, swap=True, nats=client)).swapped
        assert await schemas(database) == {"orders", "orders_read"}


async def test_a_fold_in_the_database_is_the_fold_in_memory(database):
    config = await migrated(database, read_models=CALENDAR)
    async with opened(config, CALENDAR) as log:
        await write_calendar(log, 1_500, 5)
    connection = await asyncpg.connect(**as_role(config, "migrator").connect_arguments("test"))
    reading = await asyncpg.connect(**config.connect_arguments("test"))
    projection = Projection(CALENDAR, "orders_read", memory_rows=20)
    await connection.execute("TRUNCATE orders_read.people, orders_read.spans")
    written = 0
    async for events in OwnHistory(reading, "orders").read(0, 1_500):
        for start in range(0, len(events), 100):
            part = events[start : start + 100]
            await projection.fold(connection, "orders", part, part[-1].position)
            if projection.must_write:
                written += 1
                await projection.write(connection)
    await connection.close()
    await reading.close()
    assert (written, projection.in_memory) == (1, False)
    report = await replay(as_role(config, "migrator"), CALENDAR)
    assert report.ok
    assert report.compared


async def test_two_replays_at_once_are_refused(database):
    config = as_role(await migrated(database, read_models=CALENDAR), "migrator")
    other = await asyncpg.connect(**config.connect_arguments("test"))
    await other.execute("SELECT pg_advisory_lock(hashtext('replay'), hashtext('orders'))")
    with pytest.raises(ReplayRefused, match="another replay of orders"):
        await replay(config, CALENDAR)
    await other.close()


async def test_a_model_that_fails_is_named_with_the_event(database):
    config = await migrated(database)
    async with opened(config) as log:
        for number in (1, 2, 77):
            await log.append(one(stream(), 0, number))
    with pytest.raises(ReplayFailed, match="Tallies failed at event 3 of orders"):
        await replay(as_role(config, "migrator"), (Tallies(),), swap=True)
    assert await schemas(database) == {"orders"}


async def test_a_history_that_breaks_a_constraint_is_refused(database):
    config = await migrated(database)
    async with opened(config) as log:
        await log.append(one(stream(), 0, 150))
        await log.append(one(stream(), 0, 150))
    with pytest.raises(ReplayFailed, match="one_of_each"):
        await replay(as_role(config, "migrator"), (Tallies(),))


async def test_a_missing_event_ends_the_replay(database):
    config = await migrated(database, read_models=CALENDAR)
    async with opened(config, CALENDAR) as log:
        await write_calendar(log, 20, 1)
    async with superuser(database) as connection:
        await connection.execute(
            "ALTER TABLE orders.events DISABLE TRIGGER ALL; DELETE FROM orders.events WHERE position = 7"
        )
    with pytest.raises(Tampered) as caught:
        await replay(as_role(config, "migrator"), CALENDAR)
    assert caught.value.position == 7


async def test_only_the_migrator_replays(database):
    config = await migrated(database, read_models=CALENDAR)
    with pytest.raises(ValueError, match="orders_app"):
        await replay(config, CALENDAR)


def test_rows_in_memory_are_not_changed_under_the_hands_of_who_read_them():
    rows = MemoryRows()
    key = UUID(int=1)
    rows.insert(Calendar.people, person_id=key, numbers=[1])
    before = rows.get(Calendar.people, key)
    assert before is not None
    rows.update(Calendar.people, key, events=5)
    rows.add(Calendar.people, key, events=2)
    assert before["events"] == 0
    before["numbers"].append(2)
    assert rows.get(Calendar.people, key) == {"person_id": key, "events": 7, "numbers": [1], "nothing": None}
    with pytest.raises(ReplayFailed):
        rows.insert(Calendar.people, person_id=key)
    with pytest.raises(TypeError):
        rows.update(Calendar.people, key, evnts=1)
