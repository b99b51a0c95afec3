"""Tiles: the tree of a log as static resources of up to 256 hashes (C2SP tlog-tiles).

Stored are the full tiles only, in `tiles(level, index, hashes, root, group_roots)`. A partial tile is always a prefix
of what will be the full one: at level 0 the leaf hashes of the last < 256 events, above the roots of the full tiles one
level below (`children`). To compute a proof from an asynchronous store: ask `parts_needed_for_…`, fetch those, then
compute from a `TileHashSource`.

The hashes of a tile are sixteen groups of sixteen. The roots over the groups lie beside the tile: of a full tile a
proof takes those and one group, and hashes thirty times where the whole tile would take 255.
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
GROUP_HEIGHT = 4
GROUP_WIDTH = 1 << GROUP_HEIGHT
GROUP_BYTES = GROUP_WIDTH * HASH_BYTES
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


@dataclass(frozen=True, slots=True, order=True)
class TilePart:
    """What a proof takes of a tile: of a full one the roots of its groups, then the hashes of one group; else all."""

    tile: TileRef
    group: int = 0
    """0..15; of no meaning when the tile is not full."""

    @property
    def length(self) -> int:
        """Its bytes, at least: a tile that has become full meanwhile may be given whole."""
        return 2 * GROUP_BYTES if self.tile.width == TILE_WIDTH else self.tile.width * HASH_BYTES


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


# --- what to fetch ---


def parts_needed_for_inclusion(index: int, size: int) -> list[TilePart]:
    """Return the parts, as they are at tree size `size`, that hold every hash of `inclusion_proof(index, size)`."""
    return _parts_for(inclusion_ranges(index, size), size)


def parts_needed_for_consistency(old_size: int, new_size: int) -> list[TilePart]:
    """Return the parts, as they are at `new_size`, that hold every hash of `consistency_proof(old_size, new_size)`."""
    return _parts_for(consistency_ranges(old_size, new_size), new_size)


def parts_needed_for_root(size: int) -> list[TilePart]:
    """Return the parts that hold every hash of `tree_root(size)`."""
    if size < 0:
        raise ProofError(f"no tree has size {size}")
    return _parts_for([(0, size)], size)


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


def _parts_for(ranges: Iterable[Range], size: int) -> list[TilePart]:
    found: dict[TileRef, set[int]] = {}
    for begin, end in ranges:
        for level, index in range_nodes(begin, end):
            tile_level, tile_index, offset = _locate(level, index)
            width = min(TILE_WIDTH, (size >> (TILE_HEIGHT * tile_level)) - tile_index * TILE_WIDTH)
            groups = found.setdefault(TileRef(tile_level, tile_index, width), set())
            if width == TILE_WIDTH and level % TILE_HEIGHT < GROUP_HEIGHT:
                groups.add(offset // GROUP_WIDTH)
    return sorted(TilePart(tile, group) for tile, groups in found.items() for group in groups or {0})


def _locate(level: int, index: int) -> tuple[int, int, int]:
    """Return (tile level, tile index, offset of the first hash) of a complete subtree within its tile."""
    tile_level, height = divmod(level, TILE_HEIGHT)
    first = index << height
    return tile_level, first // TILE_WIDTH, first % TILE_WIDTH


class TileHashSource:
    """A `HashSource` over parts that were already fetched. A longer tile than asked for (since full) serves as well."""

    def __init__(self, parts: Mapping[TilePart, bytes]) -> None:
        """Take the fetched hashes by part. Raises ProofError if a part is shorter than its length or cuts a hash."""
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._group_roots: dict[tuple[int, int], bytes] = {}
        self._groups: dict[tuple[int, int, int], bytes] = {}
        for part, hashes in parts.items():
            tile = part.tile
            longest = part.length if tile.width == TILE_WIDTH else TILE_BYTES
            if not part.length <= len(hashes) <= longest or len(hashes) % HASH_BYTES:
                raise ProofError(f"{tile.path}: {len(hashes)} bytes, expected {part.length}")
            key = (tile.level, tile.index)
            if tile.width == TILE_WIDTH:
                self._group_roots[key], self._groups[*key, part.group] = hashes[:GROUP_BYTES], hashes[GROUP_BYTES:]
            else:
                self._tiles[key] = max(hashes, self._tiles.get(key, b""), key=len)

    def node(self, level: int, index: int) -> bytes:
        """Return a subtree's hash, from at most 256 hashes of one tile. Raises ProofError if they were not fetched."""
        tile_level, tile_index, first = _locate(level, index)
        key, height, number = (tile_level, tile_index), level % TILE_HEIGHT, first
        hashes = self._tiles.get(key)
        if hashes is None and height >= GROUP_HEIGHT:
            hashes = self._group_roots.get(key, b"")
            height, number = height - GROUP_HEIGHT, first // GROUP_WIDTH
        elif hashes is None:
            hashes = self._groups.get((*key, first // GROUP_WIDTH), b"")
            number = first % GROUP_WIDTH
        if len(hashes) < (number + (1 << height)) * HASH_BYTES:
            last = first + (1 << level % TILE_HEIGHT) - 1
            raise ProofError(f"hashes {first}..{last} of tile level {tile_level} index {tile_index} are missing")
        at = (number >> height) * HASH_BYTES
        return (_subtrees(hashes)[height - 1] if height else hashes)[at : at + HASH_BYTES]


def group_roots(hashes: bytes) -> bytes:
    """Return the roots over the sixteen groups of a full tile, as they lie beside it."""
    return _subtrees.__wrapped__(hashes)[GROUP_HEIGHT - 1]


@lru_cache(maxsize=512)
def _subtrees(hashes: bytes) -> tuple[bytes, ...]:
    """The hashes of the complete subtrees over these, of height 1 to 8 where there are any, concatenated per height.

    Remembered for what was used last, some MiB at most: what is near the top of the tree is part of every proof.
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
