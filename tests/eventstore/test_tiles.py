"""Tile paths, bundles of entries, and proofs computed from nothing but the tiles that were asked for."""

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.compact_range import CompactRange, PartialTiles
from eventstore.merkle import (
    LeafHashSource,
    ProofError,
    consistency_proof,
    inclusion_proof,
    root_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from eventstore.tiles import (
    GROUP_BYTES,
    TILE_WIDTH,
    TileError,
    TileHashSource,
    TilePart,
    TileRef,
    decode_entries,
    encode_entries,
    entries_path,
    group_roots,
    parse_entries_path,
    parse_tile_path,
    parts_needed_for_consistency,
    parts_needed_for_inclusion,
    parts_needed_for_root,
)

LEAVES = [sha256(b"leaf %d" % number).digest() for number in range(67_000)]
SIZES = [1, 2, 255, 256, 257, 511, 512, 700, 1024, 65_535, 65_536, 65_537, 65_792, 66_999, 67_000]
FULL_TILES = {(tile.level, tile.index): tile for tile in PartialTiles().extend(LEAVES)[1]}
ROOTS = {size: CompactRange().extend(LEAVES[:size]).root() for size in SIZES}


def fetch(needed: list[TilePart]) -> dict[TilePart, bytes]:
    """What a store gives that keeps full tiles with their roots and those of groups, and the leaf hashes of events."""
    found = {}
    for part in needed:
        tile = part.tile
        begin, end = tile.children
        if tile.width == TILE_WIDTH:
            hashes = FULL_TILES[tile.level, tile.index].hashes
            found[part] = group_roots(hashes) + hashes[part.group * GROUP_BYTES :][:GROUP_BYTES]
        elif tile.level == 0:
            found[part] = b"".join(LEAVES[begin:end])
        else:
            found[part] = b"".join(FULL_TILES[tile.level - 1, index].root for index in range(begin, end))
    return found


@pytest.mark.parametrize("size", SIZES)
def test_inclusion_proofs_from_tiles_verify(size):
    spread = random.Random(size).sample(range(size), k=min(size, 20))
    for index in {0, size - 1, size // 2, *spread}:
        source = TileHashSource(fetch(parts_needed_for_inclusion(index, size)))
        verify_inclusion(index, size, LEAVES[index], inclusion_proof(index, size, source), ROOTS[size])


@pytest.mark.parametrize("new_size", SIZES)
def test_consistency_proofs_from_tiles_verify(new_size):
    for old_size in (size for size in SIZES if size <= new_size):
        source = TileHashSource(fetch(parts_needed_for_consistency(old_size, new_size)))
        proof = consistency_proof(old_size, new_size, source)
        verify_consistency(old_size, new_size, proof, ROOTS[old_size], ROOTS[new_size])


@pytest.mark.parametrize("size", SIZES)
def test_the_root_of_an_earlier_size_comes_from_tiles(size):
    assert tree_root(size, TileHashSource(fetch(parts_needed_for_root(size)))) == ROOTS[size]


@given(st.integers(1, 600), st.data())
def test_proofs_from_tiles_are_those_from_leaves(size, data):
    leaves = LeafHashSource(LEAVES)
    index = data.draw(st.integers(0, size - 1))
    old_size = data.draw(st.integers(0, size))
    from_tiles = TileHashSource(fetch(parts_needed_for_inclusion(index, size)))
    assert inclusion_proof(index, size, from_tiles) == inclusion_proof(index, size, leaves)
    from_tiles = TileHashSource(fetch(parts_needed_for_consistency(old_size, size)))
    assert consistency_proof(old_size, size, from_tiles) == consistency_proof(old_size, size, leaves)


def test_a_tile_that_has_become_full_serves_an_earlier_size():
    full = FULL_TILES[0, 0].hashes
    source = TileHashSource({TilePart(TileRef(0, 0, 200)): full})
    assert inclusion_proof(7, 200, source) == inclusion_proof(7, 200, LeafHashSource(LEAVES))


def test_every_tile_asked_for_is_needed():
    for index, size in ((5, 66_999), (66_000, 66_999), (66_998, 66_999), (300, 700)):
        tiles = fetch(parts_needed_for_inclusion(index, size))
        for tile in tiles:
            without = TileHashSource({other: hashes for other, hashes in tiles.items() if other != tile})
            with pytest.raises(ProofError, match="are missing"):
                inclusion_proof(index, size, without)


@given(st.integers(1, 2**62), st.data())
def test_a_proof_reads_of_at_most_two_tiles_a_level(size, data):
    index = data.draw(st.integers(0, size - 1))
    levels = (size.bit_length() + 7) // 8
    for needed in (parts_needed_for_inclusion(index, size), parts_needed_for_consistency(index, size)):
        assert len(needed) <= 2 * levels
        for level in range(levels):
            assert sum(part.tile.level == level for part in needed) <= 2


def test_a_tile_shorter_than_asked_for_or_cut_is_refused():
    for hashes in (bytes(32 * 9), bytes(32 * 10 - 1), bytes(32 * 257)):
        with pytest.raises(ProofError, match=r"tile/0/000\.p/10"):
            TileHashSource({TilePart(TileRef(0, 0, 10)): hashes})
    for length in (GROUP_BYTES, 2 * GROUP_BYTES - 1, 2 * GROUP_BYTES + 32):
        with pytest.raises(ProofError, match="tile/0/000: "):
            TileHashSource({TilePart(TileRef(0, 0), 3): bytes(length)})


def test_hashes_of_another_group_are_not_taken_for_those_asked_for():
    source = TileHashSource(fetch([TilePart(TileRef(0, 0), 3)]))
    assert source.node(0, 50) == LEAVES[50]
    with pytest.raises(ProofError, match=r"64\.\.65 of tile level 0 index 0 are missing"):
        source.node(1, 32)


def test_the_roots_of_groups_are_those_of_their_leaves():
    roots = group_roots(FULL_TILES[0, 5].hashes)
    first = 5 * TILE_WIDTH
    assert roots == b"".join(root_hash(LEAVES[first + at : first + at + 16]) for at in range(0, TILE_WIDTH, 16))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (TileRef(0, 0), "tile/0/000"),
        (TileRef(0, 999, 1), "tile/0/999.p/1"),
        (TileRef(0, 1000), "tile/0/x001/000"),
        (TileRef(3, 1_234_067), "tile/3/x001/x234/067"),
        (TileRef(63, 1_234_067, 255), "tile/63/x001/x234/067.p/255"),
    ],
)
def test_tile_paths(tile, path):
    assert tile.path == path
    assert parse_tile_path(path) == tile


