from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from servicekit.migrate import MigrateSettings, migrate_service
from servicekit.secrets import init_secrets
from tests.servicekit.sample_service import NEIGHBOUR, sample
from tests.servicekit.world import Served, World, served
from tests.support.servers import Database


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    """A migrated database with secrets for the sample service and its neighbour."""
    return await make_world(database, tmp_path)


@pytest.fixture
async def service(world: World) -> AsyncIterator[Served]:
    """The sample's app, called in this process; no port, no NATS."""
    async with served(world, sample()) as running:
        yield running


async def make_world(database: Database, directory: Path) -> World:
    secrets = directory / "secrets"
    init_secrets(secrets, ["orders", "volunteers"])
    migrating = MigrateSettings(
        database_host=database.host,
        database_port=database.port,
        database_name=database.name,
        superuser_password=database.superuser_password,
        secrets_dir=secrets,
    )
    for definition in (sample(), NEIGHBOUR):
        await migrate_service(migrating, definition.name, definition.read_models)
    return World(database, directory, migrating)
