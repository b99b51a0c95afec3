"""Things given: tables and fold. No row names who gets anything."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.ledger import (
    InKindAllocated,
    InKindDelivered,
    InKindFact,
    InKindReceived,
    InKindSold,
    InKindWrittenOff,
)
from eventstore.rows import Rows
from services.ledger.read_models.tables import metadata

_TIME = sa.DateTime(timezone=True)

goods_lots = sa.Table(
    "goods_lots",
    metadata,
    sa.Column("lot_id", sa.Uuid, primary_key=True),
    sa.Column("fund", sa.Text, nullable=False),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("qty", sa.BigInteger, nullable=False),
    sa.Column("on_hand_qty", sa.BigInteger, nullable=False),
    sa.Column("allocated_qty", sa.BigInteger, nullable=False, default=0),
    sa.Column("unit_value_fen", sa.BigInteger, nullable=False),
    sa.Column("condition", sa.Text, nullable=False),
    sa.Column("expires_on", sa.Date),
    sa.Column("donation_id", sa.Uuid),
    sa.Column("received_at", _TIME, nullable=False),
    sa.Column("received_by", sa.Text),
    # The first of two words that things are of no use.
    sa.Column("doubted_qty", sa.BigInteger),
    sa.Column("doubted_reason", sa.Text),
    sa.CheckConstraint("on_hand_qty >= allocated_qty AND allocated_qty >= 0", name="goods_lots_not_negative"),
    sa.Index("goods_lots_by_sku", "fund", "sku"),
    sa.Index("goods_lots_by_expiry", "expires_on"),
)
goods_stock = sa.Table(
    "goods_stock",
    metadata,
    sa.Column("fund", sa.Text, primary_key=True),
    sa.Column("sku", sa.Text, primary_key=True),
    sa.Column("on_hand_qty", sa.BigInteger, nullable=False),
    sa.Column("value_fen", sa.BigInteger, nullable=False),
    sa.CheckConstraint("on_hand_qty >= 0 AND value_fen >= 0", name="goods_stock_not_negative"),
)
goods_allocations = sa.Table(
    "goods_allocations",
    metadata,
    sa.Column("allocation_id", sa.Uuid, primary_key=True),
    sa.Column("lot_id", sa.Uuid, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("fund", sa.Text, nullable=False),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("qty", sa.BigInteger, nullable=False),
    sa.Column("value_fen", sa.BigInteger, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("recipient_ref", sa.Uuid, nullable=False),
    sa.Column("allocated_at", _TIME, nullable=False),
    sa.Column("ended_at", _TIME),
    sa.Index("goods_allocations_by_lot", "lot_id"),
    sa.Index("goods_allocations_by_volunteer", "volunteer_id", "state"),
)


def needed(event: InKindFact) -> Iterable[tuple[sa.Table, Any]]:
    """The rows that the fold reads: the stock, whose CHECK must see the sum, and what an allocation had set aside."""
    yield goods_stock, (event.fund, event.sku)
    if isinstance(event, InKindAllocated) and event.replaces is not None:
        yield goods_allocations, event.replaces
    if isinstance(event, InKindWrittenOff):
        for allocation_id in event.allocations_voided:
            yield goods_allocations, allocation_id


def apply_goods(recorded: Recorded, event: InKindFact, rows: Rows) -> None:
    """The rows of a lot after an event."""
    match event:
        case InKindReceived():
            rows.insert(
                goods_lots,
                lot_id=event.lot_id,
                fund=event.fund,
                sku=event.sku,
                qty=event.qty,
                on_hand_qty=event.qty,
                unit_value_fen=event.unit_value_fen,
                condition=event.condition,
                expires_on=event.expires_on,
                donation_id=event.donation_id,
                received_at=event.received_at,
                received_by=recorded.actor,
            )
            _stock(event, 1, rows)
        case InKindAllocated():
            _allocated(event, rows)
        case InKindDelivered():
            ended = {"state": "DELIVERED", "ended_at": event.delivered_at}
            rows.update(goods_allocations, event.allocation_id, **ended)
            rows.add(goods_lots, event.lot_id, on_hand_qty=-event.qty, allocated_qty=-event.qty)
            _stock(event, -1, rows)
        case InKindWrittenOff():
            _written_off(event, rows)
        case InKindSold():
            rows.add(goods_lots, event.lot_id, on_hand_qty=-event.qty)
            _stock(event, -1, rows)
        case _:
            pass  # a reader shows what it knows and ignores the rest


def _allocated(event: InKindAllocated, rows: Rows) -> None:
    freed_qty = 0
    if event.replaces is not None:
        freed_qty = _void(event.replaces, event, rows)
    rows.insert(
        goods_allocations,
        allocation_id=event.allocation_id,
        lot_id=event.lot_id,
        state="ALLOCATED",
        fund=event.fund,
        sku=event.sku,
        qty=event.qty,
        value_fen=event.value_fen,
        purpose=event.purpose,
        volunteer_id=event.volunteer_id,
        recipient_ref=event.recipient_ref,
        allocated_at=event.allocated_at,
    )
    rows.add(goods_lots, event.lot_id, allocated_qty=event.qty - freed_qty)


def _void(allocation_id: Any, event: InKindAllocated | InKindWrittenOff, rows: Rows) -> int:
    """End an allocation; how many pieces it had set aside."""
    at = event.allocated_at if isinstance(event, InKindAllocated) else event.written_off_at
    row = rows.get(goods_allocations, allocation_id)
    rows.update(goods_allocations, allocation_id, state="VOID", ended_at=at)
    return 0 if row is None else int(row["qty"])


def _written_off(event: InKindWrittenOff, rows: Rows) -> None:
    if event.step == 1:
        rows.update(goods_lots, event.lot_id, doubted_qty=event.qty, doubted_reason=event.reason_code)
        return
    freed_qty = sum(_void(allocation_id, event, rows) for allocation_id in event.allocations_voided)
    rows.update(goods_lots, event.lot_id, doubted_qty=None, doubted_reason=None)
    rows.add(goods_lots, event.lot_id, on_hand_qty=-event.qty, allocated_qty=-freed_qty)
    _stock(event, -1, rows)


def _stock(event: InKindFact, sign: int, rows: Rows) -> None:
    row = rows.get(goods_stock, (event.fund, event.sku)) or {"on_hand_qty": 0, "value_fen": 0}
    rows.upsert(
        goods_stock,
        fund=event.fund,
        sku=event.sku,
        on_hand_qty=row["on_hand_qty"] + sign * event.qty,
        value_fen=row["value_fen"] + sign * event.value_fen,
    )
