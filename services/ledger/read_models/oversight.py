"""Who signed and paid what, reviews that were asked for, and what was looked at: tables, fold and questions."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.ledger import AidApproved, AidDisbursed, AidFact, AnomalyReviewed, FundReviewRequested, ReviewFact
from eventstore.rows import Rows
from services.ledger.read_models import tables as t
from services.ledger.read_models.aid import aid_cases
from services.ledger.read_models.queries import Row, many
from services.ledger.read_models.tables import metadata

_TIME = sa.DateTime(timezone=True)

aid_approvals = sa.Table(
    "aid_approvals",
    metadata,
    sa.Column("case_id", sa.Uuid, primary_key=True),
    # Signed anew after an amendment, a step is another signature in the same place.
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("approver_id", sa.Uuid, nullable=False),
    sa.Column("approved_at", _TIME, nullable=False),
)
aid_payments = sa.Table(
    "aid_payments",
    metadata,
    sa.Column("case_id", sa.Uuid, primary_key=True),
    sa.Column("cashier_id", sa.Uuid, nullable=False),
    sa.Column("amount_fen", sa.BigInteger, nullable=False),
    sa.Column("disbursed_at", _TIME, nullable=False),
    sa.Index("aid_payments_by_time", "disbursed_at"),
)
fund_reviews = sa.Table(
    "fund_reviews",
    metadata,
    sa.Column("review_id", sa.Uuid, primary_key=True),
    sa.Column("dispute_id", sa.Uuid, nullable=False),
    sa.Column("subject_id", sa.Uuid),
    sa.Column("reason_code", sa.Text, nullable=False),
    sa.Column("requested_at", _TIME, nullable=False),
)
reviewed = sa.Table(
    "reviewed",
    metadata,
    sa.Column("review_id", sa.Uuid, primary_key=True),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("note_ref", sa.Uuid, nullable=False),
    sa.Column("reviewed_by", sa.Uuid, nullable=False),
    sa.Column("reviewed_at", _TIME, nullable=False),
)


def watch_aid(event: AidFact, rows: Rows) -> None:
    """Who signed and who paid."""
    if isinstance(event, AidApproved):
        signed = {"approver_id": event.approver_id, "approved_at": event.approved_at}
        rows.upsert(aid_approvals, case_id=event.case_id, step=event.step, **signed)
    elif isinstance(event, AidDisbursed):
        rows.insert(
            aid_payments,
            case_id=event.case_id,
            cashier_id=event.cashier_id,
            amount_fen=event.amount_fen,
            disbursed_at=event.disbursed_at,
        )


def apply_review(event: ReviewFact, rows: Rows) -> None:
    """What was asked for, and what was looked at."""
    match event:
        case FundReviewRequested():
            shown = event.model_dump(include={"review_id", "dispute_id", "subject_id", "reason_code", "requested_at"})
            rows.insert(fund_reviews, **shown)
        case AnomalyReviewed():
            shown = event.model_dump(exclude={"role", "note_commitment"})
            rows.upsert(reviewed, **shown)
        case _:
            pass  # a reader shows what it knows and ignores the rest


async def payments(connection: AsyncConnection) -> Sequence[Row]:
    """Every payment of aid that stands, the oldest first, with its case and its entry."""
    c, p, e = aid_cases.c, aid_payments.c, t.entries.c
    joined = aid_payments.join(aid_cases, c.case_id == p.case_id).join(t.entries, e.entry_id == c.entry_id)
    statement = sa.select(
        p.case_id, p.cashier_id, p.amount_fen, p.disbursed_at, c.payee_ref, c.applied_at, c.approvals, e.entry_no
    ).select_from(joined)
    standing = statement.where(e.reversed_by.is_(None))
    return await many(connection, standing.order_by(p.disbursed_at, e.entry_no))


async def approvals(connection: AsyncConnection) -> Mapping[UUID, Sequence[Row]]:
    """Case → its signatures, in their order."""
    found: dict[UUID, list[Row]] = {}
    ordered = sa.select(aid_approvals).order_by(aid_approvals.c.case_id, aid_approvals.c.step)
    for row in await many(connection, ordered):
        found.setdefault(row["case_id"], []).append(row)
    return found


async def requested_reviews(connection: AsyncConnection) -> Sequence[Row]:
    """The reviews that disputes asked for, with the entries of what they are about."""
    e, r = t.entries.c, fund_reviews.c
    about = sa.or_(e.case_id == r.subject_id, e.donation_id == r.subject_id)
    numbers = sa.select(sa.func.array_agg(e.entry_no)).where(about).scalar_subquery().label("entries")
    return await many(connection, sa.select(fund_reviews, numbers).order_by(r.requested_at))


async def looks(connection: AsyncConnection) -> Mapping[UUID, Mapping[str, Any]]:
    """Review → what was said of it last."""
    return {row["review_id"]: dict(row) for row in await many(connection, sa.select(reviewed))}
