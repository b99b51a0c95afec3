"""Fixtures for orders: its service on a real database, called without a port and without NATS."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from eventstore.clock import direct
from servicekit.migrate import MigrateSettings, migrate_service
from servicekit.secrets import init_secrets
from services.orders.app import definition
from tests.orders.quarter import Quarter
from tests.orders.samples import MONDAY_NINE
from tests.servicekit.world import World, served
from tests.support.servers import Database, TestPostgres


@pytest.fixture(scope="session")
def orders_template(
    postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Database, Path]]:
    """A migrated database to copy, and the secrets that go with it."""
    secrets = tmp_path_factory.mktemp("orders-secrets")
    init_secrets(secrets, ["orders"])
    template = postgres_server.create_database()
    with asyncio.Runner() as runner:
        runner.run(_migrate(template, secrets))
    yield template, secrets
    postgres_server.drop_database(template.name)


@pytest.fixture
async def quarter(
    postgres_server: TestPostgres, orders_template: tuple[Database, Path], tmp_path: Path
) -> AsyncIterator[Quarter]:
    """The running service on a Monday at nine, its clock standing still, with a catalogue and some people."""
    template, secrets = orders_template
    database = await asyncio.to_thread(postgres_server.create_database, template.name)
    # Roles belong to the whole server: another test may have given them other passwords.
    await _migrate(database, secrets)
    clock_file = tmp_path / "clock.json"
    direct(clock_file, MONDAY_NINE, 0)
    async with served(World(database, tmp_path, secrets), definition, clock_file=clock_file) as running:
        quarter = Quarter(running, clock_file)
        await quarter.settle()
        yield quarter
    await asyncio.to_thread(postgres_server.drop_database, database.name)


async def _migrate(database: Database, secrets: Path) -> None:
    settings = MigrateSettings(
        database_host=database.host,
        database_port=database.port,
        database_name=database.name,
        superuser_password=SecretStr(database.superuser_password),
        secrets_dir=secrets,
    )
    await migrate_service(settings, definition.name, definition.read_models)
