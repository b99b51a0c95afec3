"""What may be asked of notify: contacts of a person or a gift, and notices about one topic.

A topic is what notices belong to: an order, a donation, a volunteer's day of new orders. All notices of a topic are one
stream, so that a later event about it can withdraw them without looking anywhere else.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.command import Ask, Command, Role
from contracts.event import Code, Digest, OrderNo, UnitCode
from contracts.notify import NoticeChannel, NoticeParams

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
