"""Lifecycles as data: which command leads from where to where, and what is answered everywhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from contracts.command import Command, Refused

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True)
class Line(Generic[S]):
    """One command: its ways, its events, and the reason_code that it gets in every state that does not take it."""

    command: type[Command]
    chinese: str
    ways: Mapping[S | None, tuple[S, ...]]
    events: tuple[str, ...]
    refusals: Mapping[S | None, str] = field(default_factory=dict)
    note: str = ""

    def refusal(self, state: S | None) -> str | None:
        """None where the state takes this command."""
        return None if state in self.ways else self.refusals[state]


@dataclass(frozen=True)
class Table(Generic[S]):
    """All commands of one kind of stream. Construction fails when a cell of state × command is empty."""

    name: str
    states: tuple[S, ...]
    ended: frozenset[S]
    lines: tuple[Line[S], ...]

    def __post_init__(self) -> None:
        for line in self.lines:
            for state in (None, *self.states):
                if state not in line.ways and state not in line.refusals:
                    raise ValueError(f"{self.name}: what does {line.command.__name__} get in {state}?")

    def line(self, command: type[Command]) -> Line[S]:
        """The line of a command. Raises KeyError for one that is not of this table."""
        for line in self.lines:
            if line.command is command:
                return line
        raise KeyError(command.__name__)

    def require(self, command: Command, state: S | None) -> None:
        """Raise Refused when the state does not take this command."""
        code = self.line(type(command)).refusal(state)
        if code is not None:
            raise Refused(code, state=state.value if state is not None else None)


def refused_with(code: str, *states: S | None) -> dict[S | None, str]:
    """The same answer in all of these states."""
    return dict.fromkeys(states, code)
