"""Many rows in one SQL statement: the rows of a step are one JSON value, whatever columns each of them names.

A step is a list of rows and what to do with them: delete, insert, update or upsert in one table. The statements of all
steps are known when the tables are made, so `write_rows` holds them as one function of the read-model schema: a batch
is written in one call, without a round trip a table. A replay runs the same statements one by one, in another schema.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, Protocol
from uuid import UUID

import asyncpg
import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql.ranges import AbstractRange, Range

Kind = Literal["delete", "insert", "update", "upsert"]
KINDS: tuple[Kind, ...] = ("delete", "insert", "update", "upsert")
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


class Connection(Protocol):
    """What is needed of an asyncpg connection."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...
    async def execute(self, query: str, *args: Any) -> str: ...


@dataclass(frozen=True, slots=True)
class Step:
    """Rows of one table and what to do with them.

    A row to delete holds the primary key; one to insert all its values; one to update `key`, and in `set` and `add` the
    columns to overwrite and to add to; one to upsert `key`, `set`, and in `new` the values if there is no such row.
    """

    kind: Kind
    shape: "Shape"
    rows: Sequence[Mapping[str, Any]]


def steps_json(steps: Iterable[Step]) -> str:
    """The steps as `write_rows` takes them."""
    return _json([(f"{step.shape.table.name}:{step.kind}", step.rows) for step in steps])


async def write_steps(connection: Connection, schema: str, steps: Iterable[Step]) -> None:
    """Write the steps one statement after another."""
    for step in steps:
        rows = _json(step.rows)
        for sql in _statements(step.shape, step.kind, schema, "$1::jsonb"):
            await connection.execute(sql, rows)


def writer_function(made_in: str, writes_to: str, tables: Iterable[sa.Table]) -> str:
    """SQL for `<made_in>.write_rows(jsonb)`, which writes to `writes_to`: what a shadow is called once it is live."""
    cases = []
    for shape in map(shape_of, tables):
        for kind in KINDS:
            name = f"{shape.table.name}:{kind}".replace("'", "''")
            sql = ";\n".join(_statements(shape, kind, writes_to, "step_rows"))
            cases.append(f"WHEN '{name}' THEN\n{sql};")
    body = "\n".join(cases)
    return f"""CREATE FUNCTION {made_in}.write_rows(steps jsonb) RETURNS void LANGUAGE plpgsql AS $write$
#variable_conflict use_column
DECLARE
    step jsonb;
    step_rows jsonb;
BEGIN
    FOR step IN
        SELECT s.value FROM jsonb_array_elements(steps) WITH ORDINALITY AS s (value, number) ORDER BY s.number
    LOOP
        step_rows := step -> 1;
        CASE step ->> 0
{body}
        END CASE;
    END LOOP;
END
$write$"""


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str
    is_numeric: bool
    is_json: bool = False
    from_database: Callable[[Any], Any] | None = None


class Shape:
    """A table as bulk statements see it: its primary key, its columns' array types, its defaults."""

    def __init__(self, table: sa.Table) -> None:
        self.table = table
        self.order = table.metadata.sorted_tables.index(table)
        """Its place among the tables of its read model: referenced tables come first."""
        self.columns = {
            str(column.name): _column(column)
            for column in table.columns
            if column.computed is None and column.identity is None
        }
        self.primary_key = tuple(str(column.name) for column in table.primary_key.columns)
        if not self.primary_key:
            raise TypeError(f"read-model table {table.name} has no primary key")
        self.is_checked = any(isinstance(rule, sa.CheckConstraint) for rule in table.constraints)
        """Whether each append's state of a row counts, and not only the last of a batch."""
        self.defaults = {name: _default(table.columns[name]) for name in self.columns}
        self.given_defaults = {name: value for name, value in self.defaults.items() if value is not None}
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

    def key_row(self, key: Any) -> dict[str, Any]:
        """A primary key as names and values."""
        if self._single is not None:
            return {self._single: key}
        return dict(zip(self.primary_key, key, strict=True))

    async def fetch(self, connection: Connection, schema: str, keys: Iterable[Any]) -> list[dict[str, Any]]:
        """The rows with these primary keys, as far as there are any."""
        wanted = _json([self.key_row(key) for key in keys])
        return [self.from_database(record) for record in await connection.fetch(_select(self, schema), wanted)]


@lru_cache(maxsize=512)
def shape_of(table: sa.Table) -> Shape:
    """The shape of a table, made once."""
    return Shape(table)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _target(shape: Shape, schema: str) -> str:
    return f"{_quoted(schema)}.{_quoted(shape.table.name)}"


def _record(shape: Shape, alias: str, names: Iterable[str]) -> str:
    """A JSON object as typed columns."""
    return f"{alias} ({', '.join(f'{_quoted(name)} {shape.columns[name].type}' for name in names)})"


