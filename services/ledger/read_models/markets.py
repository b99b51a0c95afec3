"""Markets: tables and fold."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.envelope import Recorded
from contracts.ledger import (
    MarketDisclosed,
    MarketFact,
    MarketReconciled,
    MarketSessionOpened,
    ProceedsDeposited,
    SaleRecorded,
    SaleVoided,
)
from eventstore.rows import Rows
from services.ledger.read_models.tables import metadata

_TIME = sa.DateTime(timezone=True)

markets = sa.Table(
    "markets",
    metadata,
    sa.Column("market_id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("fund", sa.Text, nullable=False),
    sa.Column("agreement_sha256", JSONB, nullable=False),
    sa.Column("sales", sa.BigInteger, nullable=False, default=0),
    sa.Column("sales_fen", sa.BigInteger, nullable=False, default=0),
    sa.Column("counted_fen", sa.BigInteger),
    sa.Column("variance_fen", sa.BigInteger),
    sa.Column("note_ref", sa.Uuid),
    sa.Column("deposit_due_at", _TIME),
    sa.Column("entry_id", sa.Uuid),
    sa.Column("deposited_fen", sa.BigInteger, nullable=False, default=0),
    # The timer's: when it is disclosed unless somebody did.
    sa.Column("disclose_at", _TIME),
    sa.Column("opened_at", _TIME, nullable=False),
    sa.Column("reconciled_at", _TIME),
    sa.Column("deposited_at", _TIME),
    sa.Column("disclosed_at", _TIME),
    sa.Column("disclosed", JSONB),
    sa.Index("markets_by_deadline", "disclose_at"),
)
market_stalls = sa.Table(
    "market_stalls",
    metadata,
    sa.Column("market_id", sa.Uuid, primary_key=True),
    sa.Column("stall", sa.Text, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
)
market_sales = sa.Table(
    "market_sales",
    metadata,
    sa.Column("sale_id", sa.Uuid, primary_key=True),
    sa.Column("market_id", sa.Uuid, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("stall", sa.Text, nullable=False),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("qty", sa.BigInteger, nullable=False),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("reason_code", sa.Text),
    sa.Column("sold_at", _TIME, nullable=False),
    sa.Index("market_sales_by_market", "market_id", "sold_at"),
)
SHOWN = {"sales", "sales_fen", "counted_fen", "variance_fen", "deposited_fen", "complete"}
"""What of a disclosure its page shows besides what it is about."""


def needed(event: MarketFact) -> list[tuple[sa.Table, object]]:
    """The market's row, where the fold looks whether it was disclosed before."""
    return [(markets, event.market_id)] if isinstance(event, MarketReconciled | ProceedsDeposited) else []


def apply_market(recorded: Recorded, event: MarketFact, rows: Rows) -> None:  # noqa: ARG001 - as every fold
    """The rows of a market after an event."""
    key = event.market_id
    match event:
        case MarketSessionOpened():
            _opened(event, rows)
        case SaleRecorded():
            shown = event.model_dump(include={"sale_id", "market_id", "stall", "sku", "qty", "amount_fen", "method"})
            rows.insert(market_sales, **shown, state="RECORDED", sold_at=event.sold_at)
            rows.add(markets, key, sales=1, sales_fen=event.amount_fen)
        case SaleVoided():
            state = "VOID" if event.step == 2 else "DOUBTED"
            rows.update(market_sales, event.sale_id, state=state, reason_code=event.reason_code)
            if event.step == 2:
                rows.add(markets, key, sales=-1, sales_fen=-event.amount_fen)
        case MarketReconciled():
            counted = {"counted_fen": event.counted_fen, "variance_fen": event.variance_fen, "note_ref": event.note_ref}
            when = {"deposit_due_at": event.due_at, "reconciled_at": event.reconciled_at}
            rows.update(markets, key, state=event.state.value, **counted, **when)
            before = rows.get(markets, key)
            if event.step == 2 and event.counted_fen == 0 and before is not None and before["disclose_at"] is None:
                rows.update(markets, key, disclose_at=event.reconciled_at)
        case ProceedsDeposited():
            before = rows.get(markets, key)
            paid = {"deposited_fen": event.amount_fen, "entry_id": event.entry_id, "deposited_at": event.deposited_at}
            rows.update(markets, key, state=event.state.value, deposit_due_at=None, **paid)
            if before is not None and before["disclose_at"] is None:
                rows.update(markets, key, disclose_at=event.deposited_at)
        case MarketDisclosed():
            shown = event.model_dump(mode="json", include=SHOWN)
            when = {"disclose_at": None, "disclosed_at": event.disclosed_at}
            rows.update(markets, key, state=event.state.value, disclosed=shown, **when)
        case _:
            pass  # a reader shows what it knows and ignores the rest


def _opened(event: MarketSessionOpened, rows: Rows) -> None:
    rows.insert(
        markets,
        market_id=event.market_id,
        state=event.state.value,
        fund=event.fund,
        agreement_sha256=list(event.agreement_sha256),
        disclose_at=event.due_at,
        opened_at=event.opened_at,
    )
    for one in event.stalls:
        rows.insert(market_stalls, market_id=event.market_id, stall=one.stall, volunteer_id=one.volunteer_id)
