"""What tests in containers share."""

import asyncio

import pytest

from tests.containers.engine import deployed, missing
from tests.containers.servers import nats_in_a_container, postgres_in_a_container

pytest.register_assert_rewrite("tests.journeys.steps")


@pytest.fixture(scope="session")
def container_engine():
    """Skips, saying why, where no engine answers."""
    if why := missing():
        pytest.skip(why)


@pytest.fixture(scope="session")
def postgres_server(container_engine):
    """Instead of the one from its wheel, for every test here."""
    with postgres_in_a_container() as server:
        yield server


@pytest.fixture
def nats_server(container_engine):
    """Instead of the one from its wheel: kill(), start(), restart(), wipe(), copy_store(), put_back()."""
    with nats_in_a_container() as server:
        yield server


@pytest.fixture(scope="session")
def lived(container_engine, tmp_path_factory):
    """From nothing to the end of the journey, once for all tests here."""
    from tests.containers.lived import MORNING, Lived  # after its assertions were asked to be rewritten

    with deployed(tmp_path_factory.mktemp("deployment")) as deployment:
        deployment.direct(MORNING)
        deployment.build()
        print(f"up --wait took {deployment.up():.0f} s from nothing but the image")  # noqa: T201 - with -s
        lived = Lived(deployment)
        with asyncio.Runner() as runner:
            runner.run(lived.live())
        yield lived
