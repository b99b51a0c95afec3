"""What a checker says is wrong, and whether something is lost or doubled."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.envelope import Recorded

Logs = Mapping[str, Sequence[Recorded]]


class Lost(str):
    """What is wrong: something that was promised is not there."""

    __slots__ = ()


class Doubled(str):
    """What is wrong: something that must be once is there more often."""

    __slots__ = ()


def same(what: str, expected: Iterable[Any], found: Iterable[Any]) -> Iterator[str]:
    """Everything expected is found, once, and nothing else."""
    wanted, there = Counter(expected), Counter(found)
    yield from (Lost(f"{what}: {each} is missing") for each in (wanted - there).elements())
    yield from (Doubled(f"{what}: {each} is one too many") for each in (there - wanted).elements())
    yield from (
        Doubled(f"{what}: {each} is there {n} times") for each, n in there.items() if n > 1 and n <= wanted[each]
    )
