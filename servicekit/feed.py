"""`GET /events`: a service's log for subscribers outside, in pages of JSON or as server-sent events that go on.

Who asks shows a feed key and gets the events of its subscriber's list, as the very bytes that are stored and published.
A cursor is the position read last, `4711`; once a loss was accepted (decision 0010) it names the origin, too: `2/4711`.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Receive, Scope, Send

from eventstore.tasks import end, wait_for
from servicekit.feed_tail import OpenFeed, Row, Tail
from servicekit.problems import Problem
from servicekit.subscribers import FEED_KEY_PATTERN, Subscriber
from servicekit.tokens import LEEWAY_SECONDS
from servicekit.validation import Moment, check_address

if TYPE_CHECKING:
    from servicekit.definition import Runtime

HEARTBEAT_SECONDS = 15.0
"""A comment is sent when nothing was for so long, so that whoever stands between keeps the connection."""
WRITE_SECONDS = 30.0
"""A reader that takes nothing for so long is let go; it resumes where it was."""
LAST_WORDS_SECONDS = 1.0
RETRY_MILLISECONDS = 3_000
LIMIT_DEFAULT, LIMIT_MAX = 100, 1_000
PAGE_BYTES = 1_048_576
"""A page ends after the event that passes this size."""
PAGE_LOOKED_MAX = 20_000
"""Positions that one page looks at: a page may be empty and yet not the last."""
STREAM = "text/event-stream"
CURSOR = r"^(?:([2-9]|[1-9][0-9]{1,3})/)?(0|[1-9][0-9]{0,14})$"
_CURSOR = re.compile(CURSOR)
_REFUSED = re.compile(r";\s*q\s*=\s*0(\.0*)?\s*(;|$)")
"""The quality with which a media type is not acceptable (RFC 9110 §12.4.2)."""
_ASKED = {"after", "since", "limit"}
_KEY_NAMES = {"key", "feed_key", "token", "access_token", "authorization"}

_log = structlog.get_logger("servicekit.feed")
_bearer = HTTPBearer(
    auto_error=False, scheme_name="FeedKey", description="A feed key, made by `chaoyangli subscribers add`."
)


async def feed_subscriber(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None
) -> Subscriber:
    """Whose feed this is. The dependency of the feed."""
    given = request.query_params.multi_items()
    if any(name.lower() in _KEY_NAMES or FEED_KEY_PATTERN.search(name + " " + value) for name, value in given):
        raise Problem("feed_key_in_address")
    if credentials is None:
        raise Problem("feed_key_invalid" if request.headers.get("authorization") else "feed_key_missing")
    runtime: Runtime = request.app.state.runtime
    found = await runtime.tail.subscriber(credentials.credentials)
    if found is None:
        raise Problem("feed_key_invalid")
    if not found.types(runtime.service):
        raise Problem("no_events_here", service=runtime.service)
    check_address(given, {})
    wrong = [name for name, _ in given if name not in _ASKED]
    twice = [name for name in _ASKED if len(request.query_params.getlist(name)) > 1]
    if wrong or twice:
        raise RequestValidationError(
            [{"loc": ("query", name[:40]), "type": "extra_forbidden", "msg": "is not asked here"} for name in wrong]
            + [{"loc": ("query", name), "type": "duplicate_field", "msg": "stands twice"} for name in twice]
        )
    return found


def router(runtime: "Runtime") -> APIRouter:
    """The route `GET /events`."""
    routes = APIRouter(tags=["feed"])
    origin = {"schema": {"type": "string"}, "description": "The origin of the log: `chaoyangli/orders`."}
    size = {"schema": {"type": "integer"}, "description": "The log is told up to this position."}
    described = {
        200: {
            "description": "Events after the cursor, oldest first.",
            "headers": {"Log-Origin": origin, "Log-Size": size},
            "content": {
                "application/json": {"schema": _PAGE},
                STREAM: {"schema": {"type": "string", "description": "`id:` cursor, `event:` type, `data:` event"}},
            },
        }
    }

    @routes.get("/events", response_class=Response, responses=described)  # type: ignore[arg-type]
    async def read_events(
        subscriber: Annotated[Subscriber, Depends(feed_subscriber)],
        after: Annotated[str | None, Query(pattern=CURSOR, description="What was read last; absent: nothing.")] = None,
        since: Annotated[
            Moment | None, Query(description="Begin with what was recorded at or after this; not with `after`.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Events of a page at most.")] = LIMIT_DEFAULT,
        last_event_id: Annotated[
            str | None, Header(alias="Last-Event-ID", description="A cursor; goes before `after` and `since`.")
        ] = None,
        accept: Annotated[str, Header(description=f"`{STREAM}`: go on for ever; otherwise one page.")] = "",
    ) -> Response:
        """The events that your list names, byte for byte as published, from any position or time on."""
        if after is not None and since is not None:
            wrong = {"loc": ("query", "since"), "type": "extra_forbidden", "msg": "goes without `after`"}
            raise RequestValidationError([wrong])
        signed = await runtime.tail.size()
        if last_event_id:
            begin = checked_cursor(runtime, last_event_id, signed, "Last-Event-ID")
        elif since is not None:
            await _check_reached(runtime, since)
            # The last one recorded before: everything after it was recorded at or after that time.
            begin = min(await runtime.log.position_at(since - timedelta(microseconds=1)), signed)
        else:
            begin = checked_cursor(runtime, after or "0", signed, "after")
        headers = {"Log-Origin": runtime.settings.origin, "Log-Size": str(signed)}
        if wants_stream(accept):
            return Feed(runtime, subscriber, begin, headers)
        page = await read_page(runtime, subscriber.types(runtime.service), begin, signed, limit)
        return Response(page, media_type="application/json", headers=headers)

    return routes


def wants_stream(accept: str) -> bool:
    """Whether an Accept header names server-sent events, and not only to say that it takes none (`q=0`)."""
    return any(STREAM in media and not _REFUSED.search(media) for media in accept.lower().split(","))


_PAGE = {
    "type": "object",
    "required": ["origin", "size", "next", "more", "events"],
    "properties": {
        "origin": {"type": "string", "description": "The origin of the log"},
        "size": {"type": "integer", "description": "The log is told up to this position"},
        "next": {"type": "string", "pattern": CURSOR, "description": "Ask `after` this next"},
        "more": {"type": "boolean", "description": "Whether there is more to look at now"},
        "events": {"type": "array", "items": {"type": "object"}, "description": "CloudEvents 1.0, as published"},
    },
}


def checked_cursor(runtime: "Runtime", cursor: str, size: int, where: str) -> int:
    """The position of a cursor. Raises Problem when it is none, or one of another history than the log is now."""
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise Problem("header_invalid", f"{where} is no cursor of this feed", header=where)
    generation, position = int(found[1] or 1), int(found[2])
    for loss in runtime.losses[generation - 1 :]:
        if position >= loss.first_lost:
            begin = cursor_of(runtime, loss.first_lost - 1)
            raise Problem("origin_ended", first_lost=loss.first_lost, after=begin, origin=runtime.settings.origin)
    if position > size or generation > len(runtime.losses) + 1:
        raise Problem("position_ahead", size=size, after=cursor, origin=runtime.settings.origin)
    return position


async def _check_reached(runtime: "Runtime", since: datetime) -> None:
    """Raises Problem for a time that is still to come: the feed would begin now, and tell what was not asked for.

    Not by the clock alone: after one that was ahead, events that were told bear such times.
    """
    if since <= datetime.now(UTC) + timedelta(seconds=LEEWAY_SECONDS):
        return
    last = (await runtime.log.head()).recorded_at
    if last is None or since > last:
        raise Problem("since_ahead", since=since.astimezone(UTC).isoformat().replace("+00:00", "Z"))


def cursor_of(runtime: "Runtime", position: int) -> str:
    """How a position is written: with its origin's number, unless that is the first."""
    generation = len(runtime.losses) + 1
    return str(position) if generation == 1 else f"{generation}/{position}"


