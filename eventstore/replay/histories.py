"""Where a replay reads the logs that it folds: PostgreSQL, a stream, or a copy that lies elsewhere."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol

import asyncpg

from contracts.envelope import Recorded, UnknownEvent, decode, skim
from contracts.event import ContractError
from eventstore.errors import ReplayFailed, Tampered
from eventstore.stream_reader import StreamMessage

LOG_ROWS = 2_000
"""Events read from PostgreSQL at a time: about what fits between the two processes while we fold."""
MEMORY_EVENTS = 100
"""Events decoded before they are applied in memory: what a processor still has at hand by then."""


class OwnHistory:
    """A log from PostgreSQL, over a connection of its own: the next rows are on their way while these are folded."""

    def __init__(self, connection: asyncpg.Connection, service: str) -> None:
        self._connection = connection
        self._service = service

    async def read(
        self, after: int, up_to: int, at_once: Callable[[], int] = lambda: LOG_ROWS
    ) -> AsyncIterator[list[Recorded]]:
        """The committed events `after` < position ≤ `up_to`, `at_once()` in a batch. Raises Tampered, ReplayFailed."""
        ahead = asyncio.create_task(self._fetch(after, up_to))
        try:
            while after < up_to:
                rows = await ahead
                if not rows:
                    raise Tampered(f"event {after + 1} of {self._service} is missing", after + 1)
                ahead = asyncio.create_task(self._fetch(after + len(rows), up_to))
                await asyncio.sleep(0)  # the request is sent before the processor is ours
                first, after = after + 1, after + len(rows)
                while first <= after:
                    events = self._decoded(rows[first - after - 1 :][: at_once()], first)
                    yield events
                    first += len(events)
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _fetch(self, after: int, up_to: int) -> list[Any]:
        if after >= up_to:
            return []
        rows: list[Any] = await self._connection.fetch(
            f"""SELECT body FROM {self._service}.events WHERE position > $1 AND position <= $2
                ORDER BY position LIMIT {LOG_ROWS}""",
            after,
            up_to,
        )
        return rows

    def _decoded(self, rows: Sequence[Any], first: int) -> list[Recorded]:
        events: list[Recorded] = []
        try:
            for position, row in enumerate(rows, first):
                recorded = skim(row[0])
                if recorded.position != position:
                    raise Tampered(
                        f"where event {position} of {self._service} should be is {recorded.position}", position
                    )
                events.append(recorded)
        except ContractError as error:
            raise ReplayFailed(f"event {first + len(events)} of {self._service} cannot be read: {error}") from error
        return events


class HistoryElsewhere(OwnHistory):
    """A log from where a copy of it lies, its stream or a bundle, instead of PostgreSQL. Nothing in it is believed:
    numbers are checked here, bytes by who gave the reader.
    """

    def __init__(self, reader: "Messages", service: str) -> None:
        self._reader = reader
        self._service = service

    async def _fetch(self, after: int, up_to: int) -> list[Any]:
        if after >= up_to:
            return []
        messages = await self._reader.read(after + 1, min(LOG_ROWS, up_to - after))
        return [(message.body,) for message in messages if message.position <= up_to]

    def _decoded(self, rows: Sequence[Any], first: int) -> list[Recorded]:
        events = super()._decoded(rows, first)
        for recorded in events:
            if recorded.service != self._service:
                raise ReplayFailed(f"event {recorded.position} of {self._service} is one of {recorded.service} there")
        return events


class Messages(Protocol):
    """What is needed of a StreamReader."""

    async def read(self, first: int, limit: int = ...) -> list[StreamMessage]: ...


class HeardHistory:
    """Another service's log as its stream has it. Reads ahead, so that the last events need no waiting."""

    def __init__(self, source: str, reader: Messages) -> None:
        self.source = source
        self._reader = reader
        self._ahead: dict[int, bytes] = {}

    async def read_ahead(self, position: int) -> None:
        """Fetch what the stream has after `position`, up to one batch."""
        while position + 1 in self._ahead:
            position += 1
        for message in await self._reader.read(position + 1):
            self._ahead[message.position] = message.body

    async def position_at(self, moment: datetime, up_to: int) -> int:
        """The last position ≤ `up_to` recorded at or before `moment`; recording times never decrease."""
        low, high = 0, up_to
        while low < high:
            middle = (low + high + 1) // 2
            found = await self._reader.read(middle, 1)
            if not found or found[0].position != middle:
                raise ReplayFailed(f"the stream of {self.source} has no event {middle}, which was heard")
            if datetime.fromisoformat(json.loads(found[0].body)["time"]) <= moment:
                low = middle
            else:
                high = middle - 1
        return low

    def has(self, after: int, up_to: int) -> bool:
        """Whether all of these were read already."""
        return all(position in self._ahead for position in range(after + 1, up_to + 1))

    async def read(self, after: int, up_to: int, left_out: frozenset[int]) -> AsyncIterator[tuple[list[Recorded], int]]:
        """The events `after` < position ≤ `up_to` but those left out and those of unknown types; with their end."""
        while after < up_to:
            if after + 1 not in self._ahead:
                await self.read_ahead(after)
            events: list[Recorded] = []
            begin = after
            while after < up_to and (body := self._ahead.pop(after + 1, None)) is not None:
                after += 1
                if after in left_out:
                    continue
                try:
                    recorded = decode(body)
                except UnknownEvent:
                    continue  # as live: this program does not know what it means
                except ContractError as error:
                    raise ReplayFailed(f"event {after} of {self.source} cannot be read: {error}") from error
                if (recorded.position, recorded.service) != (after, self.source):
                    raise Tampered(f"message {after} of {self.source} is event {recorded.position} there", after)
                events.append(recorded)
            if after == begin:
                raise ReplayFailed(
                    f"the stream of {self.source} lacks event {after + 1}, which was heard: let its relay fill it first"
                )
            yield events, after
