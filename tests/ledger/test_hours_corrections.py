"""What two persons corrected is reversed and posted anew, once and in balance, on real PostgreSQL."""

from datetime import timedelta

import pytest

from contracts.envelope import decode
from contracts.ledger import EntryPosted, EntryRefused, EntryReversed
from services.ledger.commands import day_of
from tests.ledger.counter import AS_AUDITOR, Counter, adjusted, logged, voided
from tests.ledger.examples import ANNA, NOON

HOUR = timedelta(hours=1)


async def by_grade(counter: Counter) -> dict[str, int]:
    answer = await counter.read(f"/volunteers/{ANNA}/minutes")
    grades: dict[str, int] = answer["by_grade"]
    assert answer["minutes"] == sum(grades.values())
    return grades


async def test_other_minutes_are_one_pair_of_entries(counter: Counter):
    event = logged(grade="B")
    correction = adjusted(event, -15)
    _, message = await counter.hear(event, correction)
    posted, reversal, corrected = await counter.events()
    assert isinstance(reversal, EntryReversed)
    assert isinstance(corrected, EntryPosted)
    assert (reversal.reverses, reversal.reverses_no, corrected.reverses) == (posted.entry_id, 1, posted.entry_id)
    assert [entry.entry_no for entry in (posted, reversal, corrected)] == [1, 2, 3]
    assert reversal.explanation_commitment == correction.explanation_commitment
    assert (corrected.kind, corrected.reason_code) == ("hours_corrected", "minutes_wrong")
    assert corrected.source_event_id == reversal.source_event_id == decode(message.body).event_id
    assert corrected.effective_date == reversal.effective_date == day_of(correction.adjusted_at)
    for entry in (reversal, corrected):
        assert sum(posting.amount for posting in entry.postings) == 0
    assert await by_grade(counter) == {"A": 0, "B": 45, "C": 0}
    head = await counter.runtime.log.read(1)
    assert len({recorded.causation_id for recorded in head}) == 1


async def test_each_entry_is_reversed_once_however_often_it_is_corrected_or_told(counter: Counter):
    event = logged()
    messages = await counter.hear(event, adjusted(event, -15), adjusted(event, -30))
    await counter.hear_again(messages)
    entries = await counter.events()
    assert [entry.type for entry in entries] == [
        "EntryPosted",
        "EntryReversed",
        "EntryPosted",
        "EntryReversed",
        "EntryPosted",
    ]
    reversed_ones = [entry.reverses for entry in entries if isinstance(entry, EntryReversed)]
    assert len(set(reversed_ones)) == 2
    assert await by_grade(counter) == {"A": 30, "B": 0, "C": 0}


async def test_minutes_taken_back_leave_nothing_and_free_the_time(counter: Counter):
    event = logged()
    await counter.hear(event, voided(event), logged())
    assert await counter.types() == ["EntryPosted", "EntryReversed", "EntryPosted"]
    assert await by_grade(counter) == {"A": 60, "B": 0, "C": 0}


async def test_an_adjusted_entry_can_be_taken_back_too(counter: Counter):
    event = logged()
    await counter.hear(event, adjusted(event, -20), voided(event, minutes=40))
    assert await by_grade(counter) == {"A": 0, "B": 0, "C": 0}
    listed = await counter.read("/entries", *AS_AUDITOR, book="hours")
    assert [entry["reversed_by"] is not None for entry in listed["entries"]] == [True, False, True, False]
    assert listed["entries"][2]["replaces"] == listed["entries"][0]["entry_id"]


async def test_what_is_upheld_changes_no_book(counter: Counter):
    event = logged()
    await counter.hear(event, adjusted(event, 0))
    assert await counter.types() == ["EntryPosted"]


async def test_a_credit_that_was_refused_has_nothing_to_take_back(counter: Counter):
    first, second = logged(), logged()
    await counter.hear(first, second, voided(second))
    assert await counter.types() == ["EntryPosted", "EntryRefused"]
    assert await by_grade(counter) == {"A": 60, "B": 0, "C": 0}


@pytest.mark.parametrize("together", [True, False])
async def test_an_adjusted_credit_that_was_refused_is_tried_again_and_answered(counter: Counter, together: bool):
    first, second = logged(), logged()
    if together:
        await counter.hear(first, second, adjusted(second, -10))
    else:
        for event in (first, second, adjusted(second, -10)):
            await counter.hear(event)
    *_, again = await counter.events()
    assert isinstance(again, EntryRefused)
    assert (again.reason_code, again.claim_id) == ("overlap", second.claim_id)


async def test_the_corrected_minutes_of_one_service_do_not_disturb_the_next(counter: Counter):
    first, second = logged(), logged(start=NOON + HOUR)
    await counter.hear(first, second, adjusted(first, -30), adjusted(second, -5))
    assert await by_grade(counter) == {"A": 85, "B": 0, "C": 0}
    assert not [event for event in await counter.events() if isinstance(event, EntryRefused)]
