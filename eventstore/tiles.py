"""Tiles: the tree of a log as static resources of up to 256 hashes (C2SP tlog-tiles).

Stored are the full tiles only, in `tiles(level, index, hashes, root)`. A partial tile is always a prefix of what will
be the full one: at level 0 the leaf hashes of the last < 256 events, above the roots of the full tiles one level below
(`children`). To compute a proof from an asynchronous store: ask `tiles_needed_for_…`, fetch those, then compute from a
`TileHashSource`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from eventstore.merkle import (
    HASH_BYTES,
    ProofError,
    Range,
    consistency_ranges,
    inclusion_ranges,
    range_nodes,
)

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
TILE_BYTES = TILE_WIDTH * HASH_BYTES
ENTRY_BYTES_MAX = 65_535

_LEVEL_MAX = 63
_INDEX = r"(?P<index>(?:x[0-9]{3}/)*[0-9]{3})"
_WIDTH = r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
_TILE_PATH = re.compile(rf"tile/(?P<level>0|[1-9][0-9]?)/{_INDEX}{_WIDTH}")
_ENTRIES_PATH = re.compile(rf"tile/entries/{_INDEX}{_WIDTH}")


class TileError(ValueError):
    """A tile path or a bundle of entries is malformed."""


@dataclass(frozen=True, slots=True, order=True)
class TileRef:
    """Coordinates of a tile; `width` is its number of hashes, 1..256, and 256 means full."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The tile's path, `tile/<L>/<N>[.p/<W>]`."""
        return f"tile/{self.level}/{_index_path(self.index, self.width)}"

    @property
    def first_leaf(self) -> int:
        """Number of the first leaf under this tile."""
        return self.index << (TILE_HEIGHT * (self.level + 1))

    @property
    def children(self) -> Range:
        """Indexes (begin, end) of the full tiles one level below whose roots are its hashes; of leaves at level 0."""
        begin = self.index * TILE_WIDTH
        return begin, begin + self.width


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """Return the path of a bundle of entries, `tile/entries/<N>[.p/<W>]`."""
    return f"tile/entries/{_index_path(index, width)}"


def parse_tile_path(path: str) -> TileRef:
    """Read `tile/<L>/<N>[.p/<W>]`. Raises TileError for anything but the one canonical spelling."""
    match = _TILE_PATH.fullmatch(path)
    if match is None or int(match["level"]) > _LEVEL_MAX:
        raise TileError(f"not a tile path: {path!r}")
    return TileRef(int(match["level"]), *_parse_index(match, path))


def parse_entries_path(path: str) -> tuple[int, int]:
    """Read `tile/entries/<N>[.p/<W>]` into (index, width). Raises TileError for anything but the canonical spelling."""
    match = _ENTRIES_PATH.fullmatch(path)
    if match is None:
        raise TileError(f"not a path of entries: {path!r}")
    return _parse_index(match, path)


def _index_path(index: int, width: int) -> str:
    if index < 0 or not 1 <= width <= TILE_WIDTH:
        raise TileError(f"no tile has index {index} and width {width}")
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    return "/".join(groups) + ("" if width == TILE_WIDTH else f".p/{width}")


def _parse_index(match: re.Match[str], path: str) -> tuple[int, int]:
    index = int(match["index"].replace("x", "").replace("/", ""))
    width = int(match["width"] or TILE_WIDTH)
    # Encoding it again refuses surplus leading groups (x000/001) and a spelt-out full width (.p/256) without a rule
    # for each.
    if path[match.start("index") :] != _index_path(index, width):
        raise TileError(f"not the canonical spelling of a tile: {path!r}")
    return index, width


# --- which tiles to fetch ---


def tiles_needed_for_inclusion(index: int, size: int) -> list[TileRef]:
    """Return the tiles, as they are at tree size `size`, that hold every hash of `inclusion_proof(index, size)`."""
    return _tiles_for(inclusion_ranges(index, size), size)


def tiles_needed_for_consistency(old_size: int, new_size: int) -> list[TileRef]:
    """Return the tiles, as they are at `new_size`, that hold every hash of `consistency_proof(old_size, new_size)`."""
    return _tiles_for(consistency_ranges(old_size, new_size), new_size)


def tiles_needed_for_root(size: int) -> list[TileRef]:
    """Return the tiles that hold every hash of `tree_root(size)`."""
    if size < 0:
        raise ProofError(f"no tree has size {size}")
    return _tiles_for([(0, size)], size)


