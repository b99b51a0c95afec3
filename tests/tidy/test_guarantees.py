"""Every proof that docs/guarantees.md names is a test that exists."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUARANTEES = ROOT / "docs" / "guarantees.md"


def _tests() -> set[str]:
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.add(node.name)
    return found


def test_every_proof_named_is_a_test():
    named = set(re.findall(r"`(test_\w+)`", GUARANTEES.read_text(encoding="utf-8")))
    assert len(named) > 30
    assert not named - _tests(), f"docs/guarantees.md names tests that are not there: {sorted(named - _tests())}"


def test_every_guarantee_has_a_proof():
    rows = [line for line in GUARANTEES.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    without = [row for row in rows if not row.startswith(("| guarantee", "| What does it not")) and "`test_" not in row]
    assert not without
