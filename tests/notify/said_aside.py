"""What orders says of follow-ups, disputes and welfare checks, as events about the same invented order."""

from datetime import datetime
from typing import Any
from uuid import UUID

from contracts import orders
from contracts.command import Channel, Role
from contracts.orders import FollowUpCause, FollowUpState, Staffing
from tests.notify.examples import ANNA, ASSIGNMENT, BO, END, EVENT, LEE, NOON, NUMBER, ORDER, START, WANG
from tests.notify.said import DUE, GRID, notice

KEY, DISPUTE_KEY, CHECK_KEY = f"follow_up:{EVENT}", f"dispute:{EVENT}", f"check:{EVENT}"
__all__ = ["CHECK_KEY", "DISPUTE_KEY", "DUE", "KEY"]


def follow_up(state: FollowUpState, role: Role = Role.REVIEWER) -> dict[str, Any]:
    return notice("FOLLOW_UP", role) | {"follow_up_id": EVENT, "follow_up_state": state}


def opened(cause: FollowUpCause) -> orders.FollowUpOpened:
    of = follow_up(FollowUpState.OPENED, Role.SYSTEM)
    return orders.FollowUpOpened(**of, cause=cause, score=2, due_at=DUE, opened_at=NOON)


def contacted() -> orders.FollowUpContacted:
    of = follow_up(FollowUpState.CONTACTED)
    return orders.FollowUpContacted(**of, contacted_by=LEE, channel=Channel.PHONE, due_at=DUE, contacted_at=NOON)


def ordered() -> orders.RectificationOrdered:
    return orders.RectificationOrdered(
        **follow_up(FollowUpState.RECTIFYING),
        measure="apology",
        responsible_id=ANNA,
        responsible_role=Role.VOLUNTEER,
        ordered_by=LEE,
        due_at=DUE,
        ordered_at=NOON,
    )


def reported() -> orders.RectificationReported:
    of = follow_up(FollowUpState.RECTIFIED, Role.VOLUNTEER)
    return orders.RectificationReported(**of, measure="apology", reported_by=ANNA, due_at=DUE, reported_at=NOON)


def verified() -> orders.RectificationVerified:
    of = follow_up(FollowUpState.VERIFIED, Role.RESIDENT)
    by: dict[str, Any] = {"verified_by": WANG, "channel": Channel.WEB}
    return orders.RectificationVerified(**of, **by, measure="apology", due_at=DUE, verified_at=NOON)


def rejected() -> orders.RectificationRejected:
    return orders.RectificationRejected(
        **follow_up(FollowUpState.RECTIFYING, Role.RESIDENT),
        measure="apology",
        responsible_id=ANNA,
        rejected_by=WANG,
        channel=Channel.WEB,
        rejections=1,
        reason_code="not_done",
        due_at=DUE,
        rejected_at=NOON,
    )


def overdue() -> orders.FollowUpOverdue:
    of = follow_up(FollowUpState.OPENED, Role.SYSTEM)
    level: dict[str, Any] = {"level": 1, "to_role": Role.SOCIAL_WORKER}
    return orders.FollowUpOverdue(**of, **level, stage="contact", was_due_at=NOON, due_at=DUE, overdue_at=NOON)


def closed() -> orders.FollowUpClosed:
    of = notice("RATED", Role.REVIEWER) | {"follow_up_id": EVENT, "follow_up_state": FollowUpState.CLOSED}
    return orders.FollowUpClosed(**of, outcome="rectified", first_score=2, second_score=4, closed_at=NOON)


SERVED = (Staffing(assignment_id=ASSIGNMENT, volunteer_id=ANNA, minutes=40),)
DISPUTE: dict[str, Any] = {
    "dispute_id": EVENT,
    "about": "hours",
    "order_id": ORDER,
    "beneficiary_id": WANG,
    "role": Role.SOCIAL_WORKER,
    "assignments": SERVED,
}


def raised() -> orders.DisputeRaised:
    return orders.DisputeRaised(
        **DISPUTE,
        raised_by=ANNA,
        channel=Channel.WEB,
        reason_code="too_few_minutes",
        due_at=DUE,
        raised_at=NOON,
    )


def resolved(appeal_until: datetime | None, raised_for: UUID | None = None) -> orders.DisputeResolved:
    return orders.DisputeResolved(
        **DISPUTE,
        decision="upheld",
        raised_by=ANNA,
        raised_for=raised_for,
        resolved_by=LEE,
        final=appeal_until is None,
        appeal_until=appeal_until,
        resolved_at=NOON,
    )


def appealed() -> orders.DisputeAppealed:
    return orders.DisputeAppealed(
        **DISPUTE,
        raised_by=ANNA,
        appealed_by=WANG,
        first_resolved_by=LEE,
        channel=Channel.WEB,
        reason_code="not_heard",
        due_at=DUE,
        appealed_at=NOON,
    )


CHECK: dict[str, Any] = {
    "check_id": EVENT,
    "order_id": ORDER,
    "beneficiary_id": WANG,
    "grid_id": GRID,
    "order_no": NUMBER,
    "item_code": "haircut",
    "window_start": START,
    "window_end": END,
}


def check_escalated() -> orders.WelfareCheckEscalated:
    level: dict[str, Any] = {"level": 1, "to_role": Role.BUILDING_LEAD}
    return orders.WelfareCheckEscalated(**CHECK, **level, role=Role.SYSTEM, due_at=DUE, escalated_at=NOON)


def check_closed() -> orders.WelfareCheckClosed:
    return orders.WelfareCheckClosed(
        **CHECK, role=Role.GRID_WORKER, outcome="safe", closed_by=BO, channel=Channel.PHONE, closed_at=NOON
    )
