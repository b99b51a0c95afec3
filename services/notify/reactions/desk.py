"""What is told when orders says something (domain.md §4.9, rows 5, 6, 8, 10–14, 16, 19, 22, 26)."""

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
    OrderInfoProvided,
    OrderInfoRequested,
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
from services.notify.reactions.about_orders import (
    LOW_SCORE,
    SOON_MINUTES,
    ask_to_confirm,
    offers,
    order_key,
    orders,
    params_of,
    reminders,
    slot_lost,
    to_call,
    to_resident,
    to_staff,
    to_volunteer,
    visit_reminder,
)
from services.notify.reactions.telling import Tell, Telling, tells


@tells(orders, OrderPlaced)
def on_order_placed(event: OrderPlaced) -> Telling:
    """The resident hears the number and by when somebody answers; the dispatcher, that there is something to triage."""
    if event.mode == "inquiry":
        return Telling(event.order_id, [to_resident(event, "order_made")])
    due_at = event.next_due_at or event.placed_at
    received = to_resident(event, "order_received", due_at=due_at)
    triage = to_staff(event, "order_to_triage", Role.DISPATCHER, f"triage:{event.order_id}", due_at=due_at)
    return Telling(event.order_id, [received, triage])


@tells(orders, OrderInfoRequested)
def on_order_info_requested(event: OrderInfoRequested) -> Telling:
    """The resident is asked; until they answer nobody triages it."""
    due_at = event.next_due_at or event.info_requested_at
    asked = to_resident(event, "info_needed", f"info:{event.order_id}", due_at=due_at)
    return Telling(event.order_id, [asked], [f"triage:{event.order_id}"])


@tells(orders, OrderInfoProvided)
def on_order_info_provided(event: OrderInfoProvided) -> Telling:
    """The dispatcher has it back, with the time that was left."""
    due_at = event.next_due_at or event.info_provided_at
    triage = to_staff(event, "info_provided", Role.DISPATCHER, f"triage:{event.order_id}", due_at=due_at)
    return Telling(event.order_id, [triage], [f"info:{event.order_id}"])


@tells(orders, OrderVerified)
def on_order_verified(event: OrderVerified) -> Telling:
    """Nobody is asked to triage it any more, nor what it lacks."""
    return Telling(event.order_id, cancels=[f"triage:{event.order_id}", f"info:{event.order_id}"])


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
    return Telling(event.order_id, [refused], [order_key(event.order_id), f"triage:{event.order_id}"])


@tells(orders, OrderDispatched)
def on_order_dispatched(event: OrderDispatched) -> Telling:
    """One offer each; pointless once it was answered or its time is over."""
    return Telling(event.order_id, offers(event, event.offers))


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
            to_resident(event, "someone_coming", f"visit:{event.order_id}", expires_at=event.window_end, **counts)
        )
    keys = (f"assignment:{event.assignment_id}", order_key(event.order_id))
    told += reminders(event, event.volunteer_id, event.accepted_at, *keys)
    cancels = [] if event.offer_id is None else [f"offer:{event.offer_id}"]
    return Telling(event.order_id, told, cancels)


@tells(orders, OrderStaffed)
def on_order_staffed(event: OrderStaffed) -> Telling:
    """The resident hears that everybody is found, and is reminded three hours before."""
    visit = f"visit:{event.order_id}"
    told = [to_resident(event, "all_found", visit, expires_at=event.window_end)]
    told += visit_reminder(event, event.staffed_at)
    ended = [f"offer:{offer_id}" for offer_id in event.offers_ended]
    return Telling(event.order_id, told, [f"looking:{event.order_id}", *ended])


@tells(orders, AcceptanceWithdrawn)
def on_acceptance_withdrawn(event: AcceptanceWithdrawn) -> Telling:
    """Reminders end; the resident, the dispatcher and who still comes are told, by telephone when it is soon."""
    gone = [f"assignment:{event.assignment_id}", f"visit:{event.order_id}"]
    return Telling(event.order_id, slot_lost(event), gone)


@tells(orders, AssignmentLapsed)
def on_assignment_lapsed(event: AssignmentLapsed) -> Telling:
    """As after a withdrawal, and the volunteer learns that it is theirs no longer."""
    told = slot_lost(event)
    if event.cause != "person_erased":
        told.append(to_volunteer(event, "assignment_lapsed", event.volunteer_id, expires_at=event.window_end))
    return Telling(event.order_id, told, [f"assignment:{event.assignment_id}", f"visit:{event.order_id}"])


