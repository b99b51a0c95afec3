"""What is told when orders says something (domain.md §4.9, rows 5, 6, 8, 10–14, 16, 19, 22, 26)."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.command import Role
from contracts.notify import NoticeParams
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
    OrderNotice,
    OrderOpened,
    OrderPlaced,
    OrderRated,
    OrderRefused,
    OrderStaffed,
    OrderUnfulfilled,
    OrderVerified,
    ServiceAutoClosed,
    ServiceFinished,
    ServiceStarted,
)
from eventstore.consumer import Reactions
from services.notify.reactions.telling import Tell, Telling, tells

orders = Reactions("orders")

SOON_MINUTES = 120
"""Closer to the window than this, people are telephoned instead (domain.md §4.1, row 13)."""
LOW_SCORE = 2
REMINDERS = (("visit_tomorrow", timedelta(hours=24)), ("visit_in_hours", timedelta(hours=3)))


def params_of(event: OrderNotice, **more: Any) -> NoticeParams:
    """What every notice about an order may say."""
    return NoticeParams(
        order_no=event.order_no,
        item_code=event.item_code,
        window_start=event.window_start,
        window_end=event.window_end,
        **more,
    )


def _order(event_id: UUID) -> str:
    return f"order:{event_id}"


def _resident(event: OrderNotice, code: str, *keys: str, **more: Any) -> Tell:
    """To the beneficiary, and to the proxy who asked for it."""
    timing = {name: more.pop(name) for name in ("not_before", "expires_at") if name in more}
    params = params_of(event, **more)
    keyed = (*keys, _order(event.order_id))
    return Tell(code, params, ref=event.beneficiary_id, also=event.requested_by, keys=keyed, **timing)


def _call(event: OrderNotice, code: str, *keys: str, **more: Any) -> Tell:
    """A call to the beneficiary. Without keys it stands: the order's end does not cancel what reports that end."""
    return Tell(code, params_of(event, **more), ref=event.beneficiary_id, grid_id=event.grid_id, keys=keys)


def _staff(event: OrderNotice, code: str, role: Role, *keys: str, **more: Any) -> Tell:
    keyed = (*keys, _order(event.order_id))
    return Tell(code, params_of(event, **more), role=role, grid_id=event.grid_id, keys=keyed)


def _volunteer(event: OrderNotice, code: str, volunteer_id: UUID, *keys: str, **timing: Any) -> Tell:
    return Tell(code, params_of(event), ref=volunteer_id, keys=keys, **timing)


@tells(orders, OrderPlaced)
def on_order_placed(event: OrderPlaced) -> Telling:
    """The resident hears the number and by when somebody answers; the dispatcher, that there is something to triage."""
    if event.mode == "inquiry":
        return Telling(event.order_id, [_resident(event, "order_made")])
    due_at = event.next_due_at or event.placed_at
    received = _resident(event, "order_received", due_at=due_at)
    triage = _staff(event, "order_to_triage", Role.DISPATCHER, f"triage:{event.order_id}", due_at=due_at)
    return Telling(event.order_id, [received, triage])


@tells(orders, OrderVerified)
def on_order_verified(event: OrderVerified) -> Telling:
    """Nobody is asked to triage it any more."""
    return Telling(event.order_id, cancels=[f"triage:{event.order_id}"])


@tells(orders, OrderRefused)
def on_order_refused(event: OrderRefused) -> Telling:
    """The resident hears why, and where danger is, the numbers."""
    # Told whatever comes later, so without the order's key.
    refused = Tell(
        "order_refused",
        params_of(event, reason_code=event.reason_code),
        ref=event.beneficiary_id,
        also=event.requested_by,
    )
    return Telling(event.order_id, [refused], [_order(event.order_id), f"triage:{event.order_id}"])


@tells(orders, OrderDispatched)
def on_order_dispatched(event: OrderDispatched) -> Telling:
    """One offer each; pointless once it was answered or its time is over."""
    offers = [
        Tell(
            "offer",
            params_of(event, due_at=offer.expires_at),
            ref=offer.volunteer_id,
            keys=(f"offer:{offer.offer_id}", _order(event.order_id)),
            expires_at=offer.expires_at,
        )
        for offer in event.offers
    ]
    return Telling(event.order_id, offers)


