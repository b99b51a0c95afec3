"""The walls of pyproject.toml stand: each is broken on purpose in a copy, and import-linter must say so."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INTRUDERS = {
    "services-are-strangers": {"services/lonely/api.py": "import services.other.commands\n"},
    "house": {"contracts/intruder.py": "import eventstore\n"},
    "rooms": {"services/lonely/commands.py": "import services.lonely.app\n"},
    "rooms, exhaustive": {"services/lonely/cellar.py": ""},
    "rules-are-pure": {"services/lonely/decider.py": "import sqlalchemy\n"},
    "rules-are-pure, the engine": {"services/lonely/commands.py": "import eventstore.errors\n"},
    "engine-knows-no-service": {"eventstore/intruder.py": "import contracts.orders\n"},
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product with two small services more."""
    copy = tmp_path_factory.mktemp("house")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for package in project["tool"]["importlinter"]["root_packages"]:
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for service in ("lonely", "other"):
        (copy / "services" / service).mkdir()
        for room in ("__init__", "commands", "app"):
            (copy / "services" / service / f"{room}.py").write_text('"""A room."""\n')
    return copy


def lint(house: Path, contract: str) -> subprocess.CompletedProcess[str]:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--contract", contract, "--no-cache"],
        cwd=house, env={"PYTHONPATH": str(house), "PATH": ""}, capture_output=True, text=True, check=False, timeout=240,
    )  # fmt: skip


@pytest.mark.parametrize("name", INTRUDERS)
def test_a_breach_of_the_wall_is_told(name: str, house: Path) -> None:
    contract = name.split(",", maxsplit=1)[0]
    before = lint(house, contract)
    assert before.returncode == 0, before.stdout + before.stderr
    kept: dict[Path, str | None] = {}
    for path, text in INTRUDERS[name].items():
        target = house / path
        kept[target] = target.read_text() if target.exists() else None
        target.write_text(text)
    try:
        told = lint(house, contract)
    finally:
        for target, old in kept.items():
            if old is None:
                target.unlink()
            else:
                target.write_text(old)
    assert told.returncode == 1, told.stdout + told.stderr
    assert "BROKEN" in told.stdout
