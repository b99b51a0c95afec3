"""What may be asked about a volunteer: from the offer to help to skills, papers, free time, rest and the end."""

from datetime import date
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from contracts.command import Ask, Command, mistake
from contracts.event import Code, Digest, UnitCode
from contracts.volunteers import AvailabilityException, ExternalRecords, MinuteOfDay, VolunteerNo, WeeklySlot
from services.volunteers.commands.words import AgePolicy, ConsentForm, SkillLevel, Words, volunteer_stream


class RegisterVolunteerAsk(Ask):
    """A registered person offers to help."""

    person_id: UUID
    consent_form: ConsentForm
    guardian_id: UUID | None = None
    """Below 14 years: who consents."""


class VerifyIdentityAsk(Ask):
    """Somebody saw who the volunteer is; no number of any paper is taken down."""

    method: Code = "id_card_seen"


class RejectVolunteerAsk(Ask):
    """An offer to help that is not taken up."""

    reason_code: Literal["not_the_person", "not_shown", "duplicate", "not_suited", "withdrew_before"]


class RecordGuardianConsentAsk(Ask):
    """A parent or guardian agrees that a child helps others."""

    guardian_id: UUID
    form: ConsentForm
    document_sha256: Digest | None = None


class DeclareSkillAsk(Ask):
    """Something the volunteer can do; level 1 helps, 2 does it alone, 3 teaches it."""

    skill: Code
    level: SkillLevel = 1


class VerifySkillAsk(Ask):
    """What level a skill was found to have."""

    level: SkillLevel


class RecordLicenceAsk(Ask):
    """A licence that was seen."""

    licence: Code
    expires_on: date
    document_sha256: Digest | None = None


class RecordInsuranceAsk(Ask):
    """An accident insurance (志愿服务条例 §17)."""

    insurance: Code
    valid_from: date
    expires_on: date

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.expires_on < self.valid_from:
            raise mistake(
                "end_before_start", "到期日不能早于生效日", "expires_on is before valid_from", field="expires_on"
            )
        return self


class RecordTrainingAsk(Ask):
    """A training that the volunteer took part in to its end (志愿服务条例 §16)."""

    training: Code
    completed_on: date
    expires_on: date | None = None
    document_sha256: Digest | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.expires_on is not None and self.expires_on < self.completed_on:
            raise mistake(
                "end_before_start", "有效期不能早于完成日期", "expires_on is before completed_on", field="expires_on"
            )
        return self


class WeeklySlotAsk(Ask):
    """A stretch of every week, in minutes of the day, Asia/Shanghai; weekday 1 is Monday."""

    weekday: Annotated[int, Field(ge=1, le=7)]
    from_minute: MinuteOfDay
    to_minute: MinuteOfDay


class AvailabilityExceptionAsk(Ask):
    """A day that differs from the weekly grid."""

    on_date: date
    available: bool
    from_minute: MinuteOfDay = 0
    to_minute: MinuteOfDay = 1440


class SetAvailabilityAsk(Ask):
    """When the volunteer can help, Asia/Shanghai; replaces what was said before."""

    weekly: Annotated[tuple[WeeklySlotAsk, ...], Field(max_length=50)]
    exceptions: Annotated[tuple[AvailabilityExceptionAsk, ...], Field(max_length=100)] = ()


class PauseVolunteerAsk(Ask):
    """A rest, perhaps until a moment."""

    pause_until: AwareDatetime | None = None


class SuspendVolunteerAsk(Ask):
    """A suspension that a second person stands for as well; never for declining (志愿服务条例 §25)."""

    reason_code: Code
    suspended_until: AwareDatetime
    seconded_by: UUID
    statement: Words | None = None
    """What the volunteer is told: why, and how to appeal. It goes to the vault."""


class ReinstateVolunteerAsk(Ask):
    """A suspension ends before its time."""

    reason_code: Literal["appeal_upheld", "cause_gone", "mistaken"] = "cause_gone"
    statement: Words | None = None


class WithdrawVolunteerAsk(Ask):
    """The end of volunteering; the person stays a resident."""

    reason_code: Code | None = None


class VolunteerCommand(Command):
    """A command decided on a volunteer's stream."""

    volunteer_id: UUID

    @property
    def stream(self) -> str:
        """`volunteer-<uuid>`."""
        return volunteer_stream(self.volunteer_id)


