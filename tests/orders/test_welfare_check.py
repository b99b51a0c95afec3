"""平安核查: half an hour, an hour, and only a person ends it."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.command import SYSTEM, Role
from contracts.orders import WelfareCheckClosed, WelfareCheckEscalated
from services.orders.commands.welfare import AnyWelfareCheckCommand
from services.orders.decider.tables import Line
from services.orders.decider.welfare_check import TABLE, CheckState
from tests.orders.aside import Worry, worried
from tests.orders.samples import GUO, WINDOW_START, uid

S = CheckState
CELLS = [(line, state) for line in TABLE.lines for state in (None, *TABLE.states)]


def asked(told: Worry, name: str) -> Any:
    match name:
        case "RaiseWelfareCheck":
            return told.raising()
        case "EscalateWelfareCheck":
            return told.rising()
        case _:
            return told.outcome()


@pytest.mark.parametrize(("line", "state"), CELLS, ids=[f"{line.command.__name__}-{state}" for line, state in CELLS])
def test_a_command_is_taken_or_refused_with_its_code(line: Line[CheckState], state: CheckState | None) -> None:
    told = worried(state)
    expected = line.refusal(state)
    command = asked(told, line.command.__name__)
    if expected is not None:
        assert told.refused(command) == expected
        return
    events = told.do(command)
    assert {event.type for event in events} == set(line.events)
    assert told.state is not None
    assert told.state.state in line.ways[state]


def test_the_table_has_every_command_once() -> None:
    assert {line.command for line in TABLE.lines} == set(AnyWelfareCheckCommand.__args__)


def test_it_rises_after_thirty_minutes_and_after_sixty_and_no_further() -> None:
    told = worried(S.RAISED)
    assert told.refused(told.rising(WINDOW_START + timedelta(minutes=29))) == "not_due"
    (first,) = told.do(told.rising(WINDOW_START + timedelta(minutes=30)))
    assert isinstance(first, WelfareCheckEscalated)
    assert (first.level, first.to_role, first.due_at) == (1, Role.BUILDING_LEAD, WINDOW_START + timedelta(minutes=60))
    assert told.refused(told.rising(WINDOW_START + timedelta(minutes=59))) == "not_due"
    (second,) = told.do(told.rising(WINDOW_START + timedelta(minutes=60)))
    assert isinstance(second, WelfareCheckEscalated)
    assert (second.level, second.to_role, second.due_at) == (2, Role.DISPATCHER, None)
    assert told.refused(told.rising(WINDOW_START + timedelta(days=1))) == "not_due"


def test_a_late_timer_still_takes_one_level_after_the_other() -> None:
    told = worried(S.RAISED)
    late = WINDOW_START + timedelta(hours=5)
    (first,) = told.do(told.rising(late))
    assert isinstance(first, WelfareCheckEscalated)
    assert (first.level, first.due_at) == (1, late)
    (second,) = told.do(told.rising(late))
    assert isinstance(second, WelfareCheckEscalated)
    assert second.level == 2


@pytest.mark.parametrize("outcome", ["safe", "hospital", "away", "emergency_called"])
def test_a_person_ends_it_at_any_level_and_a_timer_never(outcome: str) -> None:
    told = worried(S.ESCALATED)
    assert told.refused(told.outcome(SYSTEM)) == "person_needed"
    (closed,) = told.do(told.outcome(outcome=outcome))
    assert isinstance(closed, WelfareCheckClosed)
    assert (closed.outcome, closed.closed_by, closed.order_id) == (outcome, GUO, uid(1))


def test_one_open_check_of_an_order_is_enough() -> None:
    told = Worry()
    assert told.refused(told.raising(open_check=uid(5))) == "check_open_already"
