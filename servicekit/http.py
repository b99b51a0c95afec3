# ruff: noqa: A005 - `servicekit.http` is never imported as a bare `http`
"""HTTP for commands and queries: who calls, under which key, after which positions; and the answer with its positions.

A route of a service is three steps: take a `Commanding` (or `Reading`) dependency, say how the plan is built, hand both
to `command`. Everything else (token, headers, strict body, waiting, errors) happens here.
"""

import json
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends, Header, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.command import Ask, By, Channel, Role
from eventstore.errors import VersionConflict
from eventstore.model import Call, Committed, Metadata
from servicekit.access import AccessTable
from servicekit.problems import Problem
from servicekit.tokens import Identity, TokenRefused
from servicekit.validation import BODY_BYTES_MAX, check_address, validate_body

if TYPE_CHECKING:
    from eventstore.executor import Plan
    from servicekit.definition import Runtime

_KEY = re.compile(r"[\x21-\x7e]{8,128}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
TRACE = "chaoyangli.traceparent"
"""Where in a request's scope the context of its span stands, when requests are traced."""
_AFTER = re.compile(r"([a-z][a-z0-9_]{0,31})=([0-9]{1,18})")
AFTER_WAIT_SECONDS = 2.0

_bearer = HTTPBearer(
    auto_error=False, description="A short-lived token, Ed25519, signed by the community's issuer key."
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the verified identity, the channel, and the role they want to act in (None: the first that may)."""

    identity: Identity
    channel: Channel
    wanted_role: Role | None
    access: AccessTable

    @property
    def actor_id(self) -> UUID:
        """The acting person."""
        return self.identity.actor_id

    @property
    def on_behalf_of(self) -> UUID | None:
        """For whom they say they act; the service checks the relation in its own read models."""
        return self.identity.on_behalf_of

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles that may be used: all held ones, or only the wanted one."""
        if self.wanted_role is None:
            return self.identity.roles
        return (self.wanted_role,) if self.wanted_role in self.identity.roles else ()

    def by(self, command: type | str, relations: Collection[str] = ()) -> By:
        """Check the access table and return the `By` of the command. Raises Refused (forbidden, role_not_held)."""
        role = self.access.role_for(command, self.identity.roles, relations, self.wanted_role)
        return By(actor_id=self.actor_id, role=role, on_behalf_of=self.on_behalf_of, channel=self.channel)

    def scopes(self, role: Role) -> frozenset[str]:
        """Where the role is held (`grid-03`, `station-leifeng`); empty: everywhere."""
        return self.identity.scopes(role)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """One command request: the caller, its idempotency key and everything that `command` needs to run it."""

    runtime: "Runtime"
    caller: Caller
    idempotency_key: str
    if_version: int | None
    traceparent: str | None
    fingerprint: bytes = field(repr=False)
    """What must be equal for a repeated key to be the same request: method, path, query, represented person, body."""

    @property
    def actor_id(self) -> UUID:
        """The acting person."""
        return self.caller.actor_id

    def by(self, command: type | str, relations: Collection[str] = ()) -> By:
        """See Caller.by."""
        return self.caller.by(command, relations)

    def expecting(self, stream: str) -> dict[str, int]:
        """`expected_versions` for a Plan: the version that the request's If-Version insists on, if any."""
        return {} if self.if_version is None else {stream: self.if_version}


def _runtime(request: Request) -> "Runtime":
    runtime: Runtime = request.app.state.runtime
    return runtime


async def reader(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None,
    x_role: Annotated[
        str | None, Header(alias="X-Role", description="Act in this one of your roles.", examples=["DISPATCHER"])
    ] = None,
    x_channel: Annotated[
        str | None, Header(alias="X-Channel", description="web, phone, paper, kiosk or api.", examples=["phone"])
    ] = None,
    after: Annotated[
        str | None, Header(alias="After", description="Answer only after hearing these.", examples=["orders=12"])
    ] = None,
) -> Caller:
    """Authenticate, read address and body strictly, wait for the positions of `After`. Of every query."""
    runtime = _runtime(request)
    caller = Caller(_identity(request, credentials, runtime), _channel(x_channel), _role(x_role), runtime.access)
    check_address(request.query_params.multi_items(), request.path_params)
    _check_body(request, await request.body())
    await _wait_after(runtime, after)
    return caller


async def command_context(
    request: Request,
    caller: Annotated[Caller, Depends(reader)],
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="8 to 128 characters; a repeat gets the first answer.",
            examples=["9f1c2b3a-01"],
        ),
    ] = None,
    if_version: Annotated[
        str | None,
        Header(alias="If-Version", description="Refuse unless the thing is at this version.", examples=["3"]),
    ] = None,
) -> CommandContext:
    """The same, with the key and the version that a command brings. The dependency of every command."""
    if idempotency_key is None or _KEY.fullmatch(idempotency_key) is None:
        raise Problem("idempotency_key_required")
    version = _version(if_version)
    represented = str(caller.on_behalf_of or "")
    target = f"{request.method} {quote(request.url.path)}?{request.url.query}\n{represented}\n{version}\n"
    return CommandContext(
        runtime=_runtime(request),
        caller=caller,
        idempotency_key=idempotency_key,
        if_version=version,
        traceparent=request.scope.get(TRACE) or incoming_trace(request.scope),
        fingerprint=target.encode() + await request.body(),
    )


def incoming_trace(scope: Scope) -> str | None:
    """The W3C trace that a request says it belongs to; None where it says none, or not as it is written."""
    traceparent = Headers(scope=scope).get("traceparent", "")
    return traceparent if _TRACEPARENT.fullmatch(traceparent) else None


