"""Writes a bundle from a place: whole, under another name, and only then where it was asked for."""

import shutil
from importlib import resources
from pathlib import Path

import asyncpg

from cli.bundle import books
from cli.output import Tell
from cli.place import SERVICES, Place
from cli.story import NothingFound
from contracts.envelope import decode
from contracts.ledger import EntryPosted, EntryReversed
from eventstore.checkpoint import Checkpoint
from eventstore.note import parse_note
from eventstore.proofs import read_entries, read_tile
from eventstore.tiles import TILE_WIDTH, TileRef, decode_entries, entries_path
from eventstore.trust_policy import read_trust_policy
from servicekit.publishing import read_published


class BundleExists(ValueError):
    """Something lies where the bundle was to be written."""


async def export(place: Place, policy: str, target: Path, tell: Tell) -> dict[str, int]:
    """Write the bundle; service → events in it. Raises BundleExists, NothingFound."""
    working = _begin(target)
    entries: list[books.Numbered] = []
    witnessed = bool(read_trust_policy(policy).witnesses)
    sizes = {}
    for service in SERVICES:
        connection = await place.connect(service)
        try:
            sizes[service] = await _export_log(
                connection, place, service, working / "logs" / service, entries, tell, witnessed=witnessed
            )
        finally:
            await connection.close()
    readme = resources.files("cli.bundle").joinpath("bundle_readme.md").read_bytes()
    for name, content in {"policy": policy.encode(), "README.md": readme}.items():
        _write(working / name, content)
    for name, text in books.files(entries).items():
        _write(working / "books" / name, text.encode())
    _end(working, target)
    return sizes


def _begin(target: Path) -> Path:
    if target.exists():
        raise BundleExists(f"{target} is there already: name a directory that is not")
    working = target.with_name(f".{target.name}.part")
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir(parents=True)
    return working


def _end(working: Path, target: Path) -> None:
    """What was interrupted before keeps its other name and is begun anew the next time."""
    working.rename(target)


async def _export_log(
    connection: asyncpg.Connection,
    place: Place,
    service: str,
    target: Path,
    entries: list[books.Numbered],
    tell: Tell,
    *,
    witnessed: bool,
) -> int:
    """One log up to the head that its witnesses cosigned, where it has any; else to the last one signed."""
    directory = place.head_directory / service
    note = read_published(directory / "published") if witnessed else None
    note = note or read_published(directory / "head")
    if note is None:
        raise NothingFound(f"{service} has signed no head yet")
    size = Checkpoint.parse(parse_note(note).text).size
    _write(target / "checkpoint", note.encode())
    for first in range(0, size, TILE_WIDTH):
        index, width = first // TILE_WIDTH, min(TILE_WIDTH, size - first)
        bundle = await read_entries(connection, service, index, width)
        if bundle is None:
            raise NothingFound(f"{service} lacks events from {first + 1} on, though it signed {size}")
        _write(target / entries_path(index, width), bundle)
        if service == "ledger":
            entries += _entries(bundle, first)
        tell(f"bundle: {service}", first + width, size)
    for tile in tiles_of(size):
        hashes = await read_tile(connection, service, tile)
        if hashes is None:
            raise NothingFound(f"{service} lacks hashes of {tile.path}")
        _write(target / tile.path, hashes)
    return size


def tiles_of(size: int) -> list[TileRef]:
    """Every hash tile of a log of this size, the partial ones at the right edge among them."""
    found: list[TileRef] = []
    level, width = 0, size
    while width:
        found += [TileRef(level, index) for index in range(width // TILE_WIDTH)]
        if width % TILE_WIDTH:
            found.append(TileRef(level, width // TILE_WIDTH, width % TILE_WIDTH))
        level, width = level + 1, width // TILE_WIDTH
    return found


def _entries(bundle: bytes, first: int) -> list[books.Numbered]:
    found = []
    for position, body in enumerate(decode_entries(bundle), first + 1):
        event = decode(body).event
        if isinstance(event, EntryPosted | EntryReversed):
            found.append(books.Numbered(position, event))
    return found


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
