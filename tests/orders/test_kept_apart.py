"""Two people who do not want to meet are not brought together, and neither is told why; consents are kept to."""

from contracts.command import Role
from contracts.ids import uuid7
from contracts.orders import OrderCancelled
from contracts.volunteers import ConsentGiven, ConsentWithdrawn, PersonBlocked, PersonMoved, PersonUnblocked
from services.orders.candidates import next_wave, rank
from services.orders.decider.fitness import told
from tests.orders.quarter import Quarter
from tests.orders.samples import ANNA, BO, CHEN, DUAN, MONDAY_NINE, POLICY, WANG, WANG_HOME, volunteer
from tests.orders.test_candidates import need

VOLUNTEER, DISPATCHER = Role.VOLUNTEER, Role.DISPATCHER


def blocked(person_id, other_id) -> PersonBlocked:
    return PersonBlocked(
        block_id=uuid7(), person_id=person_id, other_id=other_id, role=Role.RESIDENT, blocked_at=MONDAY_NINE
    )


def lifted(block: PersonBlocked) -> PersonUnblocked:
    return PersonUnblocked(
        block_id=block.block_id,
        person_id=block.person_id,
        other_id=block.other_id,
        role=Role.RESIDENT,
        unblocked_at=MONDAY_NINE,
    )


def test_a_block_excludes_whoever_else_is_best() -> None:
    best = volunteer(ANNA, kept_apart=True, entrance_id="entrance-001", skills={"haircut": 3})
    ranked = rank([best, volunteer(BO)], need(), MONDAY_NINE, POLICY)
    assert [one.volunteer_id for one in next_wave(ranked, 0, POLICY)] == [BO]
    assert ranked[1].reasons_against[0] == "kept_apart"


def test_a_refusal_tells_a_volunteer_nothing_of_a_block() -> None:
    refused = told(["volunteer_not_active", "kept_apart"])
    assert (refused.reason_code, refused.facts) == ("not_suited", {})


async def test_a_block_by_either_side_keeps_offer_pool_and_acceptance_from_both(quarter: Quarter) -> None:
    for block in (blocked(WANG, ANNA), blocked(ANNA, WANG)):
        order_id = await quarter.verified()
        await quarter.hear(block)
        named = {"volunteer_ids": [str(ANNA)]}
        problem = await quarter.refused(409, "candidate_unfit", f"/orders/{order_id}/dispatch", named, DUAN, DISPATCHER)
        assert problem["facts"]["why"] == "kept_apart"
        await quarter.done(f"/orders/{order_id}/open", {}, DUAN, DISPATCHER)
        (opened,) = [event for event in await quarter.events(order_id) if event.type == "OrderOpened"]
        assert set(opened.invited) == {BO, CHEN}  # type: ignore[attr-defined]
        pool = await quarter.seen("/orders?mine=pool", ANNA, VOLUNTEER)
        assert str(order_id) not in [row["order_id"] for row in pool["orders"]]
        refusal = await quarter.refused(409, "not_suited", f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
        assert "kept_apart" not in str(refusal)
        await quarter.hear(lifted(block))
        await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
        await quarter.done(f"/orders/{order_id}/cancel", {}, WANG, Role.RESIDENT)


async def test_an_offer_made_before_the_block_is_not_accepted_after_it(quarter: Quarter) -> None:
    order_id = await quarter.verified()
    await quarter.done(f"/orders/{order_id}/dispatch", {"volunteer_ids": [str(ANNA)]}, DUAN, DISPATCHER)
    await quarter.hear(blocked(WANG, ANNA))
    await quarter.refused(409, "not_suited", f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)


async def test_two_volunteers_who_avoid_each_other_do_not_serve_one_order_together(quarter: Quarter) -> None:
    order_id = await quarter.opened(slots=2)
    await quarter.hear(blocked(ANNA, BO))
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
    await quarter.refused(409, "not_suited", f"/orders/{order_id}/accept", {}, BO, VOLUNTEER)
    await quarter.done(f"/orders/{order_id}/accept", {}, CHEN, VOLUNTEER)


async def test_who_moves_in_with_the_resident_is_of_their_household(quarter: Quarter) -> None:
    order_id = await quarter.opened()
    moved = PersonMoved(
        person_id=ANNA,
        household_id=WANG_HOME,
        entrance_id="entrance-001",
        grid_id="grid-01",
        role=Role.RESIDENT,
        moved_at=MONDAY_NINE,
    )
    await quarter.hear(moved)
    await quarter.refused(403, "forbidden", f"/orders/{order_id}/accept", {}, ANNA, Role.RESIDENT)
    await quarter.refused(409, "same_household", f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)


async def test_who_takes_the_consent_to_be_helped_back_gets_no_visit_and_asks_for_none(quarter: Quarter) -> None:
    waiting, accepted = await quarter.verified(), await quarter.accepted()
    withdrawn = ConsentWithdrawn(person_id=WANG, purpose="service", role=Role.RESIDENT, withdrawn_at=MONDAY_NINE)
    messages = await quarter.hear(withdrawn)
    for order_id in (waiting, accepted):
        cancelled = (await quarter.events(order_id))[-1]
        assert isinstance(cancelled, OrderCancelled)
        assert cancelled.reason_code == "consent_withdrawn"
    size = await quarter.served.size()
    await quarter.hear_again(messages)
    assert await quarter.served.size() == size
    await quarter.refused(422, "consent_required", "/orders", quarter.wish(), WANG, Role.RESIDENT)
    again = ConsentGiven(person_id=WANG, purpose="service", form="spoken", role=Role.RESIDENT, given_at=MONDAY_NINE)
    await quarter.hear(again)
    await quarter.place()


async def test_another_consent_taken_back_cancels_nothing(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    withdrawn = ConsentWithdrawn(person_id=WANG, purpose="publish_name", role=Role.RESIDENT, withdrawn_at=MONDAY_NINE)
    await quarter.hear(withdrawn)
    assert await quarter.state(order_id) == "ACCEPTED"
