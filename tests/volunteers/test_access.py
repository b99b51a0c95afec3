"""The access table, cell by cell: what is not listed here is forbidden."""

from itertools import combinations

import pytest

from contracts.command import Role
from services.volunteers.access import DESK, DOORSTEP, WATCH, build_access
from services.volunteers.commands.helping import VOLUNTEER_COMMANDS
from services.volunteers.commands.hours import CLAIM_COMMANDS
from services.volunteers.commands.people import PERSON_COMMANDS
from services.volunteers.commands.records import RECORD_COMMANDS
from services.volunteers.commands.stars import STAR_COMMANDS
from services.volunteers.commands.teams import TEAM_COMMANDS

TABLE = build_access()
RELATIONS = (
    *("own", "proxy", "guardian", "party", "household", "related"),
    *("leads", "leads_team", "member", "recipient", "recipient_proxy"),
)
STANDINGS = [frozenset(some) for size in range(3) for some in combinations(RELATIONS, size)]
"""Nobody in particular, each relation alone, and every two of them together."""
SYSTEM_ONLY = {
    *("BootstrapAdmin", "ExpireLicence", "MarkTeamDormant"),
    *("ClaimHours", "LogHours", "HoldHours", "ReleaseHours", "DrawSample"),
    *("ReachStar", "ReviewStar", "SupersedeServiceRecord"),
}
"""Asked by the service itself, or with the bootstrap token: in nobody's row."""

PEOPLE = [role for role in Role if role is not Role.SYSTEM]
SELF = {Role.RESIDENT: {"own"}, Role.VOLUNTEER: {"own"}, Role.PROXY: {"proxy"}}
SELF_OR_GUARDIAN = {Role.RESIDENT: {"own", "guardian"}, Role.VOLUNTEER: {"own", "guardian"}, Role.PROXY: {"proxy"}}

LEADER = {Role.TEAM_LEADER: {"leads"}}
TEAM_LEADER = {Role.TEAM_LEADER: {"leads_team"}}


def everybody(*roles: Role) -> dict[Role, set[str]]:
    return {role: {"any"} for role in roles}


