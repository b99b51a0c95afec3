"""From rows to volunteers, with everything that is wrong on the way. Holds one volunteer at a time, and the numbers."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from pydantic import ValidationError

from cli.output import SHANGHAI
from cli.records.cells import read_cell
from cli.records.mapping import Column, Mapping
from cli.records.problems import CellWrong, Problem
from cli.records.reading import RecordsFile, Row
from services.volunteers.commands.external import (
    RECORDS_MAX,
    ExternalRecord,
    ImportVolunteerAsk,
    document_of,
)
from services.volunteers.commands.words import AgePolicy

Tell = Callable[[Problem], None]
PART_BYTES_MAX = 52_000
"""Of records in one request of 64 KiB: who it is about, and the hashes of further parts, need room as well."""
VOLUNTEER_RECORDS_MAX = 10_000

_BASIC = ("name", "birth_date", "phone", "residence", "skills")
_OURS = ("kind", "volunteer_no", *_BASIC, "external", "ledger_position")
_SAID = {
    "missing": ("缺少必填项", "it is missing"),
    "string_too_long": ("文字太长", "the text is too long"),
    "string_pattern_mismatch": ("格式不对", "it is not written like that"),
}


@dataclass
class Found:
    """A volunteer as the file has them."""

    number: str
    row: int
    """Where they begin."""
    basic: dict[str, Any] = field(default_factory=dict)
    registered_on: date | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    record_nos: set[tuple[str, str]] = field(default_factory=set)
    later: list[list[dict[str, Any]]] = field(default_factory=list)
    """The parts of the history that one request does not hold."""
    has_basic: bool = False
    sound: bool = True


def current_day() -> date:
    """The day it is, Asia/Shanghai: what a file tells has happened by then."""
    return datetime.now(SHANGHAI).date()


def parts_of(records: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The records in as many parts as requests hold; at least one, perhaps empty."""
    parts: list[list[dict[str, Any]]] = [[]]
    size = 0
    for record in records:
        length = len(_document([record]).encode())
        if size + length > PART_BYTES_MAX or len(parts[-1]) == RECORDS_MAX:
            parts.append([])
            size = 0
        parts[-1].append(record)
        size += length
    return parts


def _document(records: list[dict[str, Any]]) -> str:
    return document_of(ExternalRecord.model_validate_json(json.dumps(record)) for record in records)


