"""From the text of a cell to a value, and back: days, times, whole minutes, numbers of people."""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from cli.output import SHANGHAI
from cli.records.mapping import Column, Mapping
from cli.records.problems import CellWrong
from servicekit.reference import reference
from services.volunteers.commands.external import has_identity_number

FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet read a cell as a formula."""
BETWEEN = "、"
"""Between the items of a list in one cell."""
CELL_LENGTH_MAX = 2_000
UNUSABLE = frozenset({"Cc", "Cs"})
"""Control characters, and halves of characters."""
YEARS = range(1900, 2101)

_DAY = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})|(\d{4})\u5e74(\d{1,2})\u6708(\d{1,2})\u65e5")  # 年月日
_MOMENT = re.compile(r"(\S+)[T ](\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+-]\d{2}:?\d{2})?")


def guarded(text: str) -> str:
    """The text as a cell that no spreadsheet calculates."""
    return f"'{text}" if text.startswith(FORMULA_MARKS) else text


def unguarded(text: str) -> str:
    """The text that was guarded."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_MARKS) else text


def read_cell(text: str, column: Column, mapping: Mapping) -> Any:
    """The value that a cell means; None when it is empty. Raises CellWrong."""
    text = unicodedata.normalize("NFC", unguarded(text.strip()))
    if not text:
        return None
    if len(text) > CELL_LENGTH_MAX:
        raise CellWrong("text_too_long", "文字太长", f"longer than {CELL_LENGTH_MAX} characters")
    if any(unicodedata.category(mark) in UNUSABLE and mark not in "\n\t" for mark in text):
        raise CellWrong("text_has_control_character", "文字里有不可用的字符", "it has a character that is none")
    if has_identity_number(text):
        raise CellWrong(
            "identity_number",
            "身份证号不导入，也不保存，先从文件里删掉",
            "an identity card's number is not kept: remove it",
        )
    if column.field.startswith("minutes_"):
        return _minutes(text, column)
    reader = _READERS.get(column.field)
    return text if reader is None else reader(text, mapping)


def written_cell(value: Any, field: str, mapping: Mapping) -> str:
    """A value as it stands in CSV."""
    if value is None:
        return ""
    if field == "kind":
        return mapping.kinds[value][0]
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return guarded(BETWEEN.join(value))
    return guarded(str(value))


def _kind(text: str, mapping: Mapping) -> str:
    if text not in mapping.kind_of_word:
        known = BETWEEN.join(word for words in mapping.kinds.values() for word in words)
        raise CellWrong("kind_unknown", f"记录类别只能是：{known}", f"not one of {known}")
    return mapping.kind_of_word[text]


def read_day(text: str, _mapping: Mapping | None = None) -> date:
    """A day as people and spreadsheets write it. Raises CellWrong."""
    found = _DAY.fullmatch(text)
    if found is None:
        raise CellWrong("not_a_day", "日期写成 2026-03-05 这样", "a day is written like 2026-03-05")
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        wanted = date(year, month, day)
    except ValueError:
        raise CellWrong("no_such_day", "没有这一天", "there is no such day") from None
    if year not in YEARS:
        raise CellWrong("no_such_day", "年份不对", f"a year from {YEARS[0]} to {YEARS[-1]}")
    return wanted


def _moment(text: str, _mapping: Mapping) -> datetime:
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise CellWrong("not_a_time", "时间写成 2026-03-05 09:00 这样", "a time is written like 2026-03-05 09:00")
    day = read_day(found[1])
    clock = found[2] if found[2].index(":") == 2 else f"0{found[2]}"
    try:
        moment = datetime.fromisoformat(f"{day.isoformat()}T{clock}{found[3] or ''}")
    except ValueError:
        raise CellWrong("no_such_time", "没有这个时刻", "there is no such time") from None
    # People write the time of the place.
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=SHANGHAI)


def _minutes(text: str, column: Column) -> int:
    try:
        stated = Decimal(text)
    except InvalidOperation:
        raise CellWrong("not_a_whole_number", "必须是数字", "this is no number") from None
    minutes = stated * 60 if column.unit == "hours" else stated
    if not minutes.is_finite() or minutes < 0:
        raise CellWrong("negative_minutes", "分钟数不能是负数", "minutes are not negative")
    if minutes != minutes.to_integral_value():
        raise CellWrong("not_a_whole_number", "必须是整分钟", "these are no whole minutes")
    if minutes == 0 or minutes > 1440:
        raise CellWrong("minutes_impossible", "一次服务是1到1440分钟；没有就空着", "a service has 1 to 1440 minutes")
    return int(minutes)


def _whole(low: int, high: int) -> Callable[[str, Mapping], int]:
    def read(text: str, _mapping: Mapping) -> int:
        if re.fullmatch(r"-?\d{1,18}", text) is None:
            raise CellWrong("not_a_whole_number", "必须是整数", "this is no whole number")
        if not low <= int(text) <= high:
            raise CellWrong("out_of_range", f"要在{low}和{high}之间", f"between {low} and {high}")
        return int(text)

    return read


def _residence(text: str, _mapping: Mapping) -> str:
    known = reference()
    codes = {known.names[code]: code for code in known.grids} | {code: code for code in known.grids}
    if text not in codes:
        raise CellWrong("grid_unknown", "本社区没有这个网格；不知道就空着", "no grid of this community; leave it empty")
    return codes[text]


def _skills(text: str, _mapping: Mapping) -> list[str]:
    codes = {row.name: row.code for row in reference().skills} | {row.code: row.code for row in reference().skills}
    named = [one.strip() for one in re.split(r"[、,，;；]", text) if one.strip()]
    if any(one not in codes for one in named):
        raise CellWrong(
            "skill_unknown", "专业技能要用本社区清单里的名称", "a skill that is not on this community's list"
        )
    return [codes[one] for one in dict.fromkeys(named)]


def _phone(text: str, _mapping: Mapping) -> str:
    if re.fullmatch(r"\+?[0-9][0-9\-]{4,18}", text) is None:
        raise CellWrong("not_a_phone", "电话号码不对", "this is no telephone number")
    return text


_READERS: dict[str, Callable[[str, Mapping], Any]] = {
    "kind": _kind,
    "birth_date": read_day,
    "date": read_day,
    "started_at": _moment,
    "finished_at": _moment,
    "residence": _residence,
    "skills": _skills,
    "phone": _phone,
    "study_hours": _whole(0, 10_000),
    "score": _whole(1, 5),
}