@tells(orders, OfferDeclined)
def on_offer_declined(event: OfferDeclined) -> Telling:
    """The offer needs no answer any more."""
    return Telling(event.order_id, cancels=[f"offer:{event.offer_id}"])


@tells(orders, OfferExpired)
def on_offer_expired(event: OfferExpired) -> Telling:
    """The offers need no answer any more."""
    return Telling(event.order_id, cancels=[f"offer:{offer_id}" for offer_id in event.offer_ids])


@tells(orders, OrderOpened)
def on_order_opened(event: OrderOpened) -> Telling:
    """Every invited volunteer, in a digest with what else was opened these minutes."""
    digests = [
        Tell("pool_digest", NoticeParams(), ref=volunteer_id, digest_of=event.order_no)
        for volunteer_id in dict.fromkeys(event.invited)
    ]
    return Telling(event.order_id, digests, [f"offer:{offer_id}" for offer_id in event.offers_ended])


@tells(orders, OrderAccepted)
def on_order_accepted(event: OrderAccepted) -> Telling:
    """The resident, where more people are needed still; the volunteer is reminded a day and three hours before."""
    told = []
    if event.slots_filled < event.slots_required:
        counts = {"slots_filled": event.slots_filled, "slots_required": event.slots_required}
        told.append(
            _resident(event, "someone_coming", f"visit:{event.order_id}", expires_at=event.window_end, **counts)
        )
    keys = (f"assignment:{event.assignment_id}", _order(event.order_id))
    for code, before in REMINDERS:
        not_before = event.window_start - before
        if not_before > event.accepted_at:
            timing = {"not_before": not_before, "expires_at": event.window_start}
            told.append(_volunteer(event, code, event.volunteer_id, *keys, **timing))
    cancels = [] if event.offer_id is None else [f"offer:{event.offer_id}"]
    return Telling(event.order_id, told, cancels)


@tells(orders, OrderStaffed)
def on_order_staffed(event: OrderStaffed) -> Telling:
    """The resident hears that everybody is found, and is reminded three hours before."""
    visit = f"visit:{event.order_id}"
    told = [_resident(event, "all_found", visit, expires_at=event.window_end)]
    not_before = event.window_start - timedelta(hours=3)
    if not_before > event.staffed_at:
        timing = {"not_before": not_before, "expires_at": event.window_start}
        told.append(_resident(event, "visit_soon", visit, **timing))
    ended = [f"offer:{offer_id}" for offer_id in event.offers_ended]
    return Telling(event.order_id, told, [f"looking:{event.order_id}", *ended])


def _slot_lost(event: AcceptanceWithdrawn | AssignmentLapsed) -> list[Tell]:
    counts = {"slots_filled": event.slots_filled, "slots_required": event.slots_required}
    looking = f"looking:{event.order_id}"
    if event.lead_minutes < SOON_MINUTES:
        resident = _call(event, "call_looking_again", looking, _order(event.order_id))
    else:
        resident = _resident(event, "looking_again", looking, expires_at=event.window_end)
    partners = [
        _volunteer(event, "partner_left", volunteer_id, _order(event.order_id), expires_at=event.window_end)
        for volunteer_id in event.remaining
    ]
    return [resident, _staff(event, "slot_lost", Role.DISPATCHER, **counts), *partners]


@tells(orders, AcceptanceWithdrawn)
def on_acceptance_withdrawn(event: AcceptanceWithdrawn) -> Telling:
    """Reminders end; the resident, the dispatcher and who still comes are told, by telephone when it is soon."""
    gone = [f"assignment:{event.assignment_id}", f"visit:{event.order_id}"]
    return Telling(event.order_id, _slot_lost(event), gone)


@tells(orders, AssignmentLapsed)
def on_assignment_lapsed(event: AssignmentLapsed) -> Telling:
    """As after a withdrawal, and the volunteer learns that it is theirs no longer."""
    told = _slot_lost(event)
    if event.cause != "person_erased":
        told.append(_volunteer(event, "assignment_lapsed", event.volunteer_id, expires_at=event.window_end))
    return Telling(event.order_id, told, [f"assignment:{event.assignment_id}", f"visit:{event.order_id}"])


