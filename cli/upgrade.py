"""Whether this program may run on a database, before it is let near it: nothing is written."""

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg

from cli.place import SERVICES, Place
from cli.recovery.recovering import superuser_dsn
from cli.recovery.sources import connected
from contracts.event import EVENTS, UPCASTERS, event_class
from eventstore.migrate import Migration, migrations, why_refused
from eventstore.read_model import models_version
from servicekit.migrate import definition_of

State = Literal["current", "pending", "refused"]
_COMMENT = re.compile(r"--[^\n]*")
_BODY = re.compile(r"\$\$.*?\$\$", re.DOTALL)
_MADE = re.compile(r"^CREATE TABLE (?:IF NOT EXISTS )?(\S+)", re.IGNORECASE)
_LOCKING = (
    (re.compile(r"^(?:ALTER|DROP) TABLE (?:IF EXISTS )?(?:ONLY )?(\S+)", re.IGNORECASE), "nobody reads or writes {}"),
    (re.compile(r"^CREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY).*? ON (\S+)", re.IGNORECASE), "nobody writes {}"),
    (re.compile(r"^CREATE (?:CONSTRAINT )?TRIGGER .*? ON (\S+)", re.IGNORECASE | re.DOTALL), "nobody writes {}"),
    (re.compile(r"^(?:UPDATE|DELETE FROM) (\S+)", re.IGNORECASE), "rows of {} are rewritten"),
)


@dataclass
class Found:
    """What was found of one service."""

    service: str
    refused: list[str] = field(default_factory=list)
    pending: dict[str, list[str]] = field(default_factory=dict)
    """Migrations to come, each with what it locks while it runs; nothing: new tables and functions only."""
    read_models: tuple[str | None, str | None] | None = None
    """Version of the tables there and of this program's, where they differ: they are folded anew."""
    events: int = 0

    @property
    def state(self) -> State:
        """Whether this program runs on it now, once it is migrated, or never."""
        if self.refused:
            return "refused"
        return "pending" if self.pending or self.read_models is not None else "current"

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "state": self.state,
            "refused": self.refused,
            "pending": self.pending,
            "read_models": self.read_models and list(self.read_models),
            "events": self.events,
        }


async def check(place: Place) -> list[Found]:
    """Look at every service's schemas. Raises asyncpg.PostgresError where the database is not there."""
    async with connected(superuser_dsn(place)) as connection:
        return [await _service(connection, service) for service in SERVICES]


async def _service(connection: asyncpg.Connection, service: str) -> Found:
    found, known = Found(service), migrations()
    applied = {}
    if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", f"{service}.schema_version"):
        rows = await connection.fetch(f"SELECT number, digest FROM {service}.schema_version")  # noqa: S608
        applied = {row["number"]: row["digest"] for row in rows}
    refused = why_refused(service, applied, known)
    if refused is not None:
        found.refused.append(refused)
        return found
    found.pending = {one.name: list(locks_of(one, service)) for one in known if one.number not in applied}
    if not applied:
        return found
    found.events = await connection.fetchval(f"SELECT size FROM {service}.head")  # noqa: S608
    found.refused += [sentence async for sentence in unknown_events(connection, service)]
    wanted = models_version(definition_of(service).read_models)
    there = await connection.fetchval(
        f"SELECT version FROM {service}.read_model_state WHERE schema_name = $1",  # noqa: S608
        f"{service}_read",
    )
    if wanted is not None and there != wanted:
        found.read_models = (there, wanted)
    return found


async def unknown_events(connection: asyncpg.Connection, service: str) -> AsyncIterator[str]:
    """A sentence for each type and version of event that this program cannot read."""
    rows = await connection.fetch(
        f"""SELECT type, substring(convert_from(body, 'UTF8') FROM '"dataschema":"[^"]*/([0-9]+)"')::integer AS version,
                   min(position) AS first
            FROM {service}.events GROUP BY 1, 2 ORDER BY 3"""  # noqa: S608 - a service's name
    )
    for row in rows:
        if (service, row["type"]) not in EVENTS:
            why = "which this program does not know"
        elif not _readable(service, row["type"], row["version"]):
            why = f"of version {row['version']}, which this program cannot read"
        else:
            continue
        yield (
            f"{service}/{row['first']} is the first {row['type']} {why}. Nothing was changed. Start the version that"
            " recorded it, or a later one"
        )


def _readable(service: str, type_name: str, version: int) -> bool:
    newest = event_class(type_name, service).version
    return version <= newest and all((service, type_name, step) in UPCASTERS for step in range(version, newest))


def locks_of(migration: Migration, service: str) -> Iterator[str]:
    """What people notice while a migration runs, statement by statement. Tables that it makes itself concern nobody."""
    made: set[str] = set()
    for statement in _statements(migration.sql.replace("{service}", service)):
        if match := _MADE.match(statement):
            made.add(match[1])
        for pattern, effect in _LOCKING:
            match = pattern.match(statement)
            if match and match[1] not in made:
                yield effect.format(match[1])


def _statements(sql: str) -> Sequence[str]:
    bare = _BODY.sub("''", _COMMENT.sub("", sql))
    return [" ".join(part.split()) for part in bare.split(";") if part.strip()]
