"""One town for all who lose copies of it: it takes a minute to live. And a place for each who gives events away."""

import pytest

from tests.cli import outside
from tests.cli.towns import town
from tests.support.servers import temporary_directory


@pytest.fixture(scope="session")
def lived():
    with temporary_directory() as place:
        place.chmod(0o755)
        yield town(place)


@pytest.fixture
async def community(database):
    async with outside.community(database) as there:
        yield there
