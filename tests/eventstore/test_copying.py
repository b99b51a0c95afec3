"""What COPY writes is what the bulk statements write, whatever is in the values."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, Range

from contracts.command import Role
from contracts.envelope import Recorded
from eventstore.bulk import shape_of
from eventstore.copying import CHUNK_ROWS, copy_rows
from eventstore.migrate import create_read_models
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from tests.support.logs import as_role, migrated

NOON = datetime(2026, 3, 5, 12, 0, 0, 250_001, tzinfo=UTC)


class Everything(ReadModel):
    """A table with a column of each type."""

    source = "orders"
    metadata = sa.MetaData()
    version = 1
    things = sa.Table(
        "things",
        metadata,
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("words", sa.Text),
        sa.Column("document", JSONB),
        sa.Column("id", sa.Uuid),
        sa.Column("at", sa.DateTime(timezone=True)),
        sa.Column("day", sa.Date),
        sa.Column("amount", sa.Numeric),
        sa.Column("many", sa.BigInteger),
        sa.Column("yes", sa.Boolean),
        sa.Column("raw", sa.LargeBinary),
        sa.Column("during", TSTZRANGE),
    )

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        raise NotImplementedError


MODELS = (Everything(),)
THINGS = Everything.things
WORDS = [
    "", "null", "true", "\\N", "\\.", '"', '""', "\\", '\\"', "\\\\n", "a,b", "[1]", " ends ", "\n", "\r\n", "\t",
    "\x01\x1f\x7f", "朝阳里，👍", "\\u0041", "{}", "'", "\u2028", Role.ADMIN,
]  # fmt: skip


@pytest.fixture
async def both_ways(database):
    """Writes rows by COPY to one schema and by bulk statements to another, and gives back what each then has."""
    config = as_role(await migrated(database, read_models=MODELS), "migrator")
    connection: Any = await asyncpg.connect(**config.connect_arguments("test"))
    await create_read_models(connection, "orders", config.shadow_schema, MODELS)

    async def write(values: list[dict[str, Any]]) -> tuple[list[Any], list[Any]]:
        shape = shape_of(THINGS)
        await connection.execute("DELETE FROM orders_read.things; DELETE FROM orders_read_shadow.things")
        await copy_rows(connection, config.shadow_schema, shape, [shape.defaults | row for row in values])
        rows = Rows()
        for row in values:
            rows.insert(THINGS, **row)
        await rows.flush(connection, config.read_schema)
        found = [
            [tuple(row) for row in await connection.fetch(f"SELECT * FROM {schema}.things ORDER BY number")]
            for schema in (config.shadow_schema, config.read_schema)
        ]
        return found[0], found[1]

    yield write
    await connection.close()


async def test_every_type_and_every_awkward_word(both_ways):
    values: list[dict[str, Any]] = [{"number": 0}]
    values += [{"number": number, "words": word, "document": word} for number, word in enumerate(WORDS, 1)]
    values.append(
        {
            "number": -1,
            "document": {"list": [1, None, '"', "\n"], "id": UUID(int=3), "at": NOON},
            "id": UUID(int=5),
            "at": NOON,
            "day": date(2026, 3, 5),
            "amount": Decimal("12345678901234567890.0123"),
            "many": -(2**62),
            "yes": False,
            "raw": b'\x00\n\\"\xff',
            "during": Range(NOON, None),
        }
    )
    values.append({"number": -2, "during": Range(empty=True), "document": [], "yes": True, "raw": b""})
    copied, written = await both_ways(values)
    assert copied == written
    assert [row[1] for row in copied if row[0] > 0] == WORDS


async def test_more_rows_than_go_in_one_piece(both_ways):
    values = [{"number": number, "words": str(uuid4())} for number in range(2 * CHUNK_ROWS + 1)]
    copied, written = await both_ways(values)
    assert copied == written
    assert len(copied) == len(values)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    words=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    document=st.text('\\"\nnu0041,[]{}é'),
)
async def test_any_text(both_ways, words, document):
    copied, written = await both_ways([{"number": 1, "words": words, "document": document}])
    assert copied == written
    assert copied[0][1] == words
