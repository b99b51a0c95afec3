"""nats-server's accounts: one for each service, with its streams; one each for operator, auditor and outsiders.

JetStream sends its answers, and whatever a consumer or a stream is told to send on, under any subject that a request
names, and asks nobody's rights for it; but it stays within the account. So nobody is in one account with a log that is
not theirs. What they need of one is let through subject by subject (docs/decisions/0015).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from eventstore.broker import inbox_prefix
from eventstore.nats_api import API, api_prefix
from eventstore.origins import log_name
from eventstore.streams import (
    GENERATIONS_GRANTED,
    durable_name,
    durable_subject,
    stream_name,
    subjects,
    wake_subject,
)

OPERATOR, AUDITOR = "OPERATOR", "AUDITOR"
_MANY_ANSWERS = (f"{API}.DIRECT.GET.", f"{API}.CONSUMER.MSG.NEXT.")


class Granted(NamedTuple):
    """A subject in a service's account to which another account may send, `$JS.API.STREAM.INFO.ORDERS`."""

    service: str
    subject: str


@dataclass(frozen=True, slots=True)
class Member:
    """A user, known by the public half of an NKEY, and the account that they are in.

    `publish`: own subjects; what is granted comes on top. None: everything that the account has.
    """

    account: str
    nkey: str
    publish: tuple[str, ...] | None
    subscribe: tuple[str, ...] | None
    granted: tuple[Granted, ...]
    has_streams: bool = False


def account_name(service: str) -> str:
    """The account that has a service's streams: `ORDERS`."""
    return service.upper()


def accounts(community: str, members: Sequence[Member]) -> dict[str, Any]:
    """nats-server's `accounts`: each with its users, what it lets others use, and what others let it use.

    No two members of one account are granted the same. What begins with `$JS.API` for whoever grants it begins with
    `api_prefix` for whoever asks: in an account of theirs the former is their own JetStream's.
    """
    found: dict[str, dict[str, Any]] = {}
    exports: dict[Granted, dict[str, Any]] = {}
    for member in members:
        account = found.setdefault(member.account, {"users": [], "imports": []})
        if member.has_streams:
            account["jetstream"] = "enabled"
        asked = [granted.subject.replace(API, api_prefix(community)) for granted in member.granted]
        account["users"].append(_user(member, asked))
        for granted, to in zip(member.granted, asked, strict=True):
            served = {"account": account_name(granted.service), "subject": granted.subject}
            account["imports"].append({"service": served, "to": to})
            exports.setdefault(granted, _export(granted.subject))["accounts"].append(member.account)
    for granted, export in exports.items():
        found[account_name(granted.service)].setdefault("exports", []).append(export)
    return found


def _user(member: Member, asked: Sequence[str]) -> dict[str, Any]:
    permissions: dict[str, Any] = {}
    if member.publish is not None:
        permissions["publish"] = {"allow": [*member.publish, *asked]}
    if member.subscribe is not None:
        permissions["subscribe"] = {"allow": list(member.subscribe)}
    return {"nkey": member.nkey, **({"permissions": permissions} if permissions else {})}


def _export(subject: str) -> dict[str, Any]:
    answers = {"response_type": "stream"} if subject.startswith(_MANY_ANSWERS) else {}
    return {"service": subject, "accounts": [], **answers}


def service_member(community: str, service: str, nkey: str, sources: Iterable[str] = ()) -> Member:
    """What the relay of `service` and its consumers of `sources` need, and no more: no UPDATE, PURGE or DELETE.

    The streams of later origins are granted beforehand: rights are read when the server starts, and a loss comes later.
    """
    publish = [wake_subject(community, service)]
    for log in _origins(service):
        publish += _filling(community, log)
    granted: list[Granted] = []
    for source in sources:
        granted.append(Granted(source, durable_subject(community, source, service)))
        for log in _origins(source):
            granted += [Granted(source, subject) for subject in hearing(log, durable_name(service))]
            granted += [Granted(source, subject) for subject in _reading(log)]
    subscribe = (
        f"{inbox_prefix(service)}.>",
        wake_subject(community, service),
        durable_subject(community, service, "*"),
    )
    return Member(account_name(service), nkey, tuple(publish), subscribe, tuple(granted), has_streams=True)


def operator(community: str, nkey: str, services: Iterable[str]) -> Member:
    """Whoever mends: all that JetStream does with a stream of a log, and what fills one."""
    granted: list[Granted] = []
    for service in services:
        for log in _origins(service):
            used = (subjects(community, log), *_everything(stream_name(log)))
            granted += [Granted(service, subject) for subject in used]
    return Member(OPERATOR, nkey, None, None, tuple(granted))


def auditor(nkey: str, services: Iterable[str]) -> Member:
    """Whoever reads every log, looks at the durables, and changes nothing."""
    granted: list[Granted] = []
    for service in services:
        for log in _origins(service):
            looking = (f"{API}.CONSUMER.INFO.{stream_name(log)}.*", f"{API}.CONSUMER.LIST.{stream_name(log)}")
            granted += [Granted(service, subject) for subject in (*_reading(log), *looking)]
    return Member(AUDITOR, nkey, (), (f"{inbox_prefix('auditor')}.>",), tuple(granted))


def hearing(log: str, durable: str) -> list[str]:
    """What leads to a durable: it is asked about, for its next messages, and told that they are acknowledged."""
    place = f"{stream_name(log)}.{durable}"
    return [f"{API}.CONSUMER.INFO.{place}", f"{API}.CONSUMER.MSG.NEXT.{place}", *_acknowledging(place)]


def _acknowledging(place: str) -> tuple[str, str]:
    """Both forms of subject, without and with domain and account (nats-server feature js_ack_fc_v2).

    Their length is said as the server itself does: two services that hear each other would else import in a circle.
    """
    return f"$JS.ACK.{place}.*.*.*.*.*", f"$JS.ACK.*.*.{place}.*.*.*.*.>"


def _origins(service: str) -> list[str]:
    return [log_name(service, generation) for generation in range(1, GENERATIONS_GRANTED + 1)]


def _filling(community: str, log: str) -> list[str]:
    """What a relay needs of its own stream."""
    own = stream_name(log)
    return [
        subjects(community, log),
        f"{API}.STREAM.CREATE.{own}",
        f"{API}.STREAM.INFO.{own}",
        f"{API}.STREAM.MSG.GET.{own}",
        f"{API}.CONSUMER.CREATE.{own}.>",
        f"{API}.CONSUMER.INFO.{own}.*",
        f"{API}.CONSUMER.LIST.{own}",
    ]


def _reading(log: str) -> list[str]:
    """One message, or many at once from any position, and where the stream ends: what was heard once is read again."""
    stream = stream_name(log)
    return [f"{API}.STREAM.MSG.GET.{stream}", f"{API}.DIRECT.GET.{stream}", f"{API}.STREAM.INFO.{stream}"]


def _everything(stream: str) -> list[str]:
    """JetStream's API of one stream, whatever is done with it."""
    asked = (
        f"STREAM.*.{stream}",
        f"STREAM.*.*.{stream}",
        f"CONSUMER.*.{stream}",
        f"CONSUMER.*.{stream}.>",
        f"CONSUMER.DURABLE.CREATE.{stream}.*",
        f"CONSUMER.MSG.NEXT.{stream}.*",
        f"CONSUMER.LEADER.STEPDOWN.{stream}.*",
        f"DIRECT.GET.{stream}",
        f"DIRECT.GET.{stream}.>",
    )
    return [*(f"{API}.{subject}" for subject in asked), *_acknowledging(f"{stream}.*")]
