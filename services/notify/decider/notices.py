"""The notices of one topic: queued once, cancelled when they no longer hold, and their one end told as it is known.

QUEUED → HANDED_OVER | FAILED | CANCELLED | UNKNOWN. An UNKNOWN one may still turn out to be handed over, and one that
was on its way when it was cancelled was handed over all the same, or it is unknown: that is more knowledge, not another
attempt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import assert_never
from uuid import UUID

from contracts.command import Refused
from contracts.notify import (
    NoticeChannel,
    NotificationCancelled,
    NotificationEvent,
    NotificationFailed,
    NotificationHandedOver,
    NotificationQueued,
    NotificationUnknown,
)
from services.notify.commands import (
    AddToDigest,
    AnyTopicCommand,
    CancelNotices,
    QueueNotice,
    RecordCall,
    RecordFailure,
    RecordHandedOver,
    RecordUnknown,
    SendingPolicy,
)

NEVER_AGAIN = frozenset({"no_contact", "wrong_number", "not_taken"})
"""Failures after which the same channel is not tried again for this notice."""
MERGED = "merged"
Events = Sequence[NotificationEvent]


class NoticeState(StrEnum):
    """Where a notice stands."""

    QUEUED = "QUEUED"
    HANDED_OVER = "HANDED_OVER"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that waits to be handed over."""

    queued: NotificationQueued
    attempts: int = 0
    tries: Mapping[str, int] = field(default_factory=dict)
    given_up: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Topic:
    """The notices of one topic."""

    pending: Mapping[UUID, Notice] = field(default_factory=dict)
    ended: Mapping[UUID, NoticeState] = field(default_factory=dict)


def initial() -> Topic:
    """Nobody was to be told anything."""
    return Topic()


def next_channel(notice: Notice, reachable: Sequence[NoticeChannel], policy: SendingPolicy) -> NoticeChannel | None:
    """The channel to try now: the first that reaches, is not given up and has tries left."""
    for channel in notice.queued.channels:
        spent = notice.tries.get(channel, 0) >= policy.tries_max
        if channel in reachable and channel not in notice.given_up and not spent:
            return channel
    return None


def decide(command: AnyTopicCommand, topic: Topic) -> Events:
    """The events that a command comes to. Raises Refused: notice_unknown, notice_ended, not_on_phone_list."""
    match command:
        case AddToDigest():
            return _add(command, topic)
        case QueueNotice():
            return [] if _known(command.notification_id, topic) else [_queued(command)]
        case CancelNotices():
            return _cancel(command, topic)
        case RecordHandedOver():
            return _handed_over(command, topic)
        case RecordFailure():
            return _failure(command, topic)
        case RecordUnknown():
            return _unknown(command, topic)
        case RecordCall():
            return _call(command, topic)
        case _:
            assert_never(command)


def _known(notification_id: UUID, topic: Topic) -> bool:
    return notification_id in topic.pending or notification_id in topic.ended


def _queued(command: QueueNotice) -> NotificationQueued:
    last = max(command.at, command.not_before) + timedelta(days=command.policy.keep_days)
    expires_at = last if command.expires_at is None else min(last, command.expires_at)
    return NotificationQueued(
        notification_id=command.notification_id,
        ref=command.ref,
        to_role=command.to_role,
        scope_id=command.scope_id,
        template=command.template,
        params=command.params,
        channels=command.channels,
        not_before=command.not_before,
        expires_at=expires_at,
        cancels_with=command.cancels_with,
        source=command.source,
        source_event_id=command.source_event_id,
        queued_at=command.at,
    )


def _add(command: AddToDigest, topic: Topic) -> Events:
    if _known(command.notification_id, topic):
        return []
    alone = command.model_copy(update={"params": command.params.model_copy(update={"orders": (command.order_no,)})})
    for notification_id, notice in topic.pending.items():
        queued = notice.queued
        # One that was tried may have been seen: it stays as it is.
        fits = queued.template == command.template and queued.ref == command.ref and notice.attempts == 0
        if not fits or len(queued.params.orders) >= command.policy.digest_orders_max:
            continue
        if command.order_no in queued.params.orders:
            return []
        orders = (*queued.params.orders, command.order_no)
        merged = NotificationCancelled(
            notification_id=notification_id,
            ref=queued.ref,
            reason_code=MERGED,
            source_event_id=command.source_event_id,
            cancelled_at=command.at,
        )
        together = alone.model_copy(
            update={
                "params": queued.params.model_copy(update={"orders": orders}),
                "not_before": min(queued.not_before, command.not_before),
            }
        )
        return [merged, _queued(together)]
    return [_queued(alone)]


def _cancel(command: CancelNotices, topic: Topic) -> Events:
    return [
        NotificationCancelled(
            notification_id=notification_id,
            ref=notice.queued.ref,
            reason_code=command.reason_code,
            source_event_id=command.source_event_id,
            cancelled_at=command.at,
        )
        for notification_id, notice in topic.pending.items()
        if notification_id in command.notification_ids or not command.keys.isdisjoint(notice.queued.cancels_with)
    ]


