"""The tests of relay and consumer once more, on the images that the deployment uses, started by testcontainers."""

import pytest

from tests.eventstore.test_consumer import *  # noqa: F403 - with this directory's fixtures
from tests.eventstore.test_relay import *  # noqa: F403

pytestmark = [pytest.mark.container, pytest.mark.timeout(300)]
