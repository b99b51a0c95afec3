"""Who may ask orders what: role × command × relation to the order or person concerned, as data (domain.md §4.0, §4.1).

Relations are looked up by read_models/relations.py: own (it is for the caller), proxy (the caller may act for whom it
is for), requester (the caller asked for it), assigned (fills a slot), serving (the slot is not done yet), missed (is
said not to have come, and may still contest it), offered, pool, household (lives with the beneficiary), leads (a team
now, in which everybody is whom the command names; or all teams), and station_covers, grid_covers, entrance_covers (a
role whose scope has the place).

What a state or a person's duty forbids is the decider's to say, with its own reason: here `any` volunteer may ask to
accept, so that who comes second reads 已有人接了 and not "forbidden".
"""

from contracts.command import Role
from servicekit.access import AccessTable
from services.orders.commands.beside import PublishServiceItem, RecordInquiry, RetireServiceItem
from services.orders.commands.disputes import (
    AppealContest,
    AppealDispute,
    RaiseDispute,
    ResolveContest,
    ResolveDispute,
)
from services.orders.commands.follow_up import (
    CloseFollowUp,
    DismissRating,
    OpenFollowUp,
    OrderRectification,
    RecordContact,
    ReportRectification,
    VerifyRectification,
)
from services.orders.commands.info import ProvideInfo, RequestInfo
from services.orders.commands.missing import RecordResidentAbsent, RecordServiceAfterwards, RecordVolunteerNoShow
from services.orders.commands.placing import (
    AcceptOrder,
    CancelOrder,
    CreateOrderFromInquiry,
    DeclareUnfulfilled,
    DeclineOffer,
    DispatchOrder,
    EscalateOrder,
    OpenOrder,
    PlaceOrder,
    RefuseOrder,
    VerifyOrder,
    WithdrawAcceptance,
)
from services.orders.commands.serving import (
    AmendRating,
    CloseOrder,
    ConfirmCompletion,
    ContestCompletion,
    FinishService,
    RateOrder,
    StartService,
)
from services.orders.commands.turning import (
    MergeOrder,
    ReconfirmAssignment,
    RedispatchOrder,
    ReopenOrder,
    RescheduleOrder,
)
from services.orders.commands.welfare import RaiseWelfareCheck, RecordOutcome

READ_ORDER = "read_order"
READ_DETAILS = "read_details"
"""Address, phone, note."""
READ_SERVICE_CODE = "read_service_code"
READ_CANDIDATES = "read_candidates"
LIST_ORDERS = "list_orders"
LIST_MINE = "list_mine"
READ_CHECK = "read_welfare_check"
LIST_CHECKS = "list_welfare_checks"
READ_DISPUTE = "read_dispute"
LIST_DISPUTES = "list_disputes"
READ_FOLLOW_UP = "read_follow_up"
LIST_FOLLOW_UPS = "list_follow_ups"
READ_INQUIRIES = "read_inquiries"

OFFICE = (Role.DISPATCHER, Role.REVIEWER, Role.SOCIAL_WORKER)
WATCH = (Role.STREET_OFFICER, Role.TEAM_LEADER, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR)
PLACED_ROLES = (
    (Role.STATION_MANAGER, "station_covers"),
    (Role.GRID_WORKER, "grid_covers"),
    (Role.BUILDING_LEAD, "entrance_covers"),
)


def build_access() -> AccessTable:
    """The table. What it does not allow is forbidden."""
    table = AccessTable()
    _asking(table)
    _serving(table)
    _checking(table)
    _disputing(table)
    _following_up(table)
    _reading(table)
    return table


def _residents_side(table: AccessTable, command: type | str) -> None:
    table.rule(command, Role.RESIDENT, "own")
    table.rule(command, Role.PROXY, "proxy")


