"""The fold of volunteers' own log into the tables of hours."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.volunteers import (
    CorrectionRequested,
    HoursAdjusted,
    HoursApproved,
    HoursClaimed,
    HoursConfirmed,
    HoursFlagged,
    HoursHeld,
    HoursLogged,
    HoursRejected,
    HoursSampled,
    HoursVoided,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from services.volunteers.commands.hours import day_of
from services.volunteers.read_models import hours_tables as t


def month_of(moment: datetime) -> date:
    """The first day of a moment's month, Asia/Shanghai."""
    return day_of(moment).replace(day=1)


class HoursModel(ReadModel):
    """Claims of hours, what they come to by day and grade, and what was corrected and checked."""

    source: ClassVar[str] = "volunteers"
    metadata: ClassVar[sa.MetaData] = t.metadata
    version: ClassVar[int] = 1
    ddl: ClassVar[tuple[str, ...]] = (t.NO_OVERLAP,)

    def needs(self, recorded: Recorded) -> Iterable[tuple[sa.Table, Any]]:
        """The totals that a credit or a correction adds to, and what one more joins."""
        event = recorded.event
        if isinstance(event, HoursLogged | HoursAdjusted | HoursVoided):
            yield t.day_totals, (event.volunteer_id, event.service_date)
            yield t.grade_totals, (event.volunteer_id, event.grade)
        if isinstance(event, HoursConfirmed | HoursApproved | CorrectionRequested | HoursAdjusted | HoursVoided):
            yield t.claims, event.claim_id
        if isinstance(event, HoursLogged):
            yield t.months, month_of(event.logged_at)
        if isinstance(event, HoursSampled):
            yield t.months, event.month_start

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the module."""
        match recorded.event:
            case HoursClaimed() as event:
                _claimed(event, rows)
            case HoursFlagged() as event:
                rows.update(t.claims, event.claim_id, flags=list(event.flags))
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
                rows.update(
                    t.claims,
                    event.claim_id,
                    state="REJECTED",
                    reason_code=event.reason_code,
                    due_at=None,
                    pair_no=None,
                )
            case HoursLogged() as event:
                _logged(recorded, event, rows)
            case CorrectionRequested() as event:
                _requested(event, rows)
            case HoursAdjusted() | HoursVoided() as event:
                _answered(recorded, event, rows)
            case HoursSampled() as event:
                _sampled(event, rows)
            case _:
                pass  # a reader shows what it knows and ignores the rest


def _claimed(event: HoursClaimed, rows: Rows) -> None:
    rows.insert(
        t.claims,
        claim_id=event.claim_id,
        volunteer_id=event.volunteer_id,
        source=event.source,
        order_id=event.order_id,
        assignment_id=event.assignment_id,
        beneficiary_id=event.beneficiary_id,
        item_code=event.item_code,
        project_code=event.project_code,
        recorded_by=event.recorded_by,
        attachment_sha256=event.attachment_sha256,
        pair_no=event.pair_no,
        flags=[],
        started_at=event.started_at,
        finished_at=event.finished_at,
        minutes=event.minutes,
        service_date=event.service_date,
        grade=event.grade,
        state="CLAIMED",
        approvals=[],
        open_corrections=[],
        claimed_at=event.claimed_at,
    )


def _logged(recorded: Recorded, event: HoursLogged, rows: Rows) -> None:
    month = month_of(event.logged_at)
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
        posting_event_id=recorded.event_id,
        logged_month=month,
    )
    _totals(event, event.minutes, 1, rows)
    before = rows.get(t.months, month)
    rows.upsert(
        t.months,
        month_start=month,
        logged=(0 if before is None else before["logged"]) + 1,
        drawn=0 if before is None else before["drawn"],
    )


def _totals(event: HoursLogged | HoursAdjusted | HoursVoided, change: int, entries: int, rows: Rows) -> None:
    day = rows.get(t.day_totals, (event.volunteer_id, event.service_date))
    rows.upsert(
        t.day_totals,
        volunteer_id=event.volunteer_id,
        service_date=event.service_date,
        minutes=(0 if day is None else day["minutes"]) + change,
        stated_minutes=event.day_minutes,
    )
    total = rows.get(t.grade_totals, (event.volunteer_id, event.grade))
    rows.upsert(
        t.grade_totals,
        volunteer_id=event.volunteer_id,
        grade=event.grade,
        minutes=(0 if total is None else total["minutes"]) + change,
        entries=(0 if total is None else total["entries"]) + entries,
    )


def _requested(event: CorrectionRequested, rows: Rows) -> None:
    rows.insert(
        t.corrections,
        correction_id=event.correction_id,
        claim_id=event.claim_id,
        volunteer_id=event.volunteer_id,
        cause=event.cause,
        requested_by=event.requested_by,
        explanation_ref=event.explanation_ref,
        explanation_commitment=event.explanation_commitment,
        due_at=event.due_at,
        requested_at=event.requested_at,
    )
    claim = rows.get(t.claims, event.claim_id)
    opened = [] if claim is None else claim["open_corrections"]
    rows.update(t.claims, event.claim_id, open_corrections=[*opened, str(event.correction_id)])
    rows.add(t.claims, event.claim_id, corrections=1)


def _answered(recorded: Recorded, event: HoursAdjusted | HoursVoided, rows: Rows) -> None:
    adjusted = isinstance(event, HoursAdjusted)
    delta = event.delta if isinstance(event, HoursAdjusted) else -event.minutes
    claim = rows.get(t.claims, event.claim_id)
    for correction_id in [] if claim is None else claim["open_corrections"]:
        rows.update(
            t.corrections,
            UUID(correction_id),
            answer=("adjusted" if delta else "upheld") if adjusted else "voided",
            delta=delta,
            reason_code=event.reason_code,
            approved_by=event.approved_by,
            answer_ref=event.explanation_ref,
            answer_commitment=event.explanation_commitment,
            answered_at=event.adjusted_at if isinstance(event, HoursAdjusted) else event.voided_at,
        )
    rows.update(t.claims, event.claim_id, open_corrections=[], day_minutes=event.day_minutes)
    if isinstance(event, HoursAdjusted):
        rows.update(t.claims, event.claim_id, minutes=event.minutes)
        if delta:
            rows.update(t.claims, event.claim_id, posting_event_id=recorded.event_id)
    else:
        rows.update(
            t.claims,
            event.claim_id,
            state="VOIDED",
            logged=False,
            minutes=0,
            reason_code=event.reason_code,
            pair_no=None,
            posting_event_id=None,
        )
    _totals(event, delta, 0 if adjusted else -1, rows)


def _sampled(event: HoursSampled, rows: Rows) -> None:
    rows.update(
        t.claims,
        event.claim_id,
        sample_month=event.month_start,
        sample_result=event.result,
        sample_due_at=event.due_at,
    )
    month = rows.get(t.months, event.month_start)
    if event.result != "drawn" or month is None:
        return
    rows.upsert(
        t.months,
        month_start=event.month_start,
        logged=month["logged"],
        drawn=month["drawn"] + 1,
        population=event.population,
        seed=event.seed,
    )
