"""What goes wrong: processes that end or stop at a chosen step or at any moment, and servers that do."""

import asyncio
import contextlib
import signal
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
from tests.faults.harness import Scene, copy_store, put_back, start_all, stop_whole, wake
from tests.faults.load import live_until
from tests.faults.proof import everything_holds
from tests.faults.proxy import LossyWay, lossy_way
from tests.faults.subscriber import admin_arguments
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
DOOMED_SECONDS = 20.0
"""A doomed process that has not met its point by then is killed where it is."""


class DoomedServer(ServiceServer):
    """A service in place of `server`, on its port, that strikes itself at a point."""

    def __init__(self, server: ServiceServer, point: str, times: int, number: signal.Signals = signal.SIGKILL) -> None:
        super().__init__(server.service, server.directory, server._environment)
        self.port = server.port
        self.point = point
        self._doom = (server.service, point, str(times), str(int(number)))

    def command(self) -> Sequence[str]:
        """The same, with the failpoint set."""
        env, *settings, python, _, _ = super().command()
        return [env, f"PYTHONPATH={ROOT}", *settings, python, "-m", "tests.faults.doomed", *self._doom]

    def start(self, timeout_seconds: float = 60) -> None:
        """Start and do not wait: it may be gone before it answers."""
        self._choose_ports()
        self._spawn()

    @property
    def struck(self) -> bool:
        """Whether it met its point and is dead, or stopped."""
        if self._process is None:
            return False
        if self._process.poll() is not None:
            return self._process.returncode == -signal.SIGKILL
        return psutil.Process(self._process.pid).status() == psutil.STATUS_STOPPED


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


async def die_at_every(scene: Scene, points: Sequence[str], most: int = 3) -> set[str]:
    """Let each service die at each of these points, one after the other, all services at once; the points met.

    In the end all run as they should. A service that does not come to a point in time is killed where it is.
    """
    met: set[str] = set()

    async def one(name: str) -> None:
        normal = scene.stack.services[name]
        await asyncio.to_thread(normal.kill)
        for point in scene.dice.sample(points, len(points)):
            doomed = DoomedServer(normal, point, scene.dice.randint(1, most))
            scene.stack.services[name] = doomed
            await asyncio.to_thread(doomed.start)
            if await _gone(doomed):
                met.add(point)
            await asyncio.to_thread(doomed.kill)
        scene.stack.services[name] = normal
        await asyncio.to_thread(normal.start)

    await asyncio.gather(*(one(name) for name in SERVICES))
    scene.stack.write_info()
    return met


async def _gone(doomed: DoomedServer) -> bool:
    try:
        await eventually(lambda: doomed.struck, DOOMED_SECONDS, every=0.05)
    except AssertionError:
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
    stopped = [process for server in scene.processes() if server.pid for process in stop_whole(server.pid)]
    client = await nats.connect(**admin_arguments(scene))
    try:
        js = client.jetstream()
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
