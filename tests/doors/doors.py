"""All four services behind real ports, in a thread of their own: asked by blocking clients, as strangers ask them."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey

from contracts.command import Role
from servicekit.process import ServiceDefinition, ServiceProcess
from servicekit.secrets import ISSUER_KEY, init_secrets
from servicekit.settings import ServiceSettings
from servicekit.tokens import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE, issue, load_issuer_key
from services.ledger.app import definition as ledger
from services.notify.app import definition as notify
from services.orders.app import definition as orders
from services.volunteers.app import definition as volunteers
from tests.servicekit.world import World, migrate
from tests.support.servers import Database, TestNats
from tests.support.waiting import PATIENCE_SECONDS, eventually_blocking

SERVICES: tuple[ServiceDefinition, ...] = (orders, volunteers, ledger, notify)
NAMES = tuple(definition.name for definition in SERVICES)
STAFF = UUID("0199a0c0-0000-7000-8000-0000000000d0")
"""Somebody who holds whatever role a test gives them."""
EVERY_ROLE = tuple(role for role in Role if role is not Role.SYSTEM)


@dataclass
class Doors:
    """Where the services are, and what strangers bring to them."""

    urls: Mapping[str, str]
    issuer: OKPKey
    database: Database
    settings: Mapping[str, ServiceSettings]
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=PATIENCE_SECONDS))

    def token(self, *roles: Role, actor_id: UUID = STAFF) -> str:
        return issue(self.issuer, actor_id, roles)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token, or of one that is wrong in a single respect."""
        now = int(time.time())
        claims: dict[str, Any] = {"iss": ISSUER, "sub": str(STAFF), "aud": AUDIENCE, "iat": now, "exp": now + 300}
        claims |= {"jti": uuid4().hex, "roles": [{"role": role.value} for role in EVERY_ROLE]}
        return claims | changes

    def signed(self, claims: Mapping[str, Any], key: OKPKey | None = None, **header: Any) -> str:
        key = key or self.issuer
        head = {"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": self.issuer.kid, **header}
        return jwt.encode(head, dict(claims), key, algorithms=[ALGORITHM])

    def headers(self, *roles: Role, **more: str) -> dict[str, str]:
        """Of a command with a fresh key, by somebody with every role unless some are named."""
        return {
            "Authorization": f"Bearer {self.token(*(roles or EVERY_ROLE))}",
            "Idempotency-Key": str(uuid4()),
            **{name.replace("_", "-"): value for name, value in more.items()},
        }

    def ask(self, service: str, method: str, path: str, **options: Any) -> httpx.Response:
        return self.client.request(method, self.urls[service] + path, **options)

    def size(self, service: str) -> int:
        """How many events the service has recorded, by its own word."""
        positions: dict[str, int] = self.ask(service, "GET", "/readyz").json()["positions"]
        return positions[service]

    def openapi(self, service: str) -> dict[str, Any]:
        document: dict[str, Any] = self.ask(service, "GET", "/openapi.json").json()
        return document


@contextlib.contextmanager
def open_doors(database: Database, nats: TestNats, directory: Path) -> Iterator[Doors]:
    """Migrate, start all four, wait until each accepts commands and hears the others; stop them in order."""
    secrets = directory / "secrets"
    init_secrets(secrets, NAMES)
    for seed in secrets.glob("nats_*.nk"):
        seed.unlink()  # the tests' NATS has no users
    world = World(database, directory, secrets)
    settings = {d.name: world.settings(d.name, nats_url=nats.url) for d in SERVICES}
    stop, loop = asyncio.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        await migrate(database, secrets, *SERVICES)
        async with asyncio.TaskGroup() as group:
            for definition in SERVICES:
                _ = group.create_task(ServiceProcess(definition).serve(stop, settings[definition.name]))

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="doors")
    thread.start()
    urls = {name: f"http://127.0.0.1:{given.port}" for name, given in settings.items()}
    doors = Doors(urls, load_issuer_key(secrets / ISSUER_KEY), database, settings)
    try:
        for name in NAMES:
            eventually_blocking(lambda name=name: _is_open(doors, name))  # type: ignore[misc]
        yield doors
    finally:
        doors.client.close()
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "the services did not stop"
        loop.close()


def _is_open(doors: Doors, service: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        answer = doors.ask(service, "GET", "/readyz")
        return answer.status_code == 200 and answer.json()["status"] == "ok"
    return False
