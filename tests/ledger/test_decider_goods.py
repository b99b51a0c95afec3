"""The rules about things given, given/when/then, and every (state, command) pair."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.command import Refused, Role
from contracts.ledger import InKindAllocated, InKindWrittenOff
from services.ledger.commands import GOODS_COMMANDS
from services.ledger.decider import goods
from tests.ledger.examples import ANNA, CASHIER, CLERK, NOON, TODAY, Story, by
from tests.ledger.goods_examples import (
    ALLOCATION,
    LAST_DAY,
    OTHER_ALLOCATION,
    STATION,
    WATCHER,
    allocate,
    deliver,
    receive_goods,
    sell,
    write_off,
)

STORIES: dict[str, tuple[Any, ...]] = {
    "NONE": (),
    "THERE": (receive_goods(), allocate()),
    "GONE": (receive_goods(qty=4), allocate(), deliver()),
}
COMMANDS = {
    "ReceiveGoods": receive_goods(),
    "AllocateGoods": allocate(allocation_id=OTHER_ALLOCATION),
    "DeliverGoods": deliver(),
    "WriteOffGoods": write_off(),
    "SellGoods": sell(),
}
ANSWERS = {
    ("NONE", "ReceiveGoods"): "InKindReceived",
    ("THERE", "AllocateGoods"): "InKindAllocated",
    ("THERE", "DeliverGoods"): "InKindDelivered",
    ("THERE", "WriteOffGoods"): "InKindWrittenOff",
    ("THERE", "SellGoods"): "InKindSold",
}
LATE = NOON + timedelta(days=200)


def test_the_table_knows_every_command():
    assert set(COMMANDS) == {command.__name__ for command in GOODS_COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", STORIES)
def test_every_command_in_every_state(state: str, command: str):
    story = Story(goods, *STORIES[state])
    if (state, command) in ANSWERS:
        story.when(COMMANDS[command]).then(ANSWERS[state, command])
    elif command == "ReceiveGoods":
        story.refuses(COMMANDS[command], "lot_received_already")
    else:
        story.refuses(COMMANDS[command], "lot_unknown" if state == "NONE" else "lot_gone")


def test_each_piece_carries_its_declared_value_out_again():
    story = Story(goods)
    assert story.when(receive_goods()).then("InKindReceived").value_fen == 30_000
    assert story.when(allocate()).then("InKindAllocated").value_fen == 12_000
    assert story.when(deliver()).then("InKindDelivered").value_fen == 12_000
    assert story.when(sell()).then("InKindSold").value_fen == 9_000
    assert (story.state.on_hand_qty, story.state.free_qty) == (3, 3)


@pytest.mark.parametrize("command", [allocate(qty=7, allocation_id=OTHER_ALLOCATION), sell(qty=7), write_off(qty=11)])
def test_no_more_goes_out_than_is_there_and_free(command: Any):
    Story(goods, receive_goods(), allocate()).refuses(command, "stock_insufficient")


@pytest.mark.parametrize(
    "command", [allocate(at=LATE, allocation_id=OTHER_ALLOCATION), deliver(at=LATE), sell(at=LATE)]
)
def test_nothing_past_its_day_is_set_aside_brought_or_sold(command: Any):
    Story(goods, receive_goods(), allocate()).refuses(command, "goods_expired")


def test_the_last_day_itself_is_a_day_of_use_in_shanghai():
    story = Story(goods, receive_goods())
    ends = NOON.replace(year=LAST_DAY.year, month=LAST_DAY.month, day=LAST_DAY.day, hour=15, minute=59)
    story.when(allocate(at=ends)).then("InKindAllocated")
    story.refuses(allocate(at=ends + timedelta(minutes=1), allocation_id=OTHER_ALLOCATION), "goods_expired")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires_on": TODAY - timedelta(days=1)}, "goods_expired"),
        ({"fund": "gold"}, "fund_unknown"),
        ({"unit_value_fen": 10_000_001}, "amount_over_cap"),
        ({"effective_date": TODAY + timedelta(days=1)}, "day_impossible"),
        ({"effective_date": TODAY - timedelta(days=32)}, "day_impossible"),
    ],
)
def test_what_is_taken_in_is_as_the_rules_say(changes: dict[str, Any], code: str):
    Story(goods).refuses(receive_goods(**changes), code)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"purpose": "activities"}, "purpose_unknown"),
        ({"people_known": False}, "person_unknown"),
        ({"volunteer_id": ANNA}, "goods_hands_equal"),
        ({"volunteer_id": STATION}, "goods_hands_equal"),
        ({"recipient_id": STATION}, "goods_hands_equal"),
        ({"replaces": OTHER_ALLOCATION}, "allocation_ended"),
    ],
)
def test_three_people_set_aside_bring_and_get(changes: dict[str, Any], code: str):
    Story(goods, receive_goods()).refuses(allocate(**changes), code)


def test_only_who_was_named_brings_it_and_once():
    story = Story(goods, receive_goods(), allocate())
    story.refuses(deliver(by=by(ANNA, Role.VOLUNTEER)), "not_the_bearer")
    story.when(deliver()).then("InKindDelivered")
    story.refuses(deliver(), "allocation_ended")


def test_an_allocation_that_came_to_nothing_is_replaced():
    story = Story(goods, receive_goods(), allocate(qty=10))
    again = allocate(qty=10, allocation_id=OTHER_ALLOCATION, volunteer_id=CLERK, replaces=ALLOCATION)
    assert story.when(again).then("InKindAllocated").replaces == ALLOCATION
    story.refuses(deliver(), "allocation_ended")
    story.when(deliver(allocation_id=OTHER_ALLOCATION, by=by(CLERK, Role.VOLUNTEER))).then("InKindDelivered")


def test_two_people_say_that_things_are_of_no_use():
    story = Story(goods, receive_goods())
    assert story.when(write_off()).then("InKindWrittenOff").step == 1
    assert story.state.on_hand_qty == 10
    story.refuses(write_off(WATCHER, qty=3), "write_off_differs")
    story.refuses(write_off(WATCHER, reason_code="lost"), "write_off_differs")
    second = story.when(write_off(WATCHER)).then("InKindWrittenOff")
    assert (second.step, second.written_off_by, second.entry_id) == (2, WATCHER, UUID(int=511))
    assert story.state.on_hand_qty == 8


def test_one_person_alone_only_says_it_anew():
    story = Story(goods, receive_goods(), write_off())
    assert story.when(write_off(qty=5)).then("InKindWrittenOff").step == 1
    assert story.when(write_off(WATCHER, qty=5)).then("InKindWrittenOff").step == 2
    assert story.when(write_off(WATCHER, qty=5)).then("InKindWrittenOff").step == 1
    assert story.state.on_hand_qty == 5


def test_what_is_no_more_there_cannot_be_brought():
    story = Story(goods, receive_goods(), allocate(), write_off(qty=7))
    assert story.when(write_off(WATCHER, qty=7)).then("InKindWrittenOff").allocations_voided == (ALLOCATION,)
    assert story.state.free_qty == 3
    story.refuses(deliver(), "allocation_ended")


def test_who_took_things_in_does_not_sell_them_and_much_cash_is_not_taken():
    story = Story(goods, receive_goods())
    story.refuses(sell(by=by(CLERK, Role.CASHIER)), "same_hands")
    story.refuses(sell(price_fen=100_001), "cash_over_limit")
    story.when(sell(price_fen=100_001, method="bank_transfer")).then("InKindSold")


ASKED = st.one_of(
    st.builds(lambda qty, n: allocate(qty=qty, allocation_id=UUID(int=n)), st.integers(1, 12), st.integers(1, 6)),
    st.builds(lambda n: deliver(allocation_id=UUID(int=n)), st.integers(1, 6)),
    st.builds(lambda qty: sell(qty=qty), st.integers(1, 12)),
    st.builds(lambda who, qty: write_off(who, qty=qty), st.sampled_from([CLERK, CASHIER]), st.integers(1, 12)),
)


@given(st.lists(ASKED, max_size=30))
@settings(max_examples=150, deadline=None)
def test_whatever_is_asked_nothing_is_below_nothing_and_every_piece_is_accounted_for(asked: list[Any]):
    lot, out_qty, out_fen, seen = Story(goods, receive_goods()).state, 0, 0, set()
    for command in asked:
        if getattr(command, "allocation_id", None) in seen and command.__class__.__name__ == "AllocateGoods":
            continue
        try:
            events = goods.decide(command, lot)
        except Refused:
            continue
        for event in events:
            lot = goods.evolve(lot, event)
            if isinstance(event, InKindAllocated):
                seen.add(event.allocation_id)
            elif not isinstance(event, InKindWrittenOff) or event.step == 2:
                out_qty, out_fen = out_qty + event.qty, out_fen + event.value_fen
        assert lot.on_hand_qty >= lot.on_hand_qty - lot.free_qty >= 0
        assert lot.on_hand_qty + out_qty == 10
        assert out_fen == out_qty * 3_000
