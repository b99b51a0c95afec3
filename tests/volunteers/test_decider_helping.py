"""The rules about a volunteer, given/when/then, and every (state, command) pair."""

from datetime import UTC, date, datetime, timedelta

import pytest

from contracts.command import Role
from contracts.event import EVENTS
from contracts.volunteers import AvailabilityException, WeeklySlot
from services.volunteers.commands.helping import VOLUNTEER_COMMANDS
from services.volunteers.decider import helping
from services.volunteers.decider.lifecycle import VOLUNTEER_LIFECYCLE
from tests.volunteers.examples import (
    ANNA,
    BO,
    EXPIRED,
    LEE,
    LICENCE,
    NOON,
    WANG,
    ZHAO,
    Story,
    by,
    volunteer_commands,
)


def story_in(state: str) -> Story:
    """A child called Anna in a state, a guardian's consent, a declared skill and a licence wherever she is registered.

    A child, so that no command meets its refusal for her age alone.
    """
    commands = volunteer_commands()
    haircut = commands["DeclareSkill"].model_copy(update={"skill": "haircut"})
    licence = commands["RecordLicence"].model_copy(update={"licence_id": LICENCE})
    child = commands["RegisterVolunteer"].model_copy(update={"age_years": 8, "consenting_guardian_id": WANG})
    registered = (child, haircut, licence)
    active = (*registered, commands["VerifyIdentity"])
    ways = {
        "NONE": (),
        "PENDING": registered,
        "ACTIVE": active,
        "PAUSED": (*active, commands["PauseVolunteer"]),
        "SUSPENDED": (*active, commands["SuspendVolunteer"]),
        "REJECTED": (*registered, commands["RejectVolunteer"]),
        "WITHDRAWN": (*registered, commands["WithdrawVolunteer"]),
    }
    return Story(helping, *ways[state])


REACHED = {
    "RegisterVolunteer": "PENDING",
    "VerifyIdentity": "ACTIVE",
    "RejectVolunteer": "REJECTED",
    "PauseVolunteer": "PAUSED",
    "ResumeVolunteer": "ACTIVE",
    "SuspendVolunteer": "SUSPENDED",
    "ReinstateVolunteer": "ACTIVE",
    "WithdrawVolunteer": "WITHDRAWN",
}
"""What a command leads to; the others leave the state as it is."""
ELSEWHERE = {
    "RegisterVolunteer": "volunteer_registered_already",
    "VerifyIdentity": "identity_verified_already",
    "RejectVolunteer": "identity_verified_already",
    "PauseVolunteer": "not_active",
    "ResumeVolunteer": "not_paused",
    "SuspendVolunteer": "not_suspendable",
    "ReinstateVolunteer": "not_suspended",
}
TAKEN = {
    "RegisterVolunteer": {"NONE", "REJECTED", "WITHDRAWN"},
    "VerifyIdentity": {"PENDING"},
    "RejectVolunteer": {"PENDING"},
    "PauseVolunteer": {"ACTIVE"},
    "ResumeVolunteer": {"PAUSED"},
    "SuspendVolunteer": {"ACTIVE", "PAUSED"},
    "ReinstateVolunteer": {"SUSPENDED"},
}
LIVING = {"PENDING", "ACTIVE", "PAUSED", "SUSPENDED"}
GONE = {"NONE": "volunteer_unknown", "REJECTED": "volunteer_rejected", "WITHDRAWN": "volunteer_withdrawn"}


@pytest.mark.parametrize("name", [command.__name__ for command in VOLUNTEER_COMMANDS])
@pytest.mark.parametrize("state", list(helping.VolunteerState))
def test_every_state_answers_every_command(state, name):
    story, command = story_in(state), volunteer_commands()[name]
    assert story.state.state is state
    if state in TAKEN.get(name, LIVING):
        story.when(command)
        row = VOLUNTEER_LIFECYCLE.row(type(command))
        assert {event.type for event in story.events} <= set(row.events)
        assert story.events
        assert story.state.state == REACHED.get(name, state)
        assert story.state.state == state or story.state.state in row.leads_to
        assert VOLUNTEER_LIFECYCLE.refusal(type(command), state) is None
    else:
        code = GONE.get(state) or ELSEWHERE[name]
        if name == "RegisterVolunteer":
            code = ELSEWHERE[name]
        story.refuses(command, code)
        assert VOLUNTEER_LIFECYCLE.refusal(type(command), state) == code


