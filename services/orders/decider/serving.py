"""签到, 签退, 确认, 评单: what was done, shown by evidence, judged by others than who did it (domain.md §4.0)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from contracts.command import Channel, Refused, Role
from contracts.orders import (
    CompletionConfirmed,
    CompletionPresumed,
    OrderEvent,
    OrderRated,
    OrderState,
    ServiceAutoClosed,
    ServiceFinished,
    ServiceStarted,
)
from services.orders.commands.placing import LapseAssignment
from services.orders.commands.serving import (
    AmendRating,
    AutoCloseService,
    ConfirmCompletion,
    FinishService,
    PresumeCompletion,
    RateOrder,
    StartService,
)
from services.orders.decider.accepting import lapsed
from services.orders.decider.deadlines import minutes_after
from services.orders.decider.evolve import evolve
from services.orders.decider.follow_up import opened_by_rating
from services.orders.decider.saying import say, staffing
from services.orders.decider.state import LIVE, Assignment, Order, Served

Events = Sequence[OrderEvent]


def start(command: StartService, order: Order) -> Events:
    """Check in, from 30 minutes before the window until 60 after it, with the 服务码, the QR or a leader's word."""
    held = _served_by(command, order)
    if held.served is not Served.HELD:
        raise Refused("started_already")
    policy = command.policy
    earliest = minutes_after(order.window_start, -policy.start_early_minutes)
    latest = minutes_after(order.window_end, policy.start_late_minutes)
    if command.at < earliest:
        raise Refused("too_early", earliest=earliest)
    if command.at > latest:
        raise Refused("too_late", latest=latest)
    _check_evidence(command)
    started = say(
        order,
        command,
        ServiceStarted,
        OrderState.IN_SERVICE,
        assignment_id=held.assignment_id,
        volunteer_id=held.volunteer_id,
        evidence=command.evidence,
        started_at=command.at,
    )
    return [started]


def finish(command: FinishService, order: Order) -> Events:
    """Check out. Minutes are the whole ones between the two, never rounded up, without travel."""
    mine = _served_by(command, order)
    if mine.served is Served.HELD:
        raise Refused("not_started")
    if mine.served is not Served.STARTED or mine.started_at is None:
        raise Refused("finished_already")
    if command.at <= mine.started_at:
        raise Refused("end_before_start", started_at=mine.started_at)
    _check_evidence(command)
    served = not _others_live(order, mine)
    finished = say(
        order,
        command,
        ServiceFinished,
        OrderState.SERVED if served else OrderState.IN_SERVICE,
        assignment_id=mine.assignment_id,
        volunteer_id=mine.volunteer_id,
        project_code=order.project_code,
        outcome=command.outcome,
        started_at=mine.started_at,
        finished_at=command.at,
        minutes=(command.at - mine.started_at) // timedelta(minutes=1),
        start_evidence=mine.start_evidence,
        finish_evidence=command.evidence,
        served=served,
    )
    return [finished]


def auto_close(command: AutoCloseService, order: Order) -> Events:
    """Nobody checked out by four hours after the window: no minutes are assumed, and who never came falls out."""
    if command.at < minutes_after(order.window_end, command.policy.autoclose_minutes):
        raise Refused("not_due", due_at=order.due_at)
    events: list[OrderEvent] = []
    for held in order.held:
        lapse = LapseAssignment(
            by=command.by,
            at=command.at,
            order_id=command.order_id,
            policy=command.policy,
            assignment_id=held.assignment_id,
            cause="not_started",
        )
        events.append(lapsed(order, held, lapse))
        order = evolve(order, events[-1])
    for started in [one for one in order.assignments if one.served is Served.STARTED]:
        assert started.started_at is not None
        served = not _others_live(order, started)
        events.append(
            say(
                order,
                command,
                ServiceAutoClosed,
                OrderState.SERVED if served else OrderState.IN_SERVICE,
                assignment_id=started.assignment_id,
                volunteer_id=started.volunteer_id,
                started_at=started.started_at,
                closed_at=command.at,
                served=served,
            )
        )
        order = evolve(order, events[-1])
    return events


