"""A person: known, at home somewhere, in roles, consenting, and in the end forgotten. Ties are in ties.py."""

from collections.abc import Sequence
from typing import assert_never

from contracts.command import Refused, Role
from contracts.volunteers import (
    ConsentGiven,
    ConsentWithdrawn,
    PersonDataErased,
    PersonErased,
    PersonEvent,
    PersonMoved,
    PersonRegistered,
    RoleGranted,
    RoleRevoked,
)
from services.volunteers.commands.people import (
    AnyPersonCommand,
    AuthoriseProxy,
    BlockPerson,
    BootstrapAdmin,
    DeclareRelation,
    EndProxy,
    EndRelation,
    ErasePerson,
    GiveConsent,
    GrantRole,
    MovePerson,
    RegisterPerson,
    RevokeRole,
    UnblockPerson,
    WithdrawConsent,
)
from services.volunteers.decider import ties
from services.volunteers.decider.person import Home, Person, PersonState, evolve, initial

__all__ = ["COMMUNITY_CODE", "MONEY_AND_HOURS", "Person", "PersonState", "decide", "evolve", "initial"]

COMMUNITY_CODE = "chaoyangli"
MONEY_AND_HOURS = frozenset({Role.HOURS_AUDITOR, Role.FUND_CLERK, Role.FUND_APPROVER, Role.CASHIER})
"""Roles that post hours or money, which an ADMIN may grant and never hold (domain.md §4.0)."""

Events = Sequence[PersonEvent | PersonDataErased]


def decide(command: AnyPersonCommand, person: Person) -> Events:
    """The events that a command comes to. Raises Refused."""
    if isinstance(command, RegisterPerson):
        return _register(command, person)
    if person.state is PersonState.UNKNOWN:
        raise Refused("person_unknown")
    if person.state is PersonState.ERASED:
        raise Refused("person_erased")
    match command:
        case MovePerson():
            return _move(command, person)
        case GiveConsent() | WithdrawConsent():
            return _consent(command, person)
        case BootstrapAdmin():
            return _bootstrap(command)
        case GrantRole():
            return _grant(command, person)
        case RevokeRole():
            return _revoke(command, person)
        case DeclareRelation():
            return ties.declare(command, person)
        case EndRelation():
            return ties.end_relation(command, person)
        case AuthoriseProxy():
            return ties.authorise(command, person)
        case EndProxy():
            return ties.end_proxy(command, person)
        case BlockPerson():
            return ties.block(command, person)
        case UnblockPerson():
            return ties.unblock(command, person)
        case ErasePerson():
            return _erase(command)
        case _:
            assert_never(command)


def _register(command: RegisterPerson, person: Person) -> Events:
    if person.state is not PersonState.UNKNOWN:
        raise Refused("person_known")
    if "personal_data" not in command.consents:
        raise Refused("consent_required", purpose="personal_data")
    ages = command.ages
    if command.age_years is not None and command.age_years < ages.guardian_below_years:
        if command.guardian_id is None:
            raise Refused("guardian_required", age_below=ages.guardian_below_years)
        if not command.guardian_known:
            raise Refused("guardian_unknown")
    registered = PersonRegistered(
        person_id=command.person_id,
        household_id=command.household_id,
        entrance_id=command.entrance_id,
        grid_id=command.grid_id,
        profile_ref=command.profile_ref,
        profile_commitment=command.profile_commitment,
        role=command.by.role,
        channel=command.by.channel,
        registered_at=command.at,
    )
    consents = [
        ConsentGiven(
            person_id=command.person_id,
            purpose=purpose,
            form=command.consent_form,
            guardian_id=command.guardian_id,
            role=command.by.role,
            given_at=command.at,
        )
        for purpose in dict.fromkeys(command.consents)
    ]
    return [registered, *consents]


def _move(command: MovePerson, person: Person) -> Events:
    home = Home(command.household_id, command.entrance_id, command.grid_id)
    if home == person.home:
        raise Refused("moved_nowhere")
    return [
        PersonMoved(
            person_id=command.person_id,
            household_id=command.household_id,
            entrance_id=command.entrance_id,
            grid_id=command.grid_id,
            role=command.by.role,
            moved_at=command.at,
        )
    ]


def _consent(command: GiveConsent | WithdrawConsent, person: Person) -> Events:
    if isinstance(command, WithdrawConsent):
        if command.purpose not in person.consents:
            raise Refused("consent_not_given", purpose=command.purpose)
        # Keeping the data at all ends only with an erasure, which an ADMIN carries out.
        if command.purpose == "personal_data":
            raise Refused("erase_instead")
        return [
            ConsentWithdrawn(
                person_id=command.person_id, purpose=command.purpose, role=command.by.role, withdrawn_at=command.at
            )
        ]
    if command.guardian_id is not None and not command.guardian_related:
        raise Refused("guardian_not_related")
    return [
        ConsentGiven(
            person_id=command.person_id,
            purpose=command.purpose,
            form=command.form,
            guardian_id=command.guardian_id,
            role=command.by.role,
            given_at=command.at,
        )
    ]


def _bootstrap(command: BootstrapAdmin) -> Events:
    if command.admin_ever:
        raise Refused("admin_exists")
    return [
        RoleGranted(
            grant_id=command.grant_id,
            person_id=command.person_id,
            granted_role=Role.ADMIN,
            scope="community",
            scope_id=COMMUNITY_CODE,
            bootstrap=True,
            role=command.by.role,
            granted_at=command.at,
        )
    ]


def _grant(command: GrantRole, person: Person) -> Events:
    if command.granted_role is Role.SYSTEM:
        raise Refused("role_not_grantable", role=command.granted_role.value)
    if command.by.actor_id == command.person_id:
        raise Refused("self_grant")
    if command.valid_until is not None and command.valid_until <= command.at:
        raise Refused("time_impossible", field="valid_until")
    live = [grant for grant in person.grants.values() if grant.live(command.at)]
    if (command.granted_role, command.scope_id) in {(grant.role, grant.scope_id) for grant in live}:
        raise Refused("role_held_already", role=command.granted_role.value, scope_id=command.scope_id)
    held = {grant.role for grant in live} | {command.granted_role}
    conflict = held & MONEY_AND_HOURS
    if Role.ADMIN in held and conflict:
        raise Refused("duties_conflict", role=Role.ADMIN.value, with_role=min(conflict).value)
    return [
        RoleGranted(
            grant_id=command.grant_id,
            person_id=command.person_id,
            granted_role=command.granted_role,
            scope=command.scope,
            scope_id=command.scope_id,
            valid_until=command.valid_until,
            role=command.by.role,
            granted_at=command.at,
        )
    ]


def _revoke(command: RevokeRole, person: Person) -> Events:
    grant = person.grants.get(command.grant_id)
    if grant is None:
        raise Refused("grant_unknown")
    return [
        RoleRevoked(
            grant_id=command.grant_id,
            person_id=command.person_id,
            revoked_role=grant.role,
            scope=grant.scope,
            scope_id=grant.scope_id,
            reason_code=command.reason_code,
            role=command.by.role,
            revoked_at=command.at,
        )
    ]


def _erase(command: ErasePerson) -> Events:
    if command.by.actor_id == command.person_id:
        raise Refused("self_erasure")
    return [
        PersonErased(person_id=command.person_id, role=command.by.role, erased_at=command.at),
        PersonDataErased(person_id=command.person_id, purposes=command.purposes_erased, erased_at=command.at),
    ]
