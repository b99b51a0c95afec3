"""A log's stream held against the log, byte for byte."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from eventstore.config import LogConfig
from eventstore.stream_reader import BATCH_MESSAGES, StreamMessage, StreamReader
from eventstore.streams import subject
from eventstore.verify.findings import Findings

_LAG_SECONDS = 2.0
"""So long a relay at work is given to bring the last events of the snapshot."""
_LAG_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class StreamCheck:
    """The stream against the log as the snapshot had it.

    `last`: its last sequence. `behind`: events at the end that it lacks, which is lag and no fault. `identical`: it
    lacks none, and differs nowhere.
    """

    last: int
    behind: int
    identical: bool
    first_difference: int | None = None


class StreamComparison:
    """Reads the stream along with the log: sequence = position, and the same id, subject and body."""

    def __init__(self, config: LogConfig, reader: StreamReader, findings: Findings) -> None:
        self._config = config
        self._reader = reader
        self._findings = findings
        self._next = 1
        self._last_before = 0
        self._ended = False
        self._first_difference: int | None = None
        self._subjects: dict[str, str] = {}

    async def begin(self) -> None:
        """See how far the stream is before the log's snapshot is taken: up to there nothing may be missing."""
        self._last_before = await self._reader.last()

    async def check(self, rows: Sequence[Any]) -> None:
        """Compare the next events of the log: rows of position, stream, version, event_id, type, recorded_at, body."""
        if self._ended:
            return
        wanted = {row["position"]: row for row in rows}
        last = rows[-1]["position"]
        while self._next <= last:
            messages = await self._reader.read(self._next, min(BATCH_MESSAGES, last + 1 - self._next))
            if not messages:
                self._ended = True
                return
            for message in messages:
                if message.position > last:
                    self._missing(last + 1)
                    break
                self._missing(message.position)
                self._compare(message, wanted.get(message.position))
                self._next = message.position + 1

    async def catch_up(self, connection: asyncpg.Connection, size: int) -> None:
        """Wait a moment for what the relay has not brought so far, and compare it."""
        patience = _LAG_SECONDS
        while self._next <= size and patience > 0:
            before, self._ended = self._next, False
            rows = await connection.fetch(
                f"""SELECT position, event_id, type, body FROM {self._config.schema}.events
                    WHERE position >= $1 ORDER BY position LIMIT $2""",
                self._next,
                BATCH_MESSAGES,
            )
            if not rows:
                return
            await self.check(rows)
            if self._next == before:
                patience -= _LAG_POLL_SECONDS
                await asyncio.sleep(_LAG_POLL_SECONDS)

    async def end(self, connection: asyncpg.Connection, size: int) -> StreamCheck:
        """The result. `connection` sees the log as it is now."""
        self._missing(min(self._last_before, size) + 1)
        last = await self._reader.last()
        # Not the head row's word: it may count events that are gone.
        events = await connection.fetchval(f"SELECT coalesce(max(position), 0) FROM {self._config.schema}.events")
        if last > events:
            self._differs(events + 1, f"the stream has {last} messages, the log {events} events")
        behind = max(0, size + 1 - self._next)
        identical = self._first_difference is None and not behind
        return StreamCheck(last, behind, identical, self._first_difference)

    def _missing(self, before: int) -> None:
        if self._next < before:
            self._differs(self._next, f"the stream lacks messages {self._next} to {before - 1}")
            self._next = before

    def _compare(self, message: StreamMessage, row: Any) -> None:
        if row is None:
            self._differs(message.position, f"the log has no event {message.position}, the stream has")
            return
        kind = row["type"]
        expected = self._subjects.get(kind)
        if expected is None:
            expected = self._subjects[kind] = subject(self._config.community, self._config.name, kind)
        wrong = []
        if message.body != row["body"]:
            wrong.append("body")
        if message.event_id != str(row["event_id"]):
            wrong.append("id")
        if message.subject != expected:
            wrong.append("subject")
        if wrong:
            found = f"the stream's message {message.position} has another {' and '.join(wrong)} than the log's event"
            self._differs(message.position, found)

    def _differs(self, position: int, message: str) -> None:
        if self._first_difference is None or position < self._first_difference:
            self._first_difference = position
        self._findings.add("stream", message, position)
