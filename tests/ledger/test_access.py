"""The access table, cell by cell: what is not listed here is forbidden."""

from itertools import combinations

import pytest

from contracts.command import Role
from services.ledger.access import DESK, PEOPLE, VISITORS, WATCH, build_access
from services.ledger.commands import (
    AID_COMMANDS,
    BANK_COMMANDS,
    BOOK_COMMANDS,
    DONATION_COMMANDS,
    GOODS_COMMANDS,
    MARKET_COMMANDS,
    SIGNING_KEY_COMMANDS,
    STATEMENT_COMMANDS,
    CorrectEntry,
    LapseAidApproval,
    MoveMoney,
    ReceivePledgedGoods,
)

TABLE = build_access()
RELATIONS = ("own", "proxy", "pledged", "received", "assigned", "stall")
STANDINGS = [frozenset(some) for size in range(3) for some in combinations(RELATIONS, size)]


def everybody(*roles: Role) -> dict[Role, set[str]]:
    return {role: {"any"} for role in roles}


CASES = everybody(Role.FUND_CLERK, Role.FUND_APPROVER, Role.CASHIER, *VISITORS, Role.SUPERVISOR, Role.AUDITOR)
EXPECTED: dict[str, dict[Role, set[str]]] = {
    "PledgeDonation": everybody(Role.FUND_CLERK),
    "ReceiveDonation": everybody(Role.CASHIER),
    "ReceiptDonation": everybody(Role.FUND_CLERK),
    "WaiveReceipt": everybody(Role.FUND_CLERK),
    "ApplyAid": {Role.RESIDENT: {"own"}, Role.PROXY: {"proxy"}},
    "VerifyAid": everybody(Role.GRID_WORKER, Role.SOCIAL_WORKER, Role.BUILDING_LEAD, Role.STATION_MANAGER),
    **dict.fromkeys(("PublicizeAid", "AmendAid"), everybody(Role.FUND_CLERK)),
    **dict.fromkeys(("ApproveAid", "RejectAid", "ReverseAid"), everybody(Role.FUND_APPROVER)),
    **dict.fromkeys(("DisburseAid", "ReturnAid", "MoveMoney"), everybody(Role.CASHIER)),
    "ConfirmAidReceipt": {Role.RESIDENT: {"own"}, Role.PROXY: {"proxy"}} | everybody(Role.GRID_WORKER),
    "ClosePeriod": everybody(Role.FUND_CLERK, Role.FUND_APPROVER, Role.SUPERVISOR, Role.HOURS_AUDITOR),
    "FollowUpAid": everybody(Role.SOCIAL_WORKER, Role.GRID_WORKER),
    "RegisterSigningKey": everybody(Role.FUND_APPROVER),
    "ConfirmSigningKey": everybody(Role.SUPERVISOR, Role.ADMIN),
    "RevokeSigningKey": {Role.FUND_APPROVER: {"own"}} | everybody(Role.SUPERVISOR, Role.ADMIN),
    "RefundDonation": everybody(Role.CASHIER),
    "CorrectEntry": everybody(Role.FUND_CLERK),
    "ReceiveGoods": everybody(Role.FUND_CLERK),
    "AllocateGoods": everybody(Role.STATION_MANAGER),
    "DeliverGoods": {Role.VOLUNTEER: {"assigned"}},
    "WriteOffGoods": everybody(Role.FUND_CLERK, Role.STATION_MANAGER, Role.SUPERVISOR),
    "SellGoods": everybody(Role.CASHIER),
    "OpenMarket": everybody(Role.STATION_MANAGER),
    "RecordSale": {Role.VOLUNTEER: {"stall"}},
    "VoidSale": {Role.VOLUNTEER: {"stall"}} | everybody(Role.STATION_MANAGER, Role.SUPERVISOR),
    "ReconcileMarket": everybody(Role.CASHIER, Role.SUPERVISOR),
    "DepositProceeds": everybody(Role.CASHIER),
    "DiscloseMarket": everybody(Role.FUND_CLERK, Role.STATION_MANAGER),
    **dict.fromkeys(("PublishStatement", "CorrectDisclosure"), everybody(Role.FUND_CLERK, Role.SUPERVISOR)),
    "read_draft": everybody(Role.FUND_CLERK, Role.FUND_APPROVER, Role.CASHIER, Role.SUPERVISOR, Role.AUDITOR),
    **dict.fromkeys(("AttestStatement", "SettleItem"), everybody(Role.FUND_CLERK, Role.CASHIER)),
    "ReviewAnomaly": everybody(Role.SUPERVISOR),
    "read_anomalies": everybody(Role.SUPERVISOR, Role.AUDITOR),
    "ReconcileBank": everybody(Role.FUND_APPROVER, Role.SUPERVISOR),
    "read_bank": everybody(Role.FUND_CLERK, Role.CASHIER, Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR),
    "reveal_bank_words": everybody(Role.FUND_CLERK, Role.CASHIER, Role.FUND_APPROVER),
    "read_goods": everybody(
        Role.FUND_CLERK, Role.STATION_MANAGER, Role.SUPERVISOR, Role.CASHIER, Role.FUND_APPROVER, Role.AUDITOR
    ),
    "reveal_recipient": {Role.VOLUNTEER: {"assigned"}} | everybody(Role.STATION_MANAGER, Role.FUND_CLERK),
    "read_markets": everybody(*PEOPLE),
    "read_note": everybody(Role.FUND_CLERK, Role.CASHIER, Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR),
    "read_standard": everybody(*PEOPLE),
    "read_keys": everybody(Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN),
    "read_request": everybody(Role.FUND_APPROVER),
    "read_cases": {Role.RESIDENT: {"own"}} | CASES,
    "read_case": {Role.RESIDENT: {"own"}, Role.PROXY: {"proxy"}} | CASES,
    "reveal_case": everybody(*VISITORS, Role.FUND_CLERK, Role.CASHIER),
    "read_balances": everybody(*PEOPLE),
    "read_accounts": everybody(*PEOPLE),
    "read_host": everybody(*PEOPLE),
    "read_fund_entries": everybody(*PEOPLE),
    "read_hours_entries": everybody(Role.HOURS_AUDITOR, Role.SUPERVISOR, Role.AUDITOR),
    "read_donation": everybody(Role.FUND_CLERK, Role.CASHIER, Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR),
    "reveal_donor": everybody(Role.FUND_CLERK, Role.CASHIER),
    "take_receipt": {Role.RESIDENT: {"own"}, Role.VOLUNTEER: {"own"}, Role.PROXY: {"proxy"}}
    | everybody(Role.FUND_CLERK, Role.CASHIER),
    "read_minutes": {Role.RESIDENT: {"own"}, Role.VOLUNTEER: {"own"}, Role.PROXY: {"proxy"}} | everybody(*DESK, *WATCH),
}
UNLESS = {
    "ReceiveDonation": {"pledged"},
    "ReceiptDonation": {"received"},
    "WaiveReceipt": {"received"},
    "RefundDonation": {"pledged"},
    "ReceiveGoods": {"pledged"},
    "SellGoods": {"received"},
}