def edge_tiles(size: int) -> list[TileRef]:
    """Return the partial tiles (width 1..255) at the right edge of a tree of `size` leaves, lowest level first."""
    if size < 0:
        raise ProofError(f"no tree has size {size}")
    tiles = []
    level = 0
    while count := size >> (TILE_HEIGHT * level):
        if width := count % TILE_WIDTH:
            tiles.append(TileRef(level, count // TILE_WIDTH, width))
        level += 1
    return tiles


def _tiles_for(ranges: Iterable[Range], size: int) -> list[TileRef]:
    found = set()
    for begin, end in ranges:
        for level, index in range_nodes(begin, end):
            tile_level, tile_index, _offset = _locate(level, index)
            width = min(TILE_WIDTH, (size >> (TILE_HEIGHT * tile_level)) - tile_index * TILE_WIDTH)
            found.add(TileRef(tile_level, tile_index, width))
    return sorted(found)


def _locate(level: int, index: int) -> tuple[int, int, int]:
    """Return (tile level, tile index, offset of the first hash) of a complete subtree within its tile."""
    tile_level, height = divmod(level, TILE_HEIGHT)
    first = index << height
    return tile_level, first // TILE_WIDTH, first % TILE_WIDTH


class TileHashSource:
    """A `HashSource` over tiles that were already fetched. A longer tile than asked for (since full) serves as well."""

    def __init__(self, tiles: Mapping[TileRef, bytes]) -> None:
        """Take the fetched hashes by tile. Raises ProofError if a tile is shorter than its width or cuts a hash."""
        self._tiles: dict[tuple[int, int], bytes] = {}
        for tile, hashes in tiles.items():
            if len(hashes) < tile.width * HASH_BYTES or len(hashes) > TILE_BYTES or len(hashes) % HASH_BYTES:
                raise ProofError(f"{tile.path}: {len(hashes)} bytes, expected {tile.width * HASH_BYTES}")
            key = (tile.level, tile.index)
            if len(hashes) > len(self._tiles.get(key, b"")):
                self._tiles[key] = hashes

    def node(self, level: int, index: int) -> bytes:
        """Return a subtree's hash, from at most 256 hashes of one tile. Raises ProofError if they were not fetched."""
        tile_level, tile_index, offset = _locate(level, index)
        end = offset + (1 << level % TILE_HEIGHT)
        hashes = self._tiles.get((tile_level, tile_index), b"")
        if len(hashes) < end * HASH_BYTES:
            raise ProofError(f"hashes {offset}..{end - 1} of tile level {tile_level} index {tile_index} are missing")
        height = level % TILE_HEIGHT
        at = (offset >> height) * HASH_BYTES
        return (_subtrees(hashes)[height - 1] if height else hashes)[at : at + HASH_BYTES]


@lru_cache(maxsize=256)
def _subtrees(hashes: bytes) -> tuple[bytes, ...]:
    """The hashes of the complete subtrees within a tile, of height 1 to 8 where it has any, concatenated per height.

    Remembered for the tiles last used, 4 MiB at most: those near the top of the tree are part of every proof.
    """
    found = []
    while len(hashes) >= 2 * HASH_BYTES:
        pairs = range(0, len(hashes) - 2 * HASH_BYTES + 1, 2 * HASH_BYTES)
        hashes = b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs])
        found.append(hashes)
    return tuple(found)


# --- bundles of entries ---


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """Return a bundle: u16be length ‖ entry, for 1..256 entries of at most 65,535 bytes; else TileError."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise TileError(f"a bundle holds 1..{TILE_WIDTH} entries, not {len(entries)}")
    parts: list[bytes] = []
    for number, entry in enumerate(entries):
        if len(entry) > ENTRY_BYTES_MAX:
            raise TileError(f"entry {number} has {len(entry)} bytes, at most {ENTRY_BYTES_MAX} fit a bundle")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_entries(bundle: bytes) -> list[bytes]:
    """Read a bundle of 1..256 entries. Raises TileError when it is cut off, empty or too long."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if start > len(bundle) or at > len(bundle):
            raise TileError(f"bundle of {len(bundle)} bytes is cut off within entry {len(entries)}")
        entries.append(bundle[start:at])
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise TileError(f"a bundle holds 1..{TILE_WIDTH} entries, not {len(entries)}")
    return entries
