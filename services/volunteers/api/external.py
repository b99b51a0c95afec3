"""Routes about records from elsewhere: take a volunteer in with their history, and show it as 外部记录."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from contracts.command import By, Command, Refused
from contracts.ids import uuid7
from contracts.volunteers import ExternalRecords
from eventstore.executor import Plan
from eventstore.vault import Sealed
from servicekit.http import Commanding, Reading, command, not_found
from servicekit.process import Runtime
from servicekit.reference import reference, require
from services.volunteers.access import IMPORT_RECORDS, READ_RECORDS
from services.volunteers.api.shared import (
    PROFILE,
    Running,
    age_of,
    asked_again,
    json_answer,
    new_volunteer_no,
    seal_profile,
)
from services.volunteers.commands.external import (
    AddExternalRecordsAsk,
    ImportVolunteerAsk,
    document_of,
    imported_person_id,
)
from services.volunteers.commands.helping import DeclareSkill, RegisterVolunteer
from services.volunteers.commands.people import RegisterPerson, RegisterPersonAsk
from services.volunteers.commands.words import VOLUNTEERING
from services.volunteers.policy import current_policy
from services.volunteers.read_models import queries, record_queries

router = APIRouter(prefix="/v1", tags=["external records"])
EXTERNAL = "external"
"""The vault's purpose for what another app had recorded of a person."""
RECORDS = "records"
"""The sealed field: the history as one JSON document."""


@router.post("/external-records", status_code=201)
async def import_volunteer(ask: ImportVolunteerAsk, context: Commanding) -> JSONResponse:
    """Take a volunteer of another app in: person, consent, offer to help and history, in one append or not at all.

    Asked again with the same content nothing happens, however much later. No minute is credited.
    """
    runtime = context.runtime
    if ask.grid_id is not None:
        require("grid", ask.grid_id, reference().grids)
    for skill in ask.skills:
        require("skill", skill, reference().skill_codes)
    origin = f"{ask.source_code}/{ask.original_no}"
    person_id = imported_person_id(runtime.vault.pseudonym(EXTERNAL, origin))

    async def build() -> Plan:
        by, at = context.by(IMPORT_RECORDS), runtime.clock.now()
        async with runtime.log.queries() as connection:
            person = await queries.person(connection, person_id)
            known = await queries.volunteer(connection, person_id)
            number_taken = await record_queries.number_taken(connection, ask.volunteer_no)
        if person is not None:
            return await _again(runtime, ask, person, known)
        if number_taken:
            raise Refused("number_in_use")
        await _not_known_by_phone(runtime, ask)
        return await _taken_in(runtime, ask, person_id, by, at)

    return await asked_again(lambda: command(context, build, RegisterVolunteer, status=201))


async def _again(runtime: Runtime, ask: ImportVolunteerAsk, person: queries.Row, known: dict[str, Any] | None) -> Plan:
    """Nothing more to do for the same history; another one does not replace it."""
    if person["erased_at"] is not None:
        raise Refused("person_erased")
    kept = None if known is None or known["external_ref"] is None else await runtime.vault.open(known["external_ref"])
    if known is None or kept is None or kept[RECORDS] != _document(ask):
        raise Refused("imported_otherwise")
    return Plan([], _answer(person["person_id"], known["volunteer_no"], ask, imported=False))


async def _not_known_by_phone(runtime: Runtime, ask: ImportVolunteerAsk) -> None:
    """Somebody of this name and number lives here already: a person looks, so that nobody is here twice."""
    if ask.phone is None:
        return
    opened = await runtime.vault.open_many(await runtime.vault.find(PROFILE, "phone", ask.phone))
    if any(json.loads(fields[PROFILE])["name"] == ask.name for fields in opened.values()):
        raise Refused("known_by_phone")


