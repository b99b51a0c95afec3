"""A bundle of ten times as many events is checked in as much memory, and every earlier head of a log stays known."""

import tracemalloc
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest

from cli.audit.tree import GrowingTree
from cli.bundle.checking import check
from cli.bundle.comparing import compare
from eventstore.merkle import root_hash
from tests.cli.bundle.bundles import bodies, write

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
FEW, MANY = 4_000, 40_000


def peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def grown(target: Path, events: int) -> Path:
    """A bundle whose log of notices has so many events."""
    logs = bodies()
    (body,) = logs["notify"]
    logs["notify"] = [body.replace(b'"position":1,', b'"position":%d,' % number) for number in range(1, events + 1)]
    return write(target, logs)


def test_ten_times_the_events_take_no_more_memory(tmp_path: Path) -> None:
    bundles = [grown(tmp_path / str(events), events) for events in (FEW, MANY)]
    few, many = (peak_bytes(partial(check, bundle)) for bundle in bundles)
    assert check(bundles[1]).sizes["notify"] == MANY
    assert check(bundles[1]).problems == []
    assert many < 1.3 * few


def test_ten_times_the_events_are_held_against_an_earlier_bundle_in_no_more_memory(tmp_path: Path) -> None:
    few, many = (
        peak_bytes(partial(compare, bundle, bundle))
        for bundle in (grown(tmp_path / str(events), events) for events in (FEW, MANY))
    )
    assert many < 1.3 * few


@pytest.mark.parametrize("path", ["tile/0/010", "tile/0/156.p/64", "tile/1/000.p/156"])
def test_a_hash_is_checked_in_the_tiles_of_every_level_and_at_their_edge(tmp_path: Path, path: str) -> None:
    bundle = grown(tmp_path / "bundle", MANY)
    spoiled = bundle / "logs" / "notify" / path
    content = bytearray(spoiled.read_bytes())
    content[40] ^= 1
    spoiled.write_bytes(bytes(content))
    (problem,) = check(bundle).problems
    assert problem.startswith(f"notify: {path} is missing or holds other hashes")


def leaves(count: int) -> list[bytes]:
    return [sha256(number.to_bytes(8, "big")).digest() for number in range(count)]


def test_the_root_of_every_size_that_a_tree_had_is_known() -> None:
    tree, known, random = GrowingTree(), leaves(70_000), Random(7)
    sizes = {0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000, *(random.randrange(70_000) for _ in range(20))}
    for size, leaf in enumerate(known, 1):
        tree.append(leaf)
        if size in {300, 65_600}:
            assert tree.root_at(299) == root_hash(known[:299])
    assert tree.size == len(known)
    for size in sizes:
        assert tree.root_at(size) == root_hash(known[:size]), size
    for impossible in (-1, 70_001):
        with pytest.raises(ValueError, match="never had"):
            tree.root_at(impossible)


def test_a_tree_of_five_times_the_leaves_takes_no_more_memory() -> None:
    def grow(count: int) -> None:
        tree = GrowingTree()
        for number in range(count):
            tree.append(sha256(number.to_bytes(8, "big")).digest())
        tree.root_at(count // 3)

    few, many = (peak_bytes(partial(grow, count)) for count in (50_000, 250_000))
    assert many < 1.3 * few