class Check:
    """Reads a file and tells what is wrong with it. `volunteers` yields those who can be imported."""

    def __init__(
        self, file: RecordsFile, tell: Tell, *, source: str, ages: AgePolicy, today: date | None = None
    ) -> None:
        self.file, self.source, self.ages = file, source, ages
        self.today = today or current_day()
        self.rows = 0
        self.people = 0
        self.problems = 0
        self._tell_problem = tell
        self._begun: dict[str, int] = {}
        self._columns: dict[str, Column] = {column.field: column for column in file.mapping.columns}

    @property
    def mapping(self) -> Mapping:
        """How the file's columns are called."""
        return self.file.mapping

    def volunteers(self) -> Iterator[tuple[Found, dict[str, Any]]]:
        """Each volunteer and the body of their import, except `file_sha256` and `consent_form`. Raises FileWrong."""
        current: Found | None = None
        for row in self.file.rows():
            self.rows += 1
            before = self.problems
            values = self._values(row)
            number = values.get("volunteer_no")
            if number is None:
                self._lacks(row, "volunteer_no", values)
                continue
            if isinstance(number, CellWrong):
                continue  # told already; nobody knows whose row it is
            if current is None or current.number != number:
                if current is not None:
                    yield from self._finished(current)
                current = self._begin(row, number)
            self._add(current, row, values)
            current.sound = current.sound and self.problems == before
        if current is not None:
            yield from self._finished(current)
        if self.rows == 0:
            self._tell(None, None, "no_rows", "文件里没有记录", "the file has no records")

    def _values(self, row: Row) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, text in row.cells.items():
            try:
                value = read_cell(text, self._columns[name], self.mapping)
            except CellWrong as wrong:
                self._tell(row.number, name, wrong.code, wrong.chinese, wrong.english)
                values[name] = wrong
                continue
            if value is not None:
                values[name] = value
        for name in ("birth_date", "date"):
            if isinstance(values.get(name), date) and values[name] > self.today:
                self._tell(row.number, name, "day_to_come", "日期还没有到", "the day is still to come")
        return values

    def _lacks(self, row: Row, name: str, values: dict[str, Any]) -> None:
        if name not in values:
            self._tell(row.number, name, "missing", "缺少必填项", "it is missing")

    def _begin(self, row: Row, number: Any) -> Found:
        found = Found(str(number), row.number)
        first = self._begun.setdefault(found.number, row.number)
        if first != row.number:
            found.sound = False
            self._tell(
                row.number,
                "volunteer_no",
                "number_twice",
                f"这个编号从第{first}行起已经用过；一位志愿者的各行要排在一起",
                f"the number began in row {first}; the rows of one volunteer stand together",
            )
        return found

    def _add(self, found: Found, row: Row, values: dict[str, Any]) -> None:
        kind = values.get("kind")
        self._lacks(row, "kind", values)
        for name in _BASIC:
            if name not in values or isinstance(values[name], CellWrong):
                continue
            if found.basic.setdefault(name, values[name]) != values[name]:
                self._tell(
                    row.number,
                    name,
                    "basic_differs",
                    f"和第{found.row}行的不一样",
                    f"it differs from row {found.row}",
                )
        if kind == "basic":
            if found.has_basic:
                said = (f"第{found.row}行起已经有这位志愿者的基本信息", "a second row of basic data for this number")
                self._tell(row.number, "volunteer_no", "number_twice", *said)
            found.has_basic = True
            registered_on = values.get("date")
            found.registered_on = registered_on if isinstance(registered_on, date) else None
        elif isinstance(kind, str):
            self._record(found, row, values)

    def _record(self, found: Found, row: Row, values: dict[str, Any]) -> None:
        record = {name: value for name, value in values.items() if name not in _OURS}
        record["kind"] = values["kind"]
        if any(isinstance(value, CellWrong) for value in record.values()):
            return
        no = (values["kind"], str(record.get("record_no")))
        if "record_no" in record and no in found.record_nos:
            self._tell(
                row.number, "record_no", "record_twice", "这个记录编号已经有了", "this record's number is there already"
            )
        found.record_nos.add(no)
        try:
            checked = ExternalRecord.model_validate(record)
        except ValidationError as error:
            self._tell_all(row.number, error)
            return
        if len(found.records) == VOLUNTEER_RECORDS_MAX:
            found.sound = False
            said = (
                f"一位志愿者最多{VOLUNTEER_RECORDS_MAX}条记录",
                f"a volunteer has at most {VOLUNTEER_RECORDS_MAX} records",
            )
            self._tell(row.number, "volunteer_no", "too_many_records", *said)
            return
        found.records.append(checked.model_dump(mode="json", exclude_none=True))

    def _finished(self, found: Found) -> Iterator[tuple[Found, dict[str, Any]]]:
        before = self.problems
        for name in ("name", "birth_date"):
            if name not in found.basic and found.sound:
                self._tell(found.row, name, "missing", "缺少必填项", "it is missing")
        born = found.basic.get("birth_date")
        if isinstance(born, date) and born <= self.today:
            self._check_age(found, born)
        body = self._body(found)
        if found.sound and self.problems == before:
            self._check_whole(found, body)
        if found.sound and self.problems == before:
            self.people += 1
            yield found, body

    def _check_age(self, found: Found, born: date) -> None:
        years = self.today.year - born.year - ((self.today.month, self.today.day) < (born.month, born.day))
        if years < self.ages.guardian_below_years:
            self._tell(
                found.row,
                "birth_date",
                "guardian_required",
                f"未满{self.ages.guardian_below_years}岁，要监护人到窗口登记",
                f"below {self.ages.guardian_below_years} years: a guardian registers the child at the desk",
            )

    def _body(self, found: Found) -> dict[str, Any]:
        basic = found.basic
        body = {
            "source_code": self.source,
            "original_no": found.number,
            "volunteer_no": found.number if self.mapping.keep_numbers else None,
            "name": basic.get("name"),
            "birth_date": basic["birth_date"].isoformat() if isinstance(basic.get("birth_date"), date) else None,
            "phone": basic.get("phone"),
            "grid_id": basic.get("residence"),
            "registered_on": None if found.registered_on is None else found.registered_on.isoformat(),
            "skills": basic.get("skills"),
            "records": found.records,
        }
        return {name: value for name, value in body.items() if value is not None}

    def _check_whole(self, found: Found, body: dict[str, Any]) -> None:
        first, *found.later = parts_of(found.records)
        body["records"] = first
        if found.later:
            body["later_sha256"] = [hashlib.sha256(_document(part).encode()).hexdigest() for part in found.later]
        whole = json.dumps({**body, "file_sha256": "0" * 64, "consent_form": "written"}, ensure_ascii=False)
        try:
            ImportVolunteerAsk.model_validate_json(whole, strict=True)
        except ValidationError as error:
            self._tell_all(found.row, error)

    def _tell_all(self, row: int, error: ValidationError) -> None:
        names = {"grid_id": "residence", "original_no": "volunteer_no"}
        for one in error.errors(include_url=False):
            context = one.get("ctx", {})
            name = str(context.get("field") or next((part for part in one["loc"] if isinstance(part, str)), ""))
            chinese, english = _SAID.get(one["type"], (context.get("chinese", "填得不对"), one["msg"]))
            self._tell(row, names.get(name, name) or None, one["type"], chinese, english)

    def _tell(self, row: int | None, name: str | None, code: str, chinese: str, english: str) -> None:
        self.problems += 1
        column = None if name is None else self._heading(name)
        self._tell_problem(Problem(row, column, code, chinese, english))

    def _heading(self, name: str) -> str:
        column = self._columns.get(name)
        if column is None:
            return name
        return column.json_name if self.file.is_json else (column.heading or name)
