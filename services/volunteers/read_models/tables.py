"""The tables of people and volunteers, folded from volunteers' own log."""

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
blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("block_id", sa.Uuid, primary_key=True),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("other_id", sa.Uuid, nullable=False),
    sa.Column("reason_ref", sa.Uuid),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("blocked_at", _TIME, nullable=False),
    sa.Column("unblocked_at", _TIME),
    sa.Index("blocks_by_person", "person_id"),
    sa.Index("blocks_by_other", "other_id"),
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
    sa.Column("guardian_id", sa.Uuid),
    sa.Column("until", _TIME),
    sa.Column("reason_code", sa.Text),
    sa.Column("statement_ref", sa.Uuid),
    # Where an imported history lies in the vault, and where it came from; it counts for nothing here (0008).
    sa.Column("external_source", sa.Text),
    sa.Column("external_file_sha256", sa.Text),
    sa.Column("external_ref", sa.Uuid),
    sa.Index("volunteers_by_until", "until", postgresql_where=sa.text("until IS NOT NULL")),
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
    sa.Column("due_at", _TIME, nullable=False),
    sa.Column("recorded_at", _TIME, nullable=False),
    sa.Column("expired_at", _TIME),
    sa.Index("licences_by_volunteer", "volunteer_id"),
    sa.Index("licences_by_due", "due_at", postgresql_where=sa.text("expired_at IS NULL")),
)
trainings = sa.Table(
    "trainings",
    metadata,
    sa.Column("training_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("training", sa.Text, nullable=False),
    sa.Column("completed_on", sa.Date, nullable=False),
    sa.Column("expires_on", sa.Date),
    sa.Column("recorded_at", _TIME, nullable=False),
    sa.Index("trainings_by_volunteer", "volunteer_id"),
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
teams = sa.Table(
    "teams",
    metadata,
    sa.Column("team_id", sa.Uuid, primary_key=True),
    sa.Column("team_code", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("members", sa.Integer, nullable=False, default=0),
    sa.Column("leader_id", sa.Uuid),
    sa.Column("term_until", _TIME),
    sa.Column("founded_at", _TIME, nullable=False),
    sa.Column("active_at", _TIME, nullable=False),
    sa.Column("due_at", _TIME),
    sa.Index("teams_by_code", "team_code"),
    sa.Index("teams_by_leader", "leader_id"),
)
team_members = sa.Table(
    "team_members",
    metadata,
    sa.Column("team_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("joined_at", _TIME, nullable=False),
    sa.Column("left_at", _TIME),
    sa.Index("team_members_by_volunteer", "volunteer_id"),
)
"""Who is a member, and who was. Of a team that was dissolved and begun anew, only who joined since then counts."""
last_hours = sa.Table(
    "last_hours",
    metadata,
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("logged_at", _TIME, nullable=False),
)
