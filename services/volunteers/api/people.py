"""Routes about a person: registration, consent, roles, reading, erasure."""

from typing import Annotated, Any
from uuid import UUID

import structlog
from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse

from contracts.command import SYSTEM, Refused
from contracts.ids import uuid7
from eventstore.executor import Plan
from servicekit.http import Commanding, Reading, command, not_found
from servicekit.process import Runtime
from servicekit.reference import reference, require
from services.volunteers.access import DOORSTEP, FIND_PERSON, READ_PERSON, READ_ROLES, REVEAL_PERSON
from services.volunteers.api.ending import CONSENT_WITHDRAWN, volunteering_ends
from services.volunteers.api.shared import (
    ERASED,
    PROFILE,
    NothingMore,
    Running,
    age_of,
    ask_about,
    guards,
    json_answer,
    list_erasures,
    masked,
    profile_of,
    relations_to,
    seal_profile,
)
from services.volunteers.commands.people import (
    BootstrapAdmin,
    BootstrapAsk,
    ErasePerson,
    ErasePersonAsk,
    GiveConsent,
    GiveConsentAsk,
    GrantRole,
    GrantRoleAsk,
    MovePerson,
    MovePersonAsk,
    Phone,
    RegisterPerson,
    RegisterPersonAsk,
    RevokeRole,
    RevokeRoleAsk,
    WithdrawConsent,
)
from services.volunteers.commands.words import VOLUNTEERING, ConsentPurpose
from services.volunteers.policy import current_policy
from services.volunteers.read_models import queries
from services.volunteers.read_models import tables as t
from services.volunteers.read_models.tie_queries import said_of

router = APIRouter(prefix="/v1", tags=["people"])
_log = structlog.get_logger("services.volunteers.people")


PhoneSought = Annotated[Phone, Header(description="The number; a header, so that it is in no address and no log.")]


@router.post("/bootstrap", status_code=201)
async def bootstrap(ask: BootstrapAsk, context: Commanding) -> JSONResponse:
    """Register the holder of the bootstrap token and make them the first ADMIN; once in a community's life."""
    if not context.caller.identity.bootstrap:
        raise Refused("bootstrap_token_required")
    runtime, person_id, grant_id = context.runtime, context.actor_id, uuid7()
    as_person = RegisterPersonAsk(**ask.model_dump(), consents=("personal_data",), consent_form="web")
    profile_ref, household_id = uuid7(), ask.household_id or uuid7()

    async def build() -> Plan:
        async with runtime.log.queries() as connection:
            admin_ever = await queries.admin_ever(connection)
        if admin_ever:
            raise Refused("admin_exists")
        entrance_id, grid_id = _place(as_person)
        sealed = await seal_profile(runtime, person_id, profile_ref, as_person)
        at = runtime.clock.now()
        registered = RegisterPerson(
            by=SYSTEM,
            at=at,
            person_id=person_id,
            household_id=household_id,
            entrance_id=entrance_id,
            grid_id=grid_id,
            profile_ref=profile_ref,
            profile_commitment=sealed.commitments[PROFILE],
            consents=as_person.consents,
            consent_form=as_person.consent_form,
            age_years=None,
            ages=current_policy().ages,
        )
        admin = BootstrapAdmin(by=SYSTEM, at=at, person_id=person_id, grant_id=grant_id, admin_ever=admin_ever)
        return Plan([registered, admin], {"person_id": person_id, "grant_id": grant_id}, sealed.changes)

    return await command(context, build, BootstrapAdmin, status=201)


@router.post("/persons", status_code=201)
async def register_person(ask: RegisterPersonAsk, context: Commanding) -> JSONResponse:
    """Register a person: name, phone and birth date go to the vault, ids and places to the log."""
    runtime, person_id, profile_ref = context.runtime, uuid7(), uuid7()
    household_id = ask.household_id or uuid7()

    async def build() -> Plan:
        by = context.by(RegisterPerson)
        at = runtime.clock.now()
        async with runtime.log.queries() as connection:
            guardian_known = await queries.is_known(connection, ask.guardian_id)
        age_years, (entrance_id, grid_id) = age_of(ask.birth_date, at), _place(ask)
        sealed = await seal_profile(runtime, person_id, profile_ref, ask)
        registered = RegisterPerson(
            by=by,
            at=at,
            person_id=person_id,
            household_id=household_id,
            entrance_id=entrance_id,
            grid_id=grid_id,
            profile_ref=profile_ref,
            profile_commitment=sealed.commitments[PROFILE],
            consents=ask.consents,
            consent_form=ask.consent_form,
            age_years=age_years,
            guardian_id=ask.guardian_id,
            guardian_known=guardian_known,
            ages=current_policy().ages,
        )
        return Plan([registered], {"person_id": person_id, "household_id": household_id}, sealed.changes)

    return await command(context, build, RegisterPerson, status=201)


