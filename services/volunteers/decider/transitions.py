"""A lifecycle as data: state × command → allowed, or the code of the refusal. Rules, tests and the README read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from contracts.command import Command, Refused


@dataclass(frozen=True)
class Row:
    """One command's line: from which states, into which, by which events; and what it answers elsewhere."""

    command: type[Command]
    chinese: str
    allowed: frozenset[str]
    leads_to: str
    events: tuple[str, ...]
    refusals: Mapping[Any, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lifecycle:
    """All lines of one aggregate. `missing` and `ended` are the codes where there is nothing, and nothing more."""

    states: type[StrEnum]
    rows: Sequence[Row]
    nothing: str
    missing: str
    ends: frozenset[str]
    ended: str
    elsewhere: str

    def row(self, command: type[Command]) -> Row:
        """The line of a command. Raises KeyError for one that has none."""
        for row in self.rows:
            if row.command is command:
                return row
        raise KeyError(command.__name__)

    def refusal(self, command: type[Command], state: str) -> str | None:
        """The reason_code that `command` gets in `state`; None where the state allows it."""
        row = self.row(command)
        if state in row.allowed:
            return None
        if state in row.refusals:
            return row.refusals[state]
        if state == self.nothing:
            return self.missing
        return self.ended if state in self.ends else self.elsewhere

    def require(self, command: Command, state: str) -> None:
        """Raise Refused when the state does not take this command."""
        code = self.refusal(type(command), state)
        if code is not None:
            raise Refused(code, state=state)

    def table(self) -> str:
        """The table of the README, in Markdown."""
        lines = ["| 命令 | command | from | to | events | refused elsewhere with |", "|---|---|---|---|---|---|"]
        for row in self.rows:
            origin = ", ".join(
                "–" if state == self.nothing else str(state) for state in self.states if state in row.allowed
            )
            codes = sorted({code for state in self.states if (code := self.refusal(row.command, state)) is not None})
            lines.append(
                f"| {row.chinese} | {row.command.__name__} | {origin} | {row.leads_to} | {', '.join(row.events)} "
                f"| {', '.join(codes)} |"
            )
        return "\n".join(lines)
