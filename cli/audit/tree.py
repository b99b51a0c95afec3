"""A log's tree while it is read: the root of every size that it had, without keeping a hash a leaf in memory."""

import weakref
from tempfile import SpooledTemporaryFile

from eventstore.compact_range import PartialTiles
from eventstore.merkle import HASH_BYTES
from eventstore.tiles import TILE_BYTES, TILE_WIDTH, TileRef

_IN_MEMORY_BYTES = 1 << 20
"""A level that outgrows this goes on in a file without a name."""


class GrowingTree:
    """Tiles of all levels, each level end to end. About 32 bytes of a temporary file a leaf, and O(1) of memory."""

    def __init__(self) -> None:
        self._levels: list[SpooledTemporaryFile[bytes]] = []
        self._edge = PartialTiles()
        self._waiting: list[bytes] = []
        # Whoever stops reading in the middle leaves no file open.
        self._closed = weakref.finalize(self, _close, self._levels)

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._edge.size + len(self._waiting)

    def append(self, leaf_hash: bytes) -> None:
        """Add one leaf."""
        self._waiting.append(leaf_hash)
        if len(self._waiting) == TILE_WIDTH:
            self._settle()

    def root_at(self, size: int) -> bytes:
        """The root when the tree had this many leaves, 0 to `size`."""
        if not 0 <= size <= self.size:
            raise ValueError(f"a tree of {self.size} leaves never had {size}")
        self._settle()
        return PartialTiles.from_storage(size, self._read).compact_range().root()

    def _settle(self) -> None:
        self._edge, full = self._edge.extend(self._waiting)
        self._write(0, b"".join(self._waiting))
        for tile in full:
            self._write(tile.level + 1, tile.root)
        self._waiting.clear()

    def _write(self, level: int, hashes: bytes) -> None:
        if level == len(self._levels):
            self._levels.append(SpooledTemporaryFile(_IN_MEMORY_BYTES))  # noqa: SIM115 - closed with the tree
        file = self._levels[level]
        file.seek(0, 2)
        file.write(hashes)

    def _read(self, tile: TileRef) -> bytes:
        file = self._levels[tile.level]
        file.seek(tile.index * TILE_BYTES)
        return file.read(tile.width * HASH_BYTES)


def _close(levels: list[SpooledTemporaryFile[bytes]]) -> None:
    for file in levels:
        file.close()
