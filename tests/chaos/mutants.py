"""Mistakes of other systems, each made in a running copy of ours by exchanging the part that avoids it.

Product code knows nothing of them: `mutated` makes one before it becomes the service. What each of them stands for is
said in its first line; what had to go with it, because ours would mend it at another place, in the second.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.envelope import Recorded
from eventstore.consumer import Consumer
from eventstore.consumer.hearing import Hearing, Message
from eventstore.trouble import NATS_TROUBLE, STORE_TROUBLE
from tests.chaos.judge import EFFECTS, REPLAY

Passed = Callable[[str], None]
"""Told of each point that the mistake adds, so that a process can be made to die there."""
PASSED_OVER = b""
"""The body of a message that the consumer believes to have heard."""


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


@dataclass(frozen=True)
class Mutant:
    """A mistake, what brings it to light, and whose checker must name it."""

    make: Callable[[Passed], None]
    fault: str
    """`postgres dies` or `services die`; see test_mutants."""
    point: str = ""
    """Where it strikes: see failpoints."""
    caught_by: tuple[str, ...] = (EFFECTS, REPLAY)
    """Any of these checkers."""


MUTANTS: Mapping[str, Mutant] = {
    "default ack policy": Mutant(default_ack_policy, "postgres dies", "consumer: decided"),
    "ack before commit": Mutant(ack_before_commit, "services die", "consumer: decided"),
}
