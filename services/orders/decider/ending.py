"""升级, 取消, 未能满足, 办结: deadlines that passed, and how an order ends."""

from collections.abc import Sequence
from datetime import timedelta

from contracts.command import Refused, Role
from contracts.orders import (
    EscalationCause,
    OrderCancelled,
    OrderClosed,
    OrderEscalated,
    OrderEvent,
    OrderState,
    OrderUnfulfilled,
)
from services.orders.commands.placing import CancelOrder, DeclareUnfulfilled, Ending, EscalateOrder
from services.orders.commands.serving import CloseOrder
from services.orders.decider.saying import lead_minutes, released, say
from services.orders.decider.state import Order
from services.orders.decider.states import UNSTAFFED

Events = Sequence[OrderEvent]

LEVEL_ROLES = {1: Role.BUILDING_LEAD, 2: Role.GRID_WORKER, 3: Role.STREET_OFFICER}
"""L1 楼门, L2 网格员, L3 街道 (domain.md §4.1 row 16); who did not turn up is the dispatcher's to phone."""
_CAUSES: dict[str, EscalationCause] = {
    "triage": "triage_overdue",
    "info": "info_overdue",
    "dispatch": "dispatch_overdue",
    "staffing": "unstaffed",
    "start": "not_started",
}


def escalate(command: EscalateOrder, order: Order) -> Events:
    """SYSTEM when the order's deadline has passed; a dispatcher at any time. The level never falls."""
    cause: EscalationCause
    if command.level is not None:
        if command.level <= order.level:
            raise Refused("level_not_higher", level=order.level)
        level, cause = command.level, "by_dispatcher"
    else:
        level, cause = _due_level(command, order)
    escalated = say(
        order,
        command,
        OrderEscalated,
        order.state,
        level=level,
        to_role=Role.DISPATCHER if cause == "not_started" else LEVEL_ROLES[level],
        cause=cause,
        escalated_at=command.at,
    )
    return [escalated]


def _due_level(command: EscalateOrder, order: Order) -> tuple[int, EscalationCause]:
    if order.due_at is None or command.at < order.due_at:
        raise Refused("not_due", due_at=order.due_at)
    if order.state in UNSTAFFED and command.at >= order.window_end and "window_over" not in order.escalated_for:
        return 3, "window_over"
    if order.due_for not in _CAUSES:
        raise Refused("not_due", due_at=order.due_at)
    cause = _CAUSES[order.due_for]
    if cause == "not_started":
        return min(3, max(order.level + 1, 2)), cause
    # A resident who does not answer may be a case that is at the top already: it does not rise any further.
    return min(3, order.level + 1), cause


def cancel(command: CancelOrder, order: Order) -> Events:
    """The resident's side at any time before the service; a dispatcher says why."""
    if command.by.role is Role.DISPATCHER and command.reason_code is None:
        raise Refused("reason_needed")
    # SYSTEM cancels for whoever is to be forgotten or takes back the consent: law does not wait; the check goes on.
    if command.by.role is not Role.SYSTEM:
        nothing_open(command, order)
    volunteers, assignments = released(order)
    cancelled = say(
        order,
        command,
        OrderCancelled,
        OrderState.CANCELLED,
        stage=order.state,
        channel=command.by.channel,
        reason_code=command.reason_code,
        lead_minutes=lead_minutes(order, command),
        released=volunteers,
        released_assignments=assignments,
        offers_ended=tuple(offer.offer_id for offer in order.offers),
        cancelled_at=command.at,
    )
    return [cancelled]


def declare_unfulfilled(command: DeclareUnfulfilled, order: Order) -> Events:
    """After three waves, or when the window is over; a dispatcher and a station manager, two different people."""
    assert command.by.actor_id is not None
    nothing_open(command, order)
    if command.seconded_by == command.by.actor_id:
        raise Refused("second_person_required")
    if not command.seconder_entitled:
        raise Refused("seconder_not_entitled")
    waves, waves_min = order.waves - order.waves_before, command.policy.waves_before_unfulfilled
    if waves < waves_min and command.at < order.window_end:
        raise Refused("search_not_over", waves=waves, waves_min=waves_min, window_end=order.window_end)
    volunteers, assignments = released(order)
    unfulfilled = say(
        order,
        command,
        OrderUnfulfilled,
        OrderState.UNFULFILLED,
        reason_code=command.reason_code,
        referral=command.referral,
        waves=waves,
        declared_by=command.by.actor_id,
        seconded_by=command.seconded_by,
        released=volunteers,
        released_assignments=assignments,
        offers_ended=tuple(offer.offer_id for offer in order.offers),
        reopen_until=command.at + timedelta(days=command.policy.reopen_days),
        declared_at=command.at,
    )
    return [unfulfilled]


def close(command: CloseOrder, order: Order) -> Events:
    """When the time for rating, or for amending a rating, is over, and nothing about it is open."""
    nothing_open(command, order)
    if order.due_at is None or command.at < order.due_at:
        raise Refused("not_due", due_at=order.due_at)
    closed = say(order, command, OrderClosed, OrderState.CLOSED, rated=order.rated_at is not None, closed_at=command.at)
    return [closed]


def nothing_open(command: Ending, order: Order) -> None:
    """Raise Refused while a welfare check, a dispute or a follow-up of this order waits for somebody."""
    if command.checks_open:
        raise Refused("welfare_check_open", checks_open=command.checks_open)
    if command.disputes_open or (order.dispute is not None and order.dispute.is_open):
        raise Refused("dispute_open", disputes_open=command.disputes_open)
    if order.follow_up is not None and order.follow_up.is_open:
        raise Refused("follow_up_open")
