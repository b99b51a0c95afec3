"""The doctor's round: every check, each apart, so that one part that is dead hides nothing else."""

from collections.abc import Mapping

import asyncpg

from cli.doctor import machine
from cli.doctor.broker import UNREACHABLE, broker, explain
from cli.doctor.database import database
from cli.doctor.findings import Finding, bad
from cli.doctor.heads import heads
from cli.place import SERVICES, Place
from eventstore.checkpoint import KeyFileError
from eventstore.errors import EngineError
from servicekit.publishing import WitnessesUnreadable
from servicekit.secrets import SecretMissing


async def examine(place: Place, disk_percent: float = machine.DISK_FREE_PERCENT) -> list[Finding]:
    """Every finding, in the order in which one looks: the machine, the servers, the logs, what leaves the house."""
    sources = heard_by()
    found = [machine.memory(place), *machine.disks(place, disk_percent), *machine.keys(place)]
    found += machine.ports(place)
    found += await machine.services(place)
    postgres = nats = None
    try:
        told, postgres = await database(place, sources)
        found += told
        found += await heads(place)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        said = f"PostgreSQL does not answer as it should: {type(error).__name__}: {error}"
        found.append(bad("postgresql", said, "start it, and read its log"))
    except (SecretMissing, KeyFileError, WitnessesUnreadable, EngineError) as error:
        found.append(bad("postgresql" if isinstance(error, SecretMissing) else "signer", str(error), "put it right"))
    try:
        told, nats = await broker(place, sources)
        found += told
    except SecretMissing as error:
        found.append(bad("nats", str(error), "chaoyangli init"))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, *UNREACHABLE) as error:
        found.append(explain(error, place))
    found.append(machine.backup(place))
    found.append(machine.versions(postgres, nats))
    return found


def heard_by() -> Mapping[str, list[str]]:
    """Service → the services whose logs it hears, as their definitions say."""
    # Loads every service with all it needs, which no other command has to wait for.
    from servicekit.migrate import definition_of

    return {service: sorted(definition_of(service).sources) for service in SERVICES}