def _asking(table: AccessTable) -> None:
    _residents_side(table, PlaceOrder)
    for role in (Role.GRID_WORKER, Role.BUILDING_LEAD, Role.VOLUNTEER):
        table.rule(RecordInquiry, role)
    table.rule(CreateOrderFromInquiry, Role.STATION_MANAGER, "station_covers")
    _residents_side(table, ProvideInfo)
    for command in (RequestInfo, VerifyOrder, RefuseOrder, MergeOrder, DispatchOrder, OpenOrder, RedispatchOrder):
        table.rule(command, Role.DISPATCHER)
    for watched in (EscalateOrder, CloseOrder):
        table.rule(watched, Role.DISPATCHER)
    _residents_side(table, RescheduleOrder)
    table.rule(RescheduleOrder, Role.DISPATCHER)
    _residents_side(table, ReopenOrder)
    table.rule(ReopenOrder, Role.REVIEWER)
    _residents_side(table, CancelOrder)
    table.rule(CancelOrder, Role.DISPATCHER)
    table.rule(DeclareUnfulfilled, Role.DISPATCHER)
    table.rule(DeclareUnfulfilled, Role.STATION_MANAGER, "station_covers")
    for catalogue in (PublishServiceItem, RetireServiceItem):
        for role in (Role.DISPATCHER, Role.STATION_MANAGER):
            table.rule(catalogue, role)


def _serving(table: AccessTable) -> None:
    table.rule(AcceptOrder, Role.VOLUNTEER)
    # For members who said yes (domain.md §4.1, row 10).
    table.rule(AcceptOrder, Role.TEAM_LEADER, "leads")
    table.rule(DeclineOffer, Role.VOLUNTEER)
    for kept in (WithdrawAcceptance, ReconfirmAssignment):
        table.rule(kept, Role.VOLUNTEER, "assigned")
    for presence in (StartService, FinishService):
        table.rule(presence, Role.VOLUNTEER, "assigned")
        table.rule(presence, Role.TEAM_LEADER, "leads", unless=("assigned", "own", "household"))
    _residents_side(table, RecordVolunteerNoShow)
    table.rule(RecordVolunteerNoShow, Role.TEAM_LEADER, "leads", unless=("assigned",))
    table.rule(RecordVolunteerNoShow, Role.DISPATCHER, unless=("assigned",))
    table.rule(RecordResidentAbsent, Role.VOLUNTEER, "serving")
    table.rule(RecordResidentAbsent, Role.DISPATCHER)
    for role, relation in (
        (Role.TEAM_LEADER, "leads"),
        (Role.DISPATCHER, "any"),
        (Role.STATION_MANAGER, "station_covers"),
    ):
        table.rule(RecordServiceAfterwards, role, relation, unless=("assigned", "own", "household"))
    _residents_side(table, ConfirmCompletion)
    for rating in (RateOrder, AmendRating):
        _residents_side(table, rating)
        table.rule(rating, Role.REVIEWER, unless=("assigned", "own", "household"))
    _residents_side(table, ContestCompletion)
    table.rule(ContestCompletion, Role.VOLUNTEER, "assigned")


RESPONSIBLE = (Role.VOLUNTEER, Role.TEAM_LEADER, Role.SOCIAL_WORKER, Role.STATION_MANAGER, Role.DISPATCHER)
"""Who may have to put something right: who served, or somebody of the staff."""
LOOKING_AFTER = (
    (Role.GRID_WORKER, "grid_covers"),
    (Role.BUILDING_LEAD, "entrance_covers"),
    (Role.STATION_MANAGER, "station_covers"),
)
"""Who may close a check, beside the dispatcher: whoever goes and looks, or is told when nobody did."""


def _checking(table: AccessTable) -> None:
    table.rule(RaiseWelfareCheck, Role.VOLUNTEER, "assigned")
    # A worry that comes by telephone.
    table.rule(RaiseWelfareCheck, Role.DISPATCHER)
    for role, covers in LOOKING_AFTER:
        table.rule(RecordOutcome, role, covers, unless=("own",))
        table.rule(READ_CHECK, role, covers)
        table.rule(LIST_CHECKS, role)
    table.rule(RecordOutcome, Role.DISPATCHER, unless=("own",))
    for role in (Role.DISPATCHER, Role.SOCIAL_WORKER, Role.STREET_OFFICER, Role.AUDITOR):
        table.rule(READ_CHECK, role)
        table.rule(LIST_CHECKS, role)
    _residents_side(table, READ_CHECK)


