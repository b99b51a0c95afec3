"""One active: a role runs in one process at a time, ends with its lock, and comes back."""

import asyncio
import contextlib
import os
import signal
import sys

import pytest

from eventstore.errors import StreamDiverged
from eventstore.locks import OneActive, backoff, lock_key
from tests.support.logs import migrated, superuser
from tests.support.messaging import running
from tests.support.waiting import PATIENCE_SECONDS, eventually

HOLDER = """
import asyncio, sys
from eventstore.config import LogConfig
from eventstore.locks import OneActive

async def role():
    while True:
        print("beat", flush=True)
        await asyncio.sleep(0.05)

async def main():
    config = LogConfig("orders", "chaoyangli", sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
    await OneActive(config, {"relay": [role]}, idle_session_seconds=3, ping_seconds=0.2).run()

asyncio.run(main())
"""


class Role:
    """A task that says whether it runs."""

    def __init__(self) -> None:
        self.running = 0
        self.begun = 0

    async def run(self) -> None:
        self.running += 1
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.running -= 1


@pytest.fixture
async def config(database):
    return await migrated(database)


def active(config, **roles: Role) -> OneActive:
    tasks = {name: [role.run] for name, role in roles.items()}
    return OneActive(config, tasks, ping_seconds=0.2)


async def test_all_roles_of_a_process_share_one_connection(config, database):
    relay, signer = Role(), Role()
    one = active(config, relay=relay, signer=signer)
    async with running(one.run()), superuser(database) as connection:
        await eventually(lambda: relay.running and signer.running)
        assert one.holds("relay")
        assert one.problems() == []
        held = await connection.fetch("SELECT pid, objid FROM pg_locks WHERE locktype = 'advisory' AND granted")
        assert len({row["pid"] for row in held}) == 1
        assert len(held) == 2
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orders:locks'"
        assert await connection.fetchval(sessions) == 1
    assert (relay.running, signer.running) == (0, 0)


async def test_the_second_process_waits_and_takes_over(config):
    first, second = Role(), Role()
    async with contextlib.AsyncExitStack() as stack:
        other = active(config, relay=second)
        async with running(active(config, relay=first).run()):
            await eventually(lambda: first.running)
            _ = await stack.enter_async_context(running(other.run()))
            await eventually(lambda: other.tried >= 3)
            assert (first.running, second.running) == (1, 0)
            assert not other.holds("relay")
        await eventually(lambda: second.running)


async def test_roles_of_two_processes_may_be_shared_out(config, database):
    relay, timer = Role(), Role()
    async with superuser(database) as connection:
        await connection.execute("SELECT pg_advisory_lock($1)", lock_key("orders", "relay"))
        one = active(config, relay=relay, timer=timer)
        async with running(one.run()):
            await eventually(lambda: timer.running)
            assert relay.running == 0
            await connection.execute("SELECT pg_advisory_unlock_all()")
            await eventually(lambda: relay.running)


async def test_losing_the_connection_ends_every_role_and_it_comes_back(config, database):
    relay, timer = Role(), Role()
    one = active(config, relay=relay, timer=timer)
    async with running(one.run()), superuser(database) as connection:

        async def cut_off() -> None:
            begun, lost = relay.begun, one.lost
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orders:locks'"
            )
            await eventually(lambda: one.lost == lost + 1)
            await eventually(lambda: relay.begun == timer.begun == begun + 1)

        await eventually(lambda: relay.running and timer.running)
        await cut_off()
        await cut_off()
        assert (relay.running, timer.running) == (1, 1)


async def test_a_stopped_process_loses_the_lock_and_ends_its_role_when_it_wakes(config):
    program = [HOLDER, config.host, str(config.port), config.database, config.password]
    stopped = await asyncio.create_subprocess_exec(
        sys.executable, "-c", *program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    beats = stopped.stdout
    assert beats is not None
    heir = Role()
    try:
        assert await asyncio.wait_for(beats.readline(), PATIENCE_SECONDS) == b"beat\n"
        one = OneActive(config, {"relay": [heir.run]}, ping_seconds=0.2)
        async with running(one.run()):
            await eventually(lambda: one.tried >= 2)
            assert heir.running == 0
            os.kill(stopped.pid, signal.SIGSTOP)
            await eventually(lambda: heir.running)
            os.kill(stopped.pid, signal.SIGCONT)

            async def silent() -> bool:
                try:
                    await asyncio.wait_for(beats.readline(), 1)
                except TimeoutError:
                    return True
                return False

            await eventually(silent)
            assert heir.running == 1
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
        stopped.kill()
        await stopped.wait()


async def test_a_task_that_fails_begins_again_and_one_that_must_stop_does_not(config):
    tries = {"fails": 0, "diverged": 0, "done": 0}

    async def fails() -> None:
        tries["fails"] += 1
        raise ValueError("a mistake")

    async def diverged() -> None:
        tries["diverged"] += 1
        raise StreamDiverged("ahead")

    async def done() -> None:
        tries["done"] += 1

    one = OneActive(config, {"relay": [fails, diverged, done]}, ping_seconds=0.1)
    async with running(one.run()):
        await eventually(lambda: tries["fails"] >= 3)
        assert tries == {"fails": tries["fails"], "diverged": 1, "done": 1}
        assert one.holds("relay")
        assert one.failures["relay"] == tries["fails"] + 1


async def test_postgresql_away_is_no_end(own_postgres_server):
    database = await asyncio.to_thread(own_postgres_server.create_database)
    relay = Role()
    one = active(await migrated(database), relay=relay)
    async with running(one.run()):
        await eventually(lambda: relay.running)
        await asyncio.to_thread(own_postgres_server.kill)
        await eventually(lambda: relay.running == 0)
        await eventually(lambda: one.problems() != [])
        await asyncio.to_thread(own_postgres_server.start)
        await eventually(lambda: relay.running)


def test_keys_differ_and_pauses_grow():
    keys = {lock_key(service, role) for service in ("orders", "ledger") for role in ("relay", "signer", "timer")}
    assert len(keys) == 6
    assert all(0 <= key < 2**63 for key in keys)
    assert backoff(0) == 0
    assert backoff(1) < backoff(3) < backoff(99) <= 12
