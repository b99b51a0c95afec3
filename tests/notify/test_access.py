"""The access table, cell by cell: what is not listed here is forbidden."""

from itertools import combinations

import pytest

from contracts.command import Role
from services.notify.access import build_access

TABLE = build_access()
RELATIONS = ("own", "proxy", "donation", "case")
STANDINGS = [frozenset(some) for size in range(3) for some in combinations(RELATIONS, size)]
DESK = {Role.STATION_MANAGER, Role.GRID_WORKER, Role.SOCIAL_WORKER, Role.DISPATCHER}
CALLERS = DESK | {Role.REVIEWER}


def expected(command: str, role: Role, held: frozenset[str]) -> bool:
    """The same rules in other words."""
    if role is Role.SYSTEM:
        return False
    by_standing = "proxy" in held if role is Role.PROXY else "own" in held
    of_the_fund = not held.isdisjoint({"donation", "case"})
    clerks = role is Role.FUND_CLERK and of_the_fund
    match command:
        case "SetContact" | "RemoveContact" | "read_contacts":
            return by_standing or clerks or (role in DESK | {Role.ADMIN} and not of_the_fund)
        case "read_inbox":
            return by_standing or clerks
        case "read_phone_list":
            return role in CALLERS | {Role.FUND_CLERK}
        case "RecordCall":
            if "own" in held:
                return False
            return role is Role.FUND_CLERK or (role in CALLERS and "case" not in held)
        case "read_notices":
            return role in CALLERS | {Role.FUND_CLERK, Role.ADMIN, Role.AUDITOR, Role.SUPERVISOR}
        case _ if "webhook" in command.lower():
            return role is Role.ADMIN
        case _:
            raise AssertionError(f"{command} is not expected to be asked for")


@pytest.mark.parametrize("role", Role)
def test_each_cell(role: Role) -> None:
    for command in TABLE.commands:
        for held in STANDINGS:
            assert TABLE.allows(command, role, held) == expected(command, role, held), (command, role, held)
