"""Queries as plain dictionaries."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]


async def rows_of(connection: AsyncConnection, query: sa.Executable) -> list[Row]:
    """All rows, by column name."""
    return [{str(name): value for name, value in row.items()} for row in (await connection.execute(query)).mappings()]


async def row_of(connection: AsyncConnection, query: sa.Executable) -> Row | None:
    """The one row there can be, or None."""
    found = await rows_of(connection, query)
    return found[0] if found else None
