"""Fixtures for ledger: its service on a real database, called without a port and without NATS."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from eventstore.clock import direct
from services.ledger.app import definition
from tests.ledger.counter import Counter
from tests.ledger.examples import NOON
from tests.ledger.office import Office
from tests.servicekit.world import Template, served, template
from tests.support.servers import TestPostgres


@pytest.fixture(scope="session")
def ledger_template(postgres_server: TestPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    with template(postgres_server, tmp_path_factory.mktemp("ledger-secrets"), definition) as made:
        yield made


@pytest.fixture
async def counter(ledger_template: Template, tmp_path: Path) -> AsyncIterator[Counter]:
    """The running service, with the fund's staff known to it."""
    async with ledger_template.copied(tmp_path) as world, served(world, definition) as running:
        counter = Counter(running)
        await counter.open()
        yield counter


@pytest.fixture
async def office(ledger_template: Template, tmp_path: Path) -> AsyncIterator[Office]:
    """The running service with its clock standing still, its approvers' keys confirmed, and 1,000 yuan in the fund."""
    clock_file = tmp_path / "clock.json"
    direct(clock_file, NOON, 0)
    async with ledger_template.copied(tmp_path) as world, served(world, definition, clock_file=clock_file) as running:
        counter = Counter(running)
        await counter.open()
        office = Office(counter, clock_file)
        await office.open()
        yield office
