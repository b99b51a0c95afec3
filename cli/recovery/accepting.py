"""A loss that is accepted, seen from outside PostgreSQL: nobody may be at work, and the files come after the log.

The log says it first, in a transaction. A crash before the files beside the signed head say it, too, leaves services
that refuse to start; the next run puts the files right.
"""

from collections.abc import Collection

import asyncpg

from cli.place import SERVICES, Place
from cli.recovery.heads import signer_of
from eventstore.checkpoint import Checkpoint
from eventstore.log import reader
from eventstore.losses import begin_origin
from eventstore.note import parse_note
from eventstore.origins import read_generation, recorded_generation
from eventstore.recovery import TailRefused
from servicekit.publishing import read_published


async def require_stopped(connection: asyncpg.Connection, what: str) -> None:
    """A service that runs holds numbers of its log and its origin in mind. `what` is to be done. Raises TailRefused."""
    users = [f"{service}_app" for service in SERVICES]
    running = await connection.fetch(
        "SELECT DISTINCT usename::text AS usename FROM pg_stat_activity WHERE usename::text = ANY($1) ORDER BY 1", users
    )
    if running:
        names = ", ".join(row["usename"].removesuffix("_app") for row in running)
        raise TailRefused(f"stop the services before {what}: {names} {'are' if len(running) > 1 else 'is'} up")


async def without_begun(place: Place, connection: asyncpg.Connection, services: Collection[str]) -> list[str]:
    """Those whose loss is not recorded so far. Where it is, and a crash came before the files, they are put right."""
    rest = []
    for service in services:
        counted = read_generation(place.state_dir, place.community, service)
        if await recorded_generation(connection, place.community, service) == counted + 1:
            await begin(place, connection, service)
        else:
            rest.append(service)
    return rest


async def begin(place: Place, connection: asyncpg.Connection, service: str) -> None:
    """The files of a loss that is recorded: old heads aside, the first head of the new origin, the origin itself."""
    generation = await recorded_generation(connection, place.community, service)
    signer = signer_of(place, service, generation)
    head = await reader.head(connection, service)
    end = Checkpoint(signer.origin, head.size, head.tree.root())
    begin_origin(place.state_dir, place.community, service, generation, signer, end)


def published(place: Place, service: str) -> Checkpoint | None:
    """The last head that the service published; None before the first one."""
    note = read_published(place.state_dir / service / "published")
    return None if note is None else Checkpoint.parse(parse_note(note).text)
