"""What the days were answered, step by step, so that days that were interrupted go on where they were.

Every life takes its steps in the same order each time, and what it does next depends on nothing but the answers it
got. So the answers are kept, one a line: taken again from the first, a kept step is not done again, and the first one
without an answer is done. A step's name, the life's and a number, is its command's idempotency key: one whose answer
was lost on the way is answered by the service as the first time.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from cli.client import Answer, ProblemError
from cli.seed.errors import JournalUnreadable

Do = Callable[[str], Awaitable[Any]]
"""Does one step, given its idempotency key; what comes back is kept as JSON."""


REFUSED = frozenset({400, 403, 404, 409, 410, 422})
"""What a service says of the command itself. Anything else is about the moment, and is tried again the next time."""


class Journal:
    """The answers of one data directory's days. `plan` names the days: another plan cannot take them up."""

    def __init__(self, path: Path, plan: Mapping[str, Any]) -> None:
        """Raises JournalUnreadable for a journal of another plan."""
        self._path = path
        self._kept: dict[str, list[dict[str, Any]]] = {}
        self.positions: dict[str, int] = {}
        """The highest position that any kept answer named, by service."""
        self.last_moment: datetime | None = None
        """The business time of the last kept step: until then nothing is to be done again."""
        whole = self._read(plan) if path.exists() else 0
        self._file: TextIO = path.open("a", encoding="utf-8")
        if whole:
            # A line that a crash cut off was never answered as far as anybody knows.
            self._file.truncate(whole)
        else:
            self._write({"plan": dict(plan)})

    @staticmethod
    def plan_of(path: Path) -> dict[str, Any] | None:
        """The plan that a journal was begun for; None where there is none. Raises JournalUnreadable."""
        try:
            with path.open(encoding="utf-8") as file:
                first = file.readline()
            return dict(json.loads(first)["plan"]) if first.endswith("\n") else None
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise JournalUnreadable(f"{path}: not what was written there ({error}); delete the directory") from error

    @property
    def resumed(self) -> bool:
        """Whether there are answers from before."""
        return bool(self._kept)

    def steps(self, life: str) -> "Steps":
        """The steps of one life, from its first."""
        return Steps(self, life, self._kept.pop(life, []))

    def keep(self, life: str, line: Mapping[str, Any]) -> None:
        """Add one answer. It reaches the operating system before the life goes on."""
        self._write({"life": life, **line})

    def close(self) -> None:
        """Write no more."""
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")
        self._file.flush()

    def _read(self, plan: Mapping[str, Any]) -> int:
        """Read every whole line; returns where the last one ends."""
        whole = 0
        with self._path.open("rb") as file:
            for number, raw in enumerate(file):
                if not raw.endswith(b"\n"):
                    break
                try:
                    line = json.loads(raw)
                    self._take(number, line, plan)
                except (ValueError, KeyError, TypeError) as error:
                    raise JournalUnreadable(
                        f"{self._path}, line {number + 1}: not what was written there ({error}). "
                        "Delete the data directory to begin again"
                    ) from error
                whole += len(raw)
        return whole

    def _take(self, number: int, line: dict[str, Any], plan: Mapping[str, Any]) -> None:
        if number == 0:
            refuse_other(self._path, line["plan"], plan)
            return
        self._kept.setdefault(line["life"], []).append(line)
        for service, position in line.get("positions", {}).items():
            self.positions[service] = max(position, self.positions.get(service, 0))
        moment = datetime.fromisoformat(line["at"])
        self.last_moment = moment if self.last_moment is None else max(self.last_moment, moment)


def refuse_other(path: Path, begun: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Raise JournalUnreadable unless the plan that was begun is this one."""
    if dict(begun) != dict(plan):
        raise JournalUnreadable(
            f"{path.parent}: the days that were begun here are others ({dict(begun)}) than these ({dict(plan)}). "
            "Go on with the same program and --scale, or choose another --data"
        )


class Steps:
    """The steps of one life: each is done once, whatever interrupts it."""

    def __init__(self, journal: Journal, life: str, kept: list[dict[str, Any]]) -> None:
        self._journal = journal
        self._life = life
        self._kept = kept
        self._number = 0

    async def take(self, what: str, now: datetime, do: Do) -> Any:
        """What the next step comes to: its kept answer, or else what doing it brings. Raises ProblemError, again too.

        Raises JournalUnreadable when another step was kept in its place.
        """
        self._number += 1
        if self._number <= len(self._kept):
            return self._again(what, self._kept[self._number - 1])
        line: dict[str, Any] = {"step": what, "at": now.isoformat()}
        try:
            answer = await do(f"demo:{self._life}:{self._number}")
        except ProblemError as problem:
            if problem.status in REFUSED:
                line["problem"] = [problem.status, dict(problem.document)]
                self._journal.keep(self._life, line)
            raise
        if isinstance(answer, Answer):
            line["positions"] = dict(answer.positions)
            answer = {name: value for name, value in answer.body.items() if name not in {"positions", "event_ids"}}
        line["answer"] = answer
        self._journal.keep(self._life, line)
        return answer

    def _again(self, what: str, line: dict[str, Any]) -> Any:
        if line["step"] != what:
            raise JournalUnreadable(
                f"{self._life}, step {self._number}: {line['step']!r} was done then and {what!r} would be now. "
                "Delete the data directory to begin again"
            )
        if "problem" in line:
            status, document = line["problem"]
            raise ProblemError(status, document, what)
        return line["answer"]
