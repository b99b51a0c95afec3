"""recover, from the look at every log to its read models: everything is checked before anything is written.

All logs lie in one database and came back from one copy of it, so all tails are put back in one transaction: a consumer
never stands beyond the log that it hears, and a crash leaves either all of it or nothing, to be begun again.
"""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import nats

from cli.output import Tell
from cli.place import SERVICES, Place
from cli.recovery.heads import signer_of
from cli.recovery.sources import LogReader, Source, Stream, connected, gathered
from eventstore.checkpoint import NoHead
from eventstore.read_model import models_version
from eventstore.recovery import Tail, base_of, checked, move_heard, put_back
from eventstore.replay import replay
from servicekit.migrate import MigrateSettings, definition_of


@dataclass
class Recovered:
    """What was done for one log."""

    service: str
    before: int
    after: int
    signed: int
    sources: list[str]
    heard: dict[str, int] = field(default_factory=dict)
    """Sources whose consumer was moved on, and to where: what the tail shows to have been acted upon."""
    rebuilt: bool = False
    """Whether its read models were folded anew."""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "service": self.service,
            "before": self.before,
            "after": self.after,
            "signed": self.signed,
            "sources": self.sources,
            "heard": self.heard,
            "rebuilt": self.rebuilt,
        }


async def recover(place: Place, services: Sequence[str], sources: Sequence[Source], tell: Tell) -> list[Recovered]:
    """Put the missing tails of these logs back, then rebuild the read models that are behind.

    Raises NoHead, TailRefused, BundleRefused, SourceUnreachable, HeadUnreadable: then nothing was written. Raises as
    `replay` does after the logs were put right: the read models are then rebuilt by the next `recover`.
    """
    client = await nats.connect(**place.nats_arguments())
    try:
        async with connected(superuser_dsn(place)) as connection:
            tails, found = await _look(place, connection, services, [*sources, Stream(client)], tell)
            async with connection.transaction():
                await _write(connection, tails, found, tell)
    finally:
        await client.close()
    await _rebuild(place, found, tell)
    return [found[service] for service in services]


def superuser_dsn(place: Place) -> str:
    """How the migrator's superuser reaches the database. Raises SecretMissing."""
    settings = MigrateSettings(
        secrets_dir=place.secrets_dir,
        database_host=place.database_host,
        database_port=place.database_port,
        database_name=place.database_name,
    )
    return settings.dsn(place.database_name)


async def _look(
    place: Place, connection: asyncpg.Connection, services: Sequence[str], sources: Sequence[Source], tell: Tell
) -> tuple[list[Tail], dict[str, Recovered]]:
    """Gather and check every tail. Writes nothing."""
    tails, found = [], {}
    for number, service in enumerate(services, 1):
        signer = signer_of(place, service)
        signed = signer.last_signed()
        if signed is None:
            raise NoHead(
                f"{signer.origin}: without its last signed head nobody can say what is missing:"
                f" run `chaoyangli checkpoint adopt {service} --ahead` first"
            )
        base = await base_of(connection, service)
        bodies, names = await gathered(service, base, sources)
        tail = await checked(connection, place.log_config(service, "migrator"), base, bodies, signed)
        found[service] = Recovered(service, base.size, tail.size, signed.size, names)
        if tail.events:
            tails.append(tail)
        tell("check", number, len(services))
    return tails, found


async def _write(
    connection: asyncpg.Connection, tails: Sequence[Tail], found: Mapping[str, Recovered], tell: Tell
) -> None:
    for number, tail in enumerate(tails, 1):
        await put_back(connection, tail)
        tell("put back", number, len(tails))
    for tail in tails:
        service = tail.config.service
        moved = await move_heard(connection, tail, [source for source in SERVICES if source != service])
        found[service].heard = dict(moved)


async def _rebuild(place: Place, found: Mapping[str, Recovered], tell: Tell) -> None:
    """Fold again what is behind its log. Copies are folded from the logs here: their streams may have to be filled."""
    async with AsyncExitStack() as stack:
        readers = {}
        for source in SERVICES:
            connection = await place.connect(source)
            stack.push_async_callback(connection.close)
            readers[source] = LogReader(connection, source)
        for number, (service, one) in enumerate(found.items(), 1):
            models = definition_of(service).read_models
            config = place.log_config(service, "migrator")
            state = await _state(place, service)
            behind = state is None or state != (models_version(models), one.after)
            if models and (behind or one.heard):
                await replay(config, models, swap=True, copies=readers)
                one.rebuilt = True
            tell("read models", number, len(found))


async def _state(place: Place, service: str) -> tuple[str, int] | None:
    connection = await place.connect(service)
    try:
        row = await connection.fetchrow(
            f"SELECT version, position FROM {service}.read_model_state WHERE schema_name = $1",  # noqa: S608
            f"{service}_read",
        )
    finally:
        await connection.close()
    return (row["version"], row["position"]) if row is not None else None
