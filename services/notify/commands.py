"""What may be asked of notify: contacts of a person or a gift, and notices about one topic.

A topic is what notices belong to: an order, a donation, a volunteer's day of new orders. All notices of a topic are one
stream, so that a later event about it can withdraw them without looking anywhere else.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal, Self
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from contracts.command import Ask, Command, Role, mistake
from contracts.event import Code, Digest, OrderNo, Position, UnitCode
from contracts.notify import EventName, NoticeChannel, NoticeParams, WebhookStart

SHANGHAI = ZoneInfo("Asia/Shanghai")
ContactChannel = Literal["in_app", "console", "phone"]
"""The channels that have a sender here; more come with their senders."""
PhoneNumber = Annotated[str, Field(pattern=r"^\+?[0-9][0-9\-]{4,18}$")]
CallOutcome = Literal["reached", "no_answer", "wrong_number", "not_needed"]


class SetContactAsk(Ask):
    """How somebody can be reached. `ref`: a person, the donor_ref of a gift, or the case_id of a case of aid. Only
    `phone` takes an address.
    """

    ref: UUID
    channel: ContactChannel
    address: PhoneNumber | None = None
    person_id: UUID | None = None
    """Whose address it is, where `ref` is a case's, or a gift's and the donor is registered: it is destroyed with that
    person's data. Kept in the vault only; no event joins a gift or a case to a person."""


class RemoveContactAsk(Ask):
    """The end of a contact."""

    reason_code: Code | None = None


class CallOutcomeAsk(Ask):
    """How a call went. `not_needed`: the person knows already, or it is settled."""

    outcome: CallOutcome


Minutes = Annotated[int, Field(ge=1, le=10_080)]
"""At least one minute, at most a week."""


RetrySeconds = Annotated[int, Field(ge=1, le=604_800)]
"""At least a second, at most a week."""


