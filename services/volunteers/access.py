"""Who may ask volunteers what: role × command × relation to the person concerned, as data.

Relations are looked up in this service's own read models: `own` (it is about the caller), `proxy` (a live authorisation
with scope `all` or `volunteers`), `guardian` (a declared parent or guardian), `party` (the caller is the other side of
the relation or authorisation), `household` (same household), `related` (any declared relation) and `leads` (the person
is in a team that the caller leads now, or the caller leads all teams of the community); to a team, `leads_team` and
`member`; to a claim, `recipient` (the service was
for the caller) and `recipient_proxy` (for whom the caller acts).
"""

from contracts.command import Role
from servicekit.access import AccessTable
from services.volunteers.commands.helping import (
    DeclareSkill,
    PauseVolunteer,
    RecordGuardianConsent,
    RecordInsurance,
    RecordLicence,
    RecordTraining,
    RegisterVolunteer,
    ReinstateVolunteer,
    RejectVolunteer,
    ResumeVolunteer,
    SetAvailability,
    SuspendVolunteer,
    VerifyIdentity,
    VerifySkill,
    WithdrawVolunteer,
)
from services.volunteers.commands.hours import (
    AdjustHours,
    ApproveHours,
    ClaimHoursManually,
    ConfirmHours,
    RecordSample,
    RejectHours,
    RequestCorrection,
    VoidHours,
)
from services.volunteers.commands.people import (
    AuthoriseProxy,
    BlockPerson,
    DeclareRelation,
    EndProxy,
    EndRelation,
    ErasePerson,
    GiveConsent,
    GrantRole,
    MovePerson,
    RegisterPerson,
    RevokeRole,
    UnblockPerson,
    WithdrawConsent,
)
from services.volunteers.commands.records import IssueServiceRecord, RevokeServiceRecord
from services.volunteers.commands.stars import AwardStar, NominateStar, ObjectToStar, PublicizeStar
from services.volunteers.commands.teams import (
    AppointLeader,
    DissolveTeam,
    FoundTeam,
    JoinTeam,
    LeaveTeam,
    RegisterTeam,
)

READ_TEAMS = "read_teams"
READ_MEMBERS = "read_members"
READ_PERSON = "read_person"
REVEAL_PERSON = "reveal_person"
FIND_PERSON = "find_person"
READ_ROLES = "read_roles"
READ_BLOCKS = "read_blocks"
READ_VOLUNTEER = "read_volunteer"
READ_STATEMENT = "read_statement"
READ_HOURS = "read_hours"
READ_CLAIMS = "read_claims"
READ_CORRECTIONS = "read_corrections"
READ_CHECKS = "read_checks"
READ_STARS = "read_stars"
READ_RECORDS = "read_records"
EXPORT_RECORDS = "export_records"
IMPORT_RECORDS = "import_records"

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
    _teams(table)
    _hours(table)
    _stars(table)
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
    _self(table, MovePerson, "guardian")
    _allow(table, MovePerson, (*DOORSTEP, Role.DISPATCHER, Role.BUILDING_LEAD))
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
    # Who is blocked neither hears of it nor ends it.
    _self(table, BlockPerson, "guardian")
    _allow(table, BlockPerson, (*DOORSTEP, Role.DISPATCHER), unless="party")
    _self(table, UnblockPerson, "guardian")
    _allow(table, UnblockPerson, (Role.STATION_MANAGER, Role.SOCIAL_WORKER), unless="party")
    _allow(table, ErasePerson, (Role.ADMIN,), unless="own")


def _helping(table: AccessTable) -> None:
    _self(table, RegisterVolunteer, "guardian")
    _allow(table, RegisterVolunteer, DOORSTEP)
    _allow(table, RecordGuardianConsent, (Role.RESIDENT, Role.VOLUNTEER), "guardian")
    _allow(table, RecordGuardianConsent, DOORSTEP, unless="own")
    for answer in (VerifyIdentity, RejectVolunteer):
        _allow(table, answer, (Role.STATION_MANAGER,), unless="own")
    for command in (DeclareSkill, SetAvailability):
        _self(table, command)
        _allow(table, command, (Role.STATION_MANAGER,))
        _allow(table, command, (Role.TEAM_LEADER,), "leads")
    _allow(table, VerifySkill, (Role.TEAM_LEADER,), "leads", unless="own")
    _allow(table, VerifySkill, (Role.STATION_MANAGER,), unless="own")
    for paper in (RecordLicence, RecordInsurance):
        _allow(table, paper, (Role.STATION_MANAGER,), unless="own")
    _allow(table, RecordTraining, (Role.STATION_MANAGER, Role.SOCIAL_WORKER), unless="own")
    for wish in (PauseVolunteer, ResumeVolunteer, WithdrawVolunteer):
        _self(table, wish)
        _allow(table, wish, (Role.STATION_MANAGER,))
    for measure in (SuspendVolunteer, ReinstateVolunteer):
        _allow(table, measure, (Role.SOCIAL_WORKER, Role.STATION_MANAGER), unless=" ".join(KIN))


