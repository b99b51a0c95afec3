import pytest

from eventstore import proofs
from eventstore.errors import Tampered
from eventstore.log import Log
from eventstore.merkle import LeafHashSource, ProofError, tree_root, verify_consistency, verify_inclusion
from tests.support.logs import migrated, one, opened, stream, superuser
from tests.support.servers import Database

SIZE = 1_100
"""Four full tiles of leaves, a partial one of each level."""


async def filled(log: Log) -> list[bytes]:
    """Fill the log to SIZE and return its leaf hashes."""
    name = stream()
    for done in range(0, SIZE, 275):
        await log.append(one(name, done, *range(275)))
    return [event.leaf_hash for event in await log.read_raw(0, SIZE)]


async def test_proofs_from_tiles_verify_at_every_edge(database: Database) -> None:
    async with opened(await migrated(database)) as log:
        leaves = await filled(log)
        whole, schema = LeafHashSource(leaves), log.config.schema
        root = (await log.head()).root
        assert await proofs.root_at(log.pool, schema, SIZE) == root
        for position in (1, 2, 256, 257, 1_024, 1_025, SIZE):
            proof = await proofs.prove_inclusion(log.pool, schema, position, SIZE)
            verify_inclusion(position - 1, SIZE, leaves[position - 1], proof, root)
        for old_size in (1, 255, 256, 257, 512, 1_000, 1_024, 1_025, SIZE - 1):
            old_root = tree_root(old_size, whole)
            assert await proofs.root_at(log.pool, schema, old_size) == old_root
            proof = await proofs.prove_consistency(log.pool, schema, old_size, SIZE)
            verify_consistency(old_size, SIZE, proof, old_root, root)


async def test_a_proof_of_what_cannot_be_is_refused(database: Database) -> None:
    async with opened(await migrated(database)) as log:
        await filled(log)
        for position, size in ((0, SIZE), (SIZE + 1, SIZE)):
            with pytest.raises(ProofError):
                await proofs.prove_inclusion(log.pool, log.config.schema, position, size)
        with pytest.raises(Tampered, match="missing"):
            await proofs.prove_inclusion(log.pool, log.config.schema, 1, SIZE + 1)


async def test_hashes_that_are_gone_are_tampering(database: Database) -> None:
    async with opened(await migrated(database)) as log:
        await filled(log)
        async with superuser(database) as connection:
            await connection.execute(
                """ALTER TABLE orders.tiles DISABLE TRIGGER ALL;
                   DELETE FROM orders.tiles WHERE level = 0 AND index = 1"""
            )
        with pytest.raises(Tampered, match="tile/0/001") as tampered:
            await proofs.prove_inclusion(log.pool, log.config.schema, 300, SIZE)
        assert tampered.value.position == 257
