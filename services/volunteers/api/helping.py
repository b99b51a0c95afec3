"""Routes about a volunteer: registration, verification, a guardian's consent, skills, papers, trainings, free time."""

from datetime import date, datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import By, Command
from contracts.event import Code
from contracts.ids import uuid7
from contracts.volunteers import AvailabilityException, WeeklySlot
from eventstore.executor import Plan
from servicekit.http import Commanding, command, not_found
from servicekit.process import Runtime
from servicekit.reference import reference, require
from services.volunteers.access import DOORSTEP
from services.volunteers.api.shared import (
    age_of,
    ask_of_volunteer,
    asked_again,
    guards,
    new_volunteer_no,
    profile_of,
)
from services.volunteers.commands.helping import (
    DeclareSkill,
    DeclareSkillAsk,
    RecordGuardianConsent,
    RecordGuardianConsentAsk,
    RecordInsurance,
    RecordInsuranceAsk,
    RecordLicence,
    RecordLicenceAsk,
    RecordTraining,
    RecordTrainingAsk,
    RegisterVolunteer,
    RegisterVolunteerAsk,
    RejectVolunteer,
    RejectVolunteerAsk,
    SetAvailability,
    SetAvailabilityAsk,
    VerifyIdentity,
    VerifyIdentityAsk,
    VerifySkill,
    VerifySkillAsk,
)
from services.volunteers.commands.people import GiveConsent
from services.volunteers.commands.words import VOLUNTEERING
from services.volunteers.policy import current_policy
from services.volunteers.read_models import queries

router = APIRouter(prefix="/v1/volunteers", tags=["volunteers"])


@router.post("", status_code=201)
async def register_volunteer(ask: RegisterVolunteerAsk, context: Commanding) -> JSONResponse:
    """Offer to help, with consent; below 14 a guardian's. The answer has the number for the card."""
    runtime, person_id = context.runtime, ask.person_id

    async def build() -> Plan:
        at, ages = runtime.clock.now(), current_policy().ages
        async with runtime.log.queries() as connection:
            relations = await queries.relations_to(connection, context.actor_id, person_id, at)
            by = context.by(RegisterVolunteer, relations)
            person = await queries.person(connection, person_id)
            known = await queries.volunteer(connection, person_id)
            guardian_id = ask.guardian_id or await queries.consenting_guardian(connection, person_id)
            # Who consented before need not speak again; who is named now must.
            speaks = ask.guardian_id is None or _may_speak(ask.guardian_id, by)
            related = speaks and await guards(connection, guardian_id, person_id, at)
        if person is None:
            raise not_found(person_id=person_id)
        age_years = await _age(runtime, person["profile_ref"], at)
        volunteer_no = new_volunteer_no() if known is None else known["volunteer_no"]
        registered = RegisterVolunteer(
            by=by,
            at=at,
            volunteer_id=person_id,
            volunteer_no=volunteer_no,
            household_id=person["household_id"],
            entrance_id=person["entrance_id"],
            grid_id=person["grid_id"],
            age_years=age_years,
            consenting_guardian_id=guardian_id if related else None,
            consent_form=ask.consent_form,
            ages=ages,
        )
        commands: list[Command] = [registered]
        # A child's own word is no consent (个人信息保护法 §31): without a guardian's, none is recorded.
        if guardian_id is not None or age_years is None or age_years >= ages.guardian_below_years:
            consent = GiveConsent(
                by=by,
                at=at,
                person_id=person_id,
                purpose=VOLUNTEERING,
                form=ask.consent_form,
                guardian_id=guardian_id,
                guardian_related=related,
            )
            commands = [consent, registered]
        answer = {"volunteer_id": person_id, "volunteer_no": volunteer_no}
        return Plan(commands, answer, expected_versions=context.expecting(registered.stream))

    return await asked_again(lambda: command(context, build, RegisterVolunteer, status=201))


async def _age(runtime: Runtime, profile_ref: UUID | None, at: datetime) -> int | None:
    """By the birth date in the vault; only what follows from it goes into an event."""
    born = (await profile_of(runtime, profile_ref) or {}).get("birth_date")
    return age_of(None if born is None else date.fromisoformat(born), at)


def _may_speak(guardian_id: UUID, by: By) -> bool:
    """A guardian consents by asking themselves, or through whoever takes it down; a child does not name its own."""
    return by.actor_id == guardian_id or by.role in DOORSTEP


