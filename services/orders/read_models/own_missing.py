"""The fold of what did not go by the book: information asked for, who did not come, what was entered afterwards."""

from collections.abc import Callable
from typing import Any

from contracts.orders import (
    OrderInfoProvided,
    OrderInfoRequested,
    ResidentAbsentRecorded,
    ServiceRecordedAfterwards,
    VolunteerNoShowRecorded,
)
from eventstore.rows import Rows
from services.orders.read_models import tables as t

Changes = dict[str, Any] | None
"""Columns of the order's row that an event sets beside its state; None: the event is no step of an order there is."""


def _info_requested(event: OrderInfoRequested, _rows: Rows) -> Changes:
    return {
        "asked_for": event.asked_for,
        "question_ref": event.words_ref,
        "info_requested_at": event.info_requested_at,
    }


def _info_provided(event: OrderInfoProvided, _rows: Rows) -> Changes:
    return {"info_requested_at": None, "answer_ref": event.details_ref}


def _no_show(event: VolunteerNoShowRecorded, rows: Rows) -> Changes:
    lost = {"live": False, "served": "NO_SHOW", "contest_until": event.contest_until, "reported_by": event.reported_by}
    rows.update(t.assignments, event.assignment_id, **lost)
    return {"slots_filled": event.slots_filled, "returned": True}


def _absent(event: ResidentAbsentRecorded, rows: Rows) -> Changes:
    for assignment_id in event.released_assignments:
        rows.update(t.assignments, assignment_id, live=False, served="RELEASED")
    return {"slots_filled": 0, "returned": False}


def _afterwards(event: ServiceRecordedAfterwards, rows: Rows) -> Changes:
    done: dict[str, Any] = {
        "live": False,
        "served": "FINISHED",
        "started_at": event.started_at,
        "finished_at": event.finished_at,
        "minutes": event.minutes,
        "attachment_hash": event.attachment_hash,
    }
    if event.new_assignment:
        rows.insert(
            t.assignments,
            assignment_id=event.assignment_id,
            order_id=event.order_id,
            volunteer_id=event.volunteer_id,
            beneficiary_id=event.beneficiary_id,
            window_start=event.window_start,
            busy_from=event.started_at,
            busy_until=event.finished_at,
            accepted_at=event.recorded_at,
            **done,
        )
    else:
        rows.update(t.assignments, event.assignment_id, **done)
    rows.upsert(t.last_services, volunteer_id=event.volunteer_id, served_at=event.finished_at)
    return {"slots_filled": event.slots_filled} | ({"served_at": event.recorded_at} if event.served else {})


FOLDS: dict[type, Callable[[Any, Rows], Changes]] = {
    OrderInfoRequested: _info_requested,
    OrderInfoProvided: _info_provided,
    VolunteerNoShowRecorded: _no_show,
    ResidentAbsentRecorded: _absent,
    ServiceRecordedAfterwards: _afterwards,
}
