"""A market: sold by stalls, voided and counted by two people each, paid in at the bank, disclosed (domain.md §4.6–4.7).

Donation agreements come before anything is sold, and what was earned is made public afterwards (慈善法 §37). Nobody
says the second word to their own first one, and no stall counts its market's money (会计法 §25, §35).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import assert_never
from uuid import UUID

from contracts.command import Refused, Role
from contracts.ledger import (
    MarketDisclosed,
    MarketEvent,
    MarketReconciled,
    MarketSessionOpened,
    MarketState,
    ProceedsDeposited,
    SaleRecorded,
    SaleVoided,
)
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import (
    AnyMarketCommand,
    DepositProceeds,
    DiscloseMarket,
    MarketCommand,
    OpenMarket,
    ReconcileMarket,
    RecordSale,
    VoidSale,
    day_of,
)
from services.ledger.decider.market_table import require_turn

S = MarketState


@dataclass(frozen=True, slots=True)
class Market:
    """What the rules need to know of a market."""

    state: MarketState | None = None
    """None: nobody opened it."""
    opened: MarketSessionOpened | None = None
    sales: Mapping[UUID, SaleRecorded] = field(default_factory=lambda: MappingProxyType({}))
    """Those that stand."""
    voids: Mapping[UUID, SaleVoided] = field(default_factory=lambda: MappingProxyType({}))
    """First words that a sale is none, waiting for a witness."""
    voided: frozenset[UUID] = frozenset()
    counted: MarketReconciled | None = None
    """The last count; settled when it is of step 2."""
    deposited_fen: int = 0
    disclose_at: datetime | None = None
    """By when it is disclosed (again)."""

    @property
    def sales_fen(self) -> int:
        """What the stalls took by their own word."""
        return sum(sale.amount_fen for sale in self.sales.values())

    @property
    def stalls(self) -> Mapping[str, UUID]:
        """Stall → who answers for it."""
        assert self.opened is not None
        return {one.stall: one.volunteer_id for one in self.opened.stalls}

    @property
    def is_paid_in(self) -> bool:
        """Whether everything that two people counted is at the bank."""
        settled = self.counted is not None and self.counted.step == 2
        return self.state is S.DEPOSITED or (settled and self.counted is not None and self.counted.counted_fen == 0)


Events = Sequence[MarketEvent]


def initial() -> Market:
    """A market that nobody opened."""
    return Market()


def decide(command: AnyMarketCommand, market: Market) -> Events:
    """The events that a command comes to. Raises Refused."""
    require_turn(command, market.state)
    match command:
        case OpenMarket():
            return _open(command)
        case RecordSale():
            return _sell(command, market)
        case VoidSale():
            return _void(command, market)
        case ReconcileMarket():
            return _reconcile(command, market)
        case DepositProceeds():
            return _deposit(command, market)
        case DiscloseMarket():
            return _disclose(command, market)
        case _:
            assert_never(command)


def _person(command: MarketCommand) -> UUID:
    if command.by.actor_id is None:
        raise Refused("person_needed")
    return command.by.actor_id


def _fund(market: Market) -> str:
    assert market.opened is not None
    return market.opened.fund


def _open(command: OpenMarket) -> Events:
    chart().fund(command.fund)
    if not command.people_known:
        raise Refused("person_unknown")
    opened = MarketSessionOpened(
        market_id=command.market_id,
        role=command.by.role,
        state=S.OPEN,
        fund=command.fund,
        agreement_sha256=command.agreement_sha256,
        stalls=command.stalls,
        due_at=command.at + timedelta(days=command.policy.market_disclose_days),
        opened_at=command.at,
    )
    return [opened]


def _sell(command: RecordSale, market: Market) -> Events:
    if market.stalls.get(command.stall) != command.by.actor_id:
        raise Refused("not_your_stall", stall=command.stall)
    sold = SaleRecorded(
        market_id=command.market_id,
        role=command.by.role,
        state=S.OPEN,
        fund=_fund(market),
        sale_id=command.sale_id,
        stall=command.stall,
        sku=command.sku,
        qty=command.qty,
        amount_fen=command.amount_fen,
        method=command.method,
        sold_at=command.at,
    )
    return [sold]


def _void(command: VoidSale, market: Market) -> Events:
    if command.sale_id in market.voided:
        raise Refused("voided_already")
    sale = market.sales.get(command.sale_id)
    if sale is None:
        raise Refused("sale_unknown")
    person, first = _person(command), market.voids.get(command.sale_id)
    if first is None and market.stalls[sale.stall] != person:
        raise Refused("not_your_stall", stall=sale.stall)
    if first is not None and first.voided_by == person:
        raise Refused("witness_needed")
    if first is not None and first.reason_code != command.reason_code:
        raise Refused("reason_differs", reason=first.reason_code)
    voided = SaleVoided(
        market_id=command.market_id,
        role=command.by.role,
        state=S.OPEN,
        fund=_fund(market),
        sale_id=command.sale_id,
        stall=sale.stall,
        amount_fen=sale.amount_fen,
        step=1 if first is None else 2,
        voided_by=person,
        reason_code=command.reason_code,
        voided_at=command.at,
    )
    return [voided]


def _reconcile(command: ReconcileMarket, market: Market) -> Events:
    person, first = _person(command), market.counted
    if person in market.stalls.values():
        raise Refused("stall_counts_not")
    witness = command.by.role is Role.SUPERVISOR
    if witness and first is None:
        raise Refused("count_first")
    if witness and first is not None and first.counted_by == person:
        raise Refused("witness_needed")
    if witness and first is not None and first.counted_fen != command.counted_fen:
        # Not how much the first one counted: the second count is made, not copied.
        raise Refused("count_differs")
    variance_fen = command.counted_fen - market.sales_fen
    if not witness and variance_fen and command.note_commitment is None:
        raise Refused("note_needed", variance_fen=variance_fen)
    note = first if witness and first is not None else command
    reconciled = MarketReconciled(
        market_id=command.market_id,
        role=command.by.role,
        state=S.RECONCILED if witness else S.COUNTED,
        fund=_fund(market),
        step=2 if witness else 1,
        counted_by=first.counted_by if witness and first is not None else person,
        witnessed_by=person if witness else None,
        sales=len(market.sales),
        sales_fen=market.sales_fen,
        counted_fen=command.counted_fen,
        variance_fen=variance_fen,
        note_ref=note.note_ref,
        note_commitment=note.note_commitment,
        due_at=command.deposit_due_at if witness else None,
        reconciled_at=command.at,
    )
    return [reconciled]


def _deposit(command: DepositProceeds, market: Market) -> Events:
    counted = market.counted
    assert counted is not None
    assert counted.due_at is not None
    if counted.witnessed_by == command.by.actor_id:
        raise Refused("same_hands", other="witness")
    if counted.counted_fen == 0:
        raise Refused("nothing_to_deposit")
    if command.amount_fen != counted.counted_fen:
        raise Refused("count_differs")
    earliest, latest = day_of(counted.reconciled_at), day_of(command.at)
    if not earliest <= command.effective_date <= latest:
        raise Refused("day_impossible", earliest=earliest.isoformat(), latest=latest.isoformat())
    deposited = ProceedsDeposited(
        market_id=command.market_id,
        role=command.by.role,
        state=S.DEPOSITED,
        fund=_fund(market),
        amount_fen=counted.counted_fen,
        entry_id=command.entry_id,
        voucher_sha256=command.voucher_sha256,
        effective_date=command.effective_date,
        due_at=counted.due_at,
        deposited_at=command.at,
    )
    return [deposited]


def _disclose(command: DiscloseMarket, market: Market) -> Events:
    by_timer = command.by.role is Role.SYSTEM
    if by_timer and (market.disclose_at is None or command.at < market.disclose_at):
        return []
    if not by_timer and not market.is_paid_in:
        # Until then it is the deadline's to show what is there: a person does not disclose half a market.
        raise Refused("not_paid_in")
    assert market.opened is not None
    assert market.state is not None
    settled = market.counted if market.counted is not None and market.counted.step == 2 else None
    disclosed = MarketDisclosed(
        market_id=command.market_id,
        role=command.by.role,
        state=S.DISCLOSED if market.is_paid_in else market.state,
        fund=_fund(market),
        sales=len(market.sales),
        sales_fen=market.sales_fen,
        counted_fen=None if settled is None else settled.counted_fen,
        variance_fen=None if settled is None else settled.variance_fen,
        deposited_fen=market.deposited_fen,
        complete=market.is_paid_in,
        agreement_sha256=market.opened.agreement_sha256,
        disclosed_at=command.at,
    )
    return [disclosed]


def evolve(market: Market, event: MarketEvent) -> Market:
    """The market after an event."""
    after = replace(market, state=event.state)
    match event:
        case MarketSessionOpened():
            return replace(after, opened=event, disclose_at=event.due_at)
        case SaleRecorded():
            return replace(after, sales=MappingProxyType({**market.sales, event.sale_id: event}))
        case SaleVoided():
            if event.step == 1:
                return replace(after, voids=MappingProxyType({**market.voids, event.sale_id: event}))
            left = {sale_id: sale for sale_id, sale in market.sales.items() if sale_id != event.sale_id}
            return replace(after, sales=MappingProxyType(left), voided=market.voided | {event.sale_id})
        case MarketReconciled():
            # Disclosed before it was settled, and nothing to pay in: then it is disclosed again, at once.
            again = market.disclose_at is None and event.step == 2 and event.counted_fen == 0
            return replace(after, counted=event, disclose_at=event.reconciled_at if again else market.disclose_at)
        case ProceedsDeposited():
            # Disclosed before it was paid in: then it is disclosed again, at once.
            due = event.deposited_at if market.disclose_at is None else market.disclose_at
            return replace(after, deposited_fen=event.amount_fen, disclose_at=due)
        case MarketDisclosed():
            return replace(after, disclose_at=None)
        case _:
            assert_never(event)
