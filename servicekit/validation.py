"""What a JSON body may hold, strictly: no number for text, no 30.0 for 30, no text that cannot be stored or compared.

Bodies are validated from the JSON itself in pydantic's strict mode, where `30.0`, `"30"` and `true` are no whole
numbers while ids and times may still be written as text.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, AwareDatetime, BaseModel, ValidationError
from pydantic_core import PydanticCustomError

BODY_BYTES_MAX = 65_536
DEPTH_MAX = 32
YEARS = range(1000, 3000)
"""Four digits that somebody may mistype; beyond them time zones and deadlines fall off the calendar."""

_OUT_OF_RANGE = f"a year from {YEARS[0]} to {YEARS[-1]}"
_ALLOWED_CONTROLS = "\n\t"

_CHINESE = {
    "missing": "缺少必填项",
    "unknown_field": "不认识的字段",
    "not_a_whole_number": "必须是整数",
    "text_has_nul": "文字里有不可用的字符",
    "text_has_control_character": "文字里有不可用的字符",
    "text_has_lone_surrogate": "文字里有残缺的字符",
    "text_not_nfc": "文字须用规范的字符（NFC）",
    "text_too_long": "文字太长",
    "text_too_short": "文字太短",
    "too_small": "数值太小",
    "too_large": "数值太大",
    "unknown_value": "不是可选的值",
    "wrong_format": "格式不对",
    "wrong_type": "类型不对",
    "not_an_id": "编号格式不对",
    "not_a_time": "时间格式不对，写成 2026-11-01 或 2026-11-01T09:00:00+08:00",
    "time_without_zone": "时间缺少时区",
    "time_out_of_range": "时间太早或太晚",
    "json_malformed": "写得不是 JSON",
    "duplicate_field": "字段重复",
    "too_deep": "嵌套太深",
    "too_many_items": "项目太多",
    "too_few_items": "项目太少",
}
_LIMITS = {
    "ge": "最小 {}",
    "gt": "要大于 {}",
    "le": "最大 {}",
    "lt": "要小于 {}",
    "max_length": "最多 {}",
    "min_length": "最少 {}",
    "expected": "可选 {}",
}
"""What a pydantic error tells of the bound that was not kept."""
_CODES = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "int_type": "not_a_whole_number",
    "int_from_float": "not_a_whole_number",
    "int_parsing": "not_a_whole_number",
    "int_parsing_size": "too_large",
    "string_too_long": "text_too_long",
    "string_too_short": "text_too_short",
    "string_pattern_mismatch": "wrong_format",
    "greater_than": "too_small",
    "greater_than_equal": "too_small",
    "less_than": "too_large",
    "less_than_equal": "too_large",
    "enum": "unknown_value",
    "literal_error": "unknown_value",
    "uuid_type": "not_an_id",
    "uuid_parsing": "not_an_id",
    "uuid_version": "not_an_id",
    "timezone_aware": "time_without_zone",
    "timezone_naive": "wrong_format",
    "json_invalid": "json_malformed",
    "too_long": "too_many_items",
    "too_short": "too_few_items",
    "value_error": "wrong_format",
}


def validate_body(model: type[BaseModel], body: bytes) -> BaseModel:
    """Read a body strictly. Raises RequestValidationError that names each wrong place, text problems first."""
    parsed = parse_json(body)
    problems = list(_text_problems(parsed))
    if problems:
        raise RequestValidationError(problems)
    try:
        read = model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise RequestValidationError(
            [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False, include_input=False)]
        ) from None
    if problems := list(_time_problems(read)):
        raise RequestValidationError(problems)
    return read


def check_address(query: Iterable[tuple[str, str]], path: Mapping[str, object]) -> None:
    """Read the texts of an address as strictly as those of a body. Raises RequestValidationError."""
    given = [(("query", name), value) for name, value in query]
    given += [(("path", name), value) for name, value in path.items() if isinstance(value, str)]
    if problems := [problem for loc, value in given for problem in _text_problems(value, loc)]:
        raise RequestValidationError(problems)


def _in_this_age(moment: datetime) -> datetime:
    if moment.year not in YEARS:
        raise PydanticCustomError("time_out_of_range", _OUT_OF_RANGE)
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_this_age)]
"""A time in an address, with its zone and in a year that people mean."""


def parse_json(body: bytes) -> Any:
    """Read JSON. Raises RequestValidationError for what is no JSON, repeats a name in one object, or is too deep."""
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _depth(body) > DEPTH_MAX:
        raise RequestValidationError([_problem(("body",), "too_deep", f"nested deeper than {DEPTH_MAX}")])
    try:
        return json.loads(body, object_pairs_hook=_once, parse_constant=_no_constant)
    except _DuplicateName as error:
        raise RequestValidationError(
            [_problem(("body", error.name), "duplicate_field", "this name stands twice in one object")]
        ) from None
    except ValueError as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        problem = _problem(("body",), "json_invalid", f"the body is not valid JSON{where}")
        raise RequestValidationError([problem]) from None


def field_errors(errors: Sequence[Mapping[str, Any]] | Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each validation error as {pointer (RFC 6901, or the header or query name), reason_code, detail, detail_zh}."""
    return [_field_error(error) for error in errors]


