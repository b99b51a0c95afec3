"""爽约, 扑空, 补录: a volunteer who did not come, a resident who was not there, a service without a check-in."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from contracts.command import Refused
from contracts.orders import (
    OrderEvent,
    OrderState,
    ResidentAbsentRecorded,
    ServiceRecordedAfterwards,
    VolunteerNoShowRecorded,
)
from services.orders.commands.missing import (
    PastService,
    RecordResidentAbsent,
    RecordServiceAfterwards,
    RecordVolunteerNoShow,
)
from services.orders.decider.accepting import without
from services.orders.decider.deadlines import minutes_after
from services.orders.decider.evolve import evolve
from services.orders.decider.fitness import need_of, unfit
from services.orders.decider.saying import released, say
from services.orders.decider.state import LIVE, Order, Served

Events = Sequence[OrderEvent]
_BARRED_AFTERWARDS = frozenset({"own_order", "same_household", "licence_needed"})
"""What a record cannot make good; whether somebody was insured or free is past asking."""


def record_no_show(command: RecordVolunteerNoShow, order: Order) -> Events:
    """At the earliest a quarter of an hour into the window, by a person who is not the volunteer."""
    assert command.by.actor_id is not None
    if command.by.actor_id == command.volunteer_id:
        raise Refused("reports_themselves")
    held = order.holds(command.volunteer_id)
    if held is None:
        raise Refused("volunteer_not_assigned")
    if held.served is not Served.HELD:
        raise Refused("service_begun", state=order.state.value)
    policy = command.policy
    late_at = minutes_after(order.window_start, policy.no_show_minutes)
    if command.at < late_at:
        raise Refused("not_late_yet", minutes=policy.no_show_minutes, late_at=late_at)
    state, filled, remaining = without(order, held)
    recorded = say(
        order,
        command,
        VolunteerNoShowRecorded,
        state,
        assignment_id=held.assignment_id,
        volunteer_id=held.volunteer_id,
        reported_by=command.by.actor_id,
        late_minutes=(command.at - order.window_start) // timedelta(minutes=1),
        slots_filled=filled,
        slots_required=order.item.slots,
        remaining=remaining,
        contest_until=command.at + timedelta(days=policy.no_show_contest_days),
        recorded_at=command.at,
    )
    return [recorded]


def record_absent(command: RecordResidentAbsent, order: Order) -> Events:
    """From when one could check in; who came has done their part, and a person decides how to go on."""
    assert command.by.actor_id is not None
    earliest = minutes_after(order.window_start, -command.policy.start_early_minutes)
    if command.at < earliest:
        raise Refused("too_early", earliest=earliest)
    came, assignments = released(order)
    recorded = say(
        order,
        command,
        ResidentAbsentRecorded,
        OrderState.VERIFIED,
        reported_by=command.by.actor_id,
        on_absence=order.on_absence,
        check_id=command.check_id if order.on_absence == "welfare_check" else None,
        came=came,
        released_assignments=assignments,
        recorded_at=command.at,
    )
    return [recorded]


def record_afterwards(command: RecordServiceAfterwards, order: Order) -> Events:
    """Each service that the sheet shows, within seven days, by somebody who did not serve; confirmed as usual."""
    events: list[OrderEvent] = []
    for service in command.services:
        new = _check_past(command, service, order)
        events.append(_afterwards(command, service, order, new=new))
        order = evolve(order, events[-1])
    return events


def _afterwards(
    command: RecordServiceAfterwards, service: PastService, order: Order, *, new: bool
) -> ServiceRecordedAfterwards:
    assert command.by.actor_id is not None
    volunteer_id = service.volunteer.volunteer_id
    others = any(one.served in LIVE for one in order.assignments if one.assignment_id != service.assignment_id)
    return say(
        order,
        command,
        ServiceRecordedAfterwards,
        OrderState.IN_SERVICE if others else OrderState.SERVED,
        assignment_id=service.assignment_id,
        volunteer_id=volunteer_id,
        project_code=order.project_code,
        started_at=service.started_at,
        finished_at=service.finished_at,
        minutes=(service.finished_at - service.started_at) // timedelta(minutes=1),
        attachment_hash=command.attachment_hash,
        recorded_by=command.by.actor_id,
        channel=command.by.channel,
        new_assignment=new,
        slots_filled=order.filled + new,
        served=not others,
        recorded_at=command.at,
    )


def _check_past(command: RecordServiceAfterwards, service: PastService, order: Order) -> bool:
    """Whether the slot is a new one. Raises Refused."""
    volunteer = service.volunteer
    if command.by.actor_id == volunteer.volunteer_id:
        raise Refused("recorder_is_server")
    _check_times(command, service, order)
    held = order.holds(volunteer.volunteer_id)
    if held is not None:
        _check_slot(held.assignment_id, service.assignment_id)
        if held.served is not Served.HELD:
            raise Refused("started_already" if held.served is Served.STARTED else "finished_already")
        return False
    if order.free_slots <= 0:
        raise Refused("staffed_already")
    if volunteer.state not in {"ACTIVE", "PAUSED"}:
        raise Refused("volunteer_not_active")
    need = replace(need_of(order), window_start=service.started_at, window_end=service.finished_at)
    reasons = [reason for reason in unfit(volunteer, need) if reason in _BARRED_AFTERWARDS]
    if reasons:
        raise Refused(reasons[0])
    return True


def _check_slot(held: UUID, named: UUID) -> None:
    if held != named:
        raise AssertionError("the slot of a record is the one that the volunteer holds")


def _check_times(command: RecordServiceAfterwards, service: PastService, order: Order) -> None:
    days_max = command.policy.afterwards_days
    if service.finished_at <= service.started_at:
        raise Refused("end_before_start", started_at=service.started_at)
    if service.finished_at > command.at:
        raise Refused("not_over_yet")
    if command.at - service.finished_at > timedelta(days=days_max):
        raise Refused("record_too_late", days_max=days_max)
    if order.verified_at is None or service.started_at < order.verified_at:
        raise Refused("before_verification", verified_at=order.verified_at)
