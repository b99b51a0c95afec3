"""A log with an event that its head does not count: nothing is recorded, and everybody hears why and what to do."""

import asyncio

import pytest

from eventstore.consumer.hearing import Hearing, Message
from eventstore.errors import UncountedEvent
from eventstore.verify import verify
from tests.support.house import QUICK, noting
from tests.support.logs import as_role, migrated, one, opened, stream, superuser
from tests.support.messaging import Stopped, append
from tests.support.servers import Database
from tests.support.tampering import tampering

SLIPPED_IN = """INSERT INTO {schema}.events
    SELECT position + {after}, stream, version + 1000, gen_random_uuid(), type, recorded_at, body, leaf_hash
    FROM {schema}.events ORDER BY position DESC LIMIT 1"""
WHAT_TO_DO = "`chaoyangli verify --service orders`"


async def slip_in(database: Database, schema: str = "orders", after: int = 1) -> None:
    """One more event, past the service: it lies `after` the last one, and the head does not count it."""
    async with tampering(database, schema) as connection:
        await connection.execute(SLIPPED_IN.format(schema=schema, after=after))


async def test_an_append_behind_an_event_that_the_head_does_not_count_says_so_and_what_to_do(database):
    config = await migrated(database)
    async with opened(config) as log:
        await log.append(one(stream(), 0, 1, 2, 3))
        await slip_in(database)
        with pytest.raises(UncountedEvent, match="event 4 and its head counts 3") as raised:
            await log.append(one(stream(), 0, 4))
        assert WHAT_TO_DO in str(raised.value)
        assert (raised.value.position, raised.value.facts) == (4, {"head_size": 3})
        report = await verify(as_role(config, "auditor"))
        assert ("head", 4) in [(problem.kind, problem.position) for problem in report.problems]
        assert (await log.head()).size == 3


async def test_everybody_of_a_crowd_is_told_and_a_new_start_changes_nothing(database):
    config = await migrated(database)
    async with opened(config) as log:
        await log.append(one(stream()))
        await slip_in(database)
        crowd = [log.append(one(stream(), 0, number)) for number in range(20)]
        told = await asyncio.gather(*crowd, return_exceptions=True)
        assert {type(answer) for answer in told} == {UncountedEvent}
    async with opened(config) as log:
        with pytest.raises(UncountedEvent, match=WHAT_TO_DO):
            await log.append(one(stream()))


async def test_one_that_lies_further_on_is_met_when_the_log_gets_there(database):
    config = await migrated(database)
    async with opened(config) as log:
        await log.append(one(stream()))
        await slip_in(database, after=3)
        await log.append(one(stream(), 0, 1, 2))
        with pytest.raises(UncountedEvent, match="event 4 and its head counts 3"):
            await log.append(one(stream()))
        async with superuser(database) as connection:
            await connection.execute("DELETE FROM orders.events WHERE position > (SELECT size FROM orders.head)")
        await log.append(one(stream()))
        assert (await log.head()).size == 4


async def test_a_consumer_stops_and_buries_nothing(database, house):
    await append(house.source, 3)
    bodies = [Message(event.position, event.body) for event in await house.source.read_raw(0, 3)]
    hearing = Hearing(house.listener, house.executor, noting(), Stopped(), limits=QUICK)
    await hearing.load()
    await hearing.hear(bodies[:1])
    await slip_in(database, "volunteers")
    with pytest.raises(UncountedEvent, match="run `chaoyangli verify --service volunteers`"):
        await hearing.hear(bodies[1:])
    assert await house.listener.pool.fetchval("SELECT count(*) FROM volunteers.dead_letters") == 0
    assert (await house.listener.head()).size == 1
    assert await house.listener.heard("orders") == 1
