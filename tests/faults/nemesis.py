"""What goes wrong: processes that end or stop at a chosen step or at any moment, and servers that do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import nats
import psutil
from nats.js.errors import NotFoundError

from cli.embedded.server import Server
from cli.place import SERVICES
from cli.stack import ServiceServer
from eventstore.streams import durable_name, ensure_durable, stream_name
from servicekit.migrate import definition_of
from tests.faults.failpoints import Order, arm
from tests.faults.harness import Scene, copy_store, put_back, start_all, stop_whole, wake
from tests.faults.load import live_until
from tests.faults.proof import everything_holds
from tests.faults.proxy import LossyWay, lossy_way
from tests.faults.subscriber import admin_arguments
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
STRUCK_SECONDS = 120.0
"""So long a point is waited for; it must be met by then."""


class TrappedServer(ServiceServer):
    """A service with traps at every point. `trap` is its own file, `shared` that of all: see failpoints."""

    program: Sequence[str] = ("tests.faults.doomed",)
    """The module that becomes the service, and its first arguments."""

    def __init__(self, service: str, directory: Path, environment: Mapping[str, str], traps: Path) -> None:
        super().__init__(service, directory, dict(environment))
        self.trap, self.shared = traps / f"{directory.name}.json", traps / "any.json"

    def command(self) -> Sequence[str]:
        """The same program, in our paths, under `doomed`."""
        env, *settings, python, _, _ = super().command()
        doomed = [python, "-m", *self.program, self.service, str(self.trap), str(self.shared)]
        return [env, f"PYTHONPATH={ROOT}", *settings, *doomed]

    @property
    def stopped(self) -> bool:
        """Whether it was sent SIGSTOP."""
        return self.pid is not None and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED


async def with_traps(scene: Scene) -> dict[str, TrappedServer]:
    """Have every service run with traps at its points: once a scene, and from then on."""
    found: dict[str, TrappedServer] = {}
    for name, server in scene.stack.services.items():
        if isinstance(server, TrappedServer):
            found[name] = server
            continue
        trapped = TrappedServer(name, server.directory, scene.stack.environment(), scene.stack.data / "traps")
        trapped.port = server.port
        await asyncio.to_thread(server.kill)
        scene.stack.services[name] = found[name] = trapped
    await asyncio.to_thread(start_all, list(found.values()))
    scene.stack.write_info()
    return found


async def while_living(scene: Scene, nemesis: Callable[[], Awaitable[None]]) -> int:
    """Live days of the load while the nemesis does what it does; then everything must hold. Days lived."""
    done = asyncio.Event()

    async def strike() -> None:
        try:
            await nemesis()
        finally:
            done.set()

    days, _ = await asyncio.gather(live_until(scene, done), strike())
    await everything_holds(scene)
    return days


async def kill_and_start(scene: Scene, server: Server, pause: float = 0.0) -> None:
    """SIGKILL, a moment without it, and again."""
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(pause)
    await asyncio.to_thread(server.start)
    scene.stack.write_info()


async def anything_at_random(scene: Scene, times: int) -> list[str]:
    """Kill services, NATS and PostgreSQL, stop them for a while, lose NATS's store: as the dice have it. What was."""
    done = []
    servers: Mapping[str, Server] = {**scene.stack.services, "nats": scene.nats, "postgres": scene.postgres}
    for _ in range(times):
        name = scene.dice.choice(sorted(servers))
        how = scene.dice.choice(["kill", "kill", "stop", "wipe" if name == "nats" else "kill"])
        await asyncio.sleep(scene.dice.uniform(0.0, 1.0))
        done.append(f"{how} {name}")
        if how == "kill":
            await kill_and_start(scene, servers[name], scene.dice.uniform(0.0, 0.5))
        elif how == "wipe":
            await asyncio.to_thread(put_back, scene.nats, None)
        else:
            await stop_for(servers[name], scene.dice.uniform(0.5, 3.0))
    return done


async def stop_for(server: Server, seconds: float) -> None:
    """Stop a server and all its children for a while: connections stay, nobody answers."""
    pid = server.pid
    assert pid is not None
    stopped = stop_whole(pid)
    try:
        await asyncio.sleep(seconds)
    finally:
        wake(stopped)


async def services_die_at(
    scene: Scene, points: Sequence[str], most: int = 2, names: Sequence[str] = SERVICES
) -> set[tuple[str, str]]:
    """Let each service die at each of its points, one after the other, all services at once. Who met which point."""
    trapped = await with_traps(scene)
    met: set[tuple[str, str]] = set()

    async def one(name: str, server: TrappedServer) -> None:
        mine = [point for point in points if name in comers_to(point)]
        for point in scene.dice.sample(mine, len(mine)):
            arm(server.trap, Order(point, scene.dice.randint(1, most)))
            if await _struck(server.trap):
                met.add((name, point))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)

    await asyncio.gather(*(one(name, trapped[name]) for name in names))
    scene.stack.write_info()
    return met


