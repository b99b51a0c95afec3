"""Proofs about a stored log, computed from its tiles: a few rows are read however long the log is."""

from collections.abc import Iterable
from typing import Any, Protocol

from eventstore.errors import Tampered
from eventstore.merkle import HASH_BYTES, ProofError, consistency_proof, inclusion_proof, tree_root
from eventstore.tiles import (
    TILE_WIDTH,
    TileHashSource,
    TileRef,
    tiles_needed_for_consistency,
    tiles_needed_for_inclusion,
    tiles_needed_for_root,
)


class Connection(Protocol):
    """What is needed of an asyncpg pool or connection."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...


async def prove_inclusion(connection: Connection, schema: str, position: int, size: int) -> list[bytes]:
    """Return the proof that the event at `position` (from 1) is in the tree of `size` events. Raises ProofError."""
    tiles = await fetch_tiles(connection, schema, tiles_needed_for_inclusion(position - 1, size))
    return inclusion_proof(position - 1, size, tiles)


async def prove_consistency(connection: Connection, schema: str, old_size: int, new_size: int) -> list[bytes]:
    """Return the proof that the tree of `new_size` events extends that of `old_size`. Raises ProofError."""
    tiles = await fetch_tiles(connection, schema, tiles_needed_for_consistency(old_size, new_size))
    return consistency_proof(old_size, new_size, tiles)


async def root_at(connection: Connection, schema: str, size: int) -> bytes:
    """Return the root that the log had when it was `size` events long."""
    return tree_root(size, await fetch_tiles(connection, schema, tiles_needed_for_root(size)))


async def fetch_tiles(connection: Connection, schema: str, refs: Iterable[TileRef]) -> TileHashSource:
    """Read tiles: full ones as stored, partial ones from the leaves or from the full tiles one level below.

    Raises Tampered when hashes that must be there are not.
    """
    wanted = list(refs)
    full = [ref for ref in wanted if ref.width == TILE_WIDTH]
    found: dict[TileRef, bytes] = {}
    if full:
        rows = await connection.fetch(
            f"""SELECT t.level, t.index, t.hashes FROM {schema}.tiles t
                JOIN unnest($1::integer[], $2::bigint[]) AS w (level, index) USING (level, index)""",
            [ref.level for ref in full],
            [ref.index for ref in full],
        )
        found = {TileRef(row["level"], row["index"]): row["hashes"] for row in rows}
    for ref in wanted:
        if ref.width < TILE_WIDTH:
            found[ref] = await _partial(connection, schema, ref)
        if len(found.get(ref, b"")) < ref.width * HASH_BYTES:
            raise Tampered(f"{schema}: hashes of {ref.path} are missing", ref.first_leaf + 1)
    return TileHashSource(found)


async def _partial(connection: Connection, schema: str, ref: TileRef) -> bytes:
    begin, end = ref.children
    if ref.level == 0:
        rows = await connection.fetch(
            f"SELECT leaf_hash FROM {schema}.events WHERE position > $1 AND position <= $2 ORDER BY position",
            begin,
            end,
        )
    else:
        rows = await connection.fetch(
            f"SELECT root FROM {schema}.tiles WHERE level = $1 AND index >= $2 AND index < $3 ORDER BY index",
            ref.level - 1,
            begin,
            end,
        )
    return b"".join(row[0] for row in rows)


__all__ = ["ProofError", "fetch_tiles", "prove_consistency", "prove_inclusion", "root_at"]
