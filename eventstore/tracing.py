"""Spans around what the engine does. Who keeps them is given from outside (`Log.open(tracing=…)`); by default nobody.

A span's context travels as a W3C traceparent and nothing else: an append's stands in the events that it records, so a
trace survives the log, the broker and the other process. Attributes name kinds of things and positions; never an id of
a person, never what somebody wrote, never an exception's words, which may quote a row.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Protocol, Self

Attributes = Mapping[str, "str | int | bool | Sequence[str]"]
"""Name → value; names as OpenTelemetry's semantic conventions have them, or `chaoyangli.…`."""


class Kind(Enum):
    """What a span is in a conversation (OpenTelemetry's SpanKind)."""

    INTERNAL = "internal"
    SERVER = "server"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Span(Protocol):
    """One piece of work. As a context manager it ends with its block, and an exception makes it a failed one."""

    @property
    def traceparent(self) -> str | None:
        """Its W3C context, to be handed on; None where nobody traces."""

    def rename(self, name: str) -> None:
        """Give it the name that was not known when it began."""

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""

    def fail(self, kind: str) -> None:
        """It failed; `kind` is a word for the kind of failure, such as an exception's type or a status code."""

    def end(self, error: BaseException | None = None) -> None:
        """It is over; `error`, of which only the type is kept, says that it failed. A second time has no effect."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None: ...


class Tracing(Protocol):
    """Makes spans. No call waits or raises, whatever becomes of them."""

    on: bool
    """Whether somebody keeps them: what costs something to be told is not gathered otherwise."""

    def begin(self, name: str, kind: Kind, parent: str | None, attributes: Attributes | None = None) -> Span:
        """Begin a span below `parent`, a traceparent; a new trace without one, or with one that is none."""

    def past(self, name: str, kind: Kind, parent: str, began_ns: int, attributes: Attributes) -> None:
        """A span that began at `began_ns` (Unix time in nanoseconds) and is over now."""


class _NoSpan:
    """What begins where nobody traces."""

    traceparent = None

    def rename(self, _name: str) -> None:
        return

    def set(self, _attributes: Attributes) -> None:
        return

    def fail(self, _kind: str) -> None:
        return

    def end(self, _error: BaseException | None = None) -> None:
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        return


class _NoTracing:
    """Nobody traces."""

    on = False

    def begin(self, _name: str, _kind: Kind, _parent: str | None, _attributes: Attributes | None = None) -> Span:
        return NO_SPAN

    def past(self, _name: str, _kind: Kind, _parent: str, _began_ns: int, _attributes: Attributes) -> None:
        return


NO_SPAN: Span = _NoSpan()
OFF: Tracing = _NoTracing()


@contextmanager
def ending(spans: Sequence[Span]) -> Iterator[None]:
    """End these spans with the block, all in the same way."""
    try:
        yield
    except BaseException as error:
        for span in spans:
            span.end(error)
        raise
    for span in spans:
        span.end()


@contextmanager
def failing(span: Span) -> Iterator[None]:
    """End the span only when the block fails; who gets through it goes on with the span."""
    try:
        yield
    except BaseException as error:
        span.end(error)
        raise
