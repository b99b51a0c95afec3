"""How a log reaches its PostgreSQL, and the few numbers that can be set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import URL

from eventstore.origins import log_name

Role = Literal["app", "migrator", "auditor"]


@dataclass(frozen=True, slots=True)
class LogConfig:
    """One service's log, reached as one role. `host` may be the directory of a Unix socket."""

    service: str
    community: str
    host: str
    port: int
    database: str
    password: str = field(repr=False)
    idempotency_secret: bytes = field(repr=False, default=b"")
    """Keys the HMAC that repeated requests are compared by; at least 32 bytes for the role `app`."""
    role: Role = "app"
    generations: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Logs, this one and those it hears, that are no longer in their first origin: service → number of the origin."""

    pool_connections: int = 3
    """Connections for reads, the vault and the relay's bookkeeping; the writer has one of its own."""
    query_connections: int = 4
    """Connections for queries on read models."""
    batch_events: int = 500
    """At most so many events in one commit, unless a single append has more."""
    append_events_max: int = 5_000
    idempotency_days: int = 30
    connect_seconds: float = 5.0
    lock_seconds: float = 8.0
    """Waiting for the head. Longer than `idle_seconds`, so that a stopped holder is thrown out first."""
    idle_seconds: float = 4.0
    """A writer that stopped inside a transaction loses it, and with it the head's lock, after this time."""
    statement_seconds: float = 15.0
    transaction_seconds: float = 30.0

    def log_name(self, service: str) -> str:
        """How the log of a service is named now: `orders`, or after a loss that was accepted `orders/2`."""
        return log_name(service, self.generations.get(service, 1))

    @property
    def name(self) -> str:
        """How this log is named now."""
        return self.log_name(self.service)

    @property
    def generation(self) -> int:
        """Which origin of this log counts, from 1."""
        return self.generations.get(self.service, 1)

    @property
    def schema(self) -> str:
        """The schema of the log itself."""
        return self.service

    @property
    def read_schema(self) -> str:
        """The schema of the live read models."""
        return f"{self.service}_read"

    @property
    def shadow_schema(self) -> str:
        """Where a replay builds read models before they are swapped in."""
        return f"{self.service}_read_shadow"

    @property
    def user(self) -> str:
        """The PostgreSQL role."""
        return f"{self.service}_{self.role}"

    def connect_arguments(self, purpose: str) -> dict[str, Any]:
        """Arguments for asyncpg.connect or create_pool; `purpose` shows in pg_stat_activity."""
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password": self.password,
            "timeout": self.connect_seconds,
            "server_settings": {"application_name": f"{self.service}:{purpose}"},
        }

    def sqlalchemy_url(self) -> URL:
        """The URL for a SQLAlchemy engine on asyncpg."""
        socket = self.host.startswith("/")
        return URL.create(
            "postgresql+asyncpg",
            username=self.user,
            password=self.password,
            host=None if socket else self.host,
            port=None if socket else self.port,
            database=self.database,
            query={"host": self.host, "port": str(self.port)} if socket else {},
        )
