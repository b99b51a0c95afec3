"""The fold of volunteers' own log into its tables."""

from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.volunteers import (
    AvailabilitySet,
    ConsentGiven,
    ConsentWithdrawn,
    CorrectionRequested,
    HoursApproved,
    HoursClaimed,
    HoursConfirmed,
    HoursHeld,
    HoursLogged,
    HoursRejected,
    IdentityVerified,
    InsuranceRecorded,
    LicenceRecorded,
    PersonErased,
    PersonRegistered,
    ProxyAuthorised,
    ProxyEnded,
    RelationDeclared,
    RelationEnded,
    RoleGranted,
    RoleRevoked,
    SkillDeclared,
    SkillVerified,
    VolunteerActivated,
    VolunteerPaused,
    VolunteerRegistered,
    VolunteerReinstated,
    VolunteerResumed,
    VolunteerSuspended,
    VolunteerWithdrawn,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from services.volunteers.read_models import tables as t

NO_OVERLAP = """ALTER TABLE {schema}.claims ADD CONSTRAINT claims_no_overlap EXCLUDE USING gist (
    {engine}.uuidrange(volunteer_id, volunteer_id, '[]') WITH =, tstzrange(started_at, finished_at) WITH &&
) WHERE (logged) DEFERRABLE INITIALLY DEFERRED"""


class VolunteersModel(ReadModel):
    """People and their ties, volunteers, claims of hours."""

    source: ClassVar[str] = "volunteers"
    metadata: ClassVar[sa.MetaData] = t.metadata
    version: ClassVar[int] = 1
    ddl: ClassVar[tuple[str, ...]] = (NO_OVERLAP,)

    def needs(self, recorded: Recorded) -> Iterable[tuple[sa.Table, Any]]:
        """The totals that a credit adds to, and the approvals that one more joins."""
        event = recorded.event
        if isinstance(event, HoursLogged):
            return (
                (t.day_totals, (event.volunteer_id, event.service_date)),
                (t.grade_totals, (event.volunteer_id, event.grade)),
            )
        if isinstance(event, HoursConfirmed | HoursApproved):
            return ((t.claims, event.claim_id),)
        return ()

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the module."""
        family = recorded.stream.partition("-")[0]
        if family == "person":
            _person(recorded, rows)
        elif family == "volunteer":
            _volunteer(recorded, rows)
        elif family == "claim":
            _claim(recorded, rows)


def _person(recorded: Recorded, rows: Rows) -> None:
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
        case _:
            pass  # a reader shows what it knows and ignores the rest


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


def _volunteer(recorded: Recorded, rows: Rows) -> None:
    match recorded.event:
        case VolunteerRegistered() as event:
            rows.upsert(
                t.volunteers,
                volunteer_id=event.volunteer_id,
                volunteer_no=event.volunteer_no,
                state="PENDING",
                grid_id=event.grid_id,
                guardian_required=event.guardian_required,
                accompanied_only=event.accompanied_only,
                registered_at=event.registered_at,
                verified_by=None,
                verified_at=None,
                until=None,
            )
        case IdentityVerified() as event:
            rows.update(t.volunteers, event.volunteer_id, verified_by=recorded.actor, verified_at=event.verified_at)
        case VolunteerActivated() | VolunteerResumed() | VolunteerReinstated() as event:
            rows.update(t.volunteers, event.volunteer_id, state="ACTIVE", until=None)
        case VolunteerPaused() as event:
            rows.update(t.volunteers, event.volunteer_id, state="PAUSED", until=event.due_at)
        case VolunteerSuspended() as event:
            rows.update(t.volunteers, event.volunteer_id, state="SUSPENDED", until=event.due_at)
        case VolunteerWithdrawn() as event:
            rows.update(t.volunteers, event.volunteer_id, state="WITHDRAWN", until=None)
        case SkillDeclared() as event:
            rows.upsert(t.skills, volunteer_id=event.volunteer_id, skill=event.skill, declared_level=event.level)
        case SkillVerified() as event:
            rows.upsert(
                t.skills,
                volunteer_id=event.volunteer_id,
                skill=event.skill,
                verified_level=event.level,
                verified_by=recorded.actor,
                verified_at=event.verified_at,
            )
        case LicenceRecorded() as event:
            rows.insert(
                t.licences,
                licence_id=event.licence_id,
                volunteer_id=event.volunteer_id,
                licence=event.licence,
                expires_on=event.expires_on,
                recorded_at=event.recorded_at,
            )
        case InsuranceRecorded() as event:
            rows.insert(
                t.insurances,
                insurance_id=event.insurance_id,
                volunteer_id=event.volunteer_id,
                insurance=event.insurance,
                valid_from=event.valid_from,
                expires_on=event.expires_on,
                recorded_at=event.recorded_at,
            )
        case AvailabilitySet() as event:
            rows.upsert(
                t.availability,
                volunteer_id=event.volunteer_id,
                weekly=[slot.model_dump(mode="json") for slot in event.weekly],
                exceptions=[day.model_dump(mode="json") for day in event.exceptions],
                set_at=event.set_at,
            )
        case _:
            pass


def _claim(recorded: Recorded, rows: Rows) -> None:
    match recorded.event:
        case HoursClaimed() as event:
            rows.insert(
                t.claims,
                claim_id=event.claim_id,
                volunteer_id=event.volunteer_id,
                order_id=event.order_id,
                assignment_id=event.assignment_id,
                item_code=event.item_code,
                started_at=event.started_at,
                finished_at=event.finished_at,
                minutes=event.minutes,
                service_date=event.service_date,
                grade=event.grade,
                state="CLAIMED",
                approvals=[],
                claimed_at=event.claimed_at,
            )
        case HoursConfirmed() as event:
            claim = rows.get(t.claims, event.claim_id)
            state = "HELD" if claim is not None and claim["state"] == "HELD" else "CONFIRMED"
            rows.update(t.claims, event.claim_id, state=state, grade=event.grade, confirmed_at=event.confirmed_at)
        case HoursHeld() as event:
            rows.update(
                t.claims,
                event.claim_id,
                state="HELD",
                reason_code=event.reason_code,
                day_minutes=event.day_minutes,
                approvals_required=event.approvals_required,
                due_at=event.due_at,
            )
        case HoursApproved() as event:
            claim = rows.get(t.claims, event.claim_id)
            approvals = [] if claim is None else claim["approvals"]
            approval = {"person_id": str(event.approved_by), "role": event.role.value}
            required = event.approvals_required
            rows.update(t.claims, event.claim_id, approvals=[*approvals, approval], approvals_required=required)
        case HoursRejected() as event:
            rows.update(t.claims, event.claim_id, state="REJECTED", reason_code=event.reason_code, due_at=None)
        case HoursLogged() as event:
            _logged(recorded, event, rows)
        case CorrectionRequested() as event:
            rows.insert(
                t.corrections,
                correction_id=event.correction_id,
                claim_id=event.claim_id,
                volunteer_id=event.volunteer_id,
                cause=event.cause,
                due_at=event.due_at,
                requested_at=event.requested_at,
            )
            rows.add(t.claims, event.claim_id, corrections=1)
        case _:
            pass


def _logged(recorded: Recorded, event: HoursLogged, rows: Rows) -> None:
    rows.update(
        t.claims,
        event.claim_id,
        state="LOGGED",
        logged=True,
        reason_code=None,
        due_at=None,
        grade=event.grade,
        minutes=event.minutes,
        day_minutes=event.day_minutes,
        logged_at=event.logged_at,
        logged_event_id=recorded.event_id,
        logged_position=recorded.position,
    )
    day = rows.get(t.day_totals, (event.volunteer_id, event.service_date))
    rows.upsert(
        t.day_totals,
        volunteer_id=event.volunteer_id,
        service_date=event.service_date,
        minutes=(0 if day is None else day["minutes"]) + event.minutes,
        stated_minutes=event.day_minutes,
    )
    total = rows.get(t.grade_totals, (event.volunteer_id, event.grade))
    rows.upsert(
        t.grade_totals,
        volunteer_id=event.volunteer_id,
        grade=event.grade,
        minutes=(0 if total is None else total["minutes"]) + event.minutes,
        entries=(0 if total is None else total["entries"]) + 1,
    )
