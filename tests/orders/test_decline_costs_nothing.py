"""婉拒: a decline changes nothing but the order (domain.md §4.1, row 11). Whatever is known, whoever declines."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.command import Role
from services.orders.candidates import Candidate, rank
from services.orders.commands.placing import DeclineOffer
from services.orders.commands.words import VolunteerFacts
from services.orders.decider.fitness import Need, need_of
from services.orders.read_models import facts
from services.orders.read_models import people as p
from services.orders.read_models import tables as t
from tests.orders.lives import window
from tests.orders.quarter import TOMORROW, Quarter
from tests.orders.samples import (
    ANNA,
    BO,
    CHEN,
    DUAN,
    GUO,
    MONDAY_NINE,
    POLICY,
    WANG_HOME,
    Story,
    as_volunteer,
    ask,
    uid,
)

FOUR = (ANNA, BO, CHEN, GUO)
KNOWN = st.fixed_dictionaries(
    {
        "entrance_id": st.sampled_from(["entrance-001", "entrance-002"]),
        "grid_id": st.sampled_from(["grid-01", "grid-02"]),
        "skills": st.sampled_from([{"haircut": 0}, {"haircut": 3}, {}]),
        "state": st.sampled_from(["ACTIVE", "PAUSED"]),
        "household_id": st.sampled_from([WANG_HOME, None]),
        "busy": st.booleans(),
        "related": st.booleans(),
        "served_here": st.integers(0, 3),
        "services_this_week": st.integers(0, 4),
        "offers_today": st.integers(0, 3),
        "last_served_at": st.none() | st.integers(1, 90).map(lambda days: MONDAY_NINE - timedelta(days=days)),
        "available": st.sampled_from([True, False, None]),
    }
)


@settings(deadline=None)
@given(known=st.lists(KNOWN, min_size=4, max_size=4), reason_code=st.none() | st.just("busy"), both=st.booleans())
def test_no_ranking_for_any_other_order_knows_of_a_decline(
    known: list[dict[str, Any]], reason_code: str | None, both: bool
) -> None:
    """The same facts rank the same before and after; and the facts hold no place where a decline could lie."""
    volunteers = [VolunteerFacts(volunteer_id=who, **one) for who, one in zip(FOUR, known, strict=True)]
    story = Story().place().verify().dispatch(ANNA, BO)
    other = need_of_another_order(story)
    before = rank(volunteers, other, MONDAY_NINE, POLICY)
    story.do(ask(DeclineOffer, as_volunteer(ANNA), story.at, volunteer_id=ANNA, reason_code=reason_code))
    if both:
        story.do(ask(DeclineOffer, as_volunteer(BO), story.at, volunteer_id=BO))
    assert rank(volunteers, other, MONDAY_NINE, POLICY) == before
    assert need_of_another_order(story) == other
    assert not [name for name in VolunteerFacts.model_fields if "declin" in name or "refus" in name]


def need_of_another_order(story: Story) -> Need:
    another = Story().place(order_id=uid(2), order_no="20260304").verify()
    assert another.order is not None
    assert story.order is not None
    return need_of(another.order)


@settings(deadline=None)
@given(known=st.lists(KNOWN, min_size=4, max_size=4))
def test_in_the_order_itself_they_are_only_not_asked_again(known: list[dict[str, Any]]) -> None:
    """No score changes, nobody else's place; who declined this order is excluded from being asked once more."""
    volunteers = [VolunteerFacts(volunteer_id=who, **one) for who, one in zip(FOUR, known, strict=True)]
    story = Story().place().verify().dispatch(ANNA, BO)
    assert story.order is not None
    before = rank(volunteers, need_of(story.order), MONDAY_NINE, POLICY)
    story.do(ask(DeclineOffer, as_volunteer(ANNA), story.at, volunteer_id=ANNA))
    after = rank(volunteers, need_of(story.order), MONDAY_NINE, POLICY)
    assert scores(after) == scores(before)
    assert [one for one in after if one.volunteer_id != ANNA] == [one for one in before if one.volunteer_id != ANNA]
    (anna,) = (one for one in after if one.volunteer_id == ANNA)
    assert not anna.eligible
    assert "asked_before" in anna.reasons_against


def scores(ranked: list[Candidate]) -> dict[Any, int]:
    return {one.volunteer_id: one.score for one in ranked}


async def rows_of(quarter: Quarter) -> dict[str, set[tuple[Any, ...]]]:
    """Every row of every table of the service's read models."""
    found = {}
    async with quarter.runtime.log.queries() as connection:
        for table in (*t.metadata.sorted_tables, *p.metadata.sorted_tables):
            rows = (await connection.execute(sa.select(table))).all()
            found[table.name] = {tuple(map(repr, row)) for row in rows}
    return found


async def test_no_other_row_of_any_table_changes(quarter: Quarter) -> None:
    """One row of orders, and the offer that was answered: nothing of the volunteer, nothing of any other order."""
    other = await quarter.verified(**window(TOMORROW + timedelta(days=2)))
    order_id = await quarter.verified()
    named = {"volunteer_ids": [str(ANNA), str(BO)]}
    await quarter.done(f"/orders/{order_id}/dispatch", named, DUAN, Role.DISPATCHER)
    path = f"/orders/{other}/candidates"
    candidates = await quarter.seen(path, DUAN, Role.DISPATCHER)
    before = await rows_of(quarter)
    known = await known_of(quarter, other)
    await quarter.done(f"/orders/{order_id}/decline", {}, ANNA, Role.VOLUNTEER)
    after = await rows_of(quarter)
    changed = {name: len(after[name] ^ before[name]) for name in after if after[name] != before[name]}
    assert changed == {"orders": 2, "offers": 2}, "the row before, and the row after"
    assert all(str(order_id) in "".join(row) for row in after["orders"] ^ before["orders"])
    assert await known_of(quarter, other) == known
    assert await quarter.seen(path, DUAN, Role.DISPATCHER) == candidates


async def known_of(quarter: Quarter, order_id: Any) -> list[VolunteerFacts]:
    _, order = await quarter.runtime.executor.state(f"order-{order_id}")
    async with quarter.runtime.log.queries() as connection:
        return await facts.volunteers(connection, need_of(order), quarter.now(), POLICY)
