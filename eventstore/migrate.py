"""Bringing a database to what this program needs: roles, rights, the engine's tables, empty read models.

Run by a superuser, once before the services start. Numbered plain SQL files, applied in order, each in its own
transaction; a file that was applied is never edited again. Read models are not migrated: they are made here when absent
and rebuilt by replay.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import asyncpg
import sqlalchemy as sa
from sqlalchemy.schema import ExecutableDDLElement

from eventstore.bulk import writer_function
from eventstore.errors import EngineError
from eventstore.read_model import ReadModel, models_version

UPGRADES_FROM = 1
"""The oldest migration that a database may stand at to be led on by this program. Raised only in a release whose notes
name the version to start in between; `chaoyangli upgrade --check` and the migrator refuse what is older."""
_SERVICE = re.compile(r"[a-z][a-z0-9_]{0,30}")
_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK = 0x6576656E7473  # "events": one migration at a time in a database
_ROLE_TRIES = 20
_SCRAM_ITERATIONS = 4_096


class MigrationRefused(EngineError):
    """The database was made by another or a newer program, and nothing was changed."""


@dataclass(frozen=True, slots=True)
class RolePasswords:
    """The passwords of a service's roles. The server is told only their SCRAM verifiers."""

    app: str = field(repr=False)
    migrator: str = field(repr=False)
    auditor: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def digest(self) -> str:
        """Shows whether an applied file was edited."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """All files, in order. Raises MigrationRefused when two have one number."""
    found = [
        Migration(int(match[1]), file.name, file.read_text(encoding="utf-8"))
        for file in resources.files("eventstore").joinpath("migrations").iterdir()
        if (match := _FILE.fullmatch(file.name))
    ]
    found.sort(key=lambda migration: migration.number)
    if len({migration.number for migration in found}) != len(found):
        raise MigrationRefused("two migrations have the same number")
    return found


async def migrate(
    superuser_dsn: str,
    service: str,
    passwords: RolePasswords,
    read_models: Sequence[ReadModel] = (),
    up_to: int | None = None,
) -> list[str]:
    """Bring one service's schemas up to date and return the migrations applied. Safe to repeat and to race.

    `up_to`: no further than this migration, to put an older copy's rows into the tables that they are of.
    Raises MigrationRefused when the database holds migrations that this program does not know, or edited ones.
    """
    if not _SERVICE.fullmatch(service):
        raise ValueError(f"{service!r} cannot be the name of a schema")
    connection = await asyncpg.connect(superuser_dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        await _make_roles(connection, service, passwords)
        applied = await _apply(connection, service, up_to)
        await _make_read_models(connection, service, read_models)
        return applied
    finally:
        await connection.close()


async def _make_roles(connection: asyncpg.Connection, service: str, passwords: RolePasswords) -> None:
    await _make_role(connection, f"{service}_owner", None)
    for name in ("app", "migrator", "auditor"):
        await _make_role(connection, f"{service}_{name}", getattr(passwords, name))


async def _make_role(connection: asyncpg.Connection, role: str, password: str | None) -> None:
    """Roles belong to the whole server: another database's migration may be making the same one."""
    for attempt in range(_ROLE_TRIES):
        try:
            row = await connection.fetchrow("SELECT rolpassword FROM pg_authid WHERE rolname = $1", role)
            if row is None:
                await connection.execute(f"CREATE ROLE {role} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE")
            if password is not None and (row is None or not _verifies(row["rolpassword"], password)):
                verifier = scram_verifier(password, os.urandom(16))
                await connection.execute(f"ALTER ROLE {role} LOGIN PASSWORD '{verifier}'")
            return
        except (asyncpg.UniqueViolationError, asyncpg.DuplicateObjectError, asyncpg.InternalServerError):
            if attempt == _ROLE_TRIES - 1:
                raise
            await asyncio.sleep(0.05 * (attempt + 1))


def scram_verifier(password: str, salt: bytes) -> str:
    """What PostgreSQL keeps of a password (RFC 5803), so that the password itself is in no statement and no log."""
    if not password.isascii() or not password:
        raise ValueError("a role's password is ASCII and not empty")
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def _verifies(verifier: str | None, password: str) -> bool:
    match = re.fullmatch(r"SCRAM-SHA-256\$\d+:([^$]+)\$.*", verifier or "")
    return match is not None and match.string == scram_verifier(password, base64.b64decode(match[1]))


