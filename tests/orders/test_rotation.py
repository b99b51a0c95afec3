"""Offers go round: many orders among equal volunteers, and nobody is asked much more often than anybody else."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.orders.candidates import next_wave, rank
from services.orders.commands.words import Policy, VolunteerFacts
from services.orders.decider.deadlines import SHANGHAI
from tests.orders.samples import MONDAY_NINE, POLICY, uid, volunteer
from tests.orders.test_candidates import need


@dataclass
class Community:
    """Volunteers who differ in nothing, and what the tables would say of them after each order."""

    size: int
    policy: Policy = POLICY
    offers: list[tuple[UUID, datetime]] = field(default_factory=list)
    services: list[tuple[UUID, datetime]] = field(default_factory=list)

    @property
    def people(self) -> list[UUID]:
        return [uid(1000 + number) for number in range(self.size)]

    def facts(self, volunteer_id: UUID, at: datetime) -> VolunteerFacts:
        offered = [moment for who, moment in self.offers if who == volunteer_id]
        served = [moment for who, moment in self.services if who == volunteer_id]
        week = at.astimezone(SHANGHAI).isocalendar()[:2]
        return volunteer(
            volunteer_id,
            offers_today=sum(
                moment.astimezone(SHANGHAI).date() == at.astimezone(SHANGHAI).date() for moment in offered
            ),
            offers_lately=sum(moment > at - timedelta(days=self.policy.ranking.lately_days) for moment in offered),
            last_offered_at=max(offered, default=None),
            last_served_at=max(served, default=None),
            services_this_week=sum(moment.astimezone(SHANGHAI).isocalendar()[:2] == week for moment in served),
        )

    def order(self, at: datetime, chance: Random) -> list[UUID]:
        """One order: a wave goes out, and one of those asked serves."""
        wanted = need(
            beneficiary_id=uid(5000 + chance.randrange(50)), window_start=at, window_end=at + timedelta(hours=1)
        )
        ranked = rank([self.facts(one, at) for one in self.people], wanted, at, self.policy)
        asked = [one.volunteer_id for one in next_wave(ranked, 0, self.policy)]
        self.offers += [(one, at) for one in asked]
        if asked:
            self.services.append((chance.choice(asked), at))
        return asked

    def live(self, days: int, orders_a_day: int, seed: int) -> Counter[UUID]:
        chance = Random(seed)
        for day in range(days):
            for number in range(orders_a_day):
                self.order(MONDAY_NINE + timedelta(days=day, minutes=20 * number), chance)
        return Counter(dict.fromkeys(self.people, 0)) + Counter(who for who, _ in self.offers)


@settings(max_examples=25, deadline=None)
@given(size=st.integers(4, 24), orders_a_day=st.integers(1, 6), seed=st.integers(0, 10_000))
def test_equal_volunteers_are_asked_about_equally_often(size: int, orders_a_day: int, seed: int) -> None:
    community = Community(size)
    asked = community.live(days=40, orders_a_day=orders_a_day, seed=seed)
    times = [asked[one] for one in community.people]
    assert max(times) - min(times) <= 5 + sum(times) // size // 8


@settings(max_examples=25, deadline=None)
@given(size=st.integers(1, 8), orders_a_day=st.integers(1, 12), seed=st.integers(0, 10_000))
def test_nobody_is_asked_more_than_twice_a_day(size: int, orders_a_day: int, seed: int) -> None:
    community = Community(size)
    community.live(days=5, orders_a_day=orders_a_day, seed=seed)
    days = Counter((who, moment.astimezone(SHANGHAI).date()) for who, moment in community.offers)
    assert max(days.values()) <= POLICY.offers_per_day_max


def test_who_was_asked_least_comes_first_however_they_answered() -> None:
    """An offer that was declined, let pass or taken by others first counts as one that was accepted."""
    asked, fresh = uid(1000), uid(1001)
    facts = [volunteer(asked, offers_lately=1, last_offered_at=MONDAY_NINE), volunteer(fresh)]
    ranked = rank(facts, need(), MONDAY_NINE, POLICY)
    assert [one.volunteer_id for one in ranked] == [fresh, asked]
    assert ranked[1].reasons_against == ("asked_1_times_lately",)


def test_among_equals_who_was_asked_longest_ago_comes_first_and_no_id_is_always_the_first() -> None:
    long_ago, yesterday = MONDAY_NINE - timedelta(days=40), MONDAY_NINE - timedelta(days=31)
    facts = [volunteer(uid(1000), last_offered_at=yesterday), volunteer(uid(1001), last_offered_at=long_ago)]
    assert rank(facts, need(), MONDAY_NINE, POLICY)[0].volunteer_id == uid(1001)
    equals = [volunteer(uid(1000 + number)) for number in range(5)]
    firsts = {
        rank(equals, need(beneficiary_id=uid(5000 + number)), MONDAY_NINE, POLICY)[0].volunteer_id
        for number in range(60)
    }
    assert firsts == {one.volunteer_id for one in equals}
