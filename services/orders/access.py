"""Who may ask orders what: role × command × relation to the order or person concerned, as data (domain.md §4.0, §4.1).

Relations are looked up by read_models/relations.py: own (it is for the caller), proxy (the caller may act for whom it
is for), requester (the caller asked for it), assigned (fills a slot), serving (the slot is not done yet), offered,
pool, household (lives with the beneficiary), and station_covers, grid_covers, entrance_covers (a role whose scope has
the place).

What a state or a person's duty forbids is the decider's to say, with its own reason: here `any` volunteer may ask to
accept, so that who comes second reads 已有人接了 and not "forbidden".
"""

from contracts.command import Role
from servicekit.access import AccessTable
from services.orders.commands.beside import PublishServiceItem, RecordInquiry, RetireServiceItem
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
from services.orders.commands.serving import CloseOrder, ConfirmCompletion, FinishService, RateOrder, StartService

READ_ORDER = "read_order"
READ_DETAILS = "read_details"
"""Address, phone, note."""
READ_SERVICE_CODE = "read_service_code"
READ_CANDIDATES = "read_candidates"
LIST_ORDERS = "list_orders"
LIST_MINE = "list_mine"
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
    for command in (VerifyOrder, RefuseOrder, DispatchOrder, OpenOrder, EscalateOrder, CloseOrder):
        table.rule(command, Role.DISPATCHER)
    _residents_side(table, CancelOrder)
    table.rule(CancelOrder, Role.DISPATCHER)
    table.rule(DeclareUnfulfilled, Role.DISPATCHER)
    table.rule(DeclareUnfulfilled, Role.STATION_MANAGER, "station_covers")
    for catalogue in (PublishServiceItem, RetireServiceItem):
        for role in (Role.DISPATCHER, Role.STATION_MANAGER):
            table.rule(catalogue, role)


def _serving(table: AccessTable) -> None:
    table.rule(AcceptOrder, Role.VOLUNTEER)
    table.rule(DeclineOffer, Role.VOLUNTEER)
    table.rule(WithdrawAcceptance, Role.VOLUNTEER, "assigned")
    for presence in (StartService, FinishService):
        table.rule(presence, Role.VOLUNTEER, "assigned")
        table.rule(presence, Role.TEAM_LEADER, unless=("assigned", "own", "household"))
    _residents_side(table, ConfirmCompletion)
    _residents_side(table, RateOrder)
    table.rule(RateOrder, Role.REVIEWER, unless=("assigned", "own", "household"))


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
