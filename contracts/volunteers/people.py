"""People: who is known, what they agreed to, whom they act for, which roles they hold, and that they were forgotten."""

from typing import Literal
from uuid import UUID

from contracts.command import Channel, Role
from contracts.event import (
    Code,
    Digest,
    Event,
    Instant,
    LossAcceptedFields,
    PersonDataErasedFields,
    PolicyAdoptedFields,
    UnitCode,
)

RoleScope = Literal["community", "street", "grid", "station", "team", "entrance"]


class PersonRegistered(Event, service="volunteers", audience="internal"):
    """人员登记 — a person became known to the community."""

    person_id: UUID
    household_id: UUID | None = None
    entrance_id: UnitCode | None = None
    grid_id: UnitCode | None = None
    profile_ref: UUID | None = None
    profile_commitment: Digest | None = None
    role: Role
    channel: Channel
    registered_at: Instant


class PersonMoved(Event, service="volunteers", audience="internal"):
    """人员迁居 — a person lives elsewhere, or with others, from now on."""

    person_id: UUID
    household_id: UUID | None = None
    entrance_id: UnitCode | None = None
    grid_id: UnitCode | None = None
    """Absent with the entrance: outside the community."""
    role: Role
    moved_at: Instant


class PersonBlocked(Event, service="volunteers", audience="internal"):
    """互不安排 — two people are not to be brought together; why lies in the vault."""

    block_id: UUID
    person_id: UUID
    """Who does not want to meet the other. It counts in both directions."""
    other_id: UUID
    reason_ref: UUID | None = None
    reason_commitment: Digest | None = None
    role: Role
    blocked_at: Instant


class PersonUnblocked(Event, service="volunteers", audience="internal"):
    """解除互不安排 — two people may be brought together again, as far as this block goes."""

    block_id: UUID
    person_id: UUID
    other_id: UUID
    role: Role
    unblocked_at: Instant


class PersonErased(Event, service="volunteers", audience="internal"):
    """个人信息删除 — a person is to be forgotten; every service destroys its keys."""

    person_id: UUID
    role: Role
    erased_at: Instant


class ConsentGiven(Event, service="volunteers", audience="internal"):
    """同意 — a person agreed to a purpose."""

    person_id: UUID
    purpose: Code
    form: Literal["written", "spoken", "web"]
    guardian_id: UUID | None = None
    role: Role
    given_at: Instant


class ConsentWithdrawn(Event, service="volunteers", audience="internal"):
    """撤回同意 — a person took an agreement back."""

    person_id: UUID
    purpose: Code
    role: Role
    withdrawn_at: Instant


class ProxyAuthorised(Event, service="volunteers", audience="internal"):
    """授权代办 — a person let another act for them."""

    proxy_authorisation_id: UUID
    principal_id: UUID
    proxy_id: UUID
    scope: tuple[Code, ...]
    role: Role
    valid_until: Instant | None = None
    authorised_at: Instant


class ProxyEnded(Event, service="volunteers", audience="internal"):
    """代办终止 — an authorisation ended."""

    proxy_authorisation_id: UUID
    principal_id: UUID
    proxy_id: UUID
    reason_code: Code | None = None
    role: Role
    ended_at: Instant


class RelationDeclared(Event, service="volunteers", audience="internal"):
    """申报关系 — two people are related, which keeps their duties apart."""

    relation_id: UUID
    person_a_id: UUID
    person_b_id: UUID
    kind: Code
    role: Role
    declared_at: Instant


class RelationEnded(Event, service="volunteers", audience="internal"):
    """关系终止 — a declared relation ended."""

    relation_id: UUID
    person_a_id: UUID
    person_b_id: UUID
    kind: Code
    role: Role
    ended_at: Instant


class RoleGranted(Event, service="volunteers", audience="partner"):
    """授予角色 — a person was given a role in a place."""

    grant_id: UUID
    person_id: UUID
    granted_role: Role
    scope: RoleScope
    scope_id: UnitCode
    valid_until: Instant | None = None
    bootstrap: bool = False
    """True for the first ADMIN only, whom nobody could grant it."""
    role: Role
    granted_at: Instant


class RoleRevoked(Event, service="volunteers", audience="partner"):
    """收回角色 — a role ended."""

    grant_id: UUID
    person_id: UUID
    revoked_role: Role
    scope: RoleScope
    scope_id: UnitCode
    reason_code: Code | None = None
    role: Role
    revoked_at: Instant


class PersonDataErased(PersonDataErasedFields, service="volunteers", audience="internal"):
    """个人信息已删除 — volunteers destroyed its keys for an erased person."""


class LossAccepted(LossAcceptedFields, service="volunteers", audience="public"):
    """已接受丢失 — signed events of volunteers' log are gone for good, and it goes on under a new origin."""


class PolicyAdopted(PolicyAdoptedFields, service="volunteers", audience="public"):
    """规则已采用 — volunteers' figures changed from a moment on."""


PersonEvent = (
    PersonRegistered
    | PersonMoved
    | PersonBlocked
    | PersonUnblocked
    | PersonErased
    | ConsentGiven
    | ConsentWithdrawn
    | ProxyAuthorised
    | ProxyEnded
    | RelationDeclared
    | RelationEnded
    | RoleGranted
    | RoleRevoked
)


ErasureEvent = PersonDataErased


PolicyEvent = PolicyAdopted
OriginEvent = LossAccepted
