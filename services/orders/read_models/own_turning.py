"""The fold of other turns: merged, redispatched, moved, reopened; and of what is said again about a service."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.orders import (
    AssignmentReconfirmed,
    CompletionContested,
    Offer,
    OrderMerged,
    OrderRatingAmended,
    OrderRedispatched,
    OrderReopened,
    OrderRescheduled,
)
from eventstore.rows import Rows
from services.orders.decider.deadlines import SHANGHAI
from services.orders.read_models import tables as t
from services.orders.read_models.own_missing import Changes


def _merged(event: OrderMerged, rows: Rows) -> Changes:
    for assignment_id in event.released_assignments:
        rows.update(t.assignments, assignment_id, live=False, served="RELEASED")
    rows.insert(t.merges, order_id=event.order_id, other_id=event.into, side=0)
    rows.insert(t.merges, order_id=event.into, other_id=event.order_id, side=1)
    return {"ended_at": event.merged_at, "merged_into": event.into}


def offered(rows: Rows, order_id: UUID, wave: int, offer: Offer, at: datetime) -> None:
    """One more offer, with its number among the volunteer's of that day."""
    rows.insert(
        t.offers,
        offer_id=offer.offer_id,
        order_id=order_id,
        volunteer_id=offer.volunteer_id,
        wave=wave,
        score=offer.score,
        reasons=offer.reasons,
        offered_at=at,
        offered_on=at.astimezone(SHANGHAI).date(),
        number_today=offer.number_today,
        expires_at=offer.expires_at,
    )


def _redispatched(event: OrderRedispatched, rows: Rows) -> Changes:
    for offer_id in event.offers_ended:
        rows.update(t.offers, offer_id, answer="ended", answered_at=event.redispatched_at)
    for offer in event.offers:
        offered(rows, event.order_id, event.wave, offer, event.redispatched_at)
    if event.from_assignment_id is not None:
        rows.update(t.assignments, event.from_assignment_id, live=False, served="RELEASED", reconfirm_until=None)
    return {"waves": event.wave, "slots_filled": event.slots_filled}


def _rescheduled(event: OrderRescheduled, rows: Rows) -> Changes:
    for offer_id in event.offers_ended:
        rows.update(t.offers, offer_id, answer="ended", answered_at=event.rescheduled_at)
    for one in event.awaiting:
        rows.update(
            t.assignments,
            one.assignment_id,
            window_start=event.window_start,
            busy_from=event.busy_from,
            busy_until=event.busy_until,
            reconfirm_until=event.reconfirm_until,
        )
    return {"window_start": event.window_start, "window_end": event.window_end}


def _reconfirmed(event: AssignmentReconfirmed, rows: Rows) -> Changes:
    rows.update(t.assignments, event.assignment_id, reconfirm_until=None)
    return {}


def _reopened(event: OrderReopened, _rows: Rows) -> Changes:
    window = {"window_start": event.window_start, "window_end": event.window_end}
    ended = dict.fromkeys(("ended_at", "end_reason", "referral", "reopen_until"))
    return {**window, **ended, "level": 0, "returned": False}


def _contested(event: CompletionContested, rows: Rows) -> Changes:
    rows.insert(
        t.disputes,
        dispute_id=event.dispute_id,
        about="order",
        order_id=event.order_id,
        beneficiary_id=event.beneficiary_id,
        state="MEDIATING",
        raised_by=event.contested_by,
        reason_code=event.reason_code,
        due_at=event.next_due_at,
        raised_at=event.contested_at,
        words_ref=event.words_ref,
    )
    return {"dispute_id": event.dispute_id, "contested_at": event.contested_at, "contest_ref": event.words_ref}


def _amended(event: OrderRatingAmended, _rows: Rows) -> Changes:
    rating = {"score": event.score, "tags": event.tags, "rater_kind": event.rater_kind}
    return {**rating, "comment_ref": event.comment_ref, "amended_at": event.amended_at}


FOLDS: dict[type, Callable[[Any, Rows], Changes]] = {
    OrderMerged: _merged,
    OrderRedispatched: _redispatched,
    OrderRescheduled: _rescheduled,
    AssignmentReconfirmed: _reconfirmed,
    OrderReopened: _reopened,
    CompletionContested: _contested,
    OrderRatingAmended: _amended,
}
