"""Fixtures for all tests. Import helpers from tests.support, never from here."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.house import House
from tests.support.logs import migrated, opened
from tests.support.messaging import LISTENER_MODELS
from tests.support.servers import Database, TestNats, TestPostgres, running_nats, running_postgres

# Nobody asserts a time, Hypothesis neither: a machine may be busy.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[TestPostgres]:
    """One PostgreSQL a test process. A test that kills it takes `own_postgres_server`."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def database(postgres_server: TestPostgres) -> Iterator[Database]:
    """A fresh empty database. Roles belong to the whole server: a test may find those of an earlier one."""
    database = postgres_server.create_database()
    yield database
    postgres_server.drop_database(database.name)


@pytest.fixture
def own_postgres_server() -> Iterator[TestPostgres]:
    """A PostgreSQL for one test alone: kill(), start(), restart()."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def nats_server() -> Iterator[TestNats]:
    """An empty NATS for one test alone: kill(), start(), pause(), resume(), wipe(), copy_store(), put_back()."""
    with running_nats() as server:
        yield server


@pytest.fixture(scope="session")
def session_nats_server() -> Iterator[TestNats]:
    """One NATS a test process, for tests that name their streams apart."""
    with running_nats() as server:
        yield server


@pytest.fixture
async def house(database: Database, nats_server: TestNats) -> AsyncIterator[House]:
    """A source and a listener on logs of their own, nothing running so far."""
    async with contextlib.AsyncExitStack() as stack:
        source = await stack.enter_async_context(opened(await migrated(database, "orders")))
        config = await migrated(database, "volunteers", LISTENER_MODELS)
        listener = await stack.enter_async_context(opened(config, LISTENER_MODELS))
        yield House(source, listener, nats_server, stack)
