"""How hearing an event can fail, and how patient the consumer is with it."""

from dataclasses import dataclass

import asyncpg
import sqlalchemy.exc
from pydantic import ValidationError

from eventstore.errors import LogUnavailable, VersionConflict

_ERROR_LENGTH_MOST = 1_000
_OUT_OF_SERVICE = ("08", "25P", "40", "53", "55", "57", "58")
"""SQLSTATE classes: connection lost, out of resources, shutting down, lost a race. Nobody's mistake: try again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a consumer is, in seconds of real time."""

    not_yet_seconds: float = 120.0
    """How long a fact may be awaited (NotYet) before the event becomes a dead letter."""
    tries: int = 5
    """How often a handler may fail by an error of its own before the event becomes a dead letter."""
    handler_seconds: float = 30.0
    retry_seconds: float = 0.1
    """The first pause after a failure; it doubles each time."""
    retry_seconds_most: float = 10.0
    blocked_seconds_most: float = 60.0
    """The longest pause between tries of an event whose dead letter blocks."""
    letters_seconds: float = 1.0
    """How often the table of dead letters is looked at for what was decided."""
    silent_seconds: float = 90.0
    """How long events may wait without a sign of life before it is subscribed anew. Longer than whatever may rightly
    keep a consumer still: a handler (30), an append tried twice at a slow database (70), a message delivered to a
    holder that died (15), a pause between tries (12.5, 75 at a letter that blocks)."""


class Wait(Exception):
    """The next event must be tried again after `seconds`. `why` is for health and logs."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.why, self.seconds = why, seconds


class Blocked(Wait):
    """A dead letter holds the source: it is tried again now and then, when asked, or passed when dismissed."""


class HandlerFailed(Exception):
    """A handler failed for good; the message is what a dead letter may keep."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(describe(cause))


def is_transient(error: BaseException) -> bool:
    """Whether waiting may mend it: the database or the network, not the event or the handler."""
    match error:
        case LogUnavailable() | VersionConflict() | OSError() | TimeoutError():
            return True
        case asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return True
        case sqlalchemy.exc.TimeoutError() | sqlalchemy.exc.InterfaceError() | sqlalchemy.exc.OperationalError():
            return True
        case sqlalchemy.exc.DBAPIError():
            broken = error.orig is not None and isinstance(error.orig.__cause__, asyncpg.InternalClientError)
            return error.connection_invalidated or broken or _out_of_service(error.orig)
        case _:
            return _out_of_service(error)


def _out_of_service(error: BaseException | None) -> bool:
    return str(getattr(error, "sqlstate", None) or "").startswith(_OUT_OF_SERVICE)


def describe(error: BaseException) -> str:
    """An error as it may be kept: its kind and words, without the values that pydantic repeats."""
    match error:
        case HandlerFailed():
            text = str(error)
        case ValidationError():
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            text = f"{error.title}: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        case sqlalchemy.exc.DBAPIError():
            # Its own words repeat the statement's parameters.
            text = f"{type(error).__name__}: {error.orig}"
        case _:
            text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text[:_ERROR_LENGTH_MOST]
