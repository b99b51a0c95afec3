"""Things given, markets and refunds, from the events alone: nothing leaves twice, nobody says both words.

domain.md §4.6–4.7; 慈善法 §37; 会计法 §25, §35. A refund's signatures are checked once more, with the confirmed keys.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from typing import Any
from uuid import UUID

from cli.audit.breaches import apart, at, person, snake
from contracts.envelope import Recorded
from services.ledger.decider.two_signatures import refund_facts
from services.ledger.signatures import DONATION_REFUND, is_signed, signed_text

_SHANGHAI = timezone(timedelta(hours=8))


@dataclass(slots=True)
class _Lot:
    """What is left of a lot."""

    received: Any = None
    left_qty: int = 0
    allocations: dict[UUID, Any] = field(default_factory=dict)
    first: Any = None


@dataclass(slots=True)
class _Market:
    """What was said of a market."""

    opened: Any = None
    sales: dict[UUID, Any] = field(default_factory=dict)
    voids: dict[UUID, UUID] = field(default_factory=dict)
    first: Any = None
    settled: Any = None
    deposited_fen: int = 0

    @property
    def stalls(self) -> dict[str, UUID]:
        """Stall → who answers for it."""
        return {one.stall: one.volunteer_id for one in self.opened.stalls}

    @property
    def sales_fen(self) -> int:
        """What the stalls wrote down and did not void."""
        return sum(sale.amount_fen for sale in self.sales.values())


@dataclass(slots=True)
class _Gift:
    """What came and went back of a gift."""

    received: Any = None
    hands: set[UUID | None] = field(default_factory=set)
    refunded_fen: int = 0


class Goods:
    """Follows every lot, every market and what went back of every gift."""

    def __init__(self) -> None:
        self._lots: dict[UUID, _Lot] = {}
        self._markets: dict[UUID, _Market] = {}
        self._gifts: dict[UUID, _Gift] = {}
        self._keys: dict[str, tuple[UUID, str]] = {}
        self._in_force: set[str] = set()

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """Compare what is done with what was said before."""
        if recorded.service != "ledger":
            return
        rule = getattr(self, f"_on_{snake(recorded.type)}", None)
        if rule is not None:
            yield from rule(recorded, recorded.event)

    def end(self) -> Iterator[str]:
        """Nothing is owed at the end but what deadlines say."""
        yield from ()

    # things given

    def _lot(self, event: Any) -> _Lot:
        return self._lots.setdefault(event.lot_id, _Lot())

    def _on_in_kind_received(self, recorded: Recorded, event: Any) -> Iterator[str]:
        lot = self._lot(event)
        if lot.received is not None:
            yield at(recorded, "the lot was taken in before")
        if event.value_fen != event.qty * event.unit_value_fen:
            yield at(recorded, "its value is not that of its pieces")
        lot.received, lot.left_qty = event, event.qty

    def _fresh(self, recorded: Recorded, lot: _Lot, moment: Any) -> Iterator[str]:
        until = None if lot.received is None else lot.received.expires_on
        if until is not None and moment.astimezone(_SHANGHAI).date() > until:
            yield at(recorded, "the things were past their day")

    def _leaves(self, recorded: Recorded, lot: _Lot, event: Any) -> Iterator[str]:
        if lot.received is None:
            yield at(recorded, "nobody took the lot in")
        elif event.value_fen != event.qty * lot.received.unit_value_fen:
            yield at(recorded, "its value is not that of its pieces")
        lot.left_qty -= event.qty
        if lot.left_qty < sum(one.qty for one in lot.allocations.values()):
            yield at(recorded, "more left than was there and free")

    def _on_in_kind_allocated(self, recorded: Recorded, event: Any) -> Iterator[str]:
        lot = self._lot(event)
        yield from self._fresh(recorded, lot, event.allocated_at)
        yield from apart(recorded, who=event.volunteer_id, others=[person(recorded)], what="who set it aside brings it")
        if event.replaces is not None:
            lot.allocations.pop(event.replaces, None)
        lot.allocations[event.allocation_id] = event
        if lot.left_qty < sum(one.qty for one in lot.allocations.values()):
            yield at(recorded, "more was set aside than is there")

    def _on_in_kind_delivered(self, recorded: Recorded, event: Any) -> Iterator[str]:
        lot = self._lot(event)
        yield from self._fresh(recorded, lot, event.delivered_at)
        allocation = lot.allocations.pop(event.allocation_id, None)
        if allocation is None or allocation.qty != event.qty:
            yield at(recorded, "it was not set aside")
        elif allocation.volunteer_id != person(recorded):
            yield at(recorded, "somebody else brought it than was named")
        yield from self._leaves(recorded, lot, event)

    def _on_in_kind_sold(self, recorded: Recorded, event: Any) -> Iterator[str]:
        lot = self._lot(event)
        yield from self._fresh(recorded, lot, event.sold_at)
        yield from self._leaves(recorded, lot, event)

    def _on_in_kind_written_off(self, recorded: Recorded, event: Any) -> Iterator[str]:
        lot = self._lot(event)
        if event.step == 1:
            lot.first = event
            return
        first = lot.first
        if first is None or (first.qty, first.reason_code) != (event.qty, event.reason_code):
            yield at(recorded, "nobody said so first")
        else:
            others = [first.written_off_by]
            yield from apart(recorded, who=event.written_off_by, others=others, what="one person wrote it off")
        for allocation_id in event.allocations_voided:
            lot.allocations.pop(allocation_id, None)
        lot.first = None
        yield from self._leaves(recorded, lot, event)

    # markets

    def _market(self, event: Any) -> _Market:
        return self._markets.setdefault(event.market_id, _Market())

    def _on_market_session_opened(self, recorded: Recorded, event: Any) -> Iterator[str]:
        market = self._market(event)
        if market.opened is not None:
            yield at(recorded, "the market was opened before")
        market.opened = event

    def _on_sale_recorded(self, recorded: Recorded, event: Any) -> Iterator[str]:
        market = self._market(event)
        if market.stalls.get(event.stall) != person(recorded):
            yield at(recorded, "somebody else sold than has the stall")
        if market.first is not None:
            yield at(recorded, "it was sold after the count")
        market.sales[event.sale_id] = event

    def _on_sale_voided(self, recorded: Recorded, event: Any) -> Iterator[str]:
        market = self._market(event)
        if event.step == 1:
            if market.stalls.get(event.stall) != event.voided_by:
                yield at(recorded, "the stall itself did not say so")
            market.voids[event.sale_id] = event.voided_by
            return
        first = market.voids.get(event.sale_id)
        if first is None or market.sales.pop(event.sale_id, None) is None:
            yield at(recorded, "the stall did not say so, or the sale does not stand")
        yield from apart(recorded, who=event.voided_by, others=[first], what="one person voided it alone")

    def _on_market_reconciled(self, recorded: Recorded, event: Any) -> Iterator[str]:
        market = self._market(event)
        if (event.sales, event.sales_fen) != (len(market.sales), market.sales_fen):
            yield at(recorded, "the sales are not those that were written down")
        if event.variance_fen != event.counted_fen - event.sales_fen:
            yield at(recorded, "the difference is not the difference")
        if event.variance_fen and event.note_commitment is None:
            yield at(recorded, "a difference has no note")
        stalls = market.stalls.values()
        for who in (event.counted_by, event.witnessed_by):
            yield from apart(recorded, who=who, others=stalls, what="a stall counted the money")
        if event.step == 1:
            market.first = event
            return
        if market.first is None or market.first.counted_fen != event.counted_fen:
            yield at(recorded, "the two did not count the same")
        others = [event.counted_by]
        yield from apart(recorded, who=event.witnessed_by, others=others, what="one person counted twice")
        market.settled = event

    def _on_proceeds_deposited(self, recorded: Recorded, event: Any) -> Iterator[str]:
        market = self._market(event)
        if market.settled is None or market.settled.counted_fen != event.amount_fen:
            yield at(recorded, "it is not what two people counted")
        else:
            others = [market.settled.witnessed_by]
            yield from apart(recorded, who=person(recorded), others=others, what="the witness paid it in")
        if market.deposited_fen:
            yield at(recorded, "it was paid in twice")
        if market.opened is None or market.opened.fund != event.fund:
            yield at(recorded, "it went to another fund than the agreements name")
        market.deposited_fen += event.amount_fen

    def _on_market_disclosed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        market = self._market(event)
        shown = (event.sales_fen, event.deposited_fen)
        if shown != (market.sales_fen, market.deposited_fen):
            yield at(recorded, "what was disclosed is not what was recorded")

    # money that goes back

    def _gift(self, event: Any) -> _Gift:
        return self._gifts.setdefault(event.donation_id, _Gift())

    def _on_signing_key_registered(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._keys[event.key_id] = (event.person_id, event.public_key)
        yield from ()

    def _on_signing_key_confirmed(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._in_force.add(event.key_id)
        yield from ()

    def _on_signing_key_revoked(self, _recorded: Recorded, event: Any) -> Iterator[str]:
        self._in_force.discard(event.key_id)
        yield from ()

    def _on_donation_pledged(self, recorded: Recorded, event: Any) -> Iterator[str]:
        self._gift(event).hands.add(person(recorded))
        yield from ()

    def _on_donation_received(self, recorded: Recorded, event: Any) -> Iterator[str]:
        gift = self._gift(event)
        gift.hands.add(person(recorded))
        gift.received = event
        yield from ()

    def _on_donation_refunded(self, recorded: Recorded, event: Any) -> Iterator[str]:
        gift = self._gift(event)
        signers = [self._keys.get(one.key_id, (None, ""))[0] for one in event.approvals]
        yield from self._signers(recorded, event.approvals, signers, {*gift.hands, person(recorded)})
        if event.method is not None and gift.received is not None:
            facts = refund_facts(
                event.donation_id,
                event.fund,
                gift.received.purpose,
                event.amount_fen,
                gift.refunded_fen,
                event.reason_code,
            )
            for one in event.approvals:
                owner, key = self._keys.get(one.key_id, (None, ""))
                text = None if owner is None else signed_text(DONATION_REFUND, recorded.community, facts, owner)
                if text is None or not is_signed(key, text, one.sig):
                    yield at(recorded, "a signature is not over this refund")
        gift.refunded_fen += event.amount_fen
        if gift.received is None or gift.refunded_fen > gift.received.amount_fen:
            yield at(recorded, "more went back than came")

    def _signers(
        self, recorded: Recorded, approvals: Any, signers: list[UUID | None], others: Iterable[UUID | None]
    ) -> Iterator[str]:
        if len(set(signers)) < 2 or None in signers:
            yield at(recorded, "two people did not sign it")
        if any(one.key_id not in self._in_force for one in approvals):
            yield at(recorded, "a key was not in force")
        for signer in signers:
            yield from apart(recorded, who=signer, others=others, what="who signed has another hand in it")

    def _on_entry_reversed(self, recorded: Recorded, event: Any) -> Iterator[str]:
        # Of aid, the case holds both signatures; the entry, too, but for those of before that hold the second alone.
        if event.book == "fund" and event.case_id is None:
            signers = [self._keys.get(one.key_id, (None, ""))[0] for one in event.approvals]
            yield from self._signers(recorded, event.approvals, signers, [person(recorded)])
            if event.explanation_commitment is None:
                yield at(recorded, "a correction has no public words")
