"""Mistakes of other systems, each made in a running copy of ours by exchanging the part that avoids it.

Product code knows nothing of them: `mutated` makes one before it becomes the service. What each of them stands for is
said in its first line; what had to go with it, because ours would mend it at another place, in the second.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from contracts.envelope import Recorded
from eventstore import relay, streams
from eventstore.consumer import Consumer, derived_id
from eventstore.consumer.hearing import Hearing, Message
from eventstore.executor import Executor
from eventstore.log import RawEvent
from eventstore.model import Append, Committed, Step
from eventstore.publish import PUBLISH_SECONDS, PublishFailed, Target
from eventstore.relay import Relay
from eventstore.trouble import NATS_TROUBLE, STORE_TROUBLE
from services.notify.reactions import telling
from tests.chaos.judge import EFFECTS, REPLAY, STREAMS
from tests.faults.failpoints import before
from tests.faults.findings import Doubled, Lost

Passed = Callable[[str], None]
"""Told of each point that the mistake adds, so that a process can be made to die there."""
EFFECTS_DECIDED, HEARD_NOT_DONE = "effects: decided, not committed", "inbox: heard, effects to come"
"""Points of hearing something that is not without effect: what is lost there is seen for certain."""
HEARERS = ("volunteers", "ledger", "notify")
"""Who comes to those points; orders only takes copies of what the load has others say."""
PASSED_OVER = b""
"""The body of a message that the consumer believes to have heard."""


def put_point(passed: Passed) -> None:
    """Have a service tell when it is about to commit effects of what it heard."""

    def has_effects(_executor: Executor, append: Append, *_: Any) -> bool:
        return append.step is not None and bool(append.streams)

    before(Executor, "append", lambda: passed(EFFECTS_DECIDED), has_effects)


def nothing(_: Passed) -> None:
    """Ours as it is."""


def _passes_over() -> None:
    """Have a message without a body count as heard."""
    original = Hearing._read

    async def read(self: Hearing, message: Message, letters: Any) -> Recorded | None:
        return None if message.body == PASSED_OVER else await original(self, message, letters)

    Hearing._read = read  # type: ignore[method-assign]


def _trusts_the_durable() -> None:
    """Have what the durable counts as acknowledged count as heard, where ours fetches what its own place lacks."""
    _passes_over()
    find, following = Consumer._find_durable, Consumer._next_messages

    async def find_durable(self: Any, client: Any) -> Any:
        info = await find(self, client)
        self.acknowledged = info.ack_floor.stream_seq if info.ack_floor is not None else 0
        return info

    async def next_messages(self: Any, have: Mapping[int, bytes]) -> list[Message]:
        first, known = self._hearing.position + 1, getattr(self, "acknowledged", 0)
        if first in have or first > known:
            return await following(self, have)
        return [Message(position, PASSED_OVER) for position in range(first, min(known, first + 255) + 1)]

    Consumer._find_durable = find_durable  # type: ignore[method-assign]
    Consumer._next_messages = next_messages  # type: ignore[method-assign]


def default_ack_policy(_: Passed) -> None:
    """FastStream's REJECT_ON_ERROR: a batch whose hearing failed is terminated, and never comes again.

    And the durable's word counts for what was heard.
    """
    _trusts_the_durable()

    async def on_batch(self: Any, messages: Sequence[Any]) -> None:
        have = {message.metadata.sequence.stream: message for message in messages}
        self._frontier = max(self._frontier, *have)
        try:
            await self._advance({position: message.data for position, message in have.items()})
        except (*NATS_TROUBLE, *STORE_TROUBLE) as error:
            self._note(error)
        for position, message in have.items():
            await (message.ack() if position <= self._hearing.position else message.term())
        self.acknowledged = max(have)

    Consumer._on_batch = on_batch  # type: ignore[method-assign]


def ack_before_commit(_: Passed) -> None:
    """The last message of a batch is acknowledged before its effects are committed.

    And the durable's word counts for what was heard.
    """
    _trusts_the_durable()
    original = Consumer._on_batch

    async def on_batch(self: Any, messages: Sequence[Any]) -> None:
        try:
            await messages[-1].ack()
            await self._connection.broker.connection.flush()
        except NATS_TROUBLE as error:
            self._note(error)
            return
        await original(self, messages)

    Consumer._on_batch = on_batch  # type: ignore[method-assign]


def follows_the_last_number(_: Passed) -> None:
    """`pos > last`: whatever comes next with a greater number is heard, and a smaller one that comes later is not.

    Numbers that are missing in between are taken for numbers that nobody gave.
    """
    _passes_over()
    following = Consumer._next_messages

    async def next_messages(self: Any, have: Mapping[int, bytes]) -> list[Message]:
        first = self._hearing.position + 1
        later = [position for position in have if position >= first]
        if first in have or not later:
            # Nothing is fetched: what was not delivered so far is expected to be.
            self._frontier = max(later, default=self._hearing.position)
            return await following(self, have) if later else []
        return [Message(position, PASSED_OVER) for position in range(first, min(later))]

    Consumer._next_messages = next_messages  # type: ignore[method-assign]


def relay_saves_before_ack(_: Passed) -> None:
    """The relay keeps its place itself, saves it before the server has acknowledged, and begins there after a crash.

    No publish is fenced and the stream's end not looked at: else the first event after the gap would be refused.
    """
    places: list[Path] = []
    """Where the one relay of this process keeps its place, last."""

    async def publish_unfenced(target: Target, events: Sequence[RawEvent]) -> int:
        for event in events:
            js = streams.context(target.client)
            try:
                await js.publish(target.subject(event), event.body, PUBLISH_SECONDS, headers=target.headers(event))
            except NATS_TROUBLE as error:
                raise PublishFailed("disconnected", repr(error)) from error
        return events[-1].position

    resume = Relay._resume

    async def from_own_place(self: Any, js: Any) -> int:
        place = Path(os.environ["CHAOYANGLI_STATE_DIR"]) / f"{self._log.service}.place"
        places.append(place)
        if place.exists():
            await streams.ensure_stream(js, self._log.community, self._log.config.name)
            self.size = max(self.size, (await self._log.head()).size)
            return int(place.read_text(encoding="utf-8"))
        return await resume(self, js)

    check_order = relay._check_order

    def save(events: Sequence[RawEvent], after: int) -> None:
        check_order(events, after)
        places[-1].write_text(str(events[-1].position), encoding="utf-8")

    Relay._resume = from_own_place  # type: ignore[method-assign]
    relay._check_order = save
    relay.publish = publish_unfenced  # type: ignore[attr-defined]


def inbox_outside_the_transaction(passed: Passed) -> None:
    """That an event was heard is committed by itself; its effects follow in a transaction of their own."""
    append_ = Executor.append

    async def append(self: Executor, append: Append, streams: Any) -> Committed:
        if append.step is None:
            return await append_(self, append, streams)
        await self.log.append(Append((), append.metadata, step=append.step))
        if append.streams:
            passed(HEARD_NOT_DONE)
        return await append_(self, replace(append, step=None), streams)

    Executor.append = append  # type: ignore[method-assign]


def trusts_the_dedup_window(_: Passed) -> None:
    """Who hears keeps no inbox: the server's window is believed to let nothing through twice.

    Ids of notices are new whenever something is heard again, and copies left as they are: both would know a repeat.
    """
    heard: dict[str, int] = {}
    append_, on_batch_ = Executor.append, Consumer._on_batch

    async def on_batch(self: Any, messages: Sequence[Any]) -> None:
        hearing, positions = self._hearing, [message.metadata.sequence.stream for message in messages]
        try:
            async with self._working:
                if not hearing.loaded:
                    await hearing.load()
                heard[self.source] = max(heard.get(self.source, 0), hearing.position)
                hearing.position = min(hearing.position, min(positions) - 1)
        except STORE_TROUBLE as error:
            self._note(error)
            return
        await on_batch_(self, messages)

    async def append(self: Executor, append: Append, streams: Any) -> Committed:
        step = append.step
        if step is None:
            return await append_(self, append, streams)
        done = await self.log.heard(step.source)
        heard[step.source] = max(done, step.position)
        step = Step(step.source, done, max(done, step.position))
        new = [recorded for recorded in append.heard if recorded.position > done]
        return await append_(self, replace(append, step=step, heard=new), streams)

    def id_of(recorded: Recorded, *names: object) -> UUID:
        return derived_id(recorded, *names) if recorded.position > heard.get(recorded.service, 0) else uuid4()

    Consumer._on_batch = on_batch  # type: ignore[method-assign]
    Executor.append = append  # type: ignore[method-assign]
    telling.derived_id = id_of  # type: ignore[attr-defined]


def never_publishes_again(_: Passed) -> None:
    """What the server has acknowledged once is believed to be in the stream for good."""
    resume = Relay._resume

    async def from_memory(self: Any, js: Any) -> int:
        acknowledged = self.published
        return max(await resume(self, js), acknowledged or 0)

    Relay._resume = from_memory  # type: ignore[method-assign]


@dataclass(frozen=True)
class Mutant:
    """A mistake, what brings it to light, and whose checker must name it."""

    make: Callable[[Passed], None]
    fault: str
    """`postgres dies`, `services die`, `nats forgets` or `all comes again`; see test_mutants."""
    point: str = ""
    """Where it strikes: see failpoints."""
    caught_by: tuple[str, ...] = (EFFECTS, REPLAY)
    """Any of these checkers."""
    sign: type[str] = str
    """What they must say: that something is lost, or doubled, or in a table that should not be or lacks."""


MUTANTS: Mapping[str, Mutant] = {
    "default ack policy": Mutant(default_ack_policy, "postgres dies", EFFECTS_DECIDED),
    "ack before commit": Mutant(ack_before_commit, "services die", EFFECTS_DECIDED),
    "pos > last": Mutant(follows_the_last_number, "services die", EFFECTS_DECIDED),
    "relay saves before ack": Mutant(
        relay_saves_before_ack, "services die", "relay: before a publish", caught_by=(STREAMS,), sign=Lost
    ),
    "inbox outside the transaction": Mutant(inbox_outside_the_transaction, "services die", HEARD_NOT_DONE),
    "dedup window for an inbox": Mutant(trusts_the_dedup_window, "all comes again", caught_by=(EFFECTS,), sign=Doubled),
    "no republish": Mutant(never_publishes_again, "nats forgets", caught_by=(STREAMS,), sign=Lost),
}
