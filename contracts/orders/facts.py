"""What events of orders are made of: the states, the codes, and the fields that many of them share."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import Code, Event, Instant, Minutes, OrderNo, Part, UnitCode


class OrderState(StrEnum):
    """The states of an order (domain.md §4.1)."""

    PLACED = "PLACED"
    VERIFIED = "VERIFIED"
    OFFERED = "OFFERED"
    OPEN = "OPEN"
    ACCEPTED = "ACCEPTED"
    IN_SERVICE = "IN_SERVICE"
    SERVED = "SERVED"
    COMPLETED = "COMPLETED"
    RATED = "RATED"
    CLOSED = "CLOSED"
    FOLLOW_UP = "FOLLOW_UP"
    DISPUTED = "DISPUTED"
    CANCELLED = "CANCELLED"
    REFUSED = "REFUSED"
    MERGED = "MERGED"
    UNFULFILLED = "UNFULFILLED"


OrderMode = Literal["resident", "inquiry"]
"""点单 by the resident, or 制单 from an inquiry."""


OnAbsence = Literal["call", "welfare_check"]


PresenceEvidence = Literal["code", "qr", "leader"]
"""How presence was shown: the spoken 服务码, a scanned QR, or the team leader's word."""


ServiceOutcome = Literal["done", "partly", "not_possible"]


RefusalReason = Literal["emergency", "paid_trade", "out_of_area", "illegal", "unsafe", "other"]


LapseCause = Literal[
    "volunteer_paused",
    "volunteer_suspended",
    "volunteer_withdrawn",
    "licence_expired",
    "person_erased",
    "not_reconfirmed",
    "not_started",
    "time_overlap",
    "unfit",
]
"""`time_overlap`: promised elsewhere at the new time of a moved order; `unfit`: may not serve at that time."""


EscalationCause = Literal[
    "triage_overdue", "info_overdue", "dispatch_overdue", "unstaffed", "window_over", "not_started", "by_dispatcher"
]


DueFor = Literal[
    "triage",
    "info",
    "dispatch",
    "wave",
    "offer",
    "staffing",
    "window",
    "decision",
    "reconfirmation",
    "start",
    "checkout",
    "confirmation",
    "contact",
    "measure",
    "rectification",
    "recall",
    "second_score",
    "closing",
]
"""What the next deadline is for. `decision` is a person's and only shown; on every other one SYSTEM acts."""


class OrderFact(Event):
    """What every event of an order carries."""

    order_id: UUID
    role: Role
    """The role in which the actor acted; SYSTEM for timers and reactions."""
    state: OrderState
    """The order's state after this event."""
    owner_role: Role | None = None
    """Whose turn it is now; absent when the order has ended."""
    next_due_at: Instant | None = None
    """The one next deadline; absent when the order has ended."""
    next_due_for: DueFor | None = None


class OrderNotice(OrderFact):
    """An event that somebody is told of: all that a notice may say, and whom it may concern."""

    order_no: OrderNo
    item_code: Code
    beneficiary_id: UUID
    requested_by: UUID
    """Who asked: the beneficiary, a proxy, or who recorded the inquiry."""
    grid_id: UnitCode
    window_start: Instant
    window_end: Instant


class Offer(Part):
    """One offer of an order to one volunteer."""

    offer_id: UUID
    volunteer_id: UUID
    expires_at: Instant
    score: int = Field(default=0, ge=-1_000_000, le=1_000_000)
    reasons: tuple[Code, ...] = ()
    """Why this candidate, as codes, for and against (个人信息保护法 §24)."""
    number_today: Annotated[int, Field(ge=1, le=100)] | None = None
    """Which offer of the Asia/Shanghai day this is to the volunteer, from 1; no two have one number."""


class Staffing(Part):
    """One slot and who fills it."""

    assignment_id: UUID
    volunteer_id: UUID
    minutes: Minutes | None = None
    """Minutes served, once known."""