@given(st.integers(0, 2**55), st.integers(1, 256), st.integers(0, 63))
def test_every_path_is_read_back(index, width, level):
    assert parse_tile_path(TileRef(level, index, width).path) == TileRef(level, index, width)
    assert parse_entries_path(entries_path(index, width)) == (index, width)


MALFORMED = "0 00 0000 01 000.p/0 000.p/01 000.p/256 000.p/999 000.p 000.p/ 000/ x000/001 x001 001/x001 001/001 -01"


@pytest.mark.parametrize("end", [*MALFORMED.split(), "００１", "", "000\n", " 000", "000.p/1\n"])
def test_no_other_spelling_of_a_path_is_read(end):
    with pytest.raises(TileError):
        parse_tile_path("tile/0/" + end)
    with pytest.raises(TileError):
        parse_entries_path("tile/entries/" + end)


@pytest.mark.parametrize(
    "path", ["tile/64/000", "tile/00/000", "tile/-1/000", "tile/entries/000", "/tile/0/000", "tile//000"]
)
def test_no_other_level_is_read(path):
    with pytest.raises(TileError):
        parse_tile_path(path)


def test_a_tile_that_cannot_be_has_no_path():
    for index, width in ((-1, 1), (0, 0), (0, 257)):
        with pytest.raises(TileError):
            _ = TileRef(0, index, width).path
        with pytest.raises(TileError):
            entries_path(index, width)


def test_a_bundle_is_lengths_and_entries():
    assert encode_entries([b"", b"abc"]) == b"\0\0\0\x03abc"
    assert encode_entries([b"x" * 65_535])[:2] == b"\xff\xff"


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_every_bundle_is_read_back_and_hashes_to_its_tile(entries):
    assert decode_entries(encode_entries(entries)) == entries


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=5), st.data())
def test_a_bundle_cut_anywhere_is_refused_or_shorter(entries, data):
    bundle = encode_entries(entries)
    cut_at = data.draw(st.integers(0, len(bundle) - 1))
    try:
        decoded = decode_entries(bundle[:cut_at])
    except TileError:
        return
    assert decoded == entries[: len(decoded)]
    assert len(decoded) < len(entries)


@pytest.mark.parametrize("entries", [[], [b""] * 257, [b"x" * 65_536]])
def test_what_does_not_fit_a_bundle_is_refused(entries):
    with pytest.raises(TileError):
        encode_entries(entries)


@pytest.mark.parametrize("bundle", [b"", b"\0", b"\0\x02a", b"\0\0" * 257])
def test_a_malformed_bundle_is_refused(bundle):
    with pytest.raises(TileError):
        decode_entries(bundle)
