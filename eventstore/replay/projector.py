"""Folding a history into read models: in memory first, written with COPY; then, for what came later, in bulk.

`apply` is the code that runs live. Only where the rows are kept differs: a replay begins with empty tables, so until it
writes them it needs no database to know what is in them.
"""

import logging
from collections.abc import Callable, Sequence

import asyncpg

from contracts.envelope import Recorded
from eventstore.config import LogConfig
from eventstore.errors import ReplayFailed
from eventstore.log.folding import needed
from eventstore.read_model import ReadModel
from eventstore.replay.histories import LOG_ROWS, MEMORY_EVENTS
from eventstore.replay.memory import MemoryRows
from eventstore.replay.pair import SEGMENT_EVENTS, Pair, is_worth_it
from eventstore.replay.share import NotInTwo
from eventstore.rows import Rows

_logger = logging.getLogger(__name__)

MEMORY_ROWS_MOST = 400_000
"""Rows of read models kept in memory, some hundreds of megabytes; beyond it they are written and folded in bulk."""


class Projection:
    """Read models on their way through their histories. `folded` says how far each source is folded."""

    def __init__(self, models: Sequence[ReadModel], schema: str, memory_rows: int = MEMORY_ROWS_MOST) -> None:
        self._models = models
        self._schema = schema
        self._memory: MemoryRows | None = MemoryRows()
        self._memory_rows = memory_rows
        self._pair: Pair | None = None
        self._alone = False
        """Two processes were tried, and did not fit."""
        self.folded: dict[str, int] = dict.fromkeys((model.source for model in models), 0)
        self.events = 0

    @property
    def sources(self) -> list[str]:
        """The services whose logs are folded."""
        return list(self.folded)

    @property
    def in_memory(self) -> bool:
        """Whether nothing is written so far."""
        return self._memory is not None

    def at_once(self) -> int:
        """Events best folded in one go: few in memory, many where each go is several statements."""
        return LOG_ROWS if self._memory is None else MEMORY_EVENTS

    async def fold(
        self, connection: asyncpg.Connection, source: str, events: Sequence[Recorded], position: int
    ) -> None:
        """Apply the events that follow what is folded; afterwards the source is folded to `position`."""
        for model in self._models:
            if model.source != source or not events:
                continue
            if self._memory is not None:
                _apply(model, events, self._memory)
            else:
                rows = Rows()
                await rows.fetch(connection, self._schema, needed(model, events))
                _apply(model, events, rows)
                await rows.flush(connection, self._schema)
        self.folded[source] = position
        self.events += len(events)

    async def fold_in_two(
        self, config: LogConfig, reading: asyncpg.Connection, up_to: int, told: Callable[[int], None]
    ) -> None:
        """Fold the service's own log with a second process, where it is worth it, until memory is full.

        Where it does not fit, all of it is forgotten; `fold` then begins with the first event. `told` hears how many
        events are folded beyond those that `folded` counts.
        """
        own = config.service
        models = [model for model in self._models if model.source == own]
        if self._pair is None and (self._alone or self.folded[own] > 0 or not is_worth_it(models, up_to)):
            return
        try:
            if self._pair is None:
                self._pair = await Pair.start(config, reading, models, up_to)
            while self._memory is not None and self.folded[own] < up_to and not self.must_write:
                after = self.folded[own]
                end = min(after + SEGMENT_EVENTS, up_to)
                await self._pair.fold(after, end, self._memory, told)
                self.folded[own] = end
                self.events += end - after
        except NotInTwo as why:
            _logger.warning("the log of %s is folded again, in one process: %s", own, why)
            await self._begin_alone(own)

    async def _begin_alone(self, own: str) -> None:
        self._alone = True
        await self.close()
        assert self._memory is not None
        self._memory.forget(
            table for model in self._models if model.source == own for table in model.metadata.tables.values()
        )
        self.events -= self.folded[own]
        self.folded[own] = 0

    @property
    def must_write(self) -> bool:
        """Whether memory is full."""
        rows_there = 0 if self._pair is None else self._pair.size
        return self._memory is not None and self._memory.size + rows_there > self._memory_rows

    async def write(self, connection: asyncpg.Connection) -> None:
        """Write what is in memory; what follows is then folded in the database."""
        if self._memory is not None:
            if self._pair is not None:
                await self._pair.write(connection, self._schema)
                self._pair = None
            await self._memory.write(connection, self._schema)
            self._memory = None

    async def close(self) -> None:
        """End the second process, if there is one."""
        if self._pair is not None:
            await self._pair.close()
            self._pair = None


def _apply(model: ReadModel, events: Sequence[Recorded], rows: Rows) -> None:
    apply = model.apply
    recorded = events[0]
    try:
        for recorded in events:
            apply(recorded, rows)
    except Exception as error:
        where = f"event {recorded.position} of {recorded.service} ({recorded.type})"
        raise ReplayFailed(f"{type(model).__name__} failed at {where}: {error!r}") from error
