"""Subscribers from outside, over NATS: a durable on each log that they hear, and the four subjects that lead to it.

They have an account of their own, which has no stream (docs/decisions/0014, 0015). Of the accounts that have them it
gets, for each durable, what asks about it, what asks for its next messages, and what acknowledges them (in both forms):
nothing else is there. An answer stays in the account that asked, so nobody can have one sent under a subject of a log.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from eventstore.accounts import Granted, Member, hearing
from eventstore.broker import inbox_prefix
from eventstore.streams import subject

ACCOUNT = "SUBSCRIBERS"
"""Of all outsiders. nats-server 2.15 serves an account that it meets when it reads its configuration anew only after it
has read it once more: so there is one from the beginning, and none for each."""
SUFFIX = "-subscriber"
"""How the durables of outsiders end: never as those of our own services do."""
BACKOFF_SECONDS = (30.0, 60.0, 300.0, 900.0, 3_600.0)
"""How long an unacknowledged event waits before it is sent again: first, second, …; the last one repeats."""
MAX_DELIVER = 20
"""So often is an event sent, over about 16 hours; then it is passed over, and the next ones are not held up."""
MAX_ACK_PENDING = 256


@dataclass(frozen=True, slots=True)
class Outsider:
    """A subscriber, and the logs that they hear by name: `orders`, `orders/2`."""

    name: str
    nkey: str
    logs: tuple[str, ...]

    @property
    def durable(self) -> str:
        """The name of their durable, the same on each stream."""
        return durable_name(self.name)


def durable_name(name: str) -> str:
    """The durable of a subscriber: `city-subscriber`."""
    return f"{name}{SUFFIX}"


def durable_config(community: str, log: str, name: str, types: Iterable[str], first: int) -> ConsumerConfig:
    """A durable that gives these types of event from position `first` (≥ 1) on, each to be acknowledged by itself."""
    durable = durable_name(name)
    return ConsumerConfig(
        name=durable,
        durable_name=durable,
        description=f"{name}, a subscriber from outside",
        filter_subjects=[subject(community, log, one) for one in sorted(types)],
        ack_policy=AckPolicy.EXPLICIT,
        backoff=list(BACKOFF_SECONDS),
        max_deliver=MAX_DELIVER,
        max_ack_pending=MAX_ACK_PENDING,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=first,
    )


def member(outsider: Outsider) -> Member:
    """A user of the subscribers' account, who gets at their own durables alone.

    Their clients say `api_prefix` instead of `$JS.API`: in their account JetStream itself does not answer.
    """
    granted = [
        Granted(log.partition("/")[0], subject) for log in outsider.logs for subject in hearing(log, outsider.durable)
    ]
    inbox = f"{inbox_prefix(outsider.name)}.>"
    return Member(ACCOUNT, outsider.nkey, (), (inbox,), tuple(granted))