class RegisterVolunteer(VolunteerCommand):
    """Offer to help."""

    volunteer_no: VolunteerNo
    household_id: UUID | None
    entrance_id: UnitCode | None
    grid_id: UnitCode | None
    age_years: int | None
    """On the day of the offer; None when no birth date is known."""
    consenting_guardian_id: UUID | None = None
    """Whose consent, with a declared relation, stands; given in the same request or before. Below 14 years only."""
    consent_form: ConsentForm = "written"
    external: ExternalRecords | None = None
    """What another app had recorded of them, when they come from one."""
    ages: AgePolicy = AgePolicy()


class VerifyIdentity(VolunteerCommand):
    """Check who the volunteer is."""

    method: Code
    ages: AgePolicy = AgePolicy()


class RejectVolunteer(VolunteerCommand):
    """Do not take an offer to help up."""

    reason_code: Code


class RecordGuardianConsent(VolunteerCommand):
    """Record that a guardian agrees; how old the child is that day says whether it must be accompanied."""

    guardian_id: UUID
    guardian_related: bool
    """A live relation says that `guardian_id` is the child's parent or guardian."""
    form: ConsentForm
    document_sha256: Digest | None = None
    age_years: int | None
    ages: AgePolicy = AgePolicy()


class DeclareSkill(VolunteerCommand):
    """Say what the volunteer can do."""

    skill: Code
    level: SkillLevel


class VerifySkill(VolunteerCommand):
    """Check a declared skill."""

    skill: Code
    level: SkillLevel


class RecordLicence(VolunteerCommand):
    """Record a licence that was seen; `due_at` is the moment after its last day."""

    licence_id: UUID
    licence: Code
    expires_on: date
    document_sha256: Digest | None = None


class ExpireLicence(VolunteerCommand):
    """A licence's last day is over."""

    licence_id: UUID


class RecordTraining(VolunteerCommand):
    """Record a training."""

    training_id: UUID
    training: Code
    completed_on: date
    expires_on: date | None = None
    document_sha256: Digest | None = None


class RecordInsurance(VolunteerCommand):
    """Record an accident insurance."""

    insurance_id: UUID
    insurance: Code
    valid_from: date
    expires_on: date


class SetAvailability(VolunteerCommand):
    """Say when the volunteer can help."""

    weekly: tuple[WeeklySlot, ...]
    exceptions: tuple[AvailabilityException, ...] = ()


class PauseVolunteer(VolunteerCommand):
    """Take a rest."""

    pause_until: AwareDatetime | None = None


class ResumeVolunteer(VolunteerCommand):
    """Come back from a rest."""


class SuspendVolunteer(VolunteerCommand):
    """Stop a volunteer until a moment; two people."""

    reason_code: Code
    suspended_until: AwareDatetime
    seconded_by: UUID
    seconder_entitled: bool
    """`seconded_by` holds a live SOCIAL_WORKER or STATION_MANAGER role."""
    statement_ref: UUID | None = None
    statement_commitment: Digest | None = None


class ReinstateVolunteer(VolunteerCommand):
    """End a suspension: SYSTEM when it ran out, or when somebody upheld the appeal against it; a person before."""

    reason_code: Code | None = None
    upheld_by: UUID | None = None
    """Who decided the appeal, where SYSTEM does what follows."""
    statement_ref: UUID | None = None
    statement_commitment: Digest | None = None


class WithdrawVolunteer(VolunteerCommand):
    """End volunteering."""

    reason_code: Code | None = None


VOLUNTEER_COMMANDS: tuple[type[VolunteerCommand], ...] = (
    RegisterVolunteer,
    RecordGuardianConsent,
    VerifyIdentity,
    RejectVolunteer,
    DeclareSkill,
    VerifySkill,
    RecordLicence,
    ExpireLicence,
    RecordTraining,
    RecordInsurance,
    SetAvailability,
    PauseVolunteer,
    ResumeVolunteer,
    SuspendVolunteer,
    ReinstateVolunteer,
    WithdrawVolunteer,
)
AnyVolunteerCommand = (
    RegisterVolunteer
    | RecordGuardianConsent
    | VerifyIdentity
    | RejectVolunteer
    | DeclareSkill
    | VerifySkill
    | RecordLicence
    | ExpireLicence
    | RecordTraining
    | RecordInsurance
    | SetAvailability
    | PauseVolunteer
    | ResumeVolunteer
    | SuspendVolunteer
    | ReinstateVolunteer
    | WithdrawVolunteer
)
