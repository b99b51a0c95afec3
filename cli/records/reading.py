"""A file of records, row by row: CSV or JSON, whatever its size. What cannot be read is said with its place."""

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from cli.records.cells import BETWEEN
from cli.records.mapping import NEEDED, Mapping
from cli.records.problems import FileWrong, Problem

CHUNK = 65_536
OBJECT_LENGTH_MAX = 1_000_000
ENCODINGS = {"utf-8": "utf-8-sig", "gb18030": "gb18030"}
"""What a file may be written in → the codec: Excel's `CSV UTF-8` begins with a mark, its plain `CSV` is GB18030."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: field → text, as far as the file has the field."""

    number: int
    cells: dict[str, str]


@dataclass
class RecordsFile:
    """A file to be read, perhaps more than once."""

    path: Path
    mapping: Mapping
    encoding: str = "utf-8"
    ignored: list[str] = field(default_factory=list)
    """Columns that the mapping does not know; nothing of them is read."""

    @property
    def is_json(self) -> bool:
        """By its name."""
        return self.path.suffix.lower() == ".json"

    def rows(self) -> Iterator[Row]:
        """Every row. Raises FileWrong where reading ends, OSError when there is no such file."""
        self._check_marks()
        try:
            with self.path.open(encoding=ENCODINGS[self.encoding], newline="") as text:
                yield from self._json_rows(text) if self.is_json else self._csv_rows(text)
        except UnicodeDecodeError:
            raise FileWrong(self._wrongly_encoded()) from None

    def sha256(self) -> str:
        """Of its bytes."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _check_marks(self) -> None:
        with self.path.open("rb") as file:
            beginning = file.read(4)
        if not beginning:
            raise FileWrong(Problem(None, None, "file_empty", "文件是空的", "the file is empty"))
        if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise FileWrong(self._wrongly_encoded())
        if beginning.startswith(b"PK"):
            said = ("这是 Excel 工作簿，另存为“CSV UTF-8”", "this is a workbook: save it as `CSV UTF-8`")
            raise FileWrong(Problem(None, None, "not_a_text", *said))

    def _wrongly_encoded(self) -> Problem:
        if self.encoding == "utf-8":
            said = (
                "不是 UTF-8；在 Excel 里另存为“CSV UTF-8”，或加上 --encoding gb18030",
                "this is not UTF-8: save it as `CSV UTF-8` in Excel, or say --encoding gb18030",
            )
        else:
            said = (f"不是 {self.encoding.upper()}", f"this is not {self.encoding.upper()}")
        return Problem(None, None, "wrong_encoding", *said)

    # CSV

    def _csv_rows(self, text: TextIO) -> Iterator[Row]:
        reader = csv.reader(text, strict=True)
        number = 1
        try:
            fields = self._headings(next(reader, []))
            for cells in reader:
                number += 1
                if any(cell.strip() for cell in cells):
                    yield self._row(number, fields, cells)
        except csv.Error as error:
            said = ("这一行的引号或分隔符不对", f"quotes or separators are off: {error}")
            raise FileWrong(Problem(number + 1, None, "csv_malformed", *said)) from None

    def _headings(self, headings: Sequence[str]) -> list[str | None]:
        """The field of each column, None for one that is not read. Raises FileWrong for columns that lack or repeat."""
        of_heading = {column.heading: column.field for column in self.mapping.written}
        fields: list[str | None] = [of_heading.get(heading.strip()) for heading in headings]
        self.ignored = [
            heading.strip() for heading, name in zip(headings, fields, strict=True) if name is None and heading.strip()
        ]
        told = [name for name in fields if name is not None]
        for name in told:
            if told.count(name) > 1:
                column = self.mapping.heading_of(name)
                raise FileWrong(Problem(1, column, "column_twice", "这一列出现了两次", "the column stands twice"))
        self._check_lacking([name for name in NEEDED if name not in {*told, *self.mapping.constants}])
        return fields

    def _check_lacking(self, lacking: Sequence[str]) -> None:
        if lacking:
            names = BETWEEN.join(self.mapping.heading_of(name) for name in lacking)
            said = (f"缺少列：{names}", f"columns are missing: {names}")
            raise FileWrong(Problem(1, None, "column_missing", *said))

    def _row(self, number: int, fields: Sequence[str | None], cells: Sequence[str]) -> Row:
        if len(cells) > len(fields):
            said = ("这一行的格子比列多", "the row has more cells than there are columns")
            raise FileWrong(Problem(number, None, "too_many_cells", *said))
        found: dict[str, str] = {name: cell for name, cell in zip(fields, cells, strict=False) if name is not None}
        return Row(number, self.mapping.constants | found)

    # JSON

    def _json_rows(self, text: TextIO) -> Iterator[Row]:
        of_key: dict[str, str] = {column.json_name: column.field for column in self.mapping.written}
        unknown: dict[str, None] = {}
        for number, found in enumerate(_objects(text), 1):
            unknown |= dict.fromkeys(key for key in found if key not in of_key)
            cells = {of_key[key]: _as_text(number, key, value) for key, value in found.items() if key in of_key}
            yield Row(number, {**self.mapping.constants, **cells})
        self.ignored = list(unknown)


def _objects(text: TextIO) -> Iterator[dict[str, Any]]:
    """The objects of one JSON array, one after another, without holding the array."""
    decoder, number = json.JSONDecoder(), 0
    buffer = text.read(CHUNK).lstrip()
    if not buffer.startswith("["):
        raise FileWrong(_malformed(None))
    buffer = buffer[1:]
    ended = False
    while True:
        buffer = buffer.lstrip(" \t\r\n,")
        if buffer.startswith("]"):
            if buffer[1:].strip() or text.read(1).strip():
                raise FileWrong(_malformed(number))
            return
        try:
            found, end = decoder.raw_decode(buffer)
        except json.JSONDecodeError:
            more = "" if ended else text.read(CHUNK)
            ended = not more
            if ended or len(buffer) > OBJECT_LENGTH_MAX:
                raise FileWrong(_malformed(number + 1)) from None
            buffer += more
            continue
        number += 1
        if not isinstance(found, dict):
            raise FileWrong(_malformed(number))
        buffer = buffer[end:]
        yield found


def _malformed(number: int | None) -> Problem:
    said = ("写得不是 JSON：要一个列表，每条记录一个对象", "not JSON: a list with one object for each record is wanted")
    return Problem(number, None, "json_malformed", *said)


def _as_text(number: int, key: str, value: Any) -> str:
    """A value as CSV would have it, so that both are read alike."""
    match value:
        case None:
            return ""
        case bool():
            return "是" if value else "否"
        case str():
            return value
        case int() | float():
            return str(value)
        case list() if all(isinstance(one, str) for one in value):
            return BETWEEN.join(value)
        case _:
            said = ("不能是列表或对象", "a list or an object has no place here")
            raise FileWrong(Problem(number, key, "wrong_type", *said))
