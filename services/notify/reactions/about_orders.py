"""Who is told of an order, and with what: the words that every reaction to orders is written in."""

from typing import Any
from uuid import UUID

from contracts.command import Role
from contracts.notify import NoticeParams
from contracts.orders import (
    AcceptanceWithdrawn,
    AssignmentLapsed,
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
