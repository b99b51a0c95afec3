"""recover, from the look at every log to its read models: everything is checked before anything is written.

All logs lie in one database and came back from one copy of it, so all tails are put back in one transaction: a consumer
never stands beyond the log that it hears, and a crash leaves either all of it or nothing, to be begun again. A loss
that is accepted goes with them (decision 0010).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import nats

from cli.output import Tell
from cli.place import SERVICES, Place
from cli.recovery.accepting import begin, published, require_stopped, without_begun
from cli.recovery.heads import signer_of
from cli.recovery.refolding import refold
from cli.recovery.sources import Source, Stream, connected, gathered
from eventstore.checkpoint import NoHead
from eventstore.losses import Forgotten, Orphan, first_lost_at, forget, forget_durables, orphans, with_loss
from eventstore.recovery import Tail, base_of, checked, continuing, move_heard, put_back
from servicekit.migrate import MigrateSettings


@dataclass(frozen=True, slots=True)
class Accepted:
    """Whose loss is accepted, and by whom."""

    services: Collection[str]
    actor: UUID


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
    lost: tuple[int, int] | None = None
    """First and last number that the old origin has and nobody has any more."""
    origin: str = ""
    """The origin that counts now."""
    forgotten: list[Forgotten] = field(default_factory=list)
    """Who had heard what is lost, and no longer counts it."""
    durables: list[str] = field(default_factory=list)
    """Outsiders' durables on the old stream, not made again on the new one."""
    orphans: list[Orphan] = field(default_factory=list)
    """Events here whose cause is lost."""

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
            "lost": self.lost and list(self.lost),
            "origin": self.origin,
            "forgotten": [asdict(one) for one in self.forgotten],
            "durables": self.durables,
            "orphans": [asdict(one) for one in self.orphans],
        }


async def recover(
    place: Place, services: Sequence[str], sources: Sequence[Source], tell: Tell, accepted: Accepted | None = None
) -> list[Recovered]:
    """Put the missing tails of these logs back, then rebuild the read models that are behind.

    `accepted`: what these logs lack, and nobody has, is lost; they begin a new origin. The services must be stopped.
    Raises NoHead, TailRefused, BundleRefused, SourceUnreachable, HeadUnreadable: then nothing was written. Raises as
    `replay` does after the logs were put right: the read models are then rebuilt by the next `recover`.
    """
    client = await nats.connect(**place.nats_arguments())
    try:
        async with connected(superuser_dsn(place)) as connection:
            losing: Collection[str] = ()
            if accepted is not None:
                await require_stopped(connection, "a loss is accepted")
                losing = await without_begun(place, connection, accepted.services)
            seen = [*sources, Stream(client, place)]
            tails, found = await _look(place, connection, services, seen, tell, accepted, losing)
            async with connection.transaction():
                await _write(connection, tails, found, tell)
            for service in losing:
                await begin(place, connection, service)
            for service in services:
                found[service].origin = place.origin(service)
    finally:
        await client.close()
    moved = {service for service, one in found.items() if one.heard}
    async for service in refold(place, {name: one.after for name, one in found.items()}, moved, tell):
        found[service].rebuilt = True
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
    place: Place,
    connection: asyncpg.Connection,
    services: Sequence[str],
    sources: Sequence[Source],
    tell: Tell,
    accepted: Accepted | None,
    losing: Collection[str],
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
        config = place.log_config(service, "migrator")
        if accepted is not None and service in losing:
            left = await continuing(connection, config, base, bodies)
            tail = await with_loss(connection, left, signed, published(place, service), accepted.actor)
        else:
            left = tail = await checked(connection, config, base, bodies, signed)
        found[service] = Recovered(service, base.size, tail.size, signed.size, names)
        if left is not tail:
            found[service].lost = (left.size + 1, signed.size)
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
    lost = {service: one.lost for service, one in found.items() if one.lost is not None}
    for tail in tails:
        service = tail.config.service
        others = [source for source in SERVICES if source != service]
        moved = await move_heard(connection, tail.config, tail.events, others, all_there=not lost)
        found[service].heard = dict(moved)
    for source, (first, _) in lost.items():
        found[source].durables = await forget_durables(connection, source)
        for listener in SERVICES:
            forgotten = None if listener == source else await forget(connection, listener, source, first - 1)
            if forgotten is not None:
                found[source].forgotten.append(forgotten)
                found[listener].heard[source] = first - 1
    if lost:
        for orphan in await orphans(
            connection,
            SERVICES,
            await first_lost_at(connection, {service: first for service, (first, _) in lost.items()}),
        ):
            found[orphan.service].orphans.append(orphan)
