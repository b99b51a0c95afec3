"""Whose turn an order is and until when (I6): exactly one owner role and one next deadline while it is open."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import assert_never

from contracts.command import Role
from contracts.orders import DueFor, OrderState
from services.orders.commands.words import Policy
from services.orders.decider.state import Order

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China keeps one time all year."""
_BAD_SCORE = 2


@dataclass(frozen=True, slots=True)
class Duty:
    """The owner role, and what is due next. Nobody and nothing when the order has ended."""

    owner_role: Role | None = None
    due_at: datetime | None = None
    due_for: DueFor | None = None


def minutes_after(moment: datetime, minutes: int) -> datetime:
    """`moment` and so many minutes."""
    return moment + timedelta(minutes=minutes)


def duty(order: Order, at: datetime, policy: Policy) -> Duty:
    """Whose turn it is after what happened at `at`, and until when."""
    state = order.state
    match state:
        case OrderState.PLACED:
            return _triage(order, at, policy)
        case OrderState.VERIFIED | OrderState.OFFERED | OrderState.OPEN:
            return _search(order, at, policy)
        case OrderState.ACCEPTED:
            if "not_started" in order.escalated_for:
                return Duty(Role.DISPATCHER, minutes_after(at, policy.decision_minutes), "decision")
            late = minutes_after(order.window_end, policy.start_late_minutes)
            return Duty(Role.VOLUNTEER, late, "start")
        case OrderState.IN_SERVICE:
            return Duty(Role.VOLUNTEER, minutes_after(order.window_end, policy.autoclose_minutes), "checkout")
        case OrderState.SERVED:
            return Duty(Role.RESIDENT, minutes_after(order.served_at or at, policy.confirm_minutes), "confirmation")
        case OrderState.COMPLETED:
            end = (order.completed_at or at) + timedelta(days=policy.rate_days)
            return Duty(Role.RESIDENT, end, "closing")
        case OrderState.RATED:
            end = (order.rated_at or at) + timedelta(days=policy.close_rated_days)
            bad = order.score is not None and order.score <= _BAD_SCORE
            return Duty(Role.REVIEWER if bad else Role.SYSTEM, end, "closing")
        case (
            OrderState.CLOSED
            | OrderState.CANCELLED
            | OrderState.REFUSED
            | OrderState.UNFULFILLED
            | OrderState.MERGED
            | OrderState.FOLLOW_UP
            | OrderState.DISPUTED
        ):
            return Duty()
        case _:
            assert_never(state)


def _triage(order: Order, at: datetime, policy: Policy) -> Duty:
    if order.level == 0 and order.urgent:
        return Duty(Role.DISPATCHER, minutes_after(order.placed_at, policy.triage_urgent_minutes), "triage")
    if order.level == 0:
        end = office_minutes_after(order.placed_at, policy.triage_office_minutes, policy)
        return Duty(Role.DISPATCHER, end, "triage")
    return _next_level(order, order.placed_at, at, policy, "triage")


def _next_level(order: Order, since: datetime, at: datetime, policy: Policy, due_for: DueFor) -> Duty:
    if order.level >= 3:
        return Duty(Role.DISPATCHER, minutes_after(at, policy.decision_minutes), "decision")
    # An order that waited long may be due for the next level at once: one escalation after the other all the same.
    return Duty(Role.DISPATCHER, max(at, minutes_after(since, policy.level_minutes(order.level))), due_for)


def _search(order: Order, at: datetime, policy: Policy) -> Duty:
    """The earliest of: the offers' end, the next wave, the next level, the end of the window."""
    over = at >= order.window_end
    told = "window_over" in order.escalated_for
    if over and not told:
        return Duty(Role.DISPATCHER, at, "window")
    since = order.waiting_since or order.placed_at
    if order.state is OrderState.VERIFIED and order.round_waves == 0 and order.level == 0:
        candidates = [Duty(Role.DISPATCHER, minutes_after(since, policy.dispatch_minutes), "dispatch")]
    else:
        candidates = [_next_level(order, since, at, policy, "staffing")]
    if order.offers:
        candidates.append(Duty(Role.DISPATCHER, min(offer.expires_at for offer in order.offers), "offer"))
    elif order.state is OrderState.VERIFIED and not over and _goes_on_by_itself(order, policy):
        candidates.append(Duty(Role.DISPATCHER, at, "wave"))
    if not told:
        candidates.append(Duty(Role.DISPATCHER, order.window_end, "window"))
    return min(candidates, key=lambda one: one.due_at or at)


def _goes_on_by_itself(order: Order, policy: Policy) -> bool:
    if order.round_waves or order.returned:
        return policy.waves_by_timer
    return policy.dispatch_by_timer


def office_minutes_after(moment: datetime, minutes: int, policy: Policy) -> datetime:
    """The moment when so many office minutes have passed. Raises ValueError when the policy has no office hours."""
    length = policy.office_to_minute - policy.office_from_minute
    if length <= 0 or not set(policy.office_weekdays) & set(range(1, 8)):
        raise ValueError("the policy has no office hours")
    local = moment.astimezone(SHANGHAI)
    left = timedelta(minutes=minutes)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        begins = max(local, minutes_after(day, policy.office_from_minute))
        ends = minutes_after(day, policy.office_to_minute)
        if day.isoweekday() in policy.office_weekdays and begins < ends:
            if begins + left <= ends:
                return (begins + left).astimezone(UTC)
            left -= ends - begins
        day += timedelta(days=1)
