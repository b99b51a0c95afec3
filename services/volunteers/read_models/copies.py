"""Copies of what others said: orders' finished assignments, and the ledger's entries in the hours book."""

from typing import ClassVar

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.ledger import EntryPosted
from contracts.orders import ServiceAutoClosed, ServiceFinished, ServiceStarted
from eventstore.read_model import ReadModel
from eventstore.rows import Rows

_orders = sa.MetaData()
_ledger = sa.MetaData()
_TIME = sa.DateTime(timezone=True)

orders_assignments = sa.Table(
    "orders_assignments",
    _orders,
    sa.Column("assignment_id", sa.Uuid, primary_key=True),
    sa.Column("order_id", sa.Uuid, nullable=False),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("started_at", _TIME, nullable=False),
    sa.Column("start_evidence", sa.Text),
    sa.Column("finished_at", _TIME),
    sa.Column("finish_evidence", sa.Text),
    sa.Column("minutes", sa.Integer),
    sa.Column("outcome", sa.Text),
    sa.Column("beneficiary_id", sa.Uuid),
    sa.Column("item_code", sa.Text),
    sa.Column("project_code", sa.Text),
    sa.Column("finished_event_id", sa.Uuid),
    sa.Index("orders_assignments_by_order", "order_id"),
    sa.Index("orders_assignments_by_volunteer", "volunteer_id"),
)
ledger_hours_entries = sa.Table(
    "ledger_hours_entries",
    _ledger,
    sa.Column("entry_id", sa.Uuid, primary_key=True),
    sa.Column("source_event_id", sa.Uuid, nullable=False),
    sa.Column("claim_id", sa.Uuid),
    sa.Column("entry_no", sa.BigInteger, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("posted_at", _TIME, nullable=False),
    sa.Index("ledger_hours_entries_by_source", "source_event_id"),
)


class OrdersCopy(ReadModel):
    """Presence, which only orders records: who was where from when to when, and how that was shown."""

    source: ClassVar[str] = "orders"
    metadata: ClassVar[sa.MetaData] = _orders
    version: ClassVar[int] = 1

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the class."""
        match recorded.event:
            case ServiceStarted() as event:
                rows.insert(
                    orders_assignments,
                    assignment_id=event.assignment_id,
                    order_id=event.order_id,
                    volunteer_id=event.volunteer_id,
                    state="STARTED",
                    started_at=event.started_at,
                    start_evidence=event.evidence,
                )
            case ServiceFinished() as event:
                rows.upsert(
                    orders_assignments,
                    assignment_id=event.assignment_id,
                    order_id=event.order_id,
                    volunteer_id=event.volunteer_id,
                    state="FINISHED",
                    started_at=event.started_at,
                    start_evidence=event.start_evidence,
                    finished_at=event.finished_at,
                    finish_evidence=event.finish_evidence,
                    minutes=event.minutes,
                    outcome=event.outcome,
                    beneficiary_id=event.beneficiary_id,
                    item_code=event.item_code,
                    project_code=event.project_code,
                    finished_event_id=recorded.event_id,
                )
            case ServiceAutoClosed() as event:
                rows.update(orders_assignments, event.assignment_id, state="AUTO_CLOSED")
            case _:
                pass


class LedgerCopy(ReadModel):
    """Where in the ledger each credited claim was posted."""

    source: ClassVar[str] = "ledger"
    metadata: ClassVar[sa.MetaData] = _ledger
    version: ClassVar[int] = 1

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the class."""
        event = recorded.event
        if isinstance(event, EntryPosted) and event.book == "hours":
            rows.insert(
                ledger_hours_entries,
                entry_id=event.entry_id,
                source_event_id=event.source_event_id,
                claim_id=None if event.hours is None else event.hours.claim_id,
                entry_no=event.entry_no,
                position=recorded.position,
                posted_at=event.posted_at,
            )
