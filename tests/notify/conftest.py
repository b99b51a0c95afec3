"""Fixtures for notify: its service on a real database, called without a port and without NATS."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.notify.app import definition
from tests.notify.desk import Desk
from tests.notify.hooks import Hooks, hooks_on
from tests.servicekit.world import Template, served, template
from tests.support.servers import TestNats, TestPostgres


@pytest.fixture(scope="session")
def notify_template(postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with template(postgres_server, tmp_path_factory.mktemp("notify-secrets"), definition) as made:
        yield made


@pytest.fixture
async def desk(notify_template: Template, tmp_path: Path) -> AsyncIterator[Desk]:
    """The running service, without its tasks."""
    async with notify_template.copied(tmp_path) as world, served(world, definition) as running:
        yield Desk(running)


@pytest.fixture
async def hooks(notify_template: Template, nats_server: TestNats, tmp_path: Path) -> AsyncIterator[Hooks]:
    """notify and orders on real servers, with somebody outside who receives."""
    async with hooks_on(notify_template, nats_server, tmp_path) as made:
        yield made