def why_refused(service: str, applied: Mapping[int, str], known: Sequence[Migration]) -> str | None:
    """Why this program may not lead on a database with these migrations (number → digest), and what may; None: it may.

    An empty database is led on from the beginning.
    """
    digests = {migration.number: migration for migration in known}
    if unknown := sorted(applied.keys() - digests.keys()):
        return (
            f"{service} is newer than this program: it has migrations {unknown}. Nothing was changed. Start the version"
            " that made them, or a later one"
        )
    for number, digest in sorted(applied.items()):
        if digests[number].digest != digest:
            return (
                f"{digests[number].name} was edited after it was applied to {service}. Nothing was changed. Start the"
                " version that applied it, or put a backup back"
            )
    if applied and max(applied) < UPGRADES_FROM:
        return (
            f"{service} is too old for this program: it is at migration {max(applied)}, the least is {UPGRADES_FROM}."
            " Nothing was changed. Start a version in between first: docs/operating/upgrading.md names it"
        )
    return None


async def _apply(connection: asyncpg.Connection, service: str, up_to: int | None) -> list[str]:
    known = migrations()
    async with connection.transaction():
        database = await connection.fetchval("SELECT quote_ident(current_database())")
        shared = resources.files("eventstore").joinpath("migrations/database.sql").read_text(encoding="utf-8")
        await connection.execute(shared.replace("{database}", database))
        await connection.execute(
            f"""GRANT CONNECT ON DATABASE {database} TO {service}_app, {service}_migrator, {service}_auditor;
                GRANT CREATE ON DATABASE {database} TO {service}_migrator;
                CREATE SCHEMA IF NOT EXISTS {service} AUTHORIZATION {service}_owner;
                CREATE TABLE IF NOT EXISTS {service}.schema_version (
                    number integer PRIMARY KEY, name text NOT NULL, digest text NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now())"""
        )
    done = {row["number"]: row for row in await connection.fetch(f"SELECT * FROM {service}.schema_version")}
    refused = why_refused(service, {number: row["digest"] for number, row in done.items()}, known)
    if refused is not None:
        raise MigrationRefused(refused)
    applied = []
    for migration in known:
        if migration.number in done:
            continue
        if up_to is not None and migration.number > up_to:
            break
        async with connection.transaction():
            await connection.execute(migration.sql.replace("{service}", service))
            await connection.execute(
                f"INSERT INTO {service}.schema_version (number, name, digest) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.digest,
            )
        applied.append(migration.name)
    return applied


async def _make_read_models(connection: asyncpg.Connection, service: str, read_models: Sequence[ReadModel]) -> None:
    """Make the live read models when there are none. Existing ones of another version are left to replay."""
    live = f"{service}_read"
    if read_models and not await connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", live):
        await create_read_models(connection, service, live, read_models)


async def create_read_models(
    connection: asyncpg.Connection, service: str, schema: str, read_models: Sequence[ReadModel]
) -> None:
    """Make a schema with the empty tables of these read models, its rights, and its state at position 0.

    `connection` is the service's migrator or a superuser. One transaction: all of it or nothing.
    """
    async with _as_migrator(connection, service):
        await connection.execute(f"CREATE SCHEMA {schema}")
        # The tables are declared without a schema; they go to the first one on the path.
        await connection.execute(f"SET LOCAL search_path = {schema}, pg_catalog")
        for statement in table_statements(read_models):
            await connection.execute(statement)
        for model in read_models:
            for ddl in model.ddl:
                await connection.execute(ddl.replace("{schema}", schema).replace("{engine}", service))
        tables = [table for model in read_models for table in model.metadata.sorted_tables]
        await connection.execute(writer_function(schema, f"{service}_read", dict.fromkeys(tables)))
        await connection.execute(
            f"""REVOKE ALL ON FUNCTION {schema}.write_rows FROM PUBLIC;
                GRANT EXECUTE ON FUNCTION {schema}.write_rows TO {service}_app;
                GRANT USAGE ON SCHEMA {schema} TO {service}_app, {service}_auditor;
                GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {service}_app;
                GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {service}_auditor"""
        )
        await connection.execute(
            f"""INSERT INTO {service}.read_model_state (schema_name, version, position) VALUES ($1, $2, 0)
                ON CONFLICT (schema_name) DO UPDATE SET version = excluded.version, position = 0""",
            schema,
            models_version(read_models),
        )


@asynccontextmanager
async def _as_migrator(connection: asyncpg.Connection, service: str) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {service}_migrator")
        yield


def table_statements(read_models: Sequence[ReadModel]) -> list[str]:
    """The DDL of the read models' tables, indexes and listeners, in dependency order, without a schema."""
    statements: list[str] = []

    def note(element: ExecutableDDLElement, *_: Any, **__: Any) -> None:
        statements.append(str(element.compile(dialect=engine.dialect)))

    engine = sa.create_mock_engine("postgresql+asyncpg://", note)
    for metadata in dict.fromkeys(model.metadata for model in read_models):
        metadata.create_all(engine, checkfirst=False)
    return statements
