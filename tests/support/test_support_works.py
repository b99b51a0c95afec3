"""The fixtures themselves: a broken one would make other tests lie."""

import asyncpg
import nats
import pytest
from nats.js.errors import NotFoundError

from tests.support.servers import Database, TestNats, TestPostgres
from tests.support.waiting import eventually, eventually_blocking


async def test_each_test_gets_an_empty_database_of_postgresql_18(database: Database) -> None:
    connection = await asyncpg.connect(database.dsn)
    try:
        assert connection.get_server_version().major == 18
        assert await connection.fetchval("select current_database()") == database.name
        assert await connection.fetchval("select count(*) from pg_tables where schemaname = 'public'") == 0
    finally:
        await connection.close()


async def test_a_killed_postgresql_keeps_what_was_committed(own_postgres_server: TestPostgres) -> None:
    connection = await asyncpg.connect(own_postgres_server.dsn())
    await connection.execute("create table kept (n int); insert into kept values (7)")
    port = own_postgres_server.port
    own_postgres_server.kill()
    own_postgres_server.start()
    again = await asyncpg.connect(own_postgres_server.dsn())
    assert await again.fetchval("select n from kept") == 7
    assert own_postgres_server.port == port
    await again.close()


async def test_nats_can_be_killed_wiped_and_rolled_back(nats_server: TestNats) -> None:
    async def last_sequence() -> int:
        client = await nats.connect(nats_server.url)
        try:
            return (await client.jetstream().stream_info("S")).state.last_seq
        finally:
            await client.close()

    async def publish() -> None:
        client = await nats.connect(nats_server.url)
        await client.jetstream().publish("s.one", b"x")
        await client.close()

    client = await nats.connect(nats_server.url)
    await client.jetstream().add_stream(name="S", subjects=["s.>"])
    await client.close()
    await publish()
    copy = nats_server.copy_store()
    await publish()
    nats_server.kill()
    nats_server.start()
    assert await last_sequence() == 2
    nats_server.put_back(copy)
    assert await last_sequence() == 1
    nats_server.wipe()
    with pytest.raises(NotFoundError):
        await last_sequence()


async def test_eventually_waits_gives_the_value_and_gives_up() -> None:
    answers = iter([0, None, 5])
    assert await eventually(lambda: next(answers)) == 5
    blocking = iter([0, "here"])
    assert eventually_blocking(lambda: next(blocking)) == "here"
    with pytest.raises(AssertionError, match="the bus did not come"):
        await eventually(lambda: False, timeout=0.05, what="the bus")
