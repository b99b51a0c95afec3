"""Routes about a volunteer: registration, verification, skills, papers, free time, rest, suspension, the end."""

from datetime import date
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import By, Role
from contracts.event import Code
from contracts.ids import uuid7
from contracts.volunteers import AvailabilityException, WeeklySlot
from eventstore.executor import Plan
from servicekit.http import CommandContext, Commanding, Reading, command, not_found
from servicekit.reference import reference, require
from services.volunteers.access import DOORSTEP, READ_VOLUNTEER
from services.volunteers.api.shared import (
    NothingMore,
    Running,
    age_of,
    ask_about,
    asked_again,
    guards,
    json_answer,
    new_volunteer_no,
    profile_of,
    relations_to,
)
from services.volunteers.commands.helping import (
    DeclareSkill,
    DeclareSkillAsk,
    PauseVolunteer,
    PauseVolunteerAsk,
    RecordInsurance,
    RecordInsuranceAsk,
    RecordLicence,
    RecordLicenceAsk,
    RegisterVolunteer,
    RegisterVolunteerAsk,
    ReinstateVolunteer,
    ResumeVolunteer,
    SetAvailability,
    SetAvailabilityAsk,
    SuspendVolunteer,
    SuspendVolunteerAsk,
    VerifyIdentity,
    VerifyIdentityAsk,
    VerifySkill,
    VerifySkillAsk,
    VolunteerCommand,
    WithdrawVolunteer,
    WithdrawVolunteerAsk,
)
from services.volunteers.commands.people import GiveConsent
from services.volunteers.read_models import queries

router = APIRouter(prefix="/v1/volunteers", tags=["volunteers"])
_SUSPENDERS = (Role.SOCIAL_WORKER, Role.STATION_MANAGER)


@router.post("", status_code=201)
async def register_volunteer(ask: RegisterVolunteerAsk, context: Commanding) -> JSONResponse:
    """Offer to help, with consent; below 14 a guardian's. The answer has the number for the card."""
    runtime, person_id = context.runtime, ask.person_id

    async def build() -> Plan:
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            relations = await queries.relations_to(connection, context.actor_id, person_id, at)
            by = context.by(RegisterVolunteer, relations)
            person = await queries.person(connection, person_id)
            known = await queries.volunteer(connection, person_id)
            related = _may_speak(ask, by) and await guards(connection, ask.guardian_id, person_id, at)
            consented = related or await queries.guardian_consented(connection, person_id)
        if person is None:
            raise not_found(person_id=person_id)
        profile = await profile_of(runtime, person["profile_ref"]) or {}
        volunteer_no = new_volunteer_no() if known is None else known["volunteer_no"]
        born = profile.get("birth_date")
        consent = GiveConsent(
            by=by,
            at=at,
            person_id=person_id,
            purpose="volunteering",
            form=ask.consent_form,
            guardian_id=ask.guardian_id,
            guardian_related=related,
        )
        registered = RegisterVolunteer(
            by=by,
            at=at,
            volunteer_id=person_id,
            volunteer_no=volunteer_no,
            household_id=person["household_id"],
            entrance_id=person["entrance_id"],
            grid_id=person["grid_id"],
            age_years=age_of(None if born is None else date.fromisoformat(born), at),
            guardian_consented=consented,
        )
        answer = {"volunteer_id": person_id, "volunteer_no": volunteer_no}
        return Plan([consent, registered], answer, expected_versions=context.expecting(registered.stream))

    return await asked_again(lambda: command(context, build, RegisterVolunteer, status=201))


def _may_speak(ask: RegisterVolunteerAsk, by: By) -> bool:
    """A guardian consents by asking themselves, or through whoever takes it down; a child does not name its own."""
    return by.actor_id == ask.guardian_id or by.role in DOORSTEP


async def _ask(
    context: CommandContext, volunteer_id: UUID, command_class: type[VolunteerCommand], **fields: Any
) -> JSONResponse:
    answer = {"volunteer_id": volunteer_id} | {name: value for name, value in fields.items() if name.endswith("_id")}
    return await ask_about(context, volunteer_id, command_class, answer, volunteer_id=volunteer_id, **fields)


@router.post("/{volunteer_id}/verify-identity")
async def verify_identity(volunteer_id: UUID, ask: VerifyIdentityAsk, context: Commanding) -> JSONResponse:
    """Somebody else saw who the volunteer is: from now on they may be offered orders."""
    return await _ask(context, volunteer_id, VerifyIdentity, method=ask.method)


