"""What notify says: who can be reached how, and what became of each notice. It never claims more than it knows."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from contracts.command import Role
from contracts.event import (
    Code,
    Count,
    Digest,
    Event,
    Instant,
    LossAcceptedFields,
    Minutes,
    OrderNo,
    Part,
    PersonDataErasedFields,
    PolicyAdoptedFields,
    Position,
    ReceiptNo,
    SignedAmount,
    UnitCode,
)

NoticeChannel = Literal["in_app", "console", "phone", "sms", "email", "wechat"]
"""`phone` is a line on the staff's call list, not a machine that rings."""


class ContactSet(Event, service="notify", audience="internal"):
    """登记联系方式 — an address was set for somebody, kept in the vault."""

    contact_id: UUID
    ref: UUID
    """Whom it reaches: a person, a donation, an aid case."""
    channel: NoticeChannel
    address_ref: UUID | None = None
    address_commitment: Digest | None = None
    role: Role
    set_at: Instant


class ContactRemoved(Event, service="notify", audience="internal"):
    """删除联系方式 — an address is no longer used."""

    contact_id: UUID
    ref: UUID
    channel: NoticeChannel
    reason_code: Code | None = None
    role: Role
    removed_at: Instant


class NoticeParams(Part):
    """All that a notice may be filled with: codes, numbers and times, never a name or an address."""

    order_no: OrderNo | None = None
    item_code: Code | None = None
    window_start: Instant | None = None
    window_end: Instant | None = None
    due_at: Instant | None = None
    on_date: date | None = None
    slots_filled: Count | None = None
    slots_required: Count | None = None
    minutes: Minutes | None = None
    amount_fen: SignedAmount | None = None
    fund: Code | None = None
    receipt_no: ReceiptNo | None = None
    reason_code: Code | None = None
    level: Count | None = None
    score: Count | None = None
    orders: tuple[OrderNo, ...] = ()
    """The order numbers of a digest."""


class NotificationQueued(Event, service="notify", audience="internal"):
    """通知待发 — somebody is to be told something."""

    notification_id: UUID
    ref: UUID | None = None
    """Who is told; absent when nobody holds the role, and the notice waits on its list."""
    to_role: Role | None = None
    scope_id: UnitCode | None = None
    template: Code
    params: NoticeParams
    channels: Annotated[tuple[NoticeChannel, ...], Field(min_length=1, max_length=6)]
    """In the order they are tried."""
    not_before: Instant
    expires_at: Instant | None = None
    cancels_with: tuple[Code, ...] = ()
    """Keys of what makes it pointless, such as `order:<id>` or `assignment:<id>`."""
    source: Code
    source_event_id: UUID
    queued_at: Instant


class NotificationFact(Event):
    """What every later event of a notice carries."""

    notification_id: UUID
    ref: UUID | None = None


class NotificationCancelled(NotificationFact, service="notify", audience="internal"):
    """通知取消 — a notice no longer holds and is not sent."""

    reason_code: Code
    source_event_id: UUID | None = None
    cancelled_at: Instant


class NotificationHandedOver(NotificationFact, service="notify", audience="internal"):
    """通知已交出 — a channel took the notice; whether it arrived is not known."""

    channel: NoticeChannel
    attempt: Count
    handed_over_at: Instant


class NotificationFailed(NotificationFact, service="notify", audience="internal"):
    """通知未交出 — a channel did not take the notice."""

    channel: NoticeChannel
    attempt: Count
    reason_code: Code
    final: bool
    """True when no channel is left to try."""
    due_at: Instant | None = None
    """The next attempt."""
    failed_at: Instant


class NotificationUnknown(NotificationFact, service="notify", audience="internal"):
    """通知不明 — a crash came between the attempt and its answer; it is not repeated."""

    channel: NoticeChannel
    attempt: Count
    attempted_at: Instant
    noticed_at: Instant


EventName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}\.[A-Z][A-Za-z]{1,63}$")]
"""An event as a subscriber names it: `orders.OrderPlaced`."""


class WebhookStart(Part):
    """Where a webhook begins in one log: after a position, or with what was recorded from a time on."""

    log: Code
    after: Position | None = None
    since: Instant | None = None


class WebhookRegistered(Event, service="notify", audience="internal"):
    """登记推送地址 — events of some kinds are sent to an address outside from now on."""

    webhook_id: UUID
    events: Annotated[tuple[EventName, ...], Field(min_length=1, max_length=200)]
    starts: tuple[WebhookStart, ...]
    target_ref: UUID
    """Address, secret and description lie in the vault."""
    target_commitment: Digest
    """Of the address."""
    role: Role
    registered_at: Instant
    place: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """Which of the places for enabled webhooks it takes, from 1; no two that are enabled have one place."""


class WebhookDisabled(Event, service="notify", audience="internal"):
    """推送停用 — nothing is sent to the address any more."""

    webhook_id: UUID
    reason_code: Code
    role: Role
    disabled_at: Instant


class WebhookEnabled(Event, service="notify", audience="internal"):
    """推送恢复 — sending goes on where it had stopped."""

    webhook_id: UUID
    role: Role
    enabled_at: Instant
    place: Annotated[int, Field(ge=1, le=1_000)] | None = None
    """Which of the places for enabled webhooks it takes; see WebhookRegistered."""


class PersonDataErased(PersonDataErasedFields, service="notify", audience="internal"):
    """个人信息已删除 — notify destroyed its keys for an erased person."""


class PolicyAdopted(PolicyAdoptedFields, service="notify", audience="public"):
    """规则已采用 — notify's figures changed from a moment on."""


class LossAccepted(LossAcceptedFields, service="notify", audience="public"):
    """已接受丢失 — signed events of notify's log are gone for good, and it goes on under a new origin."""


ContactEvent = ContactSet | ContactRemoved
NotificationEvent = (
    NotificationQueued | NotificationCancelled | NotificationHandedOver | NotificationFailed | NotificationUnknown
)
WebhookEvent = WebhookRegistered | WebhookDisabled | WebhookEnabled
ErasureEvent = PersonDataErased
PolicyEvent = PolicyAdopted
OriginEvent = LossAccepted
