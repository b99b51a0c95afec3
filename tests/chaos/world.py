"""The whole stack under chaos: services behind ways that can be closed, servers on small disks, time that runs."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cli.embedded import HOST, EmbeddedServers
from cli.embedded.server import EmbeddedError, Server
from cli.place import SERVICES
from cli.stack import ServiceServer, Stack
from eventstore.clock import DirectedClock, direct
from tests.chaos.diary import Diary
from tests.chaos.disks import SmallDisk, put_on_small_disk, take_away
from tests.chaos.ways import Way, way_to
from tests.faults.harness import Scene, start_all
from tests.faults.proxy import LossyWay, lossy_way
from tests.support.waiting import eventually

SPEED = 360.0
"""A second is six minutes: an order placed for this afternoon is served while the run still lasts."""
COME_BACK_SECONDS = 90.0
LOOK_SECONDS = 0.3


@dataclass
class World:
    """One scene, and what can be done to it. A lock each for whatever a fault needs for itself."""

    scene: Scene
    diary: Diary
    dice: random.Random
    to_postgres: dict[str, Way] = field(default_factory=dict)
    to_nats: dict[str, Way] = field(default_factory=dict)
    to_service: dict[str, Way] = field(default_factory=dict)
    commits: LossyWay | None = None
    disks: dict[str, SmallDisk] = field(default_factory=dict)
    locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    furthest: datetime = field(init=False)
    """The latest business time that any process may have seen."""

    def __post_init__(self) -> None:
        self.locks = {name: asyncio.Lock() for name in ("clock", "nats", "postgres", *SERVICES)}
        self.furthest = self.scene.now

    # business time

    def business_now(self) -> datetime:
        """What the clock's file says now."""
        now = DirectedClock(self.scene.stack.clock_file).now()
        self.furthest = max(self.furthest, now)
        return now

    def jump(self, by: timedelta) -> None:
        """Let business time be another, and go on from there."""
        direct(self.scene.stack.clock_file, self.business_now() + by, SPEED)
        self.business_now()

    async def stand_still(self) -> None:
        """Stop business time where no process has been later."""
        self.business_now()
        await self.scene.let_be(self.furthest)

    # servers

    @property
    def servers(self) -> dict[str, Server]:
        """Everything that runs, by name."""
        return {"nats": self.scene.nats, "postgres": self.scene.postgres, **self.scene.stack.services}

    async def revive(self, name: str) -> None:
        """Start a server, again and again while what it needs is away. AssertionError after a minute and a half."""

        async def started() -> bool:
            server = self.servers[name]
            try:
                await asyncio.to_thread(server.start)
            except EmbeddedError as error:
                self.diary.note("not started", server=name, why=str(error)[-500:])
                return False
            return True

        await eventually(started, COME_BACK_SECONDS, every=LOOK_SECONDS, what=f"{name} to come back")
        if self.commits is not None:
            self.commits.to_port = self.scene.postgres.port
        self.scene.stack.write_info()

    async def watch(self) -> None:
        """Start again what ended without anybody's order, as a process manager does. For ever."""
        while True:
            for name, server in self.servers.items():
                if server.running or self.locks[name].locked():
                    continue
                async with self.locks[name]:
                    if not server.running:
                        said = server.log_file.read_text(encoding="utf-8", errors="replace")[-1_000:]
                        self.diary.note("ended by itself", server=name, said=said)
                        await self.revive(name)
            await asyncio.sleep(LOOK_SECONDS)

    async def heal(self) -> None:
        """Everything can be reached, has room and runs."""
        for way in (*self.to_postgres.values(), *self.to_nats.values(), *self.to_service.values()):
            way.lose_one_in = 0
            way.open()
        if self.commits is not None:
            self.commits.one_in = 0
        for disk in self.disks.values():
            await asyncio.to_thread(disk.free)
        for name in ("postgres", "nats", *SERVICES):
            await self.revive(name)
        await self.stand_still()


def on_small_disks(servers: EmbeddedServers) -> dict[str, SmallDisk]:
    """Put the servers on small disks. Raises NoDisks where these cannot be had."""
    return {"postgres": put_on_small_disk(servers.postgres), "nats": put_on_small_disk(servers.nats)}


@contextlib.asynccontextmanager
async def world_of(
    scene: Scene, diary: Diary, dice: random.Random, disks: dict[str, SmallDisk]
) -> AsyncIterator[World]:
    """Start the services behind ways, on a stack that is prepared."""
    world = World(scene, diary, dice, disks=disks)
    async with contextlib.AsyncExitStack() as stack:
        world.commits = commits = await stack.enter_async_context(lossy_way(scene.postgres.port, dice))
        await _behind_ways(world, commits, stack)
        yield world


async def _behind_ways(world: World, commits: LossyWay, stack: contextlib.AsyncExitStack) -> None:
    scene = world.scene

    async def opened(to: Callable[[], int]) -> Way:
        return await stack.enter_async_context(way_to(to, world.dice))

    def port_of(name: str) -> Callable[[], int]:
        return lambda: scene.stack.services[name].port

    for name in SERVICES:
        world.to_postgres[name] = await opened(lambda: commits.port)
        world.to_nats[name] = await opened(lambda: scene.nats.port)
        world.to_service[name] = await opened(port_of(name))
        environment = {
            **scene.stack.environment(),
            "CHAOYANGLI_DATABASE_PORT": str(world.to_postgres[name].port),
            "CHAOYANGLI_NATS_URL": f"nats://{HOST}:{world.to_nats[name].port}",
        }
        scene.stack.services[name] = ServiceServer(name, scene.stack.data / "logs" / name, environment)
    await asyncio.to_thread(start_all, list(scene.stack.services.values()))
    scene.ways = {name: way.url for name, way in world.to_service.items()}
    scene.stack.write_info()


def end_of(stack: Stack, disks: dict[str, SmallDisk]) -> None:
    """Kill everything and give the disks back: what lies there is thrown away."""
    for server in stack.services.values():
        server.kill()
    stack.servers.kill()
    for disk in disks.values():
        take_away(disk)
