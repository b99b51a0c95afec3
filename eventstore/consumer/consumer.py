"""The consumer: a FastStream subscriber on a durable pull consumer of another service's stream."""

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import nats.errors
from faststream.message import StreamMessage
from faststream.middlewares import AckPolicy
from faststream.nats import JStream, PullSub
from faststream.nats.subscriber.usecases import BatchPullStreamSubscriber
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerInfo, SequenceInfo
from nats.js.errors import NotFoundError

from eventstore import batch_loop, streams
from eventstore.broker import Connection, inbox_prefix
from eventstore.clock import Clock
from eventstore.consumer.failures import Limits, Wait
from eventstore.consumer.hearing import Hearing, Message
from eventstore.consumer.reactions import Reactions
from eventstore.consumer.retrying import retry
from eventstore.consumer.watchdog import Watchdog
from eventstore.executor import Executor
from eventstore.tasks import end, wait_for
from eventstore.trouble import NATS_TROUBLE, STORE_TROUBLE

if TYPE_CHECKING:
    from eventstore.vault import Vault

_logger = logging.getLogger(__name__)

FETCH_SECONDS = 2.0
"""How long a request for messages lingers. One that got lost with a connection is repeated after this time."""
LOOK_SECONDS = 5.0
"""How often the durable is looked at when all is quiet: whether it is there, and how far behind we are."""
NACK_SECONDS_MOST = 5.0
GAP_REQUESTS = 16
"""Missing messages asked for at once."""


async def undecoded(message: StreamMessage[Any]) -> Any:
    """FastStream's decoder: none. Bodies are read by `contracts.envelope.decode`, as the exact bytes they are."""
    return message.raw_message


