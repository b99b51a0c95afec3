"""Every refusal has a sentence in both tongues, and every sentence a rule that uses it."""

import ast
import re
from pathlib import Path

import pytest

import services.volunteers
from servicekit.problems import SHARED_SENTENCES
from services.volunteers.app import definition
from services.volunteers.decider import hours
from services.volunteers.decider.hours import ENTRY_TOO_LONG, OVERLAP
from services.volunteers.decider.lifecycle import TEAM_LIFECYCLE, VOLUNTEER_LIFECYCLE
from services.volunteers.decider.records import RECORD_LIFECYCLE
from services.volunteers.decider.stars import STAR_LIFECYCLE
from services.volunteers.refusals import CONSTRAINTS, REFUSALS

LIFECYCLES = (VOLUNTEER_LIFECYCLE, TEAM_LIFECYCLE, hours.LIFECYCLE, STAR_LIFECYCLE, RECORD_LIFECYCLE)
ROOM = Path(services.volunteers.__file__).parent


def codes_raised() -> set[str]:
    found = {
        code
        for lifecycle in LIFECYCLES
        for row in lifecycle.rows
        for state in lifecycle.states
        if (code := lifecycle.refusal(row.command, state)) is not None
    }
    found |= {f"{cause}_not_approvable" for cause in (ENTRY_TOO_LONG, OVERLAP)} | set(CONSTRAINTS.values())
    for file in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "Refused" or not node.args:
                continue
            if isinstance(node.args[0], ast.Constant):
                found.add(str(node.args[0].value))
    return found


def test_every_code_has_a_sentence_and_every_sentence_a_use():
    assert codes_raised() - set(SHARED_SENTENCES) == set(REFUSALS)


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_sentence_is_kind_and_in_both_tongues(code: str):
    status, chinese, english = REFUSALS[code]
    assert status in {403, 404, 409, 422}
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert english.endswith(".")
    assert not re.search("请|非法|无效|错误", chinese)


def test_every_constraint_is_one_of_the_tables():
    tables = {name: table for model in definition.read_models for name, table in model.metadata.tables.items()}
    named = {constraint.name for table in tables.values() for constraint in table.constraints}
    written = " ".join(line for model in definition.read_models for line in model.ddl)
    for constraint in CONSTRAINTS:
        table = constraint.removesuffix("_pkey")
        assert constraint in named or constraint in written or table in tables
