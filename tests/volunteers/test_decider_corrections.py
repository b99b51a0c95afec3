"""Entries by hand, disputes, corrections by two persons, flags and the random check: given, when, then."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command import Role
from services.volunteers.commands.hours import DayFacts, EntryFacts, PresenceFacts, UnusualFacts, drawn
from services.volunteers.commands.words import FlagPolicy, HoursPolicy
from services.volunteers.decider import hours
from tests.volunteers.examples import (
    ANNA,
    ASSIGNMENT,
    AUDITOR,
    BO,
    CORRECTION,
    DIGEST,
    DUE,
    ENTRY,
    LATER,
    LEE,
    NOON,
    ORDER,
    SUN,
    WANG,
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

LEADER = by(BO, Role.TEAM_LEADER)
MANAGER = by(LEE, Role.STATION_MANAGER)
SUPERVISOR = by(SUN, Role.SUPERVISOR)
ANNA_ASKS = by(ANNA, Role.VOLUNTEER)


def by_leader(**changes):
    return confirm_hours(by=LEADER, confirmed_by=BO, by_recipient=False, **changes)


def by_recipient():
    return confirm_hours(by=by(WANG, Role.RESIDENT))


def logged(minutes: int = 60) -> Story:
    return Story(hours, claim_hours(minutes), confirm_hours(), log_hours())


def doubted(asks=SUPERVISOR) -> Story:
    return logged().when(request_correction(asks))


# entries by hand


def test_an_entry_by_hand_takes_a_witness_and_an_approval_by_three_different_people():
    story = Story(hours).when(claim_by_hand())
    claimed, held = story.events
    assert (claimed.grade, claimed.source, claimed.recorded_by, claimed.pair_no) == ("C", "manual", ANNA, 1)
    assert (held.reason_code, held.approvals_required, held.due_at) == (hours.HAND_ENTRY, 1, DUE)
    story.refuses(approve_hours(MANAGER, 0), "not_confirmed")
    story.when(by_leader()).then("HoursConfirmed")
    story.when(log_hours()).then()
    story.refuses(approve_hours(by(BO, Role.STATION_MANAGER), 0), "second_person_required")
    story.refuses(approve_hours(by(ANNA, Role.HOURS_AUDITOR), 0), "own_hours")
    story.when(approve_hours(MANAGER, 0)).then("HoursApproved")
    assert story.when(log_hours()).then("HoursLogged").grade == "C"


def test_whoever_entered_it_neither_confirms_nor_approves_nor_corrects():
    story = Story(hours).when(claim_by_hand(LEADER))
    story.refuses(by_leader(), "second_person_required")
    story.when(by_recipient())
    story.refuses(approve_hours(by(BO, Role.HOURS_AUDITOR), 0), "second_person_required")
    story.when(approve_hours(MANAGER, 0)).when(log_hours()).when(request_correction(SUPERVISOR))
    story.refuses(void_hours(by(BO, Role.HOURS_AUDITOR)), "second_person_required")


@pytest.mark.parametrize(("days", "held_for"), [(7, hours.HAND_ENTRY), (8, hours.LATE_ENTRY), (30, hours.LATE_ENTRY)])
def test_after_a_week_an_auditor_must_approve(days, held_for):
    story = Story(hours).when(claim_by_hand(at=NOON + timedelta(minutes=60, days=days)))
    assert story.events[-1].reason_code == held_for
    story.when(by_leader())
    if held_for == hours.LATE_ENTRY:
        story.refuses(approve_hours(MANAGER, 0), "auditor_first")
        story.when(approve_hours(AUDITOR, 0))
    else:
        story.when(approve_hours(MANAGER, 0))
    story.when(log_hours()).then("HoursLogged")


def test_after_thirty_days_nothing_is_entered_by_hand():
    late = NOON + timedelta(minutes=61, days=30)
    assert Story(hours).refuses(claim_by_hand(at=late), "too_late") == {"days_max": 30}


def test_a_service_closed_without_check_out_is_entered_within_what_orders_recorded():
    presence = PresenceFacts(
        volunteer_id=ANNA,
        order_id=ORDER,
        beneficiary_id=WANG,
        item_code="haircut",
        project_code=None,
        closed_by_itself=True,
        started_at=NOON,
        closed_at=NOON + timedelta(hours=5),
    )
    fields: dict[str, Any] = {
        "assignment_id": ASSIGNMENT,
        "presence": presence,
        "item_code": None,
        "project_code": None,
    }
    claimed = Story(hours).when(claim_by_hand(**fields)).events[0]
    assert (claimed.order_id, claimed.beneficiary_id, claimed.item_code) == (ORDER, WANG, "haircut")
    early: dict[str, Any] = {**fields, "started_at": NOON - timedelta(minutes=1)}
    Story(hours).refuses(claim_by_hand(**early), "outside_presence")
    Story(hours).refuses(claim_by_hand(minutes=301, **fields), "outside_presence")
    Story(hours).refuses(claim_by_hand(**{**fields, "presence": None}), "presence_unknown")
    Story(hours).refuses(claim_by_hand(volunteer_id=BO, **fields), "presence_unknown")
    checked_out = presence.model_copy(update={"closed_by_itself": False})
    Story(hours).refuses(claim_by_hand(**{**fields, "presence": checked_out}), "presence_recorded")


def test_what_is_no_service_is_not_entered():
    Story(hours).refuses(claim_by_hand(volunteer_active=False), "volunteer_unknown")
    Story(hours).refuses(claim_by_hand(beneficiary_id=ANNA), "own_service")
    Story(hours).refuses(claim_by_hand(same_household=True), "same_household")
    Story(hours).refuses(claim_by_hand(item_code=None), "service_unnamed")
    Story(hours).refuses(claim_by_hand(minutes=4), "minutes_out_of_range")
    Story(hours).refuses(claim_by_hand(minutes=721), "minutes_out_of_range")
    Story(hours).refuses(claim_by_hand(at=NOON), "before_finish")


def test_three_pairs_a_project_and_day():
    assert Story(hours).when(claim_by_hand(pairs_taken=(1, 3))).events[0].pair_no == 2
    Story(hours).refuses(claim_by_hand(pairs_taken=(2, 1, 3)), "pairs_over_maximum")


def test_one_person_enters_no_more_than_twenty_a_day():
    Story(hours).when(claim_by_hand(unusual=UnusualFacts(entries_that_day=19)))
    Story(hours).refuses(claim_by_hand(unusual=UnusualFacts(entries_that_day=20)), "recorder_over_limit")


def test_a_service_recorded_afterwards_is_credited_on_the_recipients_word_but_not_on_a_presumption():
    afterwards: dict[str, Any] = {"grade": "C", "recorded_by": BO, "attachment_sha256": DIGEST}
    story = Story(hours, claim_hours(**afterwards), confirm_hours())
    assert story.when(log_hours()).then("HoursLogged").grade == "C"
    recorders_own = confirm_hours(confirmed_by=BO, by_recipient=False)
    for word in (confirm_hours(presumed=True, confirmed_by=None, by_recipient=False), recorders_own):
        story = Story(hours, claim_hours(**afterwards), word)
        assert story.when(log_hours()).then("HoursHeld").reason_code == hours.HAND_ENTRY
        story.refuses(approve_hours(by(BO, Role.HOURS_AUDITOR), 0), "second_person_required")
        story.when(approve_hours(MANAGER, 0)).when(log_hours()).then("HoursLogged")


def test_a_presumed_service_in_which_nobody_else_had_a_hand_waits_for_an_auditor():
    alone = DayFacts(logged_minutes=0, others_took_part=False)
    story = Story(hours, claim_hours(), confirm_hours(presumed=True, confirmed_by=None, by_recipient=False))
    assert story.when(log_hours(day=alone)).then("HoursHeld").reason_code == hours.ONE_PERSON
    story.refuses(approve_hours(MANAGER, 0), "auditor_first")
    story.when(approve_hours(AUDITOR, 0))
    story.when(log_hours(day=alone)).then("HoursLogged")
    confirmed = Story(hours, claim_hours(), confirm_hours())
    confirmed.when(log_hours(day=alone)).then("HoursLogged")


def test_only_entries_by_hand_are_confirmed_here_by_people():
    Story(hours, claim_hours()).refuses(by_recipient(), "confirm_the_order")


# disputes


@pytest.mark.parametrize("confirmed_before", [True, False])
def test_a_dispute_holds_a_claim_whatever_else_happens(confirmed_before):
    story = Story(hours, claim_hours(), *([confirm_hours()] if confirmed_before else []))
    assert story.when(hold_hours()).then("HoursHeld").reason_code == hours.DISPUTED
    if not confirmed_before:
        story.when(confirm_hours()).then("HoursConfirmed")
    story.when(log_hours()).then()
    story.refuses(hold_hours(), "held_already")
    story.refuses(approve_hours(AUDITOR, 0), "in_dispute")
    story.refuses(reject_hours(), "in_dispute")
    story.when(release_hours()).then("HoursLogged")


def test_a_dispute_that_ends_before_the_confirmation_lets_the_claim_wait_for_it():
    story = Story(hours, claim_hours(), hold_hours())
    assert story.when(release_hours()).then("HoursHeld").reason_code == hours.UNCONFIRMED
    story.refuses(release_hours(), "not_in_dispute")
    story.when(confirm_hours())
    story.when(log_hours()).then("HoursLogged")


def test_a_dispute_that_ends_over_the_days_cap_leaves_the_claim_with_the_auditor():
    story = Story(hours, claim_hours(), confirm_hours(), hold_hours())
    held = story.when(release_hours(450)).then("HoursHeld")
    assert (held.reason_code, held.approvals_required) == (hours.DAY_TOTAL, 1)


def test_a_dispute_decided_against_the_volunteer_rejects_the_claim():
    story = Story(hours, claim_hours(), hold_hours())
    story.when(reject_hours(by(None, Role.SYSTEM))).then("HoursRejected")


# corrections


def test_a_correction_names_who_asks_and_is_due_as_given():
    requested = logged().when(request_correction(SUPERVISOR)).then("CorrectionRequested")
    assert (requested.due_at, requested.volunteer_id, requested.requested_by) == (DUE, ANNA, SUN)


def test_two_persons_change_the_minutes_and_both_stand_in_the_event():
    story = doubted()
    adjusted = story.when(adjust_hours(delta=-15)).then("HoursAdjusted")
    assert (adjusted.minutes, adjusted.delta, adjusted.day_minutes) == (45, -15, 45)
    assert (adjusted.requested_by, adjusted.approved_by, adjusted.original_entry) == (SUN, ZHAO, ENTRY)
    story.refuses(adjust_hours(), "correction_answered")
    again = story.when(request_correction(SUPERVISOR, correction_id=UUID(int=7)))
    last = again.when(adjust_hours(delta=15, logged_minutes=45, correction_id=UUID(int=7))).then("HoursAdjusted")
    assert last.minutes == 60


def test_the_minutes_stay_within_the_interval_and_the_limits_of_an_entry():
    story = doubted()
    assert story.refuses(adjust_hours(delta=1), "minutes_out_of_range") == {"minutes_min": 5, "minutes_max": 60}
    story.refuses(adjust_hours(delta=-56), "minutes_out_of_range")
    story.when(adjust_hours(delta=-55)).then("HoursAdjusted")


def test_no_correction_brings_a_day_above_what_an_auditor_may():
    end = NOON + timedelta(hours=1)
    short = Story(hours, claim_hours(minutes=30, finished_at=end, at=end), confirm_hours(), log_hours())
    story = short.when(request_correction(SUPERVISOR))
    story.refuses(adjust_hours(delta=30, logged_minutes=691), "day_over_maximum")
    story.when(adjust_hours(delta=30, logged_minutes=690)).then("HoursAdjusted")


def test_upheld_is_an_answer_too_and_goes_with_no_change_only():
    story = doubted(ANNA_ASKS)
    story.refuses(adjust_hours(delta=0, reason_code="minutes_wrong"), "delta_contradicts_reason")
    story.refuses(adjust_hours(delta=-5, reason_code="upheld"), "delta_contradicts_reason")
    upheld = story.when(adjust_hours(delta=0)).then("HoursAdjusted")
    assert (upheld.delta, upheld.minutes, upheld.reason_code) == (0, 60, "upheld")
    story.refuses(void_hours(), "correction_answered")


def test_minutes_are_taken_back_whole_by_two_persons():
    story = doubted(ANNA_ASKS)
    voided = story.when(void_hours(logged_minutes=100)).then("HoursVoided")
    assert (voided.minutes, voided.day_minutes, voided.requested_by, voided.approved_by) == (60, 40, ANNA, ZHAO)
    story.refuses(void_hours(), "claim_ended")


@pytest.mark.parametrize("answer", [adjust_hours, void_hours])
def test_nobody_answers_alone(answer):
    doubted().refuses(answer(by(SUN, Role.HOURS_AUDITOR)), "second_person_required")
    doubted().refuses(answer(by(ANNA, Role.HOURS_AUDITOR)), "own_hours")
    doubted().refuses(answer(correction_id=UUID(int=5)), "correction_unknown")
    doubted(by(None, Role.SYSTEM)).refuses(answer(), "requester_required")
    doubted().refuses(answer(entry=EntryFacts(answered=False)), "not_posted_yet")
    doubted().when(answer(entry=EntryFacts(answered=True)))


def test_one_answer_closes_every_open_request():
    story = doubted().when(request_correction(ANNA_ASKS, correction_id=UUID(int=9)))
    story.when(adjust_hours())
    story.refuses(adjust_hours(correction_id=UUID(int=9)), "correction_answered")


# flags


@pytest.mark.parametrize(
    ("facts", "flag"),
    [
        ({"entries_within_minute": 4}, "many_in_a_minute"),
        ({"recorder_is_kin": True}, "recorder_is_kin"),
        ({"order_placed_at": NOON - timedelta(minutes=9)}, "soon_after_creation"),
        ({"order_placed_at": LATER - timedelta(minutes=2)}, "soon_after_creation"),
        ({"pair_days": 4}, "same_pair_daily"),
    ],
)
def test_what_is_unusual_is_flagged_and_by_hand_takes_an_auditor(facts, flag):
    story = Story(hours).when(claim_by_hand(unusual=UnusualFacts(**facts)))
    claimed, flagged, _ = story.events
    assert (flagged.flags, flagged.minutes, flagged.recorded_by) == ((flag,), claimed.minutes, ANNA)
    story.when(by_leader()).refuses(approve_hours(MANAGER, 0), "auditor_first")
    story.when(approve_hours(AUDITOR, 0)).when(log_hours()).then("HoursLogged")


def test_what_is_usual_is_not_flagged():
    usual = UnusualFacts(entries_within_minute=3, order_placed_at=NOON - timedelta(minutes=10), pair_days=3)
    assert [event.type for event in Story(hours).when(claim_by_hand(unusual=usual)).events] == [
        "HoursClaimed",
        "HoursHeld",
    ]
    Story(hours).when(claim_hours()).then("HoursClaimed")


def test_a_flag_alone_does_not_hold_a_service_with_good_evidence():
    story = Story(hours).when(claim_hours(unusual=UnusualFacts(pair_days=9)))
    story.then("HoursClaimed", "HoursFlagged")
    story.when(confirm_hours()).when(log_hours()).then("HoursLogged")


def test_the_figures_are_the_communitys_own():
    policy = HoursPolicy(manual_days_max=60, pairs_per_day_max=1, flags=FlagPolicy(pair_days=2))
    late = NOON + timedelta(days=45)
    story = Story(hours).when(claim_by_hand(at=late, policy=policy, unusual=UnusualFacts(pair_days=1)))
    assert story.events[1].flags == ("same_pair_daily",)
    Story(hours).refuses(claim_by_hand(policy=policy, pairs_taken=(1,)), "pairs_over_maximum")


# the random check


def test_a_drawn_claim_is_checked_once_by_somebody_who_had_no_part_in_it():
    story = logged().when(draw_sample())
    sampled = story.then("HoursSampled")
    assert (sampled.result, sampled.month_start, sampled.seed) == ("drawn", date(2026, 3, 1), DIGEST)
    story.refuses(draw_sample(), "sampled_already")
    story.refuses(record_sample(by(ANNA, Role.SUPERVISOR)), "own_hours")
    story.refuses(record_sample(by(WANG, Role.SUPERVISOR)), "second_person_required")
    story.when(record_sample(result="unreachable")).then("HoursSampled")
    answered = story.when(record_sample()).then("HoursSampled")
    assert (answered.result, answered.sampled_by, answered.seed) == ("confirmed", SUN, DIGEST)
    story.refuses(record_sample(), "sampled_already")


def test_a_service_that_the_recipient_does_not_know_of_is_in_question():
    story = logged().when(draw_sample()).when(record_sample(result="not_confirmed"))
    requested = story.then("HoursSampled", "CorrectionRequested")
    assert (requested.cause, requested.requested_by, requested.correction_id) == (
        "sample_not_confirmed",
        SUN,
        CORRECTION,
    )
    story.when(void_hours()).then("HoursVoided")


def test_the_draw_follows_from_the_seed_alone():
    claims = tuple(UUID(int=number) for number in range(101))
    first = drawn(DIGEST, claims, 5)
    assert len(first) == 6
    assert set(first) < set(claims)
    assert drawn(DIGEST, tuple(reversed(claims)), 5) == first
    assert drawn("00" * 32, claims, 5) != first
    assert len(drawn(DIGEST, claims[:1], 5)) == 1
    assert drawn(DIGEST, (), 5) == ()
