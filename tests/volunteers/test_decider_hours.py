"""The rules about a claim of hours, given/when/then, and every (state, command) pair."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from contracts.command import Role
from contracts.volunteers import HoursClaimEvent
from services.volunteers.commands.hours import CLAIM_COMMANDS
from services.volunteers.decider import hours
from tests.volunteers.examples import (
    ANNA,
    AUDITOR,
    LATER,
    LEE,
    NOON,
    SUN,
    ZHAO,
    Story,
    adjust_hours,
    approve_hours,
    by,
    claim_by_hand,
    claim_hours,
    confirm_hours,
    draw_sample,
    hold_hours,
    log_hours,
    record_sample,
    reject_hours,
    release_hours,
    request_correction,
    void_hours,
)

SECOND = by(LEE, Role.STATION_MANAGER)


def confirmed(minutes: int = 60) -> Story:
    return Story(hours, claim_hours(minutes), confirm_hours())


def held(minutes: int = 60, logged_minutes: int = 450) -> Story:
    """Held because the day would exceed 480 minutes."""
    story = confirmed(minutes).when(log_hours(logged_minutes))
    assert story.then("HoursHeld").reason_code == hours.DAY_TOTAL
    return story


def story_in(state: str) -> Story:
    stories = {
        "NONE": lambda: Story(hours),
        "CLAIMED": lambda: Story(hours, claim_hours()),
        "CONFIRMED": confirmed,
        "HELD": held,
        "LOGGED": lambda: confirmed().when(log_hours()),
        "VOIDED": lambda: (
            confirmed().when(log_hours()).when(request_correction(by(SUN, Role.SUPERVISOR))).when(void_hours())
        ),
        "REJECTED": lambda: Story(hours, claim_hours(), reject_hours()),
    }
    return stories[state]()


COMMANDS = {
    "ClaimHours": claim_hours(),
    "ClaimHoursManually": claim_by_hand(),
    "ConfirmHours": confirm_hours(),
    "LogHours": log_hours(),
    "HoldHours": hold_hours(),
    "ReleaseHours": release_hours(),
    "ApproveHours": approve_hours(),
    "RejectHours": reject_hours(),
    "RequestCorrection": request_correction(),
    "AdjustHours": adjust_hours(),
    "VoidHours": void_hours(),
    "DrawSample": draw_sample(),
    "RecordSample": record_sample(),
}
NEEDS_MORE = {
    # The state allows it, but more is asked; stories of their own bring these about.
    ("HELD", "ConfirmHours"): "confirmed_already",
    ("HELD", "ReleaseHours"): "not_in_dispute",
    ("LOGGED", "AdjustHours"): "correction_unknown",
    ("LOGGED", "VoidHours"): "correction_unknown",
    ("LOGGED", "RecordSample"): "not_drawn",
}


@pytest.mark.parametrize("name", [command.__name__ for command in CLAIM_COMMANDS])
@pytest.mark.parametrize("state", list(hours.ClaimState))
def test_every_state_answers_every_command(state, name):
    story, command = story_in(state), COMMANDS[name]
    assert story.state.state is state
    code = hours.LIFECYCLE.refusal(type(command), state) or NEEDS_MORE.get((state, name))
    if code is not None:
        story.refuses(command, code)
        return
    story.when(command)
    assert story.events
    assert {event.type for event in story.events} <= set(hours.LIFECYCLE.row(type(command)).events)


def test_the_table_has_every_command_once_and_every_event_of_a_claim():
    assert [row.command for row in hours.LIFECYCLE.rows] == list(CLAIM_COMMANDS)
    told = {name for row in hours.LIFECYCLE.rows for name in row.events}
    assert told == {event.__name__ for event in HoursClaimEvent.__args__}


def test_the_readme_shows_this_table():
    readme = Path("services/volunteers/README.md").read_text(encoding="utf-8")
    assert hours.LIFECYCLE.table() in readme, f"put this into the README:\n{hours.LIFECYCLE.table()}"


@pytest.mark.parametrize(
    ("seconds", "counted", "minutes"),
    [(3600, 60, 60), (3659, 61, 60), (3660, 61, 61), (3600, 45, 45), (300, 5, 5)],
)
def test_minutes_are_whole_and_never_rounded_up(seconds, counted, minutes):
    finished_at = NOON + timedelta(seconds=seconds)
    command = claim_hours(finished_at=finished_at, at=finished_at, minutes=counted)
    assert Story(hours).when(command).then("HoursClaimed").minutes == minutes


def test_under_five_minutes_are_claimed_and_rejected_openly():
    rejected = Story(hours).when(claim_hours(4)).then("HoursClaimed", "HoursRejected")
    assert rejected.reason_code == hours.TOO_SHORT


def test_over_twelve_hours_in_one_entry_are_held_and_no_approval_helps():
    Story(hours).when(claim_hours(720)).then("HoursClaimed")
    story = Story(hours).when(claim_hours(721))
    assert story.then("HoursClaimed", "HoursHeld").reason_code == hours.ENTRY_TOO_LONG
    story.refuses(approve_hours(logged_minutes=0), "not_confirmed")
    story.when(confirm_hours()).then("HoursConfirmed")
    story.refuses(approve_hours(logged_minutes=0), "entry_too_long_not_approvable")
    story.when(log_hours()).then()
    story.when(reject_hours()).then("HoursRejected")


def test_impossible_intervals_and_times_are_refused():
    Story(hours).refuses(claim_hours(finished_at=NOON), "interval_impossible")
    Story(hours).refuses(claim_hours(at=NOON), "before_finish")
    Story(hours).refuses(claim_hours(beneficiary_id=ANNA), "own_service")


def test_the_day_is_the_one_on_which_the_service_began_in_shanghai():
    before_midnight = datetime(2026, 3, 18, 15, 59, tzinfo=UTC)
    assert claim_hours(started_at=before_midnight).service_date == date(2026, 3, 18)
    assert claim_hours(started_at=before_midnight + timedelta(minutes=1)).service_date == date(2026, 3, 19)


@pytest.mark.parametrize(
    ("claimed", "presumed", "by_recipient", "grade"),
    [("A", False, True, "A"), ("A", True, False, "B"), ("A", False, False, "B"), ("B", False, True, "B")],
)
def test_grade_a_takes_the_recipients_own_confirmation(claimed, presumed, by_recipient, grade):
    confirm = confirm_hours(presumed=presumed, by_recipient=by_recipient)
    story = Story(hours, claim_hours(grade=claimed)).when(confirm)
    assert story.then("HoursConfirmed").grade == grade
    assert story.when(log_hours()).then("HoursLogged").grade == grade


def test_nobody_confirms_approves_or_rejects_their_own_hours():
    Story(hours, claim_hours()).refuses(confirm_hours(confirmed_by=ANNA), "own_hours")
    held().refuses(approve_hours(by(ANNA, Role.HOURS_AUDITOR)), "own_hours")
    held().refuses(reject_hours(by(ANNA, Role.HOURS_AUDITOR)), "own_hours")


@pytest.mark.parametrize(
    ("logged_minutes", "approvals_required", "type_"),
    [(420, 0, "HoursLogged"), (421, 1, "HoursHeld"), (660, 1, "HoursHeld"), (661, 2, "HoursHeld")],
)
def test_the_days_total_decides_how_many_must_look(logged_minutes, approvals_required, type_):
    last = confirmed(60).when(log_hours(logged_minutes)).then(type_)
    assert last.day_minutes == logged_minutes + 60
    if type_ == "HoursHeld":
        assert (last.reason_code, last.approvals_required) == (hours.DAY_TOTAL, approvals_required)


def test_an_auditor_lifts_the_day_to_twelve_hours():
    story = held()
    approved = story.when(approve_hours(logged_minutes=660)).then("HoursApproved")
    assert (approved.approvals, approved.approvals_required) == (1, 1)
    logged = story.when(log_hours(660)).then("HoursLogged")
    assert (logged.day_minutes, [approval.person_id for approval in logged.approvals]) == (720, [ZHAO])


def test_above_twelve_hours_a_second_person_approves_too():
    story = held(logged_minutes=700)
    story.when(approve_hours(logged_minutes=700)).then("HoursApproved")
    story.when(log_hours(700)).then()
    story.refuses(approve_hours(AUDITOR, 700), "second_person_required")
    approved = story.when(approve_hours(SECOND, 700)).then("HoursApproved")
    assert (approved.approvals, approved.approvals_required) == (2, 2)
    assert len(story.when(log_hours(700)).then("HoursLogged").approvals) == 2


def test_the_auditor_comes_first():
    held().refuses(approve_hours(SECOND), "auditor_first")


def test_a_day_has_no_more_than_1440_minutes():
    story = held(60, 1381)
    facts = story.refuses(approve_hours(logged_minutes=1381), "day_over_maximum")
    assert facts == {"day_minutes": 1441, "minutes_max": 1440}
    story.when(approve_hours(logged_minutes=1380)).when(approve_hours(SECOND, 1380))
    story.when(log_hours(1381)).then()
    story.when(log_hours(1380)).then("HoursLogged")


def test_an_overlap_is_held_and_no_approval_helps_while_it_lasts():
    other = UUID(int=77)
    story = confirmed().when(log_hours(overlaps=other))
    assert story.then("HoursHeld").reason_code == hours.OVERLAP
    story.refuses(approve_hours(overlaps=other), "overlap_not_approvable")
    story.when(log_hours(overlaps=other)).then()
    story.when(approve_hours(logged_minutes=0)).then("HoursApproved")
    story.when(log_hours()).then("HoursLogged")


def test_what_is_logged_repeats_the_claim_in_full():
    story = confirmed().when(log_hours(30))
    claimed, logged = story.state.claimed.model_dump(), story.then("HoursLogged").model_dump()
    shared = claimed.keys() & logged.keys()
    assert {name: logged[name] for name in shared} == {name: claimed[name] for name in shared}
    assert (logged["day_minutes"], logged["logged_at"]) == (90, LATER)


def test_the_examples_name_every_command():
    assert {command.__name__ for command in CLAIM_COMMANDS} == set(COMMANDS)
