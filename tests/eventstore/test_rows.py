"""Rows: whatever the order of changes, one flush leaves what a flush after each change would have left."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE

from eventstore.rows import RowNotDeclared, Rows

metadata = sa.MetaData()
checked = sa.Table(
    "checked",
    metadata,
    sa.Column("parent_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(8), nullable=False, default="none"),
    sa.Column("total", sa.Integer, default=10),
    sa.Column("note", JSONB),
    sa.CheckConstraint("total >= 0", name="not_negative"),
)
parents = sa.Table(
    "parents",
    metadata,
    sa.Column("parent_id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(8), nullable=False, default="none"),
    sa.Column("total", sa.Integer, default=10),
    sa.Column("note", JSONB),
)
children = sa.Table(
    "children",
    metadata,
    sa.Column("parent_id", sa.ForeignKey("parents.parent_id"), primary_key=True),
    sa.Column("child_id", sa.Uuid, primary_key=True),
    sa.Column("during", TSTZRANGE),
)


@pytest.fixture(scope="module")
def loop():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def connection(postgres_server, loop):
    database = postgres_server.create_database()
    connection = loop.run(asyncpg.connect(database.dsn))

    async def prepare():
        await connection.execute("CREATE SCHEMA a; CREATE SCHEMA b")
        statements = []
        engine = sa.create_mock_engine("postgresql+asyncpg://", lambda sql, *_: statements.append(sql))
        metadata.create_all(engine, checkfirst=False)
        for schema in ("a", "b"):
            await connection.execute(f"SET search_path = {schema}")
            for statement in statements:
                await connection.execute(str(statement.compile(dialect=engine.dialect)))

    loop.run(prepare())
    yield connection
    loop.run(connection.close())
    postgres_server.drop_database(database.name)


keys = st.integers(1, 3)
values = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["张", "b", "c"]),
        "total": st.none() | st.integers(0, 5),
        "note": st.none() | st.sampled_from([[1, 2], {"a": "乙"}, []]),
    },
)
deltas = st.fixed_dictionaries({"total": st.integers(-3, 3)})
changes: st.SearchStrategy = st.one_of(
    st.tuples(st.just("insert"), keys, values),
    st.tuples(st.just("upsert"), keys, values),
    st.tuples(st.just("update"), keys, values),
    st.tuples(st.just("add"), keys, deltas),
    st.tuples(st.just("delete"), keys, st.just({})),
)


def change(rows, table, kind, key, named):
    if kind in ("insert", "upsert"):
        getattr(rows, kind)(table, parent_id=key, **named)
    elif kind == "delete":
        rows.delete(table, key)
    else:
        getattr(rows, kind)(table, key, **named)


async def contents(connection, schema, table):
    found = await connection.fetch(f"SELECT * FROM {schema}.{table.name} ORDER BY parent_id")
    return [tuple(row) for row in found]


def without_double_inserts(done):
    """The same changes, an insert of a row that is there turned into an upsert."""
    present, kept = {1}, []
    for kind, key, named in done:
        kind = "upsert" if kind == "insert" and key in present else kind
        kept.append((kind, key, named))
        if kind in ("insert", "upsert"):
            present.add(key)
        elif kind == "delete":
            present.discard(key)
    return kept


async def prepared(connection, table):
    for schema in ("a", "b"):
        await connection.execute(f"TRUNCATE {schema}.{table.name} CASCADE")
        await connection.execute(f"INSERT INTO {schema}.{table.name} VALUES (1, 'first', 1, NULL)")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(done=st.lists(changes, max_size=14))
def test_one_flush_equals_a_flush_after_each_change(connection, loop, done):
    done = without_double_inserts(done)

    async def compare():
        await prepared(connection, parents)
        together = Rows()
        needs = [(parents, key) for key in (1, 2, 3)]
        await together.fetch(connection, "a", needs)
        seen_together, seen_alone = [], []
        for kind, key, named in done:
            change(together, parents, kind, key, named)
            seen_together.append(together.get(parents, key))
            alone = Rows()
            change(alone, parents, kind, key, named)
            await alone.flush(connection, "b")
            alone = Rows()
            await alone.fetch(connection, "b", needs)
            seen_alone.append(alone.get(parents, key))
        await together.flush(connection, "a")
        contents_of = [await contents(connection, schema, parents) for schema in ("a", "b")]
        return seen_together, seen_alone, *contents_of

    seen_together, seen_alone, rows_together, rows_alone = loop.run(compare())
    assert seen_together == seen_alone
    assert rows_together == rows_alone


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(appends=st.lists(st.lists(changes, min_size=1, max_size=3), max_size=6))
def test_a_check_counts_after_each_append_of_a_batch(connection, loop, appends):
    """A batch passes exactly when its appends would pass one after another, and leaves the same rows."""
    flat = iter(without_double_inserts([change for append in appends for change in append]))
    appends = [[next(flat) for _ in append] for append in appends]

    async def passes(schema, batches):
        transaction = connection.transaction()
        await transaction.start()
        try:
            for rows in batches:
                await rows.flush(connection, schema)
        except asyncpg.CheckViolationError:
            await transaction.rollback()
            return False
        await transaction.commit()
        return True

    async def compare():
        await prepared(connection, checked)
        together, alone = Rows(), []
        for append in appends:
            alone.append(Rows())
            for kind, key, named in append:
                change(together, checked, kind, key, named)
                change(alone[-1], checked, kind, key, named)
            together.next_append()
        passed = [await passes("a", [together]), await passes("b", alone)]
        return passed, [await contents(connection, schema, checked) for schema in ("a", "b")]

    passed, (rows_together, rows_alone) = loop.run(compare())
    assert passed[0] == passed[1]
    assert rows_together == rows_alone


@pytest.mark.parametrize("last", ["insert", "delete"])
def test_a_row_made_twice_is_refused_by_the_database(connection, loop, last):
    rows = Rows()
    rows.insert(parents, parent_id=2)
    rows.insert(parents, parent_id=2)
    if last == "delete":
        rows.delete(parents, 2)
    with pytest.raises(asyncpg.UniqueViolationError):
        loop.run(rows.flush(connection, "a"))


def test_children_and_parents_go_and_come_in_the_order_their_keys_allow(connection, loop):
    async def run():
        await connection.execute("TRUNCATE a.parents CASCADE")
        rows = Rows()
        period: Any = sa.dialects.postgresql.Range(None, None)
        rows.insert(children, parent_id=5, child_id=UUID(int=1), during=period)
        rows.insert(parents, parent_id=5)
        await rows.flush(connection, "a")
        assert await connection.fetchval("SELECT count(*) FROM a.children") == 1
        rows.delete(parents, 5)
        rows.delete(children, (5, UUID(int=1)))
        await rows.flush(connection, "a")
        assert await connection.fetchval("SELECT count(*) FROM a.children") == 0

    loop.run(run())


def test_many_changes_are_few_statements():
    rows = Rows()
    for key in range(100):
        rows.insert(parents, parent_id=key, name="x")
        rows.add(parents, key, total=key)
        rows.update(parents, key + 1000, name="y")
        rows.add(parents, key + 2000, total=1)
    assert [(step.kind, len(step.rows)) for step in rows.steps()] == [("update", 200), ("insert", 100)]


def test_a_row_that_was_not_declared_cannot_be_read(connection, loop):
    rows = Rows()
    rows.insert(parents, parent_id=1)
    with pytest.raises(RowNotDeclared, match="parents 1"):
        rows.get(parents, 1)


@pytest.mark.parametrize("named", [{"nmae": "x"}, {"nmae": "x", "name": "y"}])
def test_an_unknown_column_is_a_mistake_at_once(named):
    rows = Rows()
    with pytest.raises(TypeError, match="no column nmae"):
        rows.insert(parents, parent_id=1, **named)
    with pytest.raises(TypeError, match="no column nmae"):
        rows.update(parents, 1, **named)


def test_a_missing_key_is_a_mistake_at_once():
    with pytest.raises(TypeError, match="parent_id"):
        Rows().insert(parents, name="x")


def test_too_long_a_text_is_refused_and_not_cut(connection, loop):
    rows = Rows()
    rows.upsert(parents, parent_id=1, name="longer than eight")
    with pytest.raises(asyncpg.StringDataRightTruncationError):
        loop.run(rows.flush(connection, "a"))


def test_lists_in_arrays_and_defaults_from_the_database_are_refused():
    odd = sa.MetaData()
    arrays = sa.Table("arrays", odd, sa.Column("k", sa.Integer, primary_key=True), sa.Column("v", sa.ARRAY(sa.Text)))
    called = sa.Table("called", odd, sa.Column("k", sa.Integer, primary_key=True), sa.Column("v", sa.Uuid, default=int))
    keyless = sa.Table("keyless", odd, sa.Column("v", sa.Integer))
    for table in (arrays, called, keyless):
        with pytest.raises(TypeError):
            Rows().insert(table, k=1)