def _disputing(table: AccessTable) -> None:
    for command in (RaiseDispute, AppealDispute, AppealContest, READ_DISPUTE):
        own = () if command is RaiseDispute else ("party",)
        table.rule(command, Role.RESIDENT, "own", *own)
        table.rule(command, Role.PROXY, "proxy", *own)
        table.rule(command, Role.VOLUNTEER, "assigned", *(own or ("missed", "own")))
    for resolving in (ResolveDispute, ResolveContest):
        table.rule(resolving, Role.SOCIAL_WORKER, unless=("own", "proxy", "assigned", "household", "party"))
    for role in (Role.SOCIAL_WORKER, Role.STREET_OFFICER, Role.AUDITOR):
        table.rule(READ_DISPUTE, role)
        table.rule(LIST_DISPUTES, role)


def _following_up(table: AccessTable) -> None:
    apart = ("assigned", "own", "household")
    _residents_side(table, OpenFollowUp)
    for role in (Role.REVIEWER, Role.SOCIAL_WORKER):
        table.rule(OpenFollowUp, role, unless=apart)
    for command in (RecordContact, DismissRating, OrderRectification, CloseFollowUp):
        table.rule(command, Role.REVIEWER, unless=apart)
    for role in RESPONSIBLE:
        table.rule(ReportRectification, role, "responsible")
    _residents_side(table, VerifyRectification)
    table.rule(VerifyRectification, Role.REVIEWER, unless=apart)
    for role in (Role.REVIEWER, Role.SOCIAL_WORKER, *WATCH):
        table.rule(LIST_FOLLOW_UPS, role)
        table.rule(READ_FOLLOW_UP, role)
    _residents_side(table, READ_FOLLOW_UP)
    for role in RESPONSIBLE:
        table.rule(READ_FOLLOW_UP, role, "responsible")


def _reading(table: AccessTable) -> None:
    table.rule(READ_ORDER, Role.RESIDENT, "own", "requester")
    table.rule(READ_ORDER, Role.PROXY, "proxy", "requester")
    table.rule(READ_ORDER, Role.VOLUNTEER, "assigned", "offered", "pool", "requester")
    for role in (*OFFICE, *WATCH):
        table.rule(READ_ORDER, role)
        table.rule(LIST_ORDERS, role)
    for role, covers in PLACED_ROLES:
        table.rule(READ_ORDER, role, covers, "requester")
        table.rule(LIST_ORDERS, role)
    _residents_side(table, READ_DETAILS)
    table.rule(READ_DETAILS, Role.VOLUNTEER, "serving")
    for role in OFFICE:
        table.rule(READ_DETAILS, role)
    for role, covers in PLACED_ROLES:
        table.rule(READ_DETAILS, role, covers)
    # Whoever is to show the code at the door must not be able to read it first.
    table.rule(READ_SERVICE_CODE, Role.RESIDENT, "own", unless=("assigned",))
    table.rule(READ_SERVICE_CODE, Role.PROXY, "proxy", unless=("assigned",))
    table.rule(READ_SERVICE_CODE, Role.DISPATCHER, unless=("assigned",))
    table.rule(READ_SERVICE_CODE, Role.STATION_MANAGER, "station_covers", unless=("assigned",))
    for role in (Role.DISPATCHER, Role.STATION_MANAGER):
        table.rule(READ_CANDIDATES, role)
    for role in (Role.RESIDENT, Role.PROXY, Role.VOLUNTEER, Role.BUILDING_LEAD, Role.GRID_WORKER):
        table.rule(LIST_MINE, role)
    for role in (Role.DISPATCHER, Role.STATION_MANAGER, Role.GRID_WORKER, Role.BUILDING_LEAD):
        table.rule(READ_INQUIRIES, role)
