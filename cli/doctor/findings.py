"""What the doctor says: one finding a line, each with its next step."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["ok", "warn", "bad"]
EXIT_CODES: dict[State, int] = {"ok": 0, "warn": 1, "bad": 2}
IN_CHINESE: dict[State, str] = {"ok": "好", "warn": "注意", "bad": "坏"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `check` is a word that stays the same for programs."""

    check: str
    state: State
    said: str
    next_step: str = ""
    """What to do; empty where nothing is to be done."""

    def document(self) -> dict[str, Any]:
        """For --json."""
        return {"check": self.check, "state": self.state, "said": self.said, "next_step": self.next_step}


def good(check: str, said: str) -> Finding:
    """All is well here."""
    return Finding(check, "ok", said)


def warning(check: str, said: str, next_step: str) -> Finding:
    """It works, and should not stay so."""
    return Finding(check, "warn", said, next_step)


def bad(check: str, said: str, next_step: str) -> Finding:
    """It does not work, or does not hold what is promised."""
    return Finding(check, "bad", said, next_step)


def worst(findings: Iterable[Finding]) -> State:
    """The state of the whole."""
    return max((finding.state for finding in findings), key=lambda state: EXIT_CODES[state], default="ok")