@router.post("/{volunteer_id}/verify-identity")
async def verify_identity(volunteer_id: UUID, ask: VerifyIdentityAsk, context: Commanding) -> JSONResponse:
    """Somebody else saw who the volunteer is: from now on they may be offered orders."""
    return await ask_of_volunteer(context, volunteer_id, VerifyIdentity, method=ask.method, ages=current_policy().ages)


@router.post("/{volunteer_id}/reject")
async def reject_volunteer(volunteer_id: UUID, ask: RejectVolunteerAsk, context: Commanding) -> JSONResponse:
    """Do not take the offer up; the person may offer again, under the same number."""
    return await ask_of_volunteer(context, volunteer_id, RejectVolunteer, reason_code=ask.reason_code)


@router.post("/{volunteer_id}/guardian-consent")
async def record_guardian_consent(
    volunteer_id: UUID, ask: RecordGuardianConsentAsk, context: Commanding
) -> JSONResponse:
    """A parent or guardian agrees that a child helps others: they ask themselves, or somebody takes it down."""
    runtime = context.runtime

    async def build() -> Plan:
        at, ages = runtime.clock.now(), current_policy().ages
        async with runtime.log.queries() as connection:
            relations = await queries.relations_to(connection, context.actor_id, volunteer_id, at)
            by = context.by(RecordGuardianConsent, relations)
            related = _may_speak(ask.guardian_id, by) and await guards(connection, ask.guardian_id, volunteer_id, at)
            person = await queries.person(connection, volunteer_id)
        age_years = None if person is None else await _age(runtime, person["profile_ref"], at)
        recorded = RecordGuardianConsent(
            by=by,
            at=at,
            volunteer_id=volunteer_id,
            guardian_related=related,
            age_years=age_years,
            ages=ages,
            **dict(ask),
        )
        consent = GiveConsent(
            by=by,
            at=at,
            person_id=volunteer_id,
            purpose=VOLUNTEERING,
            form=ask.form,
            guardian_id=ask.guardian_id,
            guardian_related=related,
        )
        answer = {"volunteer_id": volunteer_id}
        return Plan([recorded, consent], answer, expected_versions=context.expecting(recorded.stream))

    return await command(context, build, RecordGuardianConsent)


@router.post("/{volunteer_id}/skills")
async def declare_skill(volunteer_id: UUID, ask: DeclareSkillAsk, context: Commanding) -> JSONResponse:
    """Say what the volunteer can do."""
    require("skill", ask.skill, reference().skill_codes)
    return await ask_of_volunteer(context, volunteer_id, DeclareSkill, skill=ask.skill, level=ask.level)


@router.post("/{volunteer_id}/skills/{skill}/verify")
async def verify_skill(volunteer_id: UUID, skill: Code, ask: VerifySkillAsk, context: Commanding) -> JSONResponse:
    """Record the level that a declared skill was found to have."""
    return await ask_of_volunteer(context, volunteer_id, VerifySkill, skill=skill, level=ask.level)


@router.post("/{volunteer_id}/licences")
async def record_licence(volunteer_id: UUID, ask: RecordLicenceAsk, context: Commanding) -> JSONResponse:
    """Record a licence that was seen."""
    require("licence", ask.licence, reference().licence_codes)
    return await ask_of_volunteer(context, volunteer_id, RecordLicence, licence_id=uuid7(), **dict(ask))


@router.post("/{volunteer_id}/trainings")
async def record_training(volunteer_id: UUID, ask: RecordTrainingAsk, context: Commanding) -> JSONResponse:
    """Record a training that the volunteer completed."""
    require("training", ask.training, reference().training_codes)
    return await ask_of_volunteer(context, volunteer_id, RecordTraining, training_id=uuid7(), **dict(ask))


@router.post("/{volunteer_id}/insurances")
async def record_insurance(volunteer_id: UUID, ask: RecordInsuranceAsk, context: Commanding) -> JSONResponse:
    """Record an accident insurance."""
    return await ask_of_volunteer(context, volunteer_id, RecordInsurance, insurance_id=uuid7(), **dict(ask))


@router.post("/{volunteer_id}/availability")
async def set_availability(volunteer_id: UUID, ask: SetAvailabilityAsk, context: Commanding) -> JSONResponse:
    """Say when the volunteer can help; replaces what was said before."""
    weekly = tuple(WeeklySlot(**slot.model_dump()) for slot in ask.weekly)
    exceptions = tuple(AvailabilityException(**day.model_dump()) for day in ask.exceptions)
    return await ask_of_volunteer(context, volunteer_id, SetAvailability, weekly=weekly, exceptions=exceptions)
