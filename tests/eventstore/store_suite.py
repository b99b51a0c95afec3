"""What the engine asks of PostgreSQL and NATS, as one suite for every kind of server: from wheels and in containers.

A test class inherits it; the fixtures `database` (an empty one, reached as superuser) and `nats_server` (empty, with
JetStream, no users) say on which servers.
"""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSTZRANGE, Range

from contracts.envelope import Recorded, decode
from contracts.orders import OfferDeclined
from eventstore.errors import ConstraintBroken, KeyReused, VersionConflict
from eventstore.log import Log
from eventstore.model import Append, StreamAppend
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from tests.eventstore.merkle_reference import ReferenceTree
from tests.support.house import House, noting
from tests.support.logs import BY_TEST, PASSWORDS, declined, migrated, number_of, one, opened, stream, superuser
from tests.support.messaging import LISTENER_MODELS, append, is_the_log, plain_client
from tests.support.waiting import eventually

DAY = datetime(2026, 3, 5, tzinfo=UTC)
ANNA, BO = UUID(int=0xA), UUID(int=0xB)

FORBIDDEN = [
    "UPDATE orders.events SET body = body WHERE position = 1",
    "UPDATE orders.events SET recorded_at = now()",
    "DELETE FROM orders.events WHERE position = 2",
    "TRUNCATE orders.events",
    "TRUNCATE orders.events, orders.head CASCADE",
    "MERGE INTO orders.events e USING orders.head h ON e.position = h.size WHEN MATCHED THEN DELETE",
    "INSERT INTO orders.events SELECT * FROM orders.events ON CONFLICT (position) DO UPDATE SET body = excluded.body",
    "DELETE FROM orders.head",
    "ALTER TABLE orders.events DISABLE TRIGGER ALL",
    "DROP TRIGGER refuse_change ON orders.events",
    "DROP TABLE orders.events",
    "CREATE RULE hide AS ON INSERT TO orders.events DO INSTEAD NOTHING",
]
CHANGES = FORBIDDEN[:8]


class Visits(ReadModel):
    """Two hours a visit, from the hour that an event's number names; one person's live visits never overlap."""

    source = "orders"
    metadata = sa.MetaData()
    version = 1
    ddl = (
        """ALTER TABLE {schema}.visits ADD CONSTRAINT visits_no_overlap EXCLUDE USING gist (
            {engine}.uuidrange(volunteer_id, volunteer_id, '[]') WITH =, during WITH &&) WHERE (live)""",
    )
    visits = sa.Table(
        "visits",
        metadata,
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("volunteer_id", sa.Uuid, nullable=False),
        sa.Column("during", TSTZRANGE, nullable=False),
        sa.Column("live", sa.Boolean, nullable=False),
    )

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        event = recorded.event
        assert isinstance(event, OfferDeclined)
        begin = DAY + timedelta(hours=event.wave)
        during = Range(begin, begin + timedelta(hours=2))
        # From 100 on a visit is over before it is known.
        live = event.wave < 100
        rows.insert(self.visits, event_id=recorded.event_id, volunteer_id=event.volunteer_id, during=during, live=live)


def visit(volunteer_id: UUID, hour: int) -> Append:
    return Append([StreamAppend(stream(), 0, [declined(hour, volunteer_id)])], BY_TEST)


async def outcomes(*appends) -> list[str]:
    """The names of what came of them all at once, sorted."""
    results = await asyncio.gather(*appends, return_exceptions=True)
    return sorted(type(result).__name__ for result in results)


