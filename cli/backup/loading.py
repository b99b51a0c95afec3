"""A backup put into a new database: tables and rights from this program's migrations, rows from the copies, and every
event by the way that an append takes, past the same triggers.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg

from cli.backup.keeping import bodies_of
from cli.backup.making import KEY_COPY
from cli.backup.sealing import BackupRefused, read_unchecked
from cli.backup.tables import Table, copy_in, empty, set_sequences
from cli.output import Tell
from cli.place import SERVICES, Place
from cli.recovery.recovering import superuser_dsn
from cli.recovery.sources import connected
from eventstore.config import LogConfig
from eventstore.log import reader
from eventstore.migrate import migrations
from eventstore.recovery import base_of, continuing, put_back
from servicekit.migrate import MigrateSettings, definition_of, migrate_service

_CHUNK_EVENTS = 4_096


def require_known_schemas(document: Mapping[str, Any]) -> None:
    """Raises BackupRefused for a backup of a database that this program does not know."""
    known = {str(migration.number): migration.digest for migration in migrations()}
    for service, applied in document["schemas"].items():
        newer = sorted(set(applied) - set(known), key=int)
        if newer:
            raise BackupRefused(
                f"the backup was written by version {document['app_version']}, whose database of {service} has"
                f" migration {newer[-1]}: this program knows {max(known, key=int)}. Restore it with that version or a"
                " later one; nothing was changed"
            )
        edited = [number for number, digest in applied.items() if known[number] != digest]
        if edited:
            raise BackupRefused(f"migration {edited[0]} of {service} was another one when the backup was written")


async def load(place: Place, backup: Path, keys: Path | None, document: Mapping[str, Any], tell: Tell) -> None:
    """Fill the place's database, which is new and empty. `keys`: a copy of the keys, or None to do without names.

    Raises BackupRefused, TailRefused, MigrationRefused.
    """
    settings = migrate_settings(place)
    for service in SERVICES:
        numbers = [int(number) for number in document["schemas"][service]]
        await migrate_service(settings, service, (), up_to=max(numbers))
    async with connected(superuser_dsn(place)) as connection:
        # Rows come in any order: what points at what was so in the snapshot.
        await connection.execute("SET session_replication_role = replica")
        await _load_tables(connection, document["tables"], backup / "tables", tell)
        for schema, values in document["sequences"].items():
            await set_sequences(connection, schema, values)
    for service in SERVICES:
        await migrate_service(settings, service, definition_of(service).read_models)
    async with connected(superuser_dsn(place)) as connection:
        for service in SERVICES:
            await _load_log(connection, place.log_config(service, "migrator"), backup, document, tell)
        if keys is not None:
            await _load_tables(connection, read_unchecked(keys, KEY_COPY)["tables"], keys / "tables", tell)
        for service in SERVICES:
            await _forget_unreadable(connection, service)
        await _require_one_moment(connection)


def migrate_settings(place: Place) -> MigrateSettings:
    """How the migrator reaches this place's database."""
    return MigrateSettings(
        community=place.community,
        secrets_dir=place.secrets_dir,
        state_dir=place.state_dir,
        database_host=place.database_host,
        database_port=place.database_port,
        database_name=place.database_name,
        nats_url=place.nats_url,
    )


async def _load_tables(connection: asyncpg.Connection, listed: list[dict[str, Any]], files: Path, tell: Tell) -> None:
    tables = [Table.of(one) for one in listed]
    await empty(connection, tables)
    for number, table in enumerate(tables, 1):
        rows = await copy_in(connection, table, files)
        if rows != table.rows:
            raise BackupRefused(f"{files / table.file} holds {rows} rows, the manifest says {table.rows}")
        tell("tables", number, len(tables))


async def _load_log(
    connection: asyncpg.Connection, config: LogConfig, backup: Path, document: Mapping[str, Any], tell: Tell
) -> None:
    service, said = config.service, document["logs"][config.service]
    waiting: list[bytes] = []
    for bodies in bodies_of(backup, service, dict(document)):
        waiting += bodies
        if len(waiting) >= _CHUNK_EVENTS:
            await _append(connection, config, waiting)
            waiting = []
            tell(f"events: {service}", (await reader.head(connection, config.schema)).size, said["size"])
    await _append(connection, config, waiting)
    head = await reader.head(connection, config.schema)
    if (head.size, base64.b64encode(head.tree.root()).decode()) != (said["size"], said["root"]):
        raise BackupRefused(f"{service}: the tables do not hash to the root in the manifest")


async def _append(connection: asyncpg.Connection, config: LogConfig, bodies: list[bytes]) -> None:
    if bodies:
        base = await base_of(connection, config.schema)
        tail = await continuing(connection, config, base, bodies)
        async with connection.transaction():
            await put_back(connection, tail)


async def _forget_unreadable(connection: asyncpg.Connection, service: str) -> None:
    """What no key opens any more is forgotten like its person: an entry under another key would be called tampered."""
    await connection.execute(
        f"""DELETE FROM {service}.vault_entries e WHERE NOT EXISTS (
                SELECT FROM {service}.vault_keys k
                WHERE k.person_id = e.person_id AND k.purpose = e.purpose AND k.wrapped IS NOT NULL)"""  # noqa: S608
    )


async def _require_one_moment(connection: asyncpg.Connection) -> None:
    """A consumer stands nowhere beyond the log that it hears."""
    for service in SERVICES:
        for row in await connection.fetch(f"SELECT source, position FROM {service}.heard"):  # noqa: S608
            size = await connection.fetchval(f"SELECT size FROM {row['source']}.head")  # noqa: S608
            if row["position"] > size:
                raise BackupRefused(
                    f"{service} has heard {row['source']} to {row['position']}, whose log has {size} events"
                )