def test_the_table_lists_every_command_that_people_may_ask_for_and_no_other():
    assert set(TABLE.commands) == set(EXPECTED)
    # Things that were promised are taken in by ReceiveGoods, which may be asked for.
    gifts = set(DONATION_COMMANDS) - {ReceivePledgedGoods}
    aid = set(AID_COMMANDS) - {LapseAidApproval}
    for commands in (
        gifts,
        SIGNING_KEY_COMMANDS,
        aid,
        GOODS_COMMANDS,
        MARKET_COMMANDS,
        STATEMENT_COMMANDS,
        BANK_COMMANDS,
    ):
        assert {command.__name__ for command in commands} <= set(EXPECTED)


@pytest.mark.parametrize(
    "command",
    [
        *EXPECTED,
        *[command.__name__ for command in BOOK_COMMANDS if command not in {MoveMoney, CorrectEntry}],
        "EraseVaultData",
        "LapseAidApproval",
        "RequestFundReview",
        "ReceivePledgedGoods",
    ],
)
def test_every_cell(command: str):
    for role in Role:
        for standing in STANDINGS:
            wanted = EXPECTED.get(command, {}).get(role, set())
            allowed = bool(wanted & (standing | {"any"})) and not UNLESS.get(command, set()) & standing
            assert TABLE.allows(command, role, standing) is allowed, (command, role, sorted(standing))
