"""From messages in order to effects: decoding, handlers, one append, and what to do with what fails.

Knows nothing of NATS. `Hearing.hear` is given messages that continue the position heard; it moves on as far as it can
and raises Wait when an event must be tried again later.
"""

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from contracts.command import Refused
from contracts.envelope import Recorded, UnknownEvent, UnknownVersion, UnreadableEvent, decode
from eventstore import dead_letters
from eventstore.clock import Clock
from eventstore.consumer.blame import culprit
from eventstore.consumer.failures import Blocked, HandlerFailed, Limits, Wait, describe, is_transient
from eventstore.consumer.gathering import EventEffects, Gathering
from eventstore.consumer.reactions import Handler, NotYet, ReactionContext, Reactions
from eventstore.dead_letters import COPIES, UNREADABLE
from eventstore.errors import (
    LogUnavailable,
    NotCaughtUp,
    ReadModelMismatch,
    StepConflict,
    UncountedEvent,
    VersionConflict,
)
from eventstore.executor import RETRIES_MAX, Executor
from eventstore.log import Log
from eventstore.model import Append, DeadLetter, Metadata, Step, VaultChange
from eventstore.streams import durable_name, subject
from eventstore.tracing import NO_SPAN, Attributes, Kind, Span, ending, failing

if TYPE_CHECKING:
    from eventstore.vault import Vault

_logger = logging.getLogger(__name__)

_RECORDED_MOST = 1_000
"""Events to record after which a batch is committed before it is complete."""
_NOT_YET_PAUSE_MOST = 2.0

_Key = tuple[int, str]
"""A position and a handler."""


class Message(NamedTuple):
    """A message of the source's stream: its sequence, which is the event's position, and its body."""

    position: int
    body: bytes


class _Again(Exception):
    """Hear the same messages again: something was learned."""


