"""点单—派单—接单: what may be asked of an order until its service begins."""

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from contracts.command import Ask, Command, mistake
from contracts.event import Code, Digest, OrderNo
from contracts.orders import LapseCause, OnAbsence, RefusalReason
from services.orders.commands.words import (
    ItemFacts,
    Moment,
    Policy,
    ResidentFacts,
    Slots,
    Text,
    VolunteerFacts,
    order_stream,
)

Phone = Annotated[str, Field(pattern=r"^\+?[0-9][0-9\-]{4,18}$")]
Address = Annotated[str, Field(min_length=1, max_length=100)]


class DetailsAsk(Ask):
    """What only the people concerned may read: it is sealed in the vault, under the beneficiary's key."""

    address: Address | None = None
    phone: Phone | None = None
    note: Text | None = None


class WindowAsk(Ask):
    """A time from when to when."""

    window_start: Moment
    window_end: Moment

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.window_end <= self.window_start:
            raise mistake(
                "end_before_start",
                "结束时间要晚于开始时间",
                "window_end must be later than window_start",
                field="window_end",
            )
        return self


class PlaceOrderAsk(WindowAsk):
    """点单: a resident, or somebody who may act for them, asks for a service."""

    item_code: Code
    beneficiary_id: UUID | None = None
    """Absent: the caller."""
    details: DetailsAsk = DetailsAsk()
    urgent: bool = False
    rework_of: UUID | None = None


class VerifyOrderAsk(Ask):
    """受理. What is left out stays as the catalogue has it."""

    on_absence: OnAbsence
    slots: Slots | None = None
    skills: Annotated[tuple[Code, ...], Field(max_length=5)] | None = None
    licence: Code | None = None
    """Adds a licence to an item that needs none by itself; it never takes one away."""
    insurance_required: bool = False
    frail_or_minor: bool = False
    """Said here so that two are sent; recorded nowhere (the consequence, never the reason)."""


class CreateOrderFromInquiryAsk(WindowAsk):
    """制单: the station writes an order from what was asked for at the door."""

    on_absence: OnAbsence
    slots: Slots | None = None
    licence: Code | None = None
    insurance_required: bool = False
    frail_or_minor: bool = False
    urgent: bool = False
    details: DetailsAsk | None = None
    """Absent: what was noted at the door."""


class RefuseOrderAsk(Ask):
    """不予受理: why, and where to turn. Reason `other` needs words."""

    reason_code: RefusalReason
    referral: Code | None = None
    words: Text | None = None


class DispatchOrderAsk(Ask):
    """派单: offer the order to these, or, with none named, to the best ranked for the next wave."""

    volunteer_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=20)] | None = None


class OpenOrderAsk(Ask):
    """放入接单池."""


class AcceptOrderAsk(Ask):
    """接单: the caller takes a slot; or a team leader takes it for a member who said yes."""

    volunteer_id: UUID | None = None
    """Whom the leader speaks for."""
    said_yes: bool = False
    """The leader's word that the member was asked and agreed; the event says that it was the leader who spoke."""

    @model_validator(mode="after")
    def _was_asked(self) -> Self:
        if self.volunteer_id is not None and not self.said_yes:
            raise mistake(
                "not_said_yes", "替队员接单，先问过本人：said_yes", "ask the member first: said_yes", field="said_yes"
            )
        return self


class DeclineOfferAsk(Ask):
    """婉拒. Nobody has to say why."""

    reason_code: Code | None = None


class WithdrawAcceptanceAsk(Ask):
    """退单."""

    reason_code: Code | None = None


class EscalateOrderAsk(Ask):
    """升级 by hand, to a higher level than the order has."""

    level: Annotated[int, Field(ge=1, le=3)]


class CancelOrderAsk(Ask):
    """取消. A dispatcher says why."""

    reason_code: Code | None = None


class DeclareUnfulfilledAsk(Ask):
    """未能满足: two people stand for it, a dispatcher and a station manager; the caller is one of them."""

    reason_code: Literal["nobody_available", "nobody_qualified", "window_over", "not_volunteer_work", "other"]
    seconded_by: UUID
    referral: Code | None = None


