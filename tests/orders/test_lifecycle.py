"""Every state × every command: allowed, or refused with its own code; and the README tells the same."""

from pathlib import Path

import pytest

from contracts.command import Refused
from contracts.orders import OrderState
from services.orders.commands.placing import LapseAssignment, OrderCommand, WithdrawAcceptance
from services.orders.commands.serving import StartService
from services.orders.decider.decide import AnyOrderCommand, decide
from services.orders.decider.lifecycle import ENDED, LIFECYCLE, At, Row
from tests.orders.samples import REACHED, WINDOW_START, fitting, in_state

STATES: tuple[At, ...] = (None, *REACHED)
PAIRS = [(row, state) for row in LIFECYCLE for state in STATES]
NEEDS_MORE: dict[tuple[type[OrderCommand], At], str] = {
    # The state allows it, but nobody holds a slot that has not begun; stories of their own bring these about.
    (WithdrawAcceptance, OrderState.VERIFIED): "not_assigned",
    (WithdrawAcceptance, OrderState.OFFERED): "not_assigned",
    (WithdrawAcceptance, OrderState.OPEN): "not_assigned",
    (WithdrawAcceptance, OrderState.IN_SERVICE): "service_begun",
    (LapseAssignment, OrderState.VERIFIED): "not_assigned",
    (LapseAssignment, OrderState.OFFERED): "not_assigned",
    (LapseAssignment, OrderState.OPEN): "not_assigned",
    (LapseAssignment, OrderState.IN_SERVICE): "not_assigned",
    (StartService, OrderState.IN_SERVICE): "started_already",
}


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


@pytest.mark.parametrize("row", LIFECYCLE, ids=[row.command.__name__ for row in LIFECYCLE])
def test_ended_orders_take_nothing(row: Row) -> None:
    for state in ENDED:
        assert row.refusal(state) is not None, state


def test_the_table_has_every_command_once() -> None:
    commands: list[type[OrderCommand]] = [row.command for row in LIFECYCLE]
    assert sorted(one.__name__ for one in commands) == sorted(one.__name__ for one in AnyOrderCommand.__args__)


def test_every_event_of_an_order_comes_of_some_command() -> None:
    from contracts.orders import OrderEvent

    told = {name for row in LIFECYCLE for name in row.events}
    assert told == {event.__name__ for event in OrderEvent.__args__}


def test_nobody_may_withdraw_for_a_volunteer_who_came() -> None:
    story = in_state(OrderState.ACCEPTED).until(WINDOW_START).start()
    with pytest.raises(Refused, match="service_begun"):
        decide(fitting(WithdrawAcceptance, story), story.order)


def lifecycle_table() -> str:
    """The table of services/orders/README.md, made from the data."""
    lines = ["| 命令 | command | from | to | events | refused elsewhere with |", "|---|---|---|---|---|---|"]
    for row in LIFECYCLE:
        states = [state for state in REACHED if state in row.allowed]
        origin = "–" if None in row.allowed else ", ".join(states)
        codes = sorted({code for state in STATES if (code := row.refusal(state)) is not None})
        lines.append(
            f"| {row.chinese} | {row.command.__name__} | {origin} | {row.leads_to} | {', '.join(row.events)} "
            f"| {', '.join(codes)} |"
        )
    return "\n".join(lines)


def test_the_readme_shows_this_table() -> None:
    readme = Path("services/orders/README.md").read_text(encoding="utf-8")
    assert lifecycle_table() in readme, f"put this into services/orders/README.md:\n{lifecycle_table()}"
