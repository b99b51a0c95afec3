"""The fold of orders' own log into its tables."""

from collections.abc import Callable
from typing import Any, ClassVar

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.orders import (
    AcceptanceWithdrawn,
    AssignmentLapsed,
    CompletionConfirmed,
    CompletionPresumed,
    InquiryRecorded,
    OfferDeclined,
    OfferExpired,
    OrderAccepted,
    OrderCancelled,
    OrderClosed,
    OrderDispatched,
    OrderEscalated,
    OrderOpened,
    OrderPlaced,
    OrderRated,
    OrderRefused,
    OrderStaffed,
    OrderUnfulfilled,
    OrderVerified,
    PersonDataErased,
    ServiceAutoClosed,
    ServiceFinished,
    ServiceItemPublished,
    ServiceItemRetired,
    ServiceStarted,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from services.orders.read_models import own_aside, own_missing, own_turning
from services.orders.read_models import tables as t
from services.orders.read_models.own_missing import Changes

NO_OVERLAP = """ALTER TABLE {schema}.assignments ADD CONSTRAINT assignments_no_overlap EXCLUDE USING gist (
    {engine}.uuidrange(volunteer_id, volunteer_id, '[]') WITH =, tstzrange(busy_from, busy_until) WITH &&
) WHERE (live) DEFERRABLE INITIALLY DEFERRED"""

MERGED_ONE_WAY = """ALTER TABLE {schema}.merges ADD CONSTRAINT orders_merge_one_way EXCLUDE USING gist (
    {engine}.uuidrange(order_id, order_id, '[]') WITH =, int4range(side, side + 1) WITH -|-
) DEFERRABLE INITIALLY DEFERRED"""
"""Sides 0 and 1 of one order touch: what others were merged into is not merged away, also by two people at once."""


class OrdersModel(ReadModel):
    """Orders with their offers and assignments, inquiries, the catalogue, and who was erased."""

    source: ClassVar[str] = "orders"
    metadata: ClassVar[sa.MetaData] = t.metadata
    version: ClassVar[int] = 5
    ddl: ClassVar[tuple[str, ...]] = (NO_OVERLAP, MERGED_ONE_WAY)
    of_one_stream: ClassVar[frozenset[sa.Table]] = frozenset((t.orders, t.offers, t.assignments))

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """Every event carries its order's state, owner and deadline; what else it changes is looked up by its class."""
        event: Any = recorded.event
        fold = _FOLDS.get(type(event))
        changes = fold(event, rows) if fold is not None else None
        if changes is not None:
            rows.update(
                t.orders,
                event.order_id,
                version=recorded.version,
                state=event.state,
                owner_role=event.owner_role,
                next_due_at=event.next_due_at,
                next_due_for=event.next_due_for,
                **changes,
            )


def _placed(event: OrderPlaced, rows: Rows) -> Changes:
    rows.insert(
        t.orders,
        order_id=event.order_id,
        version=1,
        order_no=event.order_no,
        mode=event.mode,
        channel=event.channel,
        state=event.state,
        owner_role=event.owner_role,
        next_due_at=event.next_due_at,
        next_due_for=event.next_due_for,
        inquiry_id=event.inquiry_id,
        rework_of=event.rework_of,
        possible_duplicate_of=event.possible_duplicate_of,
        item_code=event.item_code,
        item_version=event.item_version,
        project_code=event.project_code,
        expected_minutes=event.expected_minutes,
        slots=event.slots,
        home_visit=event.home_visit,
        licence=event.licence,
        skills=event.skills,
        insurance_required=event.insurance_required,
        urgent=event.urgent,
        beneficiary_id=event.beneficiary_id,
        requested_by=event.requested_by,
        household_id=event.household_id,
        grid_id=event.grid_id,
        entrance_id=event.entrance_id,
        window_start=event.window_start,
        window_end=event.window_end,
        details_ref=event.details_ref,
        placed_at=event.placed_at,
    )
    if event.inquiry_id is not None:
        rows.update(t.inquiries, event.inquiry_id, order_id=event.order_id)
    return None


def _verified(event: OrderVerified, _rows: Rows) -> Changes:
    return {
        "slots": event.slots,
        "skills": event.skills,
        "licence": event.licence,
        "insurance_required": event.insurance_required,
        "on_absence": event.on_absence,
        "info_requested_at": None,
    }


def _refused(event: OrderRefused, _rows: Rows) -> Changes:
    ended = {"ended_at": event.refused_at, "end_reason": event.reason_code}
    return ended | {"referral": event.referral, "reason_ref": event.reason_ref}


def _dispatched(event: OrderDispatched, rows: Rows) -> Changes:
    for offer in event.offers:
        own_turning.offered(rows, event.order_id, event.wave, offer, event.dispatched_at)
    return {"waves": event.wave}


def _opened(event: OrderOpened, rows: Rows) -> Changes:
    for offer_id in event.offers_ended:
        rows.update(t.offers, offer_id, answer="ended", answered_at=event.opened_at)
    rows.add(t.orders, event.order_id, waves=1)
    return {}


def _declined(event: OfferDeclined, rows: Rows) -> Changes:
    rows.update(t.offers, event.offer_id, answer="declined", answered_at=event.declined_at)
    return {}


def _expired(event: OfferExpired, rows: Rows) -> Changes:
    for offer_id in event.offer_ids:
        rows.update(t.offers, offer_id, answer="expired", answered_at=event.expired_at)
    return {}


def _accepted(event: OrderAccepted, rows: Rows) -> Changes:
    if event.offer_id is not None:
        rows.update(t.offers, event.offer_id, answer="accepted", answered_at=event.accepted_at)
    rows.insert(
        t.assignments,
        assignment_id=event.assignment_id,
        order_id=event.order_id,
        volunteer_id=event.volunteer_id,
        beneficiary_id=event.beneficiary_id,
        window_start=event.window_start,
        busy_from=event.busy_from,
        busy_until=event.busy_until,
        live=True,
        served="HELD",
        accepted_at=event.accepted_at,
    )
    return {"slots_filled": event.slots_filled}


def _staffed(event: OrderStaffed, rows: Rows) -> Changes:
    for offer_id in event.offers_ended:
        rows.update(t.offers, offer_id, answer="ended", answered_at=event.staffed_at)
    return {"returned": False}


def _withdrawn(event: AcceptanceWithdrawn, rows: Rows) -> Changes:
    rows.update(t.assignments, event.assignment_id, live=False, served="WITHDRAWN")
    return {"slots_filled": event.slots_filled, "returned": True}


def _lapsed(event: AssignmentLapsed, rows: Rows) -> Changes:
    rows.update(t.assignments, event.assignment_id, live=False, served="LAPSED")
    return {"slots_filled": event.slots_filled, "returned": True}


def _escalated(event: OrderEscalated, _rows: Rows) -> Changes:
    return {"level": event.level}


def _started(event: ServiceStarted, rows: Rows) -> Changes:
    started = {"served": "STARTED", "started_at": event.started_at, "reconfirm_until": None}
    rows.update(t.assignments, event.assignment_id, **started)
    return {}


def _finished(event: ServiceFinished, rows: Rows) -> Changes:
    rows.update(
        t.assignments,
        event.assignment_id,
        live=False,
        served="FINISHED",
        finished_at=event.finished_at,
        minutes=event.minutes,
        outcome=event.outcome,
    )
    rows.upsert(t.last_services, volunteer_id=event.volunteer_id, served_at=event.finished_at)
    return {"served_at": event.finished_at} if event.served else {}


def _auto_closed(event: ServiceAutoClosed, rows: Rows) -> Changes:
    rows.update(t.assignments, event.assignment_id, live=False, served="AUTO_CLOSED")
    rows.upsert(t.last_services, volunteer_id=event.volunteer_id, served_at=event.started_at)
    return {"served_at": event.closed_at} if event.served else {}


def _confirmed(event: CompletionConfirmed, _rows: Rows) -> Changes:
    return {"completed_at": event.confirmed_at}


def _presumed(event: CompletionPresumed, _rows: Rows) -> Changes:
    return {"completed_at": event.presumed_at, "presumed": True}


def _rated(event: OrderRated, _rows: Rows) -> Changes:
    return {
        "score": event.score,
        "first_score": event.score,
        "first_comment_ref": event.comment_ref,
        "tags": event.tags,
        "rater_kind": event.rater_kind,
        "comment_ref": event.comment_ref,
        "rated_at": event.rated_at,
    }


def _closed(event: OrderClosed, _rows: Rows) -> Changes:
    return {"ended_at": event.closed_at}


def _cancelled(event: OrderCancelled, rows: Rows) -> Changes:
    _release(event, rows, event.cancelled_at)
    return {"ended_at": event.cancelled_at, "end_reason": event.reason_code}


def _unfulfilled(event: OrderUnfulfilled, rows: Rows) -> Changes:
    _release(event, rows, event.declared_at)
    ended = {"ended_at": event.declared_at, "end_reason": event.reason_code}
    return ended | {"referral": event.referral, "reopen_until": event.reopen_until}


def _release(event: OrderCancelled | OrderUnfulfilled, rows: Rows, at: Any) -> None:
    for assignment_id in event.released_assignments:
        rows.update(t.assignments, assignment_id, live=False, served="RELEASED")
    for offer_id in event.offers_ended:
        rows.update(t.offers, offer_id, answer="ended", answered_at=at)


def _inquiry(event: InquiryRecorded, rows: Rows) -> Changes:
    rows.insert(
        t.inquiries,
        inquiry_id=event.inquiry_id,
        household_id=event.household_id,
        resident_id=event.resident_id,
        grid_id=event.grid_id,
        entrance_id=event.entrance_id,
        result=event.result,
        item_code=event.item_code,
        consented=event.consented,
        asked_by=event.asked_by,
        details_ref=event.details_ref,
        due_at=event.due_at,
        inquired_at=event.inquired_at,
    )
    return None


def _published(event: ServiceItemPublished, rows: Rows) -> Changes:
    rows.upsert(
        t.service_items,
        item_code=event.item_code,
        item_version=event.item_version,
        active=True,
        expected_minutes=event.expected_minutes,
        slots=event.slots,
        home_visit=event.home_visit,
        licence=event.licence,
        skills=event.skills,
        insurance_required=event.insurance_required,
        replaced_by=None,
        published_at=event.published_at,
    )
    return None


def _retired(event: ServiceItemRetired, rows: Rows) -> Changes:
    rows.update(t.service_items, event.item_code, active=False, replaced_by=event.replaced_by)
    return None


def _erased(event: PersonDataErased, rows: Rows) -> Changes:
    rows.upsert(t.erasures, person_id=event.person_id, erased_at=event.erased_at)
    return None


_FOLDS: dict[type, Callable[[Any, Rows], Changes]] = {
    OrderPlaced: _placed,
    OrderVerified: _verified,
    OrderRefused: _refused,
    OrderDispatched: _dispatched,
    OrderOpened: _opened,
    OfferDeclined: _declined,
    OfferExpired: _expired,
    OrderAccepted: _accepted,
    OrderStaffed: _staffed,
    AcceptanceWithdrawn: _withdrawn,
    AssignmentLapsed: _lapsed,
    OrderEscalated: _escalated,
    ServiceStarted: _started,
    ServiceFinished: _finished,
    ServiceAutoClosed: _auto_closed,
    CompletionConfirmed: _confirmed,
    CompletionPresumed: _presumed,
    OrderRated: _rated,
    OrderClosed: _closed,
    OrderCancelled: _cancelled,
    OrderUnfulfilled: _unfulfilled,
    InquiryRecorded: _inquiry,
    ServiceItemPublished: _published,
    ServiceItemRetired: _retired,
    PersonDataErased: _erased,
    **own_missing.FOLDS,
    **own_turning.FOLDS,
    **own_aside.FOLDS,
}