class SendingPolicy(BaseModel):
    """How patient notify is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tries_max: Annotated[int, Field(ge=1, le=100)] = 5
    """How often a channel that fails is tried."""
    back_off_minutes: Annotated[tuple[Minutes, ...], Field(min_length=1, max_length=20)] = (1, 5, 15, 60)
    """Pauses between the tries; the last one repeats."""
    calls_max: Annotated[int, Field(ge=1, le=100)] = 3
    """How often somebody who does not answer is called."""
    call_again_minutes: Minutes = 60
    keep_days: Annotated[int, Field(ge=1, le=29)] = 14
    """A notice that was not handed over by then says nothing new to anybody. Less than the idempotency keys' 30 days,
    which guard against a repeated hand-over."""
    digest_minutes: Annotated[int, Field(ge=0, le=1_440)] = 15
    """How long new open orders are gathered into one notice."""
    digest_orders_max: Annotated[int, Field(ge=1, le=30)] = 30

    webhook_retry_seconds: Annotated[tuple[RetrySeconds, ...], Field(min_length=1, max_length=20)] = (
        5,
        300,
        1_800,
        7_200,
        18_000,
        36_000,
        50_400,
        72_000,
        86_400,
    )
    """Pauses between the tries of one event at one webhook; the last one repeats. As Standard Webhooks proposes."""
    webhook_failing_days: Annotated[int, Field(ge=1, le=90)] = 5
    """A webhook that took nothing for so long is disabled."""
    webhooks_max: Annotated[int, Field(ge=1, le=1_000)] = 50
    """So many are enabled at once: each holds a lane a log, and a connection while it sends."""

    def webhook_pause(self, failures: int) -> timedelta:
        """The pause after so many failed tries, without jitter."""
        pauses = self.webhook_retry_seconds
        return timedelta(seconds=pauses[min(failures, len(pauses)) - 1])

    @property
    def webhook_longest_pause(self) -> timedelta:
        """The longest of these pauses: no receiver is left alone for longer because it asks to be."""
        return timedelta(seconds=max(self.webhook_retry_seconds))

    def pause(self, tries: int) -> timedelta:
        """The pause after so many failed tries."""
        return timedelta(minutes=self.back_off_minutes[min(tries, len(self.back_off_minutes)) - 1])


DEFAULT_POLICY = SendingPolicy()
NOT_WANTED = "contact_not_wanted"
"""Why a notice is withdrawn whose reader took the consent to be contacted back and has no inbox."""


def contact_stream(ref: UUID) -> str:
    """The stream of everything that reaches one ref."""
    return f"contact-{ref}"


def topic_stream(topic_id: UUID) -> str:
    """The stream of the notices about one thing."""
    return f"notice-{topic_id}"


def webhook_stream(webhook_id: UUID) -> str:
    """The stream of one webhook."""
    return f"webhook-{webhook_id}"


def address_ref_of(ref: UUID, channel: str) -> UUID:
    """Where the vault keeps the one address that a ref has on a channel: a new one replaces the old."""
    return uuid5(ref, f"address/{channel}")


def call_id_of(notification_id: UUID) -> UUID:
    """The phone call that takes the place of a notice which no channel took."""
    return uuid5(notification_id, "call")


def digest_topic(volunteer_id: UUID, day: date) -> UUID:
    """The topic of the orders opened for one volunteer on one day."""
    return uuid5(volunteer_id, f"digest/{day.isoformat()}")


def shanghai_day(at: datetime) -> date:
    """The day of a moment in Asia/Shanghai."""
    return at.astimezone(SHANGHAI).date()


LogName = Literal["orders", "volunteers", "ledger"]
"""The logs that webhooks are sent."""
WebhookUrl = Annotated[
    str,
    Field(pattern=r"^https?://[\x21-\x7e]{1,500}$", max_length=500, examples=["https://hooks.example.org/chaoyangli"]),
]


class WebhookStartAsk(Ask):
    """Where to begin in one log: after a position, with what was recorded from a time on, or (neither) now."""

    log: LogName
    after: Position | None = None
    since: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_beginning(self) -> Self:
        if self.after is not None and self.since is not None:
            raise mistake(
                "one_beginning", "“从哪一号以后”和“从什么时候起”只写一样。", "say `after` or `since`", field="since"
            )
        return self


class RegisterWebhookAsk(Ask):
    """An address that is to be sent events. A log that `starts` does not name begins now."""

    url: WebhookUrl
    events: Annotated[tuple[EventName, ...], Field(min_length=1, max_length=200, examples=[["orders.OrderPlaced"]])]
    starts: Annotated[tuple[WebhookStartAsk, ...], Field(max_length=3)] = ()
    description: Annotated[str, Field(max_length=200)] = ""
    """For people; lies in the vault."""


class DisableWebhookAsk(Ask):
    """The end of sending, until somebody enables it."""

    reason_code: Code = "by_admin"


class RotateSecretAsk(Ask):
    """A new secret. Until `overlap_hours` have passed both sign, so that the receiver can change in between."""

    overlap_hours: Annotated[int, Field(ge=0, le=168)] = 24


class ReplayWebhookAsk(Ask):
    """Send a log again, or skip a part of it: the next event sent is the one after this position."""

    log: LogName
    after: Position


class ContactCommand(Command):
    """A command about what reaches one ref."""

    ref: UUID

    @property
    def stream(self) -> str:
        return contact_stream(self.ref)


class SetContact(ContactCommand):
    """Use a channel for a ref from now on; the address, if any, lies in the vault."""

    contact_id: UUID
    channel: NoticeChannel
    address_ref: UUID | None = None
    address_commitment: Digest | None = None


class RemoveContact(ContactCommand):
    """Use a channel for a ref no longer."""

    channel: NoticeChannel
    reason_code: Code | None = None


class EraseContacts(ContactCommand):
    """Forget how an erased person was reached, for good."""

    source_event_id: UUID
    purposes: tuple[Code, ...]


class TopicCommand(Command):
    """A command about the notices of one topic."""

    topic_id: UUID

    @property
    def stream(self) -> str:
        return topic_stream(self.topic_id)


class QueueNotice(TopicCommand):
    """Have somebody told something. The same `notification_id` again does nothing."""

    notification_id: UUID
    ref: UUID | None
    to_role: Role | None = None
    scope_id: UnitCode | None = None
    template: Code
    params: NoticeParams
    channels: tuple[NoticeChannel, ...]
    not_before: AwareDatetime
    expires_at: AwareDatetime | None = None
    cancels_with: tuple[Code, ...] = ()
    source: Code
    source_event_id: UUID
    policy: SendingPolicy = DEFAULT_POLICY


class AddToDigest(QueueNotice):
    """Add an opened order to the volunteer's pending digest, or begin one."""

    order_no: OrderNo


