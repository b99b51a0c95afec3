"""Fixtures for volunteers: its service on a real database, called without a port and without NATS."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.volunteers.app import definition
from tests.servicekit.world import Template, served, template
from tests.support.servers import TestPostgres
from tests.volunteers.town import Town


@pytest.fixture(scope="session")
def volunteers_template(postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with template(postgres_server, tmp_path_factory.mktemp("volunteers-secrets"), definition) as made:
        yield made


@pytest.fixture
async def town(volunteers_template: Template, tmp_path: Path) -> AsyncIterator[Town]:
    """The running service, an ADMIN and staff already in it."""
    async with volunteers_template.copied(tmp_path) as world, served(world, definition) as running:
        yield Town(running)
