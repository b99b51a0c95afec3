"""The tables folded from volunteers' own log."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

metadata = sa.MetaData()

_TIME = sa.DateTime(timezone=True)

persons = sa.Table(
    "persons",
    metadata,
    sa.Column("person_id", sa.Uuid, primary_key=True),
    sa.Column("household_id", sa.Uuid),
    sa.Column("entrance_id", sa.Text),
    sa.Column("grid_id", sa.Text),
    sa.Column("profile_ref", sa.Uuid),
    sa.Column("registered_at", _TIME, nullable=False),
    sa.Column("erased_at", _TIME),
    sa.Index("persons_by_household", "household_id"),
    sa.Index("persons_by_profile", "profile_ref"),
)
consents = sa.Table(
    "consents",
    metadata,
    sa.Column("person_id", sa.Uuid, primary_key=True),
    sa.Column("purpose", sa.Text, primary_key=True),
    sa.Column("form", sa.Text, nullable=False),
    sa.Column("guardian_id", sa.Uuid),
    sa.Column("given_at", _TIME, nullable=False),
    sa.Column("withdrawn_at", _TIME),
)
roles = sa.Table(
    "roles",
    metadata,
    sa.Column("grant_id", sa.Uuid, primary_key=True),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("scope_id", sa.Text, nullable=False),
    sa.Column("valid_until", _TIME),
    sa.Column("granted_by", sa.Text),
    sa.Column("granted_at", _TIME, nullable=False),
    sa.Column("revoked_at", _TIME),
    sa.Index("roles_by_person", "person_id"),
    sa.Index("roles_by_role", "role"),
)
first_admin = sa.Table(
    "first_admin",
    metadata,
    # One row at most: the second bootstrap of a race meets the primary key.
    sa.Column("is_first", sa.Boolean, sa.CheckConstraint("is_first", name="first_admin_is_one"), primary_key=True),
    sa.Column("person_id", sa.Uuid, nullable=False),
)
relations = sa.Table(
    "relations",
    metadata,
    sa.Column("relation_id", sa.Uuid, primary_key=True),
    sa.Column("person_a_id", sa.Uuid, nullable=False),
    sa.Column("person_b_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("declared_at", _TIME, nullable=False),
    sa.Column("ended_at", _TIME),
    sa.Index("relations_by_a", "person_a_id"),
    sa.Index("relations_by_b", "person_b_id"),
)
proxies = sa.Table(
    "proxies",
    metadata,
    sa.Column("proxy_authorisation_id", sa.Uuid, primary_key=True),
    sa.Column("principal_id", sa.Uuid, nullable=False),
    sa.Column("proxy_id", sa.Uuid, nullable=False),
    sa.Column("scope", JSONB, nullable=False),
    sa.Column("valid_until", _TIME),
    sa.Column("authorised_at", _TIME, nullable=False),
    sa.Column("ended_at", _TIME),
    sa.Index("proxies_by_principal", "principal_id"),
    sa.Index("proxies_by_proxy", "proxy_id"),
)
volunteers = sa.Table(
    "volunteers",
    metadata,
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_no", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("grid_id", sa.Text),
    sa.Column("guardian_required", sa.Boolean, nullable=False),
    sa.Column("accompanied_only", sa.Boolean, nullable=False),
    sa.Column("registered_at", _TIME, nullable=False),
    sa.Column("verified_by", sa.Text),
    sa.Column("verified_at", _TIME),
    sa.Column("until", _TIME),
    sa.UniqueConstraint("volunteer_no", name="volunteers_one_number", deferrable=True, initially="DEFERRED"),
)
skills = sa.Table(
    "skills",
    metadata,
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("skill", sa.Text, primary_key=True),
    sa.Column("declared_level", sa.Integer),
    sa.Column("verified_level", sa.Integer),
    sa.Column("verified_by", sa.Text),
    sa.Column("verified_at", _TIME),
)
licences = sa.Table(
    "licences",
    metadata,
    sa.Column("licence_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("licence", sa.Text, nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Column("recorded_at", _TIME, nullable=False),
    sa.Index("licences_by_volunteer", "volunteer_id"),
)
insurances = sa.Table(
    "insurances",
    metadata,
    sa.Column("insurance_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("insurance", sa.Text, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Column("recorded_at", _TIME, nullable=False),
    sa.Index("insurances_by_volunteer", "volunteer_id"),
)
availability = sa.Table(
    "availability",
    metadata,
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("weekly", JSONB, nullable=False),
    sa.Column("exceptions", JSONB, nullable=False),
    sa.Column("set_at", _TIME, nullable=False),
)
claims = sa.Table(
    "claims",
    metadata,
    sa.Column("claim_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("order_id", sa.Uuid),
    sa.Column("assignment_id", sa.Uuid),
    sa.Column("item_code", sa.Text),
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
    sa.Column("day_minutes", sa.Integer),
    sa.Column("corrections", sa.Integer, nullable=False, default=0),
    sa.UniqueConstraint("assignment_id", name="claims_one_per_assignment", deferrable=True, initially="DEFERRED"),
    sa.Index("claims_by_volunteer", "volunteer_id", "service_date"),
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
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("requested_at", _TIME, nullable=False),
    sa.Index("corrections_by_claim", "claim_id"),
)
