"""Who is told of an order, and with what: the words that every reaction to orders is written in."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.command import Role
from contracts.notify import NoticeParams
from contracts.orders import (
    AcceptanceWithdrawn,
    AssignmentLapsed,
    Offer,
    OrderNotice,
    ServiceAutoClosed,
    ServiceFinished,
    ServiceRecordedAfterwards,
    VolunteerNoShowRecorded,
)
from eventstore.consumer import Reactions
from services.notify.reactions.telling import Tell

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


def order_key(order_id: UUID) -> str:
    """What ends with the order."""
    return f"order:{order_id}"


def to_resident(event: OrderNotice, code: str, *keys: str, **more: Any) -> Tell:
    """To the beneficiary, and to the proxy who asked for it."""
    timing = {name: more.pop(name) for name in ("not_before", "expires_at") if name in more}
    params = params_of(event, **more)
    keyed = (*keys, order_key(event.order_id))
    return Tell(code, params, ref=event.beneficiary_id, also=event.requested_by, keys=keyed, **timing)


def to_call(event: OrderNotice, code: str, *keys: str, **more: Any) -> Tell:
    """A call to the beneficiary. Without keys it stands: the order's end does not cancel what reports that end."""
    return Tell(code, params_of(event, **more), ref=event.beneficiary_id, grid_id=event.grid_id, keys=keys)


def to_staff(event: OrderNotice, code: str, role: Role, *keys: str, **more: Any) -> Tell:
    """To whoever holds the role for the order's place."""
    keyed = (*keys, order_key(event.order_id))
    return Tell(code, params_of(event, **more), role=role, grid_id=event.grid_id, keys=keyed)


def to_volunteer(event: OrderNotice, code: str, volunteer_id: UUID, *keys: str, **more: Any) -> Tell:
    """To one volunteer."""
    timing = {name: more.pop(name) for name in ("not_before", "expires_at") if name in more}
    return Tell(code, params_of(event, **more), ref=volunteer_id, keys=keys, **timing)


def offers(event: OrderNotice, made: Sequence[Offer]) -> list[Tell]:
    """One offer each; pointless once it was answered or its time is over."""
    return [
        Tell(
            "offer",
            params_of(event, due_at=offer.expires_at),
            ref=offer.volunteer_id,
            keys=(f"offer:{offer.offer_id}", order_key(event.order_id)),
            expires_at=offer.expires_at,
        )
        for offer in made
    ]


def reminders(event: OrderNotice, volunteer_id: UUID, at: datetime, *keys: str) -> list[Tell]:
    """A day and three hours before the visit, as far as these lie after `at`."""
    told = []
    for code, before in REMINDERS:
        not_before = event.window_start - before
        if not_before > at:
            timing = {"not_before": not_before, "expires_at": event.window_start}
            told.append(to_volunteer(event, code, volunteer_id, *keys, **timing))
    return told


def visit_reminder(event: OrderNotice, at: datetime) -> list[Tell]:
    """The resident's, three hours before."""
    not_before = event.window_start - timedelta(hours=3)
    if not_before <= at:
        return []
    timing = {"not_before": not_before, "expires_at": event.window_start}
    return [to_resident(event, "visit_soon", f"visit:{event.order_id}", **timing)]


def slot_lost(event: AcceptanceWithdrawn | AssignmentLapsed | VolunteerNoShowRecorded) -> list[Tell]:
    """The resident, the dispatcher and who still comes; the resident by telephone when it is soon."""
    counts = {"slots_filled": event.slots_filled, "slots_required": event.slots_required}
    looking = f"looking:{event.order_id}"
    if isinstance(event, VolunteerNoShowRecorded) or event.lead_minutes < SOON_MINUTES:
        resident = to_call(event, "call_looking_again", looking, order_key(event.order_id))
    else:
        resident = to_resident(event, "looking_again", looking, expires_at=event.window_end)
    partners = [
        to_volunteer(event, "partner_left", volunteer_id, order_key(event.order_id), expires_at=event.window_end)
        for volunteer_id in event.remaining
    ]
    return [resident, to_staff(event, "slot_lost", Role.DISPATCHER, **counts), *partners]


def ask_to_confirm(event: ServiceFinished | ServiceAutoClosed | ServiceRecordedAfterwards) -> list[Tell]:
    """The resident, once nobody is held or in service any more."""
    if not event.served or event.next_due_at is None or event.next_due_for != "confirmation":
        return []
    due_at = event.next_due_at
    return [to_resident(event, "please_confirm", f"confirm:{event.order_id}", due_at=due_at, expires_at=due_at)]
