"""What is told when an order takes another turn, or is spoken of again (domain.md §4.9, rows 12, 20, 22)."""

from datetime import timedelta

from contracts.command import Role
from contracts.orders import (
    AssignmentReconfirmed,
    CompletionContested,
    OrderMerged,
    OrderRatingAmended,
    OrderRedispatched,
    OrderReopened,
    OrderRescheduled,
    OrderState,
)
from services.notify.reactions.about_orders import (
    LOW_SCORE,
    SOON_MINUTES,
    offers,
    order_key,
    orders,
    params_of,
    reminders,
    to_call,
    to_resident,
    to_staff,
    to_volunteer,
    visit_reminder,
)
from services.notify.reactions.telling import Tell, Telling, tells

_SOON = timedelta(minutes=SOON_MINUTES)


@tells(orders, OrderMerged)
def on_order_merged(event: OrderMerged) -> Telling:
    """The resident hears the other order's number; whoever was to come for this one need not."""
    params = params_of(event, orders=(event.into_order_no,))
    told = [Tell("order_merged", params, ref=event.beneficiary_id, also=event.requested_by)]
    told += [
        to_volunteer(event, "visit_cancelled", each, expires_at=event.window_end)
        for each in dict.fromkeys(event.released)
    ]
    gone = [f"assignment:{each}" for each in event.released_assignments]
    return Telling(event.order_id, told, [order_key(event.order_id), f"triage:{event.order_id}", *gone])


@tells(orders, OrderRedispatched)
def on_order_redispatched(event: OrderRedispatched) -> Telling:
    """New offers; whoever it was taken from hears it, by telephone when it is soon; so do the others concerned."""
    told = offers(event, event.offers)
    gone = [f"offer:{offer_id}" for offer_id in event.offers_ended]
    if event.from_volunteer_id is not None:
        soon = event.window_start - event.redispatched_at < _SOON
        code = "call_visit_cancelled" if soon else "assignment_lapsed"
        told.append(to_volunteer(event, code, event.from_volunteer_id, expires_at=event.window_end))
        looking = f"looking:{event.order_id}"
        if soon:
            told.append(to_call(event, "call_looking_again", looking, order_key(event.order_id)))
        else:
            told.append(to_resident(event, "looking_again", looking, expires_at=event.window_end))
        gone += [f"assignment:{event.from_assignment_id}", f"visit:{event.order_id}"]
    return Telling(event.order_id, told, gone)


@tells(orders, OrderRescheduled)
def on_order_rescheduled(event: OrderRescheduled) -> Telling:
    """Both sides hear the new time; who had accepted is asked, by telephone when the old time is soon."""
    told = [to_resident(event, "order_moved", f"visit:{event.order_id}", expires_at=event.window_end)]
    soon = min(event.from_window_start, event.window_start) - event.rescheduled_at < _SOON
    code = "call_reconfirm" if soon else "please_reconfirm"
    gone = [f"offer:{offer_id}" for offer_id in event.offers_ended]
    for one in event.awaiting:
        keys = (f"reconfirm:{one.assignment_id}", f"assignment:{one.assignment_id}", order_key(event.order_id))
        told.append(to_volunteer(event, code, one.volunteer_id, *keys, due_at=event.reconfirm_until))
        gone.append(f"assignment:{one.assignment_id}")
    return Telling(event.order_id, told, [*gone, f"visit:{event.order_id}"])


@tells(orders, AssignmentReconfirmed)
def on_assignment_reconfirmed(event: AssignmentReconfirmed) -> Telling:
    """Reminders of the new time; the resident hears when everybody comes."""
    keys = (f"assignment:{event.assignment_id}", order_key(event.order_id))
    told = reminders(event, event.volunteer_id, event.reconfirmed_at, *keys)
    if event.state is OrderState.ACCEPTED and event.awaiting_left == 0:
        told.append(to_resident(event, "all_found", f"visit:{event.order_id}", expires_at=event.window_end))
        told += visit_reminder(event, event.reconfirmed_at)
    return Telling(event.order_id, told, [f"reconfirm:{event.assignment_id}"])


@tells(orders, OrderReopened)
def on_order_reopened(event: OrderReopened) -> Telling:
    """The resident hears that it goes on; the dispatcher, that it is theirs again."""
    due_at = event.next_due_at or event.reopened_at
    told = [
        to_resident(event, "order_reopened", f"looking:{event.order_id}", expires_at=event.window_end),
        to_staff(event, "order_to_dispatch", Role.DISPATCHER, due_at=due_at),
    ]
    return Telling(event.order_id, told)


@tells(orders, CompletionContested)
def on_completion_contested(event: CompletionContested) -> Telling:
    """Somebody mediates; until then nobody is asked to confirm or to rate."""
    due_at = event.next_due_at or event.contested_at
    told = [to_staff(event, "completion_contested", Role.SOCIAL_WORKER, due_at=due_at)]
    return Telling(event.order_id, told, [f"confirm:{event.order_id}", f"rate:{event.order_id}"])


@tells(orders, OrderRatingAmended)
def on_order_rating_amended(event: OrderRatingAmended) -> Telling:
    """A low score is called back about, also when it came second."""
    low = [to_call(event, "call_low_rating", score=event.score)] if event.score <= LOW_SCORE else []
    return Telling(event.order_id, low)
