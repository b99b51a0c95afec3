"""The subscribers of examples/ do what their first lines say, with credentials as `subscribers add` writes."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import nats
import pytest

from cli.nats_users import SERVICES, nats_accounts, subscribers_of
from cli.subscribing import Given
from eventstore import outsiders, streams
from eventstore.log import Log
from eventstore.nats_api import api_prefix
from eventstore.relay import Relay
from servicekit.secrets import init_secrets, read_nats_seed
from servicekit.subscribers import Subscriber
from tests.support.logs import migrated, opened
from tests.support.messaging import append, connected, running
from tests.support.servers import TestNats, new_key, running_nats
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass
class Outside:
    """A log with its relay, and somebody who subscribed to it."""

    server: TestNats
    secrets: Path
    log: Log
    credentials: Path
    journal: Path

    def heard(self) -> list[int]:
        """The positions that the example has written down, in its order."""
        if not self.journal.exists():
            return []
        lines = self.journal.read_text().splitlines(keepends=True)
        # It may be writing the last one.
        return [json.loads(line)["position"] for line in lines if line.endswith("\n")]

    async def give_a_place(self) -> None:
        """As the operator does: the durable from the first event on."""
        client = await nats.connect(self.server.url, nkeys_seed_str=read_nats_seed(self.secrets, "admin"))
        js = streams.context(client, api_prefix("chaoyangli"))
        with contextlib.suppress(nats.js.errors.NotFoundError):
            await js.delete_consumer("ORDERS", "city-subscriber")
        config = outsiders.durable_config("chaoyangli", "orders", "city", ["OfferDeclined"], 1)
        await js.add_consumer("ORDERS", config)
        await client.close()

    async def acknowledged(self) -> int:
        """Up to where, as the server has it."""
        client = await nats.connect(self.server.url, nkeys_seed_str=read_nats_seed(self.secrets, "auditor"),
                                    inbox_prefix="_INBOX_auditor")  # fmt: skip
        info = await streams.context(client, api_prefix("chaoyangli")).consumer_info("ORDERS", "city-subscriber")
        await client.close()
        return info.ack_floor.stream_seq if info.ack_floor else 0


@pytest.fixture
async def outside(database, tmp_path: Path):
    secrets = tmp_path / "secrets"
    init_secrets(secrets, SERVICES)
    key = new_key()
    subscriber = Subscriber(
        name="city", events=("orders.OfferDeclined",), nkey=key.public, added_at=datetime(2026, 3, 5, tzinfo=UTC)
    )
    subscribers_of(secrets).write(subscriber)
    given = Given(subscriber, (), key.seed, "clf_", "chaoyangli", {"orders": 1}, let_in=True)
    credentials = tmp_path / "city.json"
    credentials.write_text(json.dumps(given.credentials()))
    with running_nats(users=lambda: nats_accounts(secrets, tmp_path, "chaoyangli")) as server:
        seed = read_nats_seed(secrets, "orders")
        async with opened(await migrated(database)) as log, connected(server, seed=seed) as connection:
            relay = Relay(log, connection, poll_seconds=0.02)
            relay.attach()
            async with running(relay.run()):
                await append(log, 20)
                await eventually(lambda: relay.published == 20)
                outside = Outside(server, secrets, log, credentials, tmp_path / "events.ndjson")
                await outside.give_a_place()
                yield outside


@contextlib.asynccontextmanager
async def program(outside: Outside, *words: str):
    process = await asyncio.create_subprocess_exec(
        *words, outside.server.url, str(outside.credentials), str(outside.journal), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        yield
        assert process.returncode is None
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def follows_goes_on_and_writes_nothing_twice(outside: Outside, *words: str) -> None:
    async with program(outside, *words):
        await eventually(lambda: outside.heard() == list(range(1, 21)), timeout=240)
        await asyncio.to_thread(outside.server.kill)
        await append(outside.log, 5)
        await asyncio.to_thread(outside.server.start)
        await eventually(lambda: outside.heard() == list(range(1, 26)), timeout=90)
    with outside.journal.open("a") as torn:
        torn.write('{"id": "half a li')
    await outside.give_a_place()  # everything comes again
    await append(outside.log, 1)
    async with program(outside, *words):

        async def all_is_acknowledged() -> bool:
            return await outside.acknowledged() == 26

        await eventually(all_is_acknowledged, timeout=240)
    assert outside.heard() == list(range(1, 27))


async def test_the_example_follows_goes_on_when_nats_comes_back_and_writes_nothing_twice(outside) -> None:
    await follows_goes_on_and_writes_nothing_twice(outside, sys.executable, str(EXAMPLES / "subscribe.py"))


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not there")
async def test_the_javascript_example_does_the_same(outside, tmp_path: Path) -> None:
    there = tmp_path / "examples"
    there.mkdir()
    for name in ("package.json", "subscribe.mjs"):
        shutil.copy(EXAMPLES / name, there)
    quiet = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
    install = ["npm", "install", *quiet]
    await asyncio.to_thread(subprocess.run, install, cwd=there, check=True, capture_output=True, timeout=400)
    await follows_goes_on_and_writes_nothing_twice(outside, "node", str(there / "subscribe.mjs"))


def test_it_is_as_short_as_a_first_look_should_be() -> None:
    for name in ("subscribe.py", "subscribe.mjs"):
        assert len((EXAMPLES / name).read_text(encoding="utf-8").splitlines()) <= 60
