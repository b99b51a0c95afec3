"""The rules about a person, given/when/then, and every (state, command) pair."""

from datetime import timedelta
from uuid import UUID

import pytest

from contracts.command import Refused, Role
from services.volunteers.commands.people import PERSON_COMMANDS
from services.volunteers.decider import people
from tests.volunteers.examples import (
    ADMIN,
    ANNA,
    BLOCK,
    BO,
    GRANT,
    LEE,
    MANAGER,
    NOON,
    PROXY,
    RELATION,
    WANG,
    Story,
    by,
    person_commands,
    register_person,
)


def known_wang() -> Story:
    """Wang is registered, an ADMIN's grant, a relation, a proxy and a block behind him."""
    commands = person_commands()
    return Story(
        people,
        commands["RegisterPerson"],
        commands["GrantRole"].model_copy(update={"grant_id": GRANT, "granted_role": Role.SUPERVISOR}),
        commands["DeclareRelation"].model_copy(update={"relation_id": RELATION, "person_b_id": ANNA}),
        commands["AuthoriseProxy"].model_copy(update={"proxy_authorisation_id": PROXY, "proxy_id": ANNA}),
        commands["BlockPerson"].model_copy(update={"block_id": BLOCK, "other_id": LEE}),
    )


def story_in(state: str) -> Story:
    if state == "UNKNOWN":
        return Story(people)
    story = known_wang()
    return story.when(person_commands()["ErasePerson"]) if state == "ERASED" else story


ALLOWED_WHEN_KNOWN = {
    "MovePerson": ("PersonMoved",),
    "BlockPerson": ("PersonBlocked",),
    "UnblockPerson": ("PersonUnblocked",),
    "GiveConsent": ("ConsentGiven",),
    "WithdrawConsent": ("ConsentWithdrawn",),
    "BootstrapAdmin": ("RoleGranted",),
    "GrantRole": ("RoleGranted",),
    "RevokeRole": ("RoleRevoked",),
    "DeclareRelation": ("RelationDeclared",),
    "EndRelation": ("RelationEnded",),
    "AuthoriseProxy": ("ProxyAuthorised",),
    "EndProxy": ("ProxyEnded",),
    "ErasePerson": ("PersonErased", "PersonDataErased"),
}


@pytest.mark.parametrize("name", [command.__name__ for command in PERSON_COMMANDS])
@pytest.mark.parametrize("state", list(people.PersonState))
def test_every_state_answers_every_command(state, name):
    story, command = story_in(state), person_commands()[name]
    assert story.state.state is state
    if name == "RegisterPerson":
        if state == "UNKNOWN":
            story.when(command).then("PersonRegistered", "ConsentGiven", "ConsentGiven")
        else:
            story.refuses(command, "person_known")
    elif state == "KNOWN":
        story.when(command).then(*ALLOWED_WHEN_KNOWN[name])
    else:
        story.refuses(command, "person_unknown" if state == "UNKNOWN" else "person_erased")


def test_a_registration_without_consent_to_keep_the_data_is_refused():
    Story(people).refuses(register_person(consents=("service",)), "consent_required")


def test_a_child_is_registered_only_with_a_known_guardian():
    Story(people).refuses(register_person(age_years=13), "guardian_required")
    Story(people).refuses(register_person(age_years=13, guardian_id=BO), "guardian_unknown")
    child = register_person(age_years=13, guardian_id=BO, guardian_known=True, consents=("personal_data",))
    consent = Story(people).when(child).then("PersonRegistered", "ConsentGiven")
    assert consent.guardian_id == BO
    Story(people).when(register_person(age_years=14)).then("PersonRegistered", "ConsentGiven", "ConsentGiven")


def test_a_registration_holds_ids_places_and_a_commitment_only():
    registered = Story(people).when(register_person()).events[0]
    assert set(registered.model_dump(exclude_none=True)) == {
        "person_id",
        "household_id",
        "entrance_id",
        "grid_id",
        "profile_ref",
        "profile_commitment",
        "role",
        "channel",
        "registered_at",
    }


def test_consent_to_keep_the_data_ends_only_by_an_erasure():
    withdraw = person_commands()["WithdrawConsent"]
    known_wang().refuses(withdraw.model_copy(update={"purpose": "personal_data"}), "erase_instead")
    known_wang().refuses(withdraw.model_copy(update={"purpose": "volunteering"}), "consent_not_given")


def test_a_guardian_consents_only_with_a_declared_relation():
    give = person_commands()["GiveConsent"].model_copy(update={"guardian_id": BO})
    known_wang().refuses(give, "guardian_not_related")
    known_wang().when(give.model_copy(update={"guardian_related": True})).then("ConsentGiven")


def test_the_first_admin_is_made_once():
    bootstrap = person_commands()["BootstrapAdmin"]
    granted = Story(people, register_person()).when(bootstrap).then("RoleGranted")
    assert (granted.granted_role, granted.bootstrap) == (Role.ADMIN, True)
    Story(people, register_person()).refuses(bootstrap.model_copy(update={"admin_ever": True}), "admin_exists")


def test_nobody_grants_a_role_to_themselves():
    known_wang().refuses(person_commands()["GrantRole"].model_copy(update={"by": by(WANG, Role.ADMIN)}), "self_grant")


