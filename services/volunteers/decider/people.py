"""A person: known, in roles, related, represented, consenting, and in the end forgotten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar, assert_never
from uuid import UUID

from contracts.command import Refused, Role
from contracts.event import Code, UnitCode
from contracts.volunteers import (
    ConsentGiven,
    ConsentWithdrawn,
    PersonDataErased,
    PersonErased,
    PersonEvent,
    PersonRegistered,
    ProxyAuthorised,
    ProxyEnded,
    RelationDeclared,
    RelationEnded,
    RoleGranted,
    RoleRevoked,
    RoleScope,
)
from services.volunteers.commands.people import (
    AnyPersonCommand,
    AuthoriseProxy,
    BootstrapAdmin,
    DeclareRelation,
    EndProxy,
    EndRelation,
    ErasePerson,
    GiveConsent,
    GrantRole,
    RegisterPerson,
    RevokeRole,
    WithdrawConsent,
)

COMMUNITY_CODE = "chaoyangli"
MONEY_AND_HOURS = frozenset({Role.HOURS_AUDITOR, Role.FUND_CLERK, Role.FUND_APPROVER, Role.CASHIER})
"""Roles that post hours or money, which an ADMIN may grant and never hold (domain.md §4.0)."""

K = TypeVar("K")
V = TypeVar("V")


class PersonState(StrEnum):
    """Where a person's story stands."""

    UNKNOWN = "UNKNOWN"
    KNOWN = "KNOWN"
    ERASED = "ERASED"


@dataclass(frozen=True, slots=True)
class Grant:
    """A role held in a place."""

    role: Role
    scope: RoleScope
    scope_id: UnitCode
    valid_until: datetime | None = None

    def live(self, at: datetime) -> bool:
        """Whether it is in force at a moment."""
        return self.valid_until is None or at < self.valid_until


@dataclass(frozen=True, slots=True)
class Proxy:
    """Who may act for this person."""

    proxy_id: UUID
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Relation:
    """What this person is to another."""

    person_b_id: UUID
    kind: Code


@dataclass(frozen=True, slots=True)
class Person:
    """What the rules need to know of a person."""

    state: PersonState = PersonState.UNKNOWN
    consents: frozenset[str] = frozenset()
    grants: Mapping[UUID, Grant] = field(default_factory=dict)
    relations: Mapping[UUID, Relation] = field(default_factory=dict)
    proxies: Mapping[UUID, Proxy] = field(default_factory=dict)


Events = Sequence[PersonEvent | PersonDataErased]


def initial() -> Person:
    """A person nobody has heard of."""
    return Person()


def decide(command: AnyPersonCommand, person: Person) -> Events:
    """The events that a command comes to. Raises Refused."""
    if isinstance(command, RegisterPerson):
        return _register(command, person)
    if person.state is PersonState.UNKNOWN:
        raise Refused("person_unknown")
    if person.state is PersonState.ERASED:
        raise Refused("person_erased")
    match command:
        case GiveConsent() | WithdrawConsent():
            return _consent(command, person)
        case BootstrapAdmin():
            return _bootstrap(command)
        case GrantRole():
            return _grant(command, person)
        case RevokeRole():
            return _revoke(command, person)
        case DeclareRelation():
            return _declare(command, person)
        case EndRelation():
            return _end_relation(command, person)
        case AuthoriseProxy():
            return _authorise(command, person)
        case EndProxy():
            return _end_proxy(command, person)
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


def _declare(command: DeclareRelation, person: Person) -> Events:
    if command.person_b_id == command.person_id:
        raise Refused("same_person")
    if not command.other_known:
        raise Refused("other_person_unknown")
    if Relation(command.person_b_id, command.kind) in person.relations.values():
        raise Refused("relation_declared_already", kind=command.kind)
    return [
        RelationDeclared(
            relation_id=command.relation_id,
            person_a_id=command.person_id,
            person_b_id=command.person_b_id,
            kind=command.kind,
            role=command.by.role,
            declared_at=command.at,
        )
    ]


def _end_relation(command: EndRelation, person: Person) -> Events:
    relation = person.relations.get(command.relation_id)
    if relation is None:
        raise Refused("relation_unknown")
    return [
        RelationEnded(
            relation_id=command.relation_id,
            person_a_id=command.person_id,
            person_b_id=relation.person_b_id,
            kind=relation.kind,
            role=command.by.role,
            ended_at=command.at,
        )
    ]


def _authorise(command: AuthoriseProxy, person: Person) -> Events:
    if command.proxy_id == command.person_id:
        raise Refused("same_person")
    if not command.other_known:
        raise Refused("other_person_unknown")
    if command.valid_until is not None and command.valid_until <= command.at:
        raise Refused("time_impossible", field="valid_until")
    if command.by.actor_id == command.proxy_id:
        raise Refused("self_authorised")
    for proxy in person.proxies.values():
        in_force = proxy.valid_until is None or command.at < proxy.valid_until
        if proxy.proxy_id == command.proxy_id and in_force:
            raise Refused("proxy_authorised_already")
    return [
        ProxyAuthorised(
            proxy_authorisation_id=command.proxy_authorisation_id,
            principal_id=command.person_id,
            proxy_id=command.proxy_id,
            scope=command.scope,
            role=command.by.role,
            valid_until=command.valid_until,
            authorised_at=command.at,
        )
    ]


def _end_proxy(command: EndProxy, person: Person) -> Events:
    proxy = person.proxies.get(command.proxy_authorisation_id)
    if proxy is None:
        raise Refused("proxy_unknown")
    return [
        ProxyEnded(
            proxy_authorisation_id=command.proxy_authorisation_id,
            principal_id=command.person_id,
            proxy_id=proxy.proxy_id,
            reason_code=command.reason_code,
            role=command.by.role,
            ended_at=command.at,
        )
    ]


def _erase(command: ErasePerson) -> Events:
    if command.by.actor_id == command.person_id:
        raise Refused("self_erasure")
    return [
        PersonErased(person_id=command.person_id, role=command.by.role, erased_at=command.at),
        PersonDataErased(person_id=command.person_id, purposes=command.purposes_erased, erased_at=command.at),
    ]


def evolve(person: Person, event: PersonEvent | PersonDataErased) -> Person:
    """The person after an event."""
    match event:
        case PersonRegistered():
            return replace(person, state=PersonState.KNOWN)
        case ConsentGiven():
            return replace(person, consents=person.consents | {event.purpose})
        case ConsentWithdrawn():
            return replace(person, consents=person.consents - {event.purpose})
        case RoleGranted():
            grant = Grant(event.granted_role, event.scope, event.scope_id, event.valid_until)
            return replace(person, grants={**person.grants, event.grant_id: grant})
        case RoleRevoked():
            return replace(person, grants=_without(person.grants, event.grant_id))
        case RelationDeclared():
            relation = Relation(event.person_b_id, event.kind)
            return replace(person, relations={**person.relations, event.relation_id: relation})
        case RelationEnded():
            return replace(person, relations=_without(person.relations, event.relation_id))
        case ProxyAuthorised():
            proxy = Proxy(event.proxy_id, event.valid_until)
            return replace(person, proxies={**person.proxies, event.proxy_authorisation_id: proxy})
        case ProxyEnded():
            return replace(person, proxies=_without(person.proxies, event.proxy_authorisation_id))
        case PersonErased():
            return Person(state=PersonState.ERASED)
        case PersonDataErased():
            return person
        case _:
            assert_never(event)


def _without(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    return {name: value for name, value in mapping.items() if name != key}
