"""The fold of the ledger's own log into its tables."""

from collections.abc import Iterable
from typing import Any, ClassVar

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.ledger import (
    AidFact,
    BankFact,
    DonationFact,
    DonationPledged,
    DonationReceipted,
    DonationReceived,
    DonationRefunded,
    EntryPosted,
    EntryRefused,
    EntryReversed,
    HoldPlaced,
    HoldReleased,
    HoursEntry,
    InKindFact,
    MarketFact,
    PeriodClosed,
    ReceiptWaived,
    ReviewFact,
    SigningKeyFact,
    StatementFact,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows
from services.ledger.commands import day_of
from services.ledger.posting_rules import fund_changes, hold_parts, pot_changes
from services.ledger.read_models import bank, goods, markets, oversight
from services.ledger.read_models import tables as t
from services.ledger.read_models.aid import apply_aid, apply_key
from services.ledger.read_models.statements import apply_statement


class LedgerModel(ReadModel):
    """Entries with their postings, balances, posted intervals, refusals and gifts."""

    source: ClassVar[str] = "ledger"
    metadata: ClassVar[sa.MetaData] = t.metadata
    version: ClassVar[int] = 10
    ddl: ClassVar[tuple[str, ...]] = t.DDL

    def needs(self, recorded: Recorded) -> Iterable[tuple[sa.Table, Any]]:
        """The counter of the book and the balances of the funds: their CHECKs must see the sum, not a change."""
        event = recorded.event
        if isinstance(event, EntryPosted | EntryReversed | PeriodClosed):
            yield t.books, event.book
        if isinstance(event, EntryPosted | EntryReversed):
            for fund in fund_changes(event.postings):
                yield t.fund_balances, fund
            for pot in pot_changes(event.postings):
                yield t.fund_pots, pot
        elif isinstance(event, HoldPlaced | HoldReleased):
            for name in hold_parts(event):
                yield t.fund_pots, (event.fund, name)
        elif isinstance(event, DonationRefunded):
            yield t.donations, event.donation_id
        elif isinstance(event, InKindFact):
            yield from goods.needed(event)
        elif isinstance(event, MarketFact):
            yield from markets.needed(event)
        elif isinstance(event, BankFact):
            yield from bank.needed(event)

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the module."""
        match recorded.event:
            case EntryPosted() as event:
                _entry(recorded, event, rows)
                if event.hours is not None:
                    _interval(event, event.hours, rows)
            case EntryReversed() as event:
                _entry(recorded, event, rows)
                rows.update(t.entries, event.reverses, reversed_by=event.entry_id)
                rows.update(
                    t.hours_intervals,
                    event.reverses,
                    standing=False,
                    standing_claim_id=None,
                    standing_assignment_id=None,
                )
            case EntryRefused() as event:
                _refusal(recorded, event, rows)
            case HoldPlaced() | HoldReleased() as event:
                _hold(event, rows)
            case PeriodClosed() as event:
                _period(event, rows)
            case AidFact() as event:
                apply_aid(recorded, event, rows)
                oversight.watch_aid(event, rows)
            case SigningKeyFact() as event:
                apply_key(event, rows)
            case InKindFact() as event:
                goods.apply_goods(recorded, event, rows)
            case MarketFact() as event:
                markets.apply_market(recorded, event, rows)
            case StatementFact() as event:
                apply_statement(recorded, event, rows)
            case ReviewFact() as event:
                oversight.apply_review(event, rows)
            case BankFact() as event:
                bank.apply_bank(recorded, event, rows)
            case DonationFact():
                _donation(recorded, rows)
            case _:
                pass  # a reader shows what it knows and ignores the rest


def _entry(recorded: Recorded, event: EntryPosted | EntryReversed, rows: Rows) -> None:
    hours = event.hours
    rows.insert(
        t.entries,
        entry_id=event.entry_id,
        book=event.book,
        entry_no=event.entry_no,
        kind=event.kind,
        effective_date=event.effective_date,
        booked_on=day_of(event.reversed_at if isinstance(event, EntryReversed) else event.posted_at),
        recorded_at=recorded.recorded_at,
        position=recorded.position,
        event_id=recorded.event_id,
        source_event_id=event.source_event_id,
        donation_id=event.donation_id,
        case_id=event.case_id,
        lot_id=event.lot_id,
        market_id=event.market_id,
        volunteer_id=None if hours is None else hours.volunteer_id,
        claim_id=None if hours is None else hours.claim_id,
        order_id=None if hours is None else hours.order_id,
        grade=None if hours is None else hours.grade,
        reason_code=event.reason_code,
        reverses=event.reverses if isinstance(event, EntryReversed) else None,
        replaces=event.reverses if isinstance(event, EntryPosted) else None,
        explanation_ref=event.explanation_ref if isinstance(event, EntryReversed) else None,
    )
    book = rows.get(t.books, event.book)
    count = 1 if book is None else book["entries"] + 1
    rows.upsert(t.books, book=event.book, entries=count, last_entry_no=event.entry_no)
    for line, posting in enumerate(event.postings, 1):
        fund = posting.fund or t.NO_FUND
        rows.insert(
            t.postings,
            entry_id=event.entry_id,
            line=line,
            book=event.book,
            account=posting.account,
            fund=fund,
            amount=posting.amount,
            unit=posting.unit,
            position=recorded.position,
            effective_date=event.effective_date,
        )
        rows.upsert(t.balances, account=posting.account, fund=fund, unit=posting.unit, book=event.book)
        key = (posting.account, fund, posting.unit)
        rows.add(t.balances, key, debit=max(posting.amount, 0), credit=max(-posting.amount, 0))
    for fund, change in fund_changes(event.postings).items():
        balance = rows.get(t.fund_balances, fund)
        before = 0 if balance is None else balance["balance_fen"]
        rows.upsert(t.fund_balances, fund=fund, balance_fen=before + change)
    for (fund, name), change in pot_changes(event.postings).items():
        _pot(fund, name, rows, balance_fen=change)


def _period(event: PeriodClosed, rows: Rows) -> None:
    book = rows.get(t.books, event.book) or {"entries": 0, "last_entry_no": 0}
    closed = {"closing": event.period} if event.step == 1 else {"closing": None, "closed_through": event.closed_through}
    rows.upsert(t.books, book=event.book, entries=book["entries"], last_entry_no=book["last_entry_no"], **closed)


def _pot(fund: str, name: str, rows: Rows, *, balance_fen: int = 0, held_fen: int = 0) -> None:
    pot = rows.get(t.fund_pots, (fund, name)) or {"balance_fen": 0, "held_fen": 0}
    rows.upsert(
        t.fund_pots,
        fund=fund,
        pot=name,
        balance_fen=pot["balance_fen"] + balance_fen,
        held_fen=pot["held_fen"] + held_fen,
    )


def _hold(event: HoldPlaced | HoldReleased, rows: Rows) -> None:
    placed = isinstance(event, HoldPlaced)
    for name, amount_fen in hold_parts(event).items():
        _pot(event.fund, name, rows, held_fen=amount_fen if placed else -amount_fen)
    if isinstance(event, HoldPlaced):
        rows.insert(
            t.holds,
            hold_id=event.hold_id,
            case_id=event.case_id,
            fund=event.fund,
            purpose=event.purpose,
            amount_fen=event.amount_fen,
            restricted_fen=event.restricted_fen,
            placed_at=event.placed_at,
            live_case_id=event.case_id,
        )
    else:
        rows.update(t.holds, event.hold_id, released_at=event.released_at, cause=event.cause, live_case_id=None)


def _interval(event: EntryPosted, hours: HoursEntry, rows: Rows) -> None:
    rows.insert(
        t.hours_intervals,
        entry_id=event.entry_id,
        volunteer_id=hours.volunteer_id,
        started_at=hours.started_at,
        finished_at=hours.finished_at,
        minutes=hours.minutes,
        grade=hours.grade,
        standing=True,
        standing_claim_id=hours.claim_id,
        standing_assignment_id=hours.assignment_id,
    )


def _refusal(recorded: Recorded, event: EntryRefused, rows: Rows) -> None:
    rows.insert(
        t.refusals,
        event_id=recorded.event_id,
        book=event.book,
        source_event_id=event.source_event_id,
        reason_code=event.reason_code,
        claim_id=event.claim_id,
        volunteer_id=event.volunteer_id,
        conflicts_with=event.conflicts_with,
        refused_at=event.refused_at,
        position=recorded.position,
    )


def _donation(recorded: Recorded, rows: Rows) -> None:
    match recorded.event:
        case DonationPledged() as event:
            rows.insert(
                t.donations,
                donation_id=event.donation_id,
                donor_ref=event.donor_ref,
                state="PLEDGED",
                fund=event.fund,
                purpose=event.purpose,
                amount_fen=event.amount_fen,
                goods_sku=None if event.goods is None else event.goods.sku,
                goods_qty=None if event.goods is None else event.goods.qty,
                anonymous=event.anonymous,
                donor_commitment=event.donor_commitment,
                pledged_at=event.pledged_at,
                pledged_by=recorded.actor,
            )
        case DonationReceived() as event:
            rows.update(
                t.donations,
                event.donation_id,
                state="RECEIVED",
                amount_fen=event.amount_fen,
                method=event.method,
                lot_id=event.lot_id,
                effective_date=event.effective_date,
                due_at=event.due_at,
                received_at=event.received_at,
                received_by=recorded.actor,
            )
        case DonationReceipted() as event:
            rows.update(
                t.donations,
                event.donation_id,
                state="RECEIPTED",
                receipt_no=event.receipt_no,
                due_at=None,
                settled_at=event.receipted_at,
            )
        case DonationRefunded() as event:
            before = rows.get(t.donations, event.donation_id)
            rows.update(t.donations, event.donation_id, refunded_fen=event.refunded_fen)
            if before is not None and before["amount_fen"] == event.refunded_fen:
                ended = {"state": "REFUNDED", "due_at": None, "settled_at": event.refunded_at}
                rows.update(t.donations, event.donation_id, **ended)
        case ReceiptWaived() as event:
            rows.update(
                t.donations,
                event.donation_id,
                state="WAIVED",
                reason_code=event.reason_code,
                due_at=None,
                settled_at=event.waived_at,
            )
        case _:
            pass
