"""PostgreSQL and NATS on the images that the deployment uses, with what tests do to servers."""

import contextlib
import re
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from tests.support.ports import unkept_port
from tests.support.servers import Databases, StoreFaults, kept_running
from tests.support.waiting import eventually_blocking

POSTGRES_IMAGE, NATS_IMAGE = "postgres:18", "nats:2.15-alpine"
# While the image prepares its data it starts the server once before, on a socket: the second time it is meant.
POSTGRES_UP = re.compile(r"listening on IPv4 address.*ready to accept connections", re.DOTALL)
UP_SECONDS = 60.0


class PostgresInContainer(Databases):
    """Where a PostgreSQL answers that runs in a container."""

    def __init__(self, port: int, password: str) -> None:
        self.port = port
        self._password = password

    @property
    def password(self) -> str:
        """The superuser's."""
        return self._password


@contextlib.contextmanager
def postgres_in_a_container() -> Iterator[PostgresInContainer]:
    """An empty one; no test pulls the plug."""
    password = secrets.token_urlsafe(16)
    container = DockerContainer(POSTGRES_IMAGE, env={"POSTGRES_PASSWORD": password}).with_exposed_ports(5432)
    container.with_command(["postgres", "-c", "fsync=off", "-c", "max_connections=200"])
    with container.waiting_for(LogMessageWaitStrategy(POSTGRES_UP)) as running:
        yield PostgresInContainer(int(running.get_exposed_port(5432)), password)


class NatsInContainer(StoreFaults):
    """A NATS in a container, on a store that lies on this machine: killed, it is started again on the same port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "store"
        self.directory.mkdir()
        self._port, self._monitor_port = unkept_port(), unkept_port()
        container = DockerContainer(NATS_IMAGE).with_bind_ports(4222, self._port)
        container.with_bind_ports(8222, self._monitor_port)
        container.with_volume_mapping(str(directory), "/data", "rw")
        command = ["nats-server", "--jetstream", "--store_dir", "/data/store", "--http_port", "8222"]
        self._container = container.with_command(command)

    @property
    def url(self) -> str:
        """Where clients connect, without credentials."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        found = self._container.get_wrapped_container()
        found.reload()
        return bool(found.status == "running")

    def begin(self) -> None:
        """Make the container, and start the server for the first time."""
        self._container.start()
        self._is_up()

    def start(self) -> None:
        """Start it again, and wait until it answers. Does nothing when it runs."""
        self._container.get_wrapped_container().start()
        self._is_up()

    def stop(self) -> None:
        """Ask it to end in order."""
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        """SIGKILL. Does nothing when it does not run."""
        if self.running:
            self._container.get_wrapped_container().kill()
            self._container.get_wrapped_container().wait()

    def restart(self) -> None:
        """Stop in order and start again, on the same port."""
        self.stop()
        self.start()

    def end(self) -> None:
        """Take the container away."""
        self._container.stop()

    def _is_up(self) -> None:
        def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return bool(httpx.get(f"http://127.0.0.1:{self._monitor_port}/healthz", timeout=5).is_success)
            return False

        eventually_blocking(answers, UP_SECONDS, every=0.05, what="NATS in its container")


def nats_in_a_container() -> AbstractContextManager[NatsInContainer]:
    """An empty one, with JetStream and no users."""
    return kept_running(NatsInContainer, NatsInContainer.begin, NatsInContainer.end)
