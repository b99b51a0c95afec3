"""The whole system in one data directory: PostgreSQL and NATS from their wheels, and the four services as processes.

`<data>/secrets` holds keys and passwords, `<data>/state` the signed heads, `<data>/logs` what the services said, and
`<data>/stack.json` where everything answers. Everything ends when this process ends, even if it is killed.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from cli.directory import DirectoryLock, Mode, StackError, claim, info_file
from cli.embedded import HOST, EmbeddedError, EmbeddedServers, write_private
from cli.embedded.server import Server
from cli.nats_users import SERVICES, nats_accounts
from servicekit.publishing import WITNESSES_FILE
from servicekit.secrets import init_secrets

READY_SECONDS = 60.0
RESTART_SECONDS = (0.5, 1.0, 2.0, 5.0, 15.0)
"""Pauses before a dead service is started again; the last one repeats."""
LASTING_SECONDS = 30.0
FOR_AN_OPERATOR = ("chaoyangli recover", "chaoyangli checkpoint adopt", "adopt a head")
"""Whoever is told to run these would wait in vain for a service that says so."""


class ServiceServer(Server):
    """One service as a child process, ready when its /readyz says that commands are accepted."""

    stop_signals = ((signal.SIGTERM, 12.0),)

    def __init__(self, service: str, directory: Path, environment: dict[str, str], port: int | None = None) -> None:
        super().__init__(directory, port)
        self.service = service
        self._environment = environment
        self.deaths = 0
        self.started = 0.0
        self.died: float | None = None

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.service

    @property
    def url(self) -> str:
        """The base URL of its HTTP API."""
        return f"http://{HOST}:{self.port}"

    def prepare(self, wait: Callable[[], bool]) -> None:  # noqa: ARG002
        self.directory.mkdir(parents=True, exist_ok=True)
        self.started, self.died = time.monotonic(), None

    def command(self) -> Sequence[str]:
        environment = {**self._environment, "CHAOYANGLI_SERVICE": self.service, "CHAOYANGLI_HTTP_PORT": str(self.port)}
        settings = [f"{name}={value}" for name, value in environment.items()]
        return ["/usr/bin/env", *settings, sys.executable, "-m", f"services.{self.service}"]

    def ready(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            said = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        self._refuse_to_wait(said)
        return answer.status == http.HTTPStatus.OK

    def _refuse_to_wait(self, readiness: bytes) -> None:
        """Raises EmbeddedError with the service's own words when it waits for an operator, and for nothing else."""
        try:
            reasons = json.loads(readiness)["reasons"]
        except (ValueError, KeyError, TypeError):
            return  # it is being started or ended
        for reason in reasons:
            if any(command in reason for command in FOR_AN_OPERATOR):
                raise EmbeddedError(f"{self.service} takes no commands: {reason.partition(': ')[2]}")


