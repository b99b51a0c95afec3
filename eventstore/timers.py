"""Deadlines: a command that falls due is issued once, however often and by however many processes that is tried.

The event that starts a deadline carries `due_at`; a read model lists what is due; this task asks for it in business
time and executes it. The idempotency key (scope `timer`) makes a second firing harmless, and so does the decider's
guard: a deadline that no longer holds is refused, and nothing is recorded.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from contracts.command import Refused
from eventstore.clock import Clock
from eventstore.errors import LogUnavailable, VersionConflict
from eventstore.model import Call, Committed, Metadata

if TYPE_CHECKING:
    from eventstore.executor import Plan

INTERVAL_SECONDS = 0.2
LIMIT = 200
_RETRY_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
_WAITING_MAX = 10_000

_TIMER = Metadata(actor="system")


@dataclass(frozen=True, slots=True)
class DueCommand:
    """One thing that has fallen due. `key` names the deadline (`expire-offer:<offer id>`), so it happens once."""

    key: str
    build: Callable[[], Awaitable["Plan"]]


Due = Callable[[datetime, int], Awaitable[Sequence[DueCommand]]]
"""(business time, limit) → what is due by then, the longest overdue first."""
Observe = Callable[[str, str], None]
"""(key, outcome): outcome is `fired`, `repeated`, or `refused:<reason_code>`."""


class Executes(Protocol):
    """What the timer needs of an Executor."""

    async def execute(
        self, build: Callable[[], Awaitable["Plan"]], metadata: Metadata, call: Call | None = None
    ) -> Committed: ...


class Timer:
    """Issues what falls due, every 200 ms of real time. Run it under OneActive("timer"); two at once do no harm."""

    def __init__(
        self, executor: Executes, clock: Clock, due: Due, observe: Observe | None = None, limit: int = LIMIT
    ) -> None:
        self._executor = executor
        self._clock = clock
        self._due = due
        self._observe = observe or _unobserved
        self._limit = limit
        self._waiting: dict[str, tuple[float, int]] = {}
        """Keys that were refused or repeated, with the moment of the next try and the number of tries so far."""

    async def run(self) -> None:
        """Fire for ever. An unreachable log ends the task, to be started again by its supervisor."""
        while True:
            fired = await self.fire_due()
            if fired < self._limit:
                await asyncio.sleep(INTERVAL_SECONDS)

    async def fire_due(self) -> int:
        """Issue what is due now; return how many commands recorded something. Raises LogUnavailable."""
        fired = 0
        for command in await self._due(self._clock.now(), self._limit):
            waits_until, tries = self._waiting.get(command.key, (0.0, 0))
            if time.monotonic() < waits_until:
                continue
            outcome = await self._fire(command)
            self._observe(command.key, outcome)
            if outcome == "fired":
                self._waiting.pop(command.key, None)
                fired += 1
            else:
                self._wait(command.key, tries)
        return fired

    async def _fire(self, command: DueCommand) -> str:
        try:
            committed = await self._executor.execute(command.build, _TIMER, Call("timer", command.key, b""))
        except Refused as refused:
            return f"refused:{refused.reason_code}"
        except LogUnavailable:
            raise
        except VersionConflict:
            return "refused:busy"
        return "repeated" if committed.replayed else "fired"

    def _wait(self, key: str, tries: int) -> None:
        """A read model may list for a while what its guard refuses: ask again later, and ever more rarely."""
        if len(self._waiting) >= _WAITING_MAX:
            self._waiting.clear()
        self._waiting[key] = (time.monotonic() + _RETRY_SECONDS[min(tries, len(_RETRY_SECONDS) - 1)], tries + 1)


def _unobserved(_key: str, _outcome: str) -> None:
    return
