"""The tree that the writer grows in the head row and in tiles is RFC 6962's, at every size."""

from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.compact_range import CompactRange, PartialTiles
from eventstore.log.head import FullTileRoot, TreeHead
from eventstore.merkle import leaf_hash, root_hash
from eventstore.tiles import TILE_BYTES, TILE_WIDTH
from tests.support.logs import migrated, one, opened, stream, superuser

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def leaves(count, first=0):
    return [sha256(b"%d" % number).digest() for number in range(first, first + count)]


@given(st.lists(st.integers(0, 700), max_size=6))
def test_however_it_is_cut_into_batches_the_head_and_the_tiles_are_the_same(sizes):
    head, full, size = TreeHead(CompactRange(), None), [], 0
    for count in sizes:
        head, tiles = head.grown(leaves(count, size), NOW)
        full += tiles
        size += count
    assert head.public().root == root_hash(leaves(size))
    _, expected = PartialTiles().extend(leaves(size))
    assert full == [FullTileRoot(tile.level, tile.index, tile.root) for tile in expected]
    assert TreeHead.stored(size, head.tree.to_bytes(), NOW if sizes else None).tree == head.tree


def test_tiles_of_tiles_follow_the_tiles_below_them():
    count = TILE_WIDTH**2 + TILE_WIDTH
    _, full = TreeHead(CompactRange(), None).grown(leaves(count), NOW)
    above = [tile for tile in full if tile.level == 1]
    assert [tile.index for tile in above] == [0]
    below = [tile.root for tile in islice((t for t in full if t.level == 0), TILE_WIDTH)]
    assert above[0].root == root_hash(below)
    assert full.index(above[0]) > max(full.index(t) for t in full if t.level == 0 and t.index < TILE_WIDTH)


def test_a_head_row_that_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="2 events"):
        TreeHead.stored(3, CompactRange().extend(leaves(2)).to_bytes(), NOW)


async def test_full_tiles_are_stored_as_they_become_full(database):
    async with opened(await migrated(database)) as log, superuser(database) as connection:
        for count in (255, 1, 300, 5, 500):
            await log.append(one(stream(), 0, *[1] * count))
        bodies = [event.body for event in await log.read_raw(0, 2000)]
        hashes = [leaf_hash(body) for body in bodies]
        rows = await connection.fetch("SELECT * FROM orders.tiles ORDER BY level, index")
        assert [(row["level"], row["index"]) for row in rows] == [(0, 0), (0, 1), (0, 2), (0, 3)]
        for row in rows:
            of_tile = hashes[row["index"] * TILE_WIDTH : (row["index"] + 1) * TILE_WIDTH]
            assert row["hashes"] == b"".join(of_tile)
            assert row["root"] == root_hash(of_tile)
            assert row["group_roots"] == b"".join(root_hash(of_tile[at : at + 16]) for at in range(0, TILE_WIDTH, 16))
        assert (await log.head()).root == root_hash(hashes)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_a_tile_of_the_second_level_holds_the_roots_of_256_tiles(database):
    async with opened(await migrated(database)) as log, superuser(database) as connection:
        left = TILE_WIDTH**2 + 10
        while left > 0:
            await log.append(one(stream(), 0, *[1] * min(left, 5_000)))
            left -= 5_000
        below = await connection.fetch("SELECT root FROM orders.tiles WHERE level = 0 ORDER BY index")
        above = await connection.fetch("SELECT index, hashes, root FROM orders.tiles WHERE level = 1")
        assert [(row["index"], len(row["hashes"])) for row in above] == [(0, TILE_BYTES)]
        assert above[0]["hashes"] == b"".join(row["root"] for row in below)
        assert above[0]["root"] == root_hash([row["root"] for row in below])
