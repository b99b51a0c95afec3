"""The community's figures: one YAML file with a section for each service, checked whole before anything starts.

policy.yaml beside this module ships domain.md's figures, each with its source; CHAOYANGLI_POLICY names another file.
What a file leaves out keeps its default. A figure that is in force was adopted by an event: see adoption.py.
"""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Generic, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.event import SERVICES, PolicyAdoptedFields, PolicySetting

P = TypeVar("P", bound=BaseModel)
Path_ = tuple[str | int, ...]
_MISSING: Any = object()


class PolicyInvalid(ValueError):
    """The policy file cannot be used; the message says, a line each, where, what stands there and what is allowed."""


class PolicySource(BaseSettings):
    """CHAOYANGLI_POLICY names the community's policy file; without it the shipped figures hold."""

    model_config = SettingsConfigDict(env_prefix="CHAOYANGLI_", extra="ignore", frozen=True, env_ignore_empty=True)

    policy: Path | None = None


class PolicySection(Generic[P]):
    """One service's part of the figures: what may stand there, and what is in force in this process."""

    def __init__(self, service: str, model: type[P], event: type[PolicyAdoptedFields]) -> None:
        self.service = service
        self.model = model
        self.event = event
        """The service's own PolicyAdopted."""
        self.current = model()
        """What decisions go by: the defaults until the file was read, then what was adopted last."""

    def load(self) -> P:
        """What the file says, which is in force from now on until something else was adopted. Raises PolicyInvalid."""
        self.current = self.read(policy_text())
        return self.current

    def read(self, text: "PolicyText") -> P:
        """This section of a policy file. Raises PolicyInvalid for the file's first lines and every wrong figure."""
        document = _Document(text)
        document.check_sections()
        section, problems = document.section(self.service), []
        try:
            policy = self.model.model_validate_json(json.dumps(section, default=str), strict=True)
        except ValidationError as error:
            problems = [document.told(self.service, self.model, one) for one in error.errors(include_url=False)]
            raise PolicyInvalid("\n".join(problems)) from None
        if self.restored(settings_of(policy)) != policy:
            raise PolicyInvalid(f"{text.name}: {self.service}: an empty list cannot be recorded; leave the figure out")
        return policy

    def restored(self, settings: tuple[PolicySetting, ...]) -> P:
        """The figures that an event recorded. One it does not know is left out; one that it lacks has its default."""
        return self.model.model_validate(_known(self.model, _nested(settings)))


@dataclass(frozen=True, slots=True)
class PolicyText:
    """A policy file as it was read."""

    name: str
    """Its path, or what it is called when it came with the program."""
    text: str


def policy_text() -> PolicyText:
    """The file in force. Raises PolicyInvalid when it cannot be read."""
    path = PolicySource().policy
    if path is None:
        shipped = resources.files("servicekit").joinpath("policy.yaml")
        return PolicyText("servicekit/policy.yaml", shipped.read_text(encoding="utf-8"))
    return text_of(path)


