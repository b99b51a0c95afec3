"""The tables folded from notify's own log. The inbox and the phone list are queries on `notices`: no second truth."""

from typing import ClassVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.envelope import Recorded
from contracts.notify import (
    ContactRemoved,
    ContactSet,
    NotificationCancelled,
    NotificationFailed,
    NotificationHandedOver,
    NotificationQueued,
    NotificationUnknown,
    PersonDataErased,
    WebhookDisabled,
    WebhookEnabled,
    WebhookRegistered,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows

metadata = sa.MetaData()
_TIME = sa.DateTime(timezone=True)

contacts = sa.Table(
    "contacts",
    metadata,
    sa.Column("ref", sa.Uuid, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("contact_id", sa.Uuid, nullable=False),
    sa.Column("address_ref", sa.Uuid),
    sa.Column("set_at", _TIME, nullable=False),
)
erased = sa.Table(
    "erased",
    metadata,
    sa.Column("person_id", sa.Uuid, primary_key=True),
    sa.Column("erased_at", _TIME, nullable=False),
)
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("notification_id", sa.Uuid, primary_key=True),
    sa.Column("topic_id", sa.Uuid, nullable=False),
    sa.Column("ref", sa.Uuid),
    sa.Column("to_role", sa.Text),
    sa.Column("scope_id", sa.Text),
    sa.Column("template", sa.Text, nullable=False),
    sa.Column("params", JSONB, nullable=False),
    sa.Column("channels", JSONB, nullable=False),
    sa.Column("by_phone", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("expires_at", _TIME),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("channel", sa.Text),
    sa.Column("reason_code", sa.Text),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("source_event_id", sa.Uuid, nullable=False),
    sa.Column("queued_at", _TIME, nullable=False),
    sa.Column("ended_at", _TIME),
    sa.Index("notices_due", "due_at", postgresql_where=sa.text("state = 'QUEUED'")),
    sa.Index("notices_expiring", "expires_at", postgresql_where=sa.text("state = 'QUEUED'")),
    sa.Index("notices_by_ref", "ref", "ended_at"),
    sa.Index("notices_by_topic", "topic_id"),
)
webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("webhook_id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason_code", sa.Text),
    sa.Column("events", JSONB, nullable=False),
    sa.Column("starts", JSONB, nullable=False),
    sa.Column("registered_at", _TIME, nullable=False),
    sa.Column("changed_at", _TIME, nullable=False),
    sa.Column("place", sa.Integer),
    # Asked for at once, two webhooks would both have the last place: one commits, the other is decided again.
    sa.UniqueConstraint("place", name="webhooks_one_a_place", deferrable=True, initially="DEFERRED"),
)
"""`place`: the one of `webhooks_max` that it takes while it is enabled; none where its event is older than places."""


class NotifyModel(ReadModel):
    """Who is reached how, what became of every notice, and who outside is sent events."""

    source: ClassVar[str] = "notify"
    metadata: ClassVar[sa.MetaData] = metadata
    version: ClassVar[int] = 3

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the class."""
        match recorded.event:
            case ContactSet() as event:
                rows.upsert(
                    contacts,
                    ref=event.ref,
                    channel=event.channel,
                    contact_id=event.contact_id,
                    address_ref=event.address_ref,
                    set_at=event.set_at,
                )
            case ContactRemoved() as event:
                rows.delete(contacts, (event.ref, event.channel))
            case PersonDataErased() as event:
                rows.upsert(erased, person_id=event.person_id, erased_at=event.erased_at)
            case NotificationQueued() as event:
                _queued(recorded, event, rows)
            case NotificationCancelled() as event:
                _end(rows, event, "CANCELLED", reason_code=event.reason_code, ended_at=event.cancelled_at)
            case NotificationHandedOver() as event:
                done = {"channel": event.channel, "attempts": event.attempt, "reason_code": None}
                _end(rows, event, "HANDED_OVER", ended_at=event.handed_over_at, **done)
            case NotificationUnknown() as event:
                _end(rows, event, "UNKNOWN", channel=event.channel, attempts=event.attempt, ended_at=event.noticed_at)
            case WebhookRegistered() | WebhookDisabled() | WebhookEnabled() as event:
                _webhook(event, rows)
            case NotificationFailed() as event:
                tried = {"channel": event.channel, "attempts": event.attempt, "reason_code": event.reason_code}
                if event.due_at is None:
                    _end(rows, event, "FAILED", ended_at=event.failed_at, **tried)
                else:
                    rows.update(notices, event.notification_id, due_at=event.due_at, **tried)
            case _:
                pass


def _webhook(event: WebhookRegistered | WebhookDisabled | WebhookEnabled, rows: Rows) -> None:
    match event:
        case WebhookRegistered():
            rows.insert(
                webhooks,
                webhook_id=event.webhook_id,
                state="ENABLED",
                reason_code=None,
                events=list(event.events),
                starts=[start.model_dump(mode="json", exclude_none=True) for start in event.starts],
                registered_at=event.registered_at,
                changed_at=event.registered_at,
                place=event.place,
            )
        case WebhookDisabled():
            change = {"state": "DISABLED", "reason_code": event.reason_code, "changed_at": event.disabled_at}
            rows.update(webhooks, event.webhook_id, place=None, **change)
        case WebhookEnabled():
            change = {"state": "ENABLED", "reason_code": None, "changed_at": event.enabled_at}
            rows.update(webhooks, event.webhook_id, place=event.place, **change)


_Ended = NotificationCancelled | NotificationHandedOver | NotificationUnknown | NotificationFailed


def _end(rows: Rows, event: _Ended, state: str, **values: object) -> None:
    rows.update(notices, event.notification_id, state=state, **values)


def _queued(recorded: Recorded, event: NotificationQueued, rows: Rows) -> None:
    rows.insert(
        notices,
        notification_id=event.notification_id,
        topic_id=UUID(recorded.stream.removeprefix("notice-")),
        ref=event.ref,
        to_role=event.to_role,
        scope_id=event.scope_id,
        template=event.template,
        params=event.params.model_dump(mode="json", exclude_none=True),
        channels=list(event.channels),
        by_phone="phone" in event.channels,
        state="QUEUED",
        due_at=event.not_before,
        expires_at=event.expires_at,
        source=event.source,
        source_event_id=event.source_event_id,
        queued_at=event.queued_at,
    )
