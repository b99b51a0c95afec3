"""Proofs about a stored log, computed from its tiles: a few rows are read however long the log is."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from eventstore.errors import Tampered
from eventstore.merkle import HASH_BYTES, ProofError, consistency_proof, inclusion_proof, tree_root
from eventstore.tiles import (
    GROUP_BYTES,
    TILE_WIDTH,
    TileHashSource,
    TilePart,
    TileRef,
    encode_entries,
    parts_needed_for_consistency,
    parts_needed_for_inclusion,
    parts_needed_for_root,
)


class Connection(Protocol):
    """What is needed of an asyncpg pool or connection."""

    async def fetch(self, query: str, *args: Any) -> list[Any]: ...


async def prove_inclusion(connection: Connection, schema: str, position: int, size: int) -> list[bytes]:
    """Return the proof that the event at `position` (from 1) is in the tree of `size` events. Raises ProofError."""
    hashes = await fetch_parts(connection, schema, parts_needed_for_inclusion(position - 1, size))
    return inclusion_proof(position - 1, size, hashes)


async def prove_inclusions(
    connection: Connection, schema: str, positions: Sequence[int], size: int
) -> dict[int, list[bytes]]:
    """Position → its proof in the tree of `size` events, all from one statement. Raises ProofError."""
    parts = {part for position in positions for part in parts_needed_for_inclusion(position - 1, size)}
    hashes = await fetch_parts(connection, schema, parts)
    return {position: inclusion_proof(position - 1, size, hashes) for position in positions}


async def prove_consistency(connection: Connection, schema: str, old_size: int, new_size: int) -> list[bytes]:
    """Return the proof that the tree of `new_size` events extends that of `old_size`. Raises ProofError."""
    hashes = await fetch_parts(connection, schema, parts_needed_for_consistency(old_size, new_size))
    return consistency_proof(old_size, new_size, hashes)


async def root_at(connection: Connection, schema: str, size: int) -> bytes:
    """Return the root that the log had when it was `size` events long."""
    return tree_root(size, await fetch_parts(connection, schema, parts_needed_for_root(size)))


async def read_tile(connection: Connection, schema: str, tile: TileRef) -> bytes | None:
    """Return a tile's hashes, None while there are not so many. Of a log's leaves at level 0, else of full tiles."""
    begin, end = tile.children
    if tile.width == TILE_WIDTH:
        statement = f"SELECT t.hashes FROM {schema}.tiles t WHERE t.level = $1 AND t.index = $2"
        arguments: tuple[int, ...] = (tile.level, tile.index)
    elif tile.level == 0:
        statement = f"""SELECT string_agg(e.leaf_hash, ''::bytea ORDER BY e.position) FROM {schema}.events e
                        WHERE e.position > $1 AND e.position <= $2"""
        arguments = (begin, end)
    else:
        statement = f"""SELECT string_agg(t.root, ''::bytea ORDER BY t.index) FROM {schema}.tiles t
                        WHERE t.level = $1 AND t.index >= $2 AND t.index < $3"""
        arguments = (tile.level - 1, begin, end)
    rows = await connection.fetch(statement, *arguments)
    hashes: bytes = (rows[0][0] if rows else None) or b""
    return hashes if len(hashes) == tile.width * HASH_BYTES else None


async def read_entries(connection: Connection, schema: str, index: int, width: int) -> bytes | None:
    """Return a bundle of `width` entries, the exact bytes of the events; None while there are not so many."""
    first = index * TILE_WIDTH
    rows = await connection.fetch(
        f"SELECT body FROM {schema}.events WHERE position > $1 AND position <= $2 ORDER BY position",
        first,
        first + width,
    )
    return encode_entries([row["body"] for row in rows]) if len(rows) == width else None


async def fetch_parts(connection: Connection, schema: str, parts: Iterable[TilePart]) -> TileHashSource:
    """Read parts: of full tiles as stored, of partial ones from the leaves or the full tiles one level below.

    One statement, whatever is wanted: one round trip, and all hashes as they are at one moment. Raises Tampered when
    hashes that must be there are not.
    """
    wanted = list(parts)
    rows = await connection.fetch(
        f"""SELECT CASE
                WHEN w.width = {TILE_WIDTH} THEN
                    (SELECT t.group_roots || substring(t.hashes FROM w.group * {GROUP_BYTES} + 1 FOR {GROUP_BYTES})
                     FROM {schema}.tiles t WHERE t.level = w.level AND t.index = w.index)
                WHEN w.level = 0 THEN
                    (SELECT string_agg(e.leaf_hash, ''::bytea ORDER BY e.position) FROM {schema}.events e
                     WHERE e.position > w.first AND e.position <= w.first + w.width)
                ELSE
                    (SELECT string_agg(t.root, ''::bytea ORDER BY t.index) FROM {schema}.tiles t
                     WHERE t.level = w.level - 1 AND t.index >= w.first AND t.index < w.first + w.width)
                END
            FROM unnest($1::integer[], $2::bigint[], $3::integer[], $4::bigint[], $5::integer[]) WITH ORDINALITY
                AS w (level, index, width, first, "group", number)
            ORDER BY w.number""",
        [part.tile.level for part in wanted],
        [part.tile.index for part in wanted],
        [part.tile.width for part in wanted],
        [part.tile.children[0] for part in wanted],
        [part.group for part in wanted],
    )
    found = {part: row[0] or b"" for part, row in zip(wanted, rows, strict=True)}
    for part, hashes in found.items():
        if len(hashes) < part.length:
            raise Tampered(f"{schema}: hashes of {part.tile.path} are missing", part.tile.first_leaf + 1)
    return TileHashSource(found)


__all__ = [
    "ProofError",
    "fetch_parts",
    "prove_consistency",
    "prove_inclusion",
    "prove_inclusions",
    "read_entries",
    "read_tile",
    "root_at",
]