class Consumer:
    """One service hearing one source. Make it once, `run` it under OneActive(f"consumer:{source}").

    Attributes for metrics: `position`, `lag`, `duplicates`, `errors` by kind, `redelivered` (delivered again, not
    acknowledged), `resubscribed` (the subscription was mute and was made anew).
    """

    def __init__(
        self,
        executor: Executor,
        reactions: Reactions,
        connection: Connection,
        clock: Clock,
        *,
        vault: "Vault | None" = None,
        limits: Limits | None = None,
        batch_messages: int = streams.BATCH_MESSAGES,
    ) -> None:
        log = executor.log
        self.source = reactions.source
        self.listener = log.service
        self.durable = streams.durable_name(log.service)
        self._source_log = log.config.log_name(self.source)
        self._stream = streams.stream_name(self._source_log)
        self._community = log.community
        self._connection = connection
        self._batch_messages = min(batch_messages, streams.MAX_ACK_PENDING)
        self._hearing = Hearing(log, executor, reactions, clock, vault=vault, limits=limits)
        self._watchdog = Watchdog(self._hearing.limits.silent_seconds)
        self._batches = 0
        """Batches fetched so far."""
        self._working = asyncio.Lock()
        self._frontier = 0
        """The furthest position seen in the stream."""
        self._wait: Wait | None = None
        self._resume_at = 0.0
        self._waits = asyncio.Event()
        self._nudge = asyncio.Event()
        self._look = asyncio.Event()
        self._fatal: asyncio.Future[None] | None = None
        self._source_end: int | None = None
        self.duplicates = self.redelivered = 0
        self.errors: Counter[str] = Counter()
        self.last_error = ""
        self._connected = False
        self._subscriber = self._subscribe()

    def _subscribe(self) -> BatchPullStreamSubscriber:
        subscriber = self._connection.broker.subscriber(
            streams.subjects(self._community, self._source_log),
            stream=JStream(self._stream, declare=False),
            durable=self.durable,
            pull_sub=PullSub(batch_size=self._batch_messages, timeout=FETCH_SECONDS, batch=True),
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            # FastStream does not hand the broker's prefix on to pull subscribers.
            inbox_prefix=f"{inbox_prefix(self.listener)}.".encode(),
            decoder=undecoded,
        )
        assert isinstance(subscriber, BatchPullStreamSubscriber)
        subscriber(self._on_batch)
        batch_loop.watch(subscriber, lambda _: self._look.set())
        return subscriber

    @property
    def position(self) -> int:
        """The last event heard."""
        return self._hearing.position

    @property
    def lag(self) -> int | None:
        """Events of the source's stream not heard so far, as last looked at; None before the first look."""
        return None if self._source_end is None else max(0, max(self._source_end, self._frontier) - self.position)

    @property
    def resubscribed(self) -> int:
        """How often the subscription was mute and was made anew."""
        return self._watchdog.resubscribed

    def problems(self) -> list[str]:
        """For health: why the source is not heard as it should be. Never a reason to refuse commands."""
        if self._wait is not None:
            return [self._wait.why]
        if self._fatal is not None and (in_vain := self._watchdog.in_vain):
            anew = "once" if in_vain == 1 else f"{in_vain} times"
            return [f"{self.source} is not heard: {self.lag} events wait and none comes; subscribed anew {anew}"]
        if self._fatal is not None and not self._connected and self.last_error:
            return [f"{self.source} is not heard: {self.last_error}"]
        return []

    async def run(self) -> None:
        """Hear the source until cancelled. Raises ReadModelMismatch: then this program must not write any more."""
        self._fatal = asyncio.get_running_loop().create_future()
        self._hearing.loaded = False
        self._frontier = 0
        self._watchdog.begin()
        tasks = [
            asyncio.create_task(work, name=f"{self.listener} hears {self.source}")
            for work in (self._attend(), self._resume(), self._look_at_letters())
        ]
        try:
            done, _ = await asyncio.wait([*tasks, self._fatal], return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            await end([*tasks, self._fatal])
            # Another process may hear the source now: what held this one up, and how far it was, is no news any more.
            self._fatal = self._wait = self._source_end = None
            self._resume_at = 0.0

    async def _attend(self) -> None:
        """See that there is a durable and a subscription on it, for ever."""
        while True:
            client = await self._connection.client()
            try:
                info = await self._find_durable(client)
                # What was delivered to a predecessor that died comes again only after ack_wait: fetch it.
                self._heard_of(info.delivered)
                await self._subscriber.start()
                self._connected = True
                await self._watch(client)
            except (*NATS_TROUBLE, *STORE_TROUBLE) as error:
                self._note(error)
                await asyncio.sleep(1)
            finally:
                self._connected = False
                await self._unsubscribe()

    async def _find_durable(self, client: Client) -> ConsumerInfo:
        """Wait until the durable is there, asking the source's relay for it."""
        js = streams.context(client, self._connection.heard_api)
        asking = streams.durable_subject(self._community, self.source, self.listener)
        pause = 0.05
        while True:
            try:
                info: ConsumerInfo = await js.consumer_info(self._stream, self.durable)
                return info
            except NotFoundError as error:
                self._note(error)
            async with self._working:
                if not self._hearing.loaded:
                    await self._hearing.load()
            await client.publish(asking, str(self._hearing.position).encode())
            await asyncio.sleep(pause)
            pause = min(pause * 2, 1.0)

    async def _watch(self, client: Client) -> None:
        """Return when the durable or the client is gone, or the subscription has gone mute."""
        js = streams.context(client, self._connection.heard_api)
        replaced = asyncio.create_task(self._connection.until_replaced(client))
        try:
            while not replaced.done():
                try:
                    info = await js.consumer_info(self._stream, self.durable)
                except NotFoundError as error:
                    self._note(error)
                    return
                except TimeoutError as error:
                    self._note(error)
                else:
                    delivered = info.delivered.stream_seq if info.delivered is not None else 0
                    self.redelivered = info.num_redelivered or 0
                    self._source_end = delivered + (info.num_pending or 0)
                    # Events that this log forgot with an older copy of itself are not delivered again: fetch them.
                    self._heard_of(info.ack_floor)
                    if self._is_mute(client):
                        return
                await wait_for(self._look, LOOK_SECONDS)
                self._look.clear()
        finally:
            await end([replaced])

    def _is_mute(self, client: Client) -> bool:
        signs = (self._batches, self._hearing.called, self.position)
        excused = not self.lag or self._wait is not None or not client.is_connected
        if not self._watchdog.is_mute(signs, excused=excused):
            return False
        _logger.error(
            "%s hears nothing of %s, though %s events wait: it subscribes anew", self.listener, self.source, self.lag
        )
        return True

    async def _unsubscribe(self) -> None:
        """Stop at once: what is not acknowledged comes again."""
        subscriber = self._subscriber
        subscriber.running = False
        tasks, subscriber.tasks = list(subscriber.tasks), []
        # Forgotten before anything is awaited: who is slow to end is cancelled again, here, and a subscription that
        # was left would have the next start believe that its loop runs.
        subscription, subscriber.subscription = subscriber.subscription, None
        try:
            await end(tasks)
        finally:
            if subscription is not None:
                with suppress(nats.errors.Error):
                    await subscription.unsubscribe()

    async def _on_batch(self, messages: Sequence[Msg]) -> None:
        """FastStream's handler: hear what was fetched, then acknowledge the last."""
        have = {message.metadata.sequence.stream: message for message in messages}
        self._batches += 1
        self._frontier = max(self._frontier, *have)
        try:
            await self._advance({position: message.data for position, message in have.items()})
            await self._acknowledge(have)
        except (*NATS_TROUBLE, *STORE_TROUBLE) as error:
            # Not acknowledged, so it comes again.
            self._note(error)
            await asyncio.sleep(self._hearing.limits.retry_seconds)
        except Exception as error:  # noqa: BLE001 — FastStream would swallow it; `run` raises it
            if self._fatal is not None and not self._fatal.done():
                self._fatal.set_exception(error)

    async def _advance(self, have: Mapping[int, bytes]) -> None:
        """Hear up to the furthest message seen, fetching what is missing in between. Notes when it has to wait."""
        loop = asyncio.get_running_loop()
        async with self._working:
            if not self._hearing.loaded:
                await self._hearing.load()
            self.duplicates += sum(position <= self._hearing.position for position in have)
            if loop.time() < self._resume_at:
                return
            try:
                while self._hearing.position < self._frontier:
                    await self._hearing.hear(await self._next_messages(have))
            except Wait as wait:
                if self._wait is None or self._wait.why != wait.why:
                    _logger.warning("%s waits: %s", self.listener, wait.why)
                self._wait, self._resume_at = wait, loop.time() + wait.seconds
                self._waits.set()
                return
            self._wait = None

    async def _next_messages(self, have: Mapping[int, bytes]) -> list[Message]:
        """The messages that continue the position: those at hand, else those that the stream has. Raises Wait."""
        first = self._hearing.position + 1
        found: list[Message] = []
        while len(found) < self._batch_messages and (position := first + len(found)) in have:
            found.append(Message(position, have[position]))
        if found:
            return found
        last = min(self._frontier, first + self._batch_messages - 1, *(at - 1 for at in have if at > first))
        js = streams.context(await self._connection.client(), self._connection.heard_api)
        for start in range(first, last + 1, GAP_REQUESTS):
            some = range(start, min(start + GAP_REQUESTS, last + 1))
            try:
                fetched = await asyncio.gather(*(js.get_msg(self._stream, seq=position) for position in some))
            except NotFoundError as error:
                if found:
                    return found
                raise Wait(f"{self._stream} has no message {start}, or one soon after it", 1.0) from error
            found += [Message(position, message.data or b"") for position, message in zip(some, fetched, strict=True)]
        return found

    async def _acknowledge(self, have: Mapping[int, Msg]) -> None:
        """Acknowledge the last one heard, and with it all before; the rest is to come again after the pause."""
        heard = [position for position in have if position <= self._hearing.position]
        if heard:
            await have[max(heard)].ack()
        pause = min(max(self._resume_at - asyncio.get_running_loop().time(), 0.05), NACK_SECONDS_MOST)
        for position, message in have.items():
            if position > self._hearing.position:
                await message.nak(delay=pause)

    async def _resume(self) -> None:
        """After a wait, go on by fetching what waits, without regard to when the server delivers it again."""
        loop = asyncio.get_running_loop()
        while True:
            await self._waits.wait()
            await wait_for(self._nudge, self._resume_at - loop.time())
            self._resume_at = 0.0
            self._nudge.clear()
            self._waits.clear()
            try:
                await self._advance({})
            except (*NATS_TROUBLE, *STORE_TROUBLE) as error:
                self._note(error)
                self._resume_at = loop.time() + 1
                self._waits.set()

    def _heard_of(self, reached: SequenceInfo | None) -> None:
        """The durable has got so far; if we have not, fetch what is missing."""
        if reached is not None and reached.stream_seq > max(self._hearing.position, self._frontier):
            self._frontier = reached.stream_seq
            self._nudged()

    def _nudged(self) -> None:
        self._nudge.set()
        self._waits.set()

    async def _look_at_letters(self) -> None:
        """See what was decided about dead letters: try again, go on, or retry one that was passed."""
        hearing = self._hearing
        while True:
            await asyncio.sleep(hearing.limits.letters_seconds)
            try:
                async with self._working:
                    if not hearing.loaded:
                        await hearing.load()
                    news, passed = await hearing.look_at_letters()
                    for letter in passed:
                        await retry(hearing, letter)
                if news and self._wait is not None:
                    self._nudged()
            except (*NATS_TROUBLE, *STORE_TROUBLE) as error:
                self._note(error)

    def _note(self, error: Exception) -> None:
        self.errors[type(error).__name__] += 1
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        if text != self.last_error:
            _logger.warning("%s hears %s: %s", self.listener, self.source, text)
        self.last_error = text
