"""The fold of people: where they live, what they agreed to, their roles and their ties."""

from contracts.envelope import Recorded
from contracts.volunteers import (
    ConsentGiven,
    ConsentWithdrawn,
    PersonBlocked,
    PersonErased,
    PersonMoved,
    PersonRegistered,
    PersonUnblocked,
    ProxyAuthorised,
    ProxyEnded,
    RelationDeclared,
    RelationEnded,
    RoleGranted,
    RoleRevoked,
)
from eventstore.rows import Rows
from services.volunteers.read_models import tables as t


def fold(recorded: Recorded, rows: Rows) -> None:
    """What an event on a person's stream changes."""
    match recorded.event:
        case PersonRegistered() as event:
            rows.insert(
                t.persons,
                person_id=event.person_id,
                household_id=event.household_id,
                entrance_id=event.entrance_id,
                grid_id=event.grid_id,
                profile_ref=event.profile_ref,
                registered_at=event.registered_at,
            )
        case PersonMoved() as event:
            _moved(event, rows)
        case PersonErased() as event:
            rows.update(t.persons, event.person_id, erased_at=event.erased_at)
        case ConsentGiven() as event:
            rows.upsert(
                t.consents,
                person_id=event.person_id,
                purpose=event.purpose,
                form=event.form,
                guardian_id=event.guardian_id,
                given_at=event.given_at,
                withdrawn_at=None,
            )
        case ConsentWithdrawn() as event:
            rows.update(t.consents, (event.person_id, event.purpose), withdrawn_at=event.withdrawn_at)
        case RoleGranted() as event:
            _role(recorded, event, rows)
        case RoleRevoked() as event:
            rows.update(t.roles, event.grant_id, revoked_at=event.revoked_at)
        case _:
            _tie(recorded, rows)


def _tie(recorded: Recorded, rows: Rows) -> None:
    match recorded.event:
        case RelationDeclared() as event:
            rows.insert(
                t.relations,
                relation_id=event.relation_id,
                person_a_id=event.person_a_id,
                person_b_id=event.person_b_id,
                kind=event.kind,
                declared_at=event.declared_at,
            )
        case RelationEnded() as event:
            rows.update(t.relations, event.relation_id, ended_at=event.ended_at)
        case ProxyAuthorised() as event:
            rows.insert(
                t.proxies,
                proxy_authorisation_id=event.proxy_authorisation_id,
                principal_id=event.principal_id,
                proxy_id=event.proxy_id,
                scope=list(event.scope),
                valid_until=event.valid_until,
                authorised_at=event.authorised_at,
            )
        case ProxyEnded() as event:
            rows.update(t.proxies, event.proxy_authorisation_id, ended_at=event.ended_at)
        case PersonBlocked() as event:
            rows.insert(
                t.blocks,
                block_id=event.block_id,
                person_id=event.person_id,
                other_id=event.other_id,
                reason_ref=event.reason_ref,
                role=event.role.value,
                blocked_at=event.blocked_at,
            )
        case PersonUnblocked() as event:
            rows.update(t.blocks, event.block_id, unblocked_at=event.unblocked_at)
        case _:
            pass  # a reader shows what it knows and ignores the rest


def _moved(event: PersonMoved, rows: Rows) -> None:
    home = {"household_id": event.household_id, "entrance_id": event.entrance_id, "grid_id": event.grid_id}
    rows.update(t.persons, event.person_id, **home)
    rows.update(t.volunteers, event.person_id, grid_id=event.grid_id)


def _role(recorded: Recorded, event: RoleGranted, rows: Rows) -> None:
    rows.insert(
        t.roles,
        grant_id=event.grant_id,
        person_id=event.person_id,
        role=event.granted_role.value,
        scope=event.scope,
        scope_id=event.scope_id,
        valid_until=event.valid_until,
        granted_by=recorded.actor,
        granted_at=event.granted_at,
    )
    if event.bootstrap:
        rows.insert(t.first_admin, is_first=True, person_id=event.person_id)
