"""A lot of things given: taken in, set aside for neighbours, brought, sold or written off (domain.md §4.6).

No more goes out than came in, and nothing past its day is set aside, brought or sold. Hands are kept apart: who sets
aside is not who brings or gets; who took in is not who sells; writing off takes two people (会计法 §25, §35).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

from contracts.command import Refused
from contracts.ledger import (
    InKindAllocated,
    InKindDelivered,
    InKindEvent,
    InKindReceived,
    InKindSold,
    InKindWrittenOff,
)
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import (
    AllocateGoods,
    AnyGoodsCommand,
    DeliverGoods,
    GoodsCommand,
    ReceiveGoods,
    SellGoods,
    WriteOffGoods,
    day_of,
)


@dataclass(frozen=True, slots=True)
class Lot:
    """What the rules need to know of a lot."""

    received: InKindReceived | None = None
    on_hand_qty: int = 0
    """What is there, set aside or not."""
    allocations: Mapping[UUID, InKindAllocated] = field(default_factory=lambda: MappingProxyType({}))
    """What is set aside and was not brought yet."""
    doubted: InKindWrittenOff | None = None
    """The first word that things are of no use, waiting for a second person's."""

    @property
    def free_qty(self) -> int:
        """What is there and not set aside."""
        return self.on_hand_qty - sum(one.qty for one in self.allocations.values())


Events = Sequence[InKindEvent]


def initial() -> Lot:
    """A lot that nobody took in."""
    return Lot()


def decide(command: AnyGoodsCommand, lot: Lot) -> Events:
    """The events that a command comes to. Raises Refused."""
    if isinstance(command, ReceiveGoods):
        return _receive(command, lot)
    if lot.received is None:
        raise Refused("lot_unknown")
    if lot.on_hand_qty == 0:
        raise Refused("lot_gone")
    match command:
        case AllocateGoods():
            return _allocate(command, lot, lot.received)
        case DeliverGoods():
            return _deliver(command, lot, lot.received)
        case WriteOffGoods():
            return _write_off(command, lot, lot.received)
        case SellGoods():
            return _sell(command, lot, lot.received)
        case _:
            assert_never(command)


def _receive(command: ReceiveGoods, lot: Lot) -> Events:
    if lot.received is not None:
        raise Refused("lot_received_already")
    chart().fund(command.fund)
    value_fen = command.qty * command.unit_value_fen
    if value_fen > command.policy.amount_fen_max:
        raise Refused("amount_over_cap", amount_fen=value_fen, amount_fen_max=command.policy.amount_fen_max)
    today = day_of(command.at)
    earliest = today - timedelta(days=command.policy.backdate_days)
    if not earliest <= command.effective_date <= today:
        raise Refused("day_impossible", earliest=earliest.isoformat(), latest=today.isoformat())
    if command.expires_on is not None and command.expires_on < command.effective_date:
        raise Refused("goods_expired", expires_on=command.expires_on.isoformat())
    received = InKindReceived(
        lot_id=command.lot_id,
        role=command.by.role,
        fund=command.fund,
        sku=command.sku,
        qty=command.qty,
        value_fen=value_fen,
        unit_value_fen=command.unit_value_fen,
        condition=command.condition,
        expires_on=command.expires_on,
        donation_id=command.donation_id,
        entry_id=command.entry_id,
        voucher_sha256=command.voucher_sha256,
        effective_date=command.effective_date,
        received_at=command.at,
    )
    return [received]


def _require_fresh(command: GoodsCommand, received: InKindReceived) -> None:
    if received.expires_on is not None and day_of(command.at) > received.expires_on:
        raise Refused("goods_expired", expires_on=received.expires_on.isoformat())


def _require_stock(asked_qty: int, there_qty: int) -> None:
    if asked_qty > there_qty:
        raise Refused("stock_insufficient", qty=there_qty, asked_qty=asked_qty)


def _allocate(command: AllocateGoods, lot: Lot, received: InKindReceived) -> Events:
    _require_fresh(command, received)
    chart().require_purpose(received.fund, command.purpose)
    if not command.people_known:
        raise Refused("person_unknown")
    if len({command.by.actor_id, command.volunteer_id, command.recipient_id}) < 3:
        raise Refused("goods_hands_equal")
    free_qty = lot.free_qty
    if command.replaces is not None:
        free_qty += _allocation(lot, command.replaces).qty
    _require_stock(command.qty, free_qty)
    allocated = InKindAllocated(
        lot_id=command.lot_id,
        role=command.by.role,
        fund=received.fund,
        sku=received.sku,
        qty=command.qty,
        value_fen=command.qty * received.unit_value_fen,
        allocation_id=command.allocation_id,
        purpose=command.purpose,
        volunteer_id=command.volunteer_id,
        recipient_ref=command.recipient_ref,
        recipient_commitment=command.recipient_commitment,
        replaces=command.replaces,
        allocated_at=command.at,
    )
    return [allocated]


