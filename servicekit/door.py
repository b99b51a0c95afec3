"""What listens on the HTTP port from the first moment: answers for a service that still starts, then hands over."""

import json

from starlette.types import ASGIApp, Receive, Scope, Send

from servicekit.problems import MEDIA_TYPE, RETRY_AFTER_SECONDS, ProblemBook
from servicekit.status import Status


class Door:
    """An ASGI app that is /livez and a /readyz of 503 until `open` gives it the service's own app."""

    def __init__(self, status: Status) -> None:
        self._status = status
        self._app: ASGIApp | None = None
        self._book = ProblemBook()

    def open(self, app: ASGIApp) -> None:
        """From now on requests go to the service's app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is not None:
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        if scope["path"] == "/livez":
            await _answer(send, 200, "application/json", {"status": "ok"})
        elif scope["path"] == "/readyz":
            reasons = [f"{name}: {reason}" for name, reason in sorted(self._status.not_ready.items())] or ["starting"]
            document = {"status": "unavailable", "degraded": [], "reasons": reasons, "positions": {}, "lags": {}}
            await _answer(send, 503, "application/json", document)
        else:
            problem = {**self._book.document("log_unavailable"), "instance": scope["path"]}
            await _answer(send, 503, MEDIA_TYPE, problem)


async def _answer(send: Send, status: int, media_type: str, document: object) -> None:
    body = json.dumps(document, ensure_ascii=False).encode()
    headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
