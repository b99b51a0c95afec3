"""Who is asked first, and why: the reasons for and against stand beside every name."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.orders import OrderState
from services.orders.candidates import Candidate, invited, next_wave, rank, waves_are_over
from services.orders.commands.words import Policy, VolunteerFacts
from services.orders.decider.fitness import Need, need_of
from services.orders.emergency import advice, numbers_for
from tests.orders.samples import ANNA, BO, CHEN, MONDAY_NINE, POLICY, WANG_HOME, in_state, uid, volunteer


def need(**changes: Any) -> Need:
    order = in_state(OrderState.VERIFIED).order
    assert order is not None
    found = need_of(order)
    return Need(**({name: getattr(found, name) for name in found.__dataclass_fields__} | changes))


def ranked(*facts: VolunteerFacts, **changes: Any) -> list[Candidate]:
    return rank(facts, need(**changes), MONDAY_NINE, POLICY)


def order_of(*facts: VolunteerFacts) -> list[UUID]:
    return [one.volunteer_id for one in ranked(*facts)]


LONG_AGO, YESTERDAY = MONDAY_NINE - timedelta(days=100), MONDAY_NINE - timedelta(days=1)


def test_a_gate_that_is_shut_excludes_and_says_why() -> None:
    best = volunteer(ANNA, entrance_id="entrance-001", household_id=WANG_HOME, skills={"haircut": 3})
    candidate, barred = ranked(best, volunteer(BO))
    assert (candidate.volunteer_id, candidate.eligible) == (BO, True)
    assert (barred.volunteer_id, barred.eligible, barred.reasons_against) == (ANNA, False, ("same_household",))


def test_the_nearer_comes_first() -> None:
    far = volunteer(ANNA, grid_id="grid-09", last_served_at=YESTERDAY)
    same_grid = volunteer(BO, last_served_at=YESTERDAY)
    same_entrance = volunteer(CHEN, entrance_id="entrance-001", last_served_at=YESTERDAY)
    assert order_of(far, same_grid, same_entrance) == [CHEN, BO, ANNA]


def test_a_verified_skill_counts_more_than_a_declared_one() -> None:
    assert order_of(volunteer(ANNA, skills={"haircut": 0}), volunteer(BO, skills={"haircut": 3})) == [BO, ANNA]


def test_whoever_waited_longest_comes_first_and_a_new_volunteer_counts_as_one_who_waited() -> None:
    yesterday, long_ago = volunteer(ANNA, last_served_at=YESTERDAY), volunteer(BO, last_served_at=LONG_AGO)
    never = volunteer(CHEN)
    assert order_of(yesterday, long_ago) == [BO, ANNA]
    assert {one.volunteer_id: one.score for one in ranked(long_ago, never)}[CHEN] == ranked(long_ago)[0].score


def test_a_full_week_weighs_against_and_having_been_here_before_for() -> None:
    busy = volunteer(ANNA, last_served_at=LONG_AGO, services_this_week=3)
    known = volunteer(BO, last_served_at=LONG_AGO, served_here=4)
    first, second = ranked(busy, known)
    assert (first.volunteer_id, first.reasons_for[2]) == (BO, "served_here_before")
    assert second.reasons_against == ("load_3_this_week",)


def test_stated_hours_weigh_but_do_not_exclude() -> None:
    inside, outside = ranked(volunteer(ANNA, available=False), volunteer(BO, available=True))
    assert (inside.volunteer_id, outside.eligible) == (BO, True)
    assert outside.reasons_against == ("outside_stated_hours",)


def test_the_reasons_can_stand_in_an_event() -> None:
    (candidate,) = ranked(volunteer(ANNA, services_this_week=1, last_served_at=YESTERDAY))
    assert candidate.reasons == ("for:same_grid", "for:skill_level_2", "for:idle_1_days", "against:load_1_this_week")


def test_waves_are_three_then_eight_then_the_pool() -> None:
    many = ranked(*(volunteer(uid(500 + n)) for n in range(20)))
    waves = [len(next_wave(many, done, POLICY)) for done in range(2)]
    assert (waves, [waves_are_over(done, POLICY) for done in range(3)]) == ([3, 8], [False, False, True])


def test_who_was_asked_or_asked_enough_is_not_in_a_wave_but_the_digest_asks_nobody_by_name() -> None:
    asked, capped, free = volunteer(ANNA), volunteer(BO, offers_today=2), volunteer(CHEN)
    wanted = need(answered=frozenset({ANNA}))
    found = rank([asked, capped, free], wanted, MONDAY_NINE, POLICY)
    assert [one.volunteer_id for one in next_wave(found, 0, POLICY)] == [CHEN]
    assert set(invited(found, wanted, POLICY)) == {BO, CHEN}
    assert len(invited(found, wanted, Policy(invited_max=1))) == 1


def test_equals_come_in_a_fixed_order() -> None:
    facts = [volunteer(uid(500 + n)) for n in range(5)]
    assert order_of(*facts) == order_of(*reversed(facts))


def test_emergency_words_show_numbers_whatever_the_spacing() -> None:
    assert numbers_for("我妈 摔 倒了, 家里还有煤气味") == ("120", "119")
    assert numbers_for("有人闯进来") == ("110",)
    assert numbers_for("想理个发") == ()
    assert advice(()) == {}
    assert advice(("120",))["emergency_numbers"] == ["120"]
