"""Who may do what in NATS: a user for each service, one that reads every log, one for the operator's emergencies; and
subscribers from outside, in an account of their own.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cli.embedded.nats import ACCOUNT, NatsUser, one_account, server_config
from eventstore import outsiders
from eventstore.origins import log_name, read_generation
from eventstore.outsiders import Outsider
from eventstore.streams import GENERATIONS_GRANTED, rights, stream_name
from servicekit.nats_keys import public_key
from servicekit.secrets import read_nats_seed
from servicekit.settings import SERVICE_PORTS
from servicekit.subscribers import Registry

SERVICES = tuple(SERVICE_PORTS)
OUTSIDERS_ACCOUNT = "SUBSCRIBERS"


def nats_accounts(secrets_dir: Path, state_dir: Path, community: str) -> dict[str, Any]:
    """nats-server's `accounts`: ours, and the subscribers'. Raises SecretMissing, OriginUnreadable.

    A subscriber whose file cannot be read is not let in; `chaoyangli subscribers list` tells. NATS starts without them.
    """
    users = nats_users(secrets_dir, community)
    others = _outsiders(secrets_dir, state_dir, community, {user.nkey for user in users})
    ours = one_account(users)[ACCOUNT]
    return outsiders.accounts(ours, ACCOUNT, OUTSIDERS_ACCOUNT, community, others)


def subscribers_of(secrets_dir: Path) -> Registry:
    """Where subscribers from outside are written down."""
    return Registry(secrets_dir / "subscribers")


def _outsiders(secrets_dir: Path, state_dir: Path, community: str, taken: set[str]) -> list[Outsider]:
    """Each key once: the server refuses a configuration that has one twice."""
    found: dict[str, Outsider] = {}
    for subscriber in subscribers_of(secrets_dir).scan()[0]:
        heard = [service for service in SERVICES if subscriber.types(service)]
        logs = tuple(log_name(service, read_generation(state_dir, community, service)) for service in heard)
        if subscriber.nkey is not None and subscriber.nkey not in taken | found.keys():
            found[subscriber.nkey] = Outsider(subscriber.name, subscriber.nkey, logs)
    return list(found.values())


def nats_users(secrets_dir: Path, community: str, services: Iterable[str] | None = None) -> list[NatsUser]:
    """The users of the server. Services publish their own subjects only; `auditor` reads and changes nothing."""
    # Loads the services with all they need; commands that start no server are quicker without.
    from servicekit.migrate import definition_of

    users = [NatsUser("admin", _key_of(secrets_dir, "admin"))]
    for service in services or SERVICES:
        allowed = rights(community, service, sorted(definition_of(service).sources))
        users.append(NatsUser(service, _key_of(secrets_dir, service), allowed.publish, allowed.subscribe))
    users.append(_auditor(secrets_dir))
    return users


def _key_of(secrets_dir: Path, user: str) -> str:
    return public_key(read_nats_seed(secrets_dir, user))


def _auditor(secrets_dir: Path) -> NatsUser:
    """May look at streams and make short-lived ordered consumers: their creation names neither durable nor filter."""
    publish = ["$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.FC.>"]
    for log in (log_name(service, number) for service in SERVICES for number in range(1, GENERATIONS_GRANTED + 1)):
        stream = stream_name(log)
        publish += [
            f"$JS.API.STREAM.INFO.{stream}",
            f"$JS.API.STREAM.MSG.GET.{stream}",
            f"$JS.API.DIRECT.GET.{stream}",
            f"$JS.API.DIRECT.GET.{stream}.>",
            f"$JS.API.CONSUMER.CREATE.{stream}",
            f"$JS.API.CONSUMER.INFO.{stream}.>",
            f"$JS.API.CONSUMER.LIST.{stream}",
        ]
    return NatsUser("auditor", _key_of(secrets_dir, "auditor"), tuple(publish), ("_INBOX_auditor.>",))


def container_config(accounts: dict[str, Any], *, store_dir: str) -> dict[str, Any]:
    """nats-server's configuration for a container of its own."""
    where = {"listen": "0.0.0.0:4222", "http": "0.0.0.0:8222", "server_name": "chaoyangli"}
    return {**where, **server_config(accounts, store_dir)}
