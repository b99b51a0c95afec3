"""What one service process is told from outside: CHAOYANGLI_* variables, and the secret files they point to."""

from functools import cached_property
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.event import SERVICES
from eventstore.config import LogConfig, Role
from eventstore.nats_api import API, api_prefix
from eventstore.origins import log_name, read_generation, read_generations
from servicekit.log_keys import KeyFiles
from servicekit.nats_keys import seed_file
from servicekit.secrets import read_bytes_secret, read_nats_seed, read_text_secret

SERVICE_PORTS = {"orders": 8101, "volunteers": 8102, "ledger": 8103, "notify": 8104}
"""Default HTTP port of each service."""
CODE_PATTERN = r"^[a-z][a-z0-9_]{0,31}$"


MONITOR_PORT = 8222


def monitor_url(nats_url: str, given: str | None) -> str | None:
    """Where NATS's monitor is. Not guessed on this machine, where another NATS may have taken the usual port."""
    if given:
        return given.rstrip("/")
    host = urlsplit(nats_url).hostname
    return None if host in {None, "localhost", "127.0.0.1", "::1"} else f"http://{host}:{MONITOR_PORT}"


class ServiceSettings(BaseSettings):
    """Settings of one service process. Every field is CHAOYANGLI_<FIELD> in the environment.

    Secrets are files in `secrets_dir`, never variables: `<service>_app.password`, `<service>.kek`, `<service>.hmac`,
    `<service>.signing_key`, `nats_<service>.nk`.
    """

    model_config = SettingsConfigDict(
        env_prefix="CHAOYANGLI_",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,  # a deployment passes on what nobody set as an empty word
        ignored_types=(cached_property,),
    )

    service: str = Field(pattern=CODE_PATTERN)
    community: str = Field(default="chaoyangli", pattern=CODE_PATTERN)
    database_host: str = "127.0.0.1"
    """A host name, or the directory of a Unix socket."""
    database_port: int = Field(default=5432, ge=1, le=65_535)
    database_name: str = "chaoyangli"
    secrets_dir: Path
    state_dir: Path
    """Holds <service>/head (the last signed head) and <service>/erasures: outside PostgreSQL and its backups."""
    issuer_jwks: Path
    subscribers_dir: Path | None = None
    """Who outside may read which events; None: `subscribers` in secrets_dir (servicekit.subscribers)."""
    nats_url: str = "nats://127.0.0.1:4222"
    nats_monitor_url: str | None = None
    """Where NATS says how it is; None: port 8222 of its host, unless that is this machine."""
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65_535)
    """0: the service's own default port."""
    heartbeat_file: Path | None = None
    """Touched while the event loop turns; None: nobody looks."""
    clock_file: Path | None = None
    """Business time of a demo's or test's data directory; None: the real clock."""
    witnesses: Path | None = None
    """A trust policy that names the witnesses to ask, with their addresses; None: nobody is asked."""
    publish_seconds: float = Field(default=60, ge=1, le=3_600)
    """The published head is so old at most while the log grows (ledger.md §6.3)."""
    webhook_private: Literal["refused", "allowed"] = "refused"
    """`allowed`: webhooks may be on private addresses, and plain http. For tests and a laptop only."""
    otlp_endpoint: str | None = None
    """The base URL of an OpenTelemetry collector that takes OTLP/HTTP; None: nothing is traced."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @field_validator("otlp_endpoint")
    @classmethod
    def _is_a_base_url(cls, given: str | None) -> str | None:
        if given is None:
            return None
        url = urlsplit(given)
        if url.scheme not in {"http", "https"} or not url.hostname or "@" in url.netloc or url.query or url.fragment:
            raise ValueError("is a base URL such as http://collector:4318, without a user and without a query")
        return given.rstrip("/")

    @model_validator(mode="after")
    def _has_a_port(self) -> Self:
        if self.http_port == 0 and self.service not in SERVICE_PORTS:
            raise ValueError(f"CHAOYANGLI_HTTP_PORT is needed: {self.service} has no default port")
        return self

    @property
    def nats_monitor(self) -> str | None:
        """Where NATS says how it is; None where nobody knows."""
        return monitor_url(self.nats_url, self.nats_monitor_url)

    @property
    def otlp_traces(self) -> str | None:
        """Where spans are posted; None: nowhere."""
        return None if self.otlp_endpoint is None else f"{self.otlp_endpoint.removesuffix('/v1/traces')}/v1/traces"

    @property
    def port(self) -> int:
        """The HTTP port to listen on."""
        return self.http_port or SERVICE_PORTS[self.service]

    def log_config(self, role: Role = "app") -> LogConfig:
        """How to reach this service's log as one of its PostgreSQL roles. Raises SecretMissing, OriginUnreadable."""
        return LogConfig(
            service=self.service,
            community=self.community,
            host=self.database_host,
            port=self.database_port,
            database=self.database_name,
            password=read_text_secret(self.secrets_dir / f"{self.service}_{role}.password"),
            idempotency_secret=self.hmac_secret if role == "app" else b"",
            role=role,
            generations=read_generations(self.state_dir, self.community, {*SERVICES, self.service}),
        )

    @property
    def subscribers(self) -> Path:
        """The directory of outside subscribers, a file each; it need not be there."""
        return self.subscribers_dir or self.secrets_dir / "subscribers"

    @property
    def nats_seed(self) -> str | None:
        """The seed of this service's NATS user; None when its file is not there (a server without users).

        Raises SecretMissing when the file is there and holds none.
        """
        if not seed_file(self.secrets_dir, self.service).exists():
            return None
        return read_nats_seed(self.secrets_dir, self.service)

    @property
    def heard_api(self) -> str:
        """What JetStream's API is called for the streams of other services: a server with users keeps them apart.

        Raises SecretMissing.
        """
        return API if self.nats_seed is None else api_prefix(self.community)

    @cached_property
    def kek(self) -> bytes:
        """The vault's key-encryption key, 32 bytes. Raises SecretMissing."""
        return read_bytes_secret(self.secrets_dir / f"{self.service}.kek")

    @cached_property
    def hmac_secret(self) -> bytes:
        """The secret under which request bodies are compared, 32 bytes. Raises SecretMissing."""
        return read_bytes_secret(self.secrets_dir / f"{self.service}.hmac")

    @property
    def key_files(self) -> KeyFiles:
        """Where the keys lie that sign the log's heads."""
        return KeyFiles(self.secrets_dir, self.community, self.service, self.generation)

    @property
    def origin(self) -> str:
        """The checkpoint origin of the log, `chaoyangli/orders`. Raises OriginUnreadable."""
        return f"{self.community}/{log_name(self.service, self.generation)}"

    @property
    def generation(self) -> int:
        """Which origin of the log counts, from 1. Raises OriginUnreadable."""
        return read_generation(self.state_dir, self.community, self.service)

    @property
    def head_path(self) -> Path:
        """The file of the last signed head."""
        return self.state_dir / self.service / "head"

    @property
    def published_path(self) -> Path:
        """The file of the last published head, with the cosignatures that it got."""
        return self.state_dir / self.service / "published"

    @property
    def erasures_path(self) -> Path:
        """The list of persons erased from this service's vault."""
        return self.state_dir / self.service / "erasures"
