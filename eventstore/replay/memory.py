"""The tables of a replay while they are in memory: they begin empty, so no database need be asked what is in them."""

import gc
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from typing import Any

import asyncpg
import sqlalchemy as sa

from eventstore.bulk import Shape, json_bytes, shape_of
from eventstore.copying import copy_rows
from eventstore.errors import ReplayFailed
from eventstore.rows import Rows


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
            self.missed(table, key)
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
        if kept.by_number:
            key = key.int
        row = kept.rows.get(key)
        if row is None:
            self.missed(table, key)
            return
        for name, delta in deltas.items():
            if row[name] is not None:
                row[name] += delta

    def delete(self, table: sa.Table, key: Any) -> None:
        kept = self._table(table)
        if kept.by_number:
            key = key.int
        if kept.rows.pop(key, None) is None:
            self.missed(table, key)

    def get(self, table: sa.Table, key: Any) -> Mapping[str, Any] | None:
        kept = self._table(table)
        if kept.by_number:
            key = key.int
        row = kept.rows.get(key)
        if row is None:
            self.missed(table, key)
            return None
        # A copy, and JSON as the database gives it back: what a model was given must not change under its hands.
        found = dict(row)
        for name in kept.documents:
            if found[name] is not None:
                found[name] = json.loads(json_bytes(found[name]))
        return found

    def missed(self, table: sa.Table, key: Any) -> None:
        """A row that was to be changed or read is not there, which is allowed; `key` is as rows are kept by it."""

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

    def forget(self, tables: Iterable[sa.Table]) -> None:
        """Empty these tables."""
        for table in tables:
            self._kept.pop(table, None)

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
