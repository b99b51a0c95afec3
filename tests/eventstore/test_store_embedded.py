"""The storage suite on PostgreSQL and NATS from their wheels; tests/containers runs the same on the images."""

from tests.eventstore.store_suite import StoreSuite


class TestStoreEmbedded(StoreSuite):
    """On the servers of tests/conftest.py."""
