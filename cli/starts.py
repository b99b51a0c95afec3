"""Where a subscriber from outside begins on a log: at a position, at a moment, or with what comes from now on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from cli.output import local
from cli.place import Place
from eventstore.errors import EngineError
from eventstore.log import reader

EVERYWHERE = ""
"""Instead of a service: all logs for which nothing else is said."""
Start = int | datetime | None
"""From which position on, or what was recorded from which moment on; None: what comes from now on."""
_MICROSECOND = timedelta(microseconds=1)


class CannotSubscribe(EngineError):
    """A subscriber cannot be made or taken away; the message says why."""


def starts_of(services: Sequence[str], start: Mapping[str, Start], otherwise: Start = 1) -> dict[str, Start]:
    """What `start` says of each of these services, or else `otherwise`. Raises CannotSubscribe."""
    if strange := sorted(set(start) - {EVERYWHERE, *services}):
        raise CannotSubscribe(f"--from names {', '.join(strange)}, of which no event was asked for")
    everywhere = start.get(EVERYWHERE, otherwise)
    unnamed = [service for service in services if service not in start]
    if isinstance(everywhere, int) and everywhere > 1 and len(unnamed) > 1:
        raise CannotSubscribe(f"a position is one log's: say --from {unnamed[0]}={everywhere}")
    return {service: start.get(service, everywhere) for service in services}


async def first_of(place: Place, service: str, start: Start) -> int:
    """The position to begin at. JetStream's own times are never asked: after a rebuild they are the rebuild's.

    Raises CannotSubscribe for a position or a moment that is not there yet: until then nothing would be heard, and
    nobody would know why.
    """
    if start == 1:
        return 1
    if isinstance(start, datetime) and start > datetime.now(UTC):
        raise CannotSubscribe(f"--from {local(start)} is still to come: what comes from now on is `now`")
    connection = await place.connect(service)
    try:
        if isinstance(start, datetime):
            # Recorded at `start` counts: times are whole microseconds.
            return await reader.position_at(connection, service, start - _MICROSECOND) + 1
        size = (await reader.head(connection, service)).size
    finally:
        await connection.close()
    if start is not None and start > size + 1:
        raise CannotSubscribe(f"--from {service}={start}: {service} has {size} events; what comes from now on is `now`")
    return size + 1 if start is None else start
