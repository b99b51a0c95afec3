import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from servicekit.migrate import MigrateSettings, migrate_service
from servicekit.secrets import init_secrets
from tests.servicekit.sample_service import NEIGHBOUR, sample
from tests.servicekit.world import Served, World, served
from tests.support.servers import Database, TestPostgres


@pytest.fixture(scope="session")
def sample_template(
    postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Path]]:
    """A migrated database to copy, and the secrets that go with it: migrating anew for each test takes a second."""
    secrets = tmp_path_factory.mktemp("secrets")
    init_secrets(secrets, ["orders", "volunteers"])
    template = postgres_server.create_database()
    with asyncio.Runner() as runner:
        runner.run(_migrate(template, secrets))
    yield template, secrets
    postgres_server.drop_database(template.name)


@pytest.fixture
async def world(
    postgres_server: TestPostgres, sample_template: tuple[Database, Path], tmp_path: Path
) -> AsyncIterator[World]:
    """A migrated database with secrets for the sample service and its neighbour."""
    template, secrets = sample_template
    database = await asyncio.to_thread(postgres_server.create_database, template.name)
    # Roles belong to the whole server: another test may have given them other passwords.
    await _migrate(database, secrets)
    yield World(database, tmp_path, secrets)
    await asyncio.to_thread(postgres_server.drop_database, database.name)


@pytest.fixture
async def own_world(own_postgres_server: TestPostgres, tmp_path: Path) -> World:
    """The same on a PostgreSQL that the test may kill."""
    secrets = tmp_path / "secrets"
    init_secrets(secrets, ["orders", "volunteers"])
    database = await asyncio.to_thread(own_postgres_server.create_database)
    await _migrate(database, secrets)
    return World(database, tmp_path, secrets)


@pytest.fixture
async def service(world: World) -> AsyncIterator[Served]:
    """The sample's app, called in this process; no port, no NATS."""
    async with served(world, sample()) as running:
        yield running


async def _migrate(database: Database, secrets: Path) -> None:
    settings = MigrateSettings(
        database_host=database.host,
        database_port=database.port,
        database_name=database.name,
        superuser_password=SecretStr(database.superuser_password),
        secrets_dir=secrets,
    )
    for definition in (sample(), NEIGHBOUR):
        await migrate_service(settings, definition.name, definition.read_models)
