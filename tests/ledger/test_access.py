"""The access table, cell by cell: what is not listed here is forbidden."""

from itertools import combinations

import pytest

from contracts.command import Role
from services.ledger.access import DESK, PEOPLE, WATCH, build_access
from services.ledger.commands import BOOK_COMMANDS, DONATION_COMMANDS

TABLE = build_access()
RELATIONS = ("own", "proxy", "pledged", "received")
STANDINGS = [frozenset(some) for size in range(3) for some in combinations(RELATIONS, size)]


def everybody(*roles: Role) -> dict[Role, set[str]]:
    return {role: {"any"} for role in roles}


EXPECTED: dict[str, dict[Role, set[str]]] = {
    "PledgeDonation": everybody(Role.FUND_CLERK),
    "ReceiveDonation": everybody(Role.CASHIER),
    "ReceiptDonation": everybody(Role.FUND_CLERK),
    "WaiveReceipt": everybody(Role.FUND_CLERK),
    "read_balances": everybody(*PEOPLE),
    "read_accounts": everybody(*PEOPLE),
    "read_fund_entries": everybody(*PEOPLE),
    "read_hours_entries": everybody(Role.HOURS_AUDITOR, Role.SUPERVISOR, Role.AUDITOR),
    "read_donation": everybody(Role.FUND_CLERK, Role.CASHIER, Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR),
    "reveal_donor": everybody(Role.FUND_CLERK, Role.CASHIER),
    "read_minutes": {Role.RESIDENT: {"own"}, Role.VOLUNTEER: {"own"}, Role.PROXY: {"proxy"}} | everybody(*DESK, *WATCH),
}
UNLESS = {"ReceiveDonation": {"pledged"}, "ReceiptDonation": {"received"}, "WaiveReceipt": {"received"}}


def test_the_table_lists_every_command_that_people_may_ask_for_and_no_other():
    assert set(TABLE.commands) == set(EXPECTED)
    assert {command.__name__ for command in DONATION_COMMANDS} <= set(EXPECTED)


@pytest.mark.parametrize("command", [*EXPECTED, *[command.__name__ for command in BOOK_COMMANDS], "EraseVaultData"])
def test_every_cell(command: str):
    for role in Role:
        for standing in STANDINGS:
            wanted = EXPECTED.get(command, {}).get(role, set())
            allowed = bool(wanted & (standing | {"any"})) and not UNLESS.get(command, set()) & standing
            assert TABLE.allows(command, role, standing) is allowed, (command, role, sorted(standing))
