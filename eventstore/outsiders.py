"""Subscribers from outside, over NATS: a durable on each log that they hear, and the four subjects that lead to it.

They are users of an account of their own, which has no stream. Of the account that has them it gets, for each durable,
what asks about it, what asks for its next messages, and what acknowledges them (in both forms): nothing else is there.
An answer stays in the account that asked, so nobody can have one sent under a subject of a log.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from eventstore.broker import inbox_prefix
from eventstore.streams import stream_name, subject

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


def api_prefix(community: str) -> str:
    """What outsiders' clients are told instead of `$JS.API`: in their account JetStream itself does not answer."""
    return f"{community}.JS.API"


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


def accounts(
    ours: dict[str, Any], account: str, outsiders_account: str, community: str, outsiders: Sequence[Outsider]
) -> dict[str, Any]:
    """nats-server's `accounts`: ours, with what it lets outsiders use, beside theirs. `ours` is left as it is."""
    exports: list[dict[str, Any]] = []
    imports: list[dict[str, Any]] = []
    users: list[dict[str, Any]] = []
    for outsider in outsiders:
        publish: list[str] = []
        for served in _served(outsider):
            asked = served.subject.replace("$JS.API", api_prefix(community))
            export = {"service": served.subject, "accounts": [outsiders_account]}
            exports.append({**export, "response_type": served.response} if served.response else export)
            imports.append({"service": {"account": account, "subject": served.subject}, "to": asked})
            publish.append(asked)
        inbox = f"{inbox_prefix(outsider.name)}.>"
        permissions = {"publish": {"allow": publish}, "subscribe": {"allow": [inbox]}}
        users.append({"nkey": outsider.nkey, "permissions": permissions})
    return {
        account: {**ours, "exports": exports},
        outsiders_account: {"users": users, "imports": imports},
    }


@dataclass(frozen=True, slots=True)
class _Served:
    subject: str
    response: str | None


def _served(outsider: Outsider) -> list[_Served]:
    found: list[_Served] = []
    for log in outsider.logs:
        place = f"{stream_name(log)}.{outsider.durable}"
        found += [
            _Served(f"$JS.API.CONSUMER.INFO.{place}", "singleton"),
            _Served(f"$JS.API.CONSUMER.MSG.NEXT.{place}", "stream"),
            _Served(f"$JS.ACK.{place}.>", None),
            _Served(f"$JS.ACK.*.*.{place}.>", None),
        ]
    return found