def text_of(path: Path) -> PolicyText:
    """A file that somebody names. Raises PolicyInvalid when it cannot be read."""
    try:
        return PolicyText(str(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PolicyInvalid(f"{path}: cannot be read: {why}") from None


def settings_of(policy: BaseModel) -> tuple[PolicySetting, ...]:
    """A policy as the event tells it, one whole number a figure: `waves.1` is a list's first; yes is 1, no is 0."""
    found: list[PolicySetting] = []
    _flatten(policy.model_dump(mode="json"), "", found)
    return tuple(found)


def _flatten(value: Any, code: str, found: list[PolicySetting]) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            _flatten(inner, f"{code}.{name}" if code else name, found)
    elif isinstance(value, list):
        for number, inner in enumerate(value, 1):
            _flatten(inner, f"{code}.{number}", found)
    elif isinstance(value, int):
        found.append(PolicySetting(code=code, value=int(value)))
    else:
        raise TypeError(f"{code}: a figure is a whole number, yes or no, or a list of whole numbers; not {value!r}")


def _nested(settings: tuple[PolicySetting, ...]) -> dict[str, Any]:
    root: dict[str, Any] = {}
    for setting in settings:
        *parents, last = setting.code.split(".")
        at = root
        for parent in parents:
            at = at.setdefault(parent, {})
        at[last] = setting.value
    listed: dict[str, Any] = _with_lists(root)
    return listed


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {name: _with_lists(one) for name, one in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner


def _known(model: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in values.items():
        if name in model.model_fields:
            annotation = model.model_fields[name].annotation
            nested = isinstance(annotation, type) and issubclass(annotation, BaseModel) and isinstance(value, dict)
            kept[name] = _known(annotation, value) if nested else value  # type: ignore[arg-type]
    return kept


class _Document:
    """A policy file with the line of everything in it. Raises PolicyInvalid for what is no YAML mapping."""

    def __init__(self, text: PolicyText) -> None:
        self._name = text.name
        self._lines: dict[Path_, int] = {}
        try:
            node = yaml.compose(text.text, Loader=yaml.SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f", line {mark.line + 1}" if mark is not None else ""
            raise PolicyInvalid(f"{self._name}{where}: not YAML: {getattr(error, 'problem', error)}") from None
        values = {} if node is None else self._value(node, ())
        if not isinstance(values, dict):
            raise PolicyInvalid(f"{self._name}, line 1: a policy file has a section for each of {', '.join(SERVICES)}")
        self._values: dict[str, Any] = values

    def section(self, service: str) -> Any:
        """What stands under the service's name; nothing, or an empty section, is all defaults."""
        section = self._values.get(service)
        return {} if section is None else section

    def check_sections(self) -> None:
        """Every section is a service's, so that a misspelt one does not go unheard."""
        wrong = [name for name in self._values if name not in SERVICES]
        if wrong:
            told = [f"{self._at((name,))}: there is no section {name!r}{_like(name, SERVICES)}" for name in wrong]
            raise PolicyInvalid("\n".join(told))

    def told(self, service: str, model: type[BaseModel], error: Any) -> str:
        """One wrong figure: file, line, its name, what stands there, and what is allowed."""
        where: Path_ = (service, *error["loc"])
        if error["type"] == "impossible":
            where = (service, error["ctx"]["field"])
        code = ".".join(str(one + 1 if isinstance(one, int) else one) for one in where)
        if error["type"] == "extra_forbidden":
            known = _fields_at(model, where[1:-1])
            return f"{self._at(where)}: {code}: there is no such figure{_like(str(where[-1]), known)}"
        stands = _at(self._values, where)
        value = "" if stands is _MISSING or isinstance(stands, dict) else f" = {json.dumps(stands, default=str)}"
        return f"{self._at(where)}: {code}{value}: {error['msg'][:1].lower()}{error['msg'][1:]}"

    def _at(self, where: Path_) -> str:
        while where and where not in self._lines:
            where = where[:-1]
        return f"{self._name}, line {self._lines[where]}" if where in self._lines else self._name

    def _value(self, node: yaml.Node, where: Path_) -> Any:
        self._lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(one, (*where, number)) for number, one in enumerate(node.value)]
        return yaml.SafeLoader("").construct_object(node)

    def _mapping(self, node: yaml.MappingNode, where: Path_) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in found:
                line = f"{self._name}, line {key.start_mark.line + 1}"
                first = self._lines[(*where, name)]
                raise PolicyInvalid(f"{line}: {'.'.join(map(str, (*where, name)))} stands in line {first} already")
            self._lines[(*where, name)] = key.start_mark.line + 1
            found[name] = self._value(value, (*where, name))
        return found


def _at(values: Any, where: Path_) -> Any:
    for one in where:
        try:
            values = values[one]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return values


def _fields_at(model: type[BaseModel], where: Path_) -> list[str]:
    for name in where:
        field = model.model_fields.get(str(name))
        annotation = field.annotation if field is not None else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return []
        model = annotation
    return list(model.model_fields)


def _like(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}" if known else ""


def changed(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, tuple[int | None, int | None]]:
    """Code → (before, after) of every figure that differs; None where it did not, or does not, exist."""
    return {
        code: (before.get(code), after.get(code))
        for code in sorted({*before, *after})
        if before.get(code) != after.get(code)
    }
