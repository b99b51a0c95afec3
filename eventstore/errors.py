"""What can go wrong in the engine.

EngineError
├── VersionConflict        a stream is not at the version the append expected
├── KeyReused              an idempotency key came again with another body
├── StepConflict           a consumer's step was taken already, or not its turn
├── ConstraintBroken       a read-model constraint refused the append (name in `constraint`)
├── EventRefused           an event or append that can never be stored (too large, too many)
├── ReadModelMismatch      the read models are of another version or position: stop and replay
├── LogUnavailable         PostgreSQL did not answer; nothing is known to be recorded
├── NotCaughtUp            a position of another service was not heard within the wait (HTTP 503)
├── StreamDiverged         JetStream holds something else than the log: stop, raise an alarm
│   └── LogBehindStream    the stream has events that the log lacks: nothing may be appended any more
└── Tampered               the log does not hash to what was signed, or has a gap
    └── UncountedEvent     there is an event after the last that the head counts: nothing may be appended before a look
"""

from typing import Any


class EngineError(Exception):
    """The root of all engine errors; the message carries the facts."""


class VersionConflict(EngineError):
    """A stream is not at the version the append expected: decide again on its present state."""

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(f"wrong expected version of {stream}: expected {expected}, actual {actual}")
        self.stream, self.expected, self.actual = stream, expected, actual


class KeyReused(EngineError):
    """An idempotency key came again with another body: nothing was done."""

    def __init__(self, scope: str, key: str) -> None:
        super().__init__(f"idempotency key {key!r} of {scope} was used with another body")
        self.scope, self.key = scope, key


class StepConflict(EngineError):
    """A consumer's step was taken already, or it is not its turn: read the position again."""

    def __init__(self, source: str, expected: int, actual: int) -> None:
        super().__init__(f"consumer of {source} is at {actual}, the step expected {expected}")
        self.source, self.expected, self.actual = source, expected, actual


class ConstraintBroken(EngineError):
    """A constraint on a read-model row refused the append, such as two live times of one person."""

    def __init__(self, constraint: str, detail: str) -> None:
        super().__init__(f"constraint {constraint} refused: {detail}")
        self.constraint, self.detail = constraint, detail


class EventRefused(EngineError):
    """The events can never be stored as they are."""


class ReadModelMismatch(EngineError):
    """The read models belong to another version of the code or another position than the head."""


class LogUnavailable(EngineError):
    """PostgreSQL was not reached or gave up; whether the append is recorded is unknown: retry with the key."""


class NotCaughtUp(EngineError):
    """A position of another service was not heard within the wait."""

    def __init__(self, source: str, wanted: int, heard: int) -> None:
        super().__init__(f"{source} is heard up to {heard}, {wanted} was asked for")
        self.source, self.wanted, self.heard = source, wanted, heard


class StreamDiverged(EngineError):
    """The JetStream stream is ahead of the log or holds another event at a position."""


class LogBehindStream(StreamDiverged):
    """The stream has events that the log does not: appending would give their numbers a second content."""


class Tampered(EngineError):
    """What is stored is not what was recorded; `position` is the first event concerned, where one is."""

    def __init__(self, message: str, position: int | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.position, self.facts = position, facts


class UncountedEvent(Tampered):
    """An event lies where the next would be recorded. No append leaves one: somebody went past the append function."""

    def __init__(self, service: str, position: int, head_size: int) -> None:
        super().__init__(
            f"{service} has an event {position} and its head counts {head_size}: somebody put it there past the"
            f" service, and nothing is recorded until a person has looked: run `chaoyangli verify --service {service}`",
            position,
            head_size=head_size,
        )


class ReplayFailed(EngineError):
    """A history could not be folded: which event, and why."""
