"""The FastAPI app of one service: its routes, the one error mechanism, the body limit, health and metrics."""

import time
from collections.abc import Iterable, Sequence

import structlog
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eventstore.tracing import Kind, Tracing
from servicekit import adoption, feed, health, openapi, problems, published
from servicekit.definition import Runtime, ServiceDefinition
from servicekit.http import TRACE, BodyLimit, body_model, incoming_trace, reader
from servicekit.metrics import Metrics

_log = structlog.get_logger("servicekit.http")


def build(definition: ServiceDefinition, runtime: Runtime) -> FastAPI:
    """Assemble the app.

    Raises TypeError for a route with a body that is neither a command nor a query (a search by phone number has a body,
    for a number does not belong into an address), or whose body is not one pydantic model: it would be read laxly.
    """
    app = FastAPI(
        title=f"{runtime.settings.community} {definition.name}",
        description=definition.title,
        version="1",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        # It would lead to plain http whoever came by the proxy's https, with token and body, and they would follow.
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    problems.install(app, definition.sentences, runtime.metrics)
    routers = definition.build_app(runtime)
    served = [
        *(routers if isinstance(routers, Sequence) else [routers]),
        health.router(runtime),
        published.router(runtime),
        feed.router(runtime),
    ]
    if definition.policy is not None:
        served.append(adoption.router(definition.policy))
    for router in served:
        for route in router.routes:
            _check_body_is_strict(route)
        app.include_router(router)
    openapi.complete(app, [route for router in served for route in router.routes], definition.sentences)
    app.add_middleware(BodyLimit)
    app.add_middleware(Observed, metrics=runtime.metrics)
    if runtime.log.tracing.on:
        app.add_middleware(Traced, tracing=runtime.log.tracing)
    return app


def _check_body_is_strict(route: BaseRoute) -> None:
    if not isinstance(route, APIRoute) or not _WITH_BODY & set(route.methods or ()):
        return
    body_model(route)
    if not openapi.depends_on(route.dependant, reader):
        raise TypeError(f"{route.path}: a route that takes a body has a `Commanding` or `Reading` parameter")


_WITH_BODY = {"POST", "PUT", "PATCH", "DELETE"}
_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
"""Answers hold people's data: nobody on the way keeps them (ASVS 14.3.2), nothing guesses their type."""


def _headers_beside(given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Those that the answer does not have itself: what is public and never changes says how long it may be kept."""
    named = {name.lower() for name, _ in given}
    return [header for header in _HEADERS if header[0] not in named]


class Observed:
    """ASGI middleware: one log line and one count a request. Paths are logged as templates: no id, no query."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.perf_counter()

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_headers_beside(message["headers"])]}
            await send(message)

        self._metrics.requests_under_way.inc()
        try:
            await self._app(scope, receive, observed)
        finally:
            self._metrics.requests_under_way.dec()
            self._metrics.requests.labels(f"{status // 100}xx").inc()
            _log.debug(
                "request",
                method=scope["method"],
                route=getattr(scope.get("route"), "path", "unknown"),
                status=status,
                milliseconds=round((time.perf_counter() - began) * 1000, 1),
            )


_NOT_TRACED = frozenset({"/livez", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traced:
    """ASGI middleware: one span a request, which goes on with the trace that its `traceparent` names.

    Named by method and template: no path with an id, no query, no header, no body. Probes are no requests of anybody.
    """

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _NOT_TRACED:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        attributes = {"http.request.method": method}
        with self._tracing.begin(method, Kind.SERVER, incoming_trace(scope), attributes) as span:
            scope[TRACE] = span.traceparent

            async def answered(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set({"http.response.status_code": message["status"]})
                    if message["status"] >= 500:
                        span.fail(str(message["status"]))
                await send(message)

            try:
                await self._app(scope, receive, answered)
            except Exception:
                span.set({"http.response.status_code": 500})  # Starlette answers that, outside of all middleware
                raise
            finally:
                route = getattr(scope.get("route"), "path", None)
                if route is not None:
                    span.rename(f"{method} {route}")
                    span.set({"http.route": route})
