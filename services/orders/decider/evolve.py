"""How each event changes an order."""

from dataclasses import replace
from typing import Any, assert_never
from uuid import UUID

from contracts.orders import (
    AcceptanceWithdrawn,
    AssignmentLapsed,
    CompletionConfirmed,
    CompletionPresumed,
    OfferDeclined,
    OfferExpired,
    OrderAccepted,
    OrderCancelled,
    OrderClosed,
    OrderDispatched,
    OrderEscalated,
    OrderEvent,
    OrderOpened,
    OrderPlaced,
    OrderRated,
    OrderRefused,
    OrderStaffed,
    OrderState,
    OrderUnfulfilled,
    OrderVerified,
    ServiceAutoClosed,
    ServiceFinished,
    ServiceStarted,
)
from services.orders.decider.state import Assignment, Item, LiveOffer, Order, Served


def initial() -> Order | None:
    """There is no order yet."""
    return None


def evolve(order: Order | None, event: OrderEvent) -> Order:
    """The order after `event`. Raises ValueError for a stream that does not begin with OrderPlaced."""
    if isinstance(event, OrderPlaced):
        return _placed(event)
    if order is None:
        raise ValueError(f"{event.type} of order {event.order_id} comes before its OrderPlaced")
    changes = _changes(order, event)
    return replace(order, state=event.state, due_at=event.next_due_at, due_for=event.next_due_for, **changes)


def _changes(order: Order, event: OrderEvent) -> dict[str, Any]:
    match event:
        case OrderPlaced():
            return {}
        case OrderVerified():
            return _verified(order, event)
        case OrderDispatched():
            return _dispatched(order, event)
        case OrderOpened():
            waves = {"waves": order.waves + 1, "round_waves": order.round_waves + 1}
            return {**_without_offers(order, event.offers_ended), **waves}
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
        case OrderEscalated():
            return {"level": event.level, "escalated_for": order.escalated_for | {event.cause}}
        case ServiceStarted():
            started = {"started_at": event.started_at, "start_evidence": event.evidence}
            return _served(order, event.assignment_id, Served.STARTED, **started)
        case ServiceFinished():
            done = _served(order, event.assignment_id, Served.FINISHED, minutes=event.minutes)
            return {**done, "served_at": event.finished_at if event.served else None}
        case ServiceAutoClosed():
            done = _served(order, event.assignment_id, Served.AUTO_CLOSED)
            return {**done, "served_at": event.closed_at if event.served else None}
        case CompletionConfirmed():
            return {"completed_at": event.confirmed_at}
        case CompletionPresumed():
            return {"completed_at": event.presumed_at}
        case OrderRated():
            return {"rated_at": event.rated_at, "score": event.score}
        case OrderCancelled() | OrderUnfulfilled():
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


def _verified(order: Order, event: OrderVerified) -> dict[str, Any]:
    item = replace(
        order.item,
        slots=event.slots,
        skills=event.skills,
        licence=event.licence,
        insurance_required=event.insurance_required,
    )
    staff = order.staff | {event.verified_by} if event.verified_by is not None else order.staff
    return {"item": item, "verified": True, "waiting_since": event.verified_at, "staff": staff}


def _dispatched(order: Order, event: OrderDispatched) -> dict[str, Any]:
    offers = tuple(LiveOffer(one.offer_id, one.volunteer_id, event.wave, one.expires_at) for one in event.offers)
    staff = order.staff | {event.dispatched_by} if event.dispatched_by is not None else order.staff
    return {
        "offers": (*order.offers, *offers),
        "waves": event.wave,
        "round_waves": order.round_waves + 1,
        "staff": staff,
    }


def _lost(order: Order, event: AcceptanceWithdrawn | AssignmentLapsed, how: Served) -> dict[str, Any]:
    """A slot fell free. When the order goes back to searching, its clock and its waves begin anew."""
    changes = _served(order, event.assignment_id, how)
    changes["answered"] = order.answered | {event.volunteer_id}
    at = event.withdrawn_at if isinstance(event, AcceptanceWithdrawn) else event.lapsed_at
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


def _served(order: Order, assignment_id: UUID, served: Served, **changes: Any) -> dict[str, Any]:
    assignments = tuple(
        replace(one, served=served, **changes) if one.assignment_id == assignment_id else one
        for one in order.assignments
    )
    return {"assignments": assignments}


def _without_offers(order: Order, ended: tuple[UUID, ...]) -> dict[str, Any]:
    return {"offers": tuple(offer for offer in order.offers if offer.offer_id not in ended)}


def _released(order: Order) -> dict[str, Any]:
    assignments = tuple(
        replace(one, served=Served.RELEASED) if one.served is Served.HELD else one for one in order.assignments
    )
    return {"assignments": assignments, "offers": ()}
