"""Writes a backup while the system runs: one REPEATABLE READ snapshot of the whole database, under another name first.

The snapshot is one for all services: a consumer's position in it never passes the log that it hears. Two directories
are written from it. The backup: every event as entry files under the last signed head (tlog-tiles, as in an audit
bundle, so `recover --from-bundle` reads it), the other tables, no read models. The copy of keys: the vaults' data keys,
the secret files, and what lies beside PostgreSQL. Either of them alone opens nobody's name.
"""

import base64
import errno
import json
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg

from cli.backup import sealing
from cli.backup.sealing import BackupRefused, kind_of, write_file
from cli.backup.tables import KEYS, Table, copy_out, sequences_of, strange_schemas, tables_of
from cli.directory import made_for
from cli.output import Tell, in_words
from cli.place import SERVICES, Place
from cli.recovery.recovering import superuser_dsn
from cli.recovery.sources import connected
from cli.version import VERSION
from eventstore.checkpoint import Checkpoint
from eventstore.durable import LockBusy, locked, sync_directory, write_whole
from eventstore.log import reader
from eventstore.note import parse_note
from eventstore.origins import FILE as ORIGIN
from eventstore.origins import read_generation
from eventstore.proofs import read_entries
from eventstore.tiles import TILE_WIDTH, encode_entries, entries_path
from servicekit.handing import is_written
from servicekit.publishing import read_published
from servicekit.secrets import read_bytes_secret

DATA, KEY_COPY = "backup", "key copy"
"""The two kinds of directory."""
AFTER = "after"
"""Events after the last signed head: `logs/<service>/after/<first position>`."""
LAST = "last-backup.json"
STATE_FILES = ("head", "published", ORIGIN, "erasures")
"""What is copied of `<state>/<service>/`."""
_PART = ".part"
_APART = "keep the two apart, each in a directory of its own"
_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})
"""Errors of writing, which name no file."""
_LOCK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Made:
    """What was written."""

    backup: Path | None
    keys: Path | None
    bytes: int
    sizes: dict[str, int]
    not_included: list[str]
    """Schemas that no service of ours owns."""


async def back_up(place: Place, to: Path, keys_to: Path | None, tell: Tell) -> Made:
    """Write a backup below `to`, and of the same snapshot a copy of the keys below `keys_to`.

    Raises BackupRefused, OSError; what a killed one leaves is never taken for a backup, and is gone with the next.
    """
    _make_both_ready(to, keys_to)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    heads = {service: _signed(place, service) for service in SERVICES}
    async with _snapshot(place) as connection:
        with _writing(to, stamp) as working:
            document = await _common(place, connection)
            document["logs"] = {
                service: await _copy_log(connection, service, heads[service], working / "logs" / service, tell)
                for service in SERVICES
            }
            document |= await _copy_tables(connection, working / "tables", tell)
            size = sealing.seal(working, DATA, document, place)
        made = to / stamp
        try:
            keys = await _copy_keys(place, connection, keys_to, stamp) if keys_to is not None else None
        except OSError as error:
            raise BackupRefused(
                f"{made} is finished, and there is no copy of its keys: {in_words(error)}. Once that is mended run"
                f" `chaoyangli backup keys --to {keys_to}`"
            ) from error
    last = {"finished_at": datetime.now(UTC).isoformat(timespec="seconds"), "path": str(made.resolve()), "bytes": size}
    write_whole(place.state_dir / LAST, json.dumps(last).encode() + b"\n")
    sizes = {service: log["size"] for service, log in document["logs"].items()}
    return Made(made, keys, size, sizes, document["not_included"])


async def copy_keys(place: Place, keys_to: Path) -> Path:
    """Write a copy of the keys alone. Raises BackupRefused, OSError."""
    _make_ready(keys_to, KEY_COPY)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    async with _snapshot(place) as connection:
        return await _copy_keys(place, connection, keys_to, stamp)


