"""Who may ask the ledger what: role × command × relation, as data.

Relations are looked up in this service's own tables: `own` (the caller's minutes), `proxy` (an authorisation in force
with scope `all` or `volunteers`), `pledged` (the caller recorded the pledge), `received` (the caller took the money, or
the things), `assigned` (the caller is to bring what was set aside), `stall` (the caller answers for a stall).
Entries are posted by what is recorded or heard, so no person may ask for one: ADMIN grants roles but cannot post.
"""

from contracts.command import Role
from servicekit.access import AccessTable
from services.ledger.commands import (
    AllocateGoods,
    AmendAid,
    ApplyAid,
    ApproveAid,
    AttestStatement,
    ClosePeriod,
    ConfirmAidReceipt,
    ConfirmSigningKey,
    CorrectDisclosure,
    CorrectEntry,
    DeliverGoods,
    DepositProceeds,
    DisburseAid,
    DiscloseMarket,
    FollowUpAid,
    MoveMoney,
    OpenMarket,
    PledgeDonation,
    PublicizeAid,
    PublishStatement,
    ReceiptDonation,
    ReceiveDonation,
    ReceiveGoods,
    ReconcileBank,
    ReconcileMarket,
    RecordSale,
    RefundDonation,
    RegisterSigningKey,
    RejectAid,
    ReturnAid,
    ReverseAid,
    ReviewAnomaly,
    RevokeSigningKey,
    SellGoods,
    SettleItem,
    VerifyAid,
    VoidSale,
    WaiveReceipt,
    WriteOffGoods,
)

READ_BALANCES = "read_balances"
READ_ACCOUNTS = "read_accounts"
READ_FUND_ENTRIES = "read_fund_entries"
READ_HOURS_ENTRIES = "read_hours_entries"
READ_DONATION = "read_donation"
REVEAL_DONOR = "reveal_donor"
TAKE_RECEIPT = "take_receipt"
READ_MINUTES = "read_minutes"
READ_STANDARD = "read_standard"
READ_CASES = "read_cases"
READ_CASE = "read_case"
REVEAL_CASE = "reveal_case"
READ_REQUEST = "read_request"
READ_KEYS = "read_keys"
READ_GOODS = "read_goods"
REVEAL_RECIPIENT = "reveal_recipient"
READ_MARKETS = "read_markets"
READ_NOTE = "read_note"
READ_HOST = "read_host"
READ_DRAFT = "read_draft"
READ_BANK = "read_bank"
REVEAL_BANK_WORDS = "reveal_bank_words"
READ_ANOMALIES = "read_anomalies"

PEOPLE = tuple(role for role in Role if role is not Role.SYSTEM)
FUND_DESK = (Role.FUND_CLERK, Role.CASHIER)
WATCH = (Role.HOURS_AUDITOR, Role.SUPERVISOR, Role.AUDITOR)
"""Who looks whether it is right."""
VISITORS = (Role.GRID_WORKER, Role.SOCIAL_WORKER, Role.BUILDING_LEAD, Role.STATION_MANAGER)
"""Who goes and sees for themselves."""
CASE_DESK = (
    Role.FUND_CLERK, Role.FUND_APPROVER, Role.CASHIER, *VISITORS, Role.SUPERVISOR, Role.AUDITOR,
)  # fmt: skip
"""Who sees every case, without names."""
GOODS_DESK = (Role.FUND_CLERK, Role.STATION_MANAGER, Role.SUPERVISOR)
"""Who sees things, and two of whom write them off."""
DESK = (Role.STATION_MANAGER, Role.GRID_WORKER, Role.SOCIAL_WORKER, Role.DISPATCHER, Role.TEAM_LEADER)


_HANDS: dict[Role, tuple[type, ...]] = {
    Role.FUND_CLERK: (PublicizeAid, AmendAid),
    Role.FUND_APPROVER: (ApproveAid, RejectAid, ReverseAid, RegisterSigningKey),
    Role.CASHIER: (DisburseAid, ReturnAid, MoveMoney),
}
"""The desk's hands in aid, one role each (会计法 §25, §35)."""


def build_access() -> AccessTable:
    """The table. What it does not allow is forbidden."""
    table = AccessTable()
    table.rule(PledgeDonation, Role.FUND_CLERK)
    # The bookkeeper is not the cashier (会计法 §25, §35); a person who holds both roles is stopped here.
    table.rule(ReceiveDonation, Role.CASHIER, unless=["pledged"])
    for command in (ReceiptDonation, WaiveReceipt):
        table.rule(command, Role.FUND_CLERK, unless=["received"])
    # Two approvers' signatures do it; who hands them in pays the money, or keeps the books.
    table.rule(RefundDonation, Role.CASHIER, unless=["pledged"])
    table.rule(CorrectEntry, Role.FUND_CLERK)
    _allow_aid(table)
    for role in (Role.FUND_CLERK, Role.FUND_APPROVER, Role.SUPERVISOR, Role.HOURS_AUDITOR):
        table.rule(ClosePeriod, role)
    for role in (Role.FUND_CLERK, Role.SUPERVISOR):
        for statement in (PublishStatement, CorrectDisclosure):
            table.rule(statement, role)
    _allow(table, READ_DRAFT, (Role.FUND_CLERK, Role.FUND_APPROVER, Role.CASHIER, Role.SUPERVISOR, Role.AUDITOR))
    _allow_goods(table)
    _allow_markets(table)
    _allow_bank(table)
    # The fund's books are open to everybody who can sign in; they name nobody.
    for query in (READ_BALANCES, READ_ACCOUNTS, READ_FUND_ENTRIES, READ_HOST):
        _allow(table, query, PEOPLE)
    _allow(table, READ_HOURS_ENTRIES, WATCH)
    _allow(table, READ_DONATION, (*FUND_DESK, Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR))
    _allow(table, REVEAL_DONOR, FUND_DESK)
    # At the counter, or with the donor's own token.
    _allow(table, TAKE_RECEIPT, FUND_DESK)
    for role in (Role.RESIDENT, Role.VOLUNTEER):
        table.rule(TAKE_RECEIPT, role, "own")
    table.rule(TAKE_RECEIPT, Role.PROXY, "proxy")
    for role in (Role.RESIDENT, Role.VOLUNTEER):
        table.rule(READ_MINUTES, role, "own")
    table.rule(READ_MINUTES, Role.PROXY, "proxy")
    _allow(table, READ_MINUTES, (*DESK, *WATCH))
    return table


