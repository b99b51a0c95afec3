"""A measured figure, its bar, and whether it is met."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One row of the table. `bar` is what `value` must reach; None: only told."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.bar is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"value": round(self.value, 3), "met": self.met}


def rounds(most: int, seconds: float) -> Iterator[int]:
    """Numbers of rounds, from 0: as many as asked for, fewer, but at least one, when they take longer than that."""
    began = time.monotonic()
    for number in range(most):
        yield number
        if time.monotonic() - began > seconds:
            return


def ratio(ours: Sequence[float], peers: Sequence[float]) -> float:
    """The median of the ratios within a round: what disturbs a whole round disturbs both."""
    return median(one / other for one, other in zip(ours, peers, strict=True))


def table(figures: Sequence[Figure]) -> str:
    """The figures as lines of text."""
    lines = []
    for figure in figures:
        sign = {True: "met   ", False: "MISSED", None: "      "}[figure.met]
        bar = "" if figure.bar is None else f"{'≤' if figure.at_most else '≥'} {figure.bar:,g}"
        value = f"{figure.value:,.2f}" if figure.value < 1_000 else f"{figure.value:,.0f}"
        lines.append(f"{sign} {figure.name:<72} {value:>12} {figure.unit:<10} {bar:<12} {figure.note}")
    return "\n".join(lines)
