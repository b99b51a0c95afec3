"""Whatever is posted and reversed in whatever order: Σ = 0 per unit, numbers without gaps, no fund below nothing."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from contracts.command import Refused
from contracts.ledger import EntryPosted, EntryReversed
from services.ledger.chart_of_accounts import chart
from services.ledger.commands import HoursFacts
from services.ledger.decider import book
from tests.ledger.examples import ANNA, BO, NOON, TODAY, post_donation, post_hours, reverse, served

GIVEN = [(fund.code, purpose) for fund in chart().funds for purpose in (None, fund.purposes[0].code)]


class TwoBooks(RuleBasedStateMachine):
    """Both books, with the facts that the tables would say."""

    entries = Bundle("entries")

    def __init__(self):
        super().__init__()
        self.books = {"hours": book.initial(), "fund": book.initial()}
        self.posted: dict[str, list[Any]] = {"hours": [], "fund": []}
        self.number = 0

    def next_id(self) -> UUID:
        self.number += 1
        return UUID(int=self.number)

    def ask(self, command):
        state = self.books[command.book]
        events = book.decide(command, state)
        for event in events:
            state = book.evolve(state, event)
            if isinstance(event, EntryPosted | EntryReversed):
                self.posted[command.book].append(event)
        self.books[command.book] = state
        return multiple(*[event for event in events if isinstance(event, EntryPosted)])

    @rule(
        target=entries,
        who=st.sampled_from([ANNA, BO]),
        start=st.integers(0, 600),
        minutes=st.integers(1, 800),
        service=st.integers(0, 30),
    )
    def credit(self, who, start, minutes, service):
        hours = served(minutes, NOON + timedelta(minutes=start), volunteer_id=who, assignment_id=UUID(int=service))
        reversed_ids = self.books["hours"].reversed
        standing = [entry for entry in self.standing() if entry.entry_id not in reversed_ids]
        same = [entry.entry_id for entry in standing if entry.hours.assignment_id == hours.assignment_id]
        overlapping = [
            entry.entry_id
            for entry in standing
            if entry.hours.volunteer_id == who
            and entry.hours.started_at < hours.finished_at
            and entry.hours.finished_at > hours.started_at
        ]
        facts = HoursFacts(same_service=same[0] if same else None, overlapping=overlapping[0] if overlapping else None)
        return self.ask(post_hours(hours, entry_id=self.next_id(), source_event_id=self.next_id(), facts=facts))

    def standing(self):
        reversed_ids = self.books["hours"].reversed
        return [e for e in self.posted["hours"] if isinstance(e, EntryPosted) and e.entry_id not in reversed_ids]

    @rule(
        target=entries,
        given=st.sampled_from(GIVEN),
        method=st.sampled_from(sorted(chart().methods)),
        amount_fen=st.integers(1, 10**8),
    )
    def give(self, given, method, amount_fen):
        fund, purpose = given
        return self.ask(
            post_donation(entry_id=self.next_id(), fund=fund, purpose=purpose, method=method, amount_fen=amount_fen)
        )

    @rule(original=entries)
    def correct(self, original):
        command = reverse(original, entry_id=self.next_id())
        if original.entry_id in self.books[original.book].reversed:
            with pytest.raises(Refused, match="reversed_already"):
                self.ask(command)
        else:
            self.ask(command)

    @invariant()
    def every_entry_and_every_book_sum_to_nothing(self):
        for entries in self.posted.values():
            whole: Counter[str] = Counter()
            for entry in entries:
                of_entry: Counter[str] = Counter()
                for posting in entry.postings:
                    of_entry[posting.unit] += posting.amount
                assert set(of_entry.values()) == {0}
                assert len(of_entry) == 1, "units were mixed"
                whole.update(of_entry)
            assert set(whole.values()) <= {0}

    @invariant()
    def numbers_have_no_gaps(self):
        for name, entries in self.posted.items():
            assert [entry.entry_no for entry in entries] == list(range(1, len(entries) + 1))
            assert self.books[name].entry_no == len(entries)

    @invariant()
    def no_fund_is_below_nothing_and_the_state_agrees_with_the_postings(self):
        held: Counter[str] = Counter()
        for entry in self.posted["fund"]:
            for posting in entry.postings:
                if posting.account.startswith("assets:"):
                    held[posting.fund] += posting.amount
        assert all(amount >= 0 for amount in held.values())
        assert dict(self.books["fund"].funds) == dict(held)
        pots: Counter[str] = Counter()
        for (fund, _), pot in self.books["fund"].pots.items():
            assert pot.balance_fen >= pot.held_fen >= 0
            pots[fund] += pot.balance_fen
        assert pots == held

    @invariant()
    def standing_intervals_of_one_volunteer_do_not_overlap(self):
        for who in (ANNA, BO):
            own = sorted(
                (e.hours.started_at, e.hours.finished_at) for e in self.standing() if e.hours.volunteer_id == who
            )
            assert all(before[1] <= after[0] for before, after in pairwise(own))

    @invariant()
    def entries_are_effective_on_a_day(self):
        assert all(entry.effective_date == TODAY for entries in self.posted.values() for entry in entries)


TestTwoBooks = TwoBooks.TestCase
TestTwoBooks.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
