"""点单, 制单, 受理, 不予受理: an order from the wish until it may be offered."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from contracts.command import Refused
from contracts.orders import OrderEvent, OrderOpened, OrderPlaced, OrderRefused, OrderState, OrderVerified
from services.orders.commands.placing import CreateOrderFromInquiry, PlaceOrder, RefuseOrder, VerifyOrder
from services.orders.commands.words import Policy
from services.orders.decider.evolve import evolve
from services.orders.decider.saying import say, with_duty
from services.orders.decider.state import Order

Events = Sequence[OrderEvent]
EMERGENCY_REFERRALS = frozenset({"110", "119", "120"})


def place(command: PlaceOrder) -> Events:
    """A resident's order waits for triage."""
    _may_be_asked_for(command)
    return [_placed(command)]


def create_from_inquiry(command: CreateOrderFromInquiry) -> Events:
    """The station's order goes straight into the pool: who asked at the door has verified it (domain.md §4.1)."""
    if command.inquiry_result != "need":
        raise Refused("inquiry_without_need", result=command.inquiry_result)
    if command.converted:
        raise Refused("inquiry_converted")
    _may_be_asked_for(command)
    placed = _placed(command)
    order = evolve(None, placed)
    verified = _verified(order, command)
    order = evolve(order, verified)
    opened = say(
        order,
        command,
        OrderOpened,
        OrderState.OPEN,
        expected_minutes=order.item.expected_minutes,
        slots_filled=0,
        slots_required=order.item.slots,
        licence=order.item.licence,
        skills=order.item.skills,
        invited=command.invited[: command.policy.invited_max],
        opened_at=command.at,
    )
    return [placed, verified, opened]


def verify(command: VerifyOrder, order: Order) -> Events:
    """A dispatcher fixes what the order takes."""
    return [_verified(order, command)]


def refuse(command: RefuseOrder, order: Order) -> Events:
    """An emergency is referred to a number, `other` says why in words; nobody is refused without a reason."""
    if command.reason_code == "emergency" and command.referral not in EMERGENCY_REFERRALS:
        raise Refused("referral_needed", allowed="110, 119, 120")
    if command.reason_code == "other" and command.reason_ref is None:
        raise Refused("words_needed")
    refused = say(
        order,
        command,
        OrderRefused,
        OrderState.REFUSED,
        reason_code=command.reason_code,
        referral=command.referral,
        reason_ref=command.reason_ref,
        reason_commitment=command.reason_commitment,
        refused_at=command.at,
    )
    return [refused]


def _may_be_asked_for(command: PlaceOrder | CreateOrderFromInquiry) -> None:
    item = command.item
    if not item.active:
        raise Refused("item_retired", item_code=item.item_code)
    if not command.resident.consented:
        raise Refused("consent_required", purpose="service")
    if command.resident.grid_id is None:
        raise Refused("place_unknown")
    check_window(command, item.expected_minutes)


class Windowed(Protocol):
    """A command that says a time."""

    @property
    def at(self) -> datetime: ...
    @property
    def window_start(self) -> datetime: ...
    @property
    def window_end(self) -> datetime: ...
    @property
    def policy(self) -> Policy: ...


def check_window(command: Windowed, expected_minutes: int) -> None:
    """Raise Refused for a time that is over, too short for the service, too long or too far ahead."""
    policy = command.policy
    length = (command.window_end - command.window_start) // timedelta(minutes=1)
    if command.window_start <= command.at:
        raise Refused("window_not_in_future", at=command.at)
    if command.window_end <= command.window_start:
        raise Refused("window_empty")
    if length < expected_minutes:
        raise Refused("window_too_short", expected_minutes=expected_minutes)
    if length > policy.window_minutes_max:
        raise Refused("window_too_long", minutes_max=policy.window_minutes_max)
    if command.window_start > command.at + timedelta(days=policy.ahead_days_max):
        raise Refused("window_too_far", days_max=policy.ahead_days_max)


def _placed(command: PlaceOrder | CreateOrderFromInquiry) -> OrderPlaced:
    inquiry = isinstance(command, CreateOrderFromInquiry)
    item, resident = command.item, command.resident
    assert resident.grid_id is not None
    asked_by = command.inquired_by if isinstance(command, CreateOrderFromInquiry) else command.by.actor_id
    placed = OrderPlaced(
        order_id=command.order_id,
        role=command.by.role,
        state=OrderState.PLACED,
        order_no=command.order_no,
        item_code=item.item_code,
        beneficiary_id=resident.person_id,
        requested_by=asked_by or resident.person_id,
        grid_id=resident.grid_id,
        window_start=command.window_start,
        window_end=command.window_end,
        mode="inquiry" if inquiry else "resident",
        channel=command.by.channel,
        inquiry_id=command.inquiry_id if isinstance(command, CreateOrderFromInquiry) else None,
        rework_of=command.rework_of if isinstance(command, PlaceOrder) else None,
        possible_duplicate_of=command.possible_duplicate_of if isinstance(command, PlaceOrder) else None,
        household_id=resident.household_id,
        entrance_id=resident.entrance_id,
        item_version=item.item_version,
        expected_minutes=item.expected_minutes,
        slots=item.slots,
        home_visit=item.home_visit,
        licence=item.licence,
        skills=item.skills,
        insurance_required=item.insurance_required,
        project_code=command.project_code,
        urgent=command.urgent,
        details_ref=command.details_ref,
        details_commitment=command.details_commitment,
        service_code_commitment=command.service_code_commitment,
        placed_at=command.at,
    )
    return with_duty(None, command, placed)


def _verified(order: Order, command: VerifyOrder | CreateOrderFromInquiry) -> OrderVerified:
    item = order.item
    slots = command.slots if command.slots is not None else item.slots
    if slots < item.slots:
        raise Refused("slots_below_item", slots_min=item.slots)
    if command.frail_or_minor and item.home_visit and slots < 2:
        raise Refused("two_needed", slots_min=2)
    if item.licence is not None and command.licence not in {None, item.licence}:
        raise Refused("licence_fixed", licence=item.licence)
    skills = command.skills if isinstance(command, VerifyOrder) and command.skills is not None else item.skills
    return say(
        order,
        command,
        OrderVerified,
        OrderState.VERIFIED,
        slots=slots,
        skills=skills,
        on_absence=command.on_absence,
        licence=item.licence or command.licence,
        insurance_required=item.insurance_required or command.insurance_required,
        verified_by=command.by.actor_id,
        verified_at=command.at,
    )
