"""Which backups there are, whether one is whole, and letting go of old ones."""

import base64
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.backup.making import AFTER, DATA, KEY_COPY
from cli.backup.sealing import MANIFEST, BackupRefused, check_seal, read_unchecked
from cli.place import SERVICES, Place
from eventstore.checkpoint import Checkpoint
from eventstore.compact_range import PartialTiles
from eventstore.durable import sync_directory
from eventstore.merkle import leaf_hash
from eventstore.note import NoteError, open_note
from eventstore.tiles import TILE_WIDTH, TileError, decode_entries, entries_path
from servicekit.log_keys import read_log_keys

_STAMP = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True, slots=True)
class Kept:
    """One finished backup or key copy, as its manifest says: nothing of it was checked."""

    path: Path
    made_at: str
    bytes: int
    document: dict[str, Any]


def kept_below(directory: Path, kind: str = DATA) -> list[Kept]:
    """Every finished one below a directory, the oldest first. Raises BackupRefused for an unreadable manifest."""
    found = []
    for path in sorted(directory.glob("*") if directory.is_dir() else ()):
        if _STAMP.fullmatch(path.name) and (path / MANIFEST).exists():
            document = read_unchecked(path, kind)
            found.append(Kept(path, document["made_at"], document["bytes"], document))
    return found


def let_go(directory: Path, keep: int, kind: str = DATA) -> list[Path]:
    """Delete all but the newest `keep`, the manifest first: what is half deleted is no backup any more."""
    gone = []
    for one in kept_below(directory, kind)[:-keep]:
        (one.path / MANIFEST).unlink()
        sync_directory(one.path)
        shutil.rmtree(one.path)
        gone.append(one.path)
    return gone


def check_backup(directory: Path, place: Place) -> dict[str, Any]:
    """The manifest, once every file is the one that was signed and every log hashes to its root and its signed head.

    Needs no server. Raises BackupRefused.
    """
    document = check_seal(directory, DATA, place)
    for service in SERVICES:
        _check_log(directory, service, document, place)
        for source, position in document["logs"][service]["heard"].items():
            if position > document["logs"][source]["size"]:
                raise BackupRefused(
                    f"{service} has heard {source} to {position}, whose log has {document['logs'][source]['size']}"
                    " events: this is no snapshot of one moment"
                )
    return document


def check_keys(directory: Path, place: Place) -> dict[str, Any]:
    """The manifest of a key copy, once every file is the one that was signed. Raises BackupRefused."""
    return check_seal(directory, KEY_COPY, place)


def bodies_of(directory: Path, service: str, document: dict[str, Any]) -> Iterator[list[bytes]]:
    """Every event of a log in order, some hundreds at a time. Raises BackupRefused."""
    log, said = directory / "logs" / service, document["logs"][service]
    for first in range(0, said["signed"], TILE_WIDTH):
        width = min(TILE_WIDTH, said["signed"] - first)
        yield _entries(log / entries_path(first // TILE_WIDTH, width), width)
    for first in range(said["signed"], said["size"], TILE_WIDTH):
        yield _entries(log / AFTER / f"{first + 1:012}", min(TILE_WIDTH, said["size"] - first))


def _entries(path: Path, width: int) -> list[bytes]:
    try:
        found = decode_entries(path.read_bytes())
    except (OSError, TileError) as error:
        raise BackupRefused(f"{path} cannot be read: {error}") from error
    if len(found) != width:
        raise BackupRefused(f"{path} holds {len(found)} events, not {width}")
    return found


def _check_log(directory: Path, service: str, document: dict[str, Any], place: Place) -> None:
    said, edge, at_head = document["logs"][service], PartialTiles(), None
    if not said["signed"]:
        at_head = edge.compact_range().root()
    for bodies in bodies_of(directory, service, document):
        edge, _ = edge.extend([leaf_hash(body) for body in bodies])
        if edge.size == said["signed"]:
            at_head = edge.compact_range().root()
    if edge.size != said["size"] or base64.b64encode(edge.compact_range().root()).decode() != said["root"]:
        raise BackupRefused(f"{directory}: the events of {service} do not hash to the root in the manifest")
    file = directory / "logs" / service / "checkpoint"
    if not file.exists():
        return
    try:
        generation = int(document["origins"][service].partition("/")[2].partition("/")[2] or 1)
        keys = read_log_keys(place.key_files(service, generation))
        head = Checkpoint.parse(open_note(file.read_bytes(), keys.good).text)
    except NoteError as error:
        raise BackupRefused(f"{file} is no signed head of {service}: {error}") from error
    if (head.size, head.root) != (said["signed"], at_head):
        raise BackupRefused(f"{directory}: the events of {service} do not hash to its signed head of {head.size}")
