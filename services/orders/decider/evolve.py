"""How each event changes an order."""

from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never
from uuid import UUID

from contracts.orders import (
    AcceptanceWithdrawn,
    AssignmentLapsed,
    AssignmentReconfirmed,
    CompletionConfirmed,
    CompletionContested,
    CompletionPresumed,
    DisputeAppealed,
    DisputeFact,
    DisputeResolved,
    FollowUpFact,
    InOrderStream,
    OfferDeclined,
    OfferExpired,
    OrderAccepted,
    OrderCancelled,
    OrderClosed,
    OrderDispatched,
    OrderEscalated,
    OrderEvent,
    OrderInfoProvided,
    OrderInfoRequested,
    OrderMerged,
    OrderOpened,
    OrderPlaced,
    OrderRated,
    OrderRatingAmended,
    OrderRedispatched,
    OrderRefused,
    OrderReopened,
    OrderRescheduled,
    OrderStaffed,
    OrderState,
    OrderUnfulfilled,
    OrderVerified,
    ResidentAbsentRecorded,
    ServiceAutoClosed,
    ServiceFinished,
    ServiceRecordedAfterwards,
    ServiceStarted,
    VolunteerNoShowRecorded,
)
from services.orders.decider.dispute_state import Dispute, DisputeState, appealed, resolved
from services.orders.decider.follow_up_state import evolve_follow_up
from services.orders.decider.state import Assignment, Item, LiveOffer, Order, Served


def initial() -> Order | None:
    """There is no order yet."""
    return None


def evolve(order: Order | None, event: InOrderStream) -> Order:
    """The order after `event`. Raises ValueError for a stream that does not begin with OrderPlaced."""
    if isinstance(event, OrderPlaced):
        return _placed(event)
    if order is None:
        raise ValueError(f"{event.type} of order {event.order_id} comes before its OrderPlaced")
    changes = _settled(order, event) if isinstance(event, DisputeFact) else _changes(order, event)
    changes |= {"state": event.state or order.state, "due_at": event.next_due_at, "due_for": event.next_due_for}
    return replace(order, **changes)


def _settled(order: Order, event: DisputeFact) -> dict[str, Any]:
    assert order.dispute is not None
    if isinstance(event, DisputeResolved):
        settled = resolved(order.dispute, event.resolved_by, event.appeal_until)
        return {"dispute": settled, "settled_at": event.resolved_at}
    if isinstance(event, DisputeAppealed):
        return {"dispute": appealed(order.dispute, event.appealed_by)}
    raise ValueError(f"{event.type} is not said in an order's stream")


def _changes(order: Order, event: OrderEvent) -> dict[str, Any]:
    match event:
        case OrderPlaced():
            return {}
        case OrderInfoRequested():
            asked = {"info_requested_at": event.info_requested_at, "triage_left_minutes": event.left_minutes}
            return asked | {"escalated_for": order.escalated_for - {"info_overdue"}}
        case OrderInfoProvided():
            return _answered(order, event)
        case OrderVerified():
            return _verified(order, event)
        case OrderDispatched():
            return _dispatched(order, event)
        case OrderOpened():
            waves = {"waves": order.waves + 1, "round_waves": order.round_waves + 1}
            return {**_without_offers(order, event.offers_ended), **waves, "absent": False, "begun": True}
        case OfferDeclined():
            return {**_without_offers(order, (event.offer_id,)), "answered": order.answered | {event.volunteer_id}}
        case OfferExpired():
            silent = {offer.volunteer_id for offer in order.offers if offer.offer_id in event.offer_ids}
            return {**_without_offers(order, event.offer_ids), "answered": order.answered | silent}
        case OrderAccepted():
            taken = Assignment(event.assignment_id, event.volunteer_id)
            offers = tuple(offer for offer in order.offers if offer.volunteer_id != event.volunteer_id)
            return {"assignments": (*order.assignments, taken), "offers": offers}
        case OrderStaffed():
            return {**_without_offers(order, event.offers_ended), "round_waves": 0, "waiting_since": None}
        case AcceptanceWithdrawn():
            return _lost(order, event, Served.WITHDRAWN)
        case AssignmentLapsed():
            return _lost(order, event, Served.LAPSED)
        case VolunteerNoShowRecorded():
            return _lost(order, event, Served.NO_SHOW)
        case ResidentAbsentRecorded():
            search = {"absent": True, "returned": False, "waiting_since": event.recorded_at, "round_waves": 0}
            return _released(order) | search | {"escalated_for": order.escalated_for - {"not_started"}}
        case OrderRedispatched():
            return _redispatched(order, event)
        case OrderRescheduled():
            return _rescheduled(order, event)
        case AssignmentReconfirmed():
            return _assigned(order, event.assignment_id, reconfirm_until=None)
        case OrderEscalated():
            return {"level": event.level, "escalated_for": order.escalated_for | {event.cause}}
        case FollowUpFact():
            return {"follow_up": evolve_follow_up(order.follow_up, event)}
        case _:
            return _from_the_door_on(order, event)