@tells(orders, OrderEscalated)
def on_order_escalated(event: OrderEscalated) -> Telling:
    """The next role, at the second level the centre with it; where nobody checked in, the dispatcher telephones."""
    more = {"level": event.level, "reason_code": event.cause, "due_at": event.next_due_at or event.escalated_at}
    told = [to_staff(event, "order_escalated", event.to_role, **more)]
    if event.to_role is Role.GRID_WORKER:
        told.append(to_staff(event, "escalated_to_centre", Role.DISPATCHER, **more))
    if event.cause in {"window_over", "not_started"}:
        told.append(to_call(event, "call_nobody_came", f"visit:{event.order_id}", order_key(event.order_id)))
    return Telling(event.order_id, told)


def _released(event: OrderCancelled | OrderUnfulfilled, *, soon: bool) -> list[Tell]:
    code = "call_visit_cancelled" if soon else "visit_cancelled"
    return [to_volunteer(event, code, each, expires_at=event.window_end) for each in dict.fromkeys(event.released)]


def _ends_all(event: OrderCancelled | OrderUnfulfilled) -> list[str]:
    ended = [f"assignment:{each}" for each in event.released_assignments]
    return [order_key(event.order_id), *ended, *(f"offer:{each}" for each in event.offers_ended)]


@tells(orders, OrderCancelled)
def on_order_cancelled(event: OrderCancelled) -> Telling:
    """What pends ends; the resident reads it, and whoever was to come is telephoned when it is soon."""
    cancelled = Tell("order_cancelled", params_of(event), ref=event.beneficiary_id, also=event.requested_by)
    volunteers = _released(event, soon=event.lead_minutes < SOON_MINUTES)
    return Telling(event.order_id, [cancelled, *volunteers], _ends_all(event))


@tells(orders, OrderUnfulfilled)
def on_order_unfulfilled(event: OrderUnfulfilled) -> Telling:
    """The resident gets a call (row 26)."""
    call = to_call(event, "call_unfulfilled", due_at=event.reopen_until)
    return Telling(event.order_id, [call, *_released(event, soon=False)], _ends_all(event))


@tells(orders, ServiceStarted)
def on_service_started(event: ServiceStarted) -> Telling:
    """Who is there needs no reminder."""
    return Telling(event.order_id, cancels=[f"assignment:{event.assignment_id}", f"visit:{event.order_id}"])


@tells(orders, ServiceFinished)
def on_service_finished(event: ServiceFinished) -> Telling:
    """Once everybody has finished, the resident is asked whether it is done."""
    return Telling(event.order_id, ask_to_confirm(event))


@tells(orders, ServiceAutoClosed)
def on_service_auto_closed(event: ServiceAutoClosed) -> Telling:
    """The volunteer is asked for the times, since none are assumed."""
    times = to_volunteer(event, "enter_times", event.volunteer_id)
    return Telling(event.order_id, [times, *ask_to_confirm(event)])


@tells(orders, CompletionConfirmed)
def on_completion_confirmed(event: CompletionConfirmed) -> Telling:
    """The resident is asked how it was."""
    rate = to_resident(event, "please_rate", f"rate:{event.order_id}")
    return Telling(event.order_id, [rate], [f"confirm:{event.order_id}"])


@tells(orders, CompletionPresumed)
def on_completion_presumed(event: CompletionPresumed) -> Telling:
    """The same, though nobody answered."""
    rate = to_resident(event, "please_rate", f"rate:{event.order_id}")
    return Telling(event.order_id, [rate], [f"confirm:{event.order_id}"])


@tells(orders, OrderRated)
def on_order_rated(event: OrderRated) -> Telling:
    """A low score: a reviewer telephones (rows 22, 26)."""
    low = [to_call(event, "call_low_rating", score=event.score)] if event.score <= LOW_SCORE else []
    return Telling(event.order_id, low, [f"rate:{event.order_id}"])


@tells(orders, OrderClosed)
def on_order_closed(event: OrderClosed) -> Telling:
    """Nothing about it needs to be told any more."""
    return Telling(event.order_id, cancels=[order_key(event.order_id)])
