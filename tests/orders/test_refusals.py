"""Every refusal has a sentence in both tongues, and every sentence a rule that uses it."""

import ast
import re
from pathlib import Path

import pytest

import services.orders
from contracts.orders import OrderState
from servicekit.problems import SHARED_SENTENCES
from services.orders.decider.dispute_state import TABLE as DISPUTE
from services.orders.decider.follow_up_state import TABLE as FOLLOW_UP
from services.orders.decider.lifecycle import LIFECYCLE
from services.orders.decider.welfare_check import TABLE as CHECK
from services.orders.read_models.own import OrdersModel
from services.orders.refusals import CONSTRAINTS, REFUSALS

ROOM = Path(services.orders.__file__).parent


def codes_raised() -> set[str]:
    found = set(CONSTRAINTS.values())
    for row in LIFECYCLE:
        found |= {code for state in (None, *OrderState) if (code := row.refusal(state)) is not None}
    for table in (FOLLOW_UP, DISPUTE, CHECK):
        for line in table.lines:
            found |= {code for state in (None, *table.states) if (code := line.refusal(state)) is not None}
    for file in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if called == "Refused" or (called == "append" and file.name in {"fitness.py", "dispatching.py"}):
                first = node.args[0]
                said = (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,)
                found |= {one.value for one in said if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    return found


def test_every_code_has_a_sentence_and_every_sentence_a_use() -> None:
    assert codes_raised() - set(SHARED_SENTENCES) == set(REFUSALS)


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_a_sentence_is_kind_and_in_both_tongues(code: str) -> None:
    status, chinese, english = REFUSALS[code]
    assert status in {403, 404, 409, 422, 429}
    assert re.search(r"[\u4e00-\u9fff]", chinese)
    assert english.endswith(".")
    assert not re.search("请|非法|无效|错误", chinese)


def test_every_constraint_is_one_of_the_tables() -> None:
    named = {constraint.name for table in OrdersModel.metadata.tables.values() for constraint in table.constraints}
    written = " ".join(OrdersModel.ddl)
    for constraint in CONSTRAINTS:
        assert constraint in named or constraint in written
