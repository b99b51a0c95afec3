"""PostgreSQL and NATS without Docker: started from their wheels, as children of this process, on one data directory."""

import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cli.embedded.nats import NatsServer
from cli.embedded.postgres import PostgresServer
from cli.embedded.server import (
    HOST,
    DataDirectoryError,
    DirectoryInUseError,
    EmbeddedError,
    PortInUseError,
    hold_port,
    make_data_directory,
    port_is_free,
    write_private,
)

__all__ = [
    "HOST",
    "DataDirectoryError",
    "DirectoryInUseError",
    "EmbeddedError",
    "EmbeddedServers",
    "NatsServer",
    "PortInUseError",
    "PostgresServer",
    "hold_port",
    "make_data_directory",
    "port_is_free",
    "write_private",
]


class EmbeddedServers:
    """The two servers of a data directory.

    In it: `postgres/` and `nats/` with the data, a log beside each, `servers.json` with the ports of last time (taken
    again when free), `servers.lock` held while they run. The servers end when this process ends, even if it is killed.
    """

    def __init__(
        self,
        data_directory: Path,
        *,
        secrets_directory: Path | None = None,
        nats_accounts: Callable[[], dict[str, Any]] | None = None,
        postgres_port: int | None = None,
        nats_port: int | None = None,
        monitor_port: int | None = None,
        max_connections: int = 100,
        durable: bool = True,
    ) -> None:
        """Ports not given are free ones. `postgres.password` in the secrets directory is the superuser's password.

        `durable=False` leaves out PostgreSQL's fsync: for tests only.
        """
        self.data_directory = data_directory.resolve()
        secrets_directory = (secrets_directory or data_directory / "secrets").resolve()
        password_file = secrets_directory / "postgres.password"
        self.postgres = PostgresServer(
            self.data_directory / "postgres",
            password_file,
            postgres_port,
            max_connections=max_connections,
            durable=durable,
        )
        self.nats = NatsServer(self.data_directory / "nats", nats_port, monitor_port, nats_accounts)
        self._lock: int | None = None

    @property
    def state_file(self) -> Path:
        """Where the ports are kept."""
        return self.data_directory / "servers.json"

    def start(self) -> None:
        """Start both and wait until they answer. Does nothing when they run; EmbeddedError says what is wrong."""
        make_data_directory(self.data_directory)
        self._take_lock()
        try:
            self._recall_ports()
            self.postgres.start()
            self.nats.start()
        except BaseException:
            self.stop()
            raise
        ports = {"postgres": self.postgres.port, "nats": self.nats.port, "monitor": self.nats.monitor_port}
        write_private(self.state_file, json.dumps(ports) + "\n")

    def stop(self) -> None:
        """End both in order: NATS first, PostgreSQL by a fast shutdown."""
        try:
            self.nats.stop()
        finally:
            self.postgres.stop()
            self._release_lock()

    def kill(self) -> None:
        """End both as a power cut would."""
        self.nats.kill()
        self.postgres.kill()
        self._release_lock()

    def restart(self) -> None:
        """Stop and start, on the same ports."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _recall_ports(self) -> None:
        try:
            ports = json.loads(self.state_file.read_text())
            recalled = int(ports["postgres"]), int(ports["nats"]), int(ports["monitor"])
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError) as error:
            raise DataDirectoryError(
                f"{self.state_file} is not what it was written as; delete it, new ports are chosen"
            ) from error
        postgres, nats, monitor = recalled
        self.postgres.port = self.postgres.port or postgres
        self.nats.port = self.nats.port or nats
        self.nats.monitor_port = self.nats.monitor_port or monitor

    def _take_lock(self) -> None:
        if self._lock is not None:
            return
        lock = os.open(self.data_directory / "servers.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(lock)
            raise DirectoryInUseError(
                f"another process runs the servers of {self.data_directory}: "
                "wait until it ends, stop it, or choose another directory with --data"
            ) from error
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