async def server_dies_at(scene: Scene, victim: Server, points: Sequence[str], most: int = 2) -> set[str]:
    """Kill NATS or PostgreSQL whenever any service comes to each of these points. The points met."""
    trapped = await with_traps(scene)
    shared = next(iter(trapped.values())).shared
    met: set[str] = set()
    for point in scene.dice.sample(points, len(points)):
        pid = victim.pid
        assert pid is not None
        arm(shared, Order(point, scene.dice.randint(1, most), pid=pid))
        if await _struck(shared):
            met.add(point)
        await kill_and_start(scene, victim)
    return met


async def die_while_filling(scene: Scene, victim: Server | None, point: str) -> bool:
    """Wipe NATS's store; whoever fills it again dies at `point`: `victim`, or all services. Whether all came there."""
    trapped = await with_traps(scene)
    async with _store_lost(scene):
        if victim is None:
            comers = [trapped[name] for name in comers_to(point)]
            dying: Sequence[Server] = comers
            armed = [(server.trap, 0) for server in comers]
        else:
            assert victim.pid is not None
            dying, armed = [victim], [(next(iter(trapped.values())).shared, victim.pid)]
        for trap, pid in armed:
            arm(trap, Order(point, pid=pid))
    met = await asyncio.gather(*(_struck(trap) for trap, _ in armed))
    await asyncio.gather(*(kill_and_start(scene, server) for server in dying))
    return all(met)


@contextlib.asynccontextmanager
async def _store_lost(scene: Scene) -> AsyncIterator[None]:
    """NATS is there again, and empty; the services are held until the end of this, so that they find it so."""
    stopped = _hold(scene)
    try:
        await lose_store(scene, None)
        yield
    finally:
        wake(stopped)


def _hold(scene: Scene) -> list[psutil.Process]:
    return [process for server in scene.processes() if server.pid for process in stop_whole(server.pid)]


def comers_to(point: str) -> Sequence[str]:
    """The services that come to a point while people go on."""
    return _COMERS.get(point, SERVICES)


_COMERS: dict[str, Sequence[str]] = {
    "timer: before it fires": ("orders",),
    "timer: fired": ("orders",),
    "sender: attempt recorded": ("notify",),
    "sender: handed over, not recorded": ("notify",),
    # Nobody hears notify.
    "relay: durable made": tuple(service for service in SERVICES if service != "notify"),
}


async def _struck(trap: Path) -> bool:
    """Whether an order was obeyed in time. Not any more after that."""
    try:
        await eventually(lambda: not trap.exists(), STRUCK_SECONDS, every=0.02)
    except AssertionError:
        trap.unlink(missing_ok=True)
        return False
    return True


async def lose_store(scene: Scene, copy: Path | None) -> None:
    """NATS forgets what it took since the copy was made, or everything."""
    await asyncio.to_thread(put_back, scene.nats, copy)
    scene.stack.write_info()


async def keep_store(scene: Scene) -> Path:
    """A copy of NATS's store as it is now."""
    copy = scene.stack.data / "nats-copy"
    await asyncio.to_thread(copy_store, scene.nats, copy)
    return copy


async def deliver_everything_again(scene: Scene) -> None:
    """Every listener's place in every stream is set back to the first event, behind its back."""
    listening = [(source, listener) for listener in SERVICES for source in sorted(definition_of(listener).sources)]
    stopped = _hold(scene)
    client = await nats.connect(**admin_arguments(scene))
    try:
        js = client.jetstream(prefix=scene.place.streams_api)
        for source, listener in listening:
            try:
                await js.delete_consumer(stream_name(source), durable_name(listener))
            except NotFoundError:
                continue  # NATS has just lost its store; then it is made anew anyway
            await ensure_durable(js, source, listener, 0)
    finally:
        await client.close()
        wake(stopped)


@contextlib.asynccontextmanager
async def on_a_lossy_way(scene: Scene, services: Sequence[str]) -> AsyncIterator[LossyWay]:
    """These services reach PostgreSQL on a way that can lose answers; afterwards they go straight again."""
    straight = {name: scene.stack.services[name] for name in services}
    async with lossy_way(scene.postgres.port, scene.dice) as way:
        environment = {**scene.stack.environment(), "CHAOYANGLI_DATABASE_PORT": str(way.port)}
        for name, server in straight.items():
            await asyncio.to_thread(server.kill)
            scene.stack.services[name] = ServiceServer(name, server.directory, environment)
        await asyncio.to_thread(start_all, scene.processes())
        try:
            yield way
        finally:
            for name in services:
                await asyncio.to_thread(scene.stack.services[name].kill)
            scene.stack.services.update(straight)
            await asyncio.to_thread(start_all, scene.processes())


async def second_processes(scene: Scene) -> None:
    """Start another process of every service, on the same state."""
    await asyncio.to_thread(start_all, [scene.add_replica(name) for name in SERVICES])
