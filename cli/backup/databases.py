"""Two databases of one server: the one in use, and the one that a backup is put into until it takes its place."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg

from cli.backup.sealing import BackupRefused
from cli.place import SERVICES, Place
from cli.recovery.recovering import superuser_dsn
from cli.recovery.sources import connected

_TRIES, _PAUSE_SECONDS = 50, 0.1


def in_database(place: Place, name: str) -> Place:
    """The same place with another database."""
    return replace(place, database_name=name)


@asynccontextmanager
async def maintenance(place: Place) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection that is in no database of ours."""
    async with connected(superuser_dsn(in_database(place, "postgres"))) as connection:
        yield connection


async def require_still(connection: asyncpg.Connection) -> None:
    """No service may be at work. Raises BackupRefused."""
    users = [f"{service}_app" for service in SERVICES]
    rows = await connection.fetch(
        "SELECT DISTINCT usename::text AS name FROM pg_stat_activity WHERE usename::text = ANY($1) ORDER BY 1", users
    )
    if rows:
        names = ", ".join(row["name"].removesuffix("_app") for row in rows)
        raise BackupRefused(f"stop the services first: {names} {'are' if len(rows) > 1 else 'is'} up. Nothing was done")


async def exists(connection: asyncpg.Connection, name: str) -> bool:
    """Whether there is such a database."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name))


async def holds_a_log(place: Place) -> bool:
    """Whether any service has a log in the database of this place: PostgreSQL's image begins with an empty one."""
    async with connected(superuser_dsn(place)) as connection:
        tables = [f"{service}.events" for service in SERVICES]
        return bool(
            await connection.fetchval("SELECT bool_or(to_regclass(t) IS NOT NULL) FROM unnest($1::text[]) t", tables)
        )


async def make(connection: asyncpg.Connection, name: str) -> None:
    """A new and empty one, in place of one of that name."""
    await drop(connection, name)
    await connection.execute(f"CREATE DATABASE {_quoted(name)} TEMPLATE template0 ENCODING 'UTF8'")


async def drop(connection: asyncpg.Connection, name: str) -> None:
    """Delete one, if there is one."""
    await _patiently(connection, f"DROP DATABASE IF EXISTS {_quoted(name)}")


async def change_places(connection: asyncpg.Connection, name: str, aside: str, into_use: str) -> None:
    """`name` is called `aside` from now on, if there is one, and `into_use` is called `name`: both or neither."""
    there = await exists(connection, name)
    first = f"ALTER DATABASE {_quoted(name)} RENAME TO {_quoted(aside)};" if there else ""
    await _patiently(connection, f"{first} ALTER DATABASE {_quoted(into_use)} RENAME TO {_quoted(name)}")


async def sizes_of(place: Place, services: Collection[str] = SERVICES) -> dict[str, int]:
    """How many events each log has."""
    async with connected(superuser_dsn(place)) as connection:
        return {
            service: await connection.fetchval(f"SELECT size FROM {service}.head")  # noqa: S608 - a service's name
            for service in services
        }


async def _patiently(connection: asyncpg.Connection, statement: str) -> None:
    """Who has just left a database is still seen in it for a moment. Raises BackupRefused when somebody stays."""
    for left in reversed(range(_TRIES)):
        try:
            await connection.execute(statement)  # several statements of one message are one transaction
            return
        except asyncpg.ObjectInUseError as error:
            if not left:
                raise BackupRefused(f"somebody is connected to the database: {error.detail or error}") from error
            await asyncio.sleep(_PAUSE_SECONDS)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
