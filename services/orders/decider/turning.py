"""改派, 改期, 合并, 重开: an order that takes another turn (domain.md §4.1, rows 7, 14, 15, 29)."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from contracts.command import Refused
from contracts.orders import (
    AssignmentReconfirmed,
    LapseCause,
    OrderEvent,
    OrderMerged,
    OrderRedispatched,
    OrderReopened,
    OrderRescheduled,
    OrderState,
)
from services.orders.commands.placing import LapseAssignment
from services.orders.commands.turning import (
    MergeOrder,
    ReconfirmAssignment,
    RedispatchOrder,
    ReopenOrder,
    RescheduleOrder,
)
from services.orders.commands.words import VolunteerFacts
from services.orders.decider.accepting import lapsed
from services.orders.decider.deadlines import minutes_after
from services.orders.decider.dispatching import offers_of
from services.orders.decider.ending import nothing_open
from services.orders.decider.evolve import evolve
from services.orders.decider.fitness import need_of, unfit
from services.orders.decider.placing import check_window
from services.orders.decider.saying import released, say, staffing
from services.orders.decider.state import FILLING, LIVE, Assignment, Order, Served
from services.orders.decider.states import ENDED

Events = Sequence[OrderEvent]
_LAPSES: dict[str, LapseCause] = {
    "time_overlap": "time_overlap",
    "licence_needed": "licence_expired",
    "volunteer_not_active": "volunteer_paused",
}


def merge(command: MergeOrder, order: Order) -> Events:
    """Into another order of the household that is still open; the constraint `orders_merge_one_way` sees races."""
    assert command.by.actor_id is not None
    nothing_open(command, order)
    if command.into == order.order_id:
        raise Refused("merge_into_itself")
    if command.into_state is None or command.into_order_no is None:
        raise Refused("merge_target_unknown", into=str(command.into))
    if command.into_state in ENDED:
        raise Refused("merge_target_ended", state=command.into_state.value)
    same_home = order.household_id is not None and command.into_household_id == order.household_id
    if not same_home and command.into_beneficiary_id != order.beneficiary_id:
        raise Refused("other_household")
    volunteers, assignments = released(order)
    merged = say(
        order,
        command,
        OrderMerged,
        OrderState.MERGED,
        into=command.into,
        into_order_no=command.into_order_no,
        released=volunteers,
        released_assignments=assignments,
        merged_by=command.by.actor_id,
        merged_at=command.at,
    )
    return [merged]


def redispatch(command: RedispatchOrder, order: Order) -> Events:
    """End what is out, take the slot from whoever is named, and offer it to others, all in one append."""
    assert command.by.actor_id is not None
    taken = _taken_from(command, order)
    filled = order.filled - (taken is not None)
    if filled >= order.item.slots:
        raise Refused("name_whom")
    remaining = tuple(one.volunteer_id for one in order.assignments if one.served in LIVE and one is not taken)
    redispatched = say(
        order,
        command,
        OrderRedispatched,
        OrderState.OFFERED,
        wave=order.waves + 1,
        offers=offers_of(command, order),
        offers_ended=tuple(offer.offer_id for offer in order.offers),
        from_volunteer_id=taken.volunteer_id if taken is not None else None,
        from_assignment_id=taken.assignment_id if taken is not None else None,
        reason_code=command.reason_code,
        expected_minutes=order.item.expected_minutes,
        slots_filled=filled,
        slots_required=order.item.slots,
        remaining=remaining,
        dispatched_by=command.by.actor_id,
        redispatched_at=command.at,
    )
    return [redispatched]


def _taken_from(command: RedispatchOrder, order: Order) -> Assignment | None:
    if command.from_volunteer_id is None:
        return None
    held = order.holds(command.from_volunteer_id)
    if held is None:
        raise Refused("volunteer_not_assigned")
    if held.served is not Served.HELD:
        raise Refused("service_begun", state=order.state.value)
    return held


def reschedule(command: RescheduleOrder, order: Order) -> Events:
    """Move it: offers for the old time end, who cannot at the new one falls out, everybody else is asked anew."""
    check_window(command, order.item.expected_minutes)
    if (command.window_start, command.window_end) == (order.window_start, order.window_end):
        raise Refused("same_window")
    lost = _who_cannot(command, order)
    asked = tuple(one for one in order.held if one.assignment_id not in lost)
    half = (command.window_start - command.at) / 2
    until = min(minutes_after(command.at, command.policy.reconfirm_minutes), command.at + half)
    buffer = command.policy.travel_buffer_minutes
    rescheduled = say(
        order,
        command,
        OrderRescheduled,
        OrderState.VERIFIED if order.state is OrderState.OFFERED else order.state,
        window_start=command.window_start,
        window_end=command.window_end,
        from_window_start=order.window_start,
        from_window_end=order.window_end,
        channel=command.by.channel,
        reason_code=command.reason_code,
        awaiting=staffing(asked),
        reconfirm_until=until if asked else None,
        busy_from=minutes_after(command.window_start, -buffer),
        busy_until=minutes_after(command.window_end, buffer),
        offers_ended=tuple(offer.offer_id for offer in order.offers),
        rescheduled_at=command.at,
    )
    events: list[OrderEvent] = [rescheduled]
    for assignment_id, cause in lost.items():
        order = evolve(order, events[-1])
        held = order.assignment(assignment_id)
        assert held is not None
        lapse = LapseAssignment(
            by=command.by,
            at=command.at,
            order_id=command.order_id,
            policy=command.policy,
            assignment_id=assignment_id,
            cause=cause,
        )
        events.append(lapsed(order, held, lapse))
    return events


def _who_cannot(command: RescheduleOrder, order: Order) -> dict[UUID, LapseCause]:
    """Slot → why its volunteer cannot serve at the new time."""
    need = replace(need_of(order), window_start=command.window_start, window_end=command.window_end)
    known = {one.volunteer_id: one for one in command.volunteers}
    lost: dict[UUID, LapseCause] = {}
    for held in order.held:
        facts = known.get(held.volunteer_id) or VolunteerFacts(volunteer_id=held.volunteer_id, state=None)
        reasons = unfit(facts, need)
        if reasons:
            lost[held.assignment_id] = _LAPSES.get(reasons[0], "unfit")
    return lost


def reconfirm(command: ReconfirmAssignment, order: Order) -> Events:
    """Keep the slot; also later than asked, as long as it has not lapsed."""
    held = order.holds(command.volunteer_id)
    if held is None:
        raise Refused("not_assigned")
    if held.reconfirm_until is None:
        raise Refused("nothing_to_reconfirm")
    state = order.state
    reconfirmed = say(
        order,
        command,
        AssignmentReconfirmed,
        state,
        assignment_id=held.assignment_id,
        volunteer_id=held.volunteer_id,
        awaiting_left=len(order.awaiting) - 1,
        slots_filled=order.filled,
        slots_required=order.item.slots,
        reconfirmed_at=command.at,
    )
    return [reconfirmed]


def reopen(command: ReopenOrder, order: Order) -> Events:
    """Within thirty days, at a new time; the search begins as after verification."""
    assert command.by.actor_id is not None
    if order.reopen_until is not None and command.at > order.reopen_until:
        raise Refused("reopening_over", reopen_until=order.reopen_until)
    if not command.consented:
        raise Refused("consent_required", purpose="service")
    check_window(command, order.item.expected_minutes)
    if any(one.served in FILLING for one in order.assignments):
        # It was served and then found wanting: work done again is a new order that names this one.
        raise Refused("served_once")
    reopened = say(
        order,
        command,
        OrderReopened,
        OrderState.VERIFIED,
        window_start=command.window_start,
        window_end=command.window_end,
        from_window_start=order.window_start,
        from_window_end=order.window_end,
        channel=command.by.channel,
        reason_code=command.reason_code,
        reopened_by=command.by.actor_id,
        reopened_at=command.at,
    )
    return [reopened]
