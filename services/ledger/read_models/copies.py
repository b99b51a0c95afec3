"""A copy of what volunteers said: who is known or erased, who acts for whom, and who was given which role."""

from typing import ClassVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from contracts.envelope import Recorded
from contracts.volunteers import (
    PersonErased,
    PersonMoved,
    PersonRegistered,
    ProxyAuthorised,
    ProxyEnded,
    RelationDeclared,
    RelationEnded,
    RoleGranted,
    RoleRevoked,
)
from eventstore.read_model import ReadModel
from eventstore.rows import Rows

_volunteers = sa.MetaData()
_TIME = sa.DateTime(timezone=True)

volunteers_persons = sa.Table(
    "volunteers_persons",
    _volunteers,
    sa.Column("person_id", sa.Uuid, primary_key=True),
    sa.Column("household_id", sa.Uuid),
    sa.Column("erased_at", _TIME),
)
volunteers_proxies = sa.Table(
    "volunteers_proxies",
    _volunteers,
    sa.Column("proxy_authorisation_id", sa.Uuid, primary_key=True),
    sa.Column("principal_id", sa.Uuid, nullable=False),
    sa.Column("proxy_id", sa.Uuid, nullable=False),
    sa.Column("scope", JSONB, nullable=False),
    sa.Column("valid_until", _TIME),
    sa.Column("ended_at", _TIME),
    sa.Index("volunteers_proxies_by_pair", "principal_id", "proxy_id"),
)
volunteers_relations = sa.Table(
    "volunteers_relations",
    _volunteers,
    sa.Column("relation_id", sa.Uuid, primary_key=True),
    sa.Column("person_a_id", sa.Uuid, nullable=False),
    sa.Column("person_b_id", sa.Uuid, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("ended_at", _TIME),
    sa.Index("volunteers_relations_by_a", "person_a_id"),
    sa.Index("volunteers_relations_by_b", "person_b_id"),
)
volunteers_roles = sa.Table(
    "volunteers_roles",
    _volunteers,
    sa.Column("grant_id", sa.Uuid, primary_key=True),
    sa.Column("person_id", sa.Uuid, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("valid_until", _TIME),
    sa.Column("revoked_at", _TIME),
    sa.Index("volunteers_roles_by_person", "person_id"),
)


class VolunteersCopy(ReadModel):
    """Who is known, in office, acts for whom and is tied to whom, so that duties are kept apart."""

    source: ClassVar[str] = "volunteers"
    metadata: ClassVar[sa.MetaData] = _volunteers
    version: ClassVar[int] = 3

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        """See the class."""
        match recorded.event:
            case PersonRegistered() as event:
                rows.insert(volunteers_persons, person_id=event.person_id, household_id=event.household_id)
            case PersonMoved() as event:
                rows.update(volunteers_persons, event.person_id, household_id=event.household_id)
            case PersonErased() as event:
                rows.update(volunteers_persons, event.person_id, erased_at=event.erased_at)
            case ProxyAuthorised() as event:
                rows.insert(
                    volunteers_proxies,
                    proxy_authorisation_id=event.proxy_authorisation_id,
                    principal_id=event.principal_id,
                    proxy_id=event.proxy_id,
                    scope=list(event.scope),
                    valid_until=event.valid_until,
                )
            case ProxyEnded() as event:
                rows.update(volunteers_proxies, event.proxy_authorisation_id, ended_at=event.ended_at)
            case RoleGranted() as event:
                rows.insert(
                    volunteers_roles,
                    grant_id=event.grant_id,
                    person_id=event.person_id,
                    role=event.granted_role.value,
                    valid_until=event.valid_until,
                )
            case RoleRevoked() as event:
                rows.update(volunteers_roles, event.grant_id, revoked_at=event.revoked_at)
            case RelationDeclared() as event:
                rows.insert(
                    volunteers_relations,
                    relation_id=event.relation_id,
                    person_a_id=event.person_a_id,
                    person_b_id=event.person_b_id,
                    kind=event.kind,
                )
            case RelationEnded() as event:
                rows.update(volunteers_relations, event.relation_id, ended_at=event.ended_at)
            case _:
                pass
