"""Hashes and proofs against published answers, the RFC's own definitions, and everything a forger may try."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.merkle import (
    EMPTY_ROOT,
    LeafHashSource,
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tests.eventstore.merkle_reference import ReferenceTree, invented_entries

VECTORS = json.loads((Path(__file__).parent / "vectors" / "tree.json").read_text())
LEAVES = [leaf_hash(bytes.fromhex(leaf)) for leaf in VECTORS["leaves"]]
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]
TREE = ReferenceTree(invented_entries(130))
SIZES = range(131)


def hashes(hexes: list[str]) -> list[bytes]:
    return [bytes.fromhex(value) for value in hexes]


def bit_flips(value: bytes) -> Iterator[bytes]:
    for bit in (0, 100, 255):
        yield (int.from_bytes(value, "big") ^ 1 << bit).to_bytes(32, "big")


def mutated_proofs(proof: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    for number, value in enumerate(proof):
        for flipped in bit_flips(value):
            yield f"bit flipped in hash {number}", [*proof[:number], flipped, *proof[number + 1 :]]
        yield f"hash {number} left out", [*proof[:number], *proof[number + 1 :]]
        yield f"hash {number} doubled", [*proof[:number], value, *proof[number:]]
        yield f"hash {number} cut short", [*proof[:number], value[:31], *proof[number + 1 :]]
        yield f"hash {number} too long", [*proof[:number], value + b"\x00", *proof[number + 1 :]]
    for number in range(len(proof) - 1):
        yield f"hashes {number} and next swapped", [
            *proof[:number], proof[number + 1], proof[number], *proof[number + 2 :]
        ]  # fmt: skip
    yield "garbage before", [sha256(b"garbage").digest(), *proof]
    yield "garbage after", [*proof, sha256(b"garbage").digest()]
    yield "old hash repeated after", [*proof, TREE.mth(0, 1)]
    yield "reversed with garbage", [*reversed(proof), bytes(32)]


def refused_inclusion(index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> bool:
    try:
        verify_inclusion(index, size, leaf, proof, root)
    except ProofError:
        return True
    return False


def refused_consistency(old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    try:
        verify_consistency(old, new, proof, old_root, new_root)
    except ProofError:
        return True
    return False


def test_published_roots_of_the_eight_leaf_tree():
    assert [root_hash(LEAVES[:size]) for size in range(9)] == ROOTS
    assert ROOTS[0] == EMPTY_ROOT


@pytest.mark.parametrize(("index", "size", "expected"), VECTORS["inclusion"])
def test_published_inclusion_proofs(index, size, expected):
    assert inclusion_proof(index, size, LeafHashSource(LEAVES)) == hashes(expected)
    verify_inclusion(index, size, LEAVES[index], hashes(expected), ROOTS[size])


@pytest.mark.parametrize(("old_size", "new_size", "expected"), VECTORS["consistency"])
def test_published_consistency_proofs(old_size, new_size, expected):
    assert consistency_proof(old_size, new_size, LeafHashSource(LEAVES)) == hashes(expected)
    verify_consistency(old_size, new_size, hashes(expected), ROOTS[old_size], ROOTS[new_size])


def test_a_node_never_passes_for_a_leaf():
    left, right = LEAVES[0], LEAVES[1]
    assert leaf_hash(left + right) != node_hash(left, right)


def test_an_odd_leaf_is_not_doubled():
    assert root_hash(LEAVES[:3]) != root_hash([*LEAVES[:3], LEAVES[2]])


def test_roots_of_all_sizes_are_those_of_the_definition():
    leaves = TREE.leaf_hashes()
    for size in SIZES:
        assert root_hash(leaves[:size]) == TREE.mth(0, size) == tree_root(size, TREE)


def test_inclusion_proofs_of_all_leaves_in_all_sizes_are_those_of_the_definition_and_verify():
    for size in SIZES:
        for index in range(size):
            proof = inclusion_proof(index, size, TREE)
            assert proof == TREE.path(index, size)
            verify_inclusion(index, size, TREE.mth(index, index + 1), proof, TREE.mth(0, size))


def test_consistency_proofs_of_all_pairs_of_sizes_are_those_of_the_definition_and_verify():
    for new_size in SIZES:
        for old_size in range(new_size + 1):
            proof = consistency_proof(old_size, new_size, TREE)
            assert proof == TREE.proof(old_size, new_size)
            verify_consistency(old_size, new_size, proof, TREE.mth(0, old_size), TREE.mth(0, new_size))


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 8, 13, 16, 31, 33])
def test_every_mutation_of_an_inclusion_proof_is_refused(size):
    root = TREE.mth(0, size)
    for index in range(size):
        leaf, proof = TREE.mth(index, index + 1), TREE.path(index, size)
        for what, mutated in mutated_proofs(proof):
            assert refused_inclusion(index, size, leaf, mutated, root), what
        for flipped in bit_flips(root):
            assert refused_inclusion(index, size, leaf, proof, flipped)
        for flipped in bit_flips(leaf):
            assert refused_inclusion(index, size, flipped, proof, root)
        for other in {-1, index - 1, index + 1, size, size + index} - {index}:
            assert refused_inclusion(other, size, leaf, proof, root), f"index {other} for {index}"
        for other_size in (size - 1, size + 1):
            assert refused_inclusion(index, other_size, leaf, proof, TREE.mth(0, other_size)), "another size's root"
        if size > 1:
            assert refused_inclusion(index, size, root, proof, leaf), "leaf and root swapped"
    last = size - 1
    for other_size in (0, size - 1, size + 1):
        assert refused_inclusion(last, other_size, TREE.mth(last, size), TREE.path(last, size), root)


@pytest.mark.parametrize("new_size", [2, 3, 5, 7, 8, 13, 16, 31, 33])
def test_every_mutation_of_a_consistency_proof_is_refused(new_size):
    new_root = TREE.mth(0, new_size)
    for old_size in range(1, new_size):
        old_root, proof = TREE.mth(0, old_size), TREE.proof(old_size, new_size)
        for what, mutated in mutated_proofs(proof):
            assert refused_consistency(old_size, new_size, mutated, old_root, new_root), what
        assert refused_consistency(old_size, new_size, proof, new_root, old_root), "roots swapped"
        assert refused_consistency(old_size, new_size, [], old_root, new_root)
        for flipped in bit_flips(old_root):
            assert refused_consistency(old_size, new_size, proof, flipped, new_root)
        for flipped in bit_flips(new_root):
            assert refused_consistency(old_size, new_size, proof, old_root, flipped)
        for other in (-1, old_size - 1, old_size + 1, new_size + 1):
            assert refused_consistency(other, new_size, proof, old_root, new_root), f"old size {other} for {old_size}"
        for other in (new_size - 1, new_size + 1):
            real_root = TREE.mth(0, other)
            assert refused_consistency(old_size, other, proof, old_root, real_root), f"new size {other}"
            if len(TREE.proof(old_size, other)) != len(proof):
                assert refused_consistency(old_size, other, proof, old_root, new_root), f"new size {other}"
        assert refused_consistency(new_size, old_size, proof, new_root, old_root), "sizes and roots swapped"


def test_every_tree_extends_the_empty_one_with_an_empty_proof_only():
    for size in (0, 1, 2, 7, 8):
        root = TREE.mth(0, size)
        verify_consistency(0, size, [], EMPTY_ROOT, root)
        assert refused_consistency(0, size, [root], EMPTY_ROOT, root)
        assert refused_consistency(0, size, [], bytes(32), root)
    assert refused_consistency(0, 0, [], EMPTY_ROOT, TREE.mth(0, 1))


def test_equal_sizes_take_an_empty_proof_and_equal_roots():
    for size in (1, 2, 7, 8):
        root = TREE.mth(0, size)
        verify_consistency(size, size, [], root, root)
        assert refused_consistency(size, size, [root], root, root)
        assert refused_consistency(size, size, [], root, TREE.mth(0, size + 1))


@given(st.integers(1, 130), st.integers(0, 129), st.integers(0, 129))
def test_a_log_with_one_changed_entry_cannot_be_proven_to_extend_the_old_one(old_size, changed, grown):
    changed %= old_size
    new_size = min(old_size + 1 + grown, 131)
    forged = ReferenceTree(invented_entries(131))
    forged.entries[changed] += b"!"
    proof = consistency_proof(old_size, new_size, forged)
    assert refused_consistency(old_size, new_size, proof, TREE.mth(0, old_size), forged.mth(0, new_size))


def test_a_proof_longer_than_the_tree_is_deep_is_refused_even_if_it_leads_to_the_root():
    leaf, sibling = LEAVES[0], LEAVES[1]
    with pytest.raises(ProofError, match="proof has 1 hashes, only 0 fit leaf 0 of 1"):
        verify_inclusion(0, 1, leaf, [sibling], node_hash(sibling, leaf))


def test_bytes_cannot_move_from_one_hash_to_its_neighbour():
    left, right = LEAVES[0], LEAVES[1]
    verify_inclusion(1, 2, right, [left], ROOTS[2])
    with pytest.raises(ProofError, match="a hash of 31 bytes, expected 32"):
        verify_inclusion(1, 2, right[1:], [left + right[:1]], ROOTS[2])


def test_impossible_proofs_are_refused_with_the_reason():
    source = LeafHashSource(LEAVES)
    with pytest.raises(ProofError, match="leaf 8 is not in a tree of size 8"):
        inclusion_proof(8, 8, source)
    with pytest.raises(ProofError, match="leaf -1 is not in a tree"):
        inclusion_proof(-1, 8, source)
    with pytest.raises(ProofError, match="size 3 cannot extend one of size 4"):
        consistency_proof(4, 3, source)
    with pytest.raises(ProofError, match="not all among the 8 known leaves"):
        inclusion_proof(0, 9, source)
    with pytest.raises(ProofError, match="no tree has size -1"):
        tree_root(-1, source)


def test_the_error_says_which_root_was_reached_and_which_expected():
    with pytest.raises(ProofError, match=f"leads to root {ROOTS[8].hex()}, expected {ROOTS[7].hex()}"):
        verify_inclusion(0, 8, LEAVES[0], inclusion_proof(0, 8, LeafHashSource(LEAVES)), ROOTS[7])