class Hearing:
    """One service hearing one source. `position` is the last event heard, as far as known (`loaded`)."""

    def __init__(
        self,
        log: Log,
        executor: Executor,
        reactions: Reactions,
        clock: Clock,
        *,
        vault: "Vault | None" = None,
        limits: Limits | None = None,
    ) -> None:
        self.log = log
        self.executor = executor
        self.reactions = reactions
        self.source = reactions.source
        self.limits = limits or Limits()
        self._clock = clock
        self._vault = vault
        self.position = 0
        self.loaded = False
        self.unknown = 0
        """Events of types this program does not know; they are skipped."""
        self.called = 0
        """Calls of handlers so far: a sign of life in the middle of a long batch."""
        self._alone_until = 0
        """Up to this position events are committed one by one, to find the one that is refused."""
        self._tries: dict[_Key, int] = {}
        self._not_yet_since: dict[_Key, float] = {}
        self._forced: dict[str, Exception] = {}
        """Handlers of the next event whose effects were refused when written, and by what."""
        self._blocking: set[_Key] = set()
        self._dismissed: set[_Key] = set()

    async def load(self) -> None:
        """Read the position and the letters beyond it from PostgreSQL."""
        self.position = await self.log.heard(self.source)
        await self.look_at_letters()
        self.loaded = True

    async def look_at_letters(self) -> tuple[bool, list[dead_letters.Letter]]:
        """See what was decided: whether the next event should be tried at once, and which passed letters to retry."""
        found = await dead_letters.concerning(self.log.pool, self.log.config.schema, self.source, self.position)
        ahead = [letter for letter in found if letter.position > self.position]
        self._blocking = {(letter.position, letter.handler) for letter in ahead if letter.state == "open"}
        dismissed = {(letter.position, letter.handler) for letter in ahead if letter.state == "dismissed"}
        news = dismissed != self._dismissed or any(letter.retry_is_due for letter in ahead)
        self._dismissed = dismissed
        return news, [letter for letter in found if letter.position <= self.position]

    async def hear(self, messages: Sequence[Message]) -> None:
        """Hear messages that continue `position`. Returns early when another holder heard some of them.

        Raises Wait, and ReadModelMismatch and UncountedEvent when this program must not write any more.
        """
        conflicts = 0
        while True:
            rest = [message for message in messages if message.position > self.position]
            if not rest or rest[0].position != self.position + 1:
                return
            try:
                await self._hear(rest)
            except _Again:
                continue
            except StepConflict:
                await self.load()
            except VersionConflict as conflict:
                conflicts += 1
                if conflicts > RETRIES_MAX:
                    raise Wait(str(conflict), self._pause(self._next)) from conflict
            except (Wait, ReadModelMismatch):
                raise
            except Exception as error:
                if not is_transient(error):
                    raise
                # Whether the append is recorded may be unknown: the position is read again.
                self.loaded = False
                raise Wait(describe(error), self._pause(self._next)) from error

    async def _hear(self, messages: Sequence[Message]) -> None:
        gathering = Gathering(self.source, self.position)
        for message in messages:
            try:
                recorded = await self._read(message, gathering.letters)
                if recorded is None:
                    gathering.skip(message.position)
                    continue
                handlers = self.reactions.handlers(type(recorded.event))
                if gathering.events and self._must_commit_before(message, gathering, handlers):
                    await self._commit(gathering)
                    gathering = Gathering(self.source, self.position)
                span = self.begin_span(recorded)
                with failing(span):
                    await self._react(gathering, recorded, handlers, span)
            except Wait:
                if gathering.events:
                    await self._commit(gathering)
                raise
        await self._commit(gathering)

    def _must_commit_before(self, message: Message, gathering: Gathering, handlers: Sequence[Handler]) -> bool:
        alone = message.position <= self._alone_until
        return alone or gathering.recorded >= _RECORDED_MOST or any(handler.fresh for handler in handlers)

    async def _read(self, message: Message, letters: list[DeadLetter]) -> Recorded | None:
        """The event; None for one to skip. Raises Blocked for an unreadable one that blocks, else adds its letter."""
        try:
            recorded = decode(message.body)
            here = (message.position, self.source, self.log.community)
            if (recorded.position, recorded.service, recorded.community) != here:
                raise UnreadableEvent(f"it says it is event {recorded.position} of {recorded.service}")
        except UnknownEvent:
            self.unknown += 1
            return None
        except (UnreadableEvent, UnknownVersion) as error:
            if (message.position, UNREADABLE) not in self._dismissed:
                letter = DeadLetter(
                    source=self.source,
                    position=message.position,
                    event_id=None,
                    handler=UNREADABLE,
                    error=describe(error),
                    body=message.body,
                    blocks=self.reactions.unreadable_blocks,
                )
                letters += await self._let_block(letter)
            return None
        return recorded

    def begin_span(self, recorded: Recorded) -> Span:
        """The span of hearing this event: it goes on with the trace of whoever recorded it."""
        tracing = self.log.tracing
        if not tracing.on:
            return NO_SPAN
        source_log = self.log.config.log_name(self.source)
        attributes: Attributes = {
            "messaging.system": "nats",
            "messaging.operation.type": "process",
            "messaging.destination.name": subject(self.log.community, source_log, recorded.type),
            "messaging.consumer.group.name": durable_name(self.log.service),
            "chaoyangli.position": recorded.position,
        }
        return tracing.begin(f"process {self.source}.{recorded.type}", Kind.CONSUMER, recorded.traceparent, attributes)

    async def _react(self, gathering: Gathering, recorded: Recorded, handlers: Sequence[Handler], span: Span) -> None:
        effects = EventEffects(gathering, self.executor, recorded, span)
        for handler in handlers:
            if (recorded.position, handler.name) in self._dismissed:
                continue
            try:
                await self.answer(effects, handler, recorded)
            except (Refused, HandlerFailed) as error:
                for letter in await self._let_block(letter_of(recorded, handler.name, error, blocks=handler.blocks)):
                    effects.bury(letter)
            else:
                effects.vault += self._settled(recorded.position, handler.name)
        copied = (recorded.position, COPIES) not in self._dismissed
        if copied and recorded.position == self._next[0] and (failed := self._forced.get(COPIES)) is not None:
            await self._let_block(letter_of(recorded, COPIES, failed, blocks=True))
        for whose in (UNREADABLE, COPIES):
            effects.vault += self._settled(recorded.position, whose)
        effects.merge(copied=copied)

    async def answer(self, effects: EventEffects, handler: Handler, recorded: Recorded) -> None:
        """Call a handler and take what it answers. Raises Wait, Refused (for a dead letter), HandlerFailed."""
        self.called += 1
        key = (recorded.position, handler.name)
        context = ReactionContext(self.log, self._clock, self._vault, effects.stream)
        try:
            if recorded.position == self._next[0] and (forced := self._forced.get(handler.name)) is not None:
                raise forced
            async with asyncio.timeout(self.limits.handler_seconds):
                answer = await handler.react(recorded, context)
            if isinstance(answer, NotYet):
                self._not_yet(key, str(answer))
            elif answer is not None:
                await effects.take(handler, answer)
        except (Wait, HandlerFailed, ReadModelMismatch):
            raise
        except Refused as refused:
            await effects.take_refusal(handler, refused)
        except NotCaughtUp as error:
            self._not_yet(key, str(error))
        except Exception as error:
            pause = self._pause(key)
            if is_transient(error):
                raise Wait(f"{handler.name} at {recorded.position}: {describe(error)}", pause) from error
            _logger.exception("%s: %s failed at %s of %s", self.log.service, handler.name, key[0], self.source)
            if self._tries[key] < self.limits.tries:
                raise Wait(f"{handler.name} at {recorded.position}: {describe(error)}", pause) from error
            raise HandlerFailed(error) from error

    def _not_yet(self, key: _Key, why: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._not_yet_since.setdefault(key, now) > self.limits.not_yet_seconds:
            raise HandlerFailed(TimeoutError(why))
        raise Wait(f"{key[1]} at {key[0]}: {why}", min(self._pause(key), _NOT_YET_PAUSE_MOST))

    async def _commit(self, gathering: Gathering) -> None:
        try:
            with ending(gathering.spans):
                await self.executor.append(gathering.append(), gathering.streams)
        except (VersionConflict, StepConflict, LogUnavailable, ReadModelMismatch, UncountedEvent):
            raise
        except Exception as error:
            if gathering.events > 1:
                self._alone_until = gathering.position
            else:
                await self._blame(gathering, error)
            raise _Again from error
        self._moved_to(gathering.position)

    def _moved_to(self, position: int) -> None:
        self.position = position
        self._forced = {}
        self._tries = {key: tries for key, tries in self._tries.items() if key[0] > position}
        self._not_yet_since = {key: since for key, since in self._not_yet_since.items() if key[0] > position}
        self._blocking = {key for key in self._blocking if key[0] > position}
        self._dismissed = {key for key in self._dismissed if key[0] > position}

    async def _blame(self, gathering: Gathering, error: Exception) -> None:
        """One event's effects were refused when written: find whose, and have it count as refused, or as failed."""
        whose = await culprit(self.log, gathering.heard, gathering.active)
        if whose is None:
            whose = gathering.active[-1].handler if gathering.active else COPIES
        again = whose in self._forced
        # A second time, what it does instead of a refusal was refused as well.
        self._forced[whose] = error if isinstance(error, Refused) and not again else HandlerFailed(error)
        what = f"event {gathering.position} of {self.source} cannot be taken as it is, because of {whose}"
        _logger.warning("%s: %s: %s", self.log.service, what, describe(error))

    async def _let_block(self, letter: DeadLetter) -> list[DeadLetter]:
        """Record a letter that holds the source, and wait; one that does not is given back, to go with its batch."""
        if not letter.blocks:
            return [letter]
        key = (letter.position, letter.handler)
        # A step that goes nowhere: had another holder heard this event meanwhile, the effect it had would look like a
        # reason to refuse it here. Then this is a StepConflict, and no letter.
        stay = Step(self.source, self.position, self.position)
        await self.log.append(Append((), Metadata("system"), step=stay, dead_letters=[letter]))
        why = f"a dead letter blocks {self.source} at {letter.position}: {letter.handler}: {letter.error}"
        if key not in self._blocking:
            _logger.error("%s: %s", self.log.service, why)
        self._blocking.add(key)
        self._forced = {}
        raise Blocked(why, min(self._pause(key) * 10, self.limits.blocked_seconds_most))

    def _settled(self, position: int, handler: str) -> list[VaultChange]:
        """Closes the letter of this handler, where it has one that blocks."""
        if (position, handler) not in self._blocking:
            return []
        return [dead_letters.settled(self.log.config.schema, self.source, position, handler)]

    @property
    def _next(self) -> _Key:
        return self.position + 1, ""

    def _pause(self, key: _Key) -> float:
        """Count a try and say how long to wait for the next."""
        tries = self._tries[key] = self._tries.get(key, 0) + 1
        pause = min(self.limits.retry_seconds * 2.0 ** min(tries - 1, 16), self.limits.retry_seconds_most)
        return pause * random.uniform(0.75, 1.25)  # noqa: S311 — jitter needs no secrecy


def letter_of(recorded: Recorded, handler: str, error: Exception, *, blocks: bool) -> DeadLetter:
    """The dead letter of an event that could be read."""
    return DeadLetter(
        source=recorded.service,
        position=recorded.position,
        event_id=recorded.event_id,
        handler=handler,
        error=describe(error),
        body=recorded.body,
        blocks=blocks,
    )
