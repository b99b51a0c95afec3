"""Who may ask the ledger what: role × command × relation, as data.

Relations are looked up in this service's own tables: `own` (the caller's minutes), `proxy` (an authorisation in force
with scope `all` or `volunteers`), `pledged` (the caller recorded the pledge), `received` (the caller took the money).
Entries are posted by what is recorded or heard, so no person may ask for one: ADMIN grants roles but cannot post.
"""

from contracts.command import Role
from servicekit.access import AccessTable
from services.ledger.commands import PledgeDonation, ReceiptDonation, ReceiveDonation, WaiveReceipt

READ_BALANCES = "read_balances"
READ_ACCOUNTS = "read_accounts"
READ_FUND_ENTRIES = "read_fund_entries"
READ_HOURS_ENTRIES = "read_hours_entries"
READ_DONATION = "read_donation"
REVEAL_DONOR = "reveal_donor"
READ_MINUTES = "read_minutes"

PEOPLE = tuple(role for role in Role if role is not Role.SYSTEM)
FUND_DESK = (Role.FUND_CLERK, Role.CASHIER)
WATCH = (Role.HOURS_AUDITOR, Role.SUPERVISOR, Role.AUDITOR)
"""Who looks whether it is right."""
DESK = (Role.STATION_MANAGER, Role.GRID_WORKER, Role.SOCIAL_WORKER, Role.DISPATCHER, Role.TEAM_LEADER)


def build_access() -> AccessTable:
    """The table. What it does not allow is forbidden."""
    table = AccessTable()
    table.rule(PledgeDonation, Role.FUND_CLERK)
    # The bookkeeper is not the cashier (会计法 §25, §35); a person who holds both roles is stopped here.
    table.rule(ReceiveDonation, Role.CASHIER, unless=["pledged"])
    for command in (ReceiptDonation, WaiveReceipt):
        table.rule(command, Role.FUND_CLERK, unless=["received"])
    # The fund's books are open to everybody who can sign in; they name nobody.
    for query in (READ_BALANCES, READ_ACCOUNTS, READ_FUND_ENTRIES):
        _allow(table, query, PEOPLE)
    _allow(table, READ_HOURS_ENTRIES, WATCH)
    _allow(table, READ_DONATION, (*FUND_DESK, Role.FUND_APPROVER, Role.SUPERVISOR, Role.AUDITOR))
    _allow(table, REVEAL_DONOR, FUND_DESK)
    for role in (Role.RESIDENT, Role.VOLUNTEER):
        table.rule(READ_MINUTES, role, "own")
    table.rule(READ_MINUTES, Role.PROXY, "proxy")
    _allow(table, READ_MINUTES, (*DESK, *WATCH))
    return table


def _allow(table: AccessTable, name: str, roles: tuple[Role, ...]) -> None:
    for role in roles:
        table.rule(name, role)
