"""The fold of volunteers' own log into its tables."""

from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.volunteers import (
    CorrectionRequested,
    HoursApproved,
    HoursClaimed,
    HoursConfirmed,
    HoursHeld,
    HoursLogged,
    HoursRejected,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from services.volunteers.read_models import of_persons, of_teams, of_volunteers
from services.volunteers.read_models import tables as t

NO_OVERLAP = """ALTER TABLE {schema}.claims ADD CONSTRAINT claims_no_overlap EXCLUDE USING gist (
    {engine}.uuidrange(volunteer_id, volunteer_id, '[]') WITH =, tstzrange(started_at, finished_at) WITH &&
) WHERE (logged) DEFERRABLE INITIALLY DEFERRED"""


class VolunteersModel(ReadModel):
    """People and their ties, volunteers, teams, claims of hours."""

    source: ClassVar[str] = "volunteers"
    metadata: ClassVar[sa.MetaData] = t.metadata
    version: ClassVar[int] = 3
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
            of_persons.fold(recorded, rows)
        elif family == "volunteer":
            of_volunteers.fold(recorded, rows)
        elif family == "team":
            of_teams.fold(recorded, rows)
        elif family == "claim":
            _claim(recorded, rows)
            of_teams.fold(recorded, rows)


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
