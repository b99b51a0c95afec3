"""An aggregate: the pure rules of one kind of stream, in one value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from contracts.command import Command

S = TypeVar("S")
C = TypeVar("C", bound=Command)
E = TypeVar("E")


@dataclass(frozen=True)
class Aggregate(Generic[S, C, E]):
    """`decide` and `evolve` know no clock, id generator or database. States are immutable."""

    category: str
    """Its streams are `<category>-<uuid>`."""
    initial: Callable[[], S]
    decide: Callable[[C, S], Sequence[E]]
    """Raises `contracts.command.Refused` when a rule says no."""
    evolve: Callable[[S, E], S]
    commands: tuple[type[Command], ...]

    def fold(self, state: Any, events: Sequence[Any]) -> Any:
        """The state after `events`."""
        for event in events:
            state = self.evolve(state, event)
        return state


def category_of(stream: str) -> str:
    """`order` of `order-0197…`: all before the id, which is a uuid or, failing that, what follows the last hyphen."""
    if len(stream) > 37 and stream[-37] == "-":
        return stream[:-37]
    return stream.rpartition("-")[0]