async def read_page(runtime: "Runtime", types: frozenset[str], after: int, size: int, limit: int) -> bytes:
    """A page as JSON; each event in it is the very bytes that are stored."""
    bodies: list[bytes] = []
    looked, held = after, 0
    while looked < min(size, after + PAGE_LOOKED_MAX) and len(bodies) < limit and held < PAGE_BYTES:
        piece = await runtime.tail.read(looked, size, types)
        taken = piece.events[: limit - len(bodies)]
        bodies += [row.body for row in taken if row.body is not None]
        held += sum(len(row.body or b"") for row in taken)
        looked = taken[-1].position if len(taken) < len(piece.events) else piece.looked
    runtime.metrics.feed_events.inc(len(bodies))
    about = {
        "origin": runtime.settings.origin,
        "size": size,
        "next": cursor_of(runtime, looked),
        "more": looked < size,
    }
    return json.dumps(about).encode()[:-1] + b', "events": [' + b",".join(bodies) + b"]}"


@dataclass(eq=False)
class Feed(Response):
    """Server-sent events, until the reader leaves, falls asleep, loses its key, or the process stops.

    Memory stays small whatever the reader does: the next piece is read when the one before was taken.
    """

    runtime: "Runtime"
    subscriber: Subscriber
    after: int
    given: dict[str, str]

    def __post_init__(self) -> None:
        super().__init__(media_type=STREAM, headers={**self.given, "x-accel-buffering": "no"})
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        tail: Tail = self.runtime.tail
        with tail.opened(self.subscriber) as feed:
            telling = asyncio.create_task(self._tell(feed, send), name="feed")
            others = [asyncio.create_task(_left(receive)), asyncio.create_task(feed.over.wait())]
            try:
                await asyncio.wait([telling, *others], return_when=asyncio.FIRST_COMPLETED)
                if feed.over.is_set():
                    await asyncio.wait([telling], timeout=LAST_WORDS_SECONDS)
                if telling.done():
                    telling.result()
            finally:
                await end([telling, *others])

    async def _tell(self, feed: OpenFeed, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for chunk in self._chunks(feed):
                async with asyncio.timeout(WRITE_SECONDS):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError:
            _log.info("a feed was let go: its reader took nothing", subscriber=self.subscriber.name)
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self, feed: OpenFeed) -> AsyncIterator[bytes]:
        tail, looked = self.runtime.tail, self.after
        origin = self.runtime.settings.origin
        yield f": {origin}\nretry: {RETRY_MILLISECONDS}\nid: {cursor_of(self.runtime, looked)}\n\n".encode()
        while not feed.over.is_set():
            feed.wake.clear()
            piece = await tail.more(looked, feed.subscriber.types(self.runtime.service))
            if piece.looked == looked:
                if not feed.over.is_set() and not await wait_for(feed.wake, HEARTBEAT_SECONDS):
                    yield b":\n\n"
                continue
            looked = piece.looked
            chunk = b"".join(self._block(row) for row in piece.events)
            if not piece.events or piece.events[-1].position < looked:
                # An id alone dispatches nothing and is remembered all the same (WHATWG HTML §9.2.6).
                chunk += f"id: {cursor_of(self.runtime, looked)}\n\n".encode()
            self.runtime.metrics.feed_events.inc(len(piece.events))
            yield chunk

    def _block(self, row: Row) -> bytes:
        """One event. Its bytes are compact JSON and so hold no line end."""
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (
            cursor_of(self.runtime, row.position).encode(),
            row.type.encode(),
            row.body or b"",
        )


async def _left(receive: Receive) -> None:
    """Return when the reader has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


__all__ = ["feed_subscriber", "router"]
