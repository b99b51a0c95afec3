"""The right edge of a log's tree: all that is needed to append and to know the root, in O(log n) bytes.

The writer keeps a `CompactRange` (stored in the head row) and `PartialTiles` (rebuilt from storage at start). Both are
immutable: an append that the database refuses is undone by keeping the old values.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from eventstore.merkle import HASH_BYTES, ProofError, fold_peaks, root_hash
from eventstore.tiles import TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, TileRef, edge_tiles

_SIZE_BYTES = 8
_LEAF_COUNT_MAX = 1 << 63  # positions are PostgreSQL bigints


@dataclass(frozen=True, slots=True)
class CompactRange:
    """The complete subtrees of a tree of `size` leaves, largest (leftmost) first: one hash per bit set in `size`."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size < _LEAF_COUNT_MAX:
            raise ValueError(f"tree size {self.size} is not within 0..2^63-1")
        if len(self.hashes) != self.size.bit_count():
            raise ValueError(f"size {self.size} takes {self.size.bit_count()} hashes, got {len(self.hashes)}")
        if any(len(peak) != HASH_BYTES for peak in self.hashes):
            raise ValueError(f"every hash must be {HASH_BYTES} bytes")

    def append(self, leaf_hash: bytes) -> "CompactRange":
        """Return the range with one leaf more."""
        return self.extend((leaf_hash,))

    def extend(self, leaf_hashes: Sequence[bytes]) -> "CompactRange":
        """Return the range with these leaves added in order. About one SHA-256 a leaf."""
        peaks = list(self.hashes)
        size = self.size
        hash_of = sha256
        for leaf in leaf_hashes:
            carry, subtree = size, leaf
            while carry & 1:
                subtree = hash_of(b"\x01" + peaks.pop() + subtree).digest()
                carry >>= 1
            peaks.append(subtree)
            size += 1
        return CompactRange(size, tuple(peaks))

    def root(self) -> bytes:
        """Return the root hash of the tree; SHA256("") when it is empty."""
        return fold_peaks(self.hashes)

    def to_bytes(self) -> bytes:
        """Return the stored form: u64be size, then the hashes, largest subtree first."""
        return self.size.to_bytes(_SIZE_BYTES, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, stored: bytes) -> "CompactRange":
        """Read `to_bytes`' form. Raises ValueError unless size and length agree exactly."""
        size = int.from_bytes(stored[:_SIZE_BYTES], "big")
        expected = _SIZE_BYTES + HASH_BYTES * size.bit_count()
        if len(stored) != expected:
            raise ValueError(f"compact range of {len(stored)} bytes, expected {expected}")
        hashes = (stored[start : start + HASH_BYTES] for start in range(_SIZE_BYTES, expected, HASH_BYTES))
        return cls(size, tuple(hashes))


@dataclass(frozen=True, slots=True)
class FullTile:
    """A tile that has just become full, to be stored once and never changed."""

    level: int
    index: int
    hashes: bytes
    """256 hashes, 8192 bytes."""
    root: bytes
    """Root over the 256 hashes: hash `index % 256` of tile (level + 1, index // 256). Stored beside the tile, it lets
    the partial tiles above be read with one range scan instead of 255 whole tiles."""


@dataclass(frozen=True, slots=True)
class PartialTiles:
    """The partial tile of each level at the right edge of a tree, level 0 first; each 0..255 hashes, concatenated."""

    rows: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if any(len(row) % HASH_BYTES or len(row) >= TILE_BYTES for row in self.rows):
            raise ValueError("every row of partial tiles must hold 0..255 whole hashes")

    @property
    def size(self) -> int:
        """Number of leaves in the tree that these tiles are the edge of."""
        return sum(len(row) // HASH_BYTES << (TILE_HEIGHT * level) for level, row in enumerate(self.rows))

    @classmethod
    def from_storage(cls, size: int, read: Callable[[TileRef], bytes]) -> "PartialTiles":
        """Rebuild the edge of a tree of `size` leaves; `read` gives the hashes of each tile of `edge_tiles(size)`.

        An asynchronous caller fetches `edge_tiles(size)` first and passes its dictionary's `__getitem__`. Raises
        ProofError when `read` answers with another number of hashes. Compare `compact_range()` with the head row
        afterwards: it shows whether the stored hashes are those of the head.
        """
        tiles = edge_tiles(size)
        rows = [b""] * (1 + max((tile.level for tile in tiles), default=-1))
        for tile in tiles:
            hashes = bytes(read(tile))
            if len(hashes) != tile.width * HASH_BYTES:
                raise ProofError(f"{tile.path}: {len(hashes)} bytes, expected {tile.width * HASH_BYTES}")
            rows[tile.level] = hashes
        return cls(tuple(rows))

    def extend(self, leaf_hashes: Sequence[bytes]) -> tuple["PartialTiles", list[FullTile]]:
        """Return the edge with these leaves added, and the tiles that became full, lower levels first."""
        rows = list(self.rows)
        full: list[FullTile] = []
        first = self.size
        incoming = b"".join(leaf_hashes)
        if len(incoming) != len(leaf_hashes) * HASH_BYTES:
            raise ValueError(f"every leaf hash must be {HASH_BYTES} bytes")
        level = 0
        while incoming:
            if level == len(rows):
                rows.append(b"")
            row = rows[level] + incoming
            index = first >> (TILE_HEIGHT * (level + 1))
            roots: list[bytes] = []
            while len(row) >= TILE_BYTES:
                hashes, row = row[:TILE_BYTES], row[TILE_BYTES:]
                roots.append(tile_root(hashes))
                full.append(FullTile(level, index, hashes, roots[-1]))
                index += 1
            rows[level] = row
            incoming = b"".join(roots)
            level += 1
        return PartialTiles(tuple(rows)), full

    def tile(self, level: int) -> bytes:
        """Return the hashes of the partial tile at `level`, b"" if it has none."""
        return self.rows[level] if level < len(self.rows) else b""

    def compact_range(self) -> CompactRange:
        """Return the compact range of the same tree, computed from the tiles alone (≤ 255 hashes a level)."""
        peaks: list[bytes] = []
        for row in reversed(self.rows):
            begin, width = 0, len(row) // HASH_BYTES
            while begin < width:
                peak_width = 1 << ((width - begin).bit_length() - 1)
                peaks.append(tile_root(row[begin * HASH_BYTES : (begin + peak_width) * HASH_BYTES]))
                begin += peak_width
        return CompactRange(self.size, tuple(peaks))


def tile_root(hashes: bytes) -> bytes:
    """Return the root over concatenated hashes, 1..256 of them."""
    if len(hashes) % HASH_BYTES or not 0 < len(hashes) <= TILE_WIDTH * HASH_BYTES:
        raise ValueError(f"{len(hashes)} bytes are not 1..{TILE_WIDTH} hashes")
    return root_hash(hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES))
