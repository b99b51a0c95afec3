"""Every (state × command × role) of follow-ups, disputes and welfare checks: the table's answer for whoever may ask."""

from typing import Any

import pytest

from contracts.command import SYSTEM, By, Channel, Command, Refused, Role
from services.orders.access import build_access
from services.orders.decider import dispute_state, follow_up_state, welfare_check
from services.orders.decider.decide import decide
from services.orders.decider.tables import Line, Table
from tests.orders.aside import followed_up, of_follow_up, quarrel, worried
from tests.orders.samples import ANNA, WANG, uid

ACCESS = build_access()
RELATIONS = frozenset(relation for name in ACCESS.relations for relation in name.split("&"))
BY_SYSTEM = {"EscalateFollowUp", "CloseFollowUp", "RaiseWelfareCheck", "EscalateWelfareCheck"}
"""What timers ask for, and what is raised along with an absence."""
STRANGER = uid(170)
FOLLOW_UPS = {state: followed_up(state) for state in (None, *follow_up_state.TABLE.states)}
TABLES: tuple[Table[Any], ...] = (follow_up_state.TABLE, dispute_state.TABLE, welfare_check.TABLE)
LINES = [(table, line) for table in TABLES for line in table.lines]


def may_ask(command: type[Command], role: Role) -> bool:
    if role is Role.SYSTEM:
        return command.__name__ in BY_SYSTEM
    return any(ACCESS.allows(command, role, {relation}) for relation in RELATIONS)


def who(command: type[Command], role: Role) -> By:
    """Somebody who holds the role and nothing that speaks against it."""
    if role is Role.SYSTEM:
        return SYSTEM
    # Whoever has to put it right is Anna, in whichever role; the resident's side is Wang's.
    person = ANNA if command.__name__ == "ReportRectification" else STRANGER
    person = WANG if role in {Role.RESIDENT, Role.PROXY} else person
    return By(actor_id=person, role=role, channel=Channel.PHONE)


def outcome(table: Table[Any], line: Line[Any], state: Any, by: By) -> str | None:
    name = line.command.__name__
    try:
        if table is follow_up_state.TABLE:
            story = FOLLOW_UPS[state]
            command = of_follow_up(line.command, story).model_copy(update={"by": by})  # type: ignore[arg-type]
            assert story.order is not None
            table.require(command, story.order.follow_up.state if story.order.follow_up is not None else None)
            if by is SYSTEM and name == "CloseFollowUp" and story.order.follow_up is not None:
                command = command.model_copy(update={"at": story.order.follow_up.due_at or command.at})

            return None if decide(command, story.order) else "nothing"
        if table is dispute_state.TABLE:
            told = quarrel(state)
            ways: dict[str, Any] = {
                "RaiseDispute": told.raising,
                "ResolveDispute": told.resolving,
                "AppealDispute": told.appealing,
            }
            return None if told.do(ways[name](by)) else "nothing"
        check = worried(state)
        asked = {"RaiseWelfareCheck": check.raising, "RecordOutcome": check.outcome}
        command = check.rising() if name == "EscalateWelfareCheck" else asked[name](by)
        return None if check.do(command) else "nothing"
    except Refused as refused:
        return refused.reason_code


@pytest.mark.parametrize(("table", "line"), LINES, ids=[f"{one.name}-{line.command.__name__}" for one, line in LINES])
def test_every_state_and_every_role(table: Table[Any], line: Line[Any]) -> None:
    roles = [role for role in Role if may_ask(line.command, role)]
    assert roles, "nobody may ask this"
    for role in roles:
        for state in (None, *table.states):
            assert outcome(table, line, state, who(line.command, role)) == line.refusal(state), (role, state)


def test_system_asks_for_nothing_that_a_person_has_to_decide() -> None:
    for _, line in LINES:
        assert not ACCESS.allows(line.command, Role.SYSTEM, RELATIONS)
    assert not {"RecordOutcome", "ResolveDispute", "DismissRating", "VerifyRectification"} & BY_SYSTEM
