"""Queries as plain dictionaries."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

Row = dict[str, Any]


async def rows_of(
    connection: AsyncConnection, query: sa.Executable, parameters: Mapping[str, Any] | None = None
) -> list[Row]:
    """All rows, by column name."""
    result = await connection.execute(query, parameters)
    columns = result.keys()
    names = [str(name) for name in columns]
    return [dict(zip(names, row, strict=True)) for row in result]


async def row_of(connection: AsyncConnection, query: sa.Executable) -> Row | None:
    """The one row there can be, or None."""
    found = await rows_of(connection, query)
    return found[0] if found else None
