"""Rows kept in memory and rows written in bulk come to the same tables, whatever is done to them."""

import hashlib
import random
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.envelope import Recorded
from eventstore.migrate import create_read_models
from eventstore.read_model import ReadModel
from eventstore.replay.comparing import compare_tables, content_hash
from eventstore.replay.memory import MemoryRows
from eventstore.rows import Rows
from tests.support.logs import as_role, migrated

Change = tuple[str, sa.Table, tuple[Any, ...], dict[str, Any]]
"""A method of Rows and what it is called with."""


class Shelf(ReadModel):
    """Two tables, one with a key of two columns and a reference to the other."""

    source = "orders"
    metadata = sa.MetaData()
    version = 1
    boxes = sa.Table(
        "boxes",
        metadata,
        sa.Column("box", sa.Integer, primary_key=True),
        sa.Column("count", sa.Integer, nullable=False, default=7),
        sa.Column("maybe", sa.BigInteger),
        sa.Column("tags", JSONB, nullable=False, default=[]),
    )
    things = sa.Table(
        "things",
        metadata,
        sa.Column("box", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("weight", sa.Integer, nullable=False, default=0),
    )

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        raise NotImplementedError


SHELF = (Shelf(),)


def changes(chance: random.Random, count: int) -> Iterator[Change]:
    """Changes that a live log could have made: only what is not there is inserted."""
    boxes: set[int] = set()
    things: set[tuple[int, str]] = set()
    for _ in range(count):
        box, name, number = chance.randint(1, 6), chance.choice("abc"), chance.randint(-9, 9)
        match chance.randrange(9):
            case 0 if box not in boxes:
                boxes.add(box)
                yield "insert", Shelf.boxes, (), {"box": box, "maybe": number if number > 0 else None}
            case 1:
                boxes.add(box)
                yield "upsert", Shelf.boxes, (), {"box": box, "tags": [number, {"of": str(box)}]}
            case 2:
                yield "update", Shelf.boxes, (box,), {"count": number, "maybe": number}
            case 3:
                yield "add", Shelf.boxes, (box,), {"count": number, "maybe": 1}
            case 4:
                boxes.discard(box)
                yield "delete", Shelf.boxes, (box,), {}
            case 5 if (box, name) not in things:
                things.add((box, name))
                yield "insert", Shelf.things, (), {"box": box, "name": name}
            case 6:
                things.add((box, name))
                yield "upsert", Shelf.things, (), {"box": box, "name": name, "weight": number}
            case 7:
                yield "add", Shelf.things, ((box, name),), {"weight": number}
            case 8:
                things.discard((box, name))
                yield "delete", Shelf.things, ((box, name),), {}
            case _:
                pass


@pytest.mark.parametrize("seed", range(6))
async def test_rows_in_memory_come_to_what_bulk_statements_come_to(database, seed):
    config = as_role(await migrated(database, read_models=SHELF), "migrator")
    connection: Any = await asyncpg.connect(**config.connect_arguments("test"))
    await create_read_models(connection, "orders", config.shadow_schema, SHELF)
    chance = random.Random(seed)
    memory, bulk = MemoryRows(), Rows()
    for method, table, arguments, values in changes(chance, 400):
        for kept in (memory, bulk):
            getattr(kept, method)(table, *arguments, **values)
        if chance.random() < 0.1:
            await bulk.flush(connection, config.read_schema)
    await bulk.flush(connection, config.read_schema)
    rows = memory.size
    await memory.write(connection, config.shadow_schema)
    reports = await compare_tables(connection, config.read_schema, config.shadow_schema, SHELF)
    await connection.close()
    assert [(report.name, report.first_difference) for report in reports] == [("boxes", None), ("things", None)]
    assert sum(report.rows for report in reports) == rows > 0
    assert memory.size == 0


def test_a_name_that_is_no_column_is_refused_as_by_bulk_statements():
    for rows in (MemoryRows(), Rows()):
        with pytest.raises(TypeError, match="wieght"):
            rows.insert(Shelf.things, box=1, name="a", wieght=1)
        with pytest.raises(TypeError, match="wieght"):
            rows.update(Shelf.things, (1, "a"), wieght=1)
        with pytest.raises(TypeError, match="name"):
            rows.upsert(Shelf.things, box=1)


async def test_a_tables_content_hash_can_be_computed_by_anybody_and_tells_one_changed_value(database):
    connection = await asyncpg.connect(database.dsn)
    try:
        await connection.execute("CREATE SCHEMA held; CREATE TABLE held.tea (id integer PRIMARY KEY, name text)")
        empty = hashlib.sha256(b"").hexdigest()
        assert await content_hash(connection, "held", "tea") == empty
        await connection.execute("INSERT INTO held.tea VALUES (2, '龙井'), (1, NULL)")
        rows = [b'{"id": 1, "name": null}', '{"id": 2, "name": "龙井"}'.encode()]
        expected = hashlib.sha256(b"".join(sorted(hashlib.sha256(row).digest() for row in rows))).hexdigest()
        assert await content_hash(connection, "held", "tea") == expected
        await connection.execute("UPDATE held.tea SET name = '毛尖' WHERE id = 2")
        assert await content_hash(connection, "held", "tea") not in {expected, empty}
    finally:
        await connection.close()