def text_problem(text: str) -> tuple[str, str] | None:
    """Why a text cannot be taken, as (reason_code, detail); None when it can. Line feeds and tabs are fine."""
    if "\x00" in text:
        return "text_has_nul", "the text contains a NUL character (U+0000)"
    for character in text:
        if "\ud800" <= character <= "\udfff":
            return "text_has_lone_surrogate", f"the text contains half a character (U+{ord(character):04X})"
        if (character < " " or "\x7f" <= character <= "\x9f") and character not in _ALLOWED_CONTROLS + "\r":
            return "text_has_control_character", f"the text contains a control character (U+{ord(character):04X})"
    if not unicodedata.is_normalized("NFC", text):
        return "text_not_nfc", "the text is not in Unicode normalisation form C"
    return None


def _text_problems(value: Any, loc: tuple[str | int, ...] = ("body",)) -> Iterator[dict[str, Any]]:
    match value:
        case str():
            found = text_problem(value)
            if found is not None:
                yield _problem(loc, *found)
        case dict():
            for name, item in value.items():
                if text_problem(name) is not None:
                    yield _problem(loc, "extra_forbidden", "a field's name contains characters that cannot be")
                else:
                    yield from _text_problems(item, (*loc, name))
        case list():
            for index, item in enumerate(value):
                yield from _text_problems(item, (*loc, index))
        case _:
            return


def _time_problems(value: Any, loc: tuple[str | int, ...] = ("body",)) -> Iterator[dict[str, Any]]:
    match value:
        case date():
            if value.year not in YEARS:
                yield _problem(loc, "time_out_of_range", _OUT_OF_RANGE)
        case BaseModel():
            for name, item in value:
                yield from _time_problems(item, (*loc, name))
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _time_problems(item, (*loc, index))
        case _:
            return


def _problem(loc: tuple[str | int, ...], kind: str, message: str) -> dict[str, Any]:
    return {"loc": loc, "type": kind, "msg": message}


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    kind = str(error["type"])
    together = error.get("ctx", {}) if "chinese" in error.get("ctx", {}) else {}
    loc = [str(part) for part in (*error["loc"], *([together["field"]] if "field" in together else ()))]
    if kind == "json_invalid":
        # Where it breaks off is a character of the body, and no field's name.
        loc, error = loc[:1], {**error, "msg": " at character ".join([str(error["msg"]), *loc[1:]])}
    place, path = (loc[0], loc[1:]) if loc and loc[0] in {"body", "query", "path", "header"} else ("body", loc)
    if place == "body":
        pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    else:
        pointer = f"{place}:{'.'.join(path)}"
    if together:
        code, chinese = kind, str(together["chinese"])
        return {"pointer": pointer, "reason_code": code, "detail": str(error["msg"]), "detail_zh": chinese}
    if kind in _CODES:
        code = _CODES[kind]
    elif kind in _CHINESE:
        code = kind
    elif kind.startswith(("datetime", "date_", "time_")):
        code = "not_a_time"
    else:
        code = "wrong_type" if kind.endswith("_type") else "wrong_format"
    return {
        "pointer": pointer,
        "reason_code": code,
        "detail": str(error["msg"]),
        "detail_zh": _in_chinese(path, code, error.get("ctx", {})),
    }


def _in_chinese(path: Sequence[str], code: str, bounds: Mapping[str, Any]) -> str:
    sentence = _CHINESE.get(code, _CHINESE["wrong_format"])
    for name in _LIMITS.keys() & bounds.keys():
        bound = str(bounds[name])
        named = "、".join(re.findall("'([^']*)'", bound)) if name == "expected" else bound
        sentence += f"，{_LIMITS[name].format(named)}" if named else ""
    return f"{'.'.join(path)}：{sentence}" if path else sentence


class _DuplicateName(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _DuplicateName(name)
        found[name] = value
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _depth(body: bytes) -> int:
    """The deepest nesting of brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in body:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
