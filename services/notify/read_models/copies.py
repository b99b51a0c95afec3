"""Copies of what others said: who holds which role, who acts for whom, which gifts and cases there are, how orders
stand.
"""

from typing import ClassVar

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.ledger import AidApplied, DonationPledged, DonationReceived
from contracts.orders import OrderFact, OrderPlaced
from contracts.volunteers import (
    ConsentGiven,
    ConsentWithdrawn,
    ProxyAuthorised,
    ProxyEnded,
    RoleGranted,
    RoleRevoked,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows

_volunteers = sa.MetaData()
_ledger = sa.MetaData()
_orders = sa.MetaData()
_TIME = sa.DateTime(timezone=True)

volunteers_roles = sa.Table(
    "volunteers_roles",
    _volunteers,
    sa.Column("grant_id", sa.Uuid, primary_key=True),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("scope_id", sa.Text, nullable=False),
    sa.Column("valid_until", _TIME),
    sa.Index("volunteers_roles_by_role", "role"),
)
volunteers_proxies = sa.Table(
    "volunteers_proxies",
    _volunteers,
    sa.Column("proxy_authorisation_id", sa.Uuid, primary_key=True),
    sa.Column("principal_id", sa.Uuid, nullable=False),
    sa.Column("proxy_id", sa.Uuid, nullable=False),
    sa.Column("valid_until", _TIME),
    sa.Index("volunteers_proxies_by_principal", "principal_id"),
)
volunteers_left_in_peace = sa.Table(
    "volunteers_left_in_peace",
    _volunteers,
    sa.Column("person_id", sa.Uuid, primary_key=True),
)
"""Who took the consent to be contacted back; who never spoke of it is told of what they asked for."""
ledger_donors = sa.Table(
    "ledger_donors",
    _ledger,
    sa.Column("donor_ref", sa.Uuid, primary_key=True),
    sa.Column("donation_id", sa.Uuid, nullable=False),
)
ledger_cases = sa.Table(
    "ledger_cases",
    _ledger,
    sa.Column("case_id", sa.Uuid, primary_key=True),
)
orders_states = sa.Table(
    "orders_states",
    _orders,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("order_no", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Index("orders_states_by_no", "order_no"),
)


class VolunteersCopy(ReadModel):
    """Rosters, who may be told in somebody's place, and who is left in peace. A role that was revoked leaves no row."""

    source: ClassVar[str] = "volunteers"
    metadata: ClassVar[sa.MetaData] = _volunteers
    version: ClassVar[int] = 2

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the class."""
        match recorded.event:
            case RoleGranted() as event:
                rows.upsert(
                    volunteers_roles,
                    grant_id=event.grant_id,
                    person_id=event.person_id,
                    role=event.granted_role,
                    scope=event.scope,
                    scope_id=event.scope_id,
                    valid_until=event.valid_until,
                )
            case RoleRevoked() as event:
                rows.delete(volunteers_roles, event.grant_id)
            case ProxyAuthorised() as event:
                # Whoever may act in one thing only is not told of all things.
                if not {"all", "orders", "notify"}.isdisjoint(event.scope):
                    rows.upsert(
                        volunteers_proxies,
                        proxy_authorisation_id=event.proxy_authorisation_id,
                        principal_id=event.principal_id,
                        proxy_id=event.proxy_id,
                        valid_until=event.valid_until,
                    )
            case ProxyEnded() as event:
                rows.delete(volunteers_proxies, event.proxy_authorisation_id)
            case ConsentWithdrawn(purpose="contact") as event:
                rows.upsert(volunteers_left_in_peace, person_id=event.person_id)
            case ConsentGiven(purpose="contact") as event:
                rows.delete(volunteers_left_in_peace, event.person_id)
            case _:
                pass


class LedgerCopy(ReadModel):
    """Which refs are donors of a gift, or cases of aid: a FUND_CLERK may say how these are reached."""

    source: ClassVar[str] = "ledger"
    metadata: ClassVar[sa.MetaData] = _ledger
    version: ClassVar[int] = 2

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the class."""
        event = recorded.event
        if isinstance(event, DonationPledged | DonationReceived):
            rows.upsert(ledger_donors, donor_ref=event.donor_ref, donation_id=event.donation_id)
        elif isinstance(event, AidApplied):
            rows.upsert(ledger_cases, case_id=event.case_id)


class OrdersCopy(ReadModel):
    """The state of every order: a digest of open orders is sent only while one of them is open."""

    source: ClassVar[str] = "orders"
    metadata: ClassVar[sa.MetaData] = _orders
    version: ClassVar[int] = 1

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the class."""
        event = recorded.event
        if isinstance(event, OrderPlaced):
            rows.upsert(orders_states, order_id=event.order_id, order_no=event.order_no, state=event.state.value)
        elif isinstance(event, OrderFact):
            rows.update(orders_states, event.order_id, state=event.state.value)
