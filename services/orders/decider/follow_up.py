"""回访整改: a reviewer without a part in it calls, something is put right, and somebody asks whether it was."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar, assert_never, cast
from uuid import UUID

from contracts.command import Refused, Role
from contracts.orders import (
    FollowUpCause,
    FollowUpClosed,
    FollowUpContacted,
    FollowUpDismissed,
    FollowUpFact,
    FollowUpOpened,
    FollowUpOverdue,
    FollowUpState,
    OrderEvent,
    OrderState,
    RectificationOrdered,
    RectificationRejected,
    RectificationReported,
    RectificationVerified,
)
from services.orders.commands.follow_up import (
    AnyFollowUpCommand,
    CloseFollowUp,
    DismissRating,
    EscalateFollowUp,
    FollowUpCommand,
    OpenFollowUp,
    OrderRectification,
    RecordContact,
    ReportRectification,
    VerifyRectification,
)
from services.orders.commands.placing import OrderCommand
from services.orders.commands.words import Policy
from services.orders.decider.deadlines import minutes_after
from services.orders.decider.follow_up_state import TABLE, WAITING, FollowUp
from services.orders.decider.saying import say
from services.orders.decider.state import Order

Events = Sequence[OrderEvent]
S = FollowUpState
COMPLAINT = "complaint"
"""The tag by which a rating says that it is a complaint, whatever its score."""
LEVEL_ROLES = {1: Role.SOCIAL_WORKER, 2: Role.STATION_MANAGER, 3: Role.STREET_OFFICER}
"""Whom an overdue follow-up goes up to: who guides the volunteers, the station, the street."""


def cause_of(score: int, tags: Sequence[str], policy: Policy) -> FollowUpCause | None:
    """Why a rating is followed up: 2★ or less, 3★ with a tag, or a complaint; None when it need not be."""
    if score <= policy.follow_up_score_max:
        return "low_rating"
    if COMPLAINT in tags:
        return "complaint"
    if score <= policy.follow_up_tagged_score_max and tags:
        return "tagged_rating"
    return None


def opened_by_rating(
    command: OrderCommand, order: Order, *, follow_up_id: UUID, due_at: datetime, tags: tuple[str, ...]
) -> Events:
    """What follows a rating in its own append; `order` is as the rating left it. Nothing while one is open."""
    assert order.score is not None
    cause = cause_of(order.score, tags, command.policy)
    if cause is None or (order.follow_up is not None and order.follow_up.is_open):
        return []
    opened = _opened(command, order, follow_up_id=follow_up_id, cause=cause, tags=tags, due_at=due_at)
    # Nobody asked for it: the rating itself did.
    return [opened.model_copy(update={"role": Role.SYSTEM})]


def decide(command: AnyFollowUpCommand, order: Order) -> Events:
    """The events of a command about a follow-up; the order's state was looked at already. Raises Refused."""
    follow_up = order.follow_up
    TABLE.require(command, follow_up.state if follow_up is not None else None)
    if isinstance(command, OpenFollowUp):
        return [
            _opened(
                command,
                order,
                follow_up_id=command.follow_up_id,
                cause="complaint",
                opened_by=command.by.actor_id,
                words_ref=command.words_ref,
                words_commitment=command.words_commitment,
                due_at=command.deadlines.contact_by,
            )
        ]
    assert follow_up is not None
    match command:
        case RecordContact():
            return _contact(command, order, follow_up)
        case DismissRating():
            return _dismiss(command, order, follow_up)
        case OrderRectification():
            return _order(command, order, follow_up)
        case ReportRectification():
            return _report(command, order, follow_up)
        case VerifyRectification():
            return _verify(command, order, follow_up)
        case EscalateFollowUp():
            return _escalate(command, order, follow_up)
        case CloseFollowUp():
            return _close(command, order, follow_up)
        case _:
            assert_never(command)


