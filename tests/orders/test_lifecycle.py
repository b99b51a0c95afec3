"""Every state × every command: allowed, or refused with its own code; and the README tells the same."""

from typing import get_args

import pytest

from cli.lifecycles import stale
from contracts.command import Refused
from contracts.orders import OrderState
from services.orders.commands.disputes import AppealContest
from services.orders.commands.placing import OrderCommand, WithdrawAcceptance
from services.orders.commands.turning import ReopenOrder
from services.orders.decider import drawing
from services.orders.decider.decide import AnyOrderCommand, decide
from services.orders.decider.lifecycle import LIFECYCLE
from services.orders.decider.states import ENDED, At, Row
from tests.orders.fittings import NEEDS_MORE, fitting
from tests.orders.samples import REACHED, WINDOW_START, in_state

STATES: tuple[At, ...] = (None, *REACHED)
PAIRS = [(row, state) for row in LIFECYCLE for state in STATES]


@pytest.mark.parametrize(("row", "state"), PAIRS, ids=[f"{row.command.__name__}-{state}" for row, state in PAIRS])
def test_a_command_is_taken_or_refused_with_its_code(row: Row, state: At) -> None:
    story = in_state(state)
    expected = row.refusal(state) or NEEDS_MORE.get((row.command, state))
    command = fitting(row.command, story)
    if expected is not None:
        assert story.refused(command).reason_code == expected
    else:
        events = story.do(command)
        assert events
        assert {event.type for event in events} <= set(row.events)
        assert story.state in row.ways[state]


@pytest.mark.parametrize("row", LIFECYCLE, ids=[row.command.__name__ for row in LIFECYCLE])
def test_ended_orders_take_nothing(row: Row) -> None:
    """I7: but for ReopenOrder, where nobody was found, and an appeal, where a decision ended it."""
    for state in ENDED:
        reopens = row.command in {ReopenOrder, AppealContest} and state is OrderState.UNFULFILLED
        assert (row.refusal(state) is None) == reopens, state


def test_the_table_has_every_command_once() -> None:
    commands: list[type[OrderCommand]] = [row.command for row in LIFECYCLE]
    assert sorted(one.__name__ for one in commands) == sorted(one.__name__ for one in get_args(AnyOrderCommand))


def test_every_event_of_an_order_comes_of_some_command() -> None:
    from contracts.orders import InOrderStream

    told = {name for row in LIFECYCLE for name in row.events}
    assert told == {event.__name__ for event in get_args(InOrderStream)}


def test_nobody_may_withdraw_for_a_volunteer_who_came() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START).start()
    with pytest.raises(Refused, match="service_begun"):
        decide(fitting(WithdrawAcceptance, story), story.order)


def test_the_readme_is_drawn_from_this_table() -> None:
    assert stale() == {}


def test_a_drawing_that_is_not_current_is_put_right() -> None:
    readme = f"# orders\n\n{drawing.BEGINS}\nold\n{drawing.ENDS}\n\nMore.\n"
    drawn = drawing.put_into(readme)
    assert drawn == f"# orders\n\n{drawing.drawn()}\n\nMore.\n"
    assert drawing.put_into(drawn) == drawn
    assert "    PLACED --> VERIFIED: 受理\n" in drawn
    with pytest.raises(ValueError, match="no marks"):
        drawing.put_into("# orders\n")
