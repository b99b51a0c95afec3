"""The relay: carries a log into its JetStream stream, byte for byte, at the same numbers.

It keeps no state of its own. It starts, and starts again after every error, from the stream's last message, once that
message's id and body were compared with the log. A stream that is behind (new, wiped, rolled back) is filled up; one
that is ahead or holds something else ends the relay with StreamDiverged: only a person may decide what is true then.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import asyncpg
import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from eventstore import streams
from eventstore.broker import Connection
from eventstore.durables import RECORD_SECONDS, DurableKeeper
from eventstore.errors import LogBehindStream, StreamDiverged, Tampered
from eventstore.log import Log, RawEvent
from eventstore.publish import BATCH_MOST, PublishFailed, Target, publish, traceparent_of
from eventstore.tasks import end, wait_for
from eventstore.tracing import Attributes, Kind
from eventstore.trouble import NATS_TROUBLE, STORE_TROUBLE

_logger = logging.getLogger(__name__)

POLL_SECONDS = 0.1
"""How often the head row is looked at: another process may have appended, and its ping may be lost."""
CHECK_SECONDS = 5.0
"""How often a quiet relay compares the stream's end with the log again: a store may be wiped under a living server."""
RETRY_SECONDS_MOST = 5.0

_TIME = b'","time":"'