def confirm(command: ConfirmCompletion, order: Order) -> Events:
    """The resident's side says that it was done; never a server or somebody of a server's household."""
    _check_judge(command, order)
    assert command.by.actor_id is not None
    confirmed = say(
        order,
        command,
        CompletionConfirmed,
        OrderState.COMPLETED,
        confirmed_by=command.by.actor_id,
        channel=command.by.channel,
        assignments=staffing(order.assignments),
        confirmed_at=command.at,
    )
    return [confirmed]


def presume(command: PresumeCompletion, order: Order) -> Events:
    """Nobody confirmed or objected in time. The rating stays empty: unrated is not satisfied."""
    if order.due_at is None or command.at < order.due_at:
        raise Refused("not_due", due_at=order.due_at)
    presumed = say(
        order,
        command,
        CompletionPresumed,
        OrderState.COMPLETED,
        assignments=staffing(order.assignments),
        presumed_at=command.at,
    )
    return [presumed]


def rate(command: RateOrder, order: Order) -> Events:
    """Rate once, within 30 days. A reviewer who phones has neither served nor dispatched this order."""
    check_rater(command, order)
    assert order.completed_at is not None
    rate_until = order.completed_at + timedelta(days=command.policy.rate_days)
    if command.at > rate_until:
        raise Refused("rating_over", rate_until=rate_until)
    rated = say(order, command, OrderRated, OrderState.RATED, rated_at=command.at, **rating_fields(command, order))
    after = evolve(order, rated)
    opened = opened_by_rating(
        command, after, follow_up_id=command.follow_up_id, due_at=command.contact_by, tags=command.tags
    )
    return [rated, *opened]


def check_rater(command: RateOrder | AmendRating, order: Order) -> None:
    """Raise Refused for whoever does not rate this order."""
    _check_judge(command, order)
    if command.by.role is Role.REVIEWER:
        if command.by.channel is not Channel.PHONE:
            raise Refused("by_phone_only")
        if command.by.actor_id in order.staff:
            raise Refused("dispatcher_reviews")


def rating_fields(command: RateOrder | AmendRating, order: Order) -> dict[str, Any]:
    """What a rating says, the first one and an amended one alike."""
    kinds = {Role.REVIEWER: "reviewer", Role.PROXY: "proxy"}
    return {
        "rating_id": command.rating_id,
        "score": command.score,
        "tags": command.tags,
        "rater_id": command.by.actor_id,
        "rater_kind": kinds.get(command.by.role, "resident"),
        "channel": command.by.channel,
        "volunteers": order.servers,
        "comment_ref": command.comment_ref,
        "comment_commitment": command.comment_commitment,
    }


def _served_by(command: StartService | FinishService, order: Order) -> Assignment:
    mine = order.holds(command.volunteer_id)
    if mine is None:
        raise Refused("not_assigned")
    return mine


def _check_evidence(command: StartService | FinishService) -> None:
    if command.evidence == "leader":
        if command.by.actor_id == command.volunteer_id:
            raise Refused("leader_is_server")
    elif not command.evidence_holds:
        raise Refused("code_wrong" if command.evidence == "code" else "qr_wrong")


def _others_live(order: Order, mine: Assignment) -> bool:
    return any(one.served in LIVE for one in order.assignments if one.assignment_id != mine.assignment_id)


def _check_judge(command: ConfirmCompletion | RateOrder | AmendRating, order: Order) -> None:
    if command.by.actor_id in order.servers:
        raise Refused("server_judges")
    households = {command.server_households.get(server) for server in order.servers} - {None}
    if command.judge_household_id is not None and command.judge_household_id in households:
        raise Refused("server_household_judges")
