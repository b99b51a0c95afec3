"""The access table, cell by cell: what is not listed here is forbidden."""

from itertools import combinations

import pytest

from contracts.command import Role
from services.orders.access import build_access
from services.orders.commands.beside import PublishServiceItem, RecordInquiry, RetireServiceItem
from services.orders.decider.lifecycle import LIFECYCLE

TABLE = build_access()
RELATIONS = (
    "own",
    "proxy",
    "requester",
    "assigned",
    "serving",
    "offered",
    "pool",
    "household",
    "station_covers",
    "grid_covers",
    "entrance_covers",
)
STANDINGS = [frozenset(some) for size in range(3) for some in combinations(RELATIONS, size)]
"""Nobody in particular, each relation alone, and every two of them together."""
SYSTEM_ONLY = {"ExpireOffer", "LapseAssignment", "AutoCloseService", "PresumeCompletion"}
R = Role
RESIDENTS_SIDE = {R.RESIDENT: {"own"}, R.PROXY: {"proxy"}}
PLACES = {R.STATION_MANAGER: {"station_covers"}, R.GRID_WORKER: {"grid_covers"}, R.BUILDING_LEAD: {"entrance_covers"}}


def everybody(*roles: Role) -> dict[Role, set[str]]:
    return {role: {"any"} for role in roles}


OFFICE = everybody(R.DISPATCHER, R.REVIEWER, R.SOCIAL_WORKER)
READERS = OFFICE | everybody(R.STREET_OFFICER, R.TEAM_LEADER, R.SUPERVISOR, R.ADMIN, R.AUDITOR)
EXPECTED: dict[str, dict[Role, set[str]]] = {
    "PlaceOrder": RESIDENTS_SIDE,
    "RecordInquiry": everybody(R.GRID_WORKER, R.BUILDING_LEAD, R.VOLUNTEER),
    "CreateOrderFromInquiry": {R.STATION_MANAGER: {"station_covers"}},
    "VerifyOrder": everybody(R.DISPATCHER),
    "RefuseOrder": everybody(R.DISPATCHER),
    "DispatchOrder": everybody(R.DISPATCHER),
    "OpenOrder": everybody(R.DISPATCHER),
    "EscalateOrder": everybody(R.DISPATCHER),
    "CloseOrder": everybody(R.DISPATCHER),
    "CancelOrder": RESIDENTS_SIDE | everybody(R.DISPATCHER),
    "DeclareUnfulfilled": everybody(R.DISPATCHER) | {R.STATION_MANAGER: {"station_covers"}},
    "PublishServiceItem": everybody(R.DISPATCHER, R.STATION_MANAGER),
    "RetireServiceItem": everybody(R.DISPATCHER, R.STATION_MANAGER),
    "AcceptOrder": everybody(R.VOLUNTEER),
    "DeclineOffer": everybody(R.VOLUNTEER),
    "WithdrawAcceptance": {R.VOLUNTEER: {"assigned"}},
    "StartService": {R.VOLUNTEER: {"assigned"}} | everybody(R.TEAM_LEADER),
    "FinishService": {R.VOLUNTEER: {"assigned"}} | everybody(R.TEAM_LEADER),
    "ConfirmCompletion": RESIDENTS_SIDE,
    "RateOrder": RESIDENTS_SIDE | everybody(R.REVIEWER),
    "read_order": READERS
    | {R.RESIDENT: {"own", "requester"}, R.PROXY: {"proxy", "requester"}}
    | {R.VOLUNTEER: {"assigned", "offered", "pool", "requester"}}
    | {role: covers | {"requester"} for role, covers in PLACES.items()},
    "read_details": RESIDENTS_SIDE | {R.VOLUNTEER: {"serving"}} | OFFICE | PLACES,
    "read_service_code": RESIDENTS_SIDE | everybody(R.DISPATCHER) | {R.STATION_MANAGER: {"station_covers"}},
    "read_candidates": everybody(R.DISPATCHER, R.STATION_MANAGER),
    "list_orders": READERS | everybody(*PLACES),
    "list_mine": everybody(R.RESIDENT, R.PROXY, R.VOLUNTEER, R.BUILDING_LEAD, R.GRID_WORKER),
    "read_inquiries": everybody(R.DISPATCHER, *PLACES),
}
CLOSE = {"assigned", "own", "household"}
UNLESS: dict[tuple[str, Role], set[str]] = {
    ("StartService", R.TEAM_LEADER): CLOSE,
    ("FinishService", R.TEAM_LEADER): CLOSE,
    ("RateOrder", R.REVIEWER): CLOSE,
    ("read_service_code", R.RESIDENT): {"assigned"},
    ("read_service_code", R.PROXY): {"assigned"},
    ("read_service_code", R.DISPATCHER): {"assigned"},
    ("read_service_code", R.STATION_MANAGER): {"assigned"},
}


def expected(command: str, role: Role, standing: frozenset[str]) -> bool:
    if standing & UNLESS.get((command, role), set()):
        return False
    return bool((standing | {"any"}) & EXPECTED[command].get(role, set()))


@pytest.mark.parametrize("command", sorted(EXPECTED))
def test_every_cell_is_as_listed(command: str) -> None:
    for role in Role:
        for standing in STANDINGS:
            allowed = TABLE.allows(command, role, standing)
            assert allowed == expected(command, role, standing), (command, role, sorted(standing))


def test_every_command_of_a_person_is_in_the_table() -> None:
    commands = {row.command.__name__ for row in LIFECYCLE}
    commands |= {command.__name__ for command in (RecordInquiry, PublishServiceItem, RetireServiceItem)}
    queries = {name for name in EXPECTED if name.islower()}
    assert set(TABLE.commands) == set(EXPECTED)
    assert set(EXPECTED) == (commands - SYSTEM_ONLY) | queries


def test_nobody_acts_as_the_system() -> None:
    assert not [cell for cell in TABLE.cells() if cell.role is Role.SYSTEM and cell.allowed]
