"""Whatever is asked in whatever order: money is held, paid and come back as the rules want, and never by one person."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from contracts.command import Command, Refused, Role
from contracts.ledger import EntryPosted
from services.ledger.decider import aid, book
from services.ledger.decider.aid_hands import request_facts
from services.ledger.decider.aid_paying import reversal_facts
from services.ledger.decider.aid_state import AidCase
from services.ledger.signatures import AID_APPROVAL, AID_REVERSAL
from tests.ledger import aid_examples as a
from tests.ledger.examples import CASHIER, CLERK, NOON, by, post_donation, reverse
from tests.ledger.test_decider_book import pay, place_hold, release, take_back

PURPOSES = (None, "illness", "study")
PEOPLE = (a.VISITOR, a.OTHER_VISITOR, a.APPROVER, a.SECOND, a.THIRD, CLERK, CASHIER, a.CARER)
"""Anybody may try anything: roles are the door's business, hands the decider's."""
SIGNERS = {person: a.SIGNERS.get(person) or a.Signer(person, 100 + number) for number, person in enumerate(PEOPLE)}


class Fund(RuleBasedStateMachine):
    """A fund and its cases, each request one append of everything it comes to, or of nothing."""

    cases = Bundle("cases")

    def __init__(self) -> None:
        super().__init__()
        self.fund = book.initial()
        self.known: dict[UUID, AidCase] = {}
        self.log: list[Any] = []
        self.number = 10_000
        self.now: datetime = NOON

    def id(self) -> UUID:
        self.number += 1
        return UUID(int=self.number)

    def append(self, *commands: Command) -> bool:
        """All of it, or nothing."""
        fund, known, said = self.fund, dict(self.known), list[Any]()
        try:
            for command in commands:
                if command.stream.startswith("aid-"):
                    case_id: UUID = command.case_id  # type: ignore[attr-defined]
                    case = known.get(case_id, aid.initial())
                    for event in aid.decide(command, case):  # type: ignore[arg-type]
                        case = aid.evolve(case, event)
                        said.append(event)
                    known[case_id] = case
                else:
                    for entry in book.decide(command, fund):  # type: ignore[arg-type]
                        fund = book.evolve(fund, entry)
                        said.append(entry)
        except Refused:
            return False
        self.fund, self.known, self.log = fund, known, self.log + said
        return True

    def told(self, case_id: UUID, person: UUID) -> dict[str, Any]:
        return {"by": by(person, Role.FUND_APPROVER), "at": self.now, "case_id": case_id}

    @rule(days=st.integers(0, 12))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days, minutes=1)

    @rule(purpose=st.sampled_from(PURPOSES), amount_fen=st.integers(1, 150_000))
    def give(self, purpose: str | None, amount_fen: int) -> None:
        assert self.append(
            post_donation(entry_id=self.id(), donation_id=self.id(), purpose=purpose, amount_fen=amount_fen)
        )

    @rule(target=cases, purpose=st.sampled_from(PURPOSES[1:]), amount_fen=st.integers(1, 120_000), urgent=st.booleans())
    def apply(self, purpose: str, amount_fen: int, urgent: bool) -> UUID:
        return self._applied(purpose, amount_fen, urgent=urgent)

    def _applied(self, purpose: str, amount_fen: int, *, urgent: bool) -> UUID:
        case_id, lane = self.id(), "urgent" if urgent and amount_fen <= 100_000 else "ordinary"
        asked = {"purpose": purpose, "amount_fen": amount_fen, "lane": lane}
        assert self.append(a.apply(**self.told(case_id, a.NEIGHBOUR), **asked))
        return case_id

    @rule(case_id=cases, who=st.sampled_from(PEOPLE))
    def visit(self, case_id: UUID, who: UUID) -> None:
        self.append(a.verify(who, **self.told(case_id, who), visited_on=self.now.date()))

    @rule(case_id=cases, who=st.sampled_from(PEOPLE))
    def ready(self, case_id: UUID, who: UUID) -> None:
        """Most cases should come somewhere."""
        for visitor in (a.VISITOR, a.OTHER_VISITOR):
            self.visit(case_id, visitor)
        self.append(a.publicize(**self.told(case_id, who)))
        self.now += timedelta(days=3)

    @rule(
        target=cases,
        purpose=st.sampled_from(PURPOSES[1:]),
        amount_fen=st.integers(10, 120_000),
        given=st.integers(0, 120_000),
        approvals=st.integers(0, 2),
        paid=st.booleans(),
    )
    def come_far(self, purpose: str, amount_fen: int, given: int, approvals: int, paid: bool) -> UUID:
        """Chance alone would seldom lead a case to its payment; from there on it may do what it likes."""
        for_purpose = min(given, amount_fen - 1)
        self.give(None, amount_fen - for_purpose)
        if for_purpose:
            self.give(purpose, for_purpose)
        case_id = self._applied(purpose, amount_fen, urgent=False)
        self.ready(case_id, CLERK)
        for approver in (a.APPROVER, a.SECOND)[:approvals]:
            self.approve(case_id, approver, True)
        if paid:
            self.disburse(case_id, CASHIER)
        return case_id

    @rule(case_id=cases, who=st.sampled_from(PEOPLE), amount_fen=st.integers(1, 120_000))
    def amend(self, case_id: UUID, who: UUID, amount_fen: int) -> None:
        case = self.known[case_id]
        amended = a.amend(**self.told(case_id, who), amount_fen=amount_fen)
        self.append(amended, *self._freed(case, "amended"))

    def _freed(self, case: AidCase, cause: str) -> Sequence[Command]:
        return [] if case.hold_id is None else [release(at=self.now, hold_id=case.hold_id, cause=cause)]

    @rule(case_id=cases, who=st.sampled_from((a.APPROVER, a.SECOND, a.VISITOR)), own=st.booleans())
    def approve(self, case_id: UUID, who: UUID, own: bool) -> None:
        case, terms = self.known[case_id], self.known[case_id].asked
        last = len(case.approvals) + 1 == (case.approvals[0].approvals_required if case.approvals else 2)
        signer = SIGNERS[who] if own else SIGNERS[a.APPROVER]
        hold_id = self.id()
        approved = a.approve(
            case, a.APPROVER, **self.told(case_id, who), key=signer.key, key_id=signer.key.key_id,
            sig=signer.signed(AID_APPROVAL, request_facts(case_id, case)), hold_id=hold_id if last else None,
        )  # fmt: skip
        money = {"fund": terms.fund, "purpose": terms.purpose, "amount_fen": terms.amount_fen}
        hold = place_hold(at=self.now, hold_id=hold_id, case_id=case_id, **money)
        self.append(approved, *([hold] if last else []))

    @rule(case_id=cases, who=st.sampled_from(PEOPLE))
    def turn_down(self, case_id: UUID, who: UUID) -> None:
        self.append(a.reject(**self.told(case_id, who)), *self._freed(self.known[case_id], "rejected"))

    @rule(case_id=cases)
    def lapse(self, case_id: UUID) -> None:
        case = self.known[case_id]
        due = case.lapses_at is not None and case.lapses_at <= self.now
        self.append(a.lapse(at=self.now, case_id=case_id), *(self._freed(case, "lapsed") if due else []))

    @rule(case_id=cases, who=st.sampled_from(PEOPLE))
    def disburse(self, case_id: UUID, who: UUID) -> None:
        case, entry_id = self.known[case_id], self.id()
        paid = {"entry_id": entry_id, "effective_date": self.now.date()}
        plan: list[Command] = [a.disburse(**self.told(case_id, who), **paid)]
        if case.hold_id is not None:
            plan.append(pay(at=self.now, hold_id=case.hold_id, case_id=case_id, **paid))
        self.append(*plan)

    def _entry(self, case: AidCase) -> EntryPosted:
        assert case.disbursed is not None
        return next(one for one in self.log if isinstance(one, EntryPosted) and one.entry_id == case.disbursed.entry_id)

    @rule(case_id=cases, who=st.sampled_from((CASHIER, a.CARER)), amount_fen=st.integers(1, 130_000))
    def bring_back(self, case_id: UUID, who: UUID, amount_fen: int) -> None:
        case = self.known[case_id]
        if case.disbursed is None:
            return
        back = {"entry_id": self.id(), "amount_fen": amount_fen, "effective_date": self.now.date()}
        taken = take_back(at=self.now, paid=self._entry(case), returned_before_fen=case.returned_fen, **back)
        self.append(a.return_aid(**self.told(case_id, who), **back), taken)

    @rule(case_id=cases, who=st.sampled_from(PEOPLE))
    def reverse(self, case_id: UUID, who: UUID) -> None:
        case, signer = self.known[case_id], SIGNERS[who]
        if case.disbursed is None:
            return
        first, entry_id = case.reversal is None, self.id()
        reversing = a.reverse_aid(
            case, a.APPROVER, **self.told(case_id, who), key=signer.key, key_id=signer.key.key_id,
            sig=signer.signed(AID_REVERSAL, reversal_facts(case_id, case, "paid_wrongly")),
            entry_id=None if first else entry_id,
        )  # fmt: skip
        mirror = reverse(self._entry(case), at=self.now, entry_id=entry_id, effective_date=self.now.date())
        self.append(reversing, *([] if first else [mirror]))

    @invariant()
    def what_is_held_is_there_and_belongs_to_an_approved_case(self) -> None:
        for pot in self.fund.pots.values():
            assert pot.balance_fen >= pot.held_fen >= 0
        holds = {hold_id: hold.case_id for hold_id, hold in self.fund.holds.items()}
        assert holds == {case.hold_id: case_id for case_id, case in self.known.items() if case.hold_id is not None}
        for hold_id, case_id in holds.items():
            case = self.known[case_id]
            assert case.is_approved
            assert self.fund.holds[hold_id].amount_fen == case.asked.amount_fen
        assert sum(pot.held_fen for pot in self.fund.pots.values()) == sum(
            hold.amount_fen for hold in self.fund.holds.values()
        )

    @invariant()
    def every_entry_sums_to_nothing(self) -> None:
        for entry in self.log:
            if hasattr(entry, "postings"):
                assert sum(posting.amount for posting in entry.postings) == 0

    @invariant()
    def nothing_is_paid_by_fewer_than_two_approvers_or_by_whoever_has_another_hand(self) -> None:
        for case_id, case in self.known.items():
            if case.disbursed is None:
                continue
            signed = [
                event.approver_id for event in self.log if event.type == "AidApproved" and event.case_id == case_id
            ]
            live = [approval.approver_id for approval in case.approvals]
            assert len(set(live)) == len(live) >= 2
            assert set(live) <= set(signed)
            hands = [who for hand, who in case.hands.items()]
            assert sum(len(who) for who in hands) == len(frozenset().union(*hands))
            assert case.disbursed.amount_fen == case.asked.amount_fen

    @invariant()
    def no_case_brings_the_fund_more_than_it_cost(self) -> None:
        for case_id, case in self.known.items():
            money = sum(
                posting.amount
                for entry in self.log
                if getattr(entry, "case_id", None) == case_id and hasattr(entry, "postings")
                for posting in entry.postings
                if posting.account.startswith("assets:")
            )
            assert -(case.disbursed.amount_fen if case.disbursed is not None else 0) <= money <= 0

    @invariant()
    def a_case_ends_once(self) -> None:
        for case_id in self.known:
            ends = [
                event.type
                for event in self.log
                if event.type.startswith("Aid") and event.case_id == case_id and event.state.value in ENDS
            ]
            assert len(ends) <= 1, ends


ENDS = {"REJECTED", "RETURNED", "REVERSED"}
TestFund = Fund.TestCase
TestFund.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
