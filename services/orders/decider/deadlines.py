"""Whose turn an order is and until when (I6): exactly one owner role and one next deadline while it is open."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import assert_never

from contracts.command import Role
from contracts.orders import DueFor, FollowUpState, OrderState
from services.orders.commands.words import Policy
from services.orders.decider.follow_up_state import WAITING
from services.orders.decider.state import Order

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
"""China keeps one time all year."""


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
            if order.awaiting:
                return Duty(Role.VOLUNTEER, order.awaiting[0].reconfirm_until, "reconfirmation")
            late = minutes_after(order.window_end, policy.start_late_minutes)
            return Duty(Role.VOLUNTEER, late, "start")
        case OrderState.IN_SERVICE:
            return Duty(Role.VOLUNTEER, minutes_after(order.window_end, policy.autoclose_minutes), "checkout")
        case OrderState.SERVED:
            since = max(order.served_at or at, order.settled_at or order.placed_at)
            return Duty(Role.RESIDENT, minutes_after(since, policy.confirm_minutes), "confirmation")
        case OrderState.COMPLETED:
            end = (order.completed_at or at) + timedelta(days=policy.rate_days)
            return Duty(Role.RESIDENT, _appeal_over(order, end), "closing")
        case OrderState.RATED:
            end = (order.rated_at or at) + timedelta(days=policy.close_rated_days)
            return Duty(Role.SYSTEM, max(at, _appeal_over(order, end)), "closing")
        case OrderState.FOLLOW_UP:
            return _follow_up(order, at, policy)
        case OrderState.DISPUTED:
            return Duty(Role.SOCIAL_WORKER, minutes_after(at, policy.dispute_minutes), "decision")
        case OrderState.CLOSED | OrderState.CANCELLED | OrderState.REFUSED | OrderState.UNFULFILLED | OrderState.MERGED:
            return Duty()
        case _:
            assert_never(state)


def _appeal_over(order: Order, end: datetime) -> datetime:
    """No order closes while what was decided about it may still be taken further."""
    until = order.dispute.appeal_until if order.dispute is not None else None
    return end if until is None else max(end, until)


def _follow_up(order: Order, at: datetime, policy: Policy) -> Duty:
    """Whoever is responsible puts it right; all else is the reviewer's. At the top level only people act."""
    follow_up = order.follow_up
    assert follow_up is not None
    owner_role = Role.REVIEWER
    if follow_up.state is FollowUpState.RECTIFYING and follow_up.responsible_role is not None:
        owner_role = follow_up.responsible_role
    if follow_up.due_at is None:
        return Duty(owner_role, minutes_after(at, policy.decision_minutes), "decision")
    return Duty(owner_role, follow_up.due_at, WAITING.get(follow_up.state, "second_score"))


def _triage(order: Order, at: datetime, policy: Policy) -> Duty:
    if order.info_requested_at is not None:
        if "info_overdue" in order.escalated_for:
            return Duty(Role.DISPATCHER, minutes_after(at, policy.decision_minutes), "decision")
        return Duty(Role.RESIDENT, minutes_after(order.info_requested_at, policy.info_minutes), "info")
    if order.level == 0:
        since, left = order.triage_from or order.placed_at, order.triage_left_minutes
        if order.urgent:
            end = minutes_after(since, policy.triage_urgent_minutes if left is None else left)
        else:
            end = office_minutes_after(since, policy.triage_office_minutes if left is None else left, policy)
        return Duty(Role.DISPATCHER, end, "triage")
    return _next_level(order, order.clock_from or order.placed_at, at, policy, "triage")


def triage_left_minutes(order: Order, at: datetime, policy: Policy) -> int:
    """What is left of triage's deadline at `at`, rounded up: office minutes where the deadline counts these."""
    assert order.due_at is not None
    if order.level == 0 and not order.urgent:
        left = office_time_between(at, order.due_at, policy)
    else:
        left = max(order.due_at - at, timedelta())
    return -(-left // timedelta(minutes=1))


def _next_level(order: Order, since: datetime, at: datetime, policy: Policy, due_for: DueFor) -> Duty:
    if order.level >= 3:
        return Duty(Role.DISPATCHER, minutes_after(at, policy.decision_minutes), "decision")
    # An order that waited long may be due for the next level at once: one escalation after the other all the same.
    return Duty(Role.DISPATCHER, max(at, minutes_after(since, policy.level_minutes(order.level))), due_for)


def _search(order: Order, at: datetime, policy: Policy) -> Duty:
    """The earliest of: the offers' end, the next wave, the next level, the end of the window."""
    over = at >= order.window_end
    # Where nobody was there, people telephone first: that the window ends is no news.
    told = order.absent or "window_over" in order.escalated_for
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
    if order.awaiting:
        # Of what is due at once this comes first: the next wave then looks for everybody who is missing.
        candidates.insert(0, Duty(Role.VOLUNTEER, order.awaiting[0].reconfirm_until, "reconfirmation"))
    if not told:
        candidates.append(Duty(Role.DISPATCHER, order.window_end, "window"))
    return min(candidates, key=lambda one: one.due_at or at)


def _goes_on_by_itself(order: Order, policy: Policy) -> bool:
    if order.absent:
        return False
    if order.begun:
        return policy.waves_by_timer
    return policy.dispatch_by_timer


def office_minutes_after(moment: datetime, minutes: int, policy: Policy) -> datetime:
    """The moment when so many office minutes have passed. Raises ValueError when the policy has no office hours."""
    left = timedelta(minutes=minutes)
    for begins, ends in _office_hours(moment, policy):
        if begins + left <= ends:
            return (begins + left).astimezone(UTC)
        left -= ends - begins
    raise AssertionError("office hours never end")


def office_time_between(moment: datetime, until: datetime, policy: Policy) -> timedelta:
    """How much of office hours lies between the two; nothing when `until` is not later. Raises as above."""
    total = timedelta()
    for begins, ends in _office_hours(moment, policy):
        if begins >= until:
            return total
        total += min(ends, until) - begins
    raise AssertionError("office hours never end")


def _office_hours(moment: datetime, policy: Policy) -> Iterator[tuple[datetime, datetime]]:
    """Every stretch of office hours from `moment` on, without end."""
    length = policy.office_to_minute - policy.office_from_minute
    if length <= 0 or not set(policy.office_weekdays) & set(range(1, 8)):
        raise ValueError("the policy has no office hours")
    local = moment.astimezone(SHANGHAI)
    day = local.replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        begins = max(local, minutes_after(day, policy.office_from_minute))
        ends = minutes_after(day, policy.office_to_minute)
        if day.isoweekday() in policy.office_weekdays and begins < ends:
            yield begins, ends
        day += timedelta(days=1)
