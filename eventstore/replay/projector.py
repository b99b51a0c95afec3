"""Folding a history into read models: in memory first, written with COPY; then, for what came later, in bulk.

`apply` is the code that runs live. Only where the rows are kept differs: a replay begins with empty tables, so until it
writes them it needs no database to know what is in them.
"""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import itemgetter
from typing import Any, Protocol

import asyncpg
import sqlalchemy as sa

from contracts.envelope import Recorded, UnknownEvent, decode, skim
from contracts.event import ContractError
from eventstore.bulk import Shape, json_bytes, shape_of
from eventstore.copying import copy_rows
from eventstore.errors import EngineError, Tampered
from eventstore.log.folding import needed
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from eventstore.stream_reader import StreamMessage

LOG_ROWS = 2_000
"""Events read from PostgreSQL at a time: about what fits between the two processes while we fold."""
MEMORY_EVENTS = 100
"""Events decoded before they are applied in memory: what a processor still has at hand by then."""
MEMORY_ROWS_MOST = 400_000
"""Rows of read models kept in memory, some hundreds of megabytes; beyond it they are written and folded in bulk."""


class ReplayFailed(EngineError):
    """A history could not be folded: which event, and why."""


class MemoryRows(Rows):
    """The whole of some tables in memory. The same changes as Rows, made at once; written by `write`."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[sa.Table, _KeptTable] = {}

    def insert(self, table: sa.Table, **values: Any) -> None:
        kept = self._kept.get(table) or self._table(table)
        row = kept.new_row(values)
        key = kept.key_of(row)
        if key in kept.rows:
            raise ReplayFailed(f"{table.name} has a row {kept.shape.key(row)!r} already")
        kept.rows[key] = row

    def upsert(self, table: sa.Table, **values: Any) -> None:
        kept = self._kept.get(table) or self._table(table)
        new = kept.new_row(values)
        key = kept.key_of(new)
        row = kept.rows.get(key)
        if row is None:
            kept.rows[key] = new
        else:
            row.update(values)

    def update(self, table: sa.Table, key: Any, **values: Any) -> None:
        kept = self._kept.get(table) or self._table(table)
        if kept.by_number:
            key = key.int
        row = kept.rows.get(key)
        if row is None:
            kept.shape.check(values)
            return
        row.update(values)
        if len(row) != kept.width:
            kept.shape.check(values)
        if kept.single in values if kept.single is not None else not kept.primary_key.isdisjoint(values):
            del kept.rows[key]
            kept.rows[kept.key_of(row)] = row

    def add(self, table: sa.Table, key: Any, **deltas: int) -> None:
        kept = self._kept.get(table) or self._table(table)
        kept.shape.check(deltas)
        row = kept.rows.get(key.int if kept.by_number else key)
        if row is None:
            return
        for name, delta in deltas.items():
            if row[name] is not None:
                row[name] += delta

    def delete(self, table: sa.Table, key: Any) -> None:
        kept = self._table(table)
        kept.rows.pop(key.int if kept.by_number else key, None)

    def get(self, table: sa.Table, key: Any) -> Mapping[str, Any] | None:
        kept = self._table(table)
        row = kept.rows.get(key.int if kept.by_number else key)
        if row is None:
            return None
        # A copy, and JSON as the database gives it back: what a model was given must not change under its hands.
        found = dict(row)
        for name in kept.documents:
            if found[name] is not None:
                found[name] = json.loads(json_bytes(found[name]))
        return found

    @property
    def size(self) -> int:
        """Rows kept."""
        return sum(len(kept.rows) for kept in self._kept.values())

    async def write(self, connection: asyncpg.Connection, schema: str) -> None:
        """Copy all rows into the empty tables of `schema`, referenced tables first, and forget them."""
        for kept in sorted(self._kept.values(), key=lambda kept: kept.shape.order):
            if kept.rows:
                await copy_rows(connection, schema, kept.shape, kept.rows.values())
        self._kept.clear()

    def _table(self, table: sa.Table) -> "_KeptTable":
        kept = self._kept.get(table)
        if kept is None:
            kept = self._kept[table] = _KeptTable(shape_of(table))
        return kept


class _KeptTable:
    """One table in memory. Every row has all columns, in the table's order: it begins as a copy of the defaults."""

    __slots__ = ("_defaults", "by_number", "documents", "key_of", "primary_key", "rows", "shape", "single", "width")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.rows: dict[Any, dict[str, Any]] = {}
        self.width = len(shape.columns)
        self.primary_key = frozenset(shape.primary_key)
        self.key_of: Callable[[Mapping[str, Any]], Any] = itemgetter(*shape.primary_key)
        """What a row is kept by: its key, or a tuple of several, as Shape.key has it."""
        self.single = shape.primary_key[0] if len(shape.primary_key) == 1 else None
        """The key's one column, where it has one."""
        self.by_number = self.single is not None and isinstance(shape.table.columns[self.single].type, sa.Uuid)
        """Kept by the number that the key, a UUID, is: UUIDs hash and compare in Python, four times as slowly."""
        if self.by_number:
            key_name = shape.primary_key[0]
            self.key_of = lambda row: row[key_name].int
        self._defaults = dict(shape.defaults)
        self.documents = [name for name, column in shape.columns.items() if column.is_json]

    def new_row(self, values: dict[str, Any]) -> dict[str, Any]:
        """A row with every column. Raises TypeError for a name that is no column, or a key that is not given."""
        row = self._defaults | values
        keyed = self.single in values if self.single is not None else self.primary_key <= values.keys()
        if len(row) != self.width or not keyed:
            self.shape.key(values)
        return row


