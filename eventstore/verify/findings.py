"""What a verification found."""

from dataclasses import dataclass, field

_LISTED_MOST = 20
"""Of one kind; more are only counted."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as it was recorded. `position` is the first event concerned, where one can be named."""

    kind: str
    """body, column, gap, version, time, tile, head, checkpoint or stream."""
    message: str
    position: int | None = None


@dataclass
class Findings:
    """Problems in the order they were met."""

    listed: list[Problem] = field(default_factory=list)
    count: int = 0
    _kinds: dict[str, int] = field(default_factory=dict)
    _positions: list[int] = field(default_factory=list)

    def add(self, kind: str, message: str, position: int | None = None) -> None:
        """Note one."""
        self.count += 1
        if position is not None:
            self._positions.append(position)
        self._kinds[kind] = self._kinds.get(kind, 0) + 1
        if self._kinds[kind] <= _LISTED_MOST:
            self.listed.append(Problem(kind, message, position))

    def explain(self, first: int, last: int) -> bool:
        """Whether something is known to be wrong with one of these events: what follows from it is not told again."""
        return any(first <= position <= last for position in self._positions)
