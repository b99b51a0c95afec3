"""The journey through four real processes on PostgreSQL and NATS from their wheels."""

import json
import subprocess
import sys
from datetime import datetime

import pytest

from cli.client import Client
from cli.stack import Stack
from eventstore.clock import direct
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key
from tests.journeys.steps import MORNING, Journey
from tests.support.servers import temporary_directory

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


@pytest.fixture
def stack():
    """The whole system in a directory of its own, business time standing at the morning of the journey."""
    with temporary_directory() as directory:
        stack = Stack(directory, mode="demo", durable=False)
        direct(stack.clock_file, MORNING, 0)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()


async def test_one_order_from_the_door_to_the_ledger(stack):
    def cli(*words: str):
        command = [sys.executable, "-m", "cli", *words, "--data", str(stack.data), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return json.loads(done.stdout)

    def turn_clock(moment: datetime) -> None:
        direct(stack.clock_file, moment, 0)

    async with Client(stack.urls, load_issuer_key(stack.secrets_dir / ISSUER_KEY)) as client:
        journey = Journey(client, cli, turn_clock)
        await journey.make()

    verified = cli("verify")
    assert verified["ok"]
    assert {name for name, one in verified["services"].items() if one["size"]} == set(stack.urls)
    assert all(one["stream_identical"] for one in verified["services"].values())
    assert cli("replay")["ok"]