async def _taken_in(runtime: Runtime, ask: ImportVolunteerAsk, person_id: UUID, by: By, at: datetime) -> Plan:
    profile_ref, ages = uuid7(), current_policy().ages
    as_person = RegisterPersonAsk(
        name=ask.name,
        phone=ask.phone,
        birth_date=ask.birth_date,
        grid_id=ask.grid_id,
        consents=("personal_data", VOLUNTEERING),
        consent_form=ask.consent_form,
    )
    age_years = age_of(ask.birth_date, at)
    profile = await seal_profile(runtime, person_id, profile_ref, as_person)
    history = await runtime.vault.seal(person_id, EXTERNAL, uuid7(), {RECORDS: _document(ask)})
    registered = RegisterPerson(
        by=by,
        at=at,
        person_id=person_id,
        household_id=uuid7(),
        entrance_id=None,
        grid_id=ask.grid_id,
        profile_ref=profile_ref,
        profile_commitment=profile.commitments[PROFILE],
        consents=as_person.consents,
        consent_form=ask.consent_form,
        age_years=age_years,
        ages=ages,
    )
    volunteers = RegisterVolunteer(
        by=by,
        at=at,
        volunteer_id=person_id,
        volunteer_no=ask.volunteer_no or new_volunteer_no(),
        household_id=registered.household_id,
        entrance_id=None,
        grid_id=ask.grid_id,
        age_years=age_years,
        consent_form=ask.consent_form,
        external=_external(ask, history),
        ages=ages,
    )
    skills = [
        DeclareSkill(by=by, at=at, volunteer_id=person_id, skill=skill, level=1) for skill in dict.fromkeys(ask.skills)
    ]
    commands: list[Command] = [registered, volunteers, *skills]
    answer = _answer(person_id, volunteers.volunteer_no, ask, imported=True)
    return Plan(commands, answer, (*profile.changes, *history.changes))


def _external(ask: ImportVolunteerAsk, history: Sealed) -> ExternalRecords:
    return ExternalRecords(
        source_code=ask.source_code,
        file_sha256=ask.file_sha256,
        records_ref=history.ref,
        records_commitment=history.commitments[RECORDS],
    )


def _answer(person_id: UUID, volunteer_no: str, ask: ImportVolunteerAsk, *, imported: bool) -> dict[str, Any]:
    return {
        "volunteer_id": str(person_id),
        "volunteer_no": volunteer_no,
        "records": len(ask.records),
        "imported": imported,
    }


def _document(ask: ImportVolunteerAsk) -> str:
    """The history as it is sealed: what was said of the volunteer, whichever file said it."""
    told = {"original_no", "registered_on", "records"} | ({"later_sha256"} if ask.later_sha256 else set())
    said = ask.model_dump(mode="json", include=told, exclude_none=True)
    return json.dumps(said, ensure_ascii=False, sort_keys=True)


@router.post("/volunteers/{volunteer_id}/external-records")
async def add_external_records(volunteer_id: UUID, ask: AddExternalRecordsAsk, context: Commanding) -> JSONResponse:
    """Add a further part of a history. The registration committed to it, so it needs no event, and no other fits."""
    runtime = context.runtime
    part, field = document_of(ask.records), f"{RECORDS}.{ask.part:02}"

    async def build() -> Plan:
        context.by(IMPORT_RECORDS)
        async with runtime.log.queries() as connection:
            found = await queries.volunteer(connection, volunteer_id)
        ref = None if found is None else found["external_ref"]
        opened = None if ref is None else await runtime.vault.open(ref)
        announced = [] if opened is None else json.loads(opened[RECORDS]).get("later_sha256", [])
        if ref is None or opened is None or announced[ask.part - 1 : ask.part] != [sha256(part.encode()).hexdigest()]:
            raise Refused("part_not_announced", part=ask.part)
        answer = {"volunteer_id": str(volunteer_id), "records": len(ask.records), "imported": field not in opened}
        if field in opened:
            return Plan([], answer)
        sealed = await runtime.vault.seal(volunteer_id, EXTERNAL, ref, {field: part})
        return Plan([], answer, sealed.changes)

    return await command(context, build, AddExternalRecordsAsk)


@router.get("/volunteers/{volunteer_id}/external-records")
async def read_external_records(volunteer_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """What another app had recorded of a volunteer: who says so, and by which file. None of it is credited here."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, volunteer_id, runtime.clock.now())
        caller.by(READ_RECORDS, relations)
        found = await queries.volunteer(connection, volunteer_id)
    if found is None:
        raise not_found(volunteer_id=volunteer_id)
    return json_answer({"volunteer_id": volunteer_id, "external": await external_of(runtime, found)})


async def external_of(runtime: Runtime, volunteer: Any) -> dict[str, Any] | None:
    """The history that a volunteer brought along; None without one, or once they were erased."""
    ref = volunteer["external_ref"]
    opened = None if ref is None else await runtime.vault.open(ref)
    if opened is None:
        return None
    document: dict[str, Any] = json.loads(opened[RECORDS])
    announced = document.pop("later_sha256", [])
    later = [opened[name] for name in sorted(opened) if name != RECORDS]
    document["records"] += [record for part in later for record in json.loads(part)]
    return {
        # Whether every part that was announced has come.
        "complete": len(later) == len(announced),
        "source_code": volunteer["external_source"],
        "file_sha256": volunteer["external_file_sha256"],
        **document,
    }
