"""An HTTP client of the services for programs that act for many people: tokens, keys and positions are seen to."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self
from uuid import UUID, uuid4

import httpx
from joserfc.jwk import OKPKey

from contracts.command import Role
from servicekit.tokens import RoleGrant, issue

TOKEN_LIFE_SECONDS = 600
TOKEN_RENEWED_SECONDS = 120
TRIES_MAX = 8


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts: their id, the roles they hold (each perhaps within a scope), and for whom they act."""

    person_id: UUID
    roles: tuple[tuple[Role, str | None], ...]
    on_behalf_of: UUID | None = None

    @classmethod
    def of(cls, person_id: UUID, *roles: Role, on_behalf_of: UUID | None = None) -> Self:
        """Return an actor who holds roles everywhere."""
        return cls(person_id, tuple((role, None) for role in roles), on_behalf_of)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command was answered with. `positions` go into the `After` of whoever must see its effect."""

    status: int
    body: Mapping[str, Any]
    positions: Mapping[str, int]


class ProblemError(Exception):
    """A service said no: its problem document."""

    def __init__(self, status: int, document: Mapping[str, Any], request: str) -> None:
        self.status = status
        self.document = document
        self.reason_code = str(document.get("reason_code", "unknown"))
        detail = document.get("detail_zh") or document.get("detail") or document.get("title")
        super().__init__(f"{request}: {status} {self.reason_code}: {detail}")


@dataclass
class Client:
    """Speaks to the services. Use as an async context manager. A command is sent again with the same key on 503."""

    urls: dict[str, str]
    """Service → base URL; may be changed while the client is used."""
    issuer_key: OKPKey
    positions: dict[str, int] = field(default_factory=dict)
    """The highest position that any answer named, by service."""
    timeout_seconds: float = 30.0

    def __post_init__(self) -> None:
        # Each request looks at every idle connection: many of them cost more than connecting again now and then.
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=16)
        self._http = httpx.AsyncClient(timeout=self.timeout_seconds, limits=limits)
        self._tokens: dict[Actor, tuple[float, str]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    def token(self, actor: Actor, *, bootstrap: bool = False) -> str:
        """A token for this actor, made anew when the last one is about to expire."""
        if bootstrap:
            return issue(self.issuer_key, actor.person_id, [], bootstrap=True)
        renewed_at, token = self._tokens.get(actor, (0.0, ""))
        # Real time: a machine that slept has tokens that expired meanwhile.
        if time.time() - renewed_at > TOKEN_LIFE_SECONDS - TOKEN_RENEWED_SECONDS or not token:
            grants = [RoleGrant(role=role, scope=scope) for role, scope in actor.roles]
            token = issue(
                self.issuer_key,
                actor.person_id,
                grants,
                on_behalf_of=actor.on_behalf_of,
                ttl_seconds=TOKEN_LIFE_SECONDS,
            )
            self._tokens[actor] = (time.time(), token)
        return token

    async def command(
        self,
        service: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        actor: Actor,
        method: str = "POST",
        role: Role | None = None,
        channel: str | None = None,
        after: Mapping[str, int] | None = None,
        key: str | None = None,
        bootstrap: bool = False,
    ) -> Answer:
        """Send one command. `after` is what must have been heard first (None: everything answered so far).

        Raises ProblemError, or httpx.TransportError when the service cannot be reached.
        """
        headers = {"Idempotency-Key": key or str(uuid4())}
        if role is not None:
            headers["X-Role"] = role.value
        if channel is not None:
            headers["X-Channel"] = channel
        self._after(headers, self.positions if after is None else after, service)
        say_who = partial(self.token, actor, bootstrap=bootstrap)
        response = await self._send(say_who, method, service, path, headers, json=body if body is not None else {})
        document: dict[str, Any] = response.json()
        positions = {name: int(last) for name, (_, last) in document.get("positions", {}).items()}
        for name, position in positions.items():
            self.positions[name] = max(position, self.positions.get(name, 0))
        return Answer(response.status_code, document, positions)

    async def query(
        self,
        service: str,
        path: str,
        *,
        actor: Actor,
        params: Mapping[str, str | int | Sequence[str]] | None = None,
        role: Role | None = None,
        after: Mapping[str, int] | None = None,
    ) -> Any:
        """Ask one question; the answer's JSON. Raises ProblemError."""
        headers: dict[str, str] = {}
        if role is not None:
            headers["X-Role"] = role.value
        self._after(headers, self.positions if after is None else after, service)
        return (await self._send(partial(self.token, actor), "GET", service, path, headers, params=params)).json()

    async def paper(self, service: str, path: str, *, actor: Actor) -> bytes:
        """Fetch something to print, such as a PDF. Raises ProblemError."""
        headers: dict[str, str] = {}
        self._after(headers, self.positions, service)
        content: bytes = (await self._send(partial(self.token, actor), "GET", service, path, headers)).content
        return content

    async def health(self, service: str) -> dict[str, Any]:
        """What /readyz says, whatever its status."""
        response = await self._http.get(f"{self.urls[service]}/readyz")
        document: dict[str, Any] = response.json()
        return document

    @staticmethod
    def _after(headers: dict[str, str], positions: Mapping[str, int], service: str) -> None:
        others = {name: position for name, position in positions.items() if name != service and position}
        if others:
            headers["After"] = ", ".join(f"{name}={position}" for name, position in sorted(others.items()))

    async def _send(
        self, token: Callable[[], str], method: str, service: str, path: str, headers: dict[str, str], **arguments: Any
    ) -> Any:
        for attempt in range(1, TRIES_MAX + 1):
            last = attempt == TRIES_MAX
            # Asked for each time: between two tries a service may have come back elsewhere, and a token have expired.
            url = f"{self.urls[service]}{path}"
            headers["Authorization"] = f"Bearer {token()}"
            try:
                response = await self._http.request(method, url, headers=headers, **arguments)
            except httpx.TransportError:
                # The answer may be lost, the command not: the same key makes the repeat safe.
                if last:
                    raise
                await asyncio.sleep(min(0.2 * 2**attempt, 5.0))
                continue
            if response.status_code == httpx.codes.SERVICE_UNAVAILABLE and not last:
                await asyncio.sleep(min(float(response.headers.get("Retry-After", "1")), 5.0))
                continue
            if response.status_code == httpx.codes.UNAUTHORIZED and not last and _expired(response):
                # This process, or the machine, stood still between making the token and sending it.
                self._tokens.clear()
                continue
            if response.is_error:
                raise ProblemError(response.status_code, _document(response), f"{method} {service} {path}")
            return response
        raise AssertionError("unreachable: the last try returns or raises")


def _expired(response: httpx.Response) -> bool:
    return _document(response).get("reason_code") == "token_expired"


def _document(response: httpx.Response) -> Mapping[str, Any]:
    try:
        document = response.json()
    except ValueError:
        return {"title": response.text[:200]}
    return document if isinstance(document, dict) else {"title": str(document)[:200]}