VisitEvent = (
    ServiceStarted
    | ServiceFinished
    | ServiceAutoClosed
    | ServiceRecordedAfterwards
    | CompletionConfirmed
    | CompletionPresumed
    | CompletionContested
    | OrderRated
    | OrderRatingAmended
    | OrderUnfulfilled
    | OrderReopened
    | OrderCancelled
    | OrderMerged
    | OrderRefused
    | OrderClosed
)


def _from_the_door_on(order: Order, event: VisitEvent) -> dict[str, Any]:
    match event:
        case ServiceStarted():
            started = {"started_at": event.started_at, "start_evidence": event.evidence, "reconfirm_until": None}
            return _served(order, event.assignment_id, Served.STARTED, **started)
        case ServiceFinished():
            done = _served(order, event.assignment_id, Served.FINISHED, minutes=event.minutes)
            return {**done, "served_at": event.finished_at if event.served else None}
        case ServiceAutoClosed():
            done = _served(order, event.assignment_id, Served.AUTO_CLOSED)
            return {**done, "served_at": event.closed_at if event.served else None}
        case ServiceRecordedAfterwards():
            return _recorded_afterwards(order, event)
        case CompletionConfirmed():
            return {"completed_at": event.confirmed_at}
        case CompletionPresumed():
            return {"completed_at": event.presumed_at}
        case OrderRated():
            rating = {"score": event.score, "first_score": event.score}
            return {**rating, "rated_at": event.rated_at, "rating_id": event.rating_id or event.order_id}
        case OrderRatingAmended():
            return {"score": event.score, "rating_id": event.rating_id}
        case CompletionContested():
            sides = {event.contested_by, event.beneficiary_id, event.requested_by, *order.ever_assigned}
            dispute = Dispute(event.dispute_id, DisputeState.MEDIATING, event.contested_by, frozenset(sides))
            return {"dispute": dispute, "disputed_from": event.from_state}
        case OrderUnfulfilled():
            return _released(order) | {"reopen_until": event.reopen_until}
        case OrderReopened():
            return _reopened(order, event)
        case OrderCancelled() | OrderMerged():
            return _released(order)
        case OrderRefused() | OrderClosed():
            return {}
        case _:
            assert_never(event)


def _placed(event: OrderPlaced) -> Order:
    return Order(
        order_id=event.order_id,
        order_no=event.order_no,
        mode=event.mode,
        state=event.state,
        item=Item(
            item_code=event.item_code,
            expected_minutes=event.expected_minutes,
            slots=event.slots,
            home_visit=event.home_visit,
            licence=event.licence,
            skills=event.skills,
            insurance_required=event.insurance_required,
        ),
        beneficiary_id=event.beneficiary_id,
        requested_by=event.requested_by,
        household_id=event.household_id,
        grid_id=event.grid_id,
        entrance_id=event.entrance_id,
        project_code=event.project_code,
        window_start=event.window_start,
        window_end=event.window_end,
        urgent=event.urgent,
        details_ref=event.details_ref,
        placed_at=event.placed_at,
        due_at=event.next_due_at,
        due_for=event.next_due_for,
    )


def _answered(order: Order, event: OrderInfoProvided) -> dict[str, Any]:
    stood_still = event.info_provided_at - (order.info_requested_at or event.info_provided_at)
    return {
        "info_requested_at": None,
        "triage_from": event.info_provided_at,
        "clock_from": (order.clock_from or order.placed_at) + stood_still,
        "escalated_for": order.escalated_for - {"info_overdue"},
    }


def _verified(order: Order, event: OrderVerified) -> dict[str, Any]:
    item = replace(
        order.item,
        slots=event.slots,
        skills=event.skills,
        licence=event.licence,
        insurance_required=event.insurance_required,
    )
    staff = order.staff | {event.verified_by} if event.verified_by is not None else order.staff
    return {
        "item": item,
        "verified_at": event.verified_at,
        "on_absence": event.on_absence,
        "info_requested_at": None,
        "waiting_since": event.verified_at,
        "staff": staff,
    }


def _dispatched(order: Order, event: OrderDispatched) -> dict[str, Any]:
    offers = tuple(LiveOffer(one.offer_id, one.volunteer_id, event.wave, one.expires_at) for one in event.offers)
    staff = order.staff | {event.dispatched_by} if event.dispatched_by is not None else order.staff
    return {
        "offers": (*order.offers, *offers),
        "waves": event.wave,
        "round_waves": order.round_waves + 1,
        "staff": staff,
        "absent": False,
        "begun": True,
    }


