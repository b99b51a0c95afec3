"""Orders: every change of state is one that there is, and every order comes to an end (domain.md §4.1, I4, I6, I7)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cli.audit.breaches import at
from contracts.envelope import Recorded

ENDS = frozenset({"CLOSED", "CANCELLED", "REFUSED", "MERGED", "UNFULFILLED"})
_SAME = "same"
_OPEN = "PLACED VERIFIED OFFERED OPEN ACCEPTED IN_SERVICE SERVED COMPLETED RATED FOLLOW_UP DISPUTED"
_SEARCHED = "VERIFIED OFFERED OPEN"
_JUDGED = "SERVED COMPLETED RATED"
CHANGES: dict[str, tuple[str, str]] = {
    # event: from which states, to which. The numbers are the rows of domain.md §4.1.
    "OrderInfoRequested": ("PLACED", _SAME),  # 5
    "OrderInfoProvided": ("PLACED", _SAME),
    "OrderVerified": ("PLACED", "VERIFIED"),  # 3, 4
    "OrderRefused": ("PLACED", "REFUSED"),  # 6
    "OrderMerged": ("PLACED VERIFIED", "MERGED"),  # 7
    "OrderDispatched": ("VERIFIED OPEN", "OFFERED"),  # 8
    "OrderOpened": ("VERIFIED OFFERED", "OPEN"),  # 9
    "OrderAccepted": (
        "OFFERED OPEN",
        "same ACCEPTED VERIFIED",
    ),  # 10; back when nobody else is asked for the second slot
    "OrderStaffed": ("ACCEPTED", _SAME),
    "OfferDeclined": ("OFFERED", "same VERIFIED"),  # 11
    "OfferExpired": ("OFFERED", "same VERIFIED"),  # 12
    "AcceptanceWithdrawn": ("ACCEPTED VERIFIED OFFERED OPEN", "same VERIFIED"),  # 13; one of two slots may be held
    "AssignmentLapsed": ("ACCEPTED VERIFIED OFFERED OPEN IN_SERVICE", "same VERIFIED SERVED"),
    "OrderRedispatched": ("OFFERED OPEN ACCEPTED", "OFFERED"),  # 14
    "OrderRescheduled": ("VERIFIED OFFERED OPEN ACCEPTED", "same VERIFIED"),  # 15
    "AssignmentReconfirmed": ("ACCEPTED VERIFIED OFFERED OPEN", _SAME),
    "OrderEscalated": (_OPEN, _SAME),  # 16
    "ServiceStarted": ("ACCEPTED IN_SERVICE", "IN_SERVICE"),  # 17
    "VolunteerNoShowRecorded": ("ACCEPTED IN_SERVICE", "VERIFIED same SERVED"),  # 18
    "ResidentAbsentRecorded": ("ACCEPTED", "VERIFIED"),  # 19
    "ServiceFinished": ("IN_SERVICE", "same SERVED"),  # 20
    "ServiceAutoClosed": ("IN_SERVICE", "same SERVED"),
    "CompletionConfirmed": ("SERVED", "COMPLETED"),  # 21
    "CompletionPresumed": ("SERVED", "COMPLETED"),  # 22
    "CompletionContested": (_JUDGED, "DISPUTED"),  # 23
    "DisputeResolved": ("DISPUTED", f"{_JUDGED} UNFULFILLED"),
    "DisputeAppealed": (f"{_JUDGED} UNFULFILLED", "DISPUTED"),
    "OrderRated": ("COMPLETED", "RATED"),  # 24
    "OrderRatingAmended": ("RATED", _SAME),
    "FollowUpOpened": ("RATED", "FOLLOW_UP"),  # 25
    "FollowUpContacted": ("FOLLOW_UP", _SAME),
    "FollowUpDismissed": ("FOLLOW_UP", _SAME),
    "RectificationOrdered": ("FOLLOW_UP", _SAME),
    "RectificationReported": ("FOLLOW_UP", _SAME),
    "RectificationVerified": ("FOLLOW_UP", _SAME),
    "RectificationRejected": ("FOLLOW_UP", _SAME),
    "FollowUpOverdue": ("FOLLOW_UP", _SAME),
    "FollowUpClosed": ("FOLLOW_UP", "RATED"),
    "OrderClosed": ("RATED COMPLETED FOLLOW_UP", "CLOSED"),  # 26
    "OrderCancelled": ("PLACED VERIFIED OFFERED OPEN ACCEPTED", "CANCELLED"),  # 27
    "OrderUnfulfilled": (_SEARCHED, "UNFULFILLED"),  # 28
    "OrderReopened": ("UNFULFILLED", "VERIFIED"),  # 29
    "ServiceRecordedAfterwards": ("ACCEPTED VERIFIED IN_SERVICE", "SERVED IN_SERVICE"),  # 30
}
SERVING = frozenset({"ServiceStarted", "ServiceFinished", "ServiceAutoClosed", "ServiceRecordedAfterwards"})


@dataclass(slots=True)
class _Standing:
    state: str
    verified: bool = False
    order_no: str = ""


class Lifecycle:
    """Follows the state of every order. With `open_allowed` one may still be on its way at the end."""

    def __init__(self, *, open_allowed: bool = False) -> None:
        self._open_allowed = open_allowed
        self._orders: dict[UUID, _Standing] = {}

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Compare the state that the event names with what may follow the one before."""
        event: Any = recorded.event
        if recorded.service != "orders" or not recorded.stream.startswith("order-"):
            return
        if event.state is None:
            return
        if recorded.type == "OrderPlaced":
            yield from self._placed(recorded, event)
        elif (order := self._orders.get(event.order_id)) is None:
            yield at(recorded, f"order {event.order_id} was never placed")
            return
        else:
            yield from self._changed(recorded, event, order)
        yield from _owned(recorded, event)

    def _placed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        if event.order_id in self._orders:
            yield at(recorded, f"order {event.order_no} was placed before")
        if event.state != "PLACED":
            yield at(recorded, f"a new order is {event.state}")
        self._orders[event.order_id] = _Standing(event.state, order_no=event.order_no)

    def _changed(self, recorded: Recorded, event: Any, order: _Standing) -> Iterator[str]:
        sources, targets = CHANGES.get(recorded.type, ("", ""))
        allowed = {order.state if target == _SAME else target for target in targets.split()}
        if order.state not in sources.split() or event.state not in allowed:
            yield at(recorded, f"order {order.order_no} goes from {order.state} to {event.state}")
        if recorded.type in SERVING and not order.verified:
            yield at(recorded, f"order {order.order_no} is served and was never verified")
        order.verified = order.verified or recorded.type == "OrderVerified"
        order.state = event.state

    def end(self) -> Iterator[str]:
        """Every order has ended."""
        if self._open_allowed:
            return
        for order in self._orders.values():
            if order.state not in ENDS:
                yield f"order {order.order_no} is {order.state} at the end"


def _owned(recorded: Recorded, event: Any) -> Iterator[str]:
    """One owner and one next deadline while the order is open, none when it has ended."""
    said = (event.owner_role, event.next_due_at, event.next_due_for)
    if event.state in ENDS:
        if event.next_due_at is not None:
            yield at(recorded, f"an order that is {event.state} has a deadline")
    elif None in said:
        yield at(recorded, f"an order that is {event.state} has owner, deadline and its cause {said}")
