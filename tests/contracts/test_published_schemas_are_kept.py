"""A published schema changes only by gaining optional fields; whatever else is tried is refused, with the way out."""

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts import generate
from contracts.event import EVENTS, Code, Count, Event, Part, upcasts
from contracts.generator.compatibility import incompatibilities
from contracts.generator.schemas import event_schema
from contracts.orders import OrderDispatched

PATH = "schemas/orders/OrderDispatched/1.json"
PUBLISHED = event_schema(OrderDispatched)
Change = Callable[[dict[str, Any]], Any]


def _offer(schema: dict[str, Any]) -> dict[str, Any]:
    offer: dict[str, Any] = schema["properties"]["offers"]["items"]
    return offer


def _rename(schema: dict[str, Any]) -> None:
    schema["properties"]["round"] = schema["properties"].pop("wave")
    schema["required"] = ["round" if name == "wave" else name for name in schema["required"]]


INCOMPATIBLE: dict[str, tuple[Change, str]] = {
    "removed": (lambda s: (s["properties"].pop("wave"), s["required"].remove("wave")), "wave: was removed"),
    "renamed": (_rename, "wave: was removed"),
    "renamed to a required one": (_rename, "round: is new and required"),
    "retyped": (lambda s: s["properties"]["wave"].update(type="string"), "wave: type was 'integer'"),
    "reformatted": (lambda s: s["properties"]["order_id"].pop("format"), "order_id: format was 'uuid'"),
    "newly required": (
        lambda s: s["required"].append("next_due_at"),
        "next_due_at: was optional and would be required",
    ),
    "new and required": (
        lambda s: (s["properties"].update(until={"type": "string"}), s["required"].append("until")),
        "until: is new and required",
    ),
    "no longer required": (lambda s: s["required"].remove("wave"), "wave: was always there"),
    "list narrowed": (lambda s: s["properties"]["state"]["enum"].remove("OPEN"), "state: lost the value 'OPEN'"),
    "list widened": (lambda s: s["properties"]["state"]["enum"].append("LOST"), "state: got the value 'LOST'"),
    "list opened": (lambda s: s["properties"]["state"].pop("enum"), "state: was a fixed list"),
    "open list narrowed": (
        lambda s: s["properties"]["role"]["x-extensible-enum"].remove("SYSTEM"),
        "role: lost the value 'SYSTEM'",
    ),
    "bound moved in": (lambda s: s["properties"]["wave"].update(maximum=9), "wave: maximum was 10000 and would be 9"),
    "bound moved out": (lambda s: s["properties"]["wave"].update(maximum=99999), "wave: maximum was 10000"),
    "bound added": (lambda s: s["properties"]["order_no"].update(maxLength=4), "order_no: maxLength was absent"),
    "pattern changed": (lambda s: s["properties"]["order_no"].update(pattern="^[0-9]{9}$"), "order_no: pattern was"),
    "fewer items": (lambda s: s["properties"]["offers"].update(maxItems=3), "offers: maxItems was 50"),
    "default changed": (lambda s: _offer(s)["properties"]["score"].update(default=5), "offers[].score: default was 0"),
    "nested removed": (lambda s: _offer(s)["properties"].pop("score"), "offers[].score: was removed"),
    "nested required": (lambda s: _offer(s)["required"].append("score"), "offers[].score: was optional"),
    "nested retyped": (
        lambda s: _offer(s)["properties"]["reasons"]["items"].update(type="integer"),
        "offers[].reasons[]",
    ),
    "audience narrowed": (lambda s: s.update({"x-audience": "internal"}), "x-audience was 'partner'"),
    "audience gone": (lambda s: s.pop("x-audience"), "x-audience was 'partner'"),
    "closed to unknown fields": (lambda s: s.update(additionalProperties=False), "additionalProperties was absent"),
}
COMPATIBLE: dict[str, Change] = {
    "nothing": lambda s: None,
    "audience widened": lambda s: s.update({"x-audience": "public"}),
    "an optional field": lambda s: s["properties"].update(tier={"type": "integer", "minimum": 0, "maximum": 9}),
    "an optional nested field": lambda s: _offer(s)["properties"].update(tier={"type": "boolean", "default": False}),
    "another order": lambda s: s.update(
        required=s["required"][::-1], properties=dict(reversed(s["properties"].items()))
    ),
    "words": lambda s: (
        s.update(description="派单 — other words."),
        s["properties"]["wave"].update(description="Which."),
    ),
    "an open list grown": lambda s: s["properties"]["role"]["x-extensible-enum"].append("NURSE"),
}


def _changed(change: Change) -> dict[str, Any]:
    schema = copy.deepcopy(PUBLISHED)
    change(schema)
    return schema


@pytest.mark.parametrize("name", INCOMPATIBLE)
def test_an_incompatible_change_is_refused(name: str) -> None:
    change, complaint = INCOMPATIBLE[name]
    found = incompatibilities(PUBLISHED, _changed(change))
    assert any(each.startswith(complaint) for each in found), found
    said = generate.refusals({PATH: PUBLISHED}, {PATH: _changed(change)})
    assert any("orders/OrderDispatched/1" in each and "make version 2 and an upcaster from 1" in each for each in said)


@pytest.mark.parametrize("name", COMPATIBLE)
def test_a_compatible_change_passes(name: str) -> None:
    assert incompatibilities(PUBLISHED, _changed(COMPATIBLE[name])) == []


