"""The programs of examples/ that follow a feed do what their first lines say, against a real service."""

import asyncio
import contextlib
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.servicekit.feeds import Publisher, add_subscriber, publisher
from tests.servicekit.world import World
from tests.support.messaging import running
from tests.support.waiting import PATIENCE_SECONDS, eventually

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = {
    "subscribe.sh": ["sh"],
    "subscribe_http.py": [sys.executable],
    "subscribe_http.mjs": ["node"],
}
PUBLISHED = "orders.ServiceItemPublished"


class Program:
    """An example as a process: what it prints, as positions."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.positions: list[int] = []

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            event = json.loads(line)
            assert event["type"] == "ServiceItemPublished"
            self.positions.append(event["position"])


@contextlib.asynccontextmanager
async def started(name: str, service: Publisher, key: Path, place: Path) -> AsyncIterator[Program]:
    words = [*PROGRAMS[name], str(EXAMPLES / name), f"{service.url}/events", str(place)]
    if shutil.which(words[0]) is None or (name.endswith(".sh") and shutil.which("curl") is None):
        pytest.skip(f"{name} needs a program that is not here")
    environment = {**os.environ, "FEED_KEY_FILE": str(key)}
    process = await asyncio.create_subprocess_exec(
        *words, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True
    )
    program = Program(process)
    try:
        async with running(program.listen()):
            yield program
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)  # the shell's curl is a process of its own
        await process.wait()


@pytest.mark.parametrize("name", PROGRAMS)
async def test_an_example_follows_the_feed_and_goes_on_where_it_was_stopped(
    name: str, world: World, tmp_path: Path
) -> None:
    key, place = tmp_path / "feed.key", tmp_path / "last-id"
    async with publisher(world) as orders:
        key.write_text(add_subscriber(orders.settings, "city", PUBLISHED) + "\n")
        await orders.publish(3)
        async with started(name, orders, key, place) as program:
            await eventually(lambda: program.positions == [1, 2, 3])
            await orders.publish(2)
            await eventually(lambda: program.positions == [1, 2, 3, 4, 5])
            await orders.retire(0)
            await eventually(lambda: place.read_text().strip() == "6")
        await orders.publish(2)
        async with started(name, orders, key, place) as again:
            await eventually(lambda: again.positions == [7, 8])


@pytest.mark.parametrize("name", PROGRAMS)
async def test_an_example_whose_key_is_not_known_says_so_and_ends(name: str, world: World, tmp_path: Path) -> None:
    key = tmp_path / "feed.key"
    key.write_text("clf_nobody\n")
    async with publisher(world) as orders, started(name, orders, key, tmp_path / "last-id") as program:
        assert await asyncio.wait_for(program.process.wait(), PATIENCE_SECONDS) != 0
        assert program.process.stderr is not None
        assert "feed_key_invalid" in (await program.process.stderr.read()).decode()