def _allow_aid(table: AccessTable) -> None:
    """Aid and the keys it is approved with. Who has which hand in a case is the decider's to say, from its stream."""
    table.rule(ApplyAid, Role.RESIDENT, "own")
    table.rule(ApplyAid, Role.PROXY, "proxy")
    for role in VISITORS:
        table.rule(VerifyAid, role)
    for role, commands in _HANDS.items():
        for command in commands:
            table.rule(command, role)
    table.rule(ConfirmAidReceipt, Role.RESIDENT, "own")
    table.rule(ConfirmAidReceipt, Role.PROXY, "proxy")
    table.rule(ConfirmAidReceipt, Role.GRID_WORKER)
    for role in (Role.SOCIAL_WORKER, Role.GRID_WORKER):
        table.rule(FollowUpAid, role)
    # Whoever manages accounts cannot approve, and who watches the fund sees each approver face to face.
    for role in (Role.SUPERVISOR, Role.ADMIN):
        table.rule(ConfirmSigningKey, role)
        table.rule(RevokeSigningKey, role)
    table.rule(RevokeSigningKey, Role.FUND_APPROVER, "own")
    _allow(table, READ_STANDARD, PEOPLE)
    _allow(table, READ_KEYS, (Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN))
    _allow(table, READ_REQUEST, (Role.FUND_APPROVER,))
    for query in (READ_CASES, READ_CASE):
        _allow(table, query, CASE_DESK)
        table.rule(query, Role.RESIDENT, "own")
    table.rule(READ_CASE, Role.PROXY, "proxy")
    _allow(table, REVEAL_CASE, (*VISITORS, Role.FUND_CLERK, Role.CASHIER))


def _allow_goods(table: AccessTable) -> None:
    """Things given. Taking in, setting aside, bringing and selling are different hands."""
    table.rule(ReceiveGoods, Role.FUND_CLERK, unless=["pledged"])
    table.rule(AllocateGoods, Role.STATION_MANAGER)
    table.rule(DeliverGoods, Role.VOLUNTEER, "assigned")
    for role in GOODS_DESK:
        table.rule(WriteOffGoods, role)
    table.rule(SellGoods, Role.CASHIER, unless=["received"])
    _allow(table, READ_GOODS, (*GOODS_DESK, Role.CASHIER, Role.FUND_APPROVER, Role.AUDITOR))
    table.rule(REVEAL_RECIPIENT, Role.VOLUNTEER, "assigned")
    _allow(table, REVEAL_RECIPIENT, (Role.STATION_MANAGER, Role.FUND_CLERK))


def _allow_markets(table: AccessTable) -> None:
    """Markets. Who stands at which stall, and who said the first word, is the decider's to say, from its stream."""
    table.rule(OpenMarket, Role.STATION_MANAGER)
    table.rule(RecordSale, Role.VOLUNTEER, "stall")
    table.rule(VoidSale, Role.VOLUNTEER, "stall")
    for role in (Role.STATION_MANAGER, Role.SUPERVISOR):
        table.rule(VoidSale, role)
    for role in (Role.CASHIER, Role.SUPERVISOR):
        table.rule(ReconcileMarket, role)
    table.rule(DepositProceeds, Role.CASHIER)
    for role in (Role.FUND_CLERK, Role.STATION_MANAGER):
        table.rule(DiscloseMarket, role)
    _allow(table, READ_MARKETS, PEOPLE)
    _allow(table, READ_NOTE, (Role.FUND_CLERK, Role.CASHIER, Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR))


def _allow_bank(table: AccessTable) -> None:
    """The bank account. Who handed in or settled does not reconcile: the decider's to say, from its stream."""
    for role in FUND_DESK:
        table.rule(AttestStatement, role)
        table.rule(SettleItem, role)
    # Never the cashier (会计法 §35), whose money it is that is looked at.
    for role in (Role.FUND_APPROVER, Role.SUPERVISOR):
        table.rule(ReconcileBank, role)
    _allow(table, READ_BANK, (*FUND_DESK, Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR))
    _allow(table, REVEAL_BANK_WORDS, (*FUND_DESK, Role.FUND_APPROVER))
    # An auditor reads and changes nothing (domain.md §4.0): the residents' supervisor says what it was.
    table.rule(ReviewAnomaly, Role.SUPERVISOR)
    _allow(table, READ_ANOMALIES, (Role.SUPERVISOR, Role.AUDITOR))


def _allow(table: AccessTable, name: str, roles: tuple[Role, ...]) -> None:
    for role in roles:
        table.rule(name, role)
