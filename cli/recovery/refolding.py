"""Read models that are behind their logs, folded anew: after a loss, and after a bundle was imported."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack

from cli.output import Tell
from cli.place import SERVICES, Place
from cli.recovery.sources import LogReader
from eventstore.read_model import models_version
from eventstore.replay import replay
from servicekit.migrate import definition_of


async def refold(place: Place, sizes: Mapping[str, int], again: Collection[str], tell: Tell) -> AsyncIterator[str]:
    """Fold what is not at its log's size, and those of `again` in any case; gives each service that was folded.

    Copies are folded from the logs here: their streams may have to be filled. Raises as `replay` does.
    """
    async with AsyncExitStack() as stack:
        readers = {}
        for source in SERVICES:
            connection = await place.connect(source)
            stack.push_async_callback(connection.close)
            readers[source] = LogReader(connection, source)
        for number, (service, size) in enumerate(sizes.items(), 1):
            models = definition_of(service).read_models
            if models and (service in again or await _state(place, service) != (models_version(models), size)):
                await replay(place.log_config(service, "migrator"), models, swap=True, copies=readers)
                yield service
            tell("read models", number, len(sizes))


async def _state(place: Place, service: str) -> tuple[str, int] | None:
    """Version and position of the live read models; None when there are none."""
    connection = await place.connect(service)
    try:
        row = await connection.fetchrow(
            f"SELECT version, position FROM {service}.read_model_state WHERE schema_name = $1",  # noqa: S608
            f"{service}_read",
        )
    finally:
        await connection.close()
    return (row["version"], row["position"]) if row is not None else None
