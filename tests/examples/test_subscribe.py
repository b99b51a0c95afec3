"""The subscriber of examples/ does what its first lines say, with the rights that an auditor really has."""

import asyncio
import contextlib
import sys
from pathlib import Path

from cli.nats_users import SERVICES, nats_users
from eventstore.relay import Relay
from servicekit.secrets import init_secrets, read_nats_seed
from tests.support.logs import migrated, opened
from tests.support.messaging import append, connected, running
from tests.support.servers import running_nats
from tests.support.waiting import eventually

PROGRAM = Path(__file__).parents[2] / "examples" / "subscribe.py"


class Subscriber:
    """The example as a process; what it prints, as positions."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.positions: list[int] = []

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            position, time, kind, *_ = line.decode().split(" ")
            assert time.endswith("Z")
            assert kind == "OfferDeclined"
            self.positions.append(int(position))


@contextlib.asynccontextmanager
async def subscribed(*words: str):
    process = await asyncio.create_subprocess_exec(sys.executable, str(PROGRAM), *words, stdout=asyncio.subprocess.PIPE)
    subscriber = Subscriber(process)
    try:
        async with running(subscriber.listen()):
            yield subscriber
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_the_example_follows_the_orders_and_goes_on_when_nats_comes_back(database, tmp_path: Path) -> None:
    init_secrets(tmp_path, SERVICES)
    seed = read_nats_seed(tmp_path, "orders")
    who = str(tmp_path / "nats_auditor.nk")
    with running_nats(tuple(nats_users(tmp_path, "chaoyangli"))) as server:
        async with opened(await migrated(database)) as log, connected(server, seed=seed) as connection:
            relay = Relay(log, connection, poll_seconds=0.02)
            relay.attach()
            async with running(relay.run()):
                await append(log, 20)
                await eventually(lambda: relay.published == 20)
                async with subscribed(server.url, who) as subscriber:
                    await eventually(lambda: subscriber.positions == list(range(1, 21)), timeout=30)
                    await asyncio.to_thread(server.kill)
                    await append(log, 5)
                    await asyncio.to_thread(server.start)
                    await eventually(lambda: subscriber.positions == list(range(1, 26)), timeout=60)
                async with subscribed(server.url, who, "24") as later:
                    await eventually(lambda: later.positions == [24, 25], timeout=30)


def test_it_is_as_short_as_it_says() -> None:
    assert len(PROGRAM.read_text(encoding="utf-8").splitlines()) <= 30