def test_every_command_has_a_line_in_the_lifecycle():
    assert [row.command for row in VOLUNTEER_LIFECYCLE.rows] == list(VOLUNTEER_COMMANDS)


def test_verifying_the_identity_activates_and_stores_no_number():
    story = story_in("PENDING").when(volunteer_commands()["VerifyIdentity"])
    assert story.then("IdentityVerified", "VolunteerActivated").volunteer_id == ANNA
    assert set(story.events[0].model_dump()) == {"volunteer_id", "method", "role", "verified_at"}


@pytest.mark.parametrize(
    ("age_years", "outcome"),
    [
        (None, "birth_date_required"),
        (5, "too_young"),
        (6, (True, True)),
        (9, (True, True)),
        (10, (True, False)),
        (13, (True, False)),
        (14, (False, False)),
        (90, (False, False)),
    ],
)
def test_age_decides_who_must_consent_and_come_along(age_years, outcome):
    command = volunteer_commands()["RegisterVolunteer"].model_copy(update={"age_years": age_years})
    if isinstance(outcome, str):
        story_in("NONE").refuses(command, outcome)
    else:
        registered = story_in("NONE").when(command).then("VolunteerRegistered")
        assert (registered.guardian_required, registered.accompanied_only) == outcome


def test_a_child_waits_for_its_guardian_before_it_is_active():
    commands = volunteer_commands()
    child = commands["RegisterVolunteer"].model_copy(update={"age_years": 9})
    story = Story(helping, child)
    story.refuses(commands["VerifyIdentity"], "guardian_consent_required")
    stranger = commands["RecordGuardianConsent"].model_copy(update={"guardian_related": False})
    story.refuses(stranger, "guardian_not_related")
    undated = commands["RecordGuardianConsent"].model_copy(update={"age_years": None})
    story.refuses(undated, "birth_date_required")
    consented = story.when(commands["RecordGuardianConsent"]).then("GuardianConsentRecorded")
    assert (consented.guardian_id, consented.accompanied_only) == (WANG, True)
    story.when(commands["VerifyIdentity"]).then("IdentityVerified", "VolunteerActivated")


def test_a_guardian_who_consents_at_once_does_it_in_the_same_append():
    child = volunteer_commands()["RegisterVolunteer"].model_copy(
        update={"age_years": 12, "consenting_guardian_id": WANG}
    )
    assert Story(helping).when(child).then("VolunteerRegistered", "GuardianConsentRecorded").accompanied_only is False


def test_of_a_grown_up_no_guardian_consents():
    grown = volunteer_commands()["RegisterVolunteer"]
    Story(helping, grown).refuses(volunteer_commands()["RecordGuardianConsent"], "guardian_not_needed")
    guarded = grown.model_copy(update={"consenting_guardian_id": WANG})
    Story(helping).when(guarded).then("VolunteerRegistered")


def test_a_child_that_turned_ten_need_not_be_accompanied_once_its_guardian_consented_again():
    again = volunteer_commands()["RecordGuardianConsent"].model_copy(update={"age_years": 10})
    assert story_in("ACTIVE").when(again).then("GuardianConsentRecorded").accompanied_only is False


def test_a_childs_consent_is_asked_for_again_when_it_comes_back():
    commands = volunteer_commands()
    story = story_in("WITHDRAWN").when(commands["RegisterVolunteer"].model_copy(update={"age_years": 9}))
    story.refuses(commands["VerifyIdentity"], "guardian_consent_required")


def test_no_event_holds_an_age_or_a_birth_date():
    fields = {name for (service, _), event in EVENTS.items() if service == "volunteers" for name in event.model_fields}
    assert not {name for name in fields if "birth" in name or name.startswith("age")}


def test_who_comes_back_keeps_their_number_and_is_verified_again():
    again = volunteer_commands()["RegisterVolunteer"].model_copy(update={"volunteer_no": "9999999999"})
    story = story_in("WITHDRAWN").when(again)
    assert story.then("VolunteerRegistered").volunteer_no == "1234567890"
    assert story.state.state is helping.VolunteerState.PENDING


def test_withdrawing_does_not_shorten_a_suspension():
    commands = volunteer_commands()
    again = commands["RegisterVolunteer"]
    story = story_in("SUSPENDED").when(commands["WithdrawVolunteer"])
    story.refuses(again, "suspended_until")
    story.when(again.model_copy(update={"at": NOON + timedelta(days=30)})).then("VolunteerRegistered")


