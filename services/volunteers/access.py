"""Who may ask volunteers what: role × command × relation to the person concerned, as data.

Relations are looked up in this service's own read models: `own` (it is about the caller), `proxy` (a live authorisation
with scope `all` or `volunteers`), `guardian` (a declared parent or guardian), `party` (the caller is the other side of
the relation or authorisation), `household` (same household) and `related` (any declared relation).
"""

from contracts.command import Role
from servicekit.access import AccessTable
from services.volunteers.commands.helping import (
    DeclareSkill,
    PauseVolunteer,
    RecordInsurance,
    RecordLicence,
    RegisterVolunteer,
    ReinstateVolunteer,
    ResumeVolunteer,
    SetAvailability,
    SuspendVolunteer,
    VerifyIdentity,
    VerifySkill,
    WithdrawVolunteer,
)
from services.volunteers.commands.hours import ApproveHours, RejectHours
from services.volunteers.commands.people import (
    AuthoriseProxy,
    DeclareRelation,
    EndProxy,
    EndRelation,
    ErasePerson,
    GiveConsent,
    GrantRole,
    RegisterPerson,
    RevokeRole,
    WithdrawConsent,
)

READ_PERSON = "read_person"
REVEAL_PERSON = "reveal_person"
FIND_PERSON = "find_person"
READ_ROLES = "read_roles"
READ_VOLUNTEER = "read_volunteer"
READ_HOURS = "read_hours"
READ_CLAIMS = "read_claims"

DOORSTEP = (Role.STATION_MANAGER, Role.GRID_WORKER, Role.SOCIAL_WORKER)
"""Who takes down what people say at the door, on paper and by phone: equal to the web (article, row 41)."""
DESK = (*DOORSTEP, Role.DISPATCHER, Role.REVIEWER)
"""Who needs a name or a number to do their work."""
WATCH = (Role.HOURS_AUDITOR, Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN)
KIN = ("own", "household", "related")


def build_access() -> AccessTable:
    """The table. What it does not allow is forbidden."""
    table = AccessTable()
    _people(table)
    _helping(table)
    _hours(table)
    _reading(table)
    return table


def _allow(table: AccessTable, command: type | str, roles: tuple[Role, ...], *relations: str, unless: str = "") -> None:
    for role in roles:
        table.rule(command, role, *relations, unless=unless.split())


def _self(table: AccessTable, command: type | str, *more: str) -> None:
    """The person themselves, in whichever of the two roles, and who may act for them."""
    _allow(table, command, (Role.RESIDENT, Role.VOLUNTEER), "own", *more)
    _allow(table, command, (Role.PROXY,), "proxy")


def _people(table: AccessTable) -> None:
    _allow(table, RegisterPerson, (*DOORSTEP, Role.DISPATCHER, Role.BUILDING_LEAD, Role.ADMIN))
    for consent in (GiveConsent, WithdrawConsent):
        _self(table, consent, "guardian")
        _allow(table, consent, DOORSTEP)
    _allow(table, GrantRole, (Role.ADMIN,), unless="own")
    _allow(table, RevokeRole, (Role.ADMIN,))
    _self(table, DeclareRelation, "party")
    _allow(table, DeclareRelation, (*DOORSTEP, Role.ADMIN))
    # A relation keeps duties apart, so nobody ends one of their own.
    _allow(table, EndRelation, (Role.STATION_MANAGER, Role.SOCIAL_WORKER, Role.ADMIN), unless="own party")
    _allow(table, AuthoriseProxy, (Role.RESIDENT, Role.VOLUNTEER), "own")
    _allow(table, AuthoriseProxy, DOORSTEP, unless="party")
    _allow(table, EndProxy, (Role.RESIDENT, Role.VOLUNTEER), "own", "party")
    _allow(table, EndProxy, (Role.PROXY,), "party")
    _allow(table, EndProxy, DOORSTEP)
    _allow(table, ErasePerson, (Role.ADMIN,), unless="own")


def _helping(table: AccessTable) -> None:
    _self(table, RegisterVolunteer, "guardian")
    _allow(table, RegisterVolunteer, DOORSTEP)
    _allow(table, VerifyIdentity, (Role.STATION_MANAGER,), unless="own")
    for command in (DeclareSkill, SetAvailability):
        _self(table, command)
        _allow(table, command, (Role.STATION_MANAGER, Role.TEAM_LEADER))
    _allow(table, VerifySkill, (Role.TEAM_LEADER, Role.STATION_MANAGER), unless="own")
    for paper in (RecordLicence, RecordInsurance):
        _allow(table, paper, (Role.STATION_MANAGER,), unless="own")
    for wish in (PauseVolunteer, ResumeVolunteer, WithdrawVolunteer):
        _self(table, wish)
        _allow(table, wish, (Role.STATION_MANAGER,))
    for measure in (SuspendVolunteer, ReinstateVolunteer):
        _allow(table, measure, (Role.SOCIAL_WORKER, Role.STATION_MANAGER), unless="own")


def _hours(table: AccessTable) -> None:
    # The second person above 720 minutes may hold another role; the decider wants an auditor's approval first.
    approvers = (Role.HOURS_AUDITOR, Role.SOCIAL_WORKER, Role.STATION_MANAGER)
    _allow(table, ApproveHours, approvers, unless=" ".join(KIN))
    _allow(table, RejectHours, (Role.HOURS_AUDITOR,), unless=" ".join(KIN))


def _reading(table: AccessTable) -> None:
    _self(table, READ_PERSON, "guardian")
    _allow(table, READ_PERSON, (*DESK, Role.BUILDING_LEAD, Role.ADMIN, Role.AUDITOR))
    _self(table, REVEAL_PERSON, "guardian")
    _allow(table, REVEAL_PERSON, DESK)
    _allow(table, FIND_PERSON, DESK)
    _self(table, READ_ROLES)
    _allow(table, READ_ROLES, (Role.ADMIN, Role.AUDITOR))
    for query in (READ_VOLUNTEER, READ_HOURS):
        _self(table, query, "guardian")
        _allow(table, query, (*DESK, Role.TEAM_LEADER, *WATCH))
    _allow(table, READ_CLAIMS, (Role.HOURS_AUDITOR, Role.SOCIAL_WORKER, Role.STATION_MANAGER, Role.AUDITOR))