class Projection:
    """Read models on their way through their histories. `folded` says how far each source is folded."""

    def __init__(self, models: Sequence[ReadModel], schema: str, memory_rows: int = MEMORY_ROWS_MOST) -> None:
        self._models = models
        self._schema = schema
        self._memory: MemoryRows | None = MemoryRows()
        self._memory_rows = memory_rows
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

    @property
    def must_write(self) -> bool:
        """Whether memory is full."""
        return self._memory is not None and self._memory.size > self._memory_rows

    async def write(self, connection: asyncpg.Connection) -> None:
        """Write what is in memory; what follows is then folded in the database."""
        if self._memory is not None:
            await self._memory.write(connection, self._schema)
            self._memory = None


def _apply(model: ReadModel, events: Sequence[Recorded], rows: Rows) -> None:
    apply = model.apply
    recorded = events[0]
    try:
        for recorded in events:
            apply(recorded, rows)
    except Exception as error:
        where = f"event {recorded.position} of {recorded.service} ({recorded.type})"
        raise ReplayFailed(f"{type(model).__name__} failed at {where}: {error!r}") from error


@contextmanager
def no_collections() -> Iterator[None]:
    """Stop the cyclic garbage collector: events and rows hold no cycles, and looking for some is a tenth of the work.

    It holds for the whole process, for as long as a history is folded.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


# --- histories ---


class OwnHistory:
    """A log from PostgreSQL, over a connection of its own: the next rows are on their way while these are folded."""

    def __init__(self, connection: asyncpg.Connection, service: str) -> None:
        self._connection = connection
        self._service = service

    async def read(
        self, after: int, up_to: int, at_once: Callable[[], int] = lambda: LOG_ROWS
    ) -> AsyncIterator[list[Recorded]]:
        """The committed events `after` < position ≤ `up_to`, `at_once()` in a batch. Raises Tampered, ReplayFailed."""
        ahead = asyncio.create_task(self._fetch(after, up_to))
        try:
            while after < up_to:
                rows = await ahead
                if not rows:
                    raise Tampered(f"event {after + 1} of {self._service} is missing", after + 1)
                ahead = asyncio.create_task(self._fetch(after + len(rows), up_to))
                await asyncio.sleep(0)  # the request is sent before the processor is ours
                first, after = after + 1, after + len(rows)
                while first <= after:
                    events = self._decoded(rows[first - after - 1 :][: at_once()], first)
                    yield events
                    first += len(events)
        finally:
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _fetch(self, after: int, up_to: int) -> list[Any]:
        if after >= up_to:
            return []
        rows: list[Any] = await self._connection.fetch(
            f"""SELECT body FROM {self._service}.events WHERE position > $1 AND position <= $2
                ORDER BY position LIMIT {LOG_ROWS}""",
            after,
            up_to,
        )
        return rows

    def _decoded(self, rows: Sequence[Any], first: int) -> list[Recorded]:
        events: list[Recorded] = []
        try:
            for position, row in enumerate(rows, first):
                recorded = skim(row[0])
                if recorded.position != position:
                    raise Tampered(
                        f"where event {position} of {self._service} should be is {recorded.position}", position
                    )
                events.append(recorded)
        except ContractError as error:
            raise ReplayFailed(f"event {first + len(events)} of {self._service} cannot be read: {error}") from error
        return events


class HistoryElsewhere(OwnHistory):
    """A log from where a copy of it lies, its stream or a bundle, instead of PostgreSQL. Nothing in it is believed:
    numbers are checked here, bytes by who gave the reader.
    """

    def __init__(self, reader: "Messages", service: str) -> None:
        self._reader = reader
        self._service = service

    async def _fetch(self, after: int, up_to: int) -> list[Any]:
        if after >= up_to:
            return []
        messages = await self._reader.read(after + 1, min(LOG_ROWS, up_to - after))
        return [(message.body,) for message in messages if message.position <= up_to]

    def _decoded(self, rows: Sequence[Any], first: int) -> list[Recorded]:
        events = super()._decoded(rows, first)
        for recorded in events:
            if recorded.service != self._service:
                raise ReplayFailed(f"event {recorded.position} of {self._service} is one of {recorded.service} there")
        return events


class Messages(Protocol):
    """What is needed of a StreamReader."""

    async def read(self, first: int, limit: int = ...) -> list[StreamMessage]: ...


class HeardHistory:
    """Another service's log as its stream has it. Reads ahead, so that the last events need no waiting."""

    def __init__(self, source: str, reader: Messages) -> None:
        self.source = source
        self._reader = reader
        self._ahead: dict[int, bytes] = {}

    async def read_ahead(self, position: int) -> None:
        """Fetch what the stream has after `position`, up to one batch."""
        while position + 1 in self._ahead:
            position += 1
        for message in await self._reader.read(position + 1):
            self._ahead[message.position] = message.body

    async def position_at(self, moment: datetime, up_to: int) -> int:
        """The last position ≤ `up_to` recorded at or before `moment`; recording times never decrease."""
        low, high = 0, up_to
        while low < high:
            middle = (low + high + 1) // 2
            found = await self._reader.read(middle, 1)
            if not found or found[0].position != middle:
                raise ReplayFailed(f"the stream of {self.source} has no event {middle}, which was heard")
            if datetime.fromisoformat(json.loads(found[0].body)["time"]) <= moment:
                low = middle
            else:
                high = middle - 1
        return low

    def has(self, after: int, up_to: int) -> bool:
        """Whether all of these were read already."""
        return all(position in self._ahead for position in range(after + 1, up_to + 1))

    async def read(self, after: int, up_to: int, left_out: frozenset[int]) -> AsyncIterator[tuple[list[Recorded], int]]:
        """The events `after` < position ≤ `up_to` but those left out and those of unknown types; with their end."""
        while after < up_to:
            if after + 1 not in self._ahead:
                await self.read_ahead(after)
            events: list[Recorded] = []
            begin = after
            while after < up_to and (body := self._ahead.pop(after + 1, None)) is not None:
                after += 1
                if after in left_out:
                    continue
                try:
                    recorded = decode(body)
                except UnknownEvent:
                    continue  # as live: this program does not know what it means
                except ContractError as error:
                    raise ReplayFailed(f"event {after} of {self.source} cannot be read: {error}") from error
                if (recorded.position, recorded.service) != (after, self.source):
                    raise Tampered(f"message {after} of {self.source} is event {recorded.position} there", after)
                events.append(recorded)
            if after == begin:
                raise ReplayFailed(
                    f"the stream of {self.source} lacks event {after + 1}, which was heard: let its relay fill it first"
                )
            yield events, after
