"""The lifecycle of a market as data: state × command → taken, or refused.

The tests walk every cell, and services/ledger/README.md is drawn from it.
"""

from contracts.command import Refused
from contracts.ledger import MarketState
from services.ledger.commands import (
    DepositProceeds,
    DiscloseMarket,
    MarketCommand,
    OpenMarket,
    ReconcileMarket,
    RecordSale,
    VoidSale,
)

S = MarketState

TAKEN: dict[type[MarketCommand], tuple[MarketState | None, ...]] = {
    OpenMarket: (None,),
    RecordSale: (S.OPEN,),
    VoidSale: (S.OPEN,),
    ReconcileMarket: (S.OPEN, S.COUNTED),
    DepositProceeds: (S.RECONCILED,),
    DiscloseMarket: (S.OPEN, S.COUNTED, S.RECONCILED, S.DEPOSITED),
}
"""Command → the states that take it."""
CHINESE: dict[type[MarketCommand], str] = {
    OpenMarket: "开市",
    RecordSale: "登记销售",
    VoidSale: "作废销售",
    ReconcileMarket: "清点对账",
    DepositProceeds: "缴存",
    DiscloseMarket: "公示",
}
LEADS_TO: dict[type[MarketCommand], dict[MarketState | None, tuple[MarketState, ...]]] = {
    OpenMarket: {None: (S.OPEN,)},
    RecordSale: {S.OPEN: (S.OPEN,)},
    VoidSale: {S.OPEN: (S.OPEN,)},
    ReconcileMarket: {S.OPEN: (S.COUNTED,), S.COUNTED: (S.COUNTED, S.RECONCILED)},
    DepositProceeds: {S.RECONCILED: (S.DEPOSITED,)},
    DiscloseMarket: {
        S.OPEN: (S.OPEN,),
        S.COUNTED: (S.COUNTED,),
        S.RECONCILED: (S.RECONCILED, S.DISCLOSED),
        S.DEPOSITED: (S.DISCLOSED,),
    },
}
"""Command → where it may lead from each state that takes it."""


def require_turn(command: MarketCommand, state: MarketState | None) -> None:
    """Raise Refused unless the market is where this command may come."""
    if state in TAKEN[type(command)]:
        return
    if isinstance(command, OpenMarket):
        raise Refused("market_opened_already")
    if state is None:
        raise Refused("market_unknown")
    raise Refused("market_elsewhere", state=state.value)
