"""Whoever builds a command that goes by figures says by which: a default would be the shipped one, not the adopted."""

import ast
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.command import Command

ROOMS = ("api", "reactions", "timers", "senders")
BY_FIGURES = ("policy", "ages")
UNREAD = {
    "RequestCorrection",
    "RecordSample",
    "LeaveTeam",
    "ConfirmHours",
    "RejectHours",
    "HoldHours",
    "ObjectToStar",
    "DissolveTeam",
}
"""They inherit the field from commands of the same stream, and no rule of theirs reads it."""
FILES = sorted(
    path
    for service in Path("services").iterdir()
    for room in ROOMS
    for path in [service / f"{room}.py", *sorted((service / room).glob("*.py"))]
    if path.exists()
)


def built(path: Path) -> Iterator[tuple[ast.Call, type[Command]]]:
    """Every call that makes a command, with its class."""
    module = importlib.import_module(".".join(path.with_suffix("").parts))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            made = getattr(module, node.func.id, None)
            if inspect.isclass(made) and issubclass(made, Command):
                yield node, made


@pytest.mark.parametrize("path", FILES, ids=map(str, FILES))
def test_a_command_is_built_with_the_adopted_figures(path: Path) -> None:
    for call, command in built(path):
        fields = [] if command.__name__ in UNREAD else [name for name in BY_FIGURES if name in command.model_fields]
        given = {keyword.arg for keyword in call.keywords}
        assert set(fields) <= given or None in given, f"{path}:{call.lineno}: {command.__name__} without its figures"


def test_the_check_sees_commands() -> None:
    assert any(True for path in FILES for _ in built(path))