EXPECTED: dict[str, dict[Role, set[str]]] = {
    "RegisterPerson": everybody(*DOORSTEP, Role.DISPATCHER, Role.BUILDING_LEAD, Role.ADMIN),
    "GiveConsent": SELF_OR_GUARDIAN | everybody(*DOORSTEP),
    "WithdrawConsent": SELF_OR_GUARDIAN | everybody(*DOORSTEP),
    "MovePerson": SELF_OR_GUARDIAN | everybody(*DOORSTEP, Role.DISPATCHER, Role.BUILDING_LEAD),
    "BlockPerson": SELF_OR_GUARDIAN | everybody(*DOORSTEP, Role.DISPATCHER),
    "UnblockPerson": SELF_OR_GUARDIAN | everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER),
    "read_blocks": SELF_OR_GUARDIAN | everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER),
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
    "RecordGuardianConsent": {Role.RESIDENT: {"guardian"}, Role.VOLUNTEER: {"guardian"}} | everybody(*DOORSTEP),
    "VerifyIdentity": everybody(Role.STATION_MANAGER),
    "RejectVolunteer": everybody(Role.STATION_MANAGER),
    "RecordTraining": everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER),
    "read_statement": SELF_OR_GUARDIAN | everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER),
    "DeclareSkill": SELF | everybody(Role.STATION_MANAGER) | LEADER,
    "SetAvailability": SELF | everybody(Role.STATION_MANAGER) | LEADER,
    "FoundTeam": {Role.VOLUNTEER: {"own"}} | everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER),
    "JoinTeam": SELF_OR_GUARDIAN | TEAM_LEADER | everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER),
    "LeaveTeam": SELF_OR_GUARDIAN | TEAM_LEADER | everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER),
    "AppointLeader": everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER),
    "RegisterTeam": everybody(Role.STATION_MANAGER),
    "DissolveTeam": everybody(Role.STATION_MANAGER),
    "read_teams": everybody(*(role for role in Role if role is not Role.SYSTEM)),
    "read_members": {Role.VOLUNTEER: {"member"}} | TEAM_LEADER | everybody(*DESK, *WATCH),
    "VerifySkill": LEADER | everybody(Role.STATION_MANAGER),
    "RecordLicence": everybody(Role.STATION_MANAGER),
    "RecordInsurance": everybody(Role.STATION_MANAGER),
    "PauseVolunteer": SELF | everybody(Role.STATION_MANAGER),
    "ResumeVolunteer": SELF | everybody(Role.STATION_MANAGER),
    "WithdrawVolunteer": SELF | everybody(Role.STATION_MANAGER),
    "SuspendVolunteer": everybody(Role.SOCIAL_WORKER, Role.STATION_MANAGER),
    "ReinstateVolunteer": everybody(Role.SOCIAL_WORKER, Role.STATION_MANAGER),
    "ApproveHours": everybody(Role.HOURS_AUDITOR, Role.SOCIAL_WORKER, Role.STATION_MANAGER),
    "RejectHours": everybody(Role.HOURS_AUDITOR),
    "ClaimHoursManually": {Role.VOLUNTEER: {"own"}} | LEADER,
    "ConfirmHours": {Role.RESIDENT: {"recipient"}, Role.PROXY: {"recipient_proxy"}} | LEADER,
    "RequestCorrection": {
        Role.VOLUNTEER: {"own"},
        Role.RESIDENT: {"recipient"},
        Role.PROXY: {"proxy", "recipient_proxy"},
    }
    | everybody(Role.HOURS_AUDITOR, Role.SUPERVISOR, Role.AUDITOR),
    "AdjustHours": everybody(Role.HOURS_AUDITOR),
    "VoidHours": everybody(Role.HOURS_AUDITOR),
    "RecordSample": everybody(Role.SUPERVISOR),
    "NominateStar": LEADER,
    "PublicizeStar": everybody(Role.STATION_MANAGER),
    "AwardStar": everybody(Role.STATION_MANAGER),
    "ObjectToStar": everybody(Role.RESIDENT, Role.VOLUNTEER, Role.SUPERVISOR, Role.HOURS_AUDITOR),
    "IssueServiceRecord": everybody(Role.STATION_MANAGER),
    "RevokeServiceRecord": everybody(Role.STATION_MANAGER),
    "read_stars": everybody(*PEOPLE),
    "read_records": SELF_OR_GUARDIAN
    | everybody(Role.STATION_MANAGER, Role.SOCIAL_WORKER, Role.HOURS_AUDITOR, Role.AUDITOR),
    "export_records": everybody(Role.STATION_MANAGER),
    "import_records": everybody(Role.STATION_MANAGER),
    "read_person": SELF_OR_GUARDIAN | everybody(*DESK, Role.BUILDING_LEAD, Role.ADMIN, Role.AUDITOR),
    "reveal_person": SELF_OR_GUARDIAN | everybody(*DESK),
    "find_person": everybody(*DESK),
    "read_roles": SELF | everybody(Role.ADMIN, Role.AUDITOR),
    "read_volunteer": SELF_OR_GUARDIAN | everybody(*DESK, *WATCH) | LEADER,
    "read_hours": SELF_OR_GUARDIAN | everybody(*DESK, *WATCH) | LEADER,
    "read_claims": everybody(
        Role.HOURS_AUDITOR, Role.SOCIAL_WORKER, Role.STATION_MANAGER, Role.SUPERVISOR, Role.AUDITOR
    ),
    "read_corrections": everybody(*PEOPLE),
    "read_checks": everybody(*PEOPLE),
}
UNLESS: dict[str, set[str]] = {
    "GrantRole": {"own"},
    "EndRelation": {"own", "party"},
    "ErasePerson": {"own"},
    "VerifyIdentity": {"own"},
    "RejectVolunteer": {"own"},
    "RecordTraining": {"own"},
    "VerifySkill": {"own"},
    "RecordLicence": {"own"},
    "RecordInsurance": {"own"},
    "SuspendVolunteer": {"own", "household", "related"},
    "ReinstateVolunteer": {"own", "household", "related"},
    "ApproveHours": {"own", "household", "related"},
    "RejectHours": {"own", "household", "related"},
    "AdjustHours": {"own", "household", "related"},
    "VoidHours": {"own", "household", "related"},
    "RecordSample": {"own", "household", "related"},
    "NominateStar": {"own", "household", "related"},
    "PublicizeStar": {"own", "household", "related"},
    "AwardStar": {"own", "household", "related"},
    "ObjectToStar": {"own"},
    "IssueServiceRecord": {"own"},
    "RevokeServiceRecord": {"own"},
}
UNLESS_IN_ROLE: dict[tuple[str, Role], set[str]] = {
    ("ClaimHoursManually", Role.TEAM_LEADER): {"own"},
    ("ConfirmHours", Role.RESIDENT): {"own"},
    ("ConfirmHours", Role.PROXY): {"own"},
    ("ConfirmHours", Role.TEAM_LEADER): {"own", "household", "related"},
}
NOT_FOR_A_PARTY = {"AuthoriseProxy", "BlockPerson", "UnblockPerson"}
"""Staff do not use their office where they are the other side themselves."""


def expected(command: str, role: Role, standing: frozenset[str]) -> bool:
    if standing & UNLESS.get(command, set()):
        return False
    if command == "RecordGuardianConsent" and role in DOORSTEP and "own" in standing:
        return False
    if command in NOT_FOR_A_PARTY and role not in SELF and "party" in standing:
        return False
    if standing & UNLESS_IN_ROLE.get((command, role), set()):
        return False
    return bool((standing | {"any"}) & EXPECTED[command].get(role, set()))


@pytest.mark.parametrize("command", sorted(EXPECTED))
def test_every_cell_is_as_listed(command: str):
    for role in Role:
        for standing in STANDINGS:
            allowed = TABLE.allows(command, role, standing)
            assert allowed == expected(command, role, standing), (command, role, sorted(standing))


def test_every_command_of_a_person_is_in_the_table():
    commands = {
        command.__name__
        for command in (
            *PERSON_COMMANDS,
            *VOLUNTEER_COMMANDS,
            *TEAM_COMMANDS,
            *CLAIM_COMMANDS,
            *STAR_COMMANDS,
            *RECORD_COMMANDS,
        )
    }
    queries = {name for name in EXPECTED if name.islower()}
    assert set(TABLE.commands) == set(EXPECTED)
    assert set(EXPECTED) == (commands - SYSTEM_ONLY) | queries


def test_an_admin_decides_on_nobodys_hours():
    for command in ("ApproveHours", "RejectHours", "ConfirmHours", "AdjustHours", "VoidHours", "ClaimHoursManually"):
        assert not TABLE.allows(command, Role.ADMIN, ())