def test_no_person_becomes_the_system():
    grant = person_commands()["GrantRole"].model_copy(update={"granted_role": Role.SYSTEM})
    known_wang().refuses(grant, "role_not_grantable")


@pytest.mark.parametrize("role", [Role.HOURS_AUDITOR, Role.FUND_CLERK, Role.FUND_APPROVER, Role.CASHIER])
def test_an_admin_never_posts_hours_or_money(role):
    grant = person_commands()["GrantRole"]
    admin = grant.model_copy(update={"granted_role": Role.ADMIN, "grant_id": UUID(int=1)})
    clerk = grant.model_copy(update={"granted_role": role, "grant_id": UUID(int=2)})
    known_wang().when(admin).refuses(clerk, "duties_conflict")
    known_wang().when(clerk).refuses(admin, "duties_conflict")


def test_a_role_is_held_once_in_a_place_until_it_ends():
    grant = person_commands()["GrantRole"].model_copy(update={"valid_until": NOON + timedelta(days=1)})
    again = grant.model_copy(update={"grant_id": UUID(int=3)})
    story = known_wang().when(grant)
    story.refuses(again, "role_held_already")
    later = {"at": NOON + timedelta(days=1), "valid_until": NOON + timedelta(days=9)}
    story.when(again.model_copy(update=later)).then("RoleGranted")


def test_a_grant_or_an_authorisation_cannot_end_before_it_begins():
    for name in ("GrantRole", "AuthoriseProxy"):
        known_wang().refuses(person_commands()[name].model_copy(update={"valid_until": NOON}), "time_impossible")


def test_what_does_not_stand_cannot_be_ended():
    for name, key, code in (
        ("RevokeRole", "grant_id", "grant_unknown"),
        ("EndRelation", "relation_id", "relation_unknown"),
        ("EndProxy", "proxy_authorisation_id", "proxy_unknown"),
        ("UnblockPerson", "block_id", "block_unknown"),
    ):
        command = person_commands()[name]
        known_wang().when(command).refuses(command, code)
        known_wang().refuses(command.model_copy(update={key: UUID(int=77)}), code)


def test_a_relation_has_two_known_sides_and_is_declared_once():
    declare = person_commands()["DeclareRelation"]
    known_wang().refuses(declare.model_copy(update={"person_b_id": WANG}), "same_person")
    known_wang().refuses(declare.model_copy(update={"other_known": False}), "other_person_unknown")
    known_wang().when(declare).refuses(declare, "relation_declared_already")


def test_a_block_has_two_known_sides_and_is_set_once_but_by_each_side():
    block = person_commands()["BlockPerson"]
    known_wang().refuses(block.model_copy(update={"other_id": WANG}), "same_person")
    known_wang().refuses(block.model_copy(update={"other_known": False}), "other_person_unknown")
    known_wang().when(block).refuses(block.model_copy(update={"block_id": UUID(int=9)}), "blocked_already")
    story = known_wang().when(person_commands()["UnblockPerson"])
    assert story.then("PersonUnblocked").other_id == LEE
    story.when(block.model_copy(update={"other_id": LEE})).then("PersonBlocked")


def test_a_block_says_neither_why_nor_what_was_said():
    blocked = known_wang().when(person_commands()["BlockPerson"]).then("PersonBlocked")
    said = {"block_id", "person_id", "other_id", "role", "blocked_at"}
    assert set(blocked.model_dump(exclude_none=True)) == said


def test_who_moves_nowhere_does_not_move_and_the_last_home_counts():
    move = person_commands()["MovePerson"]
    stays = move.model_copy(update={"entrance_id": "entrance-001"})
    known_wang().refuses(stays, "moved_nowhere")
    story = known_wang().when(move)
    story.refuses(move, "moved_nowhere")
    assert story.when(stays).then("PersonMoved").entrance_id == "entrance-001"
    away = move.model_copy(update={"entrance_id": None, "grid_id": None})
    assert known_wang().when(away).then("PersonMoved").grid_id is None


def test_an_authorisation_is_the_principals_own_and_stands_once():
    authorise = person_commands()["AuthoriseProxy"]
    known_wang().refuses(authorise.model_copy(update={"proxy_id": WANG}), "same_person")
    known_wang().refuses(authorise.model_copy(update={"other_known": False}), "other_person_unknown")
    known_wang().refuses(authorise.model_copy(update={"by": by(BO, Role.GRID_WORKER)}), "self_authorised")
    known_wang().when(authorise).refuses(authorise, "proxy_authorised_already")


def test_an_erasure_names_what_was_destroyed_and_is_not_done_by_oneself():
    erase = person_commands()["ErasePerson"]
    erased = known_wang().when(erase).then("PersonErased", "PersonDataErased")
    assert erased.purposes == ("profile",)
    known_wang().refuses(erase.model_copy(update={"by": by(WANG, Role.ADMIN)}), "self_erasure")


def test_the_examples_name_every_command_and_somebody_real_asks():
    assert {command.__name__ for command in PERSON_COMMANDS} == set(person_commands())
    assert (MANAGER.actor_id, ADMIN.role) == (LEE, Role.ADMIN)
    with pytest.raises(Refused, match="person_unknown"):
        people.decide(person_commands()["GrantRole"], people.initial())
