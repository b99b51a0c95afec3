"""A system that lived twice: its PostgreSQL as it was in between, a base backup, the WAL archived since, a bundle."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from cli.client import Actor, Client
from cli.embedded import HOST, PostgresServer
from cli.stack import Stack
from contracts.command import Role
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key
from tests.cli.program import running, say
from tests.support.waiting import eventually_blocking

PEOPLE = 5
SERVICES = ("orders", "volunteers", "ledger", "notify")


@dataclass(frozen=True)
class Losses:
    """What was kept of one system, all in one directory."""

    place: Path
    admin: UUID
    people: tuple[UUID, ...]
    """Registered after the old copy was made."""
    erased: UUID
    """Registered and erased after the old copy was made."""

    @property
    def bundle(self) -> Path:
        return self.place / "bundle"

    def lost(self, name: str, *, nats_too: bool = False) -> Path:
        """A data directory whose PostgreSQL is the old copy; signed heads are newer, and so is NATS unless wiped."""
        data = copy(self.place / "whole", self.place / name)
        shutil.rmtree(data / "postgres")
        copy(self.place / "old", data / "postgres")
        if nats_too:
            shutil.rmtree(data / "nats")
        return data


def copy(source: Path, target: Path) -> Path:
    """With owners and modes: PostgreSQL looks at them."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
    return target


def roots(data: Path) -> dict[str, str]:
    """What each log hashes to, everything else about it being in order."""
    said = say("verify", "--data", data, "--json")
    assert said.code == 0, said
    return {name: one["root"] for name, one in said.document["services"].items()}


def sizes(data: Path) -> dict[str, int]:
    """How many events each log has, whatever else is the matter."""
    said = say("checkpoint", "show", "--data", data, "--json")
    return {one["log"].split("/")[1]: one["size"] for one in said.document["logs"]}


def all_signed(data: Path) -> bool:
    """Whether every head is of its whole log, and every stream as well."""
    logs = say("checkpoint", "show", "--data", data, "--json").document["logs"]
    return all(one["ok"] and one["signed"] == one["size"] == one["stream"] for one in logs)


@contextmanager
def up(data: Path) -> Iterator[Mapping[str, str]]:
    """The whole system; the addresses of its services. Stopped in order, once every event is signed and published."""
    with running("up", "--data", data, "--json") as program:
        yield json.loads(program.line())["services"]
        eventually_blocking(lambda: all_signed(data), 60, every=0.3, what="everything is signed and published")
        assert program.end(signal.SIGTERM) == 0


def ask(data: Path, urls: Mapping[str, str], work: Any) -> Any:
    """Let `work` speak to the services."""

    async def speak() -> Any:
        async with Client(dict(urls), load_issuer_key(data / "secrets" / ISSUER_KEY)) as client:
            return await work(client)

    return asyncio.run(speak())


def registering(admin: UUID, number: int) -> Any:
    """Work that registers somebody who can be reached by phone; their id."""

    async def register(client: Client) -> UUID:
        who = Actor.of(admin, Role.ADMIN)
        phone = f"1380000{number:04}"
        body = {
            "name": f"王{number}",
            "phone": phone,
            "consents": ["personal_data", "contact"],
            "consent_form": "written",
        }
        answer = await client.command("volunteers", "/v1/persons", body, actor=who)
        person = UUID(str(answer.body["person_id"]))
        contact = {"ref": str(person), "channel": "phone", "address": phone}
        itself = Actor.of(person, Role.RESIDENT)
        await client.command("notify", "/v1/contacts", contact, actor=itself, method="PUT")
        return person

    return register


def erasing(admin: UUID, number: int) -> Any:
    """Work that registers somebody and erases them again; their id."""

    async def erase(client: Client) -> UUID:
        person: UUID = await registering(admin, number)(client)
        sure = {"confirmed_person_id": str(person)}
        path = f"/v1/persons/{person}/erase"
        await client.command("volunteers", path, sure, actor=Actor.of(admin, Role.ADMIN))
        return person

    return erase


def erasure_is_done(data: Path) -> bool:
    """Whether every service has destroyed the keys of who was erased."""
    found = say("erasures", "--data", data, "--json").document
    return bool(found) and not any(one["waiting"] for one in found)


@contextmanager
def servers_of(data: Path) -> Iterator[Stack]:
    """PostgreSQL and NATS alone, so that commands find them running."""
    stack = Stack(data)
    stack.claim()
    try:
        stack.start_servers()
        stack.write_info()
        yield stack
    finally:
        stack.stop()


def lived_twice(place: Path) -> Losses:
    """Make it all."""
    data = place / "data"
    with up(data):
        said = say("token", "--bootstrap", "--data", data, "--json").document
        admin = UUID(said["actor_id"])
    copy(data / "postgres", place / "old")
    _archive_wal(data, place)
    with up(data) as urls:
        _back_up(data, place)
        people = [ask(data, urls, registering(admin, number)) for number in range(PEOPLE)]
        erased = ask(data, urls, erasing(admin, PEOPLE))
        eventually_blocking(lambda: erasure_is_done(data), 60, every=0.3, what="everybody has forgotten")
        eventually_blocking(lambda: all_signed(data), 60, every=0.3, what="everything is signed and published")
        assert say("audit", "export", place / "bundle", "--data", data).code == 0
    copy(data, place / "whole")
    return Losses(place, admin, tuple(people), erased)


def _archive_wal(data: Path, place: Path) -> None:
    """Tell PostgreSQL to keep a copy of every finished segment elsewhere."""
    archive = place / "archive"
    archive.mkdir()
    owner = (data / "postgres").stat()
    os.chown(archive, owner.st_uid, owner.st_gid)
    place.chmod(0o755)
    with (data / "postgres" / "postgresql.conf").open("a") as file:
        file.write(f"archive_mode = on\narchive_command = 'test ! -f {archive}/%f && cp %p {archive}/%f'\n")


def _back_up(data: Path, place: Path) -> None:
    info = json.loads((data / "stack.json").read_text())
    password = (data / "secrets" / "postgres.password").read_text().strip()
    subprocess.run(
        [
            str(PostgresServer.program("pg_basebackup")),
            f"--pgdata={place / 'base'}",
            "--checkpoint=fast",
            "--wal-method=none",
            f"--host={HOST}",
            f"--port={info['postgres_port']}",
            "--username=postgres",
        ],
        env={**os.environ, "PGPASSWORD": password},
        check=True,
        capture_output=True,
    )


@contextmanager
def recovered_from_the_archive(losses: Losses) -> Iterator[str]:
    """PostgreSQL recovers the base backup from the archive by itself; the URI of what it came to."""
    (losses.place / "pitr").mkdir()
    target = copy(losses.place / "base", losses.place / "pitr" / "postgres")
    owner = (losses.place / "data" / "postgres").stat()
    subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", str(target)], check=True)
    target.chmod(0o700)
    with (target / "postgresql.conf").open("a") as file:
        file.write(f"\nrestore_command = 'cp {losses.place}/archive/%f %p'\narchive_mode = off\n")
    (target / "recovery.signal").touch()
    os.chown(target / "recovery.signal", owner.st_uid, owner.st_gid)
    server = PostgresServer(target, losses.place / "whole" / "secrets" / "postgres.password", durable=False)
    server.start()
    try:
        yield server.dsn("chaoyangli")
    finally:
        server.stop()
