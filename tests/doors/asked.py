"""What may be asked, as the services' own OpenAPI documents say it: every test here meets a new route at birth."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from servicekit.examples import example
from tests.doors.doors import NAMES, Doors

SOMEBODY = "0199a0c0-0000-7000-8000-000000000001"

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Operation:
    """One method at one address of one service."""

    service: str
    method: str
    path: str
    document: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    @property
    def parameters(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.document.get("parameters", [])
        return found

    @property
    def is_command(self) -> bool:
        return any(each["name"] == "Idempotency-Key" for each in self.parameters)

    @property
    def is_query(self) -> bool:
        return self.method == "GET" and any(each["name"] == "After" for each in self.parameters)

    @property
    def example(self) -> Any:
        """The example body; an empty object where none is taken."""
        return self.document.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example", {})

    def queried(self) -> Iterator[str]:
        """The names of its query parameters."""
        return (each["name"] for each in self.parameters if each["in"] == "query")

    def url(self, **values: str) -> str:
        """The address, with somebody's id, or the first allowed value, in each place."""
        url = self.path
        for each in self.parameters:
            if each["in"] == "path":
                schema = each["schema"]
                usual = SOMEBODY if schema.get("format") == "uuid" else str(example(schema, {}, each["name"]))
                if schema.get("type") == "integer":
                    usual = str(schema.get("minimum", 1))
                url = url.replace("{" + each["name"] + "}", values.get(each["name"], usual))
        return url


def operations(doors: Doors, service: str) -> list[Operation]:
    return [
        Operation(service, method.upper(), path, document)
        for path, methods in doors.openapi(service)["paths"].items()
        for method, document in methods.items()
    ]


def commands(doors: Doors) -> list[Operation]:
    """Every command of every service."""
    found = [each for service in NAMES for each in operations(doors, service) if each.is_command]
    assert len(found) > 40
    return found


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place of a body that holds no other, with what it holds."""
    match value:
        case dict():
            for name, inner in value.items():
                yield from leaves(inner, (*path, name))
        case list():
            for index, inner in enumerate(value):
                yield from leaves(inner, (*path, index))
        case _:
            yield path, value


def with_other(body: Any, path: Path, value: Any) -> Any:
    """The body with another value in one place."""
    changed = copy.deepcopy(body)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


def pointer(path: Path) -> str:
    return "".join(f"/{step}" for step in path)
