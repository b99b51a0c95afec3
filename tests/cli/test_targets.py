"""A year held against the design: what is near enough, what is not, and what cannot be told yet."""

from collections import Counter

import pytest

from cli.seed.community import generate
from cli.seed.targets import Target, Year, compare


def lived() -> Year:
    """A year exactly as the design wants it."""
    events = {
        "VolunteerActivated": 3_966, "PersonRegistered": 4_925, "OrderPlaced": 5_600,
        "CompletionConfirmed": 4_736, "CompletionPresumed": 80,
        "OrderMerged": 112, "VolunteerNoShowRecorded": 84, "ResidentAbsentRecorded": 56, "WelfareCheckRaised": 5,
    }  # fmt: skip
    scores = {5: 2_090, 4: 597, 3: 179, 2: 90, 1: 30}
    return Year(Counter(events), inquiries=1_680, phone_or_proxy=2_156, scores=Counter(scores))


def by_name(year: Year, states: dict[str, int]) -> dict[str, Target]:
    return {target.what: target for target in compare(year, states, generate("full"))}


def test_a_year_as_designed_meets_every_figure_that_can_be_counted():
    states = {"CLOSED": 4_816, "MERGED": 112, "CANCELLED": 280, "REFUSED": 168, "UNFULFILLED": 224}
    targets = by_name(lived(), states)
    missed = [what for what, target in targets.items() if target.met is False]
    assert missed == []
    assert targets["completed"].outcome == 86.0
    assert targets["of the completed: rated"].outcome == pytest.approx(62, abs=0.1)
    assert targets["unfulfilled"].to_json() == {
        "what": "unfulfilled", "target": 4, "outcome": 4.0, "unit": "%", "met": True, "note": "",
    }  # fmt: skip


def test_a_figure_that_is_off_is_said_to_be_off():
    targets = by_name(lived(), {"CANCELLED": 560})
    assert (targets["cancelled"].outcome, targets["cancelled"].met) == (10.0, False)


def test_what_is_not_built_has_no_outcome_and_is_never_met():
    targets = by_name(lived(), {})
    assert targets["activities"].outcome is None
    assert targets["activities"].met is None
    assert targets["activities"].note == "not built yet"