def _matches(shape: Shape, left: str, right: str) -> str:
    return " AND ".join(f"{left}.{_quoted(name)} = {right}.{_quoted(name)}" for name in shape.primary_key)


@lru_cache(maxsize=512)
def _select(shape: Shape, schema: str) -> str:
    columns = ", ".join(f"t.{_quoted(name)}" for name in shape.columns)
    keys = f"jsonb_to_recordset($1::jsonb) AS {_record(shape, 'k', shape.primary_key)}"
    return f"SELECT {columns} FROM {keys} JOIN {_target(shape, schema)} AS t ON {_matches(shape, 't', 'k')}"


@lru_cache(maxsize=2048)
def _statements(shape: Shape, kind: Kind, schema: str, rows: str) -> tuple[str, ...]:
    """The SQL of a step; `rows` is the SQL for its JSON."""
    target = _target(shape, schema)
    if kind == "delete":
        keys = _record(shape, "k", shape.primary_key)
        return (
            f"DELETE FROM {target} AS t USING jsonb_to_recordset({rows}) AS {keys} WHERE {_matches(shape, 't', 'k')}",
        )
    columns = ", ".join(map(_quoted, shape.columns))
    if kind == "insert":
        values = ", ".join(f"u.{_quoted(name)}" for name in shape.columns)
        source = f"jsonb_to_recordset({rows}) AS {_record(shape, 'u', shape.columns)}"
        return (f"INSERT INTO {target} ({columns}) SELECT {values} FROM {source}",)
    update = _update(shape, target, rows)
    if kind == "update":
        return (update,)
    # Nobody else writes read models while the head is locked, so what the update did not find is not there.
    values = ", ".join(f"n.{_quoted(name)}" for name in shape.columns)
    return (
        update,
        f"""INSERT INTO {target} ({columns}) SELECT {values} FROM jsonb_to_recordset({rows}) AS r (new jsonb),
                jsonb_to_record(r.new) AS {_record(shape, "n", shape.columns)}
            WHERE NOT EXISTS (SELECT FROM {target} AS t WHERE {_matches(shape, "t", "n")})""",
    )


def _update(shape: Shape, target: str, rows: str) -> str:
    numeric = [name for name, column in shape.columns.items() if column.is_numeric]
    assigned = []
    for name in shape.columns:
        column = _quoted(name)
        otherwise = f"t.{column} + coalesce(a.{column}, 0)" if name in numeric else f"t.{column}"
        text = name.replace("'", "''")
        assigned.append(f"{column} = CASE WHEN r.set ? '{text}' THEN s.{column} ELSE {otherwise} END")
    sources = [
        f"jsonb_to_recordset({rows}) AS r (key jsonb, set jsonb, add jsonb)",
        f"jsonb_to_record(r.key) AS {_record(shape, 'k', shape.primary_key)}",
        f"jsonb_to_record(r.set) AS {_record(shape, 's', shape.columns)}",
    ]
    if numeric:
        sources.append(f"jsonb_to_record(r.add) AS {_record(shape, 'a', numeric)}")
    return f"""UPDATE {target} AS t SET {", ".join(assigned)}
        FROM {", ".join(sources)} WHERE {_matches(shape, "t", "k")}"""


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
        raise TypeError(f"{column}: use JSONB for lists")
    if isinstance(kind, sa.JSON):
        return _Column(column.name, "jsonb", is_numeric=False, is_json=True, from_database=json.loads)
    if isinstance(kind, AbstractRange):
        return _Column(column.name, kind.compile(dialect=_DIALECT), is_numeric=False, from_database=_from_range)
    if isinstance(kind, sa.String):
        return _Column(column.name, "text", is_numeric=False)
    return _Column(column.name, kind.compile(dialect=_DIALECT), is_numeric=isinstance(kind, (sa.Integer, sa.Numeric)))


def json_bytes(value: Any) -> bytes:
    """A column's value, or rows of them, in the JSON that PostgreSQL reads. Raises TypeError for what has no form."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_PASSTHROUGH_DATACLASS)


def _json(value: Any) -> str:
    return json_bytes(value).decode()


def _plain(value: Any) -> Any:
    """What JSON has no form for, as PostgreSQL reads it."""
    match value:
        case set() | frozenset():
            return sorted(value)
        case bytes():
            return f"\\x{value.hex()}"
        case Range() | asyncpg.Range():
            return _range_text(_to_range(value))
        case UUID() | Decimal():  # a UUID of asyncpg's own kind
            return str(value)
        case _:
            raise TypeError(f"{type(value).__name__} is no value for a read-model column")


def _range_text(value: asyncpg.Range) -> str:
    if value.isempty:
        return "empty"
    lower, upper = ("" if end is None else f'"{end}"' for end in (value.lower, value.upper))
    return f"{'[' if value.lower_inc else '('}{lower},{upper}{']' if value.upper_inc else ')'}"


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