@tells(orders, OrderEscalated)
def on_order_escalated(event: OrderEscalated) -> Telling:
    """The next role; and where nobody checked in, the dispatcher telephones (row 13)."""
    more = {"level": event.level, "reason_code": event.cause, "due_at": event.next_due_at or event.escalated_at}
    told = [_staff(event, "order_escalated", event.to_role, **more)]
    if event.cause in {"window_over", "not_started"}:
        told.append(_call(event, "call_nobody_came", f"visit:{event.order_id}", _order(event.order_id)))
    return Telling(event.order_id, told)


def _released(event: OrderCancelled | OrderUnfulfilled, *, soon: bool) -> list[Tell]:
    code = "call_visit_cancelled" if soon else "visit_cancelled"
    return [_volunteer(event, code, each, expires_at=event.window_end) for each in dict.fromkeys(event.released)]


def _ends_all(event: OrderCancelled | OrderUnfulfilled) -> list[str]:
    ended = [f"assignment:{each}" for each in event.released_assignments]
    return [_order(event.order_id), *ended, *(f"offer:{each}" for each in event.offers_ended)]


@tells(orders, OrderCancelled)
def on_order_cancelled(event: OrderCancelled) -> Telling:
    """What pends ends; the resident reads it, and whoever was to come is telephoned when it is soon."""
    cancelled = Tell("order_cancelled", params_of(event), ref=event.beneficiary_id, also=event.requested_by)
    volunteers = _released(event, soon=event.lead_minutes < SOON_MINUTES)
    return Telling(event.order_id, [cancelled, *volunteers], _ends_all(event))


@tells(orders, OrderUnfulfilled)
def on_order_unfulfilled(event: OrderUnfulfilled) -> Telling:
    """The resident gets a call (row 26)."""
    call = _call(event, "call_unfulfilled", due_at=event.reopen_until)
    return Telling(event.order_id, [call, *_released(event, soon=False)], _ends_all(event))


@tells(orders, ServiceStarted)
def on_service_started(event: ServiceStarted) -> Telling:
    """Who is there needs no reminder."""
    return Telling(event.order_id, cancels=[f"assignment:{event.assignment_id}", f"visit:{event.order_id}"])


def _ask_to_confirm(event: ServiceFinished | ServiceAutoClosed) -> list[Tell]:
    if not event.served or event.next_due_at is None or event.next_due_for != "confirmation":
        return []
    due_at = event.next_due_at
    return [_resident(event, "please_confirm", f"confirm:{event.order_id}", due_at=due_at, expires_at=due_at)]


@tells(orders, ServiceFinished)
def on_service_finished(event: ServiceFinished) -> Telling:
    """Once everybody has finished, the resident is asked whether it is done."""
    return Telling(event.order_id, _ask_to_confirm(event))


@tells(orders, ServiceAutoClosed)
def on_service_auto_closed(event: ServiceAutoClosed) -> Telling:
    """The volunteer is asked for the times, since none are assumed."""
    times = _volunteer(event, "enter_times", event.volunteer_id)
    return Telling(event.order_id, [times, *_ask_to_confirm(event)])


@tells(orders, CompletionConfirmed)
def on_completion_confirmed(event: CompletionConfirmed) -> Telling:
    """The resident is asked how it was."""
    rate = _resident(event, "please_rate", f"rate:{event.order_id}")
    return Telling(event.order_id, [rate], [f"confirm:{event.order_id}"])


@tells(orders, CompletionPresumed)
def on_completion_presumed(event: CompletionPresumed) -> Telling:
    """The same, though nobody answered."""
    rate = _resident(event, "please_rate", f"rate:{event.order_id}")
    return Telling(event.order_id, [rate], [f"confirm:{event.order_id}"])


@tells(orders, OrderRated)
def on_order_rated(event: OrderRated) -> Telling:
    """A low score: a reviewer telephones (rows 22, 26)."""
    low = [_call(event, "call_low_rating", score=event.score)] if event.score <= LOW_SCORE else []
    return Telling(event.order_id, low, [f"rate:{event.order_id}"])


@tells(orders, OrderClosed)
def on_order_closed(event: OrderClosed) -> Telling:
    """Nothing about it needs to be told any more."""
    return Telling(event.order_id, cancels=[_order(event.order_id)])
