"""The storage suite on the images that the deployment uses, started by testcontainers."""

import asyncio
import re
import secrets

import asyncpg
import pytest
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.eventstore.store_suite import StoreSuite
from tests.support.servers import Database

pytestmark = [pytest.mark.container, pytest.mark.timeout(300)]

# While the image prepares its data it starts the server once before, on a socket: the second time it is meant.
POSTGRES_UP = re.compile(r"listening on IPv4 address.*ready to accept connections", re.DOTALL)


class NatsInContainer:
    """What the suite asks of a NATS: where it is."""

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.fixture(scope="module")
def postgres_container(container_engine):
    """One PostgreSQL for all tests here."""
    password = secrets.token_urlsafe(16)
    container = DockerContainer("postgres:18", env={"POSTGRES_PASSWORD": password}).with_exposed_ports(5432)
    container.with_command(["postgres", "-c", "fsync=off"])  # no test pulls the plug
    with container.waiting_for(LogMessageWaitStrategy(POSTGRES_UP)) as running:
        host, port = running.get_container_host_ip(), int(running.get_exposed_port(5432))
        yield lambda name: Database(name, host, port, "postgres", password)


@pytest.fixture
def database(postgres_container):
    """A fresh empty database in the container."""
    name = f"test_{secrets.token_hex(6)}"
    _run(postgres_container("postgres"), f'CREATE DATABASE "{name}"')
    yield postgres_container(name)
    _run(postgres_container("postgres"), f'DROP DATABASE "{name}" WITH (FORCE)')


def _run(database: Database, sql: str) -> None:
    async def execute() -> None:
        connection = await asyncpg.connect(database.dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        runner.run(execute())


@pytest.fixture
def nats_server(container_engine):
    """An empty NATS in a container of its own, with JetStream."""
    container = DockerContainer("nats:2.15-alpine").with_exposed_ports(4222)
    container.with_command(["nats-server", "--jetstream", "--store_dir", "/tmp/nats"])
    with container.waiting_for(LogMessageWaitStrategy("Server is ready")) as running:
        yield NatsInContainer(f"nats://{running.get_container_host_ip()}:{running.get_exposed_port(4222)}")


class TestStoreInContainers(StoreSuite):
    """On the servers above."""
