"""The storage suite on the images that the deployment uses, started by testcontainers."""

import pytest

from tests.eventstore.store_suite import StoreSuite

pytestmark = [pytest.mark.container, pytest.mark.timeout(300)]


class TestStoreInContainers(StoreSuite):
    """On the servers of this directory's fixtures."""
