"""Every refusal has its sentence in both tongues, and every constraint its code."""

import ast
import re
from pathlib import Path

import pytest

from servicekit.problems import SHARED_SENTENCES
from services import ledger
from services.ledger.read_models.own import LedgerModel
from services.ledger.refusals import CONSTRAINTS, REFUSALS

ROOM = Path(ledger.__file__).parent
BY_DESIGN = {"books_without_gaps", "postings_unit_of_book"}
"""No request can meet these: they guard against a wrong program, and then nobody is told a kind sentence."""
DAYS = {"earliest", "latest", "last_day", "closed_through", "until", "next_on", "fewest", "most"}


def codes_raised() -> set[str]:
    found = set(CONSTRAINTS.values())
    for file in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Refused" and node.args:
                assert isinstance(node.args[0], ast.Constant)
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


def test_every_constraint_that_rules_rely_on_has_its_code():
    tables = LedgerModel.metadata.tables.values()
    named = {str(constraint.name) for table in tables for constraint in table.constraints if constraint.name}
    written = set(re.findall(r"(?:ADD CONSTRAINT|CONSTRAINT TRIGGER) (\w+)", " ".join(LedgerModel.ddl)))
    assert named | written == set(CONSTRAINTS) | BY_DESIGN


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_chinese_tells_no_fact_that_english_lacks_and_every_bound_that_english_tells(code: str):
    _, chinese, english = REFUSALS[code]
    facts, bounds = (set(re.findall(r"{(\w+)}", one)) for one in (chinese, english))
    assert facts <= bounds
    assert bounds & DAYS <= facts, "who reads Chinese alone must know which days are possible"
