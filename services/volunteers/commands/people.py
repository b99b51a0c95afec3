"""What may be asked about a person. An `…Ask` is the body that a caller sends; names and phones go no further."""

from datetime import date
from typing import Annotated, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from contracts.command import Ask, Command, Role, mistake
from contracts.event import Code, Digest, UnitCode
from contracts.volunteers import RoleScope
from services.volunteers.commands.words import (
    AgePolicy,
    ConsentForm,
    ConsentPurpose,
    RelationKind,
    Words,
    person_stream,
)

PersonName = Annotated[str, Field(min_length=1, max_length=40)]
Phone = Annotated[str, Field(pattern=r"^\+?[0-9][0-9\-]{4,18}$")]


class BootstrapAsk(Ask):
    """The first ADMIN, who registers themselves with the bootstrap token."""

    name: PersonName
    phone: Phone | None = None
    household_id: UUID | None = None
    entrance_id: UnitCode | None = None


class RegisterPersonAsk(Ask):
    """A new person: what is written here goes to the vault; the event holds ids and places only."""

    name: PersonName
    phone: Phone | None = None
    birth_date: date | None = None
    household_id: UUID | None = None
    """Absent: a household of their own."""
    entrance_id: UnitCode | None = None
    grid_id: UnitCode | None = None
    """Absent: the entrance's."""
    consents: Annotated[tuple[ConsentPurpose, ...], Field(min_length=1, max_length=5)]
    consent_form: ConsentForm
    guardian_id: UUID | None = None


class MovePersonAsk(Ask):
    """Where a person lives from now on. What is not said stays: the household, or the place."""

    entrance_id: UnitCode | None = None
    grid_id: UnitCode | None = None
    """Absent: the entrance's."""
    left_community: bool = False
    """They live outside now: no entrance and no grid."""
    household_id: UUID | None = None
    """The household that they join."""
    new_household: bool = False
    """They live by themselves now."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.left_community and (self.entrance_id is not None or self.grid_id is not None):
            raise mistake(
                "place_after_leaving",
                "已离开社区，不用再写住处",
                "left_community goes without a place",
                field="left_community",
            )
        if self.new_household and self.household_id is not None:
            raise mistake(
                "two_households",
                "另立一户时不用再写户号",
                "new_household goes without household_id",
                field="new_household",
            )
        return self


class BlockPersonAsk(Ask):
    """`person_id` and `other_id` are not to be brought together. The words go to the vault."""

    person_id: UUID
    other_id: UUID
    reason: Words | None = None


class GiveConsentAsk(Ask):
    """An agreement to one purpose."""

    purpose: ConsentPurpose
    form: ConsentForm
    guardian_id: UUID | None = None


class GrantRoleAsk(Ask):
    """A role for a person, within one place or the whole community."""

    person_id: UUID
    granted_role: Role
    scope: RoleScope = "community"
    scope_id: UnitCode = "chaoyangli"
    valid_until: AwareDatetime | None = None


class RevokeRoleAsk(Ask):
    """The end of a granted role."""

    reason_code: Code | None = None


class DeclareRelationAsk(Ask):
    """Person a is person b's `kind`."""

    person_a_id: UUID
    person_b_id: UUID
    kind: RelationKind


class AuthoriseProxyAsk(Ask):
    """`principal_id` lets `proxy_id` act for them."""

    principal_id: UUID
    proxy_id: UUID
    scope: Annotated[tuple[Code, ...], Field(min_length=1, max_length=8)] = ("all",)
    valid_until: AwareDatetime | None = None


class EndProxyAsk(Ask):
    """The end of an authorisation."""

    reason_code: Code | None = None


class ErasePersonAsk(Ask):
    """A person asked to be forgotten (个人信息保护法 §47)."""

    confirmed_person_id: UUID
    """The id once more: an erasure cannot be taken back."""


