"""How one event is told: when it happened, who did it and why, for every event there is."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cli.output import event_line, local
from cli.story import DEADLINES, Step
from contracts.envelope import decode

EXAMPLES = sorted((Path(__file__).parents[2] / "contracts" / "examples").rglob("*.json"))


def told(path: Path) -> Step:
    body = path.read_bytes()
    return Step(decode(json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()), "")


def times_of(step: Step) -> dict[str, datetime]:
    values = {name: getattr(step.recorded.event, name) for name in type(step.recorded.event).model_fields}
    return {name: value for name, value in values.items() if isinstance(value, datetime)}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_event_can_be_told(path):
    step = told(path)
    chinese, english = step.meaning.split(" — ")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in chinese)
    assert english
    happened = {value for name, value in times_of(step).items() if name.endswith("_at") and name not in DEADLINES}
    assert step.happened_at in (happened or {step.recorded.recorded_at})
    assert step.who == "SYSTEM" or step.who.split(maxsplit=1)[1]
    assert chinese in event_line(step.recorded)


def test_there_are_examples_to_tell():
    assert len(EXAMPLES) > 50


def test_a_moment_is_told_as_people_in_tianjin_read_it():
    assert local(datetime(2026, 11, 9, 16, 30, tzinfo=UTC)) == "2026-11-10 00:30:00"