class Relay:
    """One service's relay. `attach` it in every process, `run` it under OneActive("relay").

    Attributes for metrics: `published` (last position known to be in the stream, None before the first look), `size`,
    `errors` by reason, `diverged` (why it stopped, None while it does not).
    """

    def __init__(
        self,
        log: Log,
        connection: Connection,
        *,
        max_bytes: int = streams.MAX_BYTES,
        poll_seconds: float = POLL_SECONDS,
        check_seconds: float = CHECK_SECONDS,
        record_seconds: float = RECORD_SECONDS,
    ) -> None:
        self._log = log
        self._connection = connection
        self._max_bytes = max_bytes
        self._poll_seconds, self._check_seconds = poll_seconds, check_seconds
        self._durables = DurableKeeper(log, connection, lambda: self._checked, self._note, record_seconds)
        self._wake = asyncio.Event()
        self._pinged = asyncio.Event()
        self._checked = False
        """Whether `published` was read from the stream, and nothing has failed since."""
        self._running = False
        self._patience: asyncio.Timeout | None = None
        self._ping: asyncio.Task[None] | None = None
        self._stream_problems: list[str] = []
        self._oldest: datetime | None = None
        self.size = 0
        self.published: int | None = None
        self.errors: Counter[str] = Counter()
        self.last_error = ""
        self.diverged: str | None = None

    @property
    def unpublished(self) -> int | None:
        """Events that the stream does not have; None when nobody has looked so far."""
        return None if self.published is None else max(0, self.size - self.published)

    @property
    def oldest_age_seconds(self) -> float:
        """Age of the oldest event that the stream does not have, 0 when it has all."""
        if not self.unpublished or self._oldest is None:
            return 0.0
        return max(0.0, (datetime.now(UTC) - self._oldest).total_seconds())

    def problems(self) -> list[str]:
        """For health: why the stream is not as it should be. Never a reason to refuse commands."""
        found = list(self._stream_problems)
        if self.diverged is not None:
            found.append(f"the relay has stopped: {self.diverged}")
        elif self._running and not self._checked and self.last_error:
            found.append(f"the relay cannot publish: {self.last_error}")
        return found

    def attach(self) -> None:
        """Have this process's commits wake the relay, here or, by a ping, wherever it runs."""
        self._log.on_commit(self._grown)
        self._connection.on_drop(self._dropped)

    async def run(self) -> None:
        """Publish until cancelled. Raises StreamDiverged and Tampered: then it must not go on."""
        self._checked, self._running = False, True
        beside: list[Coroutine[Any, Any, None]] = [self._poll(), self._listen(), self._durables.run()]
        tasks = [asyncio.create_task(each, name=f"{self._log.service} relay") for each in beside]
        try:
            await self._follow()
        except (StreamDiverged, Tampered) as error:
            self.diverged = str(error)
            _logger.critical("%s: the relay stops: %s", self._log.service, error)
            raise
        finally:
            self._running = False
            self._stream_problems = []
            await end(tasks)

    def _dropped(self) -> None:
        """The answers awaited from a broken connection will not come; what was sent is found out by reading."""
        if self._patience is not None and not self._patience.expired():
            self._patience.reschedule(asyncio.get_running_loop().time())

    async def _follow(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            refused = self._connection.errors["permission"]
            try:
                await self._publish_while_connected()
                failures = 0
            except (PublishFailed, *NATS_TROUBLE, *STORE_TROUBLE) as error:
                self._checked = False
                failures += 1
                reason = "permission" if self._connection.errors["permission"] > refused else _reason(error)
                self._note(reason, error)
                if reason != "fenced" or failures > 1:
                    most = min(0.05 * 2**failures, RETRY_SECONDS_MOST)
                    await asyncio.sleep(most * random.uniform(0.5, 1.0))  # noqa: S311 — jitter needs no secrecy
                continue
            if not await wait_for(self._wake, self._check_seconds):
                self._checked = False

    async def _publish_while_connected(self) -> None:
        try:
            async with asyncio.timeout(None) as self._patience:
                await self._publish_all()
        finally:
            self._patience = None

    async def _publish_all(self) -> None:
        client = await self._connection.client()
        if not self._checked:
            self.published = await self._resume(streams.context(client))
            self._checked = True
        target = Target(client, self._log.community, self._log.config.name)
        assert self.published is not None
        while self.published < self.size:
            events = await self._log.read_raw(self.published, BATCH_MOST)
            if not events:
                return
            _check_order(events, self.published)
            began = time.time_ns()
            self.published = await publish(target, events)
            if self._log.tracing.on:
                self._trace([event for event in events if event.position <= self.published], began)

    def _trace(self, events: Sequence[RawEvent], began_ns: int) -> None:
        """One span an append, below the append's own. Tries that fail are no spans: the figures count them."""
        appends: dict[str, list[RawEvent]] = {}
        for event in events:
            if (traceparent := traceparent_of(event.body)) is not None:
                appends.setdefault(traceparent, []).append(event)
        name = streams.stream_name(self._log.config.name)
        for traceparent, published in appends.items():
            attributes: Attributes = {
                "messaging.system": "nats",
                "messaging.operation.type": "publish",
                "messaging.destination.name": name,
                "messaging.batch.message_count": len(published),
                "chaoyangli.events": [event.type for event in published],
                "chaoyangli.first_position": published[0].position,
            }
            self._log.tracing.past(f"publish {name}", Kind.PRODUCER, traceparent, began_ns, attributes)

    async def _resume(self, js: JetStreamContext) -> int:
        """The position of the stream's last message, which is the log's event of that number. Raises StreamDiverged."""
        service = self._log.service
        ensured = await streams.ensure_stream(js, self._log.community, self._log.config.name, self._max_bytes)
        last = ensured.last_sequence
        self._stream_problems = _stream_problems(ensured)
        if ensured.created:
            _logger.warning("%s: its stream was not there and has been made", service)
        if last:
            await self._compare(js, last)
        # The log is read after the stream: what the stream holds was committed before.
        self.size = max(self.size, (await self._log.head()).size)
        if self.published is not None and last < self.published:
            _logger.warning("%s: the stream fell back from %s to %s", service, self.published, last)
        return last

    async def _compare(self, js: JetStreamContext, last: int) -> None:
        name = streams.stream_name(self._log.config.name)
        try:
            message = await js.get_msg(name, seq=last)
        except NotFoundError as error:
            raise StreamDiverged(f"message {last}, the last of {name}, cannot be read") from error
        stored = await self._log.read_raw(last - 1, 1)
        if not stored:
            raise LogBehindStream(
                f"{name} has {last} messages, the log is shorter: restore the log's tail first,"
                f" by `chaoyangli recover {self._log.service}`"
            )
        message_id = (message.headers or {}).get("Nats-Msg-Id")
        if message_id != str(stored[0].event_id) or message.data != stored[0].body:
            raise StreamDiverged(f"message {last} of {name} is {message_id}, the log has {stored[0].event_id} there")

    def _grown(self, size: int) -> None:
        self.size = max(self.size, size)
        self._wake.set()
        if not self._running and self._connection.connected and (self._ping is None or self._ping.done()):
            self._ping = asyncio.create_task(self._ping_relay())

    async def _ping_relay(self) -> None:
        # Lost pings cost nothing but the time to the next poll.
        with suppress(*NATS_TROUBLE):
            async with asyncio.timeout(1):
                client = await self._connection.client()
                await client.publish(streams.wake_subject(self._log.community, self._log.service), b"")

    async def _poll(self) -> None:
        """Look at the head row, when pinged and every so often: what other processes appended is seen here."""
        while True:
            try:
                size = (await self._log.head()).size
                if size > self.size:
                    self.size = size
                    self._wake.set()
                await self._find_oldest()
            except STORE_TROUBLE as error:
                self._note("postgresql", error)
                await asyncio.sleep(1)
            await wait_for(self._pinged, self._poll_seconds)
            self._pinged.clear()

    async def _find_oldest(self) -> None:
        if not self.unpublished:
            self._oldest = None
        elif self._oldest is None or not self._checked:
            assert self.published is not None
            waiting = await self._log.read_raw(self.published, 1)
            self._oldest = _recorded_at(waiting[0].body) if waiting else None

    async def _listen(self) -> None:
        """Hear pings of replicas, and listeners that ask for their durable."""
        community, service = self._log.community, self._log.service

        async def pinged(_: Msg) -> None:
            self._pinged.set()

        asking = streams.durable_subject(community, service, "*")
        while True:
            client = await self._connection.client()
            subscriptions = []
            try:
                subscriptions.append(await client.subscribe(streams.wake_subject(community, service), cb=pinged))
                subscriptions.append(await client.subscribe(asking, cb=self._durables.asked))
                await self._connection.until_replaced(client)
            except nats.errors.Error as error:
                self._note("disconnected", error)
                await asyncio.sleep(1)
            finally:
                for subscription in subscriptions:
                    with suppress(nats.errors.Error):
                        await subscription.unsubscribe()

    def _note(self, reason: str, error: Exception) -> None:
        self.errors[reason] += 1
        if isinstance(error, NotFoundError) and self._checked:
            # Whoever met it, the stream is gone.
            self._checked = False
            self._wake.set()
        text = f"{reason}: {error}" if str(error) else f"{reason}: {type(error).__name__}"
        if text != self.last_error:
            _logger.warning("%s: relay: %s", self._log.service, text)
        self.last_error = text


def _stream_problems(ensured: streams.EnsuredStream) -> list[str]:
    state, name = ensured.info.state, ensured.info.config.name
    found = []
    if ensured.differs:
        found.append(f"stream {name} is set otherwise than ours: {', '.join(ensured.differs)}")
    if state.last_seq and state.messages != state.last_seq:
        found.append(f"stream {name} holds {state.messages} of {state.last_seq} messages: wipe it to have it refilled")
    return found


def _check_order(events: Sequence[RawEvent], after: int) -> None:
    for position, event in enumerate(events, after + 1):
        if event.position != position:
            raise Tampered(f"the log has no event {position}", position)


def _recorded_at(body: bytes) -> datetime:
    start = body.index(_TIME) + len(_TIME)
    return datetime.fromisoformat(body[start : body.index(b'"', start)].decode())


def _reason(error: Exception) -> str:
    match error:
        case PublishFailed(reason=reason):
            return reason
        case asyncpg.PostgresError() | asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return "postgresql"
        case TimeoutError():
            return "timeout"
        case APIError():
            return "refused"
        case _:
            return "disconnected"
