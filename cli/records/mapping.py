"""The mapping: which columns a file of volunteer records has. Shipped beside this module; another one can be named."""

import difflib
import json
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from contracts.event import Code

Kind = Literal["basic", "service", "training", "award", "evaluation"]
KINDS: tuple[Kind, ...] = ("basic", "service", "training", "award", "evaluation")
FieldName = Literal[
    "kind", "volunteer_no", "name", "birth_date", "phone", "residence", "skills", "record_no", "title", "date", "place",
    "recipient", "content", "started_at", "finished_at", "minutes_a", "minutes_b", "minutes_c", "minutes_ungraded",
    "quality", "in_charge", "recorder", "organiser", "level", "study_hours", "score", "evaluator", "organisation",
    "external", "ledger_position",
]  # fmt: skip
NEEDED: tuple[FieldName, ...] = ("kind", "volunteer_no", "name", "birth_date")
"""Without these no row says of whom it speaks."""
Words = Annotated[str, Field(min_length=1, max_length=60)]
Where = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class MappingWrong(Exception):
    """A mapping that cannot be used: every problem on a line of its own, with the file's line and the field."""


class Column(BaseModel):
    """One column of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: FieldName
    heading: Words | None = None
    key: Words | None = None
    value: Words | None = None
    unit: Literal["minutes", "hours"] = "minutes"

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.heading is None) == (self.value is None):
            raise PydanticCustomError("heading_or_value", "a column has a heading, or the value of every row")
        if self.unit == "hours" and not self.field.startswith("minutes_"):
            raise PydanticCustomError("unit_of_minutes", "unit belongs to a field of minutes")
        return self

    @property
    def json_name(self) -> str:
        """What the field is called in JSON."""
        return self.key or self.field


class Mapping(BaseModel):
    """A whole mapping file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1]
    source: Code
    keep_numbers: bool = False
    kinds: dict[Kind, Annotated[tuple[Words, ...], Field(min_length=1)]]
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        once: dict[str, list[str]] = {
            "field": [column.field for column in self.columns],
            "heading": [column.heading for column in self.columns if column.heading],
            "key": [column.json_name for column in self.columns],
            "word for a kind": [word for words in self.kinds.values() for word in words],
        }
        for what, names in once.items():
            twice = [name for name, times in Counter(names).items() if times > 1]
            if twice:
                raise PydanticCustomError("twice", "the {what} {name} stands twice", {"what": what, "name": twice[0]})
        lacking = [name for name in NEEDED if name not in {column.field for column in self.columns}]
        if lacking:
            raise PydanticCustomError("lacking", "there is no column for {names}", {"names": ", ".join(lacking)})
        wordless = [kind for kind in KINDS if kind not in self.kinds]
        if wordless:
            raise PydanticCustomError("wordless", "kinds has no word for {names}", {"names": ", ".join(wordless)})
        return self

    @cached_property
    def written(self) -> tuple[Column, ...]:
        """The columns of a file, in order."""
        return tuple(column for column in self.columns if column.heading is not None)

    @cached_property
    def constants(self) -> dict[str, str]:
        """Field → what every row says there."""
        return {column.field: column.value for column in self.columns if column.value is not None}

    @cached_property
    def kind_of_word(self) -> dict[str, Kind]:
        """What a file writes → the kind it means; a kind's own name is understood as well."""
        return {kind: kind for kind in KINDS} | {word: kind for kind, words in self.kinds.items() for word in words}

    def heading_of(self, field: str) -> str:
        """What people call a field in this file."""
        return next((c.heading for c in self.columns if c.field == field and c.heading is not None), field)


def mapping_of(path: Path | None) -> Mapping:
    """The mapping in a file, or the shipped one. Raises MappingWrong with everything that is wrong."""
    return loaded(path, resources.files("cli.records").joinpath("mapping.yaml"), Mapping)


def loaded(path: Path | None, shipped: Traversable, model: type[M]) -> M:
    """What a YAML file says; the shipped one when none is named. Raises MappingWrong with everything that is wrong."""
    try:
        name = shipped.name if path is None else str(path)
        text = shipped.read_text("utf-8") if path is None else path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise MappingWrong(f"{path}: cannot be read: {why}") from None
    lines: dict[Where, int] = {}
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = None if node is None else _value(node, (), lines)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f", line {mark.line + 1}"
        raise MappingWrong(f"{name}{where}: not YAML: {getattr(error, 'problem', error)}") from None
    try:
        # From JSON, strictly: `version: "1"` is no number, a list may be a tuple.
        return model.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        told = [f"{name}{_told(one, lines)}" for one in error.errors(include_url=False)]
        raise MappingWrong("\n".join(told)) from None


def _value(node: yaml.Node, where: Where, lines: dict[Where, int]) -> Any:
    """The value of a node; notes the line of everything in it. Raises YAMLError for a name that stands twice."""
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_value(one, (*where, number), lines) for number, one in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return yaml.SafeLoader("").construct_object(node)
    found: dict[str, Any] = {}
    for key, value in node.value:
        if key.value in found:
            raise yaml.MarkedYAMLError(problem=f"{key.value} stands twice", problem_mark=key.start_mark)
        lines[*where, str(key.value)] = key.start_mark.line + 1
        found[str(key.value)] = _value(value, (*where, str(key.value)), lines)
    return found


def _told(error: Any, lines: dict[Where, int]) -> str:
    where = tuple(one for one in error["loc"] if one != "[key]")
    known = next((where[:end] for end in range(len(where), -1, -1) if where[:end] in lines), None)
    line = "" if known is None else f", line {lines[known]}"
    name = ".".join(str(one + 1 if isinstance(one, int) else one) for one in where)
    said = error["msg"][:1].lower() + error["msg"][1:]
    if error["type"] == "extra_forbidden":
        said = "there is no such setting"
    elif error["type"] == "literal_error":
        said = f"{error['input']!r} is none of ours{''.join(_like(str(error['input']), error['ctx']['expected']))}"
    return f"{line}: {name}: {said}" if name else f"{line}: {said}"


def _like(name: str, expected: str) -> Iterator[str]:
    known = [one.strip("'") for one in expected.replace(" or ", ", ").split(", ")]
    close = difflib.get_close_matches(name, known, n=1)
    yield f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"
