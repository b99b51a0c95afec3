"""Named samples of things given and of a market; everybody is invented."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

from contracts.command import SYSTEM, Role
from contracts.ledger import Stall
from services.ledger import commands
from tests.ledger.examples import ANNA, BO, CASHIER, CLERK, DIGEST, NOON, TELLER, TODAY, by

LOT, ALLOCATION, OTHER_ALLOCATION, GOODS_ENTRY, RECIPIENT_REF = (UUID(int=500 + number) for number in range(5))
MARKET, SALE, OTHER_SALE, PROCEEDS = (UUID(int=520 + number) for number in range(4))
STATION, WATCHER, WEAVER, POTTER = (
    UUID(int=(0x0197 << 112) | (7 << 76) | (2 << 62) | (70 + number)) for number in range(4)
)
"""The station's manager, the residents' supervisor, and two who have a stall; all invented."""
STAFF = (STATION, WATCHER, WEAVER, POTTER)
RICE: dict[str, Any] = {"fund": "fund-relief", "sku": "rice_5kg", "qty": 10, "unit_value_fen": 3_000}
LAST_DAY = date(2026, 6, 30)


def receive_goods(**changes: Any) -> commands.ReceiveGoods:
    asked: dict[str, Any] = {
        "by": by(CLERK, Role.FUND_CLERK),
        "at": NOON,
        "lot_id": LOT,
        **RICE,
        "condition": "new",
        "expires_on": LAST_DAY,
        "entry_id": GOODS_ENTRY,
        "effective_date": TODAY,
    }
    return commands.ReceiveGoods(**asked | changes)


def allocate(**changes: Any) -> commands.AllocateGoods:
    asked: dict[str, Any] = {
        "by": by(STATION, Role.STATION_MANAGER),
        "at": NOON,
        "lot_id": LOT,
        "allocation_id": ALLOCATION,
        "qty": 4,
        "purpose": "hardship",
        "recipient_id": ANNA,
        "volunteer_id": BO,
        "people_known": True,
        "recipient_ref": RECIPIENT_REF,
        "recipient_commitment": DIGEST,
    }
    return commands.AllocateGoods(**asked | changes)


def deliver(**changes: Any) -> commands.DeliverGoods:
    asked: dict[str, Any] = {
        "by": by(BO, Role.VOLUNTEER),
        "at": NOON,
        "lot_id": LOT,
        "allocation_id": ALLOCATION,
        "entry_id": UUID(int=510),
        "voucher_sha256": (DIGEST,),
        "effective_date": TODAY,
    }
    return commands.DeliverGoods(**asked | changes)


def write_off(person: UUID = CLERK, **changes: Any) -> commands.WriteOffGoods:
    asked: dict[str, Any] = {
        "by": by(person, Role.SUPERVISOR),
        "at": NOON,
        "lot_id": LOT,
        "qty": 2,
        "reason_code": "damaged",
        "entry_id": UUID(int=511),
    }
    return commands.WriteOffGoods(**asked | changes)


def sell(**changes: Any) -> commands.SellGoods:
    asked: dict[str, Any] = {
        "by": by(CASHIER, Role.CASHIER),
        "at": NOON,
        "lot_id": LOT,
        "qty": 3,
        "price_fen": 5_000,
        "method": "cash",
        "entry_id": UUID(int=512),
        "voucher_sha256": (DIGEST,),
        "effective_date": TODAY,
        "received_by": str(CLERK),
    }
    return commands.SellGoods(**asked | changes)


def open_market(**changes: Any) -> commands.OpenMarket:
    asked: dict[str, Any] = {
        "by": by(STATION, Role.STATION_MANAGER),
        "at": NOON,
        "market_id": MARKET,
        "fund": "fund-public-good",
        "agreement_sha256": (DIGEST,),
        "stalls": (Stall(stall="weaving", volunteer_id=WEAVER), Stall(stall="pots", volunteer_id=POTTER)),
        "people_known": True,
    }
    return commands.OpenMarket(**asked | changes)


def record_sale(**changes: Any) -> commands.RecordSale:
    asked: dict[str, Any] = {
        "by": by(WEAVER, Role.VOLUNTEER),
        "at": NOON,
        "market_id": MARKET,
        "sale_id": SALE,
        "stall": "weaving",
        "sku": "scarf",
        "qty": 1,
        "amount_fen": 8_000,
        "method": "cash",
    }
    return commands.RecordSale(**asked | changes)


def void_sale(person: UUID = WEAVER, **changes: Any) -> commands.VoidSale:
    asked: dict[str, Any] = {
        "by": by(person, Role.VOLUNTEER),
        "at": NOON,
        "market_id": MARKET,
        "sale_id": SALE,
        "reason_code": "given_back",
    }
    return commands.VoidSale(**asked | changes)


def count(person: UUID = CASHIER, role: Role = Role.CASHIER, **changes: Any) -> commands.ReconcileMarket:
    asked: dict[str, Any] = {
        "by": by(person, role),
        "at": NOON,
        "market_id": MARKET,
        "counted_fen": 8_000,
        "deposit_due_at": NOON + timedelta(days=2),
    }
    return commands.ReconcileMarket(**asked | changes)


def witness(**changes: Any) -> commands.ReconcileMarket:
    return count(WATCHER, Role.SUPERVISOR, **changes)


def deposit(**changes: Any) -> commands.DepositProceeds:
    asked: dict[str, Any] = {
        "by": by(TELLER, Role.CASHIER),
        "at": NOON,
        "market_id": MARKET,
        "entry_id": PROCEEDS,
        "amount_fen": 8_000,
        "voucher_sha256": (DIGEST,),
        "effective_date": TODAY,
    }
    return commands.DepositProceeds(**asked | changes)


def disclose(person: UUID | None = CLERK, **changes: Any) -> commands.DiscloseMarket:
    asked: dict[str, Any] = {
        "by": SYSTEM if person is None else by(person, Role.FUND_CLERK),
        "at": NOON,
        "market_id": MARKET,
    }
    return commands.DiscloseMarket(**asked | changes)
