"""The audit finds nothing in a history that keeps the rules, and each thing that was done to it otherwise."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from cli.audit.lifecycle import CHANGES
from cli.audit.run import breaches
from contracts.orders import OrderEvent, OrderState
from tests.cli.audit.histories import HELPER, LEADER, REVIEWER, STATION, History, moment
from tests.cli.audit.stories import FIRST, SECOND, good


def found(history: History, open_allowed: bool = False) -> list[str]:
    return list(breaches(history.recorded(), open_allowed=open_allowed))


def test_a_history_that_keeps_the_rules_has_no_breach():
    assert found(good()) == []


def late(history: History) -> None:
    """Much else is recorded while the first follow-up waits for its call."""
    history.find("FollowUpContacted")["contacted_at"] = moment(9_000)
    said = history.said
    place = next(at for at, one in enumerate(said) if one.type == "FollowUpContacted")
    history.said = said[:place]
    for number in range(30):
        asked = {"due_at": None, "inquired_at": moment(2_000 + number)}
        history.say("orders", "InquiryRecorded", f"inquiry-{number}", STATION, **asked)
    history.said += said[place:]


def never_answered(history: History) -> None:
    """Two ask for a correction, nobody answers, and much else is recorded."""
    history.drop("HoursAdjusted")
    for number in range(30):
        registered = {"registered_at": moment(12_000 + number)}
        history.say("volunteers", "PersonRegistered", f"person-{number}", STATION, **registered)


def promised_elsewhere(history: History) -> None:
    """The first service goes on while its volunteer promises the same time again."""
    history.drop("ServiceFinished")
    history.find("OrderAccepted", 1).update(busy_from=moment(60), busy_until=moment(70))


def change(event_type: str, number: int = 0, **values: object) -> Callable[[History], None]:
    def tamper(history: History) -> None:
        history.find(event_type, number).update({name: _plain(value) for name, value in values.items()})

    return tamper


def _plain(value: object) -> object:
    return value if value is None or isinstance(value, int | str | list | bool) else str(value)


def dropped(event_type: str) -> Callable[[History], None]:
    return lambda history: history.drop(event_type)


def twice(event_type: str) -> Callable[[History], None]:
    return lambda history: history.twice(event_type)


def acted_by_system(event_type: str) -> Callable[[History], None]:
    def tamper(history: History) -> None:
        next(said for said in history.said if said.type == event_type).actor = None

    return tamper


TAMPERED = {
    # orders, their states and ends
    "placed twice": (twice("OrderPlaced"), "was placed before"),
    "never placed": (dropped("OrderPlaced"), "was never placed"),
    "begun elsewhere": (change("OrderPlaced", state="OPEN"), "a new order is OPEN"),
    "a state left out": (dropped("CompletionConfirmed"), "goes from SERVED to RATED"),
    "another state": (change("ServiceStarted", state="SERVED"), "goes from ACCEPTED to SERVED"),
    "an end left out": (dropped("OrderClosed"), "is RATED at the end"),
    "not verified": (dropped("OrderVerified"), "is served and was never verified"),
    "nobody's turn": (change("OrderVerified", owner_role=None), "has owner, deadline"),
    "no deadline": (change("OrderVerified", next_due_at=None), "has owner, deadline"),
    "a deadline after the end": (change("OrderClosed", next_due_at=moment(20_000)), "that is CLOSED has a deadline"),
    # slots and time
    "one place too few": (change("OrderVerified", slots=0), "has 1 for 0 slots"),
    "two promises": (promised_elsewhere, "promised one time to"),
    # duties
    "judged by who served": (change("CompletionConfirmed", confirmed_by=HELPER), "who served confirmed it"),
    "rated by who served": (change("OrderRated", rater_id=HELPER), "who served rated it"),
    "rated twice": (twice("OrderRated"), "the order was rated before"),
    "amended late": (change("OrderRatingAmended", amended_at=moment(20_000)), "after more than 7 days"),
    "amends nothing": (change("OrderRatingAmended", supersedes=FIRST), "it supersedes no rating"),
    "called by who served": (change("FollowUpContacted", contacted_by=HELPER), "the reviewer had a part"),
    "given up alone": (change("OrderUnfulfilled", seconded_by="00000000-0000-0000-0000-000000000004"), "alone"),
    "a worry left open": (dropped("WelfareCheckClosed"), "was never closed"),
    "a worry ended by a machine": (acted_by_system("WelfareCheckClosed"), "no person closed it"),
    # deadlines
    "called too late": (late, "contact was due at"),
    # hours
    "claimed twice": (twice("HoursClaimed"), "the claim was made before"),
    "credited twice": (twice("HoursLogged"), "the claim was credited before"),
    "nobody confirmed": (dropped("HoursConfirmed"), "nobody confirmed it"),
    "confirmed by themselves": (change("HoursConfirmed", confirmed_by=HELPER), "they confirmed their own hours"),
    "by hand and alone": (dropped("HoursApproved"), "without a second person"),
    "approved by who entered": (change("HoursApproved", approved_by=LEADER), "who approved served it, entered it"),
    "in two places": (
        change("HoursLogged", 1, started_at=moment(65), finished_at=moment(125)),
        "overlaps the credited",
    ),
    "another day's total": (change("HoursLogged", 1, day_minutes=71), "the day comes to 70 minutes"),
    "too much on a day": (change("HoursLogged", 0, minutes=700), "minutes on one day with 0 approvals"),
    "corrected alone": (change("HoursAdjusted", requested_by="00000000-0000-0000-0000-000000000006"), "who decided"),
    "other minutes than they come to": (change("HoursAdjusted", minutes=51), "the claim comes to 50 minutes"),
    "nobody but the volunteer": (change("HoursLogged", 0, order_id=SECOND.hex[:-1] + "f"), "nobody but the volunteer"),
    "corrected never": (never_answered, "was due for an answer"),
    # the ledger
    "an entry left out": (dropped("EntryReversed"), "must come to"),
    "an entry twice": (twice("EntryPosted"), "must come to"),
    "an entry of nothing": (change("EntryPosted", source_event_id=FIRST), "come from no credit"),
    # people
    "suspended alone": (change("VolunteerSuspended", seconded_by=None), "one person suspended somebody alone"),
    "suspended by one": (change("VolunteerSuspended", seconded_by=REVIEWER), "one person suspended somebody alone"),
    "a star not reached": (dropped("StarThresholdReached"), "the minutes had not reached it"),
    "put themselves forward": (change("StarNominated", nominated_by=HELPER), "they put themselves forward"),
    "shown by who nominated": (change("StarPublicized", publicized_by=LEADER), "who put it forward showed it"),
    "awarded by who nominated": (change("StarAwarded", awarded_by=LEADER), "who put it forward awarded it"),
    "awarded early": (change("StarAwarded", awarded_at=moment(7_000)), "its publicity was not over"),
    "awarded below": (change("StarAwarded", counted_minutes=5_999), "below its level"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_breaks_a_rule_is_found(what):
    tamper, expected = TAMPERED[what]
    history = good()
    tamper(history)
    assert any(expected in breach for breach in found(history)), found(history)


def test_what_may_still_be_under_way_is_no_breach_where_that_is_allowed():
    history = good()
    history.drop("OrderClosed")
    assert found(history, open_allowed=True) == []


@pytest.mark.parametrize(("seconds", "breaks"), [(20, True), (600, False)])
def test_a_deadline_may_be_late_by_the_patience_that_failing_services_are_given_and_no_more(seconds, breaks):
    history = good()
    late(history)
    recorded = history.recorded()
    begun = recorded[0].recorded_at
    recorded = [replace(one, recorded_at=begun + timedelta(seconds=at)) for at, one in enumerate(recorded)]
    said = list(breaches(recorded, patience=timedelta(seconds=seconds)))
    assert any("contact was due at" in one for one in said) == breaks, said


def test_every_event_of_an_order_has_its_row():
    known = {one.__name__ for one in OrderEvent.__args__} | {"DisputeResolved", "DisputeAppealed"}
    assert set(CHANGES) | {"OrderPlaced"} == known
    states = {state.value for state in OrderState} | {"same"}
    for sources, targets in CHANGES.values():
        assert set(sources.split()) | set(targets.split()) <= states
