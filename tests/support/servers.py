"""Real PostgreSQL and NATS for tests, with what a fault test does to them."""

import abc
import asyncio
import contextlib
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import asyncpg

from cli.embedded import HOST, NatsServer, PostgresServer
from eventstore.accounts import Member, accounts
from servicekit.nats_keys import new_seed, public_key

S = TypeVar("S")


@dataclass(frozen=True)
class Database:
    """One database of the test server, and how to reach it as superuser."""

    name: str
    host: str
    port: int
    superuser: str
    superuser_password: str

    @property
    def dsn(self) -> str:
        """For asyncpg, as superuser."""
        return self.dsn_for(self.superuser, self.superuser_password)

    def dsn_for(self, user: str, password: str, driver: str = "") -> str:
        """For another role; `driver` as SQLAlchemy has it, e.g. `asyncpg`."""
        scheme = f"postgresql+{driver}" if driver else "postgresql"
        return f"{scheme}://{quote(user)}:{quote(password, safe='')}@{self.host}:{self.port}/{self.name}"


class Databases(abc.ABC):
    """What tests ask of a PostgreSQL, wherever it runs, as its superuser `postgres`."""

    port: int

    @property
    @abc.abstractmethod
    def password(self) -> str:
        """The superuser's."""

    def create_database(self, template: str = "template1") -> Database:
        """A new database, a copy of `template` (to which nobody may be connected)."""
        name = f"test_{secrets.token_hex(6)}"
        self.run(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.database(name)

    def database(self, name: str) -> Database:
        """How to reach the database of that name."""
        return Database(name, HOST, self.port, "postgres", self.password)

    def drop_database(self, name: str) -> None:
        """Drop it, whoever is still connected."""
        self.run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def run(self, sql: str, database: str = "postgres") -> None:
        """Run SQL as superuser from a test without an event loop."""

        async def execute() -> None:
            connection = await asyncpg.connect(self.database(database).dsn)
            try:
                await connection.execute(sql)
            finally:
                await connection.close()

        with asyncio.Runner() as runner:
            runner.run(execute())


class TestPostgres(PostgresServer, Databases):
    """A PostgreSQL of the tests' own. kill(), restart() and start() work; fsync is off: no test pulls the plug."""

    __test__ = False

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / "postgres", directory / "postgres.password", max_connections=200, durable=False)


class StoreFaults(abc.ABC):
    """The faults that the store of a NATS can have, wherever it runs."""

    directory: Path
    """The store, which nothing else has open while the server is down."""

    @abc.abstractmethod
    def kill(self) -> None: ...

    @abc.abstractmethod
    def stop(self) -> None: ...

    @abc.abstractmethod
    def start(self) -> None: ...

    def wipe(self) -> None:
        """Kill it, lose the store, start again empty on the same port."""
        self.kill()
        shutil.rmtree(self.directory)
        self.start()

    def copy_store(self) -> Path:
        """Stop it in order, copy the store, start again: a copy to put back later."""
        copy = self.directory.with_name(f"copy-{secrets.token_hex(4)}")
        self.stop()
        shutil.copytree(self.directory, copy)
        self.start()
        return copy

    def put_back(self, copy: Path) -> None:
        """Kill it and start it on an older copy of its store: what was acknowledged since then is forgotten."""
        self.kill()
        shutil.rmtree(self.directory)
        shutil.copytree(copy, self.directory)
        self.start()


class TestNats(NatsServer, StoreFaults):
    """A NATS of the tests' own, with the faults that its store can have."""

    __test__ = False

    def __init__(self, directory: Path, accounts: Callable[[], dict[str, Any]] | None = None) -> None:
        super().__init__(directory / "nats", accounts=accounts)


@contextlib.contextmanager
def temporary_directory() -> Iterator[Path]:
    """A directory that is gone afterwards, also when a killed server's last writes still fall into it."""
    path = Path(tempfile.mkdtemp(prefix="chaoyangli-test-"))
    try:
        yield path
    finally:
        end = time.monotonic() + 5
        while path.exists():
            shutil.rmtree(path, ignore_errors=time.monotonic() < end)


@contextlib.contextmanager
def kept_running(make: Callable[[Path], S], begin: Callable[[S], None], end: Callable[[S], None]) -> Iterator[S]:
    """A server made in a directory of its own, begun, and ended whatever happens."""
    with temporary_directory() as directory:
        server = make(directory)
        begin(server)
        try:
            yield server
        finally:
            end(server)


def running_postgres() -> AbstractContextManager[TestPostgres]:
    """A PostgreSQL that one test may kill."""
    return kept_running(TestPostgres, TestPostgres.start, TestPostgres.kill)


@dataclass(frozen=True, slots=True)
class Key:
    """An NKEY of the tests' own."""

    seed: str
    public: str


def new_key() -> Key:
    """A key that nobody has."""
    seed = new_seed()
    return Key(seed, public_key(seed))


def running_nats(
    *members: Member, users: Callable[[], dict[str, Any]] | None = None
) -> AbstractContextManager[TestNats]:
    """A NATS that one test may kill, empty at first; with these members' accounts, or those of `users`, or none."""
    users = users or ((lambda: accounts("chaoyangli", members)) if members else None)
    return kept_running(lambda directory: TestNats(directory, users), TestNats.start, TestNats.kill)