class Stack:
    """Starts, watches and stops the system of one data directory."""

    def __init__(
        self,
        data: Path,
        *,
        mode: Mode = "real",
        community: str = "chaoyangli",
        ports: dict[str, int] | None = None,
        durable: bool = True,
    ) -> None:
        """In mode `demo` the services follow `<data>/clock.json`, which the caller directs before `start`.

        `ports` may name those of services; others are last time's when free, or any.
        """
        self.data = data.resolve()
        self.mode: Mode = mode
        self.community = community
        self._durable = durable
        self._ports = ports or {}
        self._lock = DirectoryLock(self.data)
        self._servers: EmbeddedServers | None = None
        self.services: dict[str, ServiceServer] = {}

    @property
    def secrets_dir(self) -> Path:
        """Keys and passwords, readable by their owner only."""
        return self.data / "secrets"

    @property
    def clock_file(self) -> Path:
        """Business time of a demo."""
        return self.data / "clock.json"

    @property
    def urls(self) -> dict[str, str]:
        """Service → base URL."""
        return {name: server.url for name, server in self.services.items()}

    @property
    def servers(self) -> EmbeddedServers:
        """PostgreSQL and NATS. Raises StackError before `start`."""
        if self._servers is None:
            raise StackError("the servers have not been started")
        return self._servers

    def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Start everything and return when every service accepts commands. `say` hears one line a step.

        Raises StackError and EmbeddedError; whatever was started until then is stopped.
        """
        self.claim()
        try:
            self.prepare(say)
            say("services")
            self._start_services()
        except BaseException:
            self.stop()
            raise
        self.write_info()

    def prepare(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Secrets, PostgreSQL, NATS and the tables: everything but the services. To be called after `claim`.

        Raises StackError and EmbeddedError; the caller then stops what was started.
        """
        say("secrets")
        init_secrets(self.secrets_dir, SERVICES)
        self.start_servers(say)
        say("migrations")
        self._migrate()

    def start_servers(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Start PostgreSQL and NATS alone: enough for commands that only read the logs."""
        say("PostgreSQL and NATS")
        self._servers = EmbeddedServers(
            self.data,
            secrets_directory=self.secrets_dir,
            nats_accounts=lambda: nats_accounts(self.secrets_dir, self.data / "state", self.community),
            durable=self._durable,
        )
        self._servers.start()

    def stop(self) -> None:
        """Stop services first, then NATS and PostgreSQL, each in order."""
        with ThreadPoolExecutor(max_workers=len(SERVICES)) as pool:
            list(pool.map(lambda server: server.stop(), self.services.values()))
        if self._servers is not None:
            self._servers.stop()
        if self._lock.held:
            info_file(self.data).unlink(missing_ok=True)
            self._lock.free()

    def mend(self) -> list[str]:
        """Start again what has died, with pauses that grow; returns the names of what was started."""
        mended = []
        for server in (self.servers.postgres, self.servers.nats):
            if not server.running:
                server.start()
                mended.append(server.name)
        for name, service in self.services.items():
            if service.running:
                continue
            now = time.monotonic()
            if service.died is None:
                service.died = now
                service.deaths = 1 if now - service.started > LASTING_SECONDS else service.deaths + 1
            if now - service.died >= RESTART_SECONDS[min(service.deaths, len(RESTART_SECONDS)) - 1]:
                service.start(READY_SECONDS)
                mended.append(name)
        if mended:
            self.write_info()
        return mended

    def write_info(self) -> None:
        """Write down where everything answers, for other commands."""
        document = {
            "mode": self.mode,
            "pid": os.getpid(),
            "urls": self.urls,
            "postgres_port": self.servers.postgres.port,
            "nats_url": self.servers.nats.url,
            "pids": {name: server.pid for name, server in self._all().items() if server.pid is not None},
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_private(info_file(self.data), json.dumps(document, indent=1) + "\n")
        ports = {name: server.port for name, server in self.services.items()}
        write_private(self.data / "services.json", json.dumps(ports) + "\n")

    def environment(self) -> dict[str, str]:
        """What every process of this stack is told."""
        environment = {
            **of_the_shell(self.mode, os.environ),
            "CHAOYANGLI_COMMUNITY": self.community,
            "CHAOYANGLI_DATABASE_HOST": HOST,
            "CHAOYANGLI_DATABASE_PORT": str(self.servers.postgres.port),
            "CHAOYANGLI_SECRETS_DIR": str(self.secrets_dir),
            "CHAOYANGLI_ISSUER_JWKS": str(self.secrets_dir / "issuer.jwks"),
            "CHAOYANGLI_STATE_DIR": str(self.data / "state"),
            "CHAOYANGLI_NATS_URL": self.servers.nats.url,
            "CHAOYANGLI_NATS_MONITOR_URL": f"http://{HOST}:{self.servers.nats.monitor_port}",
            "CHAOYANGLI_HTTP_HOST": HOST,
        }
        if (self.data / WITNESSES_FILE).exists() and "CHAOYANGLI_WITNESSES" not in environment:
            environment["CHAOYANGLI_WITNESSES"] = str(self.data / WITNESSES_FILE)
        if self.mode == "demo":
            environment["CHAOYANGLI_CLOCK_FILE"] = str(self.clock_file)
        return environment

    def _all(self) -> dict[str, Server]:
        return {"postgres": self.servers.postgres, "nats": self.servers.nats, **self.services}

    def claim(self) -> None:
        """Hold the directory until `stop`: see `directory.claim`, which raises StackError and DataDirectoryError."""
        claim(self.data, self.mode, self._lock)

    def _migrate(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "servicekit.migrate"],
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"the database could not be migrated:\n{done.stderr.strip()[-2000:]}")

    def _start_services(self) -> None:
        last = _ports_of_last_time(self.data)
        environment = self.environment()
        for name in SERVICES:
            server = ServiceServer(name, self.data / "logs" / name, environment, self._ports.get(name))
            server.port = server.port or last.get(name, 0)
            self.services[name] = server
        with ThreadPoolExecutor(max_workers=len(SERVICES)) as pool:
            list(pool.map(lambda server: server.start(READY_SECONDS), self.services.values()))


def of_the_shell(mode: Mode, shell: Mapping[str, str]) -> dict[str, str]:
    """What docs/operating/settings.md says of the shell's variables: those that a community sets reach the services.

    A demo lives by the shipped figures, whatever the shell says; who watches it is nothing to it.
    """
    files = {f"CHAOYANGLI_{name}" for name in ("POLICY", "HOST_CHARITY", "WITNESSES")}
    words = {f"CHAOYANGLI_{name}" for name in ("FUND_URL", "WEBHOOK_PRIVATE")}
    named = {"CHAOYANGLI_OTLP_ENDPOINT"} | (files | words if mode == "real" else set())
    # A service's working directory is not the shell's.
    return {
        name: str(Path(value).absolute()) if name in files else value
        for name, value in shell.items()
        if name in named and value
    }


def _ports_of_last_time(data: Path) -> dict[str, int]:
    try:
        ports = json.loads((data / "services.json").read_text(encoding="utf-8"))
        return {name: int(port) for name, port in ports.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise EmbeddedError(f"{data / 'services.json'} is not what it was written as; delete it") from error