def _opened(command: OrderCommand, order: Order, *, due_at: datetime, **fields: Any) -> FollowUpOpened:
    assert order.score is not None
    shared = {"follow_up_state": S.OPENED, "score": order.score, "volunteers": order.servers, "due_at": due_at}
    return say(order, command, FollowUpOpened, OrderState.FOLLOW_UP, opened_at=command.at, **shared, **fields)


E = TypeVar("E", bound=FollowUpFact)


def _say(
    order: Order,
    command: FollowUpCommand,
    follow_up: FollowUp,
    event_class: type[E],
    state: FollowUpState,
    **fields: Any,
) -> E:
    of = {"follow_up_id": follow_up.follow_up_id, "follow_up_state": state}
    said: E = say(order, command, cast(Any, event_class), OrderState.FOLLOW_UP, **of, **fields)
    return said


def _contact(command: RecordContact, order: Order, follow_up: FollowUp) -> Events:
    """The reviewer's call: kept even when it is late."""
    check_reviewer(command, order)
    contacted = _say(
        order,
        command,
        follow_up,
        FollowUpContacted,
        S.CONTACTED,
        contacted_by=command.by.actor_id,
        channel=command.by.channel,
        words_ref=command.words_ref,
        words_commitment=command.words_commitment,
        due_at=command.deadlines.contact_by,
        contacted_at=command.at,
    )
    return [contacted]


def _dismiss(command: DismissRating, order: Order, follow_up: FollowUp) -> Events:
    """Two reviewers: the score stays, and only that volunteer's mean leaves it out."""
    check_reviewer(command, order)
    if command.seconded_by == command.by.actor_id:
        raise Refused("second_person_required")
    if not command.seconder_entitled:
        raise Refused("seconder_not_entitled")
    _check_apart(command.seconded_by, command.households.get(command.seconded_by), command, order)
    dismissed = _say(
        order,
        command,
        follow_up,
        FollowUpDismissed,
        S.DISMISSED,
        reason_code=command.reason_code,
        dismissed_by=command.by.actor_id,
        seconded_by=command.seconded_by,
        volunteers=order.servers,
        due_at=minutes_after(command.at, command.policy.recall_minutes),
        dismissed_at=command.at,
    )
    return [dismissed]


def _order(command: OrderRectification, order: Order, follow_up: FollowUp) -> Events:
    """What, by whom, and until when: at most five working days."""
    check_reviewer(command, order)
    if command.responsible_id == command.by.actor_id:
        raise Refused("reviewer_responsible")
    if command.responsible_role is None:
        raise Refused("responsible_not_entitled")
    due_at = command.due_at or command.deadlines.rectify_by
    if not command.at < due_at <= command.deadlines.rectify_by:
        raise Refused("rectification_too_long", rectify_by=command.deadlines.rectify_by)
    ordered = _say(
        order,
        command,
        follow_up,
        RectificationOrdered,
        S.RECTIFYING,
        measure=command.measure,
        responsible_id=command.responsible_id,
        responsible_role=command.responsible_role,
        volunteers=order.servers,
        ordered_by=command.by.actor_id,
        due_at=due_at,
        ordered_at=command.at,
    )
    return [ordered]


def _report(command: ReportRectification, order: Order, follow_up: FollowUp) -> Events:
    """Whoever is responsible says so; what was to be done again names the order in which it was."""
    assert command.by.actor_id is not None
    assert follow_up.measure is not None
    if command.by.actor_id != follow_up.responsible_id:
        raise Refused("not_responsible")
    redo = follow_up.measure == "redo"
    if redo and (command.rework_order_id is None or not command.rework_fits):
        raise Refused("rework_needed")
    reported = _say(
        order,
        command,
        follow_up,
        RectificationReported,
        S.RECTIFIED,
        measure=follow_up.measure,
        reported_by=command.by.actor_id,
        rework_order_id=command.rework_order_id if redo else None,
        words_ref=command.words_ref,
        words_commitment=command.words_commitment,
        due_at=minutes_after(command.at, command.policy.recall_minutes),
        reported_at=command.at,
    )
    return [reported]


