"""Orders' own copy of what volunteers says of people: for guards, relations and candidates."""

from collections.abc import Callable
from typing import Any, ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.envelope import Recorded
from contracts.volunteers import (
    AvailabilitySet,
    ConsentGiven,
    ConsentWithdrawn,
    GuardianConsentRecorded,
    InsuranceRecorded,
    LeaderAppointed,
    LicenceExpired,
    LicenceRecorded,
    MemberJoined,
    MemberLeft,
    PersonBlocked,
    PersonErased,
    PersonMoved,
    PersonRegistered,
    PersonUnblocked,
    ProxyAuthorised,
    ProxyEnded,
    RelationDeclared,
    RelationEnded,
    RoleGranted,
    RoleRevoked,
    SkillDeclared,
    SkillVerified,
    TeamDissolved,
    TeamFounded,
    TrainingCompleted,
    VolunteerActivated,
    VolunteerPaused,
    VolunteerRegistered,
    VolunteerReinstated,
    VolunteerRejected,
    VolunteerResumed,
    VolunteerSuspended,
    VolunteerWithdrawn,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows

metadata = sa.MetaData()

_TIME = sa.DateTime(timezone=True)

people = sa.Table(
    "people",
    metadata,
    sa.Column("person_id", sa.Uuid, primary_key=True),
    sa.Column("household_id", sa.Uuid),
    sa.Column("entrance_id", sa.Text),
    sa.Column("grid_id", sa.Text),
    sa.Column("erased_at", _TIME),
)
consents = sa.Table(
    "consents",
    metadata,
    sa.Column("person_id", sa.Uuid, primary_key=True),
    sa.Column("purpose", sa.Text, primary_key=True),
    sa.Column("live", sa.Boolean, nullable=False),
    sa.Column("withdrawn_at", _TIME),
)
proxies = sa.Table(
    "proxies",
    metadata,
    sa.Column("proxy_authorisation_id", sa.Uuid, primary_key=True),
    sa.Column("principal_id", sa.Uuid, nullable=False),
    sa.Column("proxy_id", sa.Uuid, nullable=False),
    sa.Column("scope", JSONB, nullable=False),
    sa.Column("valid_until", _TIME),
    sa.Column("ended_at", _TIME),
    sa.Index("proxies_by_proxy", "proxy_id"),
)
relations = sa.Table(
    "relations",
    metadata,
    sa.Column("relation_id", sa.Uuid, primary_key=True),
    sa.Column("person_a_id", sa.Uuid, nullable=False),
    sa.Column("person_b_id", sa.Uuid, nullable=False),
    sa.Column("ended_at", _TIME),
    sa.Index("relations_by_a", "person_a_id"),
    sa.Index("relations_by_b", "person_b_id"),
)
blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("block_id", sa.Uuid, primary_key=True),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("other_id", sa.Uuid, nullable=False),
    sa.Index("blocks_by_person", "person_id"),
    sa.Index("blocks_by_other", "other_id"),
)
"""Who is not to be brought together; a block that was taken back leaves no row."""
roles = sa.Table(
    "roles",
    metadata,
    sa.Column("grant_id", sa.Uuid, primary_key=True),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("scope", sa.Text, nullable=False),
    sa.Column("scope_id", sa.Text, nullable=False),
    sa.Column("valid_until", _TIME),
    sa.Column("revoked_at", _TIME),
    sa.Index("roles_by_person", "person_id"),
)
volunteers = sa.Table(
    "volunteers",
    metadata,
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("accompanied_only", sa.Boolean, nullable=False, default=False),
    sa.Column("weekly", JSONB),
    sa.Column("exceptions", JSONB),
    sa.Column("suspended_by", JSONB),
)
skills = sa.Table(
    "skills",
    metadata,
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("skill", sa.Text, primary_key=True),
    sa.Column("verified_level", sa.Integer, nullable=False, default=0),
    sa.Index("skills_by_skill", "skill"),
)
licences = sa.Table(
    "licences",
    metadata,
    sa.Column("licence_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("licence", sa.Text, nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Index("licences_by_volunteer", "volunteer_id"),
)
"""Licences in force: one that expired leaves no row."""
trainings = sa.Table(
    "trainings",
    metadata,
    sa.Column("training_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("training", sa.Text, nullable=False),
    sa.Column("expires_on", sa.Date),
    sa.Index("trainings_by_volunteer", "volunteer_id"),
)
teams = sa.Table(
    "teams",
    metadata,
    sa.Column("team_id", sa.Uuid, primary_key=True),
    sa.Column("team_code", sa.Text, nullable=False),
    sa.Column("founded_at", _TIME, nullable=False),
    sa.Column("leader_id", sa.Uuid),
    sa.Column("term_until", _TIME),
    sa.Index("teams_by_leader", "leader_id"),
)
"""Teams that exist: a dissolved one leaves no row, and its members' rows count no more."""
team_members = sa.Table(
    "team_members",
    metadata,
    sa.Column("team_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, primary_key=True),
    sa.Column("joined_at", _TIME, nullable=False),
    sa.Index("team_members_by_volunteer", "volunteer_id"),
)
"""Members now; of a team that was begun anew only those who joined since then."""
insurances = sa.Table(
    "insurances",
    metadata,
    sa.Column("insurance_id", sa.Uuid, primary_key=True),
    sa.Column("volunteer_id", sa.Uuid, nullable=False),
    sa.Column("valid_from", sa.Date, nullable=False),
    sa.Column("expires_on", sa.Date, nullable=False),
    sa.Index("insurances_by_volunteer", "volunteer_id"),
)

Fold = Callable[[Any, Rows], None]


class PeopleCopy(ReadModel):
    """People, their ties and roles, and volunteers with what they can do and when."""

    source: ClassVar[str] = "volunteers"
    metadata: ClassVar[sa.MetaData] = metadata
    version: ClassVar[int] = 4

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the functions below, one an event."""
        fold = _FOLDS.get(type(recorded.event))
        if fold is not None:
            fold(recorded.event, rows)


def _person(event: PersonRegistered | PersonMoved, rows: Rows) -> None:
    place = {"household_id": event.household_id, "entrance_id": event.entrance_id, "grid_id": event.grid_id}
    rows.upsert(people, person_id=event.person_id, **place)


def _erased(event: PersonErased, rows: Rows) -> None:
    rows.update(people, event.person_id, erased_at=event.erased_at)


def _consent_given(event: ConsentGiven, rows: Rows) -> None:
    rows.upsert(consents, person_id=event.person_id, purpose=event.purpose, live=True, withdrawn_at=None)


def _consent_withdrawn(event: ConsentWithdrawn, rows: Rows) -> None:
    rows.update(consents, (event.person_id, event.purpose), live=False, withdrawn_at=event.withdrawn_at)


def _proxy(event: ProxyAuthorised, rows: Rows) -> None:
    rows.insert(
        proxies,
        proxy_authorisation_id=event.proxy_authorisation_id,
        principal_id=event.principal_id,
        proxy_id=event.proxy_id,
        scope=event.scope,
        valid_until=event.valid_until,
    )


def _proxy_ended(event: ProxyEnded, rows: Rows) -> None:
    rows.update(proxies, event.proxy_authorisation_id, ended_at=event.ended_at)


def _relation(event: RelationDeclared, rows: Rows) -> None:
    rows.insert(relations, relation_id=event.relation_id, person_a_id=event.person_a_id, person_b_id=event.person_b_id)


def _relation_ended(event: RelationEnded, rows: Rows) -> None:
    rows.update(relations, event.relation_id, ended_at=event.ended_at)


def _block(event: PersonBlocked, rows: Rows) -> None:
    rows.insert(blocks, block_id=event.block_id, person_id=event.person_id, other_id=event.other_id)


def _unblock(event: PersonUnblocked, rows: Rows) -> None:
    rows.delete(blocks, event.block_id)


def _role(event: RoleGranted, rows: Rows) -> None:
    rows.insert(
        roles,
        grant_id=event.grant_id,
        person_id=event.person_id,
        role=event.granted_role.value,
        scope=event.scope,
        scope_id=event.scope_id,
        valid_until=event.valid_until,
    )


def _role_revoked(event: RoleRevoked, rows: Rows) -> None:
    rows.update(roles, event.grant_id, revoked_at=event.revoked_at)


def _volunteer(event: VolunteerRegistered, rows: Rows) -> None:
    values = {"state": "PENDING", "accompanied_only": event.accompanied_only}
    rows.upsert(volunteers, volunteer_id=event.volunteer_id, **values)


def _became(state: str) -> Fold:
    def fold(event: Any, rows: Rows) -> None:
        rows.update(volunteers, event.volunteer_id, state=state)

    return fold


def _suspended(event: VolunteerSuspended, rows: Rows) -> None:
    two = [str(one) for one in (event.suspended_by, event.seconded_by) if one is not None]
    rows.update(volunteers, event.volunteer_id, state="SUSPENDED", suspended_by=two)


def _skill_declared(event: SkillDeclared, rows: Rows) -> None:
    # Declared again, a verified skill keeps its level: only the columns named here are overwritten.
    rows.upsert(skills, volunteer_id=event.volunteer_id, skill=event.skill)


def _skill_verified(event: SkillVerified, rows: Rows) -> None:
    rows.upsert(skills, volunteer_id=event.volunteer_id, skill=event.skill, verified_level=event.level)


def _licence(event: LicenceRecorded, rows: Rows) -> None:
    rows.upsert(
        licences,
        licence_id=event.licence_id,
        volunteer_id=event.volunteer_id,
        licence=event.licence,
        expires_on=event.expires_on,
    )


def _licence_expired(event: LicenceExpired, rows: Rows) -> None:
    rows.delete(licences, event.licence_id)


def _training(event: TrainingCompleted, rows: Rows) -> None:
    rows.upsert(
        trainings,
        training_id=event.training_id,
        volunteer_id=event.volunteer_id,
        training=event.training,
        expires_on=event.expires_on,
    )


def _guardian(event: GuardianConsentRecorded, rows: Rows) -> None:
    rows.update(volunteers, event.volunteer_id, accompanied_only=event.accompanied_only)


def _team(event: TeamFounded, rows: Rows) -> None:
    begun = {"team_code": event.team_code, "founded_at": event.founded_at}
    rows.upsert(teams, team_id=event.team_id, leader_id=None, term_until=None, **begun)


def _team_ended(event: TeamDissolved, rows: Rows) -> None:
    rows.delete(teams, event.team_id)


def _leader(event: LeaderAppointed, rows: Rows) -> None:
    rows.update(teams, event.team_id, leader_id=event.leader_id, term_until=event.due_at)


def _joined(event: MemberJoined, rows: Rows) -> None:
    rows.upsert(team_members, team_id=event.team_id, volunteer_id=event.volunteer_id, joined_at=event.joined_at)


def _left(event: MemberLeft, rows: Rows) -> None:
    rows.delete(team_members, (event.team_id, event.volunteer_id))
    if event.was_leader:
        rows.update(teams, event.team_id, leader_id=None, term_until=None)


def _insurance(event: InsuranceRecorded, rows: Rows) -> None:
    rows.upsert(
        insurances,
        insurance_id=event.insurance_id,
        volunteer_id=event.volunteer_id,
        valid_from=event.valid_from,
        expires_on=event.expires_on,
    )


def _availability(event: AvailabilitySet, rows: Rows) -> None:
    weekly = [[slot.weekday, slot.from_minute, slot.to_minute] for slot in event.weekly]
    exceptions = [[one.on_date.isoformat(), one.available, one.from_minute, one.to_minute] for one in event.exceptions]
    rows.update(volunteers, event.volunteer_id, weekly=weekly, exceptions=exceptions)


_FOLDS: dict[type, Fold] = {
    PersonRegistered: _person,
    PersonMoved: _person,
    PersonBlocked: _block,
    PersonUnblocked: _unblock,
    PersonErased: _erased,
    ConsentGiven: _consent_given,
    ConsentWithdrawn: _consent_withdrawn,
    ProxyAuthorised: _proxy,
    ProxyEnded: _proxy_ended,
    RelationDeclared: _relation,
    RelationEnded: _relation_ended,
    RoleGranted: _role,
    RoleRevoked: _role_revoked,
    VolunteerRegistered: _volunteer,
    VolunteerActivated: _became("ACTIVE"),
    VolunteerPaused: _became("PAUSED"),
    VolunteerResumed: _became("ACTIVE"),
    VolunteerSuspended: _suspended,
    VolunteerReinstated: _became("ACTIVE"),
    VolunteerWithdrawn: _became("WITHDRAWN"),
    SkillDeclared: _skill_declared,
    SkillVerified: _skill_verified,
    VolunteerRejected: _became("REJECTED"),
    GuardianConsentRecorded: _guardian,
    LicenceRecorded: _licence,
    LicenceExpired: _licence_expired,
    TrainingCompleted: _training,
    TeamFounded: _team,
    TeamDissolved: _team_ended,
    LeaderAppointed: _leader,
    MemberJoined: _joined,
    MemberLeft: _left,
    InsuranceRecorded: _insurance,
    AvailabilitySet: _availability,
}
