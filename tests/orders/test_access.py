"""The access table, cell by cell: what is not listed here is forbidden."""

from itertools import combinations

import pytest

from contracts.command import Role
from services.orders.access import build_access
from services.orders.commands.beside import PublishServiceItem, RecordInquiry, RetireServiceItem
from services.orders.decider.dispute_state import TABLE as DISPUTE
from services.orders.decider.lifecycle import LIFECYCLE
from services.orders.decider.welfare_check import TABLE as CHECK

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
    "responsible",
    "party",
)
STANDINGS = [frozenset(some) for size in range(3) for some in combinations(RELATIONS, size)]
"""Nobody in particular, each relation alone, and every two of them together."""
SYSTEM_ONLY = {
    "ExpireOffer",
    "LapseAssignment",
    "AutoCloseService",
    "PresumeCompletion",
    "EscalateFollowUp",
    "EscalateWelfareCheck",
}
R = Role
RESIDENTS_SIDE = {R.RESIDENT: {"own"}, R.PROXY: {"proxy"}}
PLACES = {R.STATION_MANAGER: {"station_covers"}, R.GRID_WORKER: {"grid_covers"}, R.BUILDING_LEAD: {"entrance_covers"}}


def everybody(*roles: Role) -> dict[Role, set[str]]:
    return {role: {"any"} for role in roles}


