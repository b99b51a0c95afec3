"""The tables of hours: claims, day and grade totals, corrections, the months' random checks."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData()

_TIME = sa.DateTime(timezone=True)

claims = sa.Table(
    "claims",
    metadata,
    sa.Column("claim_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("order_id", sa.Uuid),
    sa.Column("assignment_id", sa.Uuid),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("beneficiary_id", sa.Uuid),
    sa.Column("item_code", sa.Text),
    sa.Column("project_code", sa.Text),
    sa.Column("recorded_by", sa.Uuid),
    sa.Column("attachment_sha256", sa.Text),
    # NULL once rejected or voided, so that the number is free again.
    sa.Column("pair_no", sa.Integer),
    sa.Column("flags", JSONB, nullable=False),
    sa.Column("started_at", _TIME, nullable=False),
    sa.Column("finished_at", _TIME, nullable=False),
    sa.Column("minutes", sa.Integer, nullable=False),
    sa.Column("service_date", sa.Date, nullable=False),
    sa.Column("grade", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason_code", sa.Text),
    sa.Column("approvals", JSONB, nullable=False),
    sa.Column("approvals_required", sa.Integer, nullable=False, default=0),
    sa.Column("due_at", _TIME),
    sa.Column("claimed_at", _TIME, nullable=False),
    sa.Column("confirmed_at", _TIME),
    sa.Column("logged", sa.Boolean, nullable=False, default=False),
    sa.Column("logged_at", _TIME),
    sa.Column("logged_event_id", sa.Uuid),
    sa.Column("logged_position", sa.BigInteger),
    # The event that the ledger last posted for this claim, or will: HoursLogged, or HoursAdjusted.
    sa.Column("posting_event_id", sa.Uuid),
    sa.Column("logged_month", sa.Date),
    sa.Column("day_minutes", sa.Integer),
    sa.Column("corrections", sa.Integer, nullable=False, default=0),
    sa.Column("open_corrections", JSONB, nullable=False),
    sa.Column("sample_month", sa.Date),
    sa.Column("sample_result", sa.Text),
    sa.Column("sample_due_at", _TIME),
    sa.UniqueConstraint("assignment_id", name="claims_one_per_assignment", deferrable=True, initially="DEFERRED"),
    sa.UniqueConstraint(
        "volunteer_id",
        "project_code",
        "service_date",
        "pair_no",
        name="claims_one_per_pair",
        deferrable=True,
        initially="DEFERRED",
    ),
    sa.Index("claims_by_volunteer", "volunteer_id", "service_date"),
    sa.Index("claims_by_order", "order_id"),
    sa.Index("claims_by_recorder", "recorded_by", "claimed_at"),
    sa.Index("claims_by_month", "logged_month"),
    sa.Index("claims_by_state", "state"),
    sa.Index("claims_by_logged_event", "logged_event_id"),
)
day_totals = sa.Table(
    "day_totals",
    metadata,
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("service_date", sa.Date, primary_key=True),
    sa.Column("minutes", sa.Integer, nullable=False),
    sa.Column("stated_minutes", sa.Integer, nullable=False),
    # HoursLogged states the day's total that its decision came to. When it is not the sum, the decision was made on an
    # older total: of two racing claims one commits, the other is decided again, whichever tier of the cap each needed.
    sa.CheckConstraint("minutes = stated_minutes", name="day_totals_as_stated"),
    sa.CheckConstraint("minutes BETWEEN 0 AND 1440", name="day_totals_within_a_day"),
)
grade_totals = sa.Table(
    "grade_totals",
    metadata,
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("grade", sa.Text, primary_key=True),
    sa.Column("minutes", sa.BigInteger, nullable=False),
    sa.Column("entries", sa.Integer, nullable=False),
)
corrections = sa.Table(
    "corrections",
    metadata,
    sa.Column("correction_id", sa.Uuid, primary_key=True),
    sa.Column("claim_id", sa.Uuid, nullable=False),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("requested_by", sa.Uuid),
    sa.Column("explanation_ref", sa.Uuid),
    sa.Column("explanation_commitment", sa.Text),
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("requested_at", _TIME, nullable=False),
    sa.Column("answer", sa.Text),
    sa.Column("delta", sa.Integer),
    sa.Column("reason_code", sa.Text),
    sa.Column("approved_by", sa.Uuid),
    sa.Column("answer_ref", sa.Uuid),
    sa.Column("answer_commitment", sa.Text),
    sa.Column("answered_at", _TIME),
    sa.Index("corrections_by_claim", "claim_id"),
    sa.Index("corrections_open", "answered_at", "due_at"),
)
months = sa.Table(
    "hours_months",
    metadata,
    sa.Column("month_start", sa.Date, primary_key=True),
    sa.Column("logged", sa.Integer, nullable=False),
    sa.Column("drawn", sa.Integer, nullable=False),
    sa.Column("population", sa.Integer),
    sa.Column("seed", sa.Text),
)

NO_OVERLAP = """ALTER TABLE {schema}.claims ADD CONSTRAINT claims_no_overlap EXCLUDE USING gist (
    {engine}.uuidrange(volunteer_id, volunteer_id, '[]') WITH =, tstzrange(started_at, finished_at) WITH &&
) WHERE (logged) DEFERRABLE INITIALLY DEFERRED"""
