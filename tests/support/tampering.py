"""What somebody with a superuser's rights does to a log: its guards switched off, its tree made to fit again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import asyncpg

from eventstore.compact_range import PartialTiles
from tests.support.logs import superuser
from tests.support.servers import Database

GUARDED = ("events", "tiles", "head")


@asynccontextmanager
async def tampering(database: Database, schema: str) -> AsyncIterator[asyncpg.Connection]:
    """A superuser who has switched off every trigger and the check on positions."""
    async with superuser(database) as connection:
        await connection.execute("SET session_replication_role = replica")
        for table in GUARDED:
            await connection.execute(f"ALTER TABLE {schema}.{table} DISABLE TRIGGER ALL")
        await connection.execute(f"ALTER TABLE {schema}.events DROP CONSTRAINT events_position_check")
        yield connection


async def rewritten(connection: asyncpg.Connection, schema: str) -> None:
    """Every leaf hash, tile and the head row anew, as the bodies now hash."""
    rows = await connection.fetch(f"SELECT position, body FROM {schema}.events ORDER BY position")
    leaves = [sha256(b"\x00" + row["body"]).digest() for row in rows]
    tree, full = PartialTiles().extend(leaves)
    await connection.executemany(
        f"UPDATE {schema}.events SET leaf_hash = $2 WHERE position = $1",
        [(row["position"], leaf) for row, leaf in zip(rows, leaves, strict=True)],
    )
    await connection.execute(f"DELETE FROM {schema}.tiles")
    await connection.executemany(
        f"INSERT INTO {schema}.tiles VALUES ($1, $2, $3, $4)", [(t.level, t.index, t.hashes, t.root) for t in full]
    )
    await connection.execute(
        f"""UPDATE {schema}.head SET size = $1, range = $2,
            recorded_at = (SELECT recorded_at FROM {schema}.events ORDER BY position DESC LIMIT 1)""",
        len(rows),
        tree.compact_range().to_bytes(),
    )
