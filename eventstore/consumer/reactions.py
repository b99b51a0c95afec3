"""What a service does when it hears an event of another: declared in its `reactions.py`, run by the consumer."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from uuid import UUID, uuid5

from contracts.command import Command, Refused
from contracts.envelope import Recorded
from contracts.event import Event
from eventstore.clock import Clock
from eventstore.executor import Plan, StreamState
from eventstore.log import Log

if TYPE_CHECKING:
    from eventstore.vault import Vault


@dataclass(frozen=True, slots=True)
class NotYet:
    """The answer of a handler that needs a fact of another source which has not been heard so far.

    The event is tried again after a while, and becomes a dead letter after the limit. `position`: the one waited for.
    """

    source: str
    position: int | None = None
    why: str = ""

    def __str__(self) -> str:
        at = f" at {self.position}" if self.position is not None else ""
        return f"not yet heard: {self.source}{at}{f' ({self.why})' if self.why else ''}"


class ReactionContext:
    """What a handler may look at: its own service's facts, never another's database."""

    def __init__(
        self, log: Log, clock: Clock, vault: "Vault | None", stream: Callable[[str], Awaitable[StreamState]]
    ) -> None:
        self.log = log
        self._clock = clock
        self._vault = vault
        self._stream = stream

    @property
    def vault(self) -> "Vault":
        """The service's vault. Raises RuntimeError in a service that has none."""
        if self._vault is None:
            raise RuntimeError(f"{self.log.service} has no vault")
        return self._vault

    def now(self) -> datetime:
        """Business time now. An event's own time, such as `placed_at`, is in the event."""
        return self._clock.now()

    async def state(self, stream: str) -> Any:
        """A stream's folded state, with what earlier events of this batch led to.

        Should the stream move before the handler's commands for it are recorded, the handler is called again.
        """
        return (await self._stream(stream)).state


Answer = Sequence[Command] | Plan | NotYet | None
"""Commands for this service's aggregates; a Plan where vault changes go with them; nothing; or NotYet."""
React = Callable[[Recorded, ReactionContext], Awaitable[Answer]]
RefusalOutcome = Literal["ignore", "dead_letter"] | Callable[[Refused, Recorded], Sequence[Command]]
"""What a refused command of a reaction comes to: dropped, a dead letter, or other commands instead."""

F = TypeVar("F", bound=React)


@dataclass(frozen=True, slots=True)
class Handler:
    """One declared reaction."""

    name: str
    react: React
    fresh: bool
    blocks: bool
    refusals: Mapping[str, RefusalOutcome] = field(default_factory=dict)

    def outcome_of(self, refused: Refused) -> RefusalOutcome:
        """What this refusal comes to: the reason_code's entry, else that of `*`, else a dead letter."""
        return self.refusals.get(refused.reason_code, self.refusals.get("*", "dead_letter"))


class Reactions:
    """All reactions of a service to one source.

    `refusals` maps a reason_code (or `*`: any other) to its outcome for all handlers. A message that cannot be read
    blocks its source, or is passed with `unreadable="pass"`; events of unknown types are skipped. With no handler at
    all, the source's events only fill this service's copies.
    """

    def __init__(
        self,
        source: str,
        *,
        refusals: Mapping[str, RefusalOutcome] | None = None,
        unreadable: Literal["block", "pass"] = "block",
    ) -> None:
        self.source = source
        self.unreadable_blocks = unreadable == "block"
        self._refusals = dict(refusals or {})
        self._handlers: dict[type[Event], list[Handler]] = {}

    def on(
        self,
        event_class: type[Event],
        *,
        fresh: bool = False,
        blocks: bool = True,
        refusals: Mapping[str, RefusalOutcome] | None = None,
        name: str | None = None,
    ) -> Callable[[F], F]:
        """Declare a handler of this event; its name, by default the function's, is stable: dead letters carry it.

        `fresh`: everything heard before is committed when it is called, so its queries see it. `blocks`: what a
        permanent failure does to the source. `refusals` come before those of the Reactions.
        """
        if event_class.service != self.source:
            raise ValueError(f"{event_class.__name__} is not an event of {self.source}")

        def declare(react: F) -> F:
            handlers = self._handlers.setdefault(event_class, [])
            called = name or str(getattr(react, "__name__", type(react).__name__))
            if called.startswith("-") or any(handler.name == called for handler in handlers):
                raise ValueError(f"{called!r} cannot be the name of another handler of {event_class.__name__}")
            handlers.append(Handler(called, react, fresh, blocks, {**self._refusals, **(refusals or {})}))
            return react

        return declare

    def handlers(self, event_class: type[Event]) -> Sequence[Handler]:
        """The handlers of this class, in the order declared."""
        return self._handlers.get(event_class, ())


def derived_id(recorded: Recorded, *names: object) -> UUID:
    """An id that follows from the event heard and these names: a repeat of the reaction makes the same one."""
    return uuid5(recorded.event_id, "/".join(map(str, names)))
