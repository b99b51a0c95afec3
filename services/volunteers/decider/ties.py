"""The ties between two people: relations and blocks, which keep them apart, and proxies, who act for another."""

from collections.abc import Sequence

from contracts.command import Refused
from contracts.volunteers import (
    PersonBlocked,
    PersonEvent,
    PersonUnblocked,
    ProxyAuthorised,
    ProxyEnded,
    RelationDeclared,
    RelationEnded,
)
from services.volunteers.commands.people import (
    AuthoriseProxy,
    BlockPerson,
    DeclareRelation,
    EndProxy,
    EndRelation,
    UnblockPerson,
)
from services.volunteers.decider.person import Person, Relation

Events = Sequence[PersonEvent]


def declare(command: DeclareRelation, person: Person) -> Events:
    """A relation keeps duties apart; it has two known sides and stands once."""
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


def end_relation(command: EndRelation, person: Person) -> Events:
    """Only a relation that stands can end."""
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


def authorise(command: AuthoriseProxy, person: Person) -> Events:
    """The principal lets another act for them; nobody authorises themselves."""
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


def end_proxy(command: EndProxy, person: Person) -> Events:
    """Only an authorisation in force can end."""
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


def block(command: BlockPerson, person: Person) -> Events:
    """Keep two people apart: orders never brings them together. The other is not asked and not told."""
    if command.other_id == command.person_id:
        raise Refused("same_person")
    if not command.other_known:
        raise Refused("other_person_unknown")
    if command.other_id in person.blocks.values():
        raise Refused("blocked_already")
    return [
        PersonBlocked(
            block_id=command.block_id,
            person_id=command.person_id,
            other_id=command.other_id,
            reason_ref=command.reason_ref,
            reason_commitment=command.reason_commitment,
            role=command.by.role,
            blocked_at=command.at,
        )
    ]


def unblock(command: UnblockPerson, person: Person) -> Events:
    """Let them meet again. A block that the other side set stands."""
    other_id = person.blocks.get(command.block_id)
    if other_id is None:
        raise Refused("block_unknown")
    return [
        PersonUnblocked(
            block_id=command.block_id,
            person_id=command.person_id,
            other_id=other_id,
            role=command.by.role,
            unblocked_at=command.at,
        )
    ]