Reading = Annotated[Caller, Depends(reader)]
"""Dependency of a query: `async def read_order(order_id: UUID, caller: Reading)`."""
Commanding = Annotated[CommandContext, Depends(command_context)]
"""Dependency of a command: `async def place_order(ask: PlaceOrderAsk, context: Commanding)`."""


async def command(
    context: CommandContext,
    build: Callable[[], Awaitable["Plan"]],
    command_class: type,
    *,
    status: int = 200,
    known_as: UUID | None = None,
) -> JSONResponse:
    """Run one command and answer it.

    `known_as` stands in the log as who acted, where the person's own id would say too much: who asks for aid.

    `build` loads facts, checks access (`context.by`) and returns the Plan; it runs again when another command was
    faster. The answer is {"positions": {"orders": [first, last]}, "event_ids": [...], **plan.answer} with the header
    `Position: orders=123`; a repeated key gets the first one again. Raises what `servicekit.problems` answers for.
    """
    runtime = context.runtime
    call = Call(f"{context.actor_id}:{command_class.__name__}", context.idempotency_key, context.fingerprint)
    metadata = Metadata(actor=str(known_as or context.actor_id), traceparent=context.traceparent)
    try:
        committed = await runtime.executor.execute(build, metadata, call)
    except VersionConflict:
        if context.if_version is None:
            raise Problem("busy") from None
        raise
    runtime.metrics.commands.labels(command_class.__name__, "replayed" if committed.replayed else "recorded").inc()
    return answer(runtime.settings.service, committed, status)


def answer(service: str, committed: Committed, status: int = 200) -> JSONResponse:
    """The answer of a recorded command."""
    body = {
        "positions": {service: [committed.first_position, committed.last_position]},
        "event_ids": [str(event_id) for event_id in committed.event_ids],
        **json.loads(json.dumps(dict(committed.answer), default=str)),
    }
    return JSONResponse(body, status_code=status, headers={"Position": f"{service}={committed.last_position}"})


def not_found(**facts: Any) -> Problem:
    """Return the 404 of a thing that is not there, or of which the caller may not know, to be raised."""
    return Problem("not_found", **facts)


class BodyLimit:
    """ASGI middleware: a body of more than 64 KiB is refused (413) as soon as that is known."""

    def __init__(self, app: ASGIApp, bytes_max: int = BODY_BYTES_MAX) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        received = 0

        async def limited() -> Message:
            nonlocal received
            if declared.isdigit() and int(declared) > self._bytes_max:
                raise HTTPException(413)
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._bytes_max:
                raise HTTPException(413)
            return message

        await self._app(scope, limited, send)


def parse_after(header: str) -> dict[str, int]:
    """Read `After: volunteers=4711, orders=12`. Raises Problem("header_invalid")."""
    positions: dict[str, int] = {}
    for part in header.split(","):
        found = _AFTER.fullmatch(part.strip())
        if found is None:
            raise Problem(
                "header_invalid", f"After is written service=position, not {part.strip()[:60]!r}", header="After"
            )
        positions[found[1]] = max(int(found[2]), positions.get(found[1], 0))
    return positions


async def _wait_after(runtime: "Runtime", header: str | None) -> None:
    """Wait for what this service hears; its own log it knows already, and what it never hears it cannot wait for."""
    if not header:
        return
    for source, position in parse_after(header).items():
        if source in runtime.hears:
            await runtime.log.wait_heard(source, position, AFTER_WAIT_SECONDS)


def _identity(request: Request, credentials: HTTPAuthorizationCredentials | None, runtime: "Runtime") -> Identity:
    if credentials is None:
        if request.headers.get("authorization"):
            raise TokenRefused("token_invalid", "the Authorization header is not a bearer token")
        raise TokenRefused("token_missing", "send Authorization: Bearer <token>")
    return runtime.verifier.verify(credentials.credentials)


def _role(header: str | None) -> Role | None:
    if header is None:
        return None
    if header not in Role.__members__ or header == Role.SYSTEM:
        raise Problem("header_invalid", f"X-Role: there is no role {header[:40]!r} for people", header="X-Role")
    return Role(header)


def _channel(header: str | None) -> Channel:
    if header is None:
        return Channel.API
    if header not in {channel.value for channel in Channel if channel is not Channel.SYSTEM}:
        raise Problem(
            "header_invalid", f"X-Channel: there is no channel {header[:40]!r} for people", header="X-Channel"
        )
    return Channel(header)


def _version(header: str | None) -> int | None:
    if header is None:
        return None
    if not (header.isascii() and header.isdigit() and len(header) <= 18):
        raise Problem("header_invalid", "If-Version is a whole number", header="If-Version")
    return int(header)


def _check_body(request: Request, body: bytes) -> None:
    """Validate the JSON strictly against the route's body model, before the lax reading that FastAPI does by itself."""
    model = body_model(request.scope.get("route"))
    if model is None:
        if not body:
            return
        model = _NoFields
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if body and media_type != "application/json":
        raise Problem("unsupported_media_type")
    try:
        body.decode()
    except UnicodeDecodeError:
        raise Problem("body_unreadable") from None
    validate_body(model, body)


class _NoFields(Ask):
    """The body of a command that takes none: absent, or an object without fields."""


def body_model(route: Any) -> type[BaseModel] | None:
    """The model of a route's body, None when it takes none. Raises TypeError for anything but one pydantic model."""
    parameters: list[Any] = route.dependant.body_params if route is not None else []
    if not parameters:
        return None
    annotation = parameters[0].field_info.annotation
    if len(parameters) != 1 or not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        raise TypeError(f"{route.path}: a command's body is one pydantic model")
    return annotation


def positions_header(positions: Mapping[str, int]) -> str:
    """Write positions as `After` and `Position` carry them: `orders=12, volunteers=4711`."""
    return ", ".join(f"{source}={position}" for source, position in sorted(positions.items()))
