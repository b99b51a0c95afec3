"""Texts that break programs, and every place where the services' documents let somebody write one."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.doors.asked import Operation, Path, commands
from tests.doors.doors import NAMES, Doors

WORDS = {
    "Chinese with rare characters": "张㼆𠮷𪚥（九十二岁）住三楼，腿脚不便。",
    "joined emoji, flags, skin tones": "👩‍👩‍👧‍👦 🧑🏽‍🚒 🇨🇳 ☺️",
    "right-to-left marks and overrides": "שלום \u202eabc\u202c \u2067مرحبا\u2069 \u200f!",
    "zero-width characters": "a\u200bb\u200cc\u200dd\u2060e\ufefff",
    "marks that have no composed form": "ก็็็็ x\u0332\u0332 क्षि",
    "SQL": "'; DROP TABLE orders.events; --",
    "HTML": "<script>alert('1')</script>&amp;<b>",
    "a formula for a spreadsheet": '=HYPERLINK("http://x.example","y")',
    "what looks like escapes and blanks to fill": "\\u0000 %s %n {0} ${x} {{7*7}} \\",
    "line feeds and tabs": "一\n二\r\n三\t四",
    "characters beyond the last assigned": "\ufffd\ufdd0\U0010ffff\ue000",
}
"""Odd, and somebody's words all the same: taken where words are asked for, and given back as they were sent."""

NO_WORDS = {
    "NUL": ("王\x00桂兰", "text_has_nul"),
    "half of a pair, the first": ("王\ud83d桂兰", "text_has_lone_surrogate"),
    "half of a pair, the second": ("\udc00王桂兰", "text_has_lone_surrogate"),
    "an escape sequence": ("王\x1b[31m桂兰", "text_has_control_character"),
    "a control of the second row": ("王\x85桂兰", "text_has_control_character"),
    "delete": ("王\x7f桂兰", "text_has_control_character"),
    "combining accents": ("Zoe\u0308 Jose\u0301", "text_not_nfc"),
    "Korean in pieces": ("\u1112\u1161\u11ab", "text_not_nfc"),
}
"""Never taken, in whatever field: its name and why are in the answer."""

TOO_MUCH = "长" * 34_000
"""102,000 bytes."""


@dataclass(frozen=True)
class Field:
    """A place for a string in a command's body. `kind`: free (words), shaped (a pattern), or what its format says."""

    operation: Operation
    path: Path
    kind: str
    longest: int | None = None

    @property
    def name(self) -> str:
        return f"{self.operation.name} {'/'.join(map(str, self.path))}"


def fields(doors: Doors) -> list[Field]:
    """Every field of every command that takes a string, the optional ones and those within lists among them."""
    found: dict[str, Field] = {}
    documents = {service: doors.openapi(service) for service in NAMES}
    for operation in commands(doors):
        body = operation.document.get("requestBody")
        if body is None:
            continue
        for path, schema in _strings(documents[operation.service], body["content"]["application/json"]["schema"]):
            kind = schema.get("format") or ("shaped" if {"pattern", "enum", "const"} & schema.keys() else "free")
            one = Field(operation, path, kind, schema.get("maxLength"))
            found.setdefault(one.name, one)
    return list(found.values())


def _strings(
    document: dict[str, Any], schema: dict[str, Any], path: Path = ()
) -> Iterator[tuple[Path, dict[str, Any]]]:
    if "$ref" in schema:
        target: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        yield from _strings(document, target, path)
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _strings(document, choice, path)
    match schema.get("type"):
        case "string":
            yield path, schema
        case "object":
            for name, inner in schema.get("properties", {}).items():
                yield from _strings(document, inner, (*path, name))
        case "array":
            yield from _strings(document, schema["items"], (*path, 0))
        case _:
            return


def written(body: Any, path: Path, value: Any) -> Any:
    """The body with a value in a place that need not be there so far."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        items = copy.copy(body) if isinstance(body, list) and body else [None]
        items[step] = written(items[step], rest, value)
        return items
    known = body if isinstance(body, dict) else {}
    return {**known, step: written(known.get(step), rest, value)}
