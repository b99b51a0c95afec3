"""The OpenAPI document of a service, completed: what every command takes and answers, every refusal, an example body.

FastAPI knows routes and bodies; it does not know that a command always has a key, that an answer holds positions, nor
which reason codes stand behind a 409.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.routing import BaseRoute

from contracts.command import Channel, Role
from servicekit.examples import example
from servicekit.feed import feed_subscriber
from servicekit.http import command_context, reader
from servicekit.problems import MEDIA_TYPE, RETRY_AFTER_SECONDS, SHARED_SENTENCES, Sentences

SCHEMAS = "#/components/schemas/"


class FieldProblem(BaseModel):
    """One wrong place in a request."""

    pointer: str = Field(description="RFC 6901 pointer into the body, or `header:` / `query:` / `path:` and a name")
    reason_code: str
    detail: str
    detail_zh: str


class Problem(BaseModel):
    """RFC 9457 problem document, with a stable reason_code and sentences in two languages. Nothing was recorded."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    reason_code: str
    title_zh: str
    detail_zh: str
    facts: dict[str, Any] = Field(default={}, description="The numbers and codes behind the refusal")
    errors: list[FieldProblem] = Field(default=[], description="Of `invalid_request`: each wrong place")


class Recorded(BaseModel):
    """What a command recorded; beside these, the ids that it made."""

    positions: dict[str, tuple[int, int]] = Field(
        description="Service → first and last position of its events", examples=[{"orders": [7, 8]}]
    )
    event_ids: list[str] = Field(description="One id an event, in the same order")


_TEXT = {"type": "string"}
_HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "required": True,
        "schema": {**_TEXT, "pattern": "^[!-~]{8,128}$"},
        "description": "8 to 128 visible ASCII characters. A repeat gets the first answer; with another body, 409.",
        "example": "9f1c2b3a-01",
    },
    "If-Version": {
        "schema": {**_TEXT, "pattern": "^[0-9]{1,18}$"},
        "description": "Refuse (409 `stale_version`) unless the thing is at this version.",
        "example": "3",
    },
    "After": {
        "schema": {**_TEXT, "pattern": "^[a-z][a-z0-9_]{0,31}=[0-9]{1,18}(, [a-z][a-z0-9_]{0,31}=[0-9]{1,18})*$"},
        "description": "Positions to be heard first; waits at most 2 s, then 503 `not_caught_up`.",
        "example": "volunteers=4711, orders=12",
    },
    "X-Role": {
        "schema": {**_TEXT, "enum": [role.value for role in Role if role is not Role.SYSTEM]},
        "description": "Act in this one of your roles; absent: the first that may.",
        "example": "DISPATCHER",
    },
    "X-Channel": {
        "schema": {**_TEXT, "enum": [each.value for each in Channel if each is not Channel.SYSTEM], "default": "api"},
        "description": "How the request reached whoever enters it.",
        "example": "phone",
    },
}
_OPEN = (404, 422, 503)
"""Refusals of a query that needs no token."""
_ASKED = (400, 401, 403, 404, 422, 503)
"""Refusals of a query."""
_FED = (400, 401, 403, 409, 422, 503)
"""Refusals of the feed."""
_COMMANDED = (400, 401, 403, 404, 409, 413, 415, 422, 503)
_WITH_TRIES = 429


def complete(app: FastAPI, routes: Sequence[BaseRoute], sentences: Sentences) -> None:
    """Let `app.openapi()` answer the completed document; `routes` are those that it serves."""
    served = [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]
    made: dict[str, Any] = {}
    plain = app.openapi

    def document() -> dict[str, Any]:
        if not made:
            made.update(plain())
            _complete(made, served, {**SHARED_SENTENCES, **sentences})
        return made

    app.openapi = document  # type: ignore[method-assign]


def depends_on(dependant: Dependant, call: object) -> bool:
    """Whether a route's parameters need `call`, directly or through others."""
    return dependant.call is call or any(depends_on(each, call) for each in dependant.dependencies)


def _complete(document: dict[str, Any], routes: Sequence[APIRoute], sentences: Sentences) -> None:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for model in (FieldProblem, Problem, Recorded):
        schema = model.model_json_schema(ref_template=SCHEMAS + "{model}")
        schema.pop("$defs", None)
        schemas[model.__name__] = schema
    by_status = _codes_by_status(sentences)
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["responses"] = {_name(status): _refusal(status, codes) for status, codes in sorted(by_status.items())}
    for route in routes:
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            _complete_operation(operation, route, schemas, by_status)


def _complete_operation(
    operation: dict[str, Any], route: APIRoute, schemas: Mapping[str, Any], by_status: Mapping[int, list[str]]
) -> None:
    is_command = depends_on(route.dependant, command_context)
    if depends_on(route.dependant, feed_subscriber):
        _refuse(operation, _FED, by_status)
        return
    if not is_command and not depends_on(route.dependant, reader):
        if operation["responses"].pop("422", None) is not None:
            _refuse(operation, _OPEN, by_status)
        return
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header" and parameter["name"] in _HEADERS:
            parameter |= {"required": False, **_HEADERS[parameter["name"]]}
    good = operation["responses"][str(route.status_code or 200)]
    if is_command:
        good["content"] = {"application/json": {"schema": {"$ref": SCHEMAS + "Recorded"}}}
        good["description"] = "Recorded."
        good["headers"] = {"Position": {"schema": _TEXT, "description": "`After` of what must see this: `orders=8`"}}
    else:
        good["description"] = "What was asked for."
    operation["responses"].pop("422", None)
    _refuse(operation, (*_COMMANDED, _WITH_TRIES) if is_command else _ASKED, by_status)
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None:
        body["example"] = example(body["schema"], schemas)


def _refuse(operation: dict[str, Any], statuses: Sequence[int], by_status: Mapping[int, list[str]]) -> None:
    for status in statuses:
        if status in by_status:
            operation["responses"][str(status)] = {"$ref": f"#/components/responses/{_name(status)}"}


def _codes_by_status(sentences: Sentences) -> dict[int, list[str]]:
    by_status: dict[int, list[str]] = {}
    for code, (status, _, _) in sentences.items():
        by_status.setdefault(status, []).append(code)
    return {status: sorted(codes) for status, codes in by_status.items()}


def _name(status: int) -> str:
    return "".join(word.capitalize() for word in HTTPStatus(status).phrase.replace("-", " ").split())


def _refusal(status: int, codes: list[str]) -> dict[str, Any]:
    described = ", ".join(f"`{code}`" for code in codes)
    response: dict[str, Any] = {
        "description": f"{HTTPStatus(status).phrase}. reason_code: {described}.",
        "content": {MEDIA_TYPE: {"schema": {"$ref": SCHEMAS + "Problem"}}},
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        seconds = {"schema": {"type": "integer"}, "example": RETRY_AFTER_SECONDS}
        response["headers"] = {"Retry-After": {**seconds, "description": "Seconds; with the same key"}}
    return response
