"""Beside the orders: inquiries at the door, the catalogue, erasure, policy; and the aggregates' unions."""

from typing import Literal
from uuid import UUID

from contracts.command import Channel, Role
from contracts.event import (
    Code,
    Count,
    Digest,
    Event,
    Instant,
    LossAcceptedFields,
    Minutes,
    PersonDataErasedFields,
    PolicyAdoptedFields,
    UnitCode,
)
from contracts.orders.disputes import DisputeAppealed, DisputeRaised, DisputeResolved
from contracts.orders.follow_up import (
    FollowUpClosed,
    FollowUpContacted,
    FollowUpDismissed,
    FollowUpOpened,
    FollowUpOverdue,
    RectificationOrdered,
    RectificationRejected,
    RectificationReported,
    RectificationVerified,
)
from contracts.orders.missing import (
    ResidentAbsentRecorded,
    ServiceRecordedAfterwards,
    VolunteerNoShowRecorded,
)
from contracts.orders.placing import (
    AcceptanceWithdrawn,
    AssignmentLapsed,
    OfferDeclined,
    OfferExpired,
    OrderAccepted,
    OrderCancelled,
    OrderDispatched,
    OrderEscalated,
    OrderInfoProvided,
    OrderInfoRequested,
    OrderOpened,
    OrderPlaced,
    OrderRefused,
    OrderStaffed,
    OrderUnfulfilled,
    OrderVerified,
)
from contracts.orders.serving import (
    CompletionConfirmed,
    CompletionContested,
    CompletionPresumed,
    OrderClosed,
    OrderRated,
    OrderRatingAmended,
    ServiceAutoClosed,
    ServiceFinished,
    ServiceStarted,
)
from contracts.orders.turning import (
    AssignmentReconfirmed,
    OrderMerged,
    OrderRedispatched,
    OrderReopened,
    OrderRescheduled,
)
from contracts.orders.welfare import WelfareCheckClosed, WelfareCheckEscalated, WelfareCheckRaised


class InquiryRecorded(Event, service="orders", audience="internal"):
    """开门询单 — somebody knocked and asked what a household needs."""

    inquiry_id: UUID
    household_id: UUID
    resident_id: UUID | None = None
    grid_id: UnitCode
    entrance_id: UnitCode | None = None
    result: Literal["need", "no_need", "not_home"]
    item_code: Code | None = None
    consented: bool
    role: Role
    channel: Channel
    asked_by: UUID
    details_ref: UUID | None = None
    details_commitment: Digest | None = None
    due_at: Instant | None = None
    """By when the station makes an order of a need."""
    inquired_at: Instant


class ServiceItemPublished(Event, service="orders", audience="public"):
    """服务上架 — a service can be asked for."""

    item_id: UUID
    item_code: Code
    item_version: Count
    expected_minutes: Minutes
    slots: Count
    home_visit: bool
    licence: Code | None = None
    skills: tuple[Code, ...] = ()
    insurance_required: bool = False
    words_ref: UUID | None = None
    words_commitment: Digest | None = None
    """Of its public name and description, shown with it."""
    published_at: Instant


class ServiceItemRetired(Event, service="orders", audience="public"):
    """服务下架 — a service can no longer be asked for."""

    item_id: UUID
    item_code: Code
    item_version: Count
    replaced_by: Code | None = None
    reason_code: Code | None = None
    retired_at: Instant


class PersonDataErased(PersonDataErasedFields, service="orders", audience="internal"):
    """个人信息已删除 — orders destroyed its keys for an erased person."""


class PolicyAdopted(PolicyAdoptedFields, service="orders", audience="public"):
    """规则已采用 — orders' figures changed from a moment on."""


class LossAccepted(LossAcceptedFields, service="orders", audience="public"):
    """已接受丢失 — signed events of orders' log are gone for good, and it goes on under a new origin."""


OrderEvent = (
    OrderPlaced
    | OrderInfoRequested
    | OrderInfoProvided
    | OrderVerified
    | OrderRefused
    | OrderMerged
    | OrderDispatched
    | OfferDeclined
    | OfferExpired
    | OrderOpened
    | OrderAccepted
    | OrderStaffed
    | AcceptanceWithdrawn
    | AssignmentReconfirmed
    | AssignmentLapsed
    | OrderRedispatched
    | OrderRescheduled
    | OrderEscalated
    | VolunteerNoShowRecorded
    | ResidentAbsentRecorded
    | ServiceStarted
    | ServiceFinished
    | ServiceAutoClosed
    | ServiceRecordedAfterwards
    | CompletionConfirmed
    | CompletionPresumed
    | CompletionContested
    | OrderRated
    | OrderRatingAmended
    | FollowUpOpened
    | FollowUpContacted
    | FollowUpDismissed
    | RectificationOrdered
    | RectificationReported
    | RectificationVerified
    | RectificationRejected
    | FollowUpOverdue
    | FollowUpClosed
    | OrderClosed
    | OrderCancelled
    | OrderUnfulfilled
    | OrderReopened
)


InquiryEvent = InquiryRecorded


WelfareCheckEvent = WelfareCheckRaised | WelfareCheckEscalated | WelfareCheckClosed


DisputeEvent = DisputeRaised | DisputeResolved | DisputeAppealed


InOrderStream = OrderEvent | DisputeResolved | DisputeAppealed
"""What an order's stream may hold: what was contested of an order is decided there."""


ServiceItemEvent = ServiceItemPublished | ServiceItemRetired


ErasureEvent = PersonDataErased


PolicyEvent = PolicyAdopted
OriginEvent = LossAccepted
