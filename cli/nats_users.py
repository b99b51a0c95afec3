"""Who may do what in NATS: a user for each service, one that reads every log, one for the operator's emergencies."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cli.embedded.nats import NatsUser
from eventstore.origins import log_name
from eventstore.streams import GENERATIONS_GRANTED, rights, stream_name
from servicekit.secrets import read_text_secret
from servicekit.settings import SERVICE_PORTS

SERVICES = tuple(SERVICE_PORTS)


def nats_users(secrets_dir: Path, community: str, services: Iterable[str] | None = None) -> list[NatsUser]:
    """The users of the server. Services publish their own subjects only; `auditor` reads and changes nothing."""
    # Loads the services with all they need; commands that start no server are quicker without.
    from servicekit.migrate import definition_of

    users = [NatsUser("admin", read_text_secret(secrets_dir / "nats_admin.password"))]
    for service in services or SERVICES:
        allowed = rights(community, service, sorted(definition_of(service).sources))
        password = read_text_secret(secrets_dir / f"nats_{service}.password")
        users.append(NatsUser(service, password, allowed.publish, allowed.subscribe))
    users.append(_auditor(secrets_dir))
    return users


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
    password = read_text_secret(secrets_dir / "nats_auditor.password")
    return NatsUser("auditor", password, tuple(publish), ("_INBOX_auditor.>",))


def server_config(users: Iterable[NatsUser], *, store_dir: str) -> dict[str, Any]:
    """nats-server's configuration for a container of its own."""
    return {
        "listen": "0.0.0.0:4222",
        "http": "0.0.0.0:8222",
        "server_name": "chaoyangli",
        "max_payload": 1024 * 1024,
        "jetstream": {"store_dir": store_dir, "sync_interval": "always", "strict": True},
        "authorization": {"users": [user.as_config() for user in users]},
    }