def test_nobody_verifies_themselves():
    own = {"by": by(ANNA, Role.STATION_MANAGER)}
    for name in ("VerifySkill", "RecordLicence", "RecordTraining", "RecordInsurance", "SuspendVolunteer"):
        story_in("ACTIVE").refuses(volunteer_commands()[name].model_copy(update=own), "self_verification")
    for name in ("VerifyIdentity", "RejectVolunteer"):
        story_in("PENDING").refuses(volunteer_commands()[name].model_copy(update=own), "self_verification")
    story_in("SUSPENDED").refuses(
        volunteer_commands()["ReinstateVolunteer"].model_copy(update=own), "self_verification"
    )


def test_only_a_declared_skill_is_verified_and_a_verified_one_not_declared_down():
    commands = volunteer_commands()
    verify = commands["VerifySkill"]
    story_in("ACTIVE").refuses(verify.model_copy(update={"skill": "welding"}), "skill_not_declared")
    story = story_in("ACTIVE").when(verify)
    story.refuses(verify, "skill_verified_already")
    declare = commands["DeclareSkill"].model_copy(update={"skill": "haircut"})
    story.refuses(declare.model_copy(update={"level": 2}), "skill_verified_already")
    story.when(declare.model_copy(update={"level": 3})).then("SkillDeclared")
    assert story.state.skills["haircut"] == 2


def test_a_licence_counts_through_its_last_day_in_shanghai():
    licence = volunteer_commands()["RecordLicence"].model_copy(update={"expires_on": date(2026, 3, 18)})
    recorded = story_in("ACTIVE").when(licence).then("LicenceRecorded")
    assert recorded.due_at == datetime(2026, 3, 18, 16, 0, tzinfo=UTC)
    yesterday = licence.model_copy(update={"expires_on": date(2026, 3, 17)})
    story_in("ACTIVE").refuses(yesterday, "paper_expired")


def test_free_time_is_sorted_and_neither_empty_nor_doubled():
    command = volunteer_commands()["SetAvailability"]
    late = WeeklySlot(weekday=2, from_minute=720, to_minute=780)
    said = story_in("ACTIVE").when(command.model_copy(update={"weekly": (late, *command.weekly)}))
    assert said.then("AvailabilitySet").weekly == (*command.weekly, late)
    crossing = WeeklySlot(weekday=2, from_minute=700, to_minute=730)
    story_in("ACTIVE").refuses(command.model_copy(update={"weekly": (*command.weekly, crossing)}), "slots_overlap")
    empty = WeeklySlot(weekday=3, from_minute=600, to_minute=600)
    story_in("ACTIVE").refuses(command.model_copy(update={"weekly": (empty,)}), "slot_empty")
    backwards = AvailabilityException(on_date=date(2026, 4, 5), available=True, from_minute=9, to_minute=3)
    story_in("ACTIVE").refuses(command.model_copy(update={"exceptions": (backwards,)}), "slot_empty")


def test_a_suspension_takes_two_entitled_people_an_end_and_a_cause():
    command = volunteer_commands()["SuspendVolunteer"]
    for update, code in (
        ({"reason_code": "offer_declined"}, "declining_is_free"),
        ({"reason_code": "too_often_declining"}, "declining_is_free"),
        ({"reason_code": "unfriendly"}, "cause_unknown"),
        ({"seconded_by": LEE}, "second_person_required"),
        ({"seconded_by": ANNA}, "self_verification"),
        ({"seconder_entitled": False}, "seconder_not_entitled"),
        ({"suspended_until": NOON}, "time_impossible"),
        ({"reason_code": "declined"}, "declining_is_free"),
    ):
        story_in("ACTIVE").refuses(command.model_copy(update=update), code)
    suspended = story_in("ACTIVE").when(command).then("VolunteerSuspended")
    assert (suspended.suspended_by, suspended.seconded_by) == (LEE, ZHAO)


def test_a_suspension_runs_out_by_itself_and_not_before():
    due = volunteer_commands()["ReinstateVolunteer"].model_copy(
        update={"by": by(None, Role.SYSTEM), "at": NOON + timedelta(days=30)}
    )
    early = due.model_copy(update={"at": NOON + timedelta(days=30, seconds=-1)})
    story_in("SUSPENDED").refuses(early, "not_due")
    story = story_in("SUSPENDED").when(due)
    assert story.then("VolunteerReinstated").reason_code is None
    story.refuses(due, "not_suspended")


