"""What is wrong with a file of records: where, and in both tongues. What stands in a cell is not repeated: it is about
a person.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `row` counts as a spreadsheet does, headings first; in JSON objects are counted."""

    row: int | None
    column: str | None
    code: str
    chinese: str
    english: str

    def __str__(self) -> str:
        where = "" if self.row is None else f"第{self.row}行"
        if self.column is not None:
            where += f"“{self.column}”"
        english = " ".join(
            part
            for part in (
                "" if self.row is None else f"row {self.row}",
                "" if self.column is None else f"column {self.column}",
            )
            if part
        )
        return f"{where}：{self.chinese} / {english}: {self.english}" if where else f"{self.chinese} / {self.english}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {name: getattr(self, name) for name in ("row", "column", "code", "chinese", "english")}


class CellWrong(Exception):
    """A cell does not say what its column should."""

    def __init__(self, code: str, chinese: str, english: str) -> None:
        super().__init__(english)
        self.code, self.chinese, self.english = code, chinese, english


class FileWrong(Exception):
    """The file cannot be read any further."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem
