"""The fold of what goes on beside an order's way: follow-ups, disputes, welfare checks."""

from collections.abc import Callable
from typing import Any

from contracts.orders import (
    DisputeAppealed,
    DisputeRaised,
    DisputeResolved,
    FollowUpClosed,
    FollowUpContacted,
    FollowUpDismissed,
    FollowUpFact,
    FollowUpOpened,
    FollowUpOverdue,
    OrderState,
    RectificationOrdered,
    RectificationRejected,
    RectificationReported,
    RectificationVerified,
    WelfareCheckClosed,
    WelfareCheckEscalated,
    WelfareCheckRaised,
)
from eventstore.rows import Rows
from services.orders.read_models import tables as t
from services.orders.read_models.own_missing import Changes


def _check_raised(event: WelfareCheckRaised, rows: Rows) -> Changes:
    rows.insert(
        t.welfare_checks,
        check_id=event.check_id,
        order_id=event.order_id,
        order_no=event.order_no,
        beneficiary_id=event.beneficiary_id,
        cause=event.cause,
        grid_id=event.grid_id,
        entrance_id=event.entrance_id,
        owner_role=event.owner_role.value,
        due_at=event.due_at,
        raised_by=event.raised_by,
        raised_at=event.raised_at,
    )
    return None


def _check_escalated(event: WelfareCheckEscalated, rows: Rows) -> Changes:
    rows.update(t.welfare_checks, event.check_id, level=event.level, due_at=event.due_at)
    return None


def _check_closed(event: WelfareCheckClosed, rows: Rows) -> Changes:
    rows.update(
        t.welfare_checks,
        event.check_id,
        owner_role=None,
        due_at=None,
        outcome=event.outcome,
        closed_by=event.closed_by,
        closed_at=event.closed_at,
        words_ref=event.words_ref,
    )
    return None


def _dispute_raised(event: DisputeRaised, rows: Rows) -> Changes:
    rows.insert(
        t.disputes,
        dispute_id=event.dispute_id,
        about=event.about,
        order_id=event.order_id,
        subject_id=event.subject_id,
        beneficiary_id=event.beneficiary_id,
        state="MEDIATING",
        raised_by=event.raised_by,
        reason_code=event.reason_code,
        due_at=event.due_at,
        raised_at=event.raised_at,
        words_ref=event.words_ref,
    )
    return None


def _dispute_resolved(event: DisputeResolved, rows: Rows) -> Changes:
    rows.update(
        t.disputes,
        event.dispute_id,
        state="FINAL" if event.final else "RESOLVED",
        decision=event.decision,
        consequences=event.consequences,
        resolved_by=event.resolved_by,
        resolved_at=event.resolved_at,
        appeal_until=event.appeal_until,
        resolution_ref=event.words_ref,
        due_at=None,
    )
    if event.state is None:
        # No order waits for it.
        return None
    unfulfilled = event.state is OrderState.UNFULFILLED
    return {"ended_at": event.resolved_at, "end_reason": "dispute"} if unfulfilled else {}


def _dispute_appealed(event: DisputeAppealed, rows: Rows) -> Changes:
    rows.update(
        t.disputes,
        event.dispute_id,
        state="APPEALED",
        appealed_by=event.appealed_by,
        appealed_at=event.appealed_at,
        appeal_until=None,
        appeal_ref=event.words_ref,
        due_at=event.due_at,
    )
    return {"ended_at": None, "end_reason": None} if event.state is not None else None


def _follow_up_opened(event: FollowUpOpened, rows: Rows) -> Changes:
    rows.insert(
        t.follow_ups,
        follow_up_id=event.follow_up_id,
        order_id=event.order_id,
        order_no=event.order_no,
        grid_id=event.grid_id,
        state=event.follow_up_state.value,
        cause=event.cause,
        score=event.score,
        due_at=event.due_at,
        opened_at=event.opened_at,
        complaint_ref=event.words_ref,
    )
    return {}


def _moved(event: FollowUpFact, rows: Rows, **changes: Any) -> Changes:
    """Whatever happens begins a deadline anew, and with it the levels."""
    moved = {"state": event.follow_up_state.value, "due_at": getattr(event, "due_at", None), "level": 0}
    rows.update(t.follow_ups, event.follow_up_id, **(moved | changes))
    return {}


def _contacted(event: FollowUpContacted, rows: Rows) -> Changes:
    contact = {"contacted_by": event.contacted_by, "contacted_at": event.contacted_at}
    return _moved(event, rows, contact_ref=event.words_ref, **contact)


def _ordered(event: RectificationOrdered, rows: Rows) -> Changes:
    responsible = {"responsible_id": event.responsible_id, "responsible_role": event.responsible_role.value}
    return _moved(event, rows, measure=event.measure, **responsible)


def _reported(event: RectificationReported, rows: Rows) -> Changes:
    return _moved(event, rows, rework_order_id=event.rework_order_id, report_ref=event.words_ref)


def _rejected(event: RectificationRejected, rows: Rows) -> Changes:
    return _moved(event, rows, rejections=event.rejections)


def _overdue(event: FollowUpOverdue, rows: Rows) -> Changes:
    return _moved(event, rows, level=event.level)


def _follow_up_closed(event: FollowUpClosed, rows: Rows) -> Changes:
    end = {"outcome": event.outcome, "second_score": event.second_score, "closed_at": event.closed_at}
    return _moved(event, rows, **end)


FOLDS: dict[type, Callable[[Any, Rows], Changes]] = {
    WelfareCheckRaised: _check_raised,
    WelfareCheckEscalated: _check_escalated,
    WelfareCheckClosed: _check_closed,
    DisputeRaised: _dispute_raised,
    DisputeResolved: _dispute_resolved,
    DisputeAppealed: _dispute_appealed,
    FollowUpOpened: _follow_up_opened,
    FollowUpContacted: _contacted,
    FollowUpDismissed: _moved,
    RectificationOrdered: _ordered,
    RectificationReported: _reported,
    RectificationVerified: _moved,
    RectificationRejected: _rejected,
    FollowUpOverdue: _overdue,
    FollowUpClosed: _follow_up_closed,
}
