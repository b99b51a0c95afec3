"""What the rules need to know of an order's follow-up, and its lifecycle as data (domain.md §4.2)."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from contracts.command import Role
from contracts.orders import (
    FollowUpCause,
    FollowUpFact,
    FollowUpOpened,
    FollowUpOverdue,
    FollowUpStage,
    FollowUpState,
    Measure,
    RectificationOrdered,
    RectificationRejected,
)
from services.orders.commands.follow_up import (
    CloseFollowUp,
    DismissRating,
    EscalateFollowUp,
    OpenFollowUp,
    OrderRectification,
    RecordContact,
    ReportRectification,
    VerifyRectification,
)
from services.orders.decider.tables import Line, Table, refused_with

S = FollowUpState
Answers = dict[FollowUpState | None, str]
NEVER_OPENED: Answers = {None: "no_follow_up"}
_CONTACTED: Answers = {state: "contacted_already" for state in S if state is not S.OPENED}
WAITING: dict[FollowUpState, FollowUpStage] = {
    S.OPENED: "contact",
    S.CONTACTED: "measure",
    S.RECTIFYING: "rectification",
    S.RECTIFIED: "recall",
}
"""What is late when the deadline passes; after these a follow-up closes by itself."""
_UNCALLED = refused_with("not_contacted", S.OPENED)
_BEFORE_ORDER = _UNCALLED | refused_with("not_ordered", S.CONTACTED)
_ENDING = refused_with("rectified_already", S.VERIFIED) | refused_with("dismissed_already", S.DISMISSED)
_OVER = _ENDING | refused_with("follow_up_closed", S.CLOSED)
_ORDERED = refused_with("rectification_ordered", S.RECTIFYING, S.RECTIFIED)

TABLE: Table[FollowUpState] = Table(
    "follow_up",
    tuple(FollowUpState),
    frozenset({S.CLOSED}),
    (
        Line(
            OpenFollowUp,
            "回访立案",
            {None: (S.OPENED,), S.CLOSED: (S.OPENED,)},
            ("FollowUpOpened",),
            refused_with("follow_up_open", *(state for state in S if state is not S.CLOSED)),
            "a new one after the last is closed; a rating opens it in its own append",
        ),
        Line(
            RecordContact,
            "回访登记",
            {S.OPENED: (S.CONTACTED,)},
            ("FollowUpContacted",),
            NEVER_OPENED | _CONTACTED,
        ),
        Line(
            DismissRating,
            "误评申诉成立",
            {S.CONTACTED: (S.DISMISSED,)},
            ("FollowUpDismissed",),
            NEVER_OPENED | _UNCALLED | _ORDERED | _OVER,
            "two reviewers; the score stays",
        ),
        Line(
            OrderRectification,
            "责令整改",
            {S.CONTACTED: (S.RECTIFYING,)},
            ("RectificationOrdered",),
            NEVER_OPENED | _UNCALLED | _ORDERED | _OVER,
        ),
        Line(
            ReportRectification,
            "整改反馈",
            {S.RECTIFYING: (S.RECTIFIED,)},
            ("RectificationReported",),
            NEVER_OPENED | _BEFORE_ORDER | refused_with("reported_already", S.RECTIFIED) | _OVER,
        ),
        Line(
            VerifyRectification,
            "整改复核",
            {S.RECTIFIED: (S.VERIFIED, S.RECTIFYING)},
            ("RectificationVerified", "RectificationRejected"),
            NEVER_OPENED | _BEFORE_ORDER | refused_with("not_reported", S.RECTIFYING) | _OVER,
            "RECTIFYING again when it is rejected",
        ),
        Line(
            EscalateFollowUp,
            "回访超时",
            {state: (state,) for state in WAITING},
            ("FollowUpOverdue",),
            NEVER_OPENED | refused_with("not_due", S.DISMISSED, S.VERIFIED, S.CLOSED),
            "one level up, to the third",
        ),
        Line(
            CloseFollowUp,
            "回访办结",
            {S.DISMISSED: (S.CLOSED,), S.VERIFIED: (S.CLOSED,)},
            ("FollowUpClosed",),
            NEVER_OPENED
            | _BEFORE_ORDER
            | refused_with("not_reported", S.RECTIFYING)
            | refused_with("not_verified_yet", S.RECTIFIED)
            | refused_with("follow_up_closed", S.CLOSED),
            "SYSTEM when the time for a second score is over",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class FollowUp:
    """The newest follow-up of an order."""

    follow_up_id: UUID
    state: FollowUpState
    cause: FollowUpCause
    score: int
    due_at: datetime | None
    """When SYSTEM acts; None at the top level, where only people do."""
    level: int = 0
    measure: Measure | None = None
    responsible_id: UUID | None = None
    responsible_role: Role | None = None
    rejections: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the order waits for it."""
        return self.state is not FollowUpState.CLOSED


def evolve_follow_up(follow_up: FollowUp | None, event: FollowUpFact) -> FollowUp:
    """The follow-up after one of its events. Raises ValueError for one that comes before FollowUpOpened."""
    if isinstance(event, FollowUpOpened):
        return FollowUp(event.follow_up_id, event.follow_up_state, event.cause, event.score, event.due_at)
    if follow_up is None:
        raise ValueError(f"{event.type} of order {event.order_id} comes before its FollowUpOpened")
    # Whatever happens begins a deadline anew, and with it the levels.
    changes: dict[str, Any] = {"state": event.follow_up_state, "due_at": getattr(event, "due_at", None), "level": 0}
    match event:
        case RectificationOrdered():
            changes |= {"measure": event.measure, "responsible_id": event.responsible_id}
            changes["responsible_role"] = event.responsible_role
        case RectificationRejected():
            changes["rejections"] = event.rejections
        case FollowUpOverdue():
            changes["level"] = event.level
        case _:
            pass
    return replace(follow_up, **changes)
