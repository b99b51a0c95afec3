"""Reading the logs as an auditor does: from PostgreSQL, in order, by position, changing nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from heapq import merge

import asyncpg

from cli.place import Place
from contracts.envelope import Recorded, decode

PAGE = 1_000
FOLLOW_SECONDS = 0.2


async def read_page(connection: asyncpg.Connection, service: str, after: int, limit: int = PAGE) -> list[Recorded]:
    """The next events of one log after a position."""
    rows = await connection.fetch(
        f"SELECT body FROM {service}.events WHERE position > $1 ORDER BY position LIMIT $2",  # noqa: S608
        after,
        limit,
    )
    return [decode(row["body"]) for row in rows]


async def read_all(place: Place, services: Sequence[str], first: int = 1) -> AsyncIterator[Recorded]:
    """Every event of these logs from position `first` on, merged in order of recording time."""
    found: list[list[Recorded]] = []
    for service in services:
        connection = await place.connect(service)
        try:
            events: list[Recorded] = []
            after = first - 1
            while page := await read_page(connection, service, after):
                events += page
                after = page[-1].position
            found.append(events)
        finally:
            await connection.close()
    for recorded in merge(*found, key=lambda event: (event.recorded_at, event.service, event.position)):
        yield recorded


async def follow(place: Place, services: Sequence[str], after: dict[str, int]) -> AsyncIterator[Recorded]:
    """Events as they are committed, for ever, each log from after its given position."""
    connections = {service: await place.connect(service) for service in services}
    try:
        while True:
            fresh: list[Recorded] = []
            for service, connection in connections.items():
                page = await read_page(connection, service, after.get(service, 0))
                if page:
                    after[service] = page[-1].position
                    fresh += page
            fresh.sort(key=lambda event: (event.recorded_at, event.service, event.position))
            for recorded in fresh:
                yield recorded
            if not fresh:
                await asyncio.sleep(FOLLOW_SECONDS)
    finally:
        for connection in connections.values():
            await connection.close()