@router.post("/persons/{person_id}/move")
async def move_person(person_id: UUID, ask: MovePersonAsk, context: Commanding) -> JSONResponse:
    """Record where a person lives now; roles held in a place stay until they are revoked."""
    runtime, fresh_household_id = context.runtime, uuid7()

    async def build() -> Plan:
        async with runtime.log.queries() as connection:
            at = runtime.clock.now()
            relations = await queries.relations_to(connection, context.actor_id, person_id, at)
            by = context.by(MovePerson, relations)
            lived = await queries.person(connection, person_id)
        home = {name: None if lived is None else lived[name] for name in ("household_id", "entrance_id", "grid_id")}
        if ask.left_community:
            home |= {"entrance_id": None, "grid_id": None}
        elif ask.entrance_id is not None or ask.grid_id is not None:
            home["entrance_id"], home["grid_id"] = _place(ask)
        if ask.new_household or ask.household_id is not None:
            home["household_id"] = ask.household_id or fresh_household_id
        moved = MovePerson(by=by, at=at, person_id=person_id, **home)
        answer = {"person_id": person_id, "household_id": moved.household_id and str(moved.household_id)}
        return Plan([moved], answer, expected_versions=context.expecting(moved.stream))

    return await command(context, build, MovePerson)


def _place(ask: RegisterPersonAsk | MovePersonAsk) -> tuple[str | None, str | None]:
    """The entrance and its grid. Raises Refused for codes that the community does not have, or that do not fit."""
    known = reference()
    if ask.grid_id is not None:
        require("grid", ask.grid_id, known.grids)
    if ask.entrance_id is None:
        return None, ask.grid_id
    grid_id = known.grid_of_entrance[require("entrance", ask.entrance_id, known.entrances)]
    if ask.grid_id not in {None, grid_id}:
        raise Refused("grid_mismatch", entrance_id=ask.entrance_id, grid_id=grid_id)
    return ask.entrance_id, grid_id


@router.get("/persons/{person_id}")
async def read_person(person_id: UUID, caller: Reading, runtime: Running, unmasked: bool = False) -> JSONResponse:
    """A person's places, and their name and phone: in full to themselves, to staff masked unless `unmasked`."""
    async with runtime.log.queries() as connection:
        relations = await queries.relations_to(connection, caller.actor_id, person_id, runtime.clock.now())
        by = caller.by(REVEAL_PERSON if unmasked else READ_PERSON, relations)
        row = await queries.person(connection, person_id)
    if row is None:
        raise not_found(person_id=person_id)
    if unmasked and "own" not in relations:
        _log.info("name shown in full", actor=str(by.actor_id), role=by.role.value, person_id=str(person_id))
    return json_answer(await _shown(runtime, row, in_full=unmasked or "own" in relations))


async def _shown(runtime: Runtime, row: queries.Row, *, in_full: bool) -> dict[str, Any]:
    profile = await profile_of(runtime, row["profile_ref"])
    if profile is None:
        words = {"name": ERASED, "phone": None, "birth_date": None}
    else:
        words = profile if in_full else masked(profile)
    places = {name: row[name] for name in ("person_id", "household_id", "entrance_id", "grid_id", "registered_at")}
    return {**places, **words, "masked": not in_full, "erased": row["erased_at"] is not None}


@router.get("/persons")
async def find_person(phone: PhoneSought, caller: Reading, runtime: Running) -> JSONResponse:
    """The people with exactly this phone number, masked: for an order by telephone."""
    caller.by(FIND_PERSON)
    refs = await runtime.vault.find(PROFILE, "phone", phone)
    async with runtime.log.queries() as connection:
        found = t.persons.c.profile_ref.in_(refs)
        rows = await queries.many(connection, t.persons.select().where(found).order_by(t.persons.c.registered_at))
    return json_answer({"persons": [await _shown(runtime, row, in_full=False) for row in rows]})


@router.post("/persons/{person_id}/consents")
async def give_consent(person_id: UUID, ask: GiveConsentAsk, context: Commanding) -> JSONResponse:
    """Record that a person, or a guardian for them, agreed to a purpose."""
    runtime = context.runtime

    async def build() -> Plan:
        async with runtime.log.queries() as connection:
            at = runtime.clock.now()
            relations = await queries.relations_to(connection, context.actor_id, person_id, at)
            by = context.by(GiveConsent, relations)
            speaks = ask.guardian_id == context.actor_id or by.role in DOORSTEP
            related = speaks and await guards(connection, ask.guardian_id, person_id, at)
        consent = GiveConsent(by=by, at=at, person_id=person_id, guardian_related=related, **ask.model_dump())
        return Plan([consent], {"person_id": person_id}, expected_versions=context.expecting(consent.stream))

    return await command(context, build, GiveConsent)


