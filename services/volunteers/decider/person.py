"""What the rules need to know of a person, and how events change it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar, assert_never
from uuid import UUID

from contracts.command import Role
from contracts.event import Code, UnitCode
from contracts.volunteers import (
    ConsentGiven,
    ConsentWithdrawn,
    PersonBlocked,
    PersonDataErased,
    PersonErased,
    PersonEvent,
    PersonMoved,
    PersonRegistered,
    PersonUnblocked,
    ProxyAuthorised,
    ProxyEnded,
    RelationDeclared,
    RelationEnded,
    RoleGranted,
    RoleRevoked,
    RoleScope,
)

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
class Home:
    """Where a person lives, and with whom."""

    household_id: UUID | None = None
    entrance_id: UnitCode | None = None
    grid_id: UnitCode | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """What the rules need to know of a person."""

    state: PersonState = PersonState.UNKNOWN
    home: Home = Home()
    consents: frozenset[str] = frozenset()
    grants: Mapping[UUID, Grant] = field(default_factory=dict)
    relations: Mapping[UUID, Relation] = field(default_factory=dict)
    proxies: Mapping[UUID, Proxy] = field(default_factory=dict)
    blocks: Mapping[UUID, UUID] = field(default_factory=dict)
    """Block → the other person."""


def initial() -> Person:
    """A person nobody has heard of."""
    return Person()


def evolve(person: Person, event: PersonEvent | PersonDataErased) -> Person:
    """The person after an event."""
    match event:
        case PersonRegistered():
            home = Home(event.household_id, event.entrance_id, event.grid_id)
            return replace(person, state=PersonState.KNOWN, home=home)
        case PersonMoved():
            return replace(person, home=Home(event.household_id, event.entrance_id, event.grid_id))
        case PersonBlocked():
            return replace(person, blocks={**person.blocks, event.block_id: event.other_id})
        case PersonUnblocked():
            return replace(person, blocks=_without(person.blocks, event.block_id))
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