class OrderCommand(Command):
    """A command decided on an order's stream, by the figures of `policy`."""

    order_id: UUID
    policy: Policy = Policy()

    @property
    def stream(self) -> str:
        """`order-<uuid>`."""
        return order_stream(self.order_id)


class _Placing(OrderCommand):
    order_no: OrderNo
    item: ItemFacts
    resident: ResidentFacts
    project_code: Code | None = None
    window_start: AwareDatetime
    window_end: AwareDatetime
    urgent: bool = False
    details_ref: UUID | None = None
    details_commitment: Digest | None = None
    service_code_commitment: Digest | None = None


class PlaceOrder(_Placing):
    """Ask for a service."""

    rework_of: UUID | None = None
    possible_duplicate_of: UUID | None = None


class CreateOrderFromInquiry(_Placing):
    """Write an order from an inquiry: placed, verified and opened in one append."""

    inquiry_id: UUID
    inquired_by: UUID
    inquiry_result: Literal["need", "no_need", "not_home"]
    converted: bool
    """An order of this inquiry exists; the unique constraint `orders_one_per_inquiry` says so too."""
    on_absence: OnAbsence
    slots: int | None = None
    licence: Code | None = None
    insurance_required: bool = False
    frail_or_minor: bool = False
    invited: tuple[UUID, ...] = ()


class VerifyOrder(OrderCommand):
    """Check the need and fix what the order takes."""

    on_absence: OnAbsence
    slots: int | None = None
    skills: tuple[Code, ...] | None = None
    licence: Code | None = None
    insurance_required: bool = False
    frail_or_minor: bool = False


class RefuseOrder(OrderCommand):
    """Refuse an order, with a reason and where to turn."""

    reason_code: RefusalReason
    referral: Code | None = None
    reason_ref: UUID | None = None
    reason_commitment: Digest | None = None


class Proposal(VolunteerFacts):
    """One volunteer whom the order is to be offered to, with what is known of them, and how they were ranked."""

    offer_id: UUID
    score: int = 0
    reasons: tuple[Code, ...] = ()


class DispatchOrder(OrderCommand):
    """Offer the order to volunteers. An offer, never an assignment (志愿服务条例 §25)."""

    proposals: Annotated[tuple[Proposal, ...], Field(min_length=1, max_length=50)]


class OpenOrder(OrderCommand):
    """Open the order to every eligible volunteer."""

    invited: tuple[UUID, ...] = ()


class AcceptOrder(OrderCommand):
    """Take a slot."""

    assignment_id: UUID
    volunteer: VolunteerFacts


class DeclineOffer(OrderCommand):
    """Decline an offer; it has no effect on the volunteer."""

    volunteer_id: UUID
    reason_code: Code | None = None


class ExpireOffer(OrderCommand):
    """End the offers whose time is over."""


class WithdrawAcceptance(OrderCommand):
    """Give back a slot before the service."""

    volunteer_id: UUID
    reason_code: Code | None = None


class LapseAssignment(OrderCommand):
    """End an assignment whose volunteer can no longer serve."""

    assignment_id: UUID
    cause: LapseCause
    source_event_id: UUID | None = None


class EscalateOrder(OrderCommand):
    """Take an overdue order up; by hand, to `level`."""

    level: int | None = None


class Ending(OrderCommand):
    """What ends an order, which nothing does while its welfare check is open (domain.md §4.1, Endings)."""

    checks_open: int = 0
    """Welfare checks of this order without an outcome."""
    disputes_open: int = 0
    """Disputes about this order that wait for a decision in streams of their own."""


class CancelOrder(Ending):
    """Cancel before the service begins."""

    reason_code: Code | None = None


class DeclareUnfulfilled(Ending):
    """Say that nobody was found."""

    reason_code: Code
    referral: Code | None = None
    seconded_by: UUID
    seconder_entitled: bool
    """The second person holds the other of the two roles."""
