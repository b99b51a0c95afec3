"""One SQL statement for many rows: `unnest` over one typed array a column."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import asyncpg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.ranges import AbstractRange, Range

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Connection(Protocol):
    """What is needed of an asyncpg connection."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def execute(self, query: str, *args: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its arrays."""

    sql: str
    arguments: tuple[list[Any], ...]


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    array: str
    to_database: Callable[[Any], Any] | None
    from_database: Callable[[Any], Any] | None

    def values(self, rows: Sequence[Mapping[str, Any]], default: Any = None) -> list[Any]:
        name, convert = self.name, self.to_database
        if convert is None:
            return [row.get(name, default) for row in rows]
        return [None if value is None else convert(value) for value in (row.get(name, default) for row in rows)]


class Shape:
    """A table as bulk statements see it: its primary key, its columns' array types, its defaults."""

    def __init__(self, table: sa.Table) -> None:
        self.table = table
        self.order = table.metadata.sorted_tables.index(table)
        """Its place among the tables of its read model: referenced tables come first."""
        self.columns = {
            column.name: _column(column)
            for column in table.columns
            if column.computed is None and column.identity is None
        }
        self.primary_key = tuple(column.name for column in table.primary_key.columns)
        if not self.primary_key:
            raise TypeError(f"read-model table {table.name} has no primary key")
        self.defaults = {name: _default(table.columns[name]) for name in self.columns}
        self._names = frozenset(self.columns)
        self._single = self.primary_key[0] if len(self.primary_key) == 1 else None

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise TypeError for a name that is no column."""
        if not values.keys() <= self._names:
            raise TypeError(f"{self.table.name} has no column {', '.join(sorted(values.keys() - self._names))}")

    def key(self, values: Mapping[str, Any]) -> Any:
        """The primary key in `values`: the value itself, or a tuple of them in primary-key order."""
        if not values.keys() <= self._names:
            self.check(values)
        try:
            if self._single is not None:
                return values[self._single]
            return tuple([values[name] for name in self.primary_key])
        except KeyError as missing:
            raise TypeError(f"{self.table.name}: primary key column {missing} is not given") from None

    def from_database(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A fetched row with JSON read."""
        return {
            name: value if column.from_database is None or value is None else column.from_database(value)
            for (name, column), value in zip(self.columns.items(), record.values(), strict=True)
        }

    def _key_arrays(self, keys: Sequence[Any]) -> tuple[list[Any], ...]:
        if self._single is not None:
            return (list(keys),)
        return tuple(list(values) for values in zip(*keys, strict=True))

    def select(self, schema: str, keys: Sequence[Any]) -> Statement:
        """The rows with these primary keys."""
        return Statement(_select_sql(self, schema), self._key_arrays(keys))

    def delete(self, schema: str, keys: Sequence[Any]) -> Statement:
        """Remove the rows with these primary keys."""
        return Statement(_delete_sql(self, schema), self._key_arrays(keys))

    def insert(self, schema: str, rows: Sequence[Mapping[str, Any]]) -> Statement:
        """Add these rows, every column written."""
        arrays = tuple(column.values(rows, self.defaults[name]) for name, column in self.columns.items())
        return Statement(_insert_sql(self, schema), arrays)

    def upsert(self, schema: str, given: tuple[str, ...], rows: Sequence[Mapping[str, Any]]) -> Statement:
        """Add these rows, or overwrite the `given` columns of those that are there."""
        arrays = tuple(column.values(rows, self.defaults[name]) for name, column in self.columns.items())
        return Statement(_upsert_sql(self, schema, given), arrays)

    def update(
        self,
        schema: str,
        given: tuple[str, ...],
        added: tuple[str, ...],
        changes: Sequence[tuple[Any, Mapping[str, Any], Mapping[str, int]]],
    ) -> Statement:
        """Overwrite the `given` columns and add to the `added` ones; changes are (key, values, deltas)."""
        keys = self._key_arrays([key for key, _, _ in changes])
        values = [change for _, change, _ in changes]
        deltas = [change for _, _, change in changes]
        arrays = [self.columns[name].values(values) for name in given]
        arrays += [[delta[name] for delta in deltas] for name in added]
        return Statement(_update_sql(self, schema, given, added), (*keys, *arrays))


@lru_cache(maxsize=512)
def shape_of(table: sa.Table) -> Shape:
    """The shape of a table, made once."""
    return Shape(table)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _target(shape: Shape, schema: str) -> str:
    return f"{_quoted(schema)}.{_quoted(shape.table.name)}"


