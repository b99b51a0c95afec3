"""A small world for a sample service: settings, tokens, and the service called without a port."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from contracts.command import Role
from servicekit import app
from servicekit.metrics import Metrics
from servicekit.migrate import MigrateSettings, migrate_service
from servicekit.process import Runtime, ServiceDefinition, open_runtime
from servicekit.secrets import ISSUER_JWKS, ISSUER_KEY, init_secrets
from servicekit.settings import ServiceSettings
from servicekit.status import Status
from servicekit.tokens import issue, load_issuer_key
from tests.support.ports import free_port
from tests.support.servers import Database, TestPostgres

ANNA = UUID("0199a0c0-0000-7000-8000-00000000000a")
BO = UUID("0199a0c0-0000-7000-8000-00000000000b")


@dataclass(frozen=True)
class World:
    """A migrated database and its secrets."""

    database: Database
    directory: Path
    secrets: Path

    def settings(self, service: str, **changes: Any) -> ServiceSettings:
        fields: dict[str, Any] = {
            "service": service,
            "database_host": self.database.host,
            "database_port": self.database.port,
            "database_name": self.database.name,
            "secrets_dir": self.secrets,
            "state_dir": self.directory / "state",
            "issuer_jwks": self.secrets / ISSUER_JWKS,
            "nats_url": "nats://127.0.0.1:9",
            "http_port": free_port(),
        }
        return ServiceSettings(**{**fields, **changes})

    def token(self, *roles: Role, actor_id: UUID = ANNA, on_behalf_of: UUID | None = None) -> str:
        key = load_issuer_key(self.secrets / ISSUER_KEY)
        return issue(key, actor_id, roles or (Role.DISPATCHER,), on_behalf_of=on_behalf_of)

    def headers(self, *roles: Role, actor_id: UUID = ANNA, **more: str) -> dict[str, str]:
        """Headers of a command with a fresh key; `more` are further ones, `_` for `-`."""
        return {
            "Authorization": f"Bearer {self.token(*roles, actor_id=actor_id)}",
            "Idempotency-Key": str(uuid4()),
            **{name.replace("_", "-"): value for name, value in more.items()},
        }


@dataclass(frozen=True)
class Served:
    """A service that answers `client`."""

    world: World
    runtime: Runtime
    app: FastAPI
    client: httpx.AsyncClient

    def headers(self, *roles: Role, actor_id: UUID = ANNA, **more: str) -> dict[str, str]:
        return self.world.headers(*roles, actor_id=actor_id, **more)

    async def size(self) -> int:
        return (await self.runtime.log.head()).size

    async def publish(
        self, code: str = "haircut", more: Mapping[str, str] | None = None, **headers: Any
    ) -> httpx.Response:
        body = {"item_code": code, "minutes": 30}
        return await self.client.post("/v1/items", json=body, headers={**self.headers(**headers), **(more or {})})


@contextlib.asynccontextmanager
async def served(world: World, definition: ServiceDefinition, **settings: Any) -> AsyncIterator[Served]:
    """Open a service's runtime and app, without its tasks."""
    given = world.settings(definition.name, **settings)
    runtime = await open_runtime(definition, given, Status(), Metrics(definition.name))
    try:
        built = app.build(definition, runtime)
        transport = httpx.ASGITransport(built, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://sample") as client:
            yield Served(world, runtime, built, client)
    finally:
        await runtime.log.close()


async def migrate(database: Database, secrets: Path, *definitions: ServiceDefinition) -> None:
    """Make, or bring up to date, the schemas and roles of these services."""
    settings = MigrateSettings(
        database_host=database.host,
        database_port=database.port,
        database_name=database.name,
        superuser_password=SecretStr(database.superuser_password),
        secrets_dir=secrets,
    )
    for definition in definitions:
        await migrate_service(settings, definition.name, definition.read_models)


@dataclass(frozen=True)
class Template:
    """A migrated database to copy, for migrating anew for each test takes a second; and the secrets that go with it."""

    server: TestPostgres
    database: Database
    secrets: Path
    definitions: Sequence[ServiceDefinition]

    @contextlib.asynccontextmanager
    async def copied(self, directory: Path) -> AsyncIterator[World]:
        """A world of its own, as empty as the template."""
        database = await asyncio.to_thread(self.server.create_database, self.database.name)
        # Roles belong to the whole server: another test may have given them other passwords.
        await migrate(database, self.secrets, *self.definitions)
        yield World(database, directory, self.secrets)
        await asyncio.to_thread(self.server.drop_database, database.name)


@contextlib.contextmanager
def template(server: TestPostgres, secrets: Path, *definitions: ServiceDefinition) -> Iterator[Template]:
    """Migrate these services once. Their NATS has no users, so nobody has a seed."""
    init_secrets(secrets, [definition.name for definition in definitions])
    for seed in secrets.glob("nats_*.nk"):
        seed.unlink()
    database = server.create_database()
    with asyncio.Runner() as runner:
        runner.run(migrate(database, secrets, *definitions))
    yield Template(server, database, secrets, definitions)
    server.drop_database(database.name)
