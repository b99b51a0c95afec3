import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from servicekit.secrets import init_secrets
from tests.servicekit.sample_service import NEIGHBOUR, sample
from tests.servicekit.world import Served, Template, World, migrate, served, template
from tests.support.servers import TestPostgres


@pytest.fixture(scope="session")
def sample_template(postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with template(postgres_server, tmp_path_factory.mktemp("secrets"), sample(), NEIGHBOUR) as made:
        yield made


@pytest.fixture
async def world(sample_template: Template, tmp_path: Path) -> AsyncIterator[World]:
    """A migrated database with secrets for the sample service and its neighbour."""
    async with sample_template.copied(tmp_path) as world:
        yield world


@pytest.fixture
async def own_world(own_postgres_server: TestPostgres, tmp_path: Path) -> World:
    """The same on a PostgreSQL that the test may kill."""
    secrets = tmp_path / "secrets"
    init_secrets(secrets, ["orders", "volunteers"])
    database = await asyncio.to_thread(own_postgres_server.create_database)
    await migrate(database, secrets, sample(), NEIGHBOUR)
    return World(database, tmp_path, secrets)


@pytest.fixture
async def service(world: World) -> AsyncIterator[Served]:
    """The sample's app, called in this process; no port, no NATS."""
    async with served(world, sample()) as running:
        yield running
