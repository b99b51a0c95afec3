"""The house is kept: every tracked file obeys tests/tidy/rules.py, and the walls know every package."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.tidy import rules

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tracked() -> dict[str, str]:
    """Each tracked text file that is still there, with its text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [path for path in listed.split("\0") if path and (ROOT / path).is_file()]
    return {path: (ROOT / path).read_text(encoding="utf-8", errors="replace") for path in paths}


@pytest.mark.parametrize("rule", rules.FILE_RULES, ids=lambda rule: rule.__name__)
def test_every_file_obeys(rule: rules.Rule, tracked: dict[str, str]) -> None:
    problems = [
        str(problem)
        for path, text in tracked.items()
        if not rules.is_generated(path) or rule in {rules.known_kind, rules.no_address_of_a_machine}
        for problem in rule(path, text)
    ]
    assert not problems, f"{rule.__doc__}\n" + "\n".join(problems)


def test_every_package_has_an_init(tracked: dict[str, str]) -> None:
    assert not [str(problem) for problem in rules.packages_have_an_init(set(tracked))]


def test_every_service_has_its_rooms(tracked: dict[str, str]) -> None:
    assert not [str(problem) for problem in rules.services_have_their_rooms(set(tracked))]


def test_the_walls_and_the_wheel_know_every_package(tracked: dict[str, str]) -> None:
    project = tomllib.loads(tracked["pyproject.toml"])
    there = {package for package in rules.PACKAGES if f"{package}/__init__.py" in tracked}
    assert set(project["tool"]["importlinter"]["root_packages"]) == there
    included = {pattern.rstrip("*") for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert there <= included
    strangers = {
        path.split("/")[0] for path in tracked if path.endswith("/__init__.py")
    } - there - {"tests", "benchmarks", "examples"}  # fmt: skip
    assert not strangers, "a new top-level package belongs into tests/tidy/rules.py, pyproject.toml and the walls"


def test_the_runtime_lock_is_part_of_the_developers_lock(tracked: dict[str, str]) -> None:
    def pinned(name: str) -> set[str]:
        return {line.split(" ")[0] for line in tracked[name].splitlines() if line and not line.startswith((" ", "#"))}

    runtime, development = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert runtime
    assert runtime <= development
