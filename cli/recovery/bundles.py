"""One log out of an audit bundle, a directory or a ZIP of one: its signed head, its events' exact bytes."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from eventstore.checkpoint import Checkpoint
from eventstore.errors import EngineError
from eventstore.note import NoteError, parse_note
from eventstore.tiles import TILE_WIDTH, TileError, decode_entries, entries_path


class BundleRefused(EngineError):
    """What was given is no bundle, or lacks a part of this log."""


class BundledLog:
    """The log of one service in a bundle. Nothing in it is believed: who uses it checks hashes and signatures."""

    def __init__(self, bundle: Path, service: str) -> None:
        """Raises BundleRefused."""
        self._log = _root(bundle) / "logs" / service
        self.name = f"the bundle {bundle}"
        try:
            self.head = (self._log / "checkpoint").read_bytes()
            self.size = Checkpoint.parse(parse_note(self.head).text).size
        except (OSError, KeyError, NoteError, zipfile.BadZipFile) as error:
            raise BundleRefused(f"{bundle} holds no signed head of {service}: {error}") from error

    def bodies(self, after: int) -> list[bytes]:
        """The events after a position, as many as the bundle's head counts. Raises BundleRefused."""
        return [body for bodies in self.tiles(after) for body in bodies]

    def tiles(self, after: int) -> Iterator[list[bytes]]:
        """The same, some hundred at a time."""
        for index in range(after // TILE_WIDTH, -(-self.size // TILE_WIDTH)):
            width = min(TILE_WIDTH, self.size - index * TILE_WIDTH)
            path = entries_path(index, width)
            try:
                bodies = decode_entries((self._log / path).read_bytes())
            except (OSError, KeyError, TileError, zipfile.BadZipFile) as error:
                raise BundleRefused(f"{self.name}: {path} cannot be read: {error}") from error
            if len(bodies) != width:
                raise BundleRefused(f"{self.name}: {path} holds {len(bodies)} events, not {width}")
            yield bodies[max(0, after - index * TILE_WIDTH) :]


def _root(bundle: Path) -> Path | zipfile.Path:
    """Where `logs/` lies: in the directory, in the ZIP, or in the one folder that the ZIP was made of."""
    if bundle.is_dir():
        return bundle
    try:
        root = zipfile.Path(bundle)
    except (OSError, zipfile.BadZipFile) as error:
        raise BundleRefused(f"{bundle} is neither a directory nor a ZIP: {error}") from error
    inside = [root, *(each for each in root.iterdir() if each.is_dir())]
    for place in inside:
        if (place / "logs").is_dir():
            return place
    raise BundleRefused(f"{bundle} is no audit bundle: it holds no logs")
