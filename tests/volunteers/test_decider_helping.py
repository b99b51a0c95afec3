"""The rules about a volunteer, given/when/then, and every (state, command) pair."""

from datetime import UTC, date, datetime, timedelta

import pytest

from contracts.command import Role
from contracts.volunteers import AvailabilityException, WeeklySlot
from services.volunteers.commands.helping import VOLUNTEER_COMMANDS
from services.volunteers.decider import helping
from tests.volunteers.examples import ANNA, LEE, NOON, ZHAO, Story, by, volunteer_commands


def story_in(state: str) -> Story:
    """Anna in a state, with a declared skill in haircuts wherever she is registered."""
    commands = volunteer_commands()
    haircut = commands["DeclareSkill"].model_copy(update={"skill": "haircut"})
    registered = (commands["RegisterVolunteer"], haircut)
    ways = {
        "NONE": (),
        "PENDING": registered,
        "ACTIVE": (*registered, commands["VerifyIdentity"]),
        "PAUSED": (*registered, commands["VerifyIdentity"], commands["PauseVolunteer"]),
        "SUSPENDED": (*registered, commands["VerifyIdentity"], commands["SuspendVolunteer"]),
        "WITHDRAWN": (*registered, commands["WithdrawVolunteer"]),
    }
    return Story(helping, *ways[state])


ALWAYS = {
    "DeclareSkill": "SkillDeclared",
    "VerifySkill": "SkillVerified",
    "RecordLicence": "LicenceRecorded",
    "RecordInsurance": "InsuranceRecorded",
    "SetAvailability": "AvailabilitySet",
    "WithdrawVolunteer": "VolunteerWithdrawn",
}
"""Allowed while somebody is a volunteer, in whatever state."""
ANSWERS = {
    "RegisterVolunteer": {"NONE": "VolunteerRegistered", "WITHDRAWN": "VolunteerRegistered"},
    "VerifyIdentity": {"PENDING": "IdentityVerified"},
    "PauseVolunteer": {"ACTIVE": "VolunteerPaused"},
    "ResumeVolunteer": {"PAUSED": "VolunteerResumed"},
    "SuspendVolunteer": {"ACTIVE": "VolunteerSuspended", "PAUSED": "VolunteerSuspended"},
    "ReinstateVolunteer": {"SUSPENDED": "VolunteerReinstated"},
}
REFUSALS = {
    "RegisterVolunteer": "volunteer_registered_already",
    "VerifyIdentity": "identity_verified_already",
    "PauseVolunteer": "not_active",
    "ResumeVolunteer": "not_paused",
    "SuspendVolunteer": "not_suspendable",
    "ReinstateVolunteer": "not_suspended",
}


@pytest.mark.parametrize("name", [command.__name__ for command in VOLUNTEER_COMMANDS])
@pytest.mark.parametrize("state", list(helping.VolunteerState))
def test_every_state_answers_every_command(state, name):
    story, command = story_in(state), volunteer_commands()[name]
    assert story.state.state is state
    if name != "RegisterVolunteer" and state in {"NONE", "WITHDRAWN"}:
        story.refuses(command, "volunteer_unknown" if state == "NONE" else "volunteer_withdrawn")
    elif name in ALWAYS:
        story.when(command).then(ALWAYS[name])
    elif state in ANSWERS[name]:
        story.when(command)
        assert story.events[0].type == ANSWERS[name][state]
    else:
        story.refuses(command, REFUSALS[name])


def test_verifying_the_identity_activates_and_stores_no_number():
    story = story_in("PENDING").when(volunteer_commands()["VerifyIdentity"])
    assert story.then("IdentityVerified", "VolunteerActivated").volunteer_id == ANNA
    assert set(story.events[0].model_dump()) == {"volunteer_id", "method", "role", "verified_at"}


@pytest.mark.parametrize(
    ("age_years", "consented", "outcome"),
    [
        (None, False, "birth_date_required"),
        (5, True, "too_young"),
        (6, False, "guardian_consent_required"),
        (6, True, (True, True)),
        (9, True, (True, True)),
        (10, True, (True, False)),
        (13, False, "guardian_consent_required"),
        (13, True, (True, False)),
        (14, False, (False, False)),
        (90, False, (False, False)),
    ],
)
def test_age_decides_who_must_consent_and_come_along(age_years, consented, outcome):
    update = {"age_years": age_years, "guardian_consented": consented}
    command = volunteer_commands()["RegisterVolunteer"].model_copy(update=update)
    if isinstance(outcome, str):
        story_in("NONE").refuses(command, outcome)
    else:
        registered = story_in("NONE").when(command).then("VolunteerRegistered")
        assert (registered.guardian_required, registered.accompanied_only) == outcome


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
    for name in ("VerifySkill", "RecordLicence", "RecordInsurance", "SuspendVolunteer"):
        story_in("ACTIVE").refuses(volunteer_commands()[name].model_copy(update=own), "self_verification")
    story_in("PENDING").refuses(volunteer_commands()["VerifyIdentity"].model_copy(update=own), "self_verification")
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
        ({"seconded_by": LEE}, "second_person_required"),
        ({"seconded_by": ANNA}, "self_verification"),
        ({"seconder_entitled": False}, "seconder_not_entitled"),
        ({"suspended_until": NOON}, "time_impossible"),
        ({"reason_code": "declined"}, "declining_is_free"),
    ):
        story_in("ACTIVE").refuses(command.model_copy(update=update), code)
    assert story_in("ACTIVE").when(command).then("VolunteerSuspended").seconded_by == ZHAO


def test_a_rest_ends_in_the_future():
    command = volunteer_commands()["PauseVolunteer"].model_copy(update={"pause_until": NOON})
    story_in("ACTIVE").refuses(command, "time_impossible")


def test_the_examples_name_every_command():
    assert {command.__name__ for command in VOLUNTEER_COMMANDS} == set(volunteer_commands())