@asynccontextmanager
async def _snapshot(place: Place) -> AsyncIterator[asyncpg.Connection]:
    """A superuser's connection that sees the whole database as it is at one moment."""
    async with (
        connected(superuser_dsn(place)) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


def _make_both_ready(to: Path, keys_to: Path | None) -> None:
    """As `_make_ready`, for both kinds. Raises BackupRefused, OSError."""
    if keys_to is not None and keys_to.resolve() == to.resolve():
        raise BackupRefused(f"backup and keys both in {to} would open every name together: {_APART}")
    _make_ready(to, DATA)
    if keys_to is not None:
        _make_ready(keys_to, KEY_COPY)


def _make_ready(to: Path, kind: str) -> None:
    """Refuse a directory that cannot take this kind before anything is written. Raises BackupRefused, OSError."""
    to.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in to.iterdir():
        if kind_of(path) not in {None, kind}:
            raise BackupRefused(f"{to} holds {path.name}, a {kind_of(path)}: {_APART}")
    with _held(to):
        pass


@contextmanager
def _held(to: Path) -> Iterator[None]:
    try:
        with locked(to / "backup", _LOCK_SECONDS):
            yield
    except LockBusy as error:
        raise BackupRefused(f"another backup is being written below {to}") from error


@contextmanager
def _writing(to: Path, stamp: str) -> Iterator[Path]:
    """A directory under a name that no reader takes for a backup, given its own once all is on disk.

    What cannot be finished is taken away: on a disk that is full it would keep everybody else from writing.
    """
    target, working = to / stamp, to / f".{stamp}{_PART}"
    with _held(to):
        if target.exists():
            raise BackupRefused(f"{target} is there already: wait a second")
        for left in to.glob(f".*{_PART}"):
            shutil.rmtree(left)
        try:
            working.mkdir(mode=0o700)
            (working / "tables").mkdir(mode=0o700)
            yield working
            working.rename(target)
        except BaseException as error:
            # What of it cannot be taken away either is gone with the next backup; why this one failed is worth more.
            shutil.rmtree(working, ignore_errors=True)
            if isinstance(error, OSError) and error.errno in _OF_THE_DISK and error.filename is None:
                error.filename = str(to)
            raise
        sync_directory(to)


async def _common(place: Place, connection: asyncpg.Connection) -> dict[str, Any]:
    """What a manifest of either kind says first."""
    found: dict[str, Any] = {
        "app_version": VERSION,
        "community": place.community,
        "mode": "real" if place.data is None else made_for(place.data) or "real",
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "origins": {service: place.origin(service) for service in SERVICES},
        "postgresql": await connection.fetchval("SHOW server_version"),
        "schemas": {},
    }
    for service in SERVICES:
        rows = await connection.fetch(
            f"SELECT number, digest FROM {service}.schema_version ORDER BY number"  # noqa: S608 - a service's name
        )
        found["schemas"][service] = {str(row["number"]): row["digest"] for row in rows}
    return found


def _signed(place: Place, service: str) -> str | None:
    """The last signed head, read before the snapshot: what it counts, the snapshot has."""
    return read_published(place.head_directory / service / "head")


async def _copy_log(
    connection: asyncpg.Connection, service: str, note: str | None, target: Path, tell: Tell
) -> dict[str, Any]:
    head = await reader.head(connection, service)
    root = head.tree.root()
    signed = 0 if note is None else Checkpoint.parse(parse_note(note).text).size
    if signed > head.size:
        raise BackupRefused(
            f"{service} has {head.size} events and a signed head of {signed}: recover it first, by `chaoyangli recover`"
        )
    if note is not None:
        write_file(target / "checkpoint", note.encode())
    for first in range(0, signed, TILE_WIDTH):
        index, width = first // TILE_WIDTH, min(TILE_WIDTH, signed - first)
        entries = await read_entries(connection, service, index, width)
        if entries is None:
            raise BackupRefused(f"{service} lacks events from {first + 1} on: see `chaoyangli verify`")
        write_file(target / entries_path(index, width), entries)
        tell(f"backup: {service}", first + width, head.size)
    for first in range(signed, head.size, TILE_WIDTH):
        events = await reader.read_raw(connection, service, first, TILE_WIDTH)
        write_file(target / AFTER / f"{first + 1:012}", encode_entries([event.body for event in events]))
    heard = await connection.fetch(f"SELECT source, position FROM {service}.heard")  # noqa: S608
    return {
        "size": head.size,
        "root": base64.b64encode(root).decode(),
        "signed": signed,
        "heard": {row["source"]: row["position"] for row in heard},
    }


async def _copy_tables(connection: asyncpg.Connection, target: Path, tell: Tell) -> dict[str, Any]:
    wanted = [(schema, name) for schema in SERVICES for name in await tables_of(connection, schema) if name != KEYS]
    tables: list[Table] = []
    for schema, name in wanted:
        tables.append(await copy_out(connection, schema, name, target))
        tell("tables", len(tables), len(wanted))
    return {
        "tables": [table.to_json() for table in tables],
        "sequences": {schema: await sequences_of(connection, schema) for schema in SERVICES},
        "not_included": await strange_schemas(connection, SERVICES),
    }


async def _copy_keys(place: Place, connection: asyncpg.Connection, keys_to: Path, stamp: str) -> Path:
    with _writing(keys_to, stamp) as working:
        document = await _common(place, connection)
        tables = [await copy_out(connection, schema, KEYS, working / "tables") for schema in SERVICES]
        document["tables"] = [table.to_json() for table in tables]
        document["vaults"] = {service: kek_digest(place, service) for service in SERVICES}
        _copy_files(place.secrets_dir, working / "secrets", sorted(place.secrets_dir.rglob("*")))
        state = [path for service in SERVICES for path in _state_files(place.state_dir / service)]
        _copy_files(place.state_dir, working / "state", state)
        sealing.seal(working, KEY_COPY, document, place)
    return keys_to / stamp


def kek_digest(place: Place, service: str) -> str:
    """Tells one key-encryption key from another; of 32 random bytes it tells nothing else. Raises SecretMissing."""
    return sha256(b"chaoyangli kek\x00" + read_bytes_secret(place.secrets_dir / f"{service}.kek")).hexdigest()


def _state_files(home: Path) -> list[Path]:
    kept = [path for path in (home / "origins").rglob("*") if path.is_file()]
    return [*(home / name for name in STATE_FILES if (home / name).exists()), *sorted(kept)]


def _copy_files(source: Path, target: Path, paths: Sequence[Path]) -> None:
    for path in paths:
        if is_written(path):
            write_file(target / path.relative_to(source), path.read_bytes())
            (target / path.relative_to(source)).chmod(path.stat().st_mode & 0o777)


def generation_of(place: Place, service: str) -> int:
    """Which origin of a log counts here."""
    return read_generation(place.state_dir, place.community, service)
