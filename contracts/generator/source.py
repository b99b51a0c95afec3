"""What the classes say in their source: the words under each field, its type as written, each aggregate's events."""

import ast
import sys
import types
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from contracts.event import EVENTS, SERVICES, Event


@dataclass(frozen=True, slots=True)
class FieldWords:
    """A field's type as the class writes it, and the words under it (empty when its name says it all)."""

    written: str
    words: str


@cache
def _module(name: str) -> ast.Module:
    path = sys.modules[name].__file__
    assert path is not None
    return ast.parse(Path(path).read_text(encoding="utf-8"))


def _words_below(body: list[ast.stmt], index: int) -> str:
    below = body[index + 1] if index + 1 < len(body) else None
    if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
        return " ".join(below.value.value.split())
    return ""


def field_words(cls: type[Any]) -> dict[str, FieldWords]:
    """Field name → its words, bases first, as the class and its bases write them."""
    found: dict[str, FieldWords] = {}
    for base in reversed(cls.__mro__):
        if not base.__module__.startswith("contracts"):
            continue
        for node in _module(base.__module__).body:
            if isinstance(node, ast.ClassDef) and node.name == base.__name__:
                for index, line in enumerate(node.body):
                    if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                        written = ast.unparse(line.annotation).removesuffix(" | None").strip("'")
                        found[line.target.id] = FieldWords(written, _words_below(node.body, index))
    return {name: words for name, words in found.items() if name in cls.model_fields}


def type_words() -> dict[str, str]:
    """Name of a field type (`Code`, `Minutes`, `OrderState`, ...) → what it means, and its values if it is a list."""
    found: dict[str, str] = {}
    for service in ("event", "command", *SERVICES):
        names = [n for n in sorted(sys.modules) if n == f"contracts.{service}" or n.startswith(f"contracts.{service}.")]
        for name in names:
            body = _module(name).body
            for index, line in enumerate(body):
                named = _type_in(line, _words_below(body, index))
                if named is not None:
                    found[named[0]] = named[1]
    return found


def _type_in(line: ast.stmt, words: str) -> tuple[str, str] | None:
    values: list[ast.expr] = []
    if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
        name = line.targets[0].id
        if isinstance(line.value, ast.Subscript) and ast.unparse(line.value.value) == "Literal":
            values = line.value.slice.elts if isinstance(line.value.slice, ast.Tuple) else [line.value.slice]
    elif isinstance(line, ast.ClassDef) and ast.unparse(line.bases[0] if line.bases else line) == "StrEnum":
        name, words = line.name, ast.get_docstring(line) or ""
        values = [each.value for each in line.body if isinstance(each, ast.Assign)]
    else:
        return None
    listed = " · ".join(f"`{value.value!s}`" for value in values if isinstance(value, ast.Constant))
    said = " ".join(each for each in (" ".join(words.split()), listed) if each)
    return (name, said) if said and name[0].isupper() and not name.isupper() else None


def events_of(service: str) -> dict[str, list[type[Event]]]:
    """Aggregate (`Order`, `Inquiry`, ...) → its events, as the service's unions have them, largest first.

    Raises LookupError when an event of the service stands in no union, or in two.
    """
    module = sys.modules[f"contracts.{service}"]
    aggregates: dict[str, list[type[Event]]] = {}
    for name, value in vars(module).items():
        is_class = isinstance(value, type) and issubclass(value, Event)
        if name.endswith("Event") and name != "Event" and (is_class or isinstance(value, types.UnionType)):
            aggregates[name.removesuffix("Event")] = [value] if is_class else list(get_args(value))
    placed = [cls for members in aggregates.values() for cls in members]
    known = {cls for (owner, _), cls in EVENTS.items() if owner == service}
    astray = sorted(cls.__name__ for cls in known if placed.count(cls) != 1)
    if astray:
        raise LookupError(f"{service}: not in exactly one union of an aggregate: {', '.join(astray)}")
    return dict(sorted(aggregates.items(), key=lambda item: (item[0] in ("Erasure", "Policy"), -len(item[1]))))


def category(aggregate: str) -> str:
    """The stream category of an aggregate: `HoursClaim` → `hours_claim`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in aggregate).lstrip("_")