def _redispatched(order: Order, event: OrderRedispatched) -> dict[str, Any]:
    """Whoever had it is not asked again; where everybody had been found, the search begins anew."""
    offers = tuple(LiveOffer(one.offer_id, one.volunteer_id, event.wave, one.expires_at) for one in event.offers)
    changes: dict[str, Any] = {"offers": offers, "waves": event.wave, "round_waves": order.round_waves + 1}
    if event.from_assignment_id is not None and event.from_volunteer_id is not None:
        changes |= _served(order, event.from_assignment_id, Served.RELEASED, reconfirm_until=None)
        changes["answered"] = order.answered | {event.from_volunteer_id}
    if order.state is OrderState.ACCEPTED:
        changes |= {"round_waves": 1, "waiting_since": event.redispatched_at}
        changes["escalated_for"] = order.escalated_for - {"not_started"}
    return changes | {"staff": order.staff | {event.dispatched_by}, "absent": False, "begun": True}


def _rescheduled(order: Order, event: OrderRescheduled) -> dict[str, Any]:
    """A new time is a new question: who said no to the old one may be asked again."""
    asked = {one.assignment_id for one in event.awaiting}
    return {
        "window_start": event.window_start,
        "window_end": event.window_end,
        "assignments": tuple(
            replace(one, reconfirm_until=event.reconfirm_until) if one.assignment_id in asked else one
            for one in order.assignments
        ),
        "offers": (),
        "answered": order.parted,
        "escalated_for": order.escalated_for - {"window_over", "not_started"},
        "absent": False,
        "round_waves": 0,
        "waiting_since": event.rescheduled_at,
    }


def _reopened(order: Order, event: OrderReopened) -> dict[str, Any]:
    """The search begins as after verification, with levels and waves of its own."""
    return {
        "window_start": event.window_start,
        "window_end": event.window_end,
        "answered": order.parted,
        "escalated_for": frozenset(),
        "level": 0,
        "returned": False,
        "absent": False,
        "begun": False,
        "round_waves": 0,
        "waves_before": order.waves,
        "waiting_since": event.reopened_at,
    }


Loss = AcceptanceWithdrawn | AssignmentLapsed | VolunteerNoShowRecorded


def _lost(order: Order, event: Loss, how: Served) -> dict[str, Any]:
    """A slot fell free. When the order goes back to searching, its clock and its waves begin anew."""
    changes = _served(order, event.assignment_id, how)
    changes["answered"] = order.answered | {event.volunteer_id}
    at = _lost_at(event)
    if event.state is OrderState.SERVED:
        changes["served_at"] = at
    elif event.state is OrderState.VERIFIED and order.state is OrderState.ACCEPTED:
        changes |= {
            "returned": True,
            "waiting_since": at,
            "round_waves": 0,
            "escalated_for": order.escalated_for - {"not_started"},
        }
    return changes


def _lost_at(event: Loss) -> datetime:
    match event:
        case AcceptanceWithdrawn():
            return event.withdrawn_at
        case AssignmentLapsed():
            return event.lapsed_at
        case VolunteerNoShowRecorded():
            return event.recorded_at


def _recorded_afterwards(order: Order, event: ServiceRecordedAfterwards) -> dict[str, Any]:
    minutes: dict[str, Any] = {"started_at": event.started_at, "minutes": event.minutes}
    if event.new_assignment:
        taken = Assignment(event.assignment_id, event.volunteer_id, Served.FINISHED, **minutes)
        changes: dict[str, Any] = {"assignments": (*order.assignments, taken)}
    else:
        changes = _served(order, event.assignment_id, Served.FINISHED, **minutes)
    return {**changes, "absent": False, "served_at": event.recorded_at if event.served else None}


def _served(order: Order, assignment_id: UUID, served: Served, **changes: Any) -> dict[str, Any]:
    return _assigned(order, assignment_id, served=served, **changes)


def _assigned(order: Order, assignment_id: UUID, **changes: Any) -> dict[str, Any]:
    assignments = tuple(
        replace(one, **changes) if one.assignment_id == assignment_id else one for one in order.assignments
    )
    return {"assignments": assignments}


def _without_offers(order: Order, ended: tuple[UUID, ...]) -> dict[str, Any]:
    return {"offers": tuple(offer for offer in order.offers if offer.offer_id not in ended)}


def _released(order: Order) -> dict[str, Any]:
    assignments = tuple(
        replace(one, served=Served.RELEASED) if one.served is Served.HELD else one for one in order.assignments
    )
    return {"assignments": assignments, "offers": ()}
