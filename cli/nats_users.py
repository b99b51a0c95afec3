"""Who may do what in NATS: each service, one that reads every log, one for the operator's emergencies, and subscribers
from outside, none in an account with a log that is not theirs.
"""

from pathlib import Path
from typing import Any

from cli.embedded.nats import server_config
from eventstore import accounts, outsiders
from eventstore.origins import log_name, read_generation
from eventstore.outsiders import Outsider
from servicekit.nats_keys import public_key
from servicekit.secrets import read_nats_seed
from servicekit.settings import SERVICE_PORTS
from servicekit.subscribers import Registry

SERVICES = tuple(SERVICE_PORTS)


def nats_accounts(secrets_dir: Path, state_dir: Path, community: str) -> dict[str, Any]:
    """nats-server's `accounts`. Raises SecretMissing, OriginUnreadable.

    A subscriber whose file cannot be read is not let in; `chaoyangli subscribers list` tells. NATS starts without them.
    """
    # Loads the services with all they need; commands that start no server are quicker without.
    from servicekit.migrate import definition_of

    members = [
        accounts.operator(community, _key_of(secrets_dir, "admin"), SERVICES),
        accounts.auditor(_key_of(secrets_dir, "auditor"), SERVICES),
    ]
    for service in SERVICES:
        sources = sorted(definition_of(service).sources)
        members.append(accounts.service_member(community, service, _key_of(secrets_dir, service), sources))
    others = _outsiders(secrets_dir, state_dir, community, {member.nkey for member in members})
    members += [outsiders.member(outsider) for outsider in others]
    return {outsiders.ACCOUNT: {"users": []}, **accounts.accounts(community, members)}


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


def _key_of(secrets_dir: Path, user: str) -> str:
    return public_key(read_nats_seed(secrets_dir, user))


def container_config(users: dict[str, Any], *, store_dir: str) -> dict[str, Any]:
    """nats-server's configuration for a container of its own; `users`: its accounts."""
    where = {"listen": "0.0.0.0:4222", "http": "0.0.0.0:8222", "server_name": "chaoyangli"}
    return {**where, **server_config(users, store_dir)}
