"""What tests in containers share."""

import asyncio

import pytest

from tests.containers.engine import deployed, missing

pytest.register_assert_rewrite("tests.journeys.steps")


@pytest.fixture(scope="session")
def container_engine():
    """Skips, saying why, where no engine answers."""
    if why := missing():
        pytest.skip(why)


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
