"""The access table, cell by cell: what is not listed here is forbidden."""

from itertools import combinations

import pytest

from contracts.command import Role
from services.volunteers.access import DESK, DOORSTEP, WATCH, build_access
from services.volunteers.commands.helping import VOLUNTEER_COMMANDS
from services.volunteers.commands.hours import CLAIM_COMMANDS
from services.volunteers.commands.people import PERSON_COMMANDS

TABLE = build_access()
RELATIONS = ("own", "proxy", "guardian", "party", "household", "related")
STANDINGS = [frozenset(some) for size in range(3) for some in combinations(RELATIONS, size)]
"""Nobody in particular, each relation alone, and every two of them together."""
SYSTEM_ONLY = {"BootstrapAdmin", "ClaimHours", "ConfirmHours", "LogHours", "RequestCorrection"}
"""Asked by the service itself, or with the bootstrap token: in nobody's row."""

SELF = {Role.RESIDENT: {"own"}, Role.VOLUNTEER: {"own"}, Role.PROXY: {"proxy"}}
SELF_OR_GUARDIAN = {Role.RESIDENT: {"own", "guardian"}, Role.VOLUNTEER: {"own", "guardian"}, Role.PROXY: {"proxy"}}


def everybody(*roles: Role) -> dict[Role, set[str]]:
    return {role: {"any"} for role in roles}


EXPECTED: dict[str, dict[Role, set[str]]] = {
    "RegisterPerson": everybody(*DOORSTEP, Role.DISPATCHER, Role.BUILDING_LEAD, Role.ADMIN),
    "GiveConsent": SELF_OR_GUARDIAN | everybody(*DOORSTEP),
    "WithdrawConsent": SELF_OR_GUARDIAN | everybody(*DOORSTEP),
    "GrantRole": everybody(Role.ADMIN),
    "RevokeRole": everybody(Role.ADMIN),
    "DeclareRelation": {Role.RESIDENT: {"own", "party"}, Role.VOLUNTEER: {"own", "party"}, Role.PROXY: {"proxy"}}
    | everybody(*DOORSTEP, Role.ADMIN),
    "EndRelation": everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER, Role.ADMIN),
    "AuthoriseProxy": {Role.RESIDENT: {"own"}, Role.VOLUNTEER: {"own"}} | everybody(*DOORSTEP),
    "EndProxy": {Role.RESIDENT: {"own", "party"}, Role.VOLUNTEER: {"own", "party"}, Role.PROXY: {"party"}}
    | everybody(*DOORSTEP),
    "ErasePerson": everybody(Role.ADMIN),
    "RegisterVolunteer": SELF_OR_GUARDIAN | everybody(*DOORSTEP),
    "VerifyIdentity": everybody(Role.STATION_MANAGER),
    "DeclareSkill": SELF | everybody(Role.STATION_MANAGER, Role.TEAM_LEADER),
    "SetAvailability": SELF | everybody(Role.STATION_MANAGER, Role.TEAM_LEADER),
    "VerifySkill": everybody(Role.TEAM_LEADER, Role.STATION_MANAGER),
    "RecordLicence": everybody(Role.STATION_MANAGER),
    "RecordInsurance": everybody(Role.STATION_MANAGER),
    "PauseVolunteer": SELF | everybody(Role.STATION_MANAGER),
    "ResumeVolunteer": SELF | everybody(Role.STATION_MANAGER),
    "WithdrawVolunteer": SELF | everybody(Role.STATION_MANAGER),
    "SuspendVolunteer": everybody(Role.SOCIAL_WORKER, Role.STATION_MANAGER),
    "ReinstateVolunteer": everybody(Role.SOCIAL_WORKER, Role.STATION_MANAGER),
    "ApproveHours": everybody(Role.HOURS_AUDITOR, Role.SOCIAL_WORKER, Role.STATION_MANAGER),
    "RejectHours": everybody(Role.HOURS_AUDITOR),
    "read_person": SELF_OR_GUARDIAN | everybody(*DESK, Role.BUILDING_LEAD, Role.ADMIN, Role.AUDITOR),
    "reveal_person": SELF_OR_GUARDIAN | everybody(*DESK),
    "find_person": everybody(*DESK),
    "read_roles": SELF | everybody(Role.ADMIN, Role.AUDITOR),
    "read_volunteer": SELF_OR_GUARDIAN | everybody(*DESK, Role.TEAM_LEADER, *WATCH),
    "read_hours": SELF_OR_GUARDIAN | everybody(*DESK, Role.TEAM_LEADER, *WATCH),
    "read_claims": everybody(Role.HOURS_AUDITOR, Role.SOCIAL_WORKER, Role.STATION_MANAGER, Role.AUDITOR),
}
UNLESS: dict[str, set[str]] = {
    "GrantRole": {"own"},
    "EndRelation": {"own", "party"},
    "ErasePerson": {"own"},
    "VerifyIdentity": {"own"},
    "VerifySkill": {"own"},
    "RecordLicence": {"own"},
    "RecordInsurance": {"own"},
    "SuspendVolunteer": {"own"},
    "ReinstateVolunteer": {"own"},
    "ApproveHours": {"own", "household", "related"},
    "RejectHours": {"own", "household", "related"},
}


def expected(command: str, role: Role, standing: frozenset[str]) -> bool:
    if standing & UNLESS.get(command, set()):
        return False
    if command == "AuthoriseProxy" and role in DOORSTEP and "party" in standing:
        return False
    return bool((standing | {"any"}) & EXPECTED[command].get(role, set()))


@pytest.mark.parametrize("command", sorted(EXPECTED))
def test_every_cell_is_as_listed(command: str):
    for role in Role:
        for standing in STANDINGS:
            allowed = TABLE.allows(command, role, standing)
            assert allowed == expected(command, role, standing), (command, role, sorted(standing))


def test_every_command_of_a_person_is_in_the_table():
    commands = {command.__name__ for command in (*PERSON_COMMANDS, *VOLUNTEER_COMMANDS, *CLAIM_COMMANDS)}
    queries = {name for name in EXPECTED if name.islower()}
    assert set(TABLE.commands) == set(EXPECTED)
    assert set(EXPECTED) == (commands - SYSTEM_ONLY) | queries


def test_an_admin_decides_on_nobodys_hours():
    for command in ("ApproveHours", "RejectHours"):
        assert not TABLE.allows(command, Role.ADMIN, ())
