"""The unit of work that read models change rows through: gathered, coalesced per row, written in bulk.

A batch of events becomes one step per table and kind of change, whatever the number of events. The same code writes
live and in replay, where a batch is larger.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from eventstore.bulk import Connection, Shape, Step, shape_of, write_steps

INSERT, UPSERT, UPDATE, DELETE = "insert", "upsert", "update", "delete"
_FRESH = frozenset((INSERT, UPSERT))


class RowNotDeclared(LookupError):
    """A read model asked for a row that its `needs` did not name: nothing has fetched it."""


class _Change:
    """What is to be done to one row by one append. `earlier` must be written before this."""

    __slots__ = ("adds", "append", "earlier", "kind", "values")

    def __init__(self, kind: str, values: dict[str, Any], append: int, earlier: "_Change | None" = None) -> None:
        self.kind = kind
        self.values = values
        self.adds: dict[str, int] = {}
        self.append = append
        self.earlier = earlier


class _Buffer:
    """The changes and the fetched rows of one table."""

    __slots__ = ("changes", "doubles", "fetched", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.changes: dict[Any, _Change] = {}
        self.doubles: list[dict[str, Any]] = []
        self.fetched: dict[Any, dict[str, Any] | None] = {}


class Rows:
    """Changes to rows, in the order the events ask for them. Nothing reaches the database before `flush`.

    Changes to one row are made one, even across the appends of a batch, except in a table with a CHECK: there a row
    passes through the state after each append, so that none is let through because a later one of the batch makes good
    for it. (What is deferred, such as an exclusion, counts at the commit, as everywhere in PostgreSQL.)
    """

    def __init__(self) -> None:
        self._buffers: dict[sa.Table, _Buffer] = {}
        self._append = 0

    def next_append(self) -> None:
        """What follows belongs to another append."""
        self._append += 1

    def insert(self, table: sa.Table, **values: Any) -> None:
        """Add a new row; columns not named take their default, a plain value, or NULL."""
        buffer = self._buffer(table)
        key = buffer.shape.key(values)
        before = buffer.changes.get(key)
        if before is None or before.kind not in _FRESH or not self._joins(buffer, before):
            buffer.changes[key] = _Change(INSERT, values, self._append, before)
        else:
            # The row is there already. The database must say so, as it would have for each event alone, even if a later
            # event deletes the row: so both go in.
            buffer.doubles += [dict(before.values), values]
        if key in buffer.fetched:
            buffer.fetched[key] = {**buffer.shape.defaults, **values}

    def upsert(self, table: sa.Table, **values: Any) -> None:
        """Add a row, or overwrite the named columns of the one with this primary key."""
        buffer = self._buffer(table)
        key = buffer.shape.key(values)
        before = buffer.changes.get(key)
        if before is not None and before.kind in _FRESH and self._joins(buffer, before):
            before.values.update(values)
        else:
            buffer.changes[key] = _Change(UPSERT, values, self._append, before)
        if key in buffer.fetched:
            buffer.fetched[key] = {**(buffer.fetched[key] or buffer.shape.defaults), **values}

    def update(self, table: sa.Table, key: Any, **values: Any) -> None:
        """Overwrite the named columns of a row; does nothing when there is no such row."""
        buffer = self._buffer(table)
        buffer.shape.check(values)
        before = buffer.changes.get(key)
        if before is None or (before.kind != DELETE and not self._joins(buffer, before)):
            buffer.changes[key] = _Change(UPDATE, values, self._append, before)
        elif before.kind != DELETE:
            if before.adds:
                before.adds = {name: delta for name, delta in before.adds.items() if name not in values}
            before.values.update(values)
        row = buffer.fetched.get(key)
        if row is not None:
            buffer.fetched[key] = {**row, **values}

    def add(self, table: sa.Table, key: Any, **deltas: int) -> None:
        """Add to numeric columns of a row; does nothing when there is no such row. NULL stays NULL."""
        buffer = self._buffer(table)
        buffer.shape.check(deltas)
        change = buffer.changes.get(key)
        if change is None or change.kind != DELETE:
            self._add(buffer, key, change, deltas)
        row = buffer.fetched.get(key)
        if row is not None:
            added = {name: None if row[name] is None else row[name] + delta for name, delta in deltas.items()}
            buffer.fetched[key] = {**row, **added}

    def _add(self, buffer: "_Buffer", key: Any, change: _Change | None, deltas: dict[str, int]) -> None:
        if change is None or not self._joins(buffer, change):
            change = buffer.changes[key] = _Change(UPDATE, {}, self._append, change)
        for name, delta in deltas.items():
            if name in change.values or change.kind == INSERT:
                value = change.values.get(name, buffer.shape.defaults.get(name))
                change.values[name] = None if value is None else value + delta
                continue
            if change.kind == UPSERT:
                # What it adds to is in the row that may be there already.
                change = buffer.changes[key] = _Change(UPDATE, {}, self._append, change)
            change.adds[name] = change.adds.get(name, 0) + delta

    def delete(self, table: sa.Table, key: Any) -> None:
        """Remove a row; does nothing when there is no such row."""
        buffer = self._buffer(table)
        before = buffer.changes.get(key)
        if before is not None and before.kind == INSERT and before.earlier is None and self._joins(buffer, before):
            del buffer.changes[key]
        else:
            while before is not None and self._joins(buffer, before):
                before = before.earlier
            buffer.changes[key] = _Change(DELETE, {}, self._append, before)
        if key in buffer.fetched:
            buffer.fetched[key] = None

    def _joins(self, buffer: "_Buffer", change: _Change) -> bool:
        """Whether a further change to the row may become one with this."""
        return change.append == self._append or not buffer.shape.is_checked

    def get(self, table: sa.Table, key: Any) -> Mapping[str, Any] | None:
        """The row as it is after the changes so far, None when there is none. Only rows that `needs` declared."""
        try:
            return self._buffers[table].fetched[key]
        except KeyError:
            raise RowNotDeclared(f"{table.name} {key!r} was read but not declared by needs()") from None

    def _buffer(self, table: sa.Table) -> _Buffer:
        buffer = self._buffers.get(table)
        if buffer is None:
            buffer = self._buffers[table] = _Buffer(shape_of(table))
        return buffer

    async def fetch(self, connection: Connection, schema: str, needs: Iterable[tuple[sa.Table, Any]]) -> None:
        """Fetch the rows that `get` may be asked for, one SELECT a table. Call it before the first change."""
        wanted: dict[sa.Table, dict[Any, None]] = {}
        for table, key in needs:
            wanted.setdefault(table, {})[key] = None
        for table, keys in wanted.items():
            buffer = self._buffer(table)
            buffer.fetched.update(keys)
            for row in await buffer.shape.fetch(connection, schema, keys):
                buffer.fetched[buffer.shape.key(row)] = row

    def steps(self) -> list[Step]:
        """The changes in an order that foreign keys and plain unique indexes allow."""
        buffers = sorted(self._buffers.values(), key=lambda buffer: buffer.shape.order)
        layers = [_layers(buffer) for buffer in buffers]
        steps: list[Step] = []
        for depth in range(max(map(len, layers), default=0)):
            here = [(b.shape, of[depth]) for b, of in zip(buffers, layers, strict=True) if depth < len(of)]
            for shape, changes in reversed(here):
                steps += _deletes(shape, changes)
            for shape, changes in here:
                steps += _updates(shape, changes)
                steps += _inserts(shape, changes)
        for buffer in buffers:
            if buffer.doubles:
                filled = [{**buffer.shape.given_defaults, **values} for values in buffer.doubles]
                steps.append(Step("insert", buffer.shape, filled))
        return steps

    async def flush(self, connection: Connection, schema: str) -> None:
        """Write all changes and forget them."""
        await write_steps(connection, schema, self.steps())
        self._buffers.clear()


_Keyed = Sequence[tuple[Any, _Change]]


def _layers(buffer: _Buffer) -> list[list[tuple[Any, _Change]]]:
    """The changes by depth: a row that is changed, deleted and made again is written in that order."""
    layers: list[list[tuple[Any, _Change]]] = []
    for key, last in buffer.changes.items():
        chain = [last]
        while chain[-1].earlier is not None:
            chain.append(chain[-1].earlier)
        for depth, change in enumerate(reversed(chain)):
            if depth == len(layers):
                layers.append([])
            layers[depth].append((key, change))
    return layers


def _deletes(shape: Shape, changes: _Keyed) -> list[Step]:
    rows = [shape.key_row(key) for key, change in changes if change.kind == DELETE]
    return [Step("delete", shape, rows)] if rows else []


def _updates(shape: Shape, changes: _Keyed) -> list[Step]:
    rows = []
    for key, change in changes:
        if change.kind == UPDATE and (change.values or change.adds):
            row = {"key": shape.key_row(key), "set": change.values}
            if change.adds:
                row["add"] = change.adds
            rows.append(row)
    return [Step("update", shape, rows)] if rows else []


def _inserts(shape: Shape, changes: _Keyed) -> list[Step]:
    defaults = shape.given_defaults
    inserted = [
        {**defaults, **change.values} if defaults else change.values for _, change in changes if change.kind == INSERT
    ]
    upserted = [
        {"key": shape.key_row(key), "set": change.values, "new": {**defaults, **change.values}}
        for key, change in changes
        if change.kind == UPSERT
    ]
    steps = [Step("insert", shape, inserted)] if inserted else []
    return [*steps, Step("upsert", shape, upserted)] if upserted else steps
