"""A bank's CSV → the body of a statement: lines in the order of their days, balances that add up, or what is wrong."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from cli.bank_statements.cells import EMPTY, read_fen, read_words
from cli.bank_statements.mapping import FieldName, Mapping
from cli.records.cells import BETWEEN, read_day
from cli.records.problems import CellWrong, FileWrong, Problem

LINES_MAX = 200
BODY_BYTES_MAX = 60_000
"""A request has at most 64 KiB."""
PREAMBLE_ROWS_MAX = 40
"""So many rows with the bank's letterhead may stand above the headings."""
LENGTHS: dict[FieldName, int] = {"reference": 64, "counterparty": 80, "summary": 120}


@dataclass(frozen=True, slots=True)
class Line:
    """One movement. `balance_fen`: what the bank says was there afterwards."""

    row: int
    booked_on: date
    amount_fen: int
    balance_fen: int | None
    words: dict[str, str]


@dataclass
class StatementFile:
    """A file that is read whole: a statement has at most 200 lines."""

    path: Path
    mapping: Mapping
    problems: list[Problem] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    file_sha256: str = ""
    headings: dict[FieldName, str] = field(default_factory=dict)
    """How the file calls its columns."""

    def read(self) -> None:
        """Read it. What is wrong with a row stands in `problems`; raises FileWrong where nothing can be read."""
        content = self.path.read_bytes()
        self.file_sha256 = hashlib.sha256(content).hexdigest()
        rows = _rows(_text(content))
        place, fields = self._headings(rows)
        for number, cells in enumerate(rows[place + 1 :], place + 2):
            filled = [cell.strip() for cell in cells if cell.strip()]
            if filled and not filled[0].startswith(self.mapping.skip):
                self._line(number, cells, fields)
        if len(self.lines) > LINES_MAX:
            said = (
                f"一份对账单最多 {LINES_MAX} 笔，分成几段日期来交",
                f"a statement has at most {LINES_MAX} lines: split it",
            )
            self.problems.append(Problem(None, None, "too_many_lines", *said))
        if _is_newest_first(self.lines):
            self.lines.reverse()
        self._check_balances()

    def body(
        self, from_on: date, until_on: date, opening_fen: int | None, closing_fen: int | None, replaces: str | None
    ) -> dict[str, Any]:
        """What is handed in. Balances that nobody named are those of the file. Raises FileWrong."""
        first, last = (self.lines[0], self.lines[-1]) if self.lines else (None, None)
        if opening_fen is None and first is not None and first.balance_fen is not None:
            opening_fen = first.balance_fen - first.amount_fen
        if closing_fen is None and last is not None:
            closing_fen = last.balance_fen
        if opening_fen is None or closing_fen is None:
            said = (
                "文件里没有余额；用 --opening 和 --closing 写上期初、期末",
                "no balances there: say --opening and --closing",
            )
            raise FileWrong(Problem(None, None, "no_balances", *said))
        self._check_days(from_on, until_on)
        missing_fen = closing_fen - opening_fen - sum(line.amount_fen for line in self.lines)
        if missing_fen:
            yuan = yuan_of(missing_fen)
            said = (f"期初加明细比期末少 {yuan} 元", f"opening and lines miss the closing by {yuan} yuan")
            raise FileWrong(Problem(None, None, "sums_differ", *said))
        body = {
            "file_sha256": self.file_sha256,
            "from_on": from_on.isoformat(),
            "until_on": until_on.isoformat(),
            "opening_fen": opening_fen,
            "closing_fen": closing_fen,
            "lines": [
                {"booked_on": line.booked_on.isoformat(), "amount_fen": line.amount_fen, **line.words}
                for line in self.lines
            ],
        }
        whole = body if replaces is None else {**body, "replaces": replaces}
        if len(json.dumps(whole, ensure_ascii=False).encode()) > BODY_BYTES_MAX:
            said = ("文件太大，分成几段日期来交", "the file is too large: hand it in as several spans of days")
            raise FileWrong(Problem(None, None, "file_too_large", *said))
        return whole

    def _check_days(self, from_on: date, until_on: date) -> None:
        outside = [line for line in self.lines if not from_on <= line.booked_on <= until_on]
        if outside:
            said = (f"日期不在 {from_on} 至 {until_on} 之内", f"the day is not from {from_on} to {until_on}")
            raise FileWrong(Problem(outside[0].row, self._name("booked_on"), "line_outside", *said))

    def _headings(self, rows: Sequence[list[str]]) -> tuple[int, dict[FieldName, int]]:
        for place, cells in enumerate(rows[:PREAMBLE_ROWS_MAX]):
            headings = [cell.strip() for cell in cells]
            fields = self.mapping.fields(headings)
            if "booked_on" in fields and ("amount" in fields or {"income", "outgo"} <= set(fields)):
                twice = [name for name in headings if name and headings.count(name) > 1]
                read = {headings[place] for place in fields.values()}
                for name in twice:
                    if name in read:
                        raise FileWrong(Problem(place + 1, name, "column_twice", "这一列出现了两次", "it stands twice"))
                self.headings = {name: headings[column] for name, column in fields.items()}
                return place, fields
        wanted = BETWEEN.join(
            "/".join(self.mapping.columns[name])
            for name in ("booked_on", "income", "outgo", "amount")
            if name in self.mapping.columns
        )
        said = (
            f"找不到列标题：要有日期，和收入、支出两列或金额一列（{wanted}）；名称不同就用 --mapping",
            "no row has the headings of a day and of amounts; name another mapping",
        )
        raise FileWrong(Problem(None, None, "column_missing", *said))

    def _line(self, number: int, cells: Sequence[str], fields: dict[FieldName, int]) -> None:
        texts = {name: cells[place].strip() if place < len(cells) else "" for name, place in fields.items()}
        before = len(self.problems)
        day = self._cell(number, "booked_on", lambda: _day(texts["booked_on"]))
        amount_fen = self._cell(number, "amount", lambda: self._amount(texts))
        balance_fen = self._cell(number, "balance", lambda: _or_none(texts.get("balance", "")))
        words: dict[str, str] = {
            name: said
            for name, length in LENGTHS.items()
            if (said := self._cell(number, name, lambda n=name, m=length: read_words(texts.get(n, ""), m))) is not None
        }
        if len(self.problems) == before:
            self.lines.append(Line(number, day, amount_fen, balance_fen, words))

    def _cell(self, number: int, name: FieldName, read: Any) -> Any:
        try:
            return read()
        except CellWrong as wrong:
            self.problems.append(Problem(number, self._name(name), wrong.code, wrong.chinese, wrong.english))
            return None

    def _name(self, name: FieldName) -> str:
        """How the file calls it; an amount stands in any of three columns."""
        names: tuple[FieldName, ...] = ("amount", "income") if name == "amount" else (name,)
        return next((self.headings[one] for one in names if one in self.headings), name)

    def _amount(self, texts: dict[FieldName, str]) -> int:
        income_fen, outgo_fen = _or_none(texts.get("income", "")), _or_none(texts.get("outgo", ""))
        if income_fen or outgo_fen:
            if income_fen and outgo_fen:
                raise CellWrong("both_sides", "收入和支出只能填一边", "money came or went, not both")
            return income_fen or -(outgo_fen or 0)
        amount_fen = _or_none(texts.get("amount", ""))
        if not amount_fen:
            raise CellWrong("missing", "缺少金额", "there is no amount")
        return self._directed(amount_fen, texts.get("direction", ""))

    def _directed(self, amount_fen: int, direction: str) -> int:
        if not direction:
            return amount_fen
        if direction in self.mapping.income_words:
            return amount_fen
        if direction in self.mapping.outgo_words:
            return -abs(amount_fen)
        known = BETWEEN.join((*self.mapping.income_words, *self.mapping.outgo_words))
        raise CellWrong("direction_unknown", f"收支方向只能是：{known}", f"the direction is one of {known}")

    def _check_balances(self) -> None:
        for line in _breaks(self.lines):
            said = ("余额和上一行接不上，中间缺了行或改了数", "the balance does not follow from the line before")
            self.problems.append(Problem(line.row, self._name("balance"), "balance_differs", *said))


