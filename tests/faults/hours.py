"""What became of every service: claimed, confirmed, and credited once, or not credited for a reason that holds.

A machine that is slow makes services long, late or short in business time, and volunteers rightly holds or rejects such
hours. Each such end is held against the figures of the events and of the policy (domain.md §4.4): none is believed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from contracts import ledger, orders, volunteers
from contracts.envelope import Recorded
from services.volunteers.commands.words import HoursPolicy
from services.volunteers.decider.hours import DAY_TOTAL, ENTRY_TOO_LONG, ONE_PERSON, OVERLAP, TOO_SHORT
from tests.faults.findings import Doubled, Logs, Lost, same

POLICY = HoursPolicy()
"""The figures as shipped: no load adopts others."""


def hours_once(logs: Logs) -> Iterator[str]:
    """A finished service is claimed once; a confirmed one comes to one end, for a reason; a credit is posted once."""
    yield from same(
        "services finished and hours claimed",
        [one.event.assignment_id for one in logs["orders"] if isinstance(one.event, orders.ServiceFinished)],
        [one.event.assignment_id for one in logs["volunteers"] if isinstance(one.event, volunteers.HoursClaimed)],
    )
    claims = Claims(logs["orders"])
    for one in logs["volunteers"]:
        yield from claims.hear(one.event)
    yield from claims.end()
    yield from same(
        "hours logged and entries posted",
        [one.event_id for one in logs["volunteers"] if isinstance(one.event, volunteers.HoursLogged)],
        [
            one.event.source_event_id
            for one in logs["ledger"]
            if isinstance(one.event, ledger.EntryPosted) and one.event.book == "hours"
        ],
    )
    refused = [one.type for one in logs["ledger"] if isinstance(one.event, ledger.EntryRefused)]
    if refused:
        yield f"the ledger refused {len(refused)} entries"


@dataclass(slots=True)
class _Claim:
    claimed: volunteers.HoursClaimed
    presumed: bool = False
    approved: bool = False
    held: bool = False
    ends: list[str] = field(default_factory=list)
    """`logged` or `rejected`; a held claim has no end so far."""


class Claims:
    """Follows the claims of the loads, which know neither disputes nor entries by hand."""

    def __init__(self, of_orders: Any) -> None:
        self.confirmed: Counter[UUID] = Counter()
        self.closed: set[UUID] = set()
        """Assignments that ended by themselves: nobody knows their minutes, and nothing is claimed (domain.md §4.4)."""
        self.hands: dict[UUID, set[str]] = defaultdict(set)
        """Order → the people who had a hand in it."""
        self.claims: dict[UUID, _Claim] = {}
        self.days: Counter[tuple[UUID, date]] = Counter()
        self.times: dict[UUID, list[tuple[datetime, datetime]]] = defaultdict(list)
        for one in of_orders:
            self._hear_order(one)

    def _hear_order(self, one: Recorded) -> None:
        match one.event:
            case orders.CompletionConfirmed() | orders.CompletionPresumed() as event:
                self.confirmed.update(staffing.assignment_id for staffing in event.assignments)
            case orders.ServiceAutoClosed() as event:
                self.closed.add(event.assignment_id)
            case _:
                pass  # says nothing of how a service ended
        if one.actor not in {None, "system"} and isinstance(one.event, orders.OrderFact):
            self.hands[one.event.order_id].add(str(one.actor))

    def hear(self, event: Any) -> Iterator[str]:
        """Take an event of volunteers down; what is wrong with it."""
        if isinstance(event, volunteers.HoursClaimed):
            self.claims[event.claim_id] = _Claim(event)
            return
        claim_id = getattr(event, "claim_id", None)
        if claim_id not in self.claims:
            return
        claim = self.claims[claim_id]
        match event:
            case volunteers.HoursConfirmed():
                claim.presumed = event.presumed
            case volunteers.HoursApproved():
                claim.approved = True
            case volunteers.HoursHeld():
                claim.held = True
                if not self._bears_out(event, claim):
                    yield f"{_named(claim)} is held for {event.reason_code}, which its figures do not say: {event}"
            case volunteers.HoursRejected():
                claim.ends.append("rejected")
                if event.reason_code != TOO_SHORT or claim.claimed.minutes >= POLICY.entry_minutes_min:
                    yield f"{_named(claim)} of {claim.claimed.minutes} minutes is rejected for {event.reason_code}"
            case volunteers.HoursLogged():
                claim.ends.append("logged")
                if claim.held and not claim.approved:
                    yield f"{_named(claim)} was held and is logged, which nobody approved"
                self.days[event.volunteer_id, event.service_date] += event.minutes
                self.times[event.volunteer_id].append((event.started_at, event.finished_at))
            case _:
                pass  # ends nothing

    def _bears_out(self, held: volunteers.HoursHeld, claim: _Claim) -> bool:
        """Whether what is recorded up to here gives the reason. A reason that is not asked about is none here."""
        claimed, who = claim.claimed, claim.claimed.volunteer_id
        if (held.minutes, held.volunteer_id) != (claimed.minutes, who):
            return False
        # The first of the reasons counts, and this one is told before all others.
        if held.reason_code == ENTRY_TOO_LONG or claimed.minutes > POLICY.entry_minutes_max:
            return held.reason_code == ENTRY_TOO_LONG and claimed.minutes > POLICY.entry_minutes_max
        if held.reason_code == OVERLAP:
            return any(start < claimed.finished_at and claimed.started_at < end for start, end in self.times[who])
        if held.reason_code == DAY_TOTAL:
            # It may have been worked out just before another credit of that day.
            most = self.days[who, claimed.service_date] + claimed.minutes
            return POLICY.day_automatic_minutes < held.day_minutes <= most
        alone = claimed.order_id is not None and not self.hands[claimed.order_id] - {str(who)}
        return held.reason_code == ONE_PERSON and claim.presumed and alone

    def end(self) -> Iterator[str]:
        """Every confirmed assignment has come to one end, and no other one to any."""
        what = "assignments confirmed and hours logged"
        of_assignment = {one.claimed.assignment_id: one for one in self.claims.values() if one.claimed.assignment_id}
        for assignment_id, times in self.confirmed.items():
            claim = of_assignment.get(assignment_id)
            if times > 1:
                yield Doubled(f"{what}: {assignment_id} was confirmed {times} times")
            if claim is None:
                if assignment_id not in self.closed:
                    yield Lost(f"{what}: {assignment_id} is missing, and was never claimed")
            elif not claim.ends and not claim.held:
                yield Lost(f"{what}: {assignment_id} is missing")
        for assignment_id, claim in of_assignment.items():
            if len(claim.ends) > 1:
                yield Doubled(f"{what}: {assignment_id} is {' and '.join(claim.ends)}")
            if "logged" in claim.ends and assignment_id not in self.confirmed:
                yield Doubled(f"{what}: {assignment_id} is one too many")
            if assignment_id in self.closed:
                yield f"{_named(claim)} was claimed, though it ended by itself"


def _named(claim: _Claim) -> str:
    return f"the service {claim.claimed.assignment_id} of {claim.claimed.volunteer_id}"