OFFICE = everybody(R.DISPATCHER, R.REVIEWER, R.SOCIAL_WORKER)
READERS = OFFICE | everybody(R.STREET_OFFICER, R.TEAM_LEADER, R.SUPERVISOR, R.ADMIN, R.AUDITOR)
LEADERS = {R.TEAM_LEADER: {"leads"}}
WATCH = (R.STREET_OFFICER, R.TEAM_LEADER, R.SUPERVISOR, R.ADMIN, R.AUDITOR)
RESPONSIBLE = (R.VOLUNTEER, R.TEAM_LEADER, R.SOCIAL_WORKER, R.STATION_MANAGER, R.DISPATCHER)
CALLERS = (R.DISPATCHER, R.SOCIAL_WORKER, R.STREET_OFFICER, R.AUDITOR)
PARTIES = {R.RESIDENT: {"own", "party"}, R.PROXY: {"proxy", "party"}, R.VOLUNTEER: {"assigned", "party"}}
EXPECTED: dict[str, dict[Role, set[str]]] = {
    "PlaceOrder": RESIDENTS_SIDE,
    "RecordInquiry": everybody(R.GRID_WORKER, R.BUILDING_LEAD, R.VOLUNTEER),
    "CreateOrderFromInquiry": {R.STATION_MANAGER: {"station_covers"}},
    "RequestInfo": everybody(R.DISPATCHER),
    "ProvideInfo": RESIDENTS_SIDE,
    "VerifyOrder": everybody(R.DISPATCHER),
    "RefuseOrder": everybody(R.DISPATCHER),
    "MergeOrder": everybody(R.DISPATCHER),
    "RedispatchOrder": everybody(R.DISPATCHER),
    "RescheduleOrder": RESIDENTS_SIDE | everybody(R.DISPATCHER),
    "ReopenOrder": RESIDENTS_SIDE | everybody(R.REVIEWER),
    "DispatchOrder": everybody(R.DISPATCHER),
    "OpenOrder": everybody(R.DISPATCHER),
    "EscalateOrder": everybody(R.DISPATCHER),
    "CloseOrder": everybody(R.DISPATCHER),
    "CancelOrder": RESIDENTS_SIDE | everybody(R.DISPATCHER),
    "DeclareUnfulfilled": everybody(R.DISPATCHER) | {R.STATION_MANAGER: {"station_covers"}},
    "PublishServiceItem": everybody(R.DISPATCHER, R.STATION_MANAGER),
    "RetireServiceItem": everybody(R.DISPATCHER, R.STATION_MANAGER),
    "AcceptOrder": everybody(R.VOLUNTEER) | LEADERS,
    "DeclineOffer": everybody(R.VOLUNTEER),
    "WithdrawAcceptance": {R.VOLUNTEER: {"assigned"}},
    "ReconfirmAssignment": {R.VOLUNTEER: {"assigned"}},
    "StartService": {R.VOLUNTEER: {"assigned"}} | LEADERS,
    "FinishService": {R.VOLUNTEER: {"assigned"}} | LEADERS,
    "RecordVolunteerNoShow": RESIDENTS_SIDE | LEADERS | everybody(R.DISPATCHER),
    "RecordResidentAbsent": {R.VOLUNTEER: {"serving"}} | everybody(R.DISPATCHER),
    "RecordServiceAfterwards": LEADERS | everybody(R.DISPATCHER) | {R.STATION_MANAGER: {"station_covers"}},
    "ConfirmCompletion": RESIDENTS_SIDE,
    "RateOrder": RESIDENTS_SIDE | everybody(R.REVIEWER),
    "AmendRating": RESIDENTS_SIDE | everybody(R.REVIEWER),
    "ContestCompletion": RESIDENTS_SIDE | {R.VOLUNTEER: {"assigned"}},
    "OpenFollowUp": RESIDENTS_SIDE | everybody(R.REVIEWER, R.SOCIAL_WORKER),
    "RecordContact": everybody(R.REVIEWER),
    "DismissRating": everybody(R.REVIEWER),
    "OrderRectification": everybody(R.REVIEWER),
    "ReportRectification": {role: {"responsible"} for role in RESPONSIBLE},
    "VerifyRectification": RESIDENTS_SIDE | everybody(R.REVIEWER),
    "CloseFollowUp": everybody(R.REVIEWER),
    "RaiseDispute": RESIDENTS_SIDE | {R.VOLUNTEER: {"assigned", "missed", "own"}},
    "ResolveDispute": everybody(R.SOCIAL_WORKER),
    "ResolveContest": everybody(R.SOCIAL_WORKER),
    "AppealDispute": PARTIES,
    "AppealContest": PARTIES,
    "RaiseWelfareCheck": {R.VOLUNTEER: {"assigned"}} | everybody(R.DISPATCHER),
    "RecordOutcome": PLACES | everybody(R.DISPATCHER),
    "read_follow_up": everybody(R.REVIEWER, R.SOCIAL_WORKER, *WATCH)
    | RESIDENTS_SIDE
    | {role: {"responsible"} for role in RESPONSIBLE if role not in {R.TEAM_LEADER, R.SOCIAL_WORKER}},
    "list_follow_ups": everybody(R.REVIEWER, R.SOCIAL_WORKER, *WATCH),
    "read_dispute": PARTIES | everybody(R.SOCIAL_WORKER, R.STREET_OFFICER, R.AUDITOR),
    "list_disputes": everybody(R.SOCIAL_WORKER, R.STREET_OFFICER, R.AUDITOR),
    "read_welfare_check": RESIDENTS_SIDE | PLACES | everybody(*CALLERS),
    "list_welfare_checks": everybody(*PLACES, *CALLERS),
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
    ("AmendRating", R.REVIEWER): CLOSE,
    ("OpenFollowUp", R.REVIEWER): CLOSE,
    ("OpenFollowUp", R.SOCIAL_WORKER): CLOSE,
    ("RecordContact", R.REVIEWER): CLOSE,
    ("DismissRating", R.REVIEWER): CLOSE,
    ("OrderRectification", R.REVIEWER): CLOSE,
    ("VerifyRectification", R.REVIEWER): CLOSE,
    ("CloseFollowUp", R.REVIEWER): CLOSE,
    ("ResolveDispute", R.SOCIAL_WORKER): CLOSE | {"proxy", "party"},
    ("ResolveContest", R.SOCIAL_WORKER): CLOSE | {"proxy", "party"},
    ("RecordOutcome", R.GRID_WORKER): {"own"},
    ("RecordOutcome", R.BUILDING_LEAD): {"own"},
    ("RecordOutcome", R.STATION_MANAGER): {"own"},
    ("RecordOutcome", R.DISPATCHER): {"own"},
    ("RecordVolunteerNoShow", R.TEAM_LEADER): {"assigned"},
    ("RecordVolunteerNoShow", R.DISPATCHER): {"assigned"},
    ("RecordServiceAfterwards", R.TEAM_LEADER): CLOSE,
    ("RecordServiceAfterwards", R.DISPATCHER): CLOSE,
    ("RecordServiceAfterwards", R.STATION_MANAGER): CLOSE,
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
    commands |= {line.command.__name__ for table in (DISPUTE, CHECK) for line in table.lines}
    queries = {name for name in EXPECTED if name.islower()}
    assert set(TABLE.commands) == set(EXPECTED)
    assert set(EXPECTED) == (commands - SYSTEM_ONLY) | queries


def test_nobody_acts_as_the_system() -> None:
    assert not [cell for cell in TABLE.cells() if cell.role is Role.SYSTEM and cell.allowed]