def _is_newest_first(lines: Sequence[Line]) -> bool:
    """As some banks have it. Of one day only the balances tell."""
    if not lines or lines[0].booked_on != lines[-1].booked_on:
        return bool(lines) and lines[0].booked_on > lines[-1].booked_on
    return bool(_breaks(lines)) and not _breaks(lines[::-1])


def _breaks(lines: Sequence[Line]) -> list[Line]:
    """The lines whose balance is not that of the line before and their own amount."""
    return [
        line
        for earlier, line in pairwise(lines)
        if earlier.balance_fen is not None
        and line.balance_fen is not None
        and earlier.balance_fen + line.amount_fen != line.balance_fen
    ]


def yuan_of(fen: int) -> str:
    """分 → yuan as text."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def _day(text: str) -> date:
    compact = text.split(" ", maxsplit=1)[0].split("T", maxsplit=1)[0]
    if len(compact) == 8 and compact.isdigit():
        compact = f"{compact[:4]}-{compact[4:6]}-{compact[6:]}"
    return read_day(compact)


def _or_none(text: str) -> int | None:
    return None if text.strip() in EMPTY else read_fen(text)


def _text(content: bytes) -> str:
    """UTF-8, with or without a mark, or GB18030: what is well-formed UTF-8 is hardly ever anything else."""
    if not content.strip():
        raise FileWrong(Problem(None, None, "file_empty", "文件是空的", "the file is empty"))
    if content.startswith((b"PK", b"\xd0\xcf\x11\xe0")):
        said = ("这是 Excel 工作簿，另存为“CSV UTF-8”", "this is a workbook: save it as `CSV UTF-8`")
        raise FileWrong(Problem(None, None, "not_a_text", *said))
    for codec in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(codec)
        except UnicodeDecodeError:
            continue
    said = ("编码认不出来，另存为“CSV UTF-8”", "this is neither UTF-8 nor GB18030: save it as `CSV UTF-8`")
    raise FileWrong(Problem(None, None, "wrong_encoding", *said))


def _rows(text: str) -> list[list[str]]:
    delimiter = "\t" if text.count("\t") > text.count(",") else ","
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        said = ("引号或分隔符不对", f"quotes or separators are off: {error}")
        raise FileWrong(Problem(None, None, "csv_malformed", *said)) from None