def _teams(table: AccessTable) -> None:
    _allow(table, FoundTeam, (Role.VOLUNTEER,), "own")
    _allow(table, FoundTeam, (Role.STATION_MANAGER, Role.SOCIAL_WORKER))
    for wish in (JoinTeam, LeaveTeam):
        _self(table, wish, "guardian")
        _allow(table, wish, (Role.TEAM_LEADER,), "leads_team")
        _allow(table, wish, (Role.STATION_MANAGER, Role.SOCIAL_WORKER))
    for measure in (RegisterTeam, DissolveTeam):
        _allow(table, measure, (Role.STATION_MANAGER,))
    _allow(table, AppointLeader, (Role.STATION_MANAGER, Role.SOCIAL_WORKER))
    _allow(table, READ_TEAMS, tuple(role for role in Role if role is not Role.SYSTEM))
    _allow(table, READ_MEMBERS, (Role.VOLUNTEER,), "member")
    _allow(table, READ_MEMBERS, (Role.TEAM_LEADER,), "leads_team")
    _allow(table, READ_MEMBERS, (*DESK, *WATCH))


def _hours(table: AccessTable) -> None:
    # The second person above 720 minutes may hold another role; the decider wants an auditor's approval first.
    approvers = (Role.HOURS_AUDITOR, Role.SOCIAL_WORKER, Role.STATION_MANAGER)
    _allow(table, ApproveHours, approvers, unless=" ".join(KIN))
    _allow(table, RejectHours, (Role.HOURS_AUDITOR,), unless=" ".join(KIN))
    _allow(table, ClaimHoursManually, (Role.VOLUNTEER,), "own")
    _allow(table, ClaimHoursManually, (Role.TEAM_LEADER,), "leads", unless="own")
    # Who was there: the recipient, or the leader.
    _allow(table, ConfirmHours, (Role.RESIDENT,), "recipient", unless="own")
    _allow(table, ConfirmHours, (Role.PROXY,), "recipient_proxy", unless="own")
    _allow(table, ConfirmHours, (Role.TEAM_LEADER,), "leads", unless=" ".join(KIN))
    _allow(table, RequestCorrection, (Role.VOLUNTEER,), "own")
    _allow(table, RequestCorrection, (Role.RESIDENT,), "recipient")
    _allow(table, RequestCorrection, (Role.PROXY,), "proxy", "recipient_proxy")
    _allow(table, RequestCorrection, (Role.HOURS_AUDITOR, Role.SUPERVISOR, Role.AUDITOR))
    for answer in (AdjustHours, VoidHours):
        _allow(table, answer, (Role.HOURS_AUDITOR,), unless=" ".join(KIN))
    _allow(table, RecordSample, (Role.SUPERVISOR,), unless=" ".join(KIN))


def _stars(table: AccessTable) -> None:
    kin = " ".join(KIN)
    _allow(table, NominateStar, (Role.TEAM_LEADER,), "leads", unless=kin)
    for command in (PublicizeStar, AwardStar):
        _allow(table, command, (Role.STATION_MANAGER,), unless=kin)
    _allow(table, ObjectToStar, (Role.RESIDENT, Role.VOLUNTEER, Role.SUPERVISOR, Role.HOURS_AUDITOR), unless="own")
    for paper in (IssueServiceRecord, RevokeServiceRecord):
        _allow(table, paper, (Role.STATION_MANAGER,), unless="own")


def _reading(table: AccessTable) -> None:
    _self(table, READ_PERSON, "guardian")
    _allow(table, READ_PERSON, (*DESK, Role.BUILDING_LEAD, Role.ADMIN, Role.AUDITOR))
    _self(table, REVEAL_PERSON, "guardian")
    _allow(table, REVEAL_PERSON, DESK)
    _allow(table, FIND_PERSON, DESK)
    _self(table, READ_ROLES)
    _allow(table, READ_ROLES, (Role.ADMIN, Role.AUDITOR))
    _self(table, READ_BLOCKS, "guardian")
    _allow(table, READ_BLOCKS, (Role.STATION_MANAGER, Role.SOCIAL_WORKER))
    for query in (READ_VOLUNTEER, READ_HOURS):
        _self(table, query, "guardian")
        _allow(table, query, (*DESK, *WATCH))
        _allow(table, query, (Role.TEAM_LEADER,), "leads")
    _self(table, READ_STATEMENT, "guardian")
    _allow(table, READ_STATEMENT, (Role.SOCIAL_WORKER, Role.STATION_MANAGER))
    _allow(
        table,
        READ_CLAIMS,
        (Role.HOURS_AUDITOR, Role.SOCIAL_WORKER, Role.STATION_MANAGER, Role.SUPERVISOR, Role.AUDITOR),
    )
    # Corrections carry public words (令81 §16), and random checks are published (domain.md §2).
    _self(table, READ_RECORDS, "guardian")
    _allow(table, READ_RECORDS, (Role.STATION_MANAGER, Role.SOCIAL_WORKER, Role.HOURS_AUDITOR, Role.AUDITOR))
    # Whole names and birth dates of everybody, and a history that nobody here witnessed: one desk answers for both.
    for whole in (EXPORT_RECORDS, IMPORT_RECORDS):
        _allow(table, whole, (Role.STATION_MANAGER,))
    for public in (READ_CORRECTIONS, READ_CHECKS, READ_STARS):
        _allow(table, public, tuple(role for role in Role if role is not Role.SYSTEM))