class PersonCommand(Command):
    """A command decided on a person's stream."""

    person_id: UUID

    @property
    def stream(self) -> str:
        """`person-<uuid>`."""
        return person_stream(self.person_id)


class RegisterPerson(PersonCommand):
    """Let a person become known to the community."""

    household_id: UUID
    entrance_id: UnitCode | None
    grid_id: UnitCode | None
    profile_ref: UUID
    profile_commitment: Digest
    consents: tuple[ConsentPurpose, ...]
    consent_form: ConsentForm
    age_years: int | None
    """On the day of registration; None when no birth date was given."""
    guardian_id: UUID | None = None
    guardian_known: bool = False
    """`guardian_id` is a registered person."""
    ages: AgePolicy = AgePolicy()


class MovePerson(PersonCommand):
    """Record where a person lives now, and with whom."""

    household_id: UUID | None
    entrance_id: UnitCode | None
    grid_id: UnitCode | None


class GiveConsent(PersonCommand):
    """Agree to a purpose."""

    purpose: ConsentPurpose
    form: ConsentForm
    guardian_id: UUID | None = None
    guardian_related: bool = False
    """A live relation says that `guardian_id` is the person's parent or guardian."""


class WithdrawConsent(PersonCommand):
    """Take an agreement back (个人信息保护法 §15)."""

    purpose: ConsentPurpose


class BootstrapAdmin(PersonCommand):
    """Make the first ADMIN, whom nobody could grant the role."""

    grant_id: UUID
    admin_ever: bool
    """An ADMIN was granted before, even if revoked since."""


class GrantRole(PersonCommand):
    """Grant a person a role in a place."""

    grant_id: UUID
    granted_role: Role
    scope: RoleScope
    scope_id: UnitCode
    valid_until: AwareDatetime | None = None


class RevokeRole(PersonCommand):
    """End a granted role."""

    grant_id: UUID
    reason_code: Code | None = None


class DeclareRelation(PersonCommand):
    """Record that two people are related; decided on person a's stream (`person_id` is a)."""

    relation_id: UUID
    person_b_id: UUID
    kind: RelationKind
    other_known: bool
    """Person b is registered and not erased."""


class EndRelation(PersonCommand):
    """Record that a relation ended."""

    relation_id: UUID


class AuthoriseProxy(PersonCommand):
    """Let another person act for this one; decided on the principal's stream."""

    proxy_authorisation_id: UUID
    proxy_id: UUID
    scope: tuple[Code, ...]
    valid_until: AwareDatetime | None = None
    other_known: bool


class EndProxy(PersonCommand):
    """End an authorisation."""

    proxy_authorisation_id: UUID
    reason_code: Code | None = None


class BlockPerson(PersonCommand):
    """Keep this person and another apart; decided on the stream of who does not want to meet the other."""

    block_id: UUID
    other_id: UUID
    other_known: bool
    reason_ref: UUID | None = None
    reason_commitment: Digest | None = None


class UnblockPerson(PersonCommand):
    """Take a block back."""

    block_id: UUID


class ErasePerson(PersonCommand):
    """Forget a person: keys destroyed here in the same append, everywhere else when they hear it."""

    purposes_erased: tuple[Code, ...]
    """What the vault destroys with this append."""


PERSON_COMMANDS: tuple[type[PersonCommand], ...] = (
    RegisterPerson,
    MovePerson,
    GiveConsent,
    WithdrawConsent,
    BootstrapAdmin,
    GrantRole,
    RevokeRole,
    DeclareRelation,
    EndRelation,
    AuthoriseProxy,
    EndProxy,
    BlockPerson,
    UnblockPerson,
    ErasePerson,
)
AnyPersonCommand = (
    RegisterPerson
    | MovePerson
    | GiveConsent
    | WithdrawConsent
    | BootstrapAdmin
    | GrantRole
    | RevokeRole
    | DeclareRelation
    | EndRelation
    | AuthoriseProxy
    | EndProxy
    | BlockPerson
    | UnblockPerson
    | ErasePerson
)