def test_an_appeal_is_upheld_by_neither_of_the_two_who_suspended():
    upheld = volunteer_commands()["ReinstateVolunteer"].model_copy(update={"reason_code": "appeal_upheld"})
    for person in (LEE, ZHAO):
        own = upheld.model_copy(update={"by": by(person, Role.SOCIAL_WORKER)})
        story_in("SUSPENDED").refuses(own, "another_person_required")
        heard = upheld.model_copy(update={"by": by(None, Role.SYSTEM), "upheld_by": person})
        story_in("SUSPENDED").refuses(heard, "another_person_required")
    another = upheld.model_copy(update={"by": by(BO, Role.SOCIAL_WORKER)})
    story_in("SUSPENDED").when(another).then("VolunteerReinstated")
    heard = upheld.model_copy(update={"by": by(None, Role.SYSTEM), "upheld_by": BO})
    assert story_in("SUSPENDED").when(heard).then("VolunteerReinstated").reason_code == "appeal_upheld"
    unsaid = upheld.model_copy(update={"by": by(None, Role.SYSTEM)})
    story_in("SUSPENDED").refuses(unsaid, "not_due")


def test_a_suspension_does_not_end_a_rest_that_is_not_over():
    commands = volunteer_commands()
    story = story_in("PAUSED").when(commands["SuspendVolunteer"])
    early = commands["ReinstateVolunteer"]
    paused = story.when(early).then("VolunteerReinstated", "VolunteerPaused")
    assert (paused.due_at, story.state.state) == (NOON + timedelta(days=9), "PAUSED")
    over = story_in("PAUSED").when(commands["SuspendVolunteer"])
    late = early.model_copy(update={"at": NOON + timedelta(days=9)})
    over.when(late).then("VolunteerReinstated")
    open_end = story_in("ACTIVE").when(commands["PauseVolunteer"].model_copy(update={"pause_until": None}))
    open_end.when(commands["SuspendVolunteer"]).when(late).then("VolunteerReinstated", "VolunteerPaused")


def test_a_rest_ends_by_itself_at_the_moment_that_was_said():
    due = volunteer_commands()["ResumeVolunteer"].model_copy(
        update={"by": by(None, Role.SYSTEM), "at": NOON + timedelta(days=9)}
    )
    story_in("PAUSED").refuses(due.model_copy(update={"at": NOON + timedelta(days=8)}), "not_due")
    story_in("PAUSED").when(due).then("VolunteerResumed")
    forever = volunteer_commands()["PauseVolunteer"].model_copy(update={"pause_until": None})
    story_in("ACTIVE").when(forever).refuses(due, "not_due")


def test_a_licence_expires_once_and_not_on_its_last_day():
    expire = volunteer_commands()["ExpireLicence"]
    story_in("ACTIVE").refuses(expire.model_copy(update={"at": EXPIRED - timedelta(seconds=1)}), "not_due")
    story = story_in("ACTIVE").when(expire)
    assert story.then("LicenceExpired").licence == "nurse"
    story.refuses(expire, "licence_unknown")


def test_a_renewed_licence_outlives_the_old_one():
    commands = volunteer_commands()
    renewed = commands["RecordLicence"].model_copy(update={"expires_on": date(2027, 12, 31)})
    story = story_in("ACTIVE").when(renewed).when(commands["ExpireLicence"])
    assert [held.due_at.year for held in story.state.licences.values()] == [2027]


def test_a_training_is_over_and_still_counts_when_it_is_recorded():
    training = volunteer_commands()["RecordTraining"]
    tomorrow = training.model_copy(update={"completed_on": date(2026, 3, 19)})
    story_in("ACTIVE").refuses(tomorrow, "training_to_come")
    stale = training.model_copy(update={"completed_on": date(2024, 3, 1), "expires_on": date(2026, 3, 17)})
    story_in("ACTIVE").refuses(stale, "paper_expired")
    last_day = training.model_copy(update={"expires_on": date(2026, 3, 18)})
    assert story_in("ACTIVE").when(last_day).then("TrainingCompleted").training == "safety"


def test_a_rest_ends_in_the_future():
    command = volunteer_commands()["PauseVolunteer"].model_copy(update={"pause_until": NOON})
    story_in("ACTIVE").refuses(command, "time_impossible")


def test_the_examples_name_every_command():
    assert {command.__name__ for command in VOLUNTEER_COMMANDS} == set(volunteer_commands())
