"""Copies of what others said: orders' finished assignments, and the ledger's entries in the hours book."""

from hashlib import sha256
from typing import ClassVar

import sqlalchemy as sa

from contracts.command import SYSTEM
from contracts.envelope import Recorded
from contracts.ledger import EntryPosted, EntryRefused, EntryReversed
from contracts.orders import (
    FollowUpDismissed,
    OrderPlaced,
    OrderRated,
    OrderRatingAmended,
    ServiceAutoClosed,
    ServiceFinished,
    ServiceStarted,
)
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
    sa.Column("closed_at", _TIME),
    sa.Column("outcome", sa.Text),
    sa.Column("beneficiary_id", sa.Uuid),
    sa.Column("item_code", sa.Text),
    sa.Column("project_code", sa.Text),
    sa.Column("finished_event_id", sa.Uuid),
    sa.Index("orders_assignments_by_order", "order_id"),
    sa.Index("orders_assignments_by_volunteer", "volunteer_id"),
)
orders_hands = sa.Table(
    "orders_hands",
    _orders,
    # Every person who did something to an order: whether a volunteer was alone with it is seen here.
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("actor", sa.Text, primary_key=True),
)
orders_orders = sa.Table(
    "orders_orders",
    _orders,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("placed_at", _TIME, nullable=False),
)
orders_ratings = sa.Table(
    "orders_ratings",
    _orders,
    sa.Column("order_id", sa.Uuid, primary_key=True),
    sa.Column("score", sa.Integer, nullable=False),
    sa.Column("rated_at", _TIME, nullable=False),
    # Two reviewers found it mistaken: it says nothing of the volunteer.
    sa.Column("mistaken", sa.Boolean, nullable=False, default=False),
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
    sa.Column("minutes", sa.Integer, nullable=False),
    sa.Column("grade", sa.Text),
    # RFC 6962: what an inclusion proof of this entry begins with.
    sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
    sa.Column("standing", sa.Boolean, nullable=False, default=True),
    sa.Index("ledger_hours_entries_by_source", "source_event_id"),
    sa.Index("ledger_hours_entries_by_claim", "claim_id"),
)
ledger_hours_refusals = sa.Table(
    "ledger_hours_refusals",
    _ledger,
    sa.Column("event_id", sa.Uuid, primary_key=True),
    sa.Column("source_event_id", sa.Uuid, nullable=False),
    sa.Column("reason_code", sa.Text, nullable=False),
    sa.Index("ledger_hours_refusals_by_source", "source_event_id"),
)


class OrdersCopy(ReadModel):
    """Presence, which only orders records: who was where from when to when, how that was shown, who took part.

    And how the service was rated, which belongs into a volunteer's record (民政部令第67号 §4).
    """

    source: ClassVar[str] = "orders"
    metadata: ClassVar[sa.MetaData] = _orders
    version: ClassVar[int] = 3

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the class."""
        order_id = getattr(recorded.event, "order_id", None)
        if order_id is not None and recorded.actor not in {None, SYSTEM.actor}:
            rows.upsert(orders_hands, order_id=order_id, actor=recorded.actor)
        match recorded.event:
            case OrderPlaced() as event:
                rows.upsert(orders_orders, order_id=event.order_id, placed_at=event.placed_at)
            case OrderRated() as event:
                rows.upsert(orders_ratings, order_id=event.order_id, score=event.score, rated_at=event.rated_at)
            case OrderRatingAmended() as event:
                rows.update(orders_ratings, event.order_id, score=event.score, rated_at=event.amended_at)
            case FollowUpDismissed() as event:
                rows.update(orders_ratings, event.order_id, mistaken=True)
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
                rows.upsert(
                    orders_assignments,
                    assignment_id=event.assignment_id,
                    order_id=event.order_id,
                    volunteer_id=event.volunteer_id,
                    state="AUTO_CLOSED",
                    started_at=event.started_at,
                    closed_at=event.closed_at,
                    beneficiary_id=event.beneficiary_id,
                    item_code=event.item_code,
                )
            case _:
                pass


class LedgerCopy(ReadModel):
    """How the ledger answered each credit: where it was posted, whether that still stands, or that it was refused."""

    source: ClassVar[str] = "ledger"
    metadata: ClassVar[sa.MetaData] = _ledger
    version: ClassVar[int] = 2

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the class."""
        match recorded.event:
            case EntryPosted(book="hours") as event:
                hours = event.hours
                rows.insert(
                    ledger_hours_entries,
                    entry_id=event.entry_id,
                    source_event_id=event.source_event_id,
                    claim_id=None if hours is None else hours.claim_id,
                    entry_no=event.entry_no,
                    position=recorded.position,
                    posted_at=event.posted_at,
                    minutes=0 if hours is None else hours.minutes,
                    grade=None if hours is None else hours.grade,
                    leaf_hash=sha256(b"\x00" + recorded.body).digest(),
                    standing=True,
                )
            case EntryReversed(book="hours") as event:
                rows.update(ledger_hours_entries, event.reverses, standing=False)
            case EntryRefused(book="hours") as event:
                rows.insert(
                    ledger_hours_refusals,
                    event_id=recorded.event_id,
                    source_event_id=event.source_event_id,
                    reason_code=event.reason_code,
                )
            case _:
                pass