@router.post("/persons/{person_id}/consents/{purpose}/withdraw")
async def withdraw_consent(
    person_id: UUID, purpose: ConsentPurpose, ask: NothingMore, context: Commanding
) -> JSONResponse:
    """Take an agreement back. Without the consent to help others, volunteering ends in the same append."""
    runtime = context.runtime

    async def build() -> Plan:
        at = runtime.clock.now()
        by = context.by(WithdrawConsent, await relations_to(runtime, context.actor_id, person_id))
        withdrawn = WithdrawConsent(by=by, at=at, person_id=person_id, purpose=purpose, **dict(ask))
        ends = await volunteering_ends(runtime, by, at, person_id, CONSENT_WITHDRAWN) if purpose == VOLUNTEERING else []
        expected = context.expecting(withdrawn.stream)
        return Plan([withdrawn, *ends], {"person_id": person_id}, expected_versions=expected)

    return await command(context, build, WithdrawConsent)


@router.post("/roles", status_code=201)
async def grant_role(ask: GrantRoleAsk, context: Commanding) -> JSONResponse:
    """Grant a person a role in a place."""
    _known_scope(ask, context.runtime.settings.community)
    grant_id = uuid7()
    answer = {"grant_id": grant_id, "person_id": ask.person_id}
    fields = {"grant_id": grant_id, **ask.model_dump()}
    return await ask_about(context, ask.person_id, GrantRole, answer, status=201, **fields)


def _known_scope(ask: GrantRoleAsk, community: str) -> None:
    known = reference()
    codes = {
        "community": frozenset({community}),
        "street": frozenset(unit.code for unit in known.organisation if unit.kind == "street"),
        "grid": known.grids,
        "station": known.station_codes,
        "team": known.team_codes,
        "entrance": known.entrances,
    }
    require(ask.scope, ask.scope_id, codes[ask.scope])


@router.post("/roles/{grant_id}/revoke")
async def revoke_role(grant_id: UUID, ask: RevokeRoleAsk, context: Commanding) -> JSONResponse:
    """End a granted role."""
    async with context.runtime.log.queries() as connection:
        grant = await queries.row_of(connection, t.roles, grant_id)
    if grant is None:
        context.by(RevokeRole)
        raise Refused("grant_unknown")
    person_id = grant["person_id"]
    fields = {"person_id": person_id, "grant_id": grant_id, "reason_code": ask.reason_code}
    return await ask_about(context, person_id, RevokeRole, {"grant_id": grant_id}, **fields)


@router.get("/persons/{person_id}/roles")
async def read_roles(person_id: UUID, caller: Reading, runtime: Running) -> JSONResponse:
    """The roles a person holds now."""
    async with runtime.log.queries() as connection:
        at = runtime.clock.now()
        caller.by(READ_ROLES, await queries.relations_to(connection, caller.actor_id, person_id, at))
        rows = await queries.roles_of(connection, person_id, at)
    return json_answer({"person_id": person_id, "roles": [dict(row) for row in rows]})


@router.post("/persons/{person_id}/erase")
async def erase_person(person_id: UUID, ask: ErasePersonAsk, context: Commanding) -> JSONResponse:
    """Forget a person at their request: this service's keys go with this answer, the others' when they hear of it."""
    if ask.confirmed_person_id != person_id:
        raise Refused("erasure_not_confirmed")
    runtime = context.runtime

    async def build() -> Plan:
        async with runtime.log.queries() as connection:
            at = runtime.clock.now()
            relations = await queries.relations_to(connection, context.actor_id, person_id, at)
            said = await said_of(connection, person_id)
        by = context.by(ErasePerson, relations)
        erasure = await runtime.vault.erase(person_id)
        erased = ErasePerson(by=by, at=at, person_id=person_id, purposes_erased=erasure.erased)
        ends = await volunteering_ends(runtime, by, at, person_id, "person_erased")
        expected = context.expecting(erased.stream)
        # What others said of them lies under the others' keys, and goes as well.
        said_of_them = [change for ref in said for change in runtime.vault.remove(ref)]
        changes = (*erasure.changes, *said_of_them)
        return Plan([*ends, erased], {"person_id": person_id}, changes, expected)

    answer = await command(context, build, ErasePerson)
    await list_erasures(runtime)
    return answer
