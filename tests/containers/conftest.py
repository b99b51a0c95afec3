"""What tests in containers share."""

import pytest

from tests.containers.engine import missing

pytest.register_assert_rewrite("tests.journeys.steps")


@pytest.fixture(scope="session")
def container_engine():
    """Skips, saying why, where no engine answers."""
    if why := missing():
        pytest.skip(why)
