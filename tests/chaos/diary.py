"""The history of a run: one JSON object a line, written as it happens. `at` is in seconds since the run began."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any


class Diary:
    """Writes lines of {"at", "what", …} to a file. `what` is of a command (see History.note) or of the nemesis."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._begun = time.monotonic()
        self.faults: Counter[str] = Counter()
        self.impossible: dict[str, str] = {}
        """Kinds of faults that this machine does not allow, and why."""

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self._begun

    def note(self, what: str, **more: Any) -> None:
        """Write one line."""
        line = {"at": round(self.seconds, 3), "what": what, **more}
        self._file.write(json.dumps(line, ensure_ascii=False, default=str) + "\n")

    def struck(self, kind: str, **more: Any) -> None:
        """Count a fault that took place."""
        self.faults[kind] += 1
        self.note("fault", kind=kind, **more)

    def close(self) -> None:
        """No more lines."""
        self._file.close()
