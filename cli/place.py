"""Where the system is: a data directory with servers of its own, or the one that CHAOYANGLI_* variables describe."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from cli.directory import DirectoryTaken, StackError, StackInfo, in_use, made_for, read_info
from cli.embedded import HOST
from cli.output import err
from cli.stack import Stack
from eventstore.config import LogConfig, Role
from eventstore.nats_api import api_prefix
from eventstore.origins import log_name, read_generation, read_generations
from servicekit.log_keys import KeyFiles
from servicekit.secrets import read_nats_seed, read_text_secret
from servicekit.settings import SERVICE_PORTS, monitor_url

SERVICES = tuple(SERVICE_PORTS)
DEFAULT_DATA = Path(".chaoyangli")


@dataclass(frozen=True, slots=True)
class Place:
    """Everything a command needs to find: databases, streams, HTTP, secrets and signed heads."""

    community: str
    secrets_dir: Path
    state_dir: Path
    database_host: str
    database_port: int
    database_name: str
    nats_url: str
    urls: dict[str, str]
    data: Path | None = None
    info: StackInfo | None = None

    def log_config(self, service: str, role: Role = "auditor") -> LogConfig:
        """How to reach one service's log in this role."""
        return LogConfig(
            service=service,
            community=self.community,
            host=self.database_host,
            port=self.database_port,
            database=self.database_name,
            password=read_text_secret(self.secrets_dir / f"{service}_{role}.password"),
            role=role,
            generations=read_generations(self.state_dir, self.community, SERVICES),
        )

    def origin(self, service: str, generation: int | None = None) -> str:
        """The origin under which a log is signed now, or in another generation. Raises OriginUnreadable."""
        counted = generation or read_generation(self.state_dir, self.community, service)
        return f"{self.community}/{log_name(service, counted)}"

    def log_name(self, service: str) -> str:
        """How a log is named now: `orders`, `orders/2`. Raises OriginUnreadable."""
        return self.origin(service).removeprefix(f"{self.community}/")

    async def connect(self, service: str, role: Role = "auditor") -> asyncpg.Connection:
        """A connection to one service's schemas, reading only unless another role is asked for."""
        return await asyncpg.connect(**self.log_config(service, role).connect_arguments("cli"))

    def key_files(self, service: str, generation: int | None = None) -> KeyFiles:
        """Where the keys lie that sign this service's heads, in the origin that counts or in another."""
        counted = generation or read_generation(self.state_dir, self.community, service)
        return KeyFiles(self.secrets_dir, self.community, service, counted)

    @property
    def head_directory(self) -> Path:
        """Where the signed heads and erasure lists lie, a folder a service."""
        return self.state_dir

    @property
    def nats_monitor_url(self) -> str | None:
        """Where NATS says how it is; None where nobody knows."""
        if self.data is None:
            return monitor_url(self.nats_url, os.environ.get("CHAOYANGLI_NATS_MONITOR_URL"))
        try:
            return f"http://{json.loads((self.data / 'nats.conf').read_text(encoding='utf-8'))['http']}"
        except (OSError, ValueError, KeyError):
            return None

    @property
    def streams_api(self) -> str:
        """What JetStream's API is called for operator and auditor: all streams are in other accounts than theirs."""
        return api_prefix(self.community)

    def nats_arguments(self, user: str = "auditor") -> dict[str, Any]:
        """Arguments for nats.connect as the user who may read every stream and change nothing, or as another."""
        return {
            "servers": self.nats_url,
            "nkeys_seed_str": read_nats_seed(self.secrets_dir, user),
            "inbox_prefix": f"_INBOX_{user}",
            "connect_timeout": 2,
            "max_reconnect_attempts": 1,
            "allow_reconnect": False,
        }


@contextmanager
def located(data: Path | None, *, running: bool = False) -> Iterator[Place]:
    """Find the system. Without a running stack its PostgreSQL and NATS are started for as long as this lasts.

    `running`: do not start anything. Raises StackError when there is nothing to find, or nothing running.
    """
    if data is None and "CHAOYANGLI_SECRETS_DIR" in os.environ:
        yield from_environment()
        return
    directory = data or DEFAULT_DATA
    info = read_info(directory)
    if in_use(directory):
        if info is None:
            raise DirectoryTaken(f"{directory}: the system is being started or stopped just now: try again")
        yield _of_stack(directory, info)
        return
    if made_for(directory) is None:
        raise StackError(f"{directory}: nothing was started here; begin with `chaoyangli up --data {directory}`")
    if running:
        raise StackError(f"{directory}: nothing runs here; start it with `chaoyangli up --data {directory}`")
    err.print("… nothing runs here: PostgreSQL and NATS are started for this command")
    stack = Stack(directory)
    stack.start_servers()
    try:
        yield place_of(stack.data, stack.servers.postgres.port, stack.servers.nats.url, {})
    finally:
        stack.servers.stop()


def _of_stack(directory: Path, info: StackInfo) -> Place:
    place = place_of(directory.resolve(), info.postgres_port, info.nats_url, info.urls)
    return Place(**{**{name: getattr(place, name) for name in Place.__slots__}, "info": info})


def place_of(data: Path, postgres_port: int, nats_url: str, urls: dict[str, str]) -> Place:
    """What lies in a data directory whose servers answer at these addresses."""
    return Place(
        community="chaoyangli",
        secrets_dir=data / "secrets",
        state_dir=data / "state",
        database_host=HOST,
        database_port=postgres_port,
        database_name="chaoyangli",
        nats_url=nats_url,
        urls=urls,
        data=data,
    )


def files_alone(community: str, secrets_dir: Path, state_dir: Path) -> Place:
    """A place for what asks no server."""
    return Place(community, secrets_dir, state_dir, "", 0, "", "", {})


def from_environment() -> Place:
    """The container deployment: each service is a host of its own name. Raises StackError."""
    environment = os.environ
    try:
        return Place(
            community=environment.get("CHAOYANGLI_COMMUNITY", "chaoyangli"),
            secrets_dir=Path(environment["CHAOYANGLI_SECRETS_DIR"]),
            state_dir=Path(environment["CHAOYANGLI_STATE_DIR"]),
            database_host=environment.get("CHAOYANGLI_DATABASE_HOST", HOST),
            database_port=int(environment.get("CHAOYANGLI_DATABASE_PORT", "5432")),
            database_name=environment.get("CHAOYANGLI_DATABASE_NAME", "chaoyangli"),
            nats_url=environment.get("CHAOYANGLI_NATS_URL", f"nats://{HOST}:4222"),
            urls={
                service: environment.get(f"CHAOYANGLI_URL_{service.upper()}", f"http://{service}:{port}")
                for service, port in SERVICE_PORTS.items()
            },
        )
    except (KeyError, ValueError) as error:
        raise StackError(f"CHAOYANGLI_* variables are incomplete: {error}") from None