def _verify(command: VerifyRectification, order: Order, follow_up: FollowUp) -> Events:
    """The resident's side, or a reviewer; never who had to put it right."""
    assert command.by.actor_id is not None
    assert follow_up.measure is not None
    if command.by.actor_id == follow_up.responsible_id:
        raise Refused("responsible_verifies")
    if command.by.role is Role.REVIEWER:
        check_reviewer(command, order)
    elif command.by.actor_id in order.ever_assigned:
        raise Refused("server_judges")
    said: dict[str, Any] = {"measure": follow_up.measure, "channel": command.by.channel}
    if command.accepted:
        due_at = minutes_after(command.at, command.policy.recall_minutes)
        said |= {"verified_by": command.by.actor_id, "due_at": due_at, "verified_at": command.at}
        return [_say(order, command, follow_up, RectificationVerified, S.VERIFIED, **said)]
    said |= {
        "responsible_id": follow_up.responsible_id,
        "rejected_by": command.by.actor_id,
        "rejections": follow_up.rejections + 1,
        "reason_code": command.reason_code,
        "due_at": command.deadlines.rectify_by,
        "rejected_at": command.at,
    }
    return [_say(order, command, follow_up, RectificationRejected, S.RECTIFYING, **said)]


def _escalate(command: EscalateFollowUp, order: Order, follow_up: FollowUp) -> Events:
    """One level a deadline, and a working day between two; at the top only people act."""
    if follow_up.due_at is None or command.at < follow_up.due_at:
        raise Refused("not_due", due_at=follow_up.due_at)
    level = follow_up.level + 1
    overdue = _say(
        order,
        command,
        follow_up,
        FollowUpOverdue,
        follow_up.state,
        stage=WAITING[follow_up.state],
        level=level,
        to_role=LEVEL_ROLES[level],
        responsible_id=follow_up.responsible_id,
        was_due_at=follow_up.due_at,
        due_at=command.deadlines.contact_by if level < max(LEVEL_ROLES) else None,
        overdue_at=command.at,
    )
    return [overdue]


def _close(command: CloseFollowUp, order: Order, follow_up: FollowUp) -> Events:
    """The order goes back to RATED. SYSTEM waits until the time for a second score is over."""
    assert order.first_score is not None
    if command.by.role is Role.SYSTEM and (follow_up.due_at is None or command.at < follow_up.due_at):
        raise Refused("not_due", due_at=follow_up.due_at)
    if command.by.actor_id is not None and command.by.actor_id in {*order.ever_assigned, follow_up.responsible_id}:
        raise Refused("reviewer_involved")
    dismissed = follow_up.state is S.DISMISSED
    if dismissed and command.second_score is not None:
        raise Refused("second_score_without_rectification")
    closed = say(
        order,
        command,
        FollowUpClosed,
        OrderState.RATED,
        follow_up_id=follow_up.follow_up_id,
        follow_up_state=S.CLOSED,
        outcome="dismissed" if dismissed else "rectified",
        measure=follow_up.measure,
        first_score=order.first_score,
        second_score=command.second_score,
        closed_by=command.by.actor_id,
        closed_at=command.at,
    )
    return [closed]


Reviewing = RecordContact | DismissRating | OrderRectification | VerifyRectification


def check_reviewer(command: Reviewing, order: Order) -> None:
    """Raise Refused for a reviewer who served either side, shares a household with one, or dispatched the order."""
    assert command.by.actor_id is not None
    _check_apart(command.by.actor_id, command.reviewer_household_id, command, order)


def _check_apart(person_id: UUID, household_id: UUID | None, command: Reviewing, order: Order) -> None:
    if person_id in order.staff:
        raise Refused("dispatcher_reviews")
    sides = {order.beneficiary_id, order.requested_by, *order.ever_assigned}
    homes = {command.households.get(person) for person in sides} - {None}
    if person_id in sides or (household_id is not None and household_id in homes):
        raise Refused("reviewer_involved")
