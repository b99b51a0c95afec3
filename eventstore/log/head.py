"""The head of a log as the writer remembers it, and how it grows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from eventstore.compact_range import CompactRange
from eventstore.model import Head
from eventstore.tiles import TILE_HEIGHT


@dataclass(frozen=True, slots=True)
class FullTileRoot:
    """A tile of 256 hashes that has just become full. Its hashes are in the database already; the root is not."""

    level: int
    index: int
    root: bytes


@dataclass(frozen=True, slots=True)
class TreeHead:
    """The right edge of the tree and the last recording time; immutable: a refused append is undone by keeping it."""

    tree: CompactRange
    recorded_at: datetime | None

    @property
    def size(self) -> int:
        """Number of events."""
        return self.tree.size

    @classmethod
    def stored(cls, size: int, compact_range: bytes, recorded_at: datetime | None) -> "TreeHead":
        """Read the head row. Raises ValueError when its columns disagree."""
        tree = CompactRange.from_bytes(compact_range)
        if tree.size != size:
            raise ValueError(f"the head's compact range is of {tree.size} events, its size is {size}")
        return cls(tree, recorded_at)

    def grown(self, leaf_hashes: Sequence[bytes], recorded_at: datetime) -> tuple["TreeHead", list[FullTileRoot]]:
        """The head with these leaves added, and the tiles that became full, lower levels first at each size."""
        peaks = list(self.tree.hashes)
        size = self.tree.size
        full: list[FullTileRoot] = []
        for leaf in leaf_hashes:
            subtree, carry, height = leaf, size, 0
            while carry & 1:
                subtree = sha256(b"\x01" + peaks.pop() + subtree).digest()
                carry >>= 1
                height += 1
                if height % TILE_HEIGHT == 0:
                    full.append(FullTileRoot(height // TILE_HEIGHT - 1, carry, subtree))
            peaks.append(subtree)
            size += 1
        return TreeHead(CompactRange(size, tuple(peaks)), recorded_at), full

    def public(self) -> Head:
        """What the log's users see."""
        return Head(self.tree.size, self.tree.root(), self.recorded_at)