@router.post("/{volunteer_id}/skills")
async def declare_skill(volunteer_id: UUID, ask: DeclareSkillAsk, context: Commanding) -> JSONResponse:
    """Say what the volunteer can do."""
    require("skill", ask.skill, reference().skill_codes)
    return await _ask(context, volunteer_id, DeclareSkill, skill=ask.skill, level=ask.level)


@router.post("/{volunteer_id}/skills/{skill}/verify")
async def verify_skill(volunteer_id: UUID, skill: Code, ask: VerifySkillAsk, context: Commanding) -> JSONResponse:
    """Record the level that a declared skill was found to have."""
    return await _ask(context, volunteer_id, VerifySkill, skill=skill, level=ask.level)


@router.post("/{volunteer_id}/licences")
async def record_licence(volunteer_id: UUID, ask: RecordLicenceAsk, context: Commanding) -> JSONResponse:
    """Record a licence that was seen."""
    require("licence", ask.licence, reference().licence_codes)
    return await _ask(context, volunteer_id, RecordLicence, licence_id=uuid7(), **dict(ask))


@router.post("/{volunteer_id}/insurances")
async def record_insurance(volunteer_id: UUID, ask: RecordInsuranceAsk, context: Commanding) -> JSONResponse:
    """Record an accident insurance."""
    return await _ask(context, volunteer_id, RecordInsurance, insurance_id=uuid7(), **dict(ask))


@router.post("/{volunteer_id}/availability")
async def set_availability(volunteer_id: UUID, ask: SetAvailabilityAsk, context: Commanding) -> JSONResponse:
    """Say when the volunteer can help; replaces what was said before."""
    weekly = tuple(WeeklySlot(**slot.model_dump()) for slot in ask.weekly)
    exceptions = tuple(AvailabilityException(**day.model_dump()) for day in ask.exceptions)
    return await _ask(context, volunteer_id, SetAvailability, weekly=weekly, exceptions=exceptions)


@router.post("/{volunteer_id}/pause")
async def pause_volunteer(volunteer_id: UUID, ask: PauseVolunteerAsk, context: Commanding) -> JSONResponse:
    """Take a rest: promises of the days to come are released."""
    return await _ask(context, volunteer_id, PauseVolunteer, pause_until=ask.pause_until)


@router.post("/{volunteer_id}/resume")
async def resume_volunteer(volunteer_id: UUID, ask: NothingMore, context: Commanding) -> JSONResponse:
    """Come back from a rest."""
    return await _ask(context, volunteer_id, ResumeVolunteer, **dict(ask))


@router.post("/{volunteer_id}/suspend")
async def suspend_volunteer(volunteer_id: UUID, ask: SuspendVolunteerAsk, context: Commanding) -> JSONResponse:
    """Stop a volunteer until a moment; the caller and `seconded_by` both stand for it."""
    runtime = context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        by = context.by(SuspendVolunteer, await relations_to(runtime, context.actor_id, volunteer_id))
        async with runtime.log.queries() as connection:
            entitled = await queries.holds_any(connection, ask.seconded_by, _SUSPENDERS, at)
        suspended = SuspendVolunteer(
            by=by, at=at, volunteer_id=volunteer_id, seconder_entitled=entitled, **ask.model_dump()
        )
        answer = {"volunteer_id": volunteer_id}
        return Plan([suspended], answer, expected_versions=context.expecting(suspended.stream))

    return await command(context, build, SuspendVolunteer)


@router.post("/{volunteer_id}/reinstate")
async def reinstate_volunteer(volunteer_id: UUID, ask: NothingMore, context: Commanding) -> JSONResponse:
    """End a suspension."""
    return await _ask(context, volunteer_id, ReinstateVolunteer, **dict(ask))


@router.post("/{volunteer_id}/withdraw")
async def withdraw_volunteer(volunteer_id: UUID, ask: WithdrawVolunteerAsk, context: Commanding) -> JSONResponse:
    """End volunteering; the person stays a resident."""
    return await _ask(context, volunteer_id, WithdrawVolunteer, reason_code=ask.reason_code)


@router.get("/{volunteer_id}")
async def read_volunteer(volunteer_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """A volunteer's state, skills, papers, free time and credited minutes by grade; no name."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
        caller.by(READ_VOLUNTEER, relations)
        found = await queries.volunteer(connection, volunteer_id)
        minutes = await queries.totals(connection, volunteer_id)
    if found is None:
        raise not_found(volunteer_id=volunteer_id)
    return json_answer({**found, "minutes_by_grade": minutes})
