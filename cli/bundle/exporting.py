"""Writes a bundle from a place: whole, under another name, and only then where it was asked for."""

import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import asyncpg

from cli.bundle import books
from cli.bundle.earlier import earlier_path
from cli.bundle.manifest import KIND, NAME, BundledLogFiles, Manifest, table_of
from cli.output import Tell
from cli.place import SERVICES, Place
from cli.story import NothingFound
from contracts.envelope import decode
from contracts.ledger import EntryPosted, EntryReversed
from eventstore.checkpoint import Checkpoint
from eventstore.losses import read_earlier
from eventstore.note import parse_note
from eventstore.origins import read_generation
from eventstore.proofs import read_entries, read_tile
from eventstore.tiles import TILE_WIDTH, TileRef, decode_entries, entries_path
from eventstore.trust_policy import read_trust_policy
from servicekit.publishing import read_published


class BundleExists(ValueError):
    """Something lies where the bundle was to be written."""


async def export(place: Place, policy: str, target: Path, tell: Tell) -> dict[str, int]:
    """Write the bundle; service → events in it. Raises BundleExists, NothingFound."""
    from cli.bundle.tables import table_writer  # loads pyarrow: nothing others should wait for

    working = _begin(target)
    entries: list[books.Numbered] = []
    witnessed = bool(read_trust_policy(policy).witnesses)
    logs = {}
    for service in SERVICES:
        connection = await place.connect(service)
        head = _head(place, service, witnessed=witnessed)
        table = table_of(service)
        try:
            with table_writer(working / table) as rows:
                async for first, bodies in _export_log(connection, service, working / "logs" / service, head):
                    rows.add(bodies)
                    if service == "ledger":
                        entries += _entries(bodies, first)
                    tell(f"bundle: {service}", first + len(bodies), head.size)
        finally:
            await connection.close()
        logs[service] = BundledLogFiles(origin=head.origin, events=head.size, table=table)
    readme = resources.files("cli.bundle").joinpath("bundle_readme.md").read_bytes()
    manifest = Manifest(kind=KIND, logs=logs).to_bytes()
    for name, content in {"policy": policy.encode(), "README.md": readme, NAME: manifest}.items():
        _write(working / name, content)
    for name, text in books.files(entries).items():
        _write(working / "books" / name, text.encode())
    _end(working, target)
    return {service: log.events for service, log in logs.items()}


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


@dataclass(frozen=True, slots=True)
class _Head:
    """The head that a log is exported up to."""

    note: bytes
    origin: str
    size: int
    earlier: Mapping[int, str]
    """Number of an earlier origin → the last head that it gave out, as far as they were kept."""


def _head(place: Place, service: str, *, witnessed: bool) -> _Head:
    """The last one that its witnesses cosigned, where the log has any; else the last one signed."""
    directory = place.head_directory / service
    note = read_published(directory / "published") if witnessed else None
    note = note or read_published(directory / "head")
    if note is None:
        raise NothingFound(f"{service} has signed no head yet")
    checkpoint = Checkpoint.parse(parse_note(note).text)
    generation = read_generation(place.state_dir, place.community, service)
    kept = {number: read_earlier(directory, number) for number in range(1, generation)}
    earlier = {number: text for number, text in kept.items() if text is not None}
    return _Head(note.encode(), checkpoint.origin, checkpoint.size, earlier)


async def _export_log(
    connection: asyncpg.Connection, service: str, target: Path, head: _Head
) -> AsyncIterator[tuple[int, list[bytes]]]:
    """One log's files; gives its events tile by tile, each with the number of those before it."""
    _write(target / "checkpoint", head.note)
    for generation, text in head.earlier.items():
        _write(earlier_path(target, generation), text.encode())
    for first in range(0, head.size, TILE_WIDTH):
        index, width = first // TILE_WIDTH, min(TILE_WIDTH, head.size - first)
        bundle = await read_entries(connection, service, index, width)
        if bundle is None:
            raise NothingFound(f"{service} lacks events from {first + 1} on, though it signed {head.size}")
        _write(target / entries_path(index, width), bundle)
        yield first, decode_entries(bundle)
    for tile in tiles_of(head.size):
        hashes = await read_tile(connection, service, tile)
        if hashes is None:
            raise NothingFound(f"{service} lacks hashes of {tile.path}")
        _write(target / tile.path, hashes)


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


def _entries(bodies: list[bytes], first: int) -> list[books.Numbered]:
    found = []
    for position, body in enumerate(bodies, first + 1):
        event = decode(body).event
        if isinstance(event, EntryPosted | EntryReversed):
            found.append(books.Numbered(position, event))
    return found


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
