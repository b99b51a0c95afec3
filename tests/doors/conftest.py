"""The four services, started once for each file of this folder: roles and their passwords are of the whole server."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.doors.doors import Doors, open_doors
from tests.doors.neighbourhood import Neighbourhood
from tests.support.servers import TestPostgres, running_nats, temporary_directory

pytest.register_assert_rewrite("tests.doors.problems")


@pytest.fixture(scope="module")
def doors(postgres_server: TestPostgres) -> Iterator[Doors]:
    """Each answers, hears the others and has an empty log."""
    said_so_far = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    database = postgres_server.create_database()
    with running_nats() as nats, temporary_directory() as directory, open_doors(database, nats, directory) as doors:
        yield doors
    postgres_server.drop_database(database.name)
    structlog.configure(**said_so_far)


@pytest.fixture(scope="module")
def town(doors: Doors) -> Neighbourhood:
    """Where a haircut can be asked for."""
    made = Neighbourhood(doors)
    made.done("orders", "/v1/service-items", {"item_code": "haircut", "expected_minutes": 30, "home_visit": False})
    return made