def _allocation(lot: Lot, allocation_id: UUID) -> InKindAllocated:
    allocation = lot.allocations.get(allocation_id)
    if allocation is None:
        raise Refused("allocation_ended")
    return allocation


def _deliver(command: DeliverGoods, lot: Lot, received: InKindReceived) -> Events:
    allocation = _allocation(lot, command.allocation_id)
    if command.by.actor_id != allocation.volunteer_id:
        raise Refused("not_the_bearer")
    _require_fresh(command, received)
    delivered = InKindDelivered(
        lot_id=command.lot_id,
        role=command.by.role,
        fund=received.fund,
        sku=received.sku,
        qty=allocation.qty,
        value_fen=allocation.value_fen,
        allocation_id=command.allocation_id,
        entry_id=command.entry_id,
        voucher_sha256=command.voucher_sha256,
        effective_date=command.effective_date,
        delivered_at=command.at,
    )
    return [delivered]


def _write_off(command: WriteOffGoods, lot: Lot, received: InKindReceived) -> Events:
    if command.by.actor_id is None:
        raise Refused("person_needed")
    _require_stock(command.qty, lot.on_hand_qty)
    first = lot.doubted
    second = first is not None and first.written_off_by != command.by.actor_id
    if first is not None and second and (first.qty, first.reason_code) != (command.qty, command.reason_code):
        raise Refused("write_off_differs", qty=first.qty, reason=first.reason_code)
    # What is no more cannot be brought: then nobody can say whose part it was, so all are set aside anew.
    voided = tuple(lot.allocations) if second and command.qty > lot.free_qty else ()
    written_off = InKindWrittenOff(
        lot_id=command.lot_id,
        role=command.by.role,
        fund=received.fund,
        sku=received.sku,
        qty=command.qty,
        value_fen=command.qty * received.unit_value_fen,
        step=2 if second else 1,
        written_off_by=command.by.actor_id,
        reason_code=command.reason_code,
        allocations_voided=voided,
        entry_id=command.entry_id if second else None,
        written_off_at=command.at,
    )
    return [written_off]


def _sell(command: SellGoods, lot: Lot, received: InKindReceived) -> Events:
    _require_fresh(command, received)
    if command.by.actor == command.received_by:
        raise Refused("same_hands", other="receive")
    limit = command.policy.cash_alone_fen_max
    if command.method == "cash" and command.price_fen > limit:
        raise Refused("cash_over_limit", amount_fen_max=limit)
    _require_stock(command.qty, lot.free_qty)
    sold = InKindSold(
        lot_id=command.lot_id,
        role=command.by.role,
        fund=received.fund,
        sku=received.sku,
        qty=command.qty,
        value_fen=command.qty * received.unit_value_fen,
        price_fen=command.price_fen,
        method=command.method,
        entry_id=command.entry_id,
        voucher_sha256=command.voucher_sha256,
        effective_date=command.effective_date,
        sold_at=command.at,
    )
    return [sold]


def evolve(lot: Lot, event: InKindEvent) -> Lot:
    """The lot after an event."""
    match event:
        case InKindReceived():
            return Lot(event, event.qty)
        case InKindAllocated():
            left = _without(lot, () if event.replaces is None else (event.replaces,))
            return replace(lot, allocations=MappingProxyType({**left, event.allocation_id: event}))
        case InKindDelivered():
            left = _without(lot, (event.allocation_id,))
            return replace(lot, on_hand_qty=lot.on_hand_qty - event.qty, allocations=left)
        case InKindWrittenOff():
            if event.step == 1:
                return replace(lot, doubted=event)
            left = _without(lot, event.allocations_voided)
            return replace(lot, on_hand_qty=lot.on_hand_qty - event.qty, allocations=left, doubted=None)
        case InKindSold():
            return replace(lot, on_hand_qty=lot.on_hand_qty - event.qty)
        case _:
            assert_never(event)


def _without(lot: Lot, ended: Sequence[UUID]) -> Mapping[UUID, InKindAllocated]:
    return MappingProxyType({key: one for key, one in lot.allocations.items() if key not in ended})
