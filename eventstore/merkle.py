"""The Merkle tree of a log: hashes, proofs and their verification (RFC 6962 §2.1, RFC 9162 §2.1).

Leaves are numbered from 0, so leaf *n* is event position *n + 1*. Every hash is 32 bytes of SHA-256. Nothing here
reads a store: a proof is computed from a `HashSource`, which answers with the hashes of complete subtrees.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Protocol

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""Root of the tree without leaves, SHA256("") (RFC 6962 §2.1)."""

Range = tuple[int, int]
"""Leaves begin ≤ i < end."""
Node = tuple[int, int]
"""(level, index): the complete subtree over leaves index·2^level … (index + 1)·2^level − 1."""


class ProofError(ValueError):
    """A proof does not show what it should, or none can exist. The message names the step that failed."""


class HashSource(Protocol):
    """Where proofs take their hashes from."""

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of the complete subtree of 2^level leaves that starts at leaf index·2^level."""
        ...


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA256(0x00 ‖ entry). The prefix keeps a leaf from passing for a node (RFC 6962 §2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA256(0x01 ‖ left ‖ right) (RFC 6962 §2.1)."""
    return sha256(b"\x01" + left + right).digest()


def root_hash(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the Merkle tree hash over leaf hashes, `EMPTY_ROOT` over none. O(n) hashes, O(log n) memory."""
    peaks: list[bytes] = []
    for size, leaf in enumerate(leaf_hashes):
        # Each set bit at the low end of `size` is a complete subtree that this leaf, or what it grew to, closes.
        carry, subtree = size, leaf
        while carry & 1:
            subtree = node_hash(peaks.pop(), subtree)
            carry >>= 1
        peaks.append(subtree)
    return fold_peaks(peaks)


def fold_peaks(peaks: Sequence[bytes]) -> bytes:
    """Return the root over the complete subtrees of a tree, given largest (leftmost) first; `EMPTY_ROOT` for none."""
    if not peaks:
        return EMPTY_ROOT
    root = peaks[-1]
    for peak in reversed(peaks[:-1]):
        root = node_hash(peak, root)
    return root


class LeafHashSource:
    """A `HashSource` over all leaf hashes in memory: O(n) per proof, for audits of an exported log and for tests."""

    def __init__(self, leaf_hashes: Sequence[bytes]) -> None:
        self._leaf_hashes = leaf_hashes

    def node(self, level: int, index: int) -> bytes:
        begin, end = index << level, (index + 1) << level
        if index < 0 or end > len(self._leaf_hashes):
            raise ProofError(f"leaves {begin}..{end - 1} are not all among the {len(self._leaf_hashes)} known leaves")
        return root_hash(self._leaf_hashes[begin:end])


# --- which hashes a proof is made of ---


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Return the leaf ranges whose hashes are PATH(index, D[size]), leaf to root (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ProofError(f"no inclusion proof: leaf {index} is not in a tree of size {size}")
    begin, end = 0, size
    ranges: list[Range] = []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    ranges.reverse()
    return ranges


def consistency_ranges(old_size: int, new_size: int) -> list[Range]:
    """Return the leaf ranges whose hashes are PROOF(old_size, D[new_size]), none for size 0 or equal (§2.1.2)."""
    if not 0 <= old_size <= new_size:
        raise ProofError(f"no consistency proof: a tree of size {new_size} cannot extend one of size {old_size}")
    if old_size in (0, new_size):
        return []
    begin, end = 0, new_size
    ranges: list[Range] = []
    while end != old_size:
        middle = begin + _split(end - begin)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    # SUBPROOF's flag b: a subtree that begins at leaf 0 is the old tree itself, whose root the verifier already has.
    if begin > 0:
        ranges.append((begin, end))
    ranges.reverse()
    return ranges


def range_nodes(begin: int, end: int) -> list[Node]:
    """Return the complete subtrees, left to right, that make up a range found in a tree (so `begin` is aligned)."""
    nodes: list[Node] = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        nodes.append((level, begin >> level))
        begin += 1 << level
    return nodes


def _split(width: int) -> int:
    """Return the largest power of two below `width` (k of RFC 6962 §2.1); width ≥ 2."""
    return 1 << ((width - 1).bit_length() - 1)


# --- making proofs ---


def inclusion_proof(index: int, size: int, source: HashSource) -> list[bytes]:
    """Return the proof that leaf `index` is in the tree of `size` leaves. Raises ProofError unless 0 ≤ index < size."""
    return [_range_hash(begin, end, source) for begin, end in inclusion_ranges(index, size)]


def consistency_proof(old_size: int, new_size: int, source: HashSource) -> list[bytes]:
    """Return the proof that the tree of `new_size` extends `old_size`. Raises ProofError unless 0 ≤ old ≤ new."""
    return [_range_hash(begin, end, source) for begin, end in consistency_ranges(old_size, new_size)]


def tree_root(size: int, source: HashSource) -> bytes:
    """Return the root that the tree had at `size` leaves, from the hashes in `source`."""
    if size < 0:
        raise ProofError(f"no tree has size {size}")
    return _range_hash(0, size, source)


def _range_hash(begin: int, end: int, source: HashSource) -> bytes:
    return fold_peaks([source.node(level, index) for level, index in range_nodes(begin, end)])


# --- verifying proofs ---


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` (a leaf hash) is number `index` of the tree of `size` leaves with `root` (RFC 9162 §2.1.3.2).

    Raises ProofError if not; returns nothing, so that no caller can forget to look at an answer.
    """
    if not 0 <= index < size:
        raise ProofError(f"inclusion: leaf {index} is not in a tree of size {size}")
    _check_lengths("inclusion", (leaf, root, *proof))
    fn, sn, computed = index, size - 1, leaf
    for step, sibling in enumerate(proof):
        if sn == 0:
            raise ProofError(f"inclusion: proof has {len(proof)} hashes, only {step} fit leaf {index} of {size}")
        if fn & 1 or fn == sn:
            computed = node_hash(sibling, computed)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            computed = node_hash(computed, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError(f"inclusion: proof of {len(proof)} hashes is too short for leaf {index} of {size}")
    if computed != root:
        raise ProofError(f"inclusion: leaf {index} of {size} leads to root {computed.hex()}, expected {root.hex()}")


def verify_consistency(old_size: int, new_size: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """Check that the tree (new_size, new_root) extends (old_size, old_root) (RFC 9162 §2.1.4.2), else ProofError.

    Equal sizes and an old size of 0 take an empty proof, as tlog-witness has it: every tree extends the empty one.
    """
    if not 0 <= old_size <= new_size:
        raise ProofError(f"consistency: a tree of size {new_size} cannot extend one of size {old_size}")
    _check_lengths("consistency", (old_root, new_root, *proof))
    for size, root in ((old_size, old_root), (new_size, new_root)):
        if size == 0 and root != EMPTY_ROOT:
            raise ProofError(f"consistency: the empty tree has root {EMPTY_ROOT.hex()}, not {root.hex()}")
    if old_size in (0, new_size):
        if proof:
            raise ProofError(f"consistency: from {old_size} to {new_size} takes no hashes, proof has {len(proof)}")
        if old_size == new_size and old_root != new_root:
            raise ProofError(f"consistency: two roots at size {old_size}: {old_root.hex()} and {new_root.hex()}")
        return
    # An old tree that is one complete subtree is its own first hash, so the prover leaves it out.
    hashes = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not hashes:
        raise ProofError(f"consistency: empty proof from {old_size} to {new_size}")
    computed_old, computed_new = _fold_consistency(old_size, new_size, hashes)
    if computed_old != old_root:
        raise ProofError(f"consistency: proof leads to old root {computed_old.hex()}, expected {old_root.hex()}")
    if computed_new != new_root:
        raise ProofError(f"consistency: proof leads to new root {computed_new.hex()}, expected {new_root.hex()}")


def _fold_consistency(old_size: int, new_size: int, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = hashes[0]
    for sibling in hashes[1:]:
        if sn == 0:
            raise ProofError(f"consistency: proof from {old_size} to {new_size} has trailing hashes")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(sibling, fr), node_hash(sibling, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:
        raise ProofError(f"consistency: proof from {old_size} to {new_size} is too short")
    return fr, sr


def _check_lengths(what: str, hashes: Iterable[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise ProofError(f"{what}: a hash of {len(value)} bytes, expected {HASH_BYTES}")
