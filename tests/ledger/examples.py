"""Named samples: invented people, one gift, one credited service. Nobody here lives anywhere."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.command import SYSTEM, By, Channel, Refused, Role
from contracts.ledger import EntryPosted, HoursEntry
from services.ledger import commands

CLERK, CASHIER, TELLER, ANNA, BO = (UUID(int=(0x0197 << 112) | (7 << 76) | (2 << 62) | n) for n in range(1, 6))
"""Clerk and cashier of the fund, a second counter, Anna and Bo the volunteers; all invented."""
DONATION, DONOR, ENTRY, CLAIM, ORDER, ASSIGNMENT, EVENT = (UUID(int=100 + number) for number in range(7))
NOON = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)
"""12:00 in Shanghai."""
TODAY = date(2026, 3, 18)
DIGEST = "ab" * 32


def by(person: UUID | None, role: Role) -> By:
    return SYSTEM if person is None else By(actor_id=person, role=role, channel=Channel.WEB)


AS_CLERK, AS_CASHIER = by(CLERK, Role.FUND_CLERK), by(CASHIER, Role.CASHIER)


def pledge(**changes: Any) -> commands.PledgeDonation:
    asked: dict[str, Any] = {
        "by": AS_CLERK,
        "at": NOON,
        "donation_id": DONATION,
        "donor_ref": DONOR,
        "fund": "fund-relief",
        "amount_fen": 20_000,
        "anonymous": False,
        "donor_commitment": DIGEST,
    }
    return commands.PledgeDonation(**asked | changes)


def receive(**changes: Any) -> commands.ReceiveDonation:
    asked: dict[str, Any] = {
        "by": AS_CASHIER,
        "at": NOON,
        "donation_id": DONATION,
        "method": "bank_transfer",
        "amount_fen": 20_000,
        "counters_known": True,
        "effective_date": TODAY,
        "pledged_by": str(CLERK),
    }
    return commands.ReceiveDonation(**asked | changes)


def receive_pledged_goods(**changes: Any) -> commands.ReceivePledgedGoods:
    asked: dict[str, Any] = {
        "by": by(TELLER, Role.FUND_CLERK),
        "at": NOON,
        "donation_id": DONATION,
        "lot_id": UUID(int=500),
        "fund": "fund-relief",
        "sku": "rice_5kg",
        "amount_fen": 30_000,
        "effective_date": TODAY,
        "pledged_by": str(CLERK),
    }
    return commands.ReceivePledgedGoods(**asked | changes)


def receipt(**changes: Any) -> commands.ReceiptDonation:
    asked: dict[str, Any] = {
        "by": AS_CLERK,
        "at": NOON,
        "donation_id": DONATION,
        "receipt_no": "TJ-2026-000017",
        "received_by": str(CASHIER),
    }
    return commands.ReceiptDonation(**asked | changes)


def waive(**changes: Any) -> commands.WaiveReceipt:
    asked: dict[str, Any] = {
        "by": AS_CLERK,
        "at": NOON,
        "donation_id": DONATION,
        "reason_code": "donor_waived",
        "received_by": str(CASHIER),
    }
    return commands.WaiveReceipt(**asked | changes)


def refund(**changes: Any) -> commands.RefundDonation:
    """Signed by two, whatever the changes say."""
    asked: dict[str, Any] = {
        "by": AS_CASHIER,
        "at": NOON,
        "donation_id": DONATION,
        "amount_fen": 5_000,
        "reason_code": "donor_asked",
        "method": "bank_transfer",
        "entry_id": UUID(int=9_100),
        "community": "chaoyangli",
        "signatures": (),
        "hands": frozenset({str(CLERK), str(CASHIER)}),
        "voucher_sha256": (DIGEST,),
        "effective_date": TODAY,
    }
    return commands.RefundDonation(**asked | changes)


def served(minutes: int = 60, started_at: datetime = NOON, **changes: Any) -> HoursEntry:
    """An hour of Anna's, or what the changes say."""
    fields: dict[str, Any] = {
        "claim_id": CLAIM,
        "volunteer_id": ANNA,
        "order_id": ORDER,
        "assignment_id": ASSIGNMENT,
        "started_at": started_at,
        "finished_at": started_at + timedelta(minutes=minutes),
        "minutes": minutes,
        "grade": "A",
    }
    return HoursEntry(**fields | changes)


def post_hours(hours: HoursEntry | None = None, **changes: Any) -> commands.PostHours:
    asked: dict[str, Any] = {
        "by": SYSTEM,
        "at": NOON + timedelta(hours=2),
        "entry_id": ENTRY,
        "source_event_id": EVENT,
        "hours": hours or served(),
        "effective_date": TODAY,
    }
    return commands.PostHours(**asked | changes)


def post_donation(**changes: Any) -> commands.PostDonation:
    asked: dict[str, Any] = {
        "by": AS_CASHIER,
        "at": NOON,
        "entry_id": ENTRY,
        "donation_id": DONATION,
        "fund": "fund-relief",
        "method": "bank_transfer",
        "amount_fen": 20_000,
        "effective_date": TODAY,
        "donor_commitment": DIGEST,
    }
    return commands.PostDonation(**asked | changes)


def reverse(original: EntryPosted, **changes: Any) -> commands.ReverseEntry:
    asked: dict[str, Any] = {
        "by": SYSTEM,
        "at": NOON + timedelta(days=1),
        "book": original.book,
        "entry_id": UUID(int=original.entry_id.int + 1000),
        "original": original,
        "reason_code": "entered_twice",
        "effective_date": original.effective_date,
    }
    return commands.ReverseEntry(**asked | changes)


class Story:
    """given(commands that happened).when(command).then(events) or .refuses(command, code), on a decider's module."""

    def __init__(self, decider: Any, *happened: Any) -> None:
        self.decider = decider
        self.state = decider.initial()
        self.events: Sequence[Any] = ()
        for command in happened:
            self.when(command)

    def when(self, command: Any) -> "Story":
        self.events = self.decider.decide(command, self.state)
        for event in self.events:
            self.state = self.decider.evolve(self.state, event)
        return self

    def then(self, *types: str) -> Any:
        """The events are of these types; returns the last one."""
        assert [event.type for event in self.events] == list(types)
        return self.events[-1] if self.events else None

    def refuses(self, command: Any, reason_code: str) -> dict[str, Any]:
        """The command is refused with this code; returns the facts."""
        before = self.state
        with pytest.raises(Refused) as refused:
            self.decider.decide(command, self.state)
        assert refused.value.reason_code == reason_code
        assert self.state == before
        return refused.value.facts
