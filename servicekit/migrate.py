"""Bring the database to what the services need: `python -m servicekit.migrate`, once, before they start.

Uses the superuser, who is nobody else: services run with roles that may only append. Waits until PostgreSQL answers.
Safe to run again, and by two at once.
"""

import asyncio
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

import asyncpg
import structlog
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from eventstore.config import LogConfig
from eventstore.errors import EngineError
from eventstore.migrate import RolePasswords, migrate
from eventstore.origins import read_generations
from eventstore.read_model import ReadModel
from servicekit import logs
from servicekit.definition import ServiceDefinition
from servicekit.rebuild import AUDITOR, rebuild_read_models
from servicekit.secrets import SUPERUSER_PASSWORD, SecretMissing, read_nats_seed, read_text_secret
from servicekit.settings import CODE_PATTERN, SERVICE_PORTS

WAIT_SECONDS = 60.0
_NOT_UP = (OSError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError, TimeoutError)

_log = structlog.get_logger("servicekit.migrate")


class MigrateSettings(BaseSettings):
    """CHAOYANGLI_* variables of the migrator."""

    model_config = SettingsConfigDict(env_prefix="CHAOYANGLI_", extra="ignore", frozen=True)

    community: str = Field(default="chaoyangli", pattern=CODE_PATTERN)
    database_host: str = "127.0.0.1"
    database_port: int = Field(default=5432, ge=1, le=65_535)
    database_name: str = "chaoyangli"
    database_superuser: str = "postgres"
    superuser_password: SecretStr | None = None
    """Better left out: then it is read from <secrets_dir>/postgres.password."""
    secrets_dir: Path
    state_dir: Path | None = None
    """Says which origin of a log counts, and so which stream its copies are rebuilt from."""
    nats_url: str = "nats://127.0.0.1:4222"
    """Only needed to rebuild copies of other services' logs."""
    services: str = ",".join(SERVICE_PORTS)
    """The services to migrate, with commas between."""
    wait_seconds: float = Field(default=WAIT_SECONDS, ge=0)

    def dsn(self, database: str) -> str:
        """How to reach a database as the superuser; the host may be a socket's directory. Raises SecretMissing."""
        if self.superuser_password is not None:
            password = self.superuser_password.get_secret_value()
        else:
            password = read_text_secret(self.secrets_dir / SUPERUSER_PASSWORD)
        place = urlencode({"host": self.database_host, "port": self.database_port})
        user = f"{quote(self.database_superuser, safe='')}:{quote(password, safe='')}"
        return f"postgresql://{user}@/{quote(database, safe='')}?{place}"


def definition_of(service: str) -> ServiceDefinition:
    """The `definition` in services/<service>/app.py, by name: this layer knows no service."""
    found = importlib.import_module(f"services.{service}.app").definition
    if not isinstance(found, ServiceDefinition):
        raise TypeError(f"services.{service}.app.definition is not a ServiceDefinition")
    return found


async def migrate_service(
    settings: MigrateSettings, service: str, read_models: Sequence[ReadModel], up_to: int | None = None
) -> list[str]:
    """Make one service's roles, schemas and empty read models; return the names of the migrations applied.

    `up_to`: the last migration to apply, where it is not to be all.
    """
    passwords = {
        role: read_text_secret(settings.secrets_dir / f"{service}_{role}.password")
        for role in ("app", "migrator", "auditor")
    }
    dsn = settings.dsn(settings.database_name)
    return await migrate(dsn, service, RolePasswords(**passwords), read_models, up_to)


async def migrate_all(settings: MigrateSettings) -> None:
    """Wait for PostgreSQL, make the database if it is not there, then migrate every service and rebuild what is old."""
    await _database_is_there(settings)
    for service in filter(None, settings.services.split(",")):
        read_models = definition_of(service.strip()).read_models
        applied = await migrate_service(settings, service.strip(), read_models)
        _log.info("migrated", migrated=service, applied=applied)
        await rebuild_service(settings, service.strip(), read_models)


async def rebuild_service(settings: MigrateSettings, service: str, read_models: Sequence[ReadModel]) -> None:
    """Make one service's read models anew from the logs when they are of another version than this program's."""
    config = LogConfig(
        service=service,
        community=settings.community,
        host=settings.database_host,
        port=settings.database_port,
        database=settings.database_name,
        password=read_text_secret(settings.secrets_dir / f"{service}_migrator.password"),
        role="migrator",
        generations=(
            {}
            if settings.state_dir is None
            else read_generations(settings.state_dir, settings.community, SERVICE_PORTS)
        ),
    )
    try:
        seed = read_nats_seed(settings.secrets_dir, AUDITOR)
    except SecretMissing:
        seed = None  # a server without users
    await rebuild_read_models(config, read_models, settings.nats_url, seed, settings.wait_seconds)


async def _database_is_there(settings: MigrateSettings) -> None:
    connection = await _connected(settings)
    try:
        name = settings.database_name
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
            quoted = await connection.fetchval("SELECT quote_ident($1)", name)
            try:
                await connection.execute(f"CREATE DATABASE {quoted} TEMPLATE template0 ENCODING 'UTF8'")
            except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
                _log.info("another migrator made the database", database=name)
    finally:
        await connection.close()


async def _connected(settings: MigrateSettings) -> asyncpg.Connection:
    deadline = time.monotonic() + settings.wait_seconds
    while True:
        try:
            return await asyncpg.connect(settings.dsn("postgres"))
        except _NOT_UP as error:
            if time.monotonic() >= deadline:
                raise
            _log.info("waiting for PostgreSQL", error=type(error).__name__)
            await asyncio.sleep(0.5)


def main() -> int:
    """Run it; 0 when everything is there, 1 with one sentence on standard error otherwise."""
    logs.configure("migrate")
    try:
        asyncio.run(migrate_all(MigrateSettings()))
    except (EngineError, SecretMissing, OSError, TimeoutError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"migrate: {type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
