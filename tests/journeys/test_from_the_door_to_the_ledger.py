"""The journey through four real processes on PostgreSQL and NATS from their wheels."""

import pytest

from tests.journeys.embedded import embedded

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


async def test_one_order_from_the_door_to_the_ledger():
    with embedded() as system:
        await system.journey()
        verified = system.cli("verify")
        assert verified["ok"]
        assert {name for name, one in verified["services"].items() if one["size"]} == set(system.stack.urls)
        assert all(one["stream_identical"] for one in verified["services"].values())
        assert system.cli("replay")["ok"]
