"""When PostgreSQL, the network or an answer is lost: no append is doubled, and who asks again learns what happened."""

import asyncio
import functools
import os
import signal
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from sqlalchemy import text

from eventstore.errors import LogUnavailable
from eventstore.log.session import Session
from tests.support.logs import Tallies, migrated, one, opened, stream, superuser
from tests.support.waiting import eventually

MODELS = [Tallies()]


class Wire:
    """A TCP connection to PostgreSQL that can lose its answers."""

    def __init__(self, host, port):
        self._target = (host, port)
        self._lose = False
        self._writers = []
        self.lost = asyncio.Event()

    async def serve(self, reader, writer):
        server_reader, server_writer = await asyncio.open_connection(*self._target)
        self._writers += [writer, server_writer]
        await asyncio.gather(self._pump(reader, server_writer), self._answers(server_reader, writer))

    def lose_answers(self):
        """From now on the server gets what is sent, and nobody gets its answer."""
        self._lose = True

    def heal(self):
        self._lose = False
        self.lost.clear()

    async def _answers(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                if self._lose:
                    self.lost.set()
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()
            writer.close()

    async def _pump(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def close(self):
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def wired(config):
    wire = Wire(config.host, config.port)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    try:
        yield wire, replace(config, host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    finally:
        wire.close()
        server.close()


@pytest.mark.parametrize("models", [[], MODELS], ids=["one call", "transaction"])
async def test_the_answer_of_a_commit_is_lost(database, models, monkeypatch):
    config = await migrated(database, read_models=models)
    async with wired(config) as (wire, behind), opened(config, models) as beside, opened(behind, models) as log:
        await log.append(one(stream(), 0, 1, key="warm"))
        append = one(stream(), 0, 2, key="lost")
        if models:
            # Only COMMIT's own answer: let everything before it pass.
            _lose_at_commit(monkeypatch, wire)
        else:
            wire.lose_answers()
        with pytest.raises(LogUnavailable, match="unknown"):
            await log.append(append)
        wire.heal()
        again = await log.append(append)
        assert (again.first_position, again.replayed) == (2, True)
        assert (await log.append(one(stream(), 0, 3))).first_position == 3
        assert (await beside.head()).size == 3


def _lose_at_commit(monkeypatch, wire):
    execute = Session.execute

    async def losing(session, sql):
        if sql == "COMMIT":
            wire.lose_answers()
            monkeypatch.undo()
        await execute(session, sql)

    monkeypatch.setattr(Session, "execute", losing)


async def test_a_connection_lost_while_idle_is_not_noticed(database):
    async with opened(await migrated(database)) as log, superuser(database) as connection:
        await log.append(one(stream()))
        await _terminate(connection, log)
        assert (await log.append(one(stream()))).first_position == 2


async def _terminate(connection, log):
    """End the writer's backend and see that the client noticed."""
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orders:writer'"
    )
    await eventually(lambda: log._writer._session.is_closed)


async def test_a_backend_ended_in_the_middle_leaves_nothing(database):
    config = await migrated(database, read_models=MODELS)
    async with opened(config, MODELS) as log, superuser(database) as connection:
        await connection.execute("BEGIN; SELECT 1 FROM orders.head FOR UPDATE")
        waiting = [asyncio.create_task(log.append(one(stream(), 0, 1, key=f"k{n}"))) for n in range(5)]
        await eventually(lambda: _is_waiting(connection))
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orders:writer'; ROLLBACK"
        )
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {LogUnavailable}
        assert (await log.head()).size == 0
        assert (await log.append(one(stream(), 0, 1, key="k0"))).first_position == 1


async def _is_waiting(connection):
    return await connection.fetchval(
        """SELECT count(*) = 1 FROM pg_stat_activity
           WHERE application_name = 'orders:writer' AND wait_event_type = 'Lock'"""
    )


async def test_a_head_locked_too_long_is_unavailable_and_then_available_again(database):
    config = replace(await migrated(database), lock_seconds=0.1)
    async with opened(config) as log, superuser(database) as connection:
        await connection.execute("BEGIN; SELECT 1 FROM orders.head FOR UPDATE")
        with pytest.raises(LogUnavailable, match="lock timeout"):
            await log.append(one(stream()))
        await connection.execute("ROLLBACK")
        assert (await log.append(one(stream()))).first_position == 1


async def test_a_head_locked_for_a_moment_only_delays(database):
    async with opened(await migrated(database)) as log, superuser(database) as connection:
        await connection.execute("BEGIN; SELECT 1 FROM orders.head FOR UPDATE")
        waiting = asyncio.create_task(log.append(one(stream())))
        await eventually(lambda: _is_waiting(connection))
        await connection.execute("ROLLBACK")
        assert (await waiting).first_position == 1


def _has(done, count):
    return len(done) >= count


async def test_postgresql_killed_again_and_again_records_each_key_once(own_postgres_server):
    server = own_postgres_server
    config = await migrated(await asyncio.to_thread(server.create_database))
    async with opened(config) as log:
        stop = asyncio.Event()
        done = {}

        async def caller(number):
            sent = 0
            while not stop.is_set() or sent == 0:
                key = f"{number}-{sent}"
                append = one(stream(), 0, 1, key=key)
                while key not in done:
                    try:
                        done[key] = await log.append(append)
                    except LogUnavailable:
                        await asyncio.to_thread(server.ready)
                sent += 1

        callers = [asyncio.create_task(caller(number)) for number in range(8)]
        for _ in range(3):
            await eventually(functools.partial(_has, done, len(done) + 100), 60)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
        stop.set()
        await asyncio.gather(*callers)
        positions = sorted(committed.first_position for committed in done.values())
        assert positions == list(range(1, len(done) + 1))
        assert (await log.head()).size == len(done)


async def test_a_query_that_nobody_answers_gives_up_and_its_connection_is_not_used_again(database):
    """As when the other end is gone without a word: the connection stays, and no answer ever comes."""
    config = replace(await migrated(database), query_connections=1, statement_seconds=1.0)
    async with opened(config) as log:
        async with log.queries() as connection:
            pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        os.kill(pid, signal.SIGSTOP)
        try:
            async with log.queries() as connection:
                with pytest.raises(TimeoutError):
                    await connection.scalar(text("SELECT 1"))
            async with asyncio.timeout(20), log.queries() as connection:
                assert await connection.scalar(text("SELECT pg_backend_pid()")) != pid
        finally:
            os.kill(pid, signal.SIGCONT)