def _pending(notification_id: UUID, topic: Topic) -> Notice:
    notice = topic.pending.get(notification_id)
    if notice is None:
        ended = topic.ended.get(notification_id)
        if ended is None:
            raise Refused("notice_unknown")
        raise Refused("notice_ended", state=ended.value)
    return notice


def _handed_over(command: RecordHandedOver, topic: Topic) -> Events:
    if topic.ended.get(command.notification_id) in {NoticeState.UNKNOWN, NoticeState.CANCELLED}:
        ref = None
    else:
        ref = _pending(command.notification_id, topic).queued.ref
    handed_over = NotificationHandedOver(
        notification_id=command.notification_id,
        ref=ref,
        channel=command.channel,
        attempt=command.attempt,
        handed_over_at=command.at,
    )
    return [handed_over]


def _failure(command: RecordFailure, topic: Topic) -> Events:
    notice = _pending(command.notification_id, topic)
    events: list[NotificationEvent] = []
    after = _after_failure(notice, command.channel, command.attempt, command.reason_code)
    following = next_channel(after, command.reachable, command.policy)
    due_at = None
    if following is not None:
        pause = command.policy.pause(after.tries[command.channel]) if following == command.channel else timedelta()
        due_at = command.at + pause
    events.append(
        NotificationFailed(
            notification_id=command.notification_id,
            ref=notice.queued.ref,
            channel=command.channel,
            attempt=command.attempt,
            reason_code=command.reason_code,
            final=following is None,
            due_at=due_at,
            failed_at=command.at,
        )
    )
    if following is None and command.call is not None and not _known(command.call.notification_id, topic):
        # domain.md §4.9, row 40: what no channel took is told by telephone.
        queued = notice.queued
        instead = {
            "notification_id": command.call.notification_id,
            "to_role": command.call.caller,
            "channels": ("phone",),
            "not_before": command.at,
            "queued_at": command.at,
        }
        events.append(queued.model_copy(update=instead))
    return events


def _after_failure(notice: Notice, channel: str, attempt: int, reason_code: str) -> Notice:
    return replace(
        notice,
        attempts=attempt,
        tries={**notice.tries, channel: notice.tries.get(channel, 0) + 1},
        given_up=notice.given_up | {channel} if reason_code in NEVER_AGAIN else notice.given_up,
    )


def _unknown(command: RecordUnknown, topic: Topic) -> Events:
    if topic.ended.get(command.notification_id) is NoticeState.CANCELLED:
        ref = None
    else:
        ref = _pending(command.notification_id, topic).queued.ref
    unknown = NotificationUnknown(
        notification_id=command.notification_id,
        ref=ref,
        channel=command.channel,
        attempt=command.attempt,
        attempted_at=command.attempted_at,
        noticed_at=command.at,
    )
    return [unknown]


def _call(command: RecordCall, topic: Topic) -> Events:
    notice = _pending(command.notification_id, topic)
    if "phone" not in notice.queued.channels:
        raise Refused("not_on_phone_list")
    if command.at < notice.queued.not_before:
        raise Refused("call_not_due", not_before=notice.queued.not_before)
    attempt, ref = notice.attempts + 1, notice.queued.ref
    if command.outcome == "reached":
        return [
            NotificationHandedOver(
                notification_id=command.notification_id,
                ref=ref,
                channel="phone",
                attempt=attempt,
                handed_over_at=command.at,
            )
        ]
    if command.outcome == "not_needed":
        return [
            NotificationCancelled(
                notification_id=command.notification_id,
                ref=ref,
                reason_code=command.outcome,
                cancelled_at=command.at,
            )
        ]
    final = command.outcome == "wrong_number" or notice.tries.get("phone", 0) + 1 >= command.policy.calls_max
    return [
        NotificationFailed(
            notification_id=command.notification_id,
            ref=ref,
            channel="phone",
            attempt=attempt,
            reason_code=command.outcome,
            final=final,
            due_at=None if final else command.at + timedelta(minutes=command.policy.call_again_minutes),
            failed_at=command.at,
        )
    ]


def evolve(topic: Topic, event: NotificationEvent) -> Topic:
    """The topic after an event."""
    match event:
        case NotificationQueued():
            return replace(topic, pending={**topic.pending, event.notification_id: Notice(event)})
        case NotificationCancelled():
            return _ended(topic, event.notification_id, NoticeState.CANCELLED)
        case NotificationHandedOver():
            return _ended(topic, event.notification_id, NoticeState.HANDED_OVER)
        case NotificationUnknown():
            return _ended(topic, event.notification_id, NoticeState.UNKNOWN)
        case NotificationFailed():
            if event.final:
                return _ended(topic, event.notification_id, NoticeState.FAILED)
            notice = topic.pending[event.notification_id]
            after = _after_failure(notice, event.channel, event.attempt, event.reason_code)
            return replace(topic, pending={**topic.pending, event.notification_id: after})
        case _:
            assert_never(event)


def _ended(topic: Topic, notification_id: UUID, state: NoticeState) -> Topic:
    left = {each: notice for each, notice in topic.pending.items() if each != notification_id}
    return Topic(left, {**topic.ended, notification_id: state})
