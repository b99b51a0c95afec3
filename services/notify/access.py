"""Who may ask notify what: role × command × relation, as data.

Relations are looked up in this service's own copies: `own` (the ref is the caller), `proxy` (a live authorisation of
the ref's person), `donation` (the ref is the donor of a gift, and no person) and `case` (a case of aid, and no person).
"""

from contracts.command import Role
from servicekit.access import AccessTable
from services.notify.commands import WEBHOOK_COMMANDS, RecordCall, RemoveContact, SetContact

READ_CONTACTS = "read_contacts"
READ_INBOX = "read_inbox"
READ_PHONE_LIST = "read_phone_list"
READ_NOTICES = "read_notices"
READ_WEBHOOKS = "read_webhooks"
READ_WEBHOOK_SECRET = "read_webhook_secret"  # noqa: S105 — the name of a query

DESK = (Role.STATION_MANAGER, Role.GRID_WORKER, Role.SOCIAL_WORKER, Role.DISPATCHER)
"""Who takes down at the door and by phone how people can be reached."""
CALLERS = (*DESK, Role.REVIEWER)
OF_THE_FUND = ("donation", "case")
PEOPLE = tuple(role for role in Role if role not in {Role.SYSTEM, Role.PROXY})


def build_access() -> AccessTable:
    """The table. What it does not allow is forbidden."""
    table = AccessTable()
    for command in (SetContact, RemoveContact, READ_CONTACTS):
        _own(table, command)
        for role in DESK:
            table.rule(command, role, unless=OF_THE_FUND)
        # Whoever registers somebody says how they are reached; donors' refs and cases are the fund clerk's alone.
        table.rule(command, Role.ADMIN, unless=OF_THE_FUND)
        table.rule(command, Role.FUND_CLERK, *OF_THE_FUND)
    _own(table, READ_INBOX)
    table.rule(READ_INBOX, Role.FUND_CLERK, *OF_THE_FUND)
    for role in CALLERS:
        table.rule(READ_PHONE_LIST, role)
        # Nobody says of themselves that they were called; who calls in a case of aid learns who was helped.
        table.rule(RecordCall, role, unless=("own", "case"))
    table.rule(READ_PHONE_LIST, Role.FUND_CLERK)
    table.rule(RecordCall, Role.FUND_CLERK, unless=("own",))
    for role in (*CALLERS, Role.FUND_CLERK, Role.ADMIN, Role.AUDITOR, Role.SUPERVISOR):
        table.rule(READ_NOTICES, role)
    of_webhooks: tuple[type | str, ...] = (*WEBHOOK_COMMANDS, READ_WEBHOOKS, READ_WEBHOOK_SECRET)
    for each in of_webhooks:
        table.rule(each, Role.ADMIN)
    return table


def _own(table: AccessTable, command: type | str) -> None:
    for role in PEOPLE:
        table.rule(command, role, "own")
    table.rule(command, Role.PROXY, "proxy")
