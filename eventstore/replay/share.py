"""A share of a log's streams, folded apart from the others: by a process of its own, or by the first one meanwhile.

Rows of the tables that ReadModel.of_one_stream names are kept here to the end. Changes to all other tables are only
noted, each with the position of its event; the first process makes those of both shares in the log's order (pair.py).
"""

import asyncio
import pickle
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import sqlalchemy as sa

from contracts.envelope import Recorded, skim
from contracts.event import ContractError
from eventstore.bulk import shape_of
from eventstore.config import LogConfig
from eventstore.copying import csv_chunks
from eventstore.errors import EngineError
from eventstore.read_model import ReadModel
from eventstore.replay.histories import LOG_ROWS, MEMORY_EVENTS
from eventstore.replay.memory import MemoryRows

SHARES = 1024
"""Streams are told apart by a hash of ten bits."""
POSITIONS = 2 * LOG_ROWS
"""Positions looked at in one go: about LOG_ROWS of them are in the share."""
LENGTH_BYTES = 8

Noted = tuple[int, str, str, tuple[Any, ...], dict[str, Any]]
"""A change to a table that both shares change: position, method of Rows, table, key if one is given, values."""
Stray = tuple[str, Any]
"""A table, and a key (as MemoryRows keeps it) under which this share has no row."""


class NotInTwo(EngineError):
    """This history, or this model, cannot be folded in two shares. One process can, or says better what is wrong."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the second process is told first."""

    config: LogConfig
    models: Sequence[ReadModel]
    low: int
    high: int
    """Streams whose hash h is low ≤ h < high, of SHARES."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What became of the events of one share between two positions."""

    events: int
    rows: int
    """Rows kept in the share now."""
    noted: Sequence[Noted]
    strays: frozenset[Stray]
    """Changes to rows that are not in this share. They must not be in the other."""


class ShareRows(MemoryRows):
    """The rows of one share. `position` is that of the event being applied."""

    def __init__(self, of_one_stream: frozenset[sa.Table]) -> None:
        super().__init__()
        self._own = of_one_stream
        self._deleted: set[Stray] = set()
        self._noted: list[Noted] = []
        self._strays: set[Stray] = set()
        self.position = 0

    def insert(self, table: sa.Table, **values: Any) -> None:
        if table in self._own:
            super().insert(table, **values)
        else:
            self._note("insert", table, (), values)

    def upsert(self, table: sa.Table, **values: Any) -> None:
        if table in self._own:
            super().upsert(table, **values)
        else:
            self._note("upsert", table, (), values)

    def update(self, table: sa.Table, key: Any, **values: Any) -> None:
        if table in self._own:
            super().update(table, key, **values)
        else:
            self._note("update", table, (key,), values)

    def add(self, table: sa.Table, key: Any, **deltas: int) -> None:
        if table in self._own:
            super().add(table, key, **deltas)
        else:
            self._note("add", table, (key,), deltas)

    def delete(self, table: sa.Table, key: Any) -> None:
        if table in self._own:
            self._deleted.add((table.name, key.int if self._table(table).by_number else key))
            super().delete(table, key)
        else:
            self._note("delete", table, (key,), {})

    def get(self, table: sa.Table, key: Any) -> Any:
        if table not in self._own:
            raise NotInTwo(f"{table.name} is read, and both shares change it")
        return super().get(table, key)

    def missed(self, table: sa.Table, key: Any) -> None:
        self._strays.add((table.name, key))

    def has_any(self, strays: Iterable[Stray]) -> Stray | None:
        """One of these rows that is, or was, in this share."""
        kept = {table.name: kept.rows for table, kept in self._kept.items()}
        for stray in strays:
            if stray in self._deleted or stray[1] in kept.get(stray[0], ()):
                return stray
        return None

    def taken(self, events: int) -> Folded:
        """What was folded since the last time."""
        folded = Folded(events, self.size, self._noted, frozenset(self._strays))
        self._noted, self._strays = [], set()
        return folded

    def csv(self) -> Iterable[tuple[str, list[bytes]]]:
        """Every table with its rows as COPY takes them."""
        for table, kept in self._kept.items():
            yield table.name, list(csv_chunks(kept.shape, kept.rows.values()))

    def _note(self, change: str, table: sa.Table, key: tuple[Any, ...], values: dict[str, Any]) -> None:
        shape_of(table).check(values)
        self._noted.append((self.position, change, table.name, key, values))


class ShareOfLog:
    """The events of the streams of one share, in the log's order, and their fold."""

    def __init__(
        self, connection: asyncpg.Connection, service: str, models: Sequence[ReadModel], low: int, high: int
    ) -> None:
        self._connection = connection
        self._service = service
        self._models = models
        self._between = f"(hashtext(stream) & {SHARES - 1}) >= {low} AND (hashtext(stream) & {SHARES - 1}) < {high}"
        self.rows = ShareRows(frozenset().union(*(model.of_one_stream for model in models)))

    async def fold(self, after: int, up_to: int) -> AsyncIterator[int]:
        """Fold the share's events `after` < position ≤ `up_to`; tells how many, batch by batch.

        Raises NotInTwo. Whether an event is missing shows only in the sum of both shares.
        """
        ahead = asyncio.create_task(self._fetch(after, up_to))
        try:
            while after < up_to:
                found = await ahead
                after += POSITIONS
                ahead = asyncio.create_task(self._fetch(after, up_to))
                await asyncio.sleep(0)  # the request is sent before the processor is ours
                for first in range(0, len(found), MEMORY_EVENTS):
                    events = _decoded(found[first : first + MEMORY_EVENTS])
                    for model in self._models:
                        self._apply(model, events)
                yield len(found)
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    def _apply(self, model: ReadModel, events: Sequence[Recorded]) -> None:
        apply, rows = model.apply, self.rows
        try:
            for recorded in events:
                rows.position = recorded.position
                apply(recorded, rows)
        except NotInTwo:
            raise
        except Exception as error:
            raise NotInTwo(f"{type(model).__name__} failed at event {rows.position}: {error!r}") from error

    async def _fetch(self, after: int, up_to: int) -> list[Any]:
        if after >= up_to:
            return []
        # By position alone: the planner takes the hash for a rare one, and would sort the whole log for a LIMIT.
        rows: list[Any] = await self._connection.fetch(
            f"""SELECT position, body FROM {self._service}.events
                WHERE position > $1 AND position <= $2 AND {self._between} ORDER BY position""",
            after,
            min(after + POSITIONS, up_to),
        )
        return rows


def _decoded(rows: Sequence[Any]) -> list[Recorded]:
    events = []
    for position, body in rows:
        try:
            recorded = skim(body)
        except ContractError as error:
            raise NotInTwo(f"event {position} cannot be read: {error}") from error
        if recorded.position != position:
            raise NotInTwo(f"where event {position} should be is {recorded.position}")
        events.append(recorded)
    return events


def to_frame(message: Any) -> bytes:
    """A message between the two processes: a length of LENGTH_BYTES and a pickle. Both ends are one program."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(LENGTH_BYTES) + data


def replaying(config: LogConfig) -> dict[str, Any]:
    """How a replay connects to PostgreSQL."""
    arguments = config.connect_arguments("replay")
    arguments["server_settings"] |= {"jit": "off", "timezone": "UTC"}
    return arguments