def test_a_field_that_came_later_may_not_go_again() -> None:
    later = _changed(COMPATIBLE["an optional field"])
    assert incompatibilities(later, PUBLISHED) == ["tier: was removed"]


@pytest.fixture
def on_disk(tmp_path: Path) -> Path:
    """A copy of everything generated, to change at will."""
    root = tmp_path / "contracts"
    outcome = generate.run(check=False, contracts=root, golden=tmp_path / "golden")
    assert outcome.refused == []
    return root


def _run(root: Path, *, check: bool, unreleased: bool = False) -> generate.Outcome:
    return generate.run(check=check, unreleased=unreleased, contracts=root, golden=root.parent / "golden")


def _files(root: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in root.parent.rglob("*") if path.is_file()}


def test_what_was_just_written_is_current(on_disk: Path) -> None:
    assert _run(on_disk, check=True) == generate.Outcome()


def test_a_class_that_breaks_its_schema_on_disk_is_refused_and_nothing_is_written(on_disk: Path) -> None:
    published = json.loads((on_disk / PATH).read_bytes())
    published["properties"]["colour"] = {"type": "string"}  # as if the class had had it when it was published
    (on_disk / PATH).write_text(json.dumps(published))
    before = _files(on_disk)
    for check in (True, False):
        outcome = _run(on_disk, check=check)
        assert [each for each in outcome.refused if "colour: was removed" in each]
        assert not outcome.stale
        assert not outcome.written
    assert _files(on_disk) == before


def test_before_a_release_it_may_be_changed_on_purpose(on_disk: Path) -> None:
    (on_disk / PATH).write_text(json.dumps({**PUBLISHED, "x-audience": "public"}))
    assert _run(on_disk, check=False, unreleased=True).written == [PATH]
    assert _run(on_disk, check=True) == generate.Outcome()


def test_stale_missing_and_left_over_files_are_noticed_and_put_right(on_disk: Path) -> None:
    (on_disk / "CATALOGUE.md").write_text("old words")
    (on_disk / "examples/orders/OrderPlaced.json").unlink()
    (on_disk / "examples/orders/TeaServed.json").write_text("{}")
    (on_disk.parent / "golden/orders/OrderPlaced/1.json").unlink()
    expected = ["examples/orders/OrderPlaced.json", "CATALOGUE.md", "examples/orders/TeaServed.json"]
    expected.append("golden orders/OrderPlaced/1.json")
    assert _run(on_disk, check=True).stale == expected
    assert _run(on_disk, check=False).written == expected
    assert _run(on_disk, check=True) == generate.Outcome()


def test_an_event_may_not_disappear(registry: None) -> None:
    del EVENTS["orders", "OrderDispatched"]
    (said,) = generate.refusals({PATH: PUBLISHED}, {})
    assert said.startswith("orders/OrderDispatched/1: published, and no class")


def test_a_golden_event_that_can_no_longer_be_read_is_refused(on_disk: Path) -> None:
    golden = on_disk.parent / "golden/orders/OrderPlaced/1.json"
    golden.write_bytes(golden.read_bytes().replace(b'"slots":1', b'"slots":"one"'))
    assert any("golden orders/OrderPlaced/1.json" in each for each in _run(on_disk, check=True).refused)


@pytest.mark.usefixtures("registry")
class TestANewVersion:
    """Version 2 of an event needs an upcaster from 1, and keeps the schema of 1."""

    def declare(self) -> None:
        class Portion(Part):
            count: Count

        class TeaServed(Event, service="orders", audience="public", version=2):
            """上茶 — tea was served."""

            kind: Code
            portions: tuple[Portion, ...]

        assert EVENTS["orders", "TeaServed"] is TeaServed

    def published(self) -> dict[str, Any]:
        class TeaServed(Event, service="orders", audience="public"):
            """上茶 — tea was served."""

            kind: Code
            cups: Count

        return {"schemas/orders/TeaServed/1.json": event_schema(TeaServed)}

    def test_without_an_upcaster_it_is_refused(self) -> None:
        published = self.published()
        self.declare()
        said = generate.refusals(published, {})
        assert said == ["orders/TeaServed/1: older events cannot be read: an upcaster from version 1 is missing"]

    def test_with_an_upcaster_it_passes_and_the_old_schema_stays(self) -> None:
        published = self.published()
        self.declare()

        @upcasts("TeaServed", from_version=1, service="orders")
        def portions(data: dict[str, Any]) -> dict[str, Any]:
            return {"kind": data["kind"], "portions": [{"count": data["cups"]}]}

        assert generate.refusals(published, {}) == []
        assert generate._kept(published, unreleased=False) == set(published)


def test_what_a_release_has_published_holds_even_before_the_next_one(tmp_path: Path) -> None:
    schema = tmp_path / "contracts" / PATH
    schema.parent.mkdir(parents=True)
    schema.write_text(json.dumps(PUBLISHED))

    def git(*arguments: str) -> None:
        named = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *named, *arguments], check=True, capture_output=True, timeout=240)

    assert generate.published_in_release(tmp_path) == {}, "no repository, no release"
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    assert generate.published_in_release(tmp_path) == {}, "no tag, no release"
    git("tag", "v1.0.0")
    schema.write_text("{}")
    assert generate.published_in_release(tmp_path) == {PATH: PUBLISHED}