def _unnest(shape: Shape, names: Sequence[str]) -> str:
    arrays = ", ".join(f"${number}::{shape.columns[name].array}" for number, name in enumerate(names, 1))
    return f"unnest({arrays})"


def _matches(shape: Shape) -> str:
    return " AND ".join(f"t.{_quoted(name)} = u.k{number}" for number, name in enumerate(shape.primary_key))


def _keys(shape: Shape) -> str:
    return f"u ({', '.join(f'k{number}' for number in range(len(shape.primary_key)))})"


@lru_cache(maxsize=2048)
def _select_sql(shape: Shape, schema: str) -> str:
    columns = ", ".join(f"t.{_quoted(name)}" for name in shape.columns)
    source = f"{_unnest(shape, shape.primary_key)} AS {_keys(shape)}"
    return f"SELECT {columns} FROM {source} JOIN {_target(shape, schema)} AS t ON {_matches(shape)}"


@lru_cache(maxsize=2048)
def _delete_sql(shape: Shape, schema: str) -> str:
    source = f"{_unnest(shape, shape.primary_key)} AS {_keys(shape)}"
    return f"DELETE FROM {_target(shape, schema)} AS t USING {source} WHERE {_matches(shape)}"


@lru_cache(maxsize=2048)
def _insert_sql(shape: Shape, schema: str) -> str:
    names = list(shape.columns)
    columns = ", ".join(_quoted(name) for name in names)
    return f"INSERT INTO {_target(shape, schema)} AS t ({columns}) SELECT * FROM {_unnest(shape, names)}"


@lru_cache(maxsize=2048)
def _upsert_sql(shape: Shape, schema: str, given: tuple[str, ...]) -> str:
    conflict = ", ".join(_quoted(name) for name in shape.primary_key)
    overwritten = [_quoted(name) for name in given if name not in shape.primary_key]
    assigned = ", ".join(f"{name} = excluded.{name}" for name in overwritten)
    action = f"UPDATE SET {assigned}" if assigned else "NOTHING"
    return f"{_insert_sql(shape, schema)} ON CONFLICT ({conflict}) DO {action}"


@lru_cache(maxsize=2048)
def _update_sql(shape: Shape, schema: str, given: tuple[str, ...], added: tuple[str, ...]) -> str:
    keys = [f"k{number}" for number in range(len(shape.primary_key))]
    values = [f"v{number}" for number in range(len(given))]
    deltas = [f"d{number}" for number in range(len(added))]
    assigned = [f"{_quoted(name)} = u.{value}" for name, value in zip(given, values, strict=True)]
    assigned += [f"{_quoted(name)} = t.{_quoted(name)} + u.{delta}" for name, delta in zip(added, deltas, strict=True)]
    source = f"{_unnest(shape, [*shape.primary_key, *given, *added])} AS u ({', '.join(keys + values + deltas)})"
    return f"UPDATE {_target(shape, schema)} AS t SET {', '.join(assigned)} FROM {source} WHERE {_matches(shape)}"


def _default(column: sa.Column[Any]) -> Any:
    default = column.default
    if default is None:
        return None
    if not isinstance(default, sa.ColumnDefault) or not default.is_scalar:
        raise TypeError(f"{column}: a read-model column's default is a plain value; replay must give the same rows")
    return default.arg


def _column(column: sa.Column[Any]) -> _Column:
    kind = column.type
    if isinstance(kind, sa.ARRAY):
        raise TypeError(f"{column}: unnest flattens arrays; use JSONB for lists")
    if isinstance(kind, sa.JSON):
        return _Column(column.name, "jsonb[]", _to_json, json.loads)
    if isinstance(kind, AbstractRange):
        return _Column(column.name, f"{kind.compile(dialect=_DIALECT)}[]", _to_range, _from_range)
    if isinstance(kind, sa.String):
        # A cast to varchar(n) would cut in silence; as text, too long a value is refused by the column.
        return _Column(column.name, "text[]", None, None)
    return _Column(column.name, f"{kind.compile(dialect=_DIALECT)}[]", None, None)


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def _to_range(value: Any) -> asyncpg.Range:
    if isinstance(value, Range):
        if value.empty:
            return asyncpg.Range(empty=True)
        lower_inc, upper_inc = value.bounds[0] == "[", value.bounds[1] == "]"
        return asyncpg.Range(value.lower, value.upper, lower_inc=lower_inc, upper_inc=upper_inc)
    return value


def _from_range(value: asyncpg.Range) -> Range[Any]:
    if value.isempty:
        return Range(empty=True)
    bounds: Any = ("[" if value.lower_inc else "(") + ("]" if value.upper_inc else ")")
    return Range(value.lower, value.upper, bounds=bounds)
