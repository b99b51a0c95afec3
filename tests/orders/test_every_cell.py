"""Every (state × command × role): who may ask in some relation gets what the lifecycle says; nobody else is asked."""

import pytest

from contracts.command import SYSTEM, By, Channel, Refused, Role
from contracts.orders import OrderState
from services.orders.access import build_access
from services.orders.commands.placing import OrderCommand
from services.orders.decider.decide import decide
from services.orders.decider.lifecycle import LIFECYCLE
from services.orders.decider.states import At, Row
from tests.orders.fittings import NEEDS_MORE, fitting
from tests.orders.samples import ANNA, WANG, WANG_SON, by, in_state, uid

ACCESS = build_access()
RELATIONS = frozenset(relation for name in ACCESS.relations for relation in name.split("&"))
STATES: tuple[At, ...] = (None, *OrderState)
WHO = {Role.RESIDENT: WANG, Role.PROXY: WANG_SON, Role.VOLUNTEER: ANNA}
STORIES = {state: in_state(state) for state in STATES}


def asking_as(role: Role) -> By:
    return SYSTEM if role is Role.SYSTEM else by(WHO.get(role, uid(170)), role, Channel.PHONE)


def test_every_command_is_somebodys_to_ask() -> None:
    for row in LIFECYCLE:
        assert any(may_ask(row.command, role) for role in Role), row.command
        if row.command.__name__ not in BY_SYSTEM:
            assert not ACCESS.allows(row.command, Role.SYSTEM, RELATIONS)


def may_ask(command: type[OrderCommand], role: Role) -> bool:
    """In some relation to the order, or as the timer."""
    if role is Role.SYSTEM:
        return command.__name__ in BY_SYSTEM
    return any(ACCESS.allows(command, role, {relation}) for relation in RELATIONS)


BY_SYSTEM = {
    "DispatchOrder",
    "OpenOrder",
    "ExpireOffer",
    "LapseAssignment",
    "EscalateOrder",
    "AutoCloseService",
    "PresumeCompletion",
    "CloseOrder",
    "CancelOrder",
    "EscalateFollowUp",
    "CloseFollowUp",
}
"""What timers and reactions ask for."""


@pytest.mark.parametrize("row", LIFECYCLE, ids=[row.command.__name__ for row in LIFECYCLE])
def test_every_state_and_every_role(row: Row) -> None:
    for role in Role:
        asked = may_ask(row.command, role)
        for state in STATES if asked else ():
            story = STORIES[state]
            command = fitting(row.command, story).model_copy(update={"by": asking_as(role)})
            expected = row.refusal(state) or NEEDS_MORE.get((row.command, state))
            assert outcome(command, state) == expected, (role, state)


def outcome(command: OrderCommand, state: At) -> str | None:
    try:
        events = decide(command, STORIES[state].order)  # type: ignore[arg-type]
    except Refused as refused:
        return refused.reason_code
    assert events
    assert {event.role for event in events} == {command.by.role}
    return None