class CancelNotices(TopicCommand):
    """Withdraw what pends and no longer holds: by the keys a notice was queued with, by id, or by whom it is for."""

    keys: frozenset[str] = frozenset()
    notification_ids: frozenset[UUID] = frozenset()
    reason_code: Code
    source_event_id: UUID | None = None


class NoticeCommand(TopicCommand):
    """A command about one notice."""

    notification_id: UUID


class RecordHandedOver(NoticeCommand):
    """A channel took the notice."""

    channel: NoticeChannel
    attempt: int


class CallInstead(BaseModel):
    """The call that takes the place of a notice when no channel is left."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    notification_id: UUID
    caller: Role


class RecordFailure(NoticeCommand):
    """A channel did not take the notice."""

    channel: NoticeChannel
    attempt: int
    reason_code: Code
    reachable: tuple[NoticeChannel, ...]
    """The channels that reach this ref now, in the notice's order."""
    call: CallInstead | None = None
    policy: SendingPolicy = DEFAULT_POLICY


class RecordUnknown(NoticeCommand):
    """A crash came between an attempt and its answer, and the channel would not notice a repeat."""

    channel: NoticeChannel
    attempt: int
    attempted_at: AwareDatetime


class RecordCall(NoticeCommand):
    """How a call of the phone list went."""

    outcome: CallOutcome
    policy: SendingPolicy = DEFAULT_POLICY


class WebhookCommand(Command):
    """A command about one webhook."""

    webhook_id: UUID

    @property
    def stream(self) -> str:
        return webhook_stream(self.webhook_id)


class RegisterWebhook(WebhookCommand):
    """Send events of these kinds to an address, which lies in the vault. `place`: the first that no enabled one has."""

    events: tuple[EventName, ...]
    starts: tuple[WebhookStart, ...]
    target_ref: UUID
    target_commitment: Digest
    enabled: int
    place: int
    policy: SendingPolicy = DEFAULT_POLICY


class DisableWebhook(WebhookCommand):
    """Send nothing more."""

    reason_code: Code


class EnableWebhook(WebhookCommand):
    """Go on where sending had stopped. `enabled`, `place`: see RegisterWebhook."""

    enabled: int
    place: int
    policy: SendingPolicy = DEFAULT_POLICY


class RotateWebhookSecret(WebhookCommand):
    """Sign with another secret. It lies in the vault: no event follows."""


class TryWebhook(WebhookCommand):
    """Send one message that is no event, and say what came of it."""


class ReplayWebhook(WebhookCommand):
    """Go on from another position of one log. A delivery is no event, and neither is where it stands."""

    log: LogName


CONTACT_COMMANDS: Sequence[type[ContactCommand]] = (SetContact, RemoveContact, EraseContacts)
AnyContactCommand = SetContact | RemoveContact | EraseContacts
TOPIC_COMMANDS: Sequence[type[TopicCommand]] = (
    QueueNotice,
    AddToDigest,
    CancelNotices,
    RecordHandedOver,
    RecordFailure,
    RecordUnknown,
    RecordCall,
)
AnyTopicCommand = (
    QueueNotice | AddToDigest | CancelNotices | RecordHandedOver | RecordFailure | RecordUnknown | RecordCall
)
WEBHOOK_COMMANDS: Sequence[type[WebhookCommand]] = (
    RegisterWebhook,
    DisableWebhook,
    EnableWebhook,
    RotateWebhookSecret,
    ReplayWebhook,
    TryWebhook,
)
AnyWebhookCommand = RegisterWebhook | DisableWebhook | EnableWebhook | RotateWebhookSecret | ReplayWebhook | TryWebhook
