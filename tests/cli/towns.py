"""A system with a backup taken in the middle of its life, and somebody erased after it; tests lose copies of it."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from cli.client import Actor
from cli.place import place_of
from cli.stack import Stack
from contracts.command import Role
from tests.cli.losses import all_signed, ask, copy, erasure_is_done, registering, roots, servers_of, up
from tests.cli.program import say
from tests.support.waiting import eventually_blocking

BEFORE, AFTER = 3, 20


@dataclass(frozen=True)
class Town:
    """What was kept of it."""

    place: Path
    admin: UUID
    erased: UUID
    """Registered before the backup, erased after it."""
    roots: dict[str, str]
    """What every log hashed to in the end."""

    @property
    def backup(self) -> Path:
        (found,) = (self.place / "backups").glob("2*")
        return found

    @property
    def keys(self) -> Path:
        (found,) = (self.place / "backups-keys").glob("2*")
        return found

    def copy(self, name: str, *lost: str) -> Path:
        """The data directory as it was in the end, without what was `lost`: postgres, nats, secrets, state."""
        data = copy(self.place / "whole", self.place / name)
        for part in lost:
            shutil.rmtree(data / part)
        return data


def town(place: Path) -> Town:
    """Let it live: three people, a backup while it runs, twenty more, and one of the first is erased."""
    data = place / "whole"
    with up(data) as urls:
        admin = UUID(say("token", "--bootstrap", "--data", data, "--json").document["actor_id"])

        async def first(client):
            people = [await registering(admin, number)(client) for number in range(BEFORE)]
            return people[0]

        erased = ask(data, urls, first)
        assert say("backup", "--to", place / "backups", "--data", data).code == 0

        async def then(client):
            for number in range(BEFORE, BEFORE + AFTER):
                await registering(admin, number)(client)
            sure = {"confirmed_person_id": str(erased)}
            await client.command("volunteers", f"/v1/persons/{erased}/erase", sure, actor=Actor.of(admin, Role.ADMIN))

        ask(data, urls, then)
        eventually_blocking(lambda: erasure_is_done(data), 120, every=0.5, what="everybody has forgotten")
        eventually_blocking(lambda: all_signed(data), 120, every=0.5, what="everything is signed and published")
    return Town(place, admin, erased, roots(data))


@contextlib.contextmanager
def deployed(data: Path) -> Iterator[Stack]:
    """Its servers as a deployment has them: they run by themselves, and variables say where."""
    with servers_of(data) as stack:
        kept = dict(os.environ)
        os.environ.update(stack.environment())
        try:
            yield stack
        finally:
            os.environ.clear()
            os.environ.update(kept)


@contextlib.contextmanager
def a_service_at_work(data: Path, stack: Stack, service: str = "orders") -> Iterator[None]:
    """A session such as every service has."""
    loop = asyncio.new_event_loop()
    place = place_of(data, stack.servers.postgres.port, stack.servers.nats.url, {})
    arguments = place.log_config(service, "app").connect_arguments("test")
    connection = loop.run_until_complete(asyncpg.connect(**arguments))
    session = Path(f"/proc/{connection.get_server_pid()}")
    try:
        yield
    finally:
        loop.run_until_complete(connection.close())
        loop.close()
    # PostgreSQL lists it until its process has ended.
    eventually_blocking(lambda: not session.exists(), what="the end of the session")
