"""The end of the log as outside subscribers see it: one look a process, shared by all feeds that are open.

A feed tells what lies beneath the last signed head, a second behind the log at most: whatever a subscriber was told is
then proved by a head outside PostgreSQL, and no number can get a second content unnoticed, with NATS away or wiped as
well. Every replica reads the same head from the same file, so it does not matter which one a subscriber asks.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import structlog

from contracts.envelope import skim
from eventstore.checkpoint import HeadUnreadable, Signer
from eventstore.errors import Tampered
from eventstore.log import Log
from servicekit.metrics import Metrics
from servicekit.problems import Problem
from servicekit.status import Status
from servicekit.subscribers import Registry, Subscriber, find

FEEDS_MAX = 100
"""Feeds open at once in one process."""
FEEDS_OF_A_SUBSCRIBER_MAX = 4
LOOK_SECONDS = 0.1
"""So often the last signed head is looked for while a feed is open."""
REGISTRY_SECONDS = 1.0
"""So often the subscribers' files are read again while a feed is open: a removed one's feed is closed then."""
READ_ROWS = 1_000
READ_BYTES = 262_144
"""One read ends after the event that passes this size."""
KEPT_ROWS = 2_000
KEPT_BYTES = 4_194_304
"""The newest events are kept up to both limits; a feed that is further behind reads PostgreSQL itself."""
RETRY_AFTER_SECONDS = 10

_log = structlog.get_logger("servicekit.feed")


class Row(NamedTuple):
    """An event as stored; `body` is left out where nobody asked for it."""

    position: int
    type: str
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Piece:
    """What a read found, and how far it looked: the next one goes on after `looked`."""

    events: list[Row]
    looked: int


@dataclass(eq=False)
class OpenFeed:
    """One feed that is open."""

    subscriber: Subscriber
    """As its file says now."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the log grew, or when the feed is over."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the feed must end."""

    def end(self) -> None:
        """Have the feed end soon."""
        self.over.set()
        self.wake.set()


class Tail:
    """What the feeds of one service process share. `run` it as long as the process; `close` it before requests end."""

    def __init__(self, log: Log, signer: Signer, registry: Registry, status: Status, metrics: Metrics) -> None:
        self._log, self._signer, self._registry = log, signer, registry
        self._status, self._metrics = status, metrics
        self._feeds: set[OpenFeed] = set()
        self._somebody = asyncio.Event()
        self._closed = False
        # The pool is small and commands need it, too: feeds that catch up take turns.
        self._reading = asyncio.Semaphore(1)
        self._seen: tuple[int, int] | None = None
        self._registry_read = 0.0
        self._problems: list[str] = []
        self._size = 0
        self._kept: list[Row] = []
        self._kept_after = 0

    @property
    def feeds(self) -> int:
        """How many feeds are open."""
        return len(self._feeds)

    async def size(self) -> int:
        """How many events may be told: those that the last signed head counts. Raises Problem when no head is there."""
        try:
            head = await asyncio.to_thread(self._signer.last_signed)
        except HeadUnreadable as error:
            _log.error("the signed head cannot be read", exc_info=error)
            raise Problem("log_unavailable") from error
        if head is None:
            raise Problem("log_unavailable")
        return head.size

    async def subscriber(self, key: str) -> Subscriber | None:
        """Whose key this is, by the files as they are now."""
        return find(await self._subscribers(), key)

    @contextlib.contextmanager
    def opened(self, subscriber: Subscriber) -> Iterator[OpenFeed]:
        """Count a feed while it is open. Raises Problem (feeds_full, feeds_of_key_full) beyond the limits.

        And log_unavailable once the shared look has stopped over a log that is not whole: it would tell nothing.
        """
        if "feed" in self._status.stopped:
            raise Problem("log_unavailable")
        again = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        mine = sum(feed.subscriber.name == subscriber.name for feed in self._feeds)
        if mine >= FEEDS_OF_A_SUBSCRIBER_MAX:
            raise Problem("feeds_of_key_full", headers=again, open=mine)
        if self._closed or len(self._feeds) >= FEEDS_MAX:
            raise Problem("feeds_full", headers=again)
        feed = OpenFeed(subscriber)
        self._feeds.add(feed)
        self._metrics.feeds_open.set(len(self._feeds))
        self._somebody.set()
        try:
            yield feed
        finally:
            self._feeds.discard(feed)
            self._metrics.feeds_open.set(len(self._feeds))
            if not self._feeds:
                self._somebody.clear()

    def close(self) -> None:
        """End every feed, and open none from now on: the process stops."""
        self._closed = True
        for feed in self._feeds:
            feed.end()

    async def run(self) -> None:
        """Look for what is new, for ever, while somebody has a feed open."""
        while True:
            if not self._feeds:
                self._forget()
                await self._somebody.wait()
            try:
                await self._look()
            except Tampered:
                for feed in self._feeds:
                    feed.end()
                raise
            await asyncio.sleep(LOOK_SECONDS)

    async def read(self, after: int, upto: int, types: frozenset[str]) -> Piece:
        """Events of these types after a position. Raises Tampered when the log has a gap, or says two things of one."""
        if self._kept_after <= after <= upto <= self._kept_after + len(self._kept):
            begin = after - self._kept_after
            rows = list(islice(self._kept, begin, begin + min(upto - after, READ_ROWS)))
        else:
            rows = await self._rows(after, upto, types)
        return self._chosen(rows, after, types)

    async def more(self, after: int, types: frozenset[str]) -> Piece:
        """What is new after a position by the shared look, without asking for the head again."""
        return await self.read(after, self._size, types) if self._size > after else Piece([], after)

    def _chosen(self, rows: list[Row], after: int, types: frozenset[str]) -> Piece:
        found: list[Row] = []
        looked, size = after, 0
        for row in rows:
            looked = row.position
            if row.type not in types or row.body is None:
                continue
            said = skim(row.body)
            if (said.service, said.type, said.position) != (self._log.service, row.type, row.position):
                raise Tampered(f"event {row.position} is stored as another one than its bytes say", row.position)
            found.append(row)
            size += len(row.body)
            if size >= READ_BYTES:
                break
        return Piece(found, looked)

    async def _look(self) -> None:
        if time.monotonic() - self._registry_read >= REGISTRY_SECONDS:
            await self._look_at_subscribers()
        stat = await asyncio.to_thread(self._signer.head_path.stat)
        if self._seen == (stat.st_mtime_ns, stat.st_ino):
            return
        size = await self.size()
        if size > self._size:
            await self._keep(size)
            self._size = size
            for feed in self._feeds:
                feed.wake.set()
        self._seen = (stat.st_mtime_ns, stat.st_ino)

    async def _look_at_subscribers(self) -> None:
        """Feeds go by what their subscriber's file says now; one that is gone, or has another key, ends its feeds."""
        now = {each.name: each for each in await self._subscribers()}
        for feed in self._feeds:
            found = now.get(feed.subscriber.name)
            if found is None or found.feed_key_sha256 != feed.subscriber.feed_key_sha256:
                feed.end()
            else:
                feed.subscriber = found
        self._registry_read = time.monotonic()

    async def _subscribers(self) -> list[Subscriber]:
        found, problems = await asyncio.to_thread(self._registry.scan)
        if problems != self._problems:
            self._problems = problems
            for problem in problems:
                _log.warning("a subscriber's file is passed over", reason=problem)
        if problems:
            # Without their names: everybody may ask whether a service is ready.
            self._status.ails("subscribers", f"files that cannot be read: {len(problems)}, named in the log")
        else:
            self._status.well("subscribers")
        return found

    async def _keep(self, size: int) -> None:
        """Read what is new once for all feeds, unless it is so much that each had better catch up by itself."""
        if not self._size or size - self._size > KEPT_ROWS:
            self._kept, self._kept_after = [], size
            return
        while (end := self._kept_after + len(self._kept)) < size:
            self._kept += await self._rows(end, size, None)
        held = sum(len(row.body or b"") for row in self._kept)
        drop = 0
        while len(self._kept) - drop > KEPT_ROWS or held > KEPT_BYTES:
            held -= len(self._kept[drop].body or b"")
            drop += 1
        self._kept, self._kept_after = self._kept[drop:], self._kept_after + drop

    def _forget(self) -> None:
        self._seen, self._size, self._kept, self._kept_after = None, 0, [], 0

    async def _rows(self, after: int, upto: int, types: frozenset[str] | None) -> list[Row]:
        """Every position after `after`, in order, with the bodies of these types (None: of all). Raises Tampered."""
        async with self._reading:
            rows = await self._log.pool.fetch(
                f"""SELECT position, type, body FROM (
                        SELECT position, type, body, sum(octet_length(body)) OVER (ORDER BY position) AS bytes FROM (
                            SELECT position, type, CASE WHEN $3::text[] IS NULL OR type = ANY ($3) THEN body END AS body
                            FROM {self._log.config.schema}.events WHERE position > $1 AND position <= $2
                            ORDER BY position LIMIT $4) AS looked_at) AS counted
                    WHERE coalesce(bytes, 0) - coalesce(octet_length(body), 0) < $5 ORDER BY position""",  # noqa: S608
                after,
                upto,
                None if types is None else sorted(types),
                READ_ROWS,
                READ_BYTES,
            )
        for position, row in enumerate(rows, after + 1):
            if row["position"] != position:
                raise Tampered(f"the log has no event {position}", position)
        if not rows and upto > after:
            raise Tampered(f"the log has no event {after + 1}", after + 1)
        return [Row(*row) for row in rows]
