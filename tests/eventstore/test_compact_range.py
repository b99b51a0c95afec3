"""The right edge of the tree: however leaves arrive, wherever it is read back from, it is the edge of one tree."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventstore.compact_range import CompactRange, FullTile, PartialTiles, tile_root
from eventstore.merkle import EMPTY_ROOT, ProofError, root_hash
from eventstore.tiles import TILE_BYTES, TILE_WIDTH, TileRef, edge_tiles
from tests.eventstore.merkle_reference import ReferenceTree, invented_entries

TREE = ReferenceTree(invented_entries(130))
MANY_LEAVES = [sha256(b"many %d" % number).digest() for number in range(66_200)]

chunks = st.lists(st.integers(0, 300), max_size=8)


def cut(leaves: list[bytes], lengths: list[int]) -> list[list[bytes]]:
    at, cuts = 0, []
    for length in lengths:
        cuts.append(leaves[at : at + length])
        at += length
    return cuts


def test_root_of_every_size_is_that_of_the_definition():
    edge = CompactRange()
    assert edge.root() == EMPTY_ROOT
    for size, leaf in enumerate(TREE.leaf_hashes(), start=1):
        edge = edge.append(leaf)
        assert (edge.size, edge.root()) == (size, TREE.mth(0, size))
        assert len(edge.hashes) == size.bit_count()


def test_appending_leaves_the_old_range_as_it_was():
    old = CompactRange().extend(TREE.leaf_hashes()[:7])
    old.append(TREE.mth(7, 8))
    assert old.root() == TREE.mth(0, 7)


@given(chunks)
def test_the_way_leaves_are_batched_changes_nothing(lengths):
    edge, tiles = CompactRange(), PartialTiles()
    full: list[FullTile] = []
    for batch in cut(MANY_LEAVES, lengths):
        edge = edge.extend(batch)
        tiles, completed = tiles.extend(batch)
        full += completed
    size = sum(lengths)
    assert edge.size == tiles.size == size
    assert edge.root() == root_hash(MANY_LEAVES[:size])
    assert tiles.compact_range() == edge
    assert [(tile.level, tile.index) for tile in full] == [(0, index) for index in range(size // TILE_WIDTH)]
    for tile in full:
        leaves = MANY_LEAVES[tile.index * TILE_WIDTH : (tile.index + 1) * TILE_WIDTH]
        assert tile.hashes == b"".join(leaves)
        assert tile.root == root_hash(leaves) == tile_root(tile.hashes)


@settings(max_examples=10)
@given(st.integers(65_000, 66_000), st.integers(0, 200))
def test_tiles_of_the_second_level_hold_the_roots_of_the_first(begin, grown):
    edge = CompactRange().extend(MANY_LEAVES[:begin])
    tiles, full = PartialTiles().extend(MANY_LEAVES[:begin])
    more, completed = tiles.extend(MANY_LEAVES[begin : begin + grown])
    full += completed
    assert more.compact_range() == edge.extend(MANY_LEAVES[begin : begin + grown])
    first_level = [tile for tile in full if tile.level == 0]
    second_level = [tile for tile in full if tile.level == 1]
    assert [tile.index for tile in first_level] == list(range((begin + grown) // TILE_WIDTH))
    assert [tile.index for tile in second_level] == list(range((begin + grown) // TILE_WIDTH**2))
    roots = b"".join(tile.root for tile in first_level)
    assert b"".join(tile.hashes for tile in second_level) + more.tile(1) == roots


@given(st.integers(0, 130))
def test_the_stored_form_is_read_back(size):
    edge = CompactRange().extend(TREE.leaf_hashes()[:size])
    stored = edge.to_bytes()
    assert stored[:8] == size.to_bytes(8, "big")
    assert len(stored) == 8 + 32 * size.bit_count()
    assert CompactRange.from_bytes(stored) == edge


def test_the_stored_form_of_three_leaves_is_what_it_always_was():
    leaves = [bytes([number]) * 32 for number in (1, 2, 3)]
    pair = sha256(b"\x01" + leaves[0] + leaves[1]).digest()
    assert CompactRange().extend(leaves).to_bytes() == b"\0\0\0\0\0\0\0\x03" + pair + leaves[2]


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\0" * 7,
        b"\0" * 9,
        b"\0" * 7 + b"\x01",
        b"\0" * 7 + b"\x01" + b"h" * 31,
        b"\0" * 7 + b"\x01" + b"h" * 64,
        b"\xff" + b"\0" * 7 + b"h" * 256,
    ],
)
def test_a_malformed_stored_form_is_refused(stored):
    with pytest.raises(ValueError, match=r"compact range of|not within"):
        CompactRange.from_bytes(stored)


def test_a_range_whose_parts_disagree_is_refused():
    with pytest.raises(ValueError, match="size 3 takes 2 hashes, got 1"):
        CompactRange(3, (bytes(32),))
    with pytest.raises(ValueError, match="32 bytes"):
        CompactRange(1, (bytes(31),))
    with pytest.raises(ValueError, match="32 bytes"):
        CompactRange().append(b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        PartialTiles().extend([b"short"])
    with pytest.raises(ValueError, match="whole hashes"):
        PartialTiles((bytes(33),))
    with pytest.raises(ValueError, match="whole hashes"):
        PartialTiles((bytes(TILE_BYTES),))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 66_100])
def test_the_edge_is_rebuilt_from_storage_and_goes_on(size):
    edge, full = PartialTiles().extend(MANY_LEAVES[:size])
    roots = {(tile.level, tile.index): tile.root for tile in full}

    def read(tile: TileRef) -> bytes:
        below = tile.level - 1
        begin, end = tile.children
        if tile.level == 0:
            return b"".join(MANY_LEAVES[begin:end])
        return b"".join(roots[below, index] for index in range(begin, end))

    rebuilt = PartialTiles.from_storage(size, read)
    assert rebuilt.compact_range() == edge.compact_range()
    next_leaves = MANY_LEAVES[size : size + 64]
    assert rebuilt.extend(next_leaves)[1] == edge.extend(next_leaves)[1]


def test_a_storage_that_lost_hashes_is_noticed():
    with pytest.raises(ProofError, match=r"tile/0/000\.p/10: 288 bytes, expected 320"):
        PartialTiles.from_storage(10, lambda tile: bytes(32 * 9))


def test_a_storage_that_changed_a_hash_disagrees_with_the_head():
    leaves = MANY_LEAVES[:10]
    changed = [*leaves[:4], bytes(32), *leaves[5:]]
    rebuilt = PartialTiles.from_storage(10, lambda tile: b"".join(changed))
    assert rebuilt.compact_range() != CompactRange().extend(leaves)


def test_edge_tiles_are_the_specifications_example():
    # c2sp.org/tlog-tiles, "Partial Tiles": a tree of size 70,000, and one of size 256.
    assert edge_tiles(70_000) == [TileRef(0, 273, 112), TileRef(1, 1, 17), TileRef(2, 0, 1)]
    assert edge_tiles(256) == [TileRef(1, 0, 1)]
    assert edge_tiles(0) == []
