"""Every kind of value comes back as it was written, by the live function and by a replay's statements alike."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, Range

from contracts.ids import uuid7
from eventstore.bulk import steps_json, writer_function
from eventstore.migrate import table_statements
from eventstore.read_model import ReadModel
from eventstore.rows import Rows


class State(StrEnum):
    OPEN = "OPEN"


class Values(ReadModel):
    source = "orders"
    version = 1
    metadata = sa.MetaData()
    table = sa.Table(
        'it\'s a "table"',
        metadata,
        sa.Column("key", sa.Uuid, primary_key=True),
        sa.Column("set", sa.Text, primary_key=True),
        sa.Column("of a state", sa.Enum(State, native_enum=False)),
        sa.Column("yes", sa.Boolean),
        sa.Column("whole", sa.BigInteger, default=7),
        sa.Column("exact", sa.Numeric(20, 4)),
        sa.Column("at", sa.DateTime(timezone=True)),
        sa.Column("day", sa.Date),
        sa.Column("raw", sa.LargeBinary),
        sa.Column("json", JSONB),
        sa.Column("during", TSTZRANGE),
    )


AT = datetime(2026, 3, 5, 9, 30, 0, 123456, UTC)
KEY = uuid7()
FULL = {
    "of a state": State.OPEN,
    "yes": False,
    "whole": 2**62,
    "exact": Decimal("1234567.8901"),
    "at": AT,
    "day": date(2026, 3, 5),
    "raw": b"\x00\xff'\\",
    "json": {"深": [1, None, "x", {"at": "2026"}], "": []},
    "during": Range(AT, None, bounds="[)"),
}
NOTHING = dict.fromkeys(FULL)


@pytest.fixture
async def connection(database):
    connection = await asyncpg.connect(database.dsn)
    await connection.execute("CREATE SCHEMA live; SET search_path = live")
    for statement in table_statements([Values()]):
        await connection.execute(statement)
    await connection.execute(writer_function("live", "live", [Values.table]))
    yield connection
    await connection.close()


async def by_function(rows, connection):
    await connection.execute("SELECT live.write_rows($1::jsonb)", steps_json(rows.steps()))


async def by_statements(rows, connection):
    await rows.flush(connection, "live")


async def only_row(connection):
    rows = Rows()
    await rows.fetch(connection, "live", [(Values.table, (KEY, "一"))])
    return rows.get(Values.table, (KEY, "一"))


@pytest.mark.parametrize("write", [by_function, by_statements])
@pytest.mark.parametrize("values", [FULL, NOTHING])
async def test_values_come_back(connection, write, values):
    key = {"key": KEY, "set": "一"}
    rows = Rows()
    rows.insert(Values.table, **key)
    await write(rows, connection)
    assert await only_row(connection) == {**key, **NOTHING, "whole": 7}

    rows = Rows()
    rows.update(Values.table, (KEY, "一"), **values)
    await write(rows, connection)
    assert await only_row(connection) == {**key, **values}

    rows = Rows()
    rows.delete(Values.table, (KEY, "一"))
    await write(rows, connection)
    assert await only_row(connection) is None

    rows = Rows()
    rows.upsert(Values.table, **key, **values)
    rows.upsert(Values.table, key=UUID(int=1), set="二", yes=True)
    await write(rows, connection)
    assert await only_row(connection) == {**key, **values}

    rows = Rows()
    rows.upsert(Values.table, **key, yes=True)
    rows.upsert(Values.table, key=UUID(int=1), set="二", whole=5)
    rows.add(Values.table, (UUID(int=1), "二"), whole=-1)
    rows.add(Values.table, (KEY, "一"), whole=1)
    await write(rows, connection)
    whole = None if values["whole"] is None else values["whole"] + 1
    assert await only_row(connection) == {**key, **values, "yes": True, "whole": whole}
    other = await connection.fetchrow('SELECT * FROM live."it\'s a ""table""" WHERE set = \'二\'')
    assert (other["yes"], other["whole"]) == (True, 4)


async def test_nothing_is_written_for_a_step_that_is_not_known(connection):
    with pytest.raises(asyncpg.CaseNotFoundError):
        await connection.execute("SELECT live.write_rows('[[\"no such:insert\", []]]')")


async def test_a_value_without_a_form_is_a_mistake_at_once():
    rows = Rows()
    rows.insert(Values.table, key=KEY, set="x", json=object())
    with pytest.raises(TypeError):
        steps_json(rows.steps())