class StoreSuite:
    """Inherit it as `class Test…(StoreSuite)`."""

    async def test_it_is_the_one_major_version_and_needs_no_extension(self, database):
        await migrated(database, read_models=[Visits()])
        async with superuser(database) as connection:
            assert int(await connection.fetchval("SHOW server_version_num")) // 10_000 == 18
            assert [row["extname"] for row in await connection.fetch("SELECT extname FROM pg_extension")] == ["plpgsql"]

    async def test_what_is_appended_is_read_back_byte_for_byte_and_hashed(self, database):
        async with opened(await migrated(database)) as log:
            a, b = stream(), stream()
            parts = [StreamAppend(a, 0, [declined(1), declined(2)]), StreamAppend(b, 0, [declined(3)])]
            committed = await log.append(Append(parts, BY_TEST))
            assert (committed.first_position, committed.last_position) == (1, 3)
            await log.append(one(a, 2, 4))
            recorded = await log.read()
            assert [(r.position, r.stream, r.version, number_of(r.event)) for r in recorded] == [
                (1, a, 1, 1),
                (2, a, 2, 2),
                (3, b, 1, 3),
                (4, a, 3, 4),
            ]
            raw = await log.read_raw(0, 10)
            assert [decode(event.body) for event in raw] == recorded
            assert (await log.head()).root == ReferenceTree([event.body for event in raw]).mth(0, 4)
        async with superuser(database) as connection:
            rows = await connection.fetch("SELECT body, leaf_hash FROM orders.events ORDER BY position")
            assert [row["leaf_hash"] for row in rows] == [sha256(b"\0" + row["body"]).digest() for row in rows]

    async def test_a_stale_version_records_nothing(self, database):
        async with opened(await migrated(database)) as log:
            name, other = stream(), stream()
            await log.append(one(name, 0, 1))
            for stale in (0, 2):
                with pytest.raises(VersionConflict, match=f"expected {stale}, actual 1"):
                    await log.append(
                        Append([StreamAppend(other, 0, [declined()]), StreamAppend(name, stale, [declined()])], BY_TEST)
                    )
            assert ((await log.head()).size, await log.read_stream(other)) == (1, [])

    async def test_many_writers_leave_no_gap_and_one_of_them_wins_a_version(self, database):
        config = await migrated(database)
        async with opened(config) as log, opened(config) as replica:
            contested = stream()
            race = [target.append(one(contested, 0, number)) for number in range(5) for target in (log, replica)]
            assert await outcomes(*race) == ["Committed"] + ["VersionConflict"] * 9
            await asyncio.gather(*(target.append(one(stream(), 0, 1, 2)) for target in (log, replica) * 40))
            recorded = await log.read(0, 1_000)
            assert [event.position for event in recorded] == list(range(1, 162))

    async def test_a_repeated_key_gets_the_first_answer_and_another_body_none(self, database):
        config = await migrated(database)
        async with opened(config) as log, opened(config) as replica:
            first = await log.append(one(stream(), 0, 1, key="key-1"))
            again = await replica.append(one(stream(), 0, 1, key="key-1"))
            assert (again.event_ids, again.replayed, first.replayed) == (first.event_ids, True, False)
            with pytest.raises(KeyReused, match="key-1"):
                await replica.append(one(stream(), 0, 1, key="key-1", body=b'{"item":"repair"}'))
            same = [target.append(one(stream(), 0, 1, key="key-2")) for target in (log, replica) * 5]
            assert len({committed.event_ids for committed in await asyncio.gather(*same)}) == 1
            assert (await log.head()).size == 2

    @pytest.mark.parametrize("role", ["app", "auditor", "migrator", "owner"])
    async def test_forbidden_statements_are_refused(self, database, role):
        async with opened(await migrated(database)) as log:
            await log.append(one(stream(), 0, *range(20)))
            before = await log.read_raw(0, 100)
            async with superuser(database) as connection:
                # The owner has no login of its own; the others come in as they would from outside.
                if role == "owner":
                    await connection.execute("SET ROLE orders_owner")
                    await self._all_refused(connection, FORBIDDEN)
                else:
                    dsn = database.dsn_for(f"orders_{role}", getattr(PASSWORDS, role))
                    outside = await asyncpg.connect(dsn)
                    try:
                        await self._all_refused(outside, FORBIDDEN)
                    finally:
                        await outside.close()
            assert await log.read_raw(0, 100) == before

    async def test_even_a_superuser_in_a_replication_session_changes_no_event(self, database):
        async with opened(await migrated(database)) as log, superuser(database) as connection:
            await log.append(one(stream(), 0, *range(20)))
            await connection.execute("SET session_replication_role = replica")
            await self._all_refused(connection, CHANGES)

    @staticmethod
    async def _all_refused(connection, statements) -> None:
        for statement in statements:
            transaction = connection.transaction()
            await transaction.start()
            try:
                with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
                    await connection.execute(statement)
            finally:
                await transaction.rollback()

    async def test_one_persons_times_never_overlap(self, database):
        models = [Visits()]
        config = await migrated(database, read_models=models)
        async with opened(config, models) as log, opened(config, models) as replica:
            race = [target.append(visit(ANNA, 9)) for target in (log, replica) * 4]
            assert await outcomes(*race) == ["Committed"] + ["ConstraintBroken"] * 7
            with pytest.raises(ConstraintBroken) as broken:
                await log.append(visit(ANNA, 10))
            assert broken.value.constraint == "visits_no_overlap"
            # The next hours, another person, and what is not live are no overlap.
            for free in (visit(ANNA, 11), visit(BO, 9), visit(ANNA, 100), visit(ANNA, 101)):
                await log.append(free)
            assert [number_of(event.event) for event in await log.read()] == [9, 11, 9, 100, 101]

    async def test_the_stream_is_the_log_and_every_event_has_its_effect_once(self, database, nats_server):
        async with contextlib.AsyncExitStack() as stack:
            source: Log = await stack.enter_async_context(opened(await migrated(database, "orders")))
            config = await migrated(database, "volunteers", LISTENER_MODELS)
            listener = await stack.enter_async_context(opened(config, LISTENER_MODELS))
            house = House(source, listener, nats_server, stack)
            await append(source, 700, each=3)
            await house.relay()
            async with house.hears(noting()) as consumer:
                await eventually(house.caught_up, 30)
                await append(source, 1)
                await eventually(house.caught_up, 30)
                await house.everything_once()
                assert (consumer.position, consumer.problems()) == (701, [])
            async with plain_client(nats_server) as client:
                assert await is_the_log(client, source)
