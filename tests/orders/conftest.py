"""Fixtures for orders: its service on a real database, called without a port and without NATS."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from eventstore.clock import direct
from services.orders.app import definition
from tests.orders.quarter import Quarter
from tests.orders.samples import MONDAY_NINE
from tests.servicekit.world import Template, served, template
from tests.support.servers import TestPostgres


@pytest.fixture(scope="session")
def orders_template(postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with template(postgres_server, tmp_path_factory.mktemp("orders-secrets"), definition) as made:
        yield made


@pytest.fixture
async def quarter(orders_template: Template, tmp_path: Path) -> AsyncIterator[Quarter]:
    """The running service on a Monday at nine, its clock standing still, with a catalogue and some people."""
    clock_file = tmp_path / "clock.json"
    direct(clock_file, MONDAY_NINE, 0)
    async with orders_template.copied(tmp_path) as world, served(world, definition, clock_file=clock_file) as running:
        quarter = Quarter(running, clock_file)
        await quarter.settle()
        yield quarter
