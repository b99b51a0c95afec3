"""Whether anything ties somebody to a case: what the rules of aid are told about who decides (慈善法 §59)."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import Role
from services.ledger.commands import Obstacle
from services.ledger.read_models.copies import (
    volunteers_persons,
    volunteers_proxies,
    volunteers_relations,
    volunteers_roles,
)

PROXY_SCOPES = ("all", "fund")
"""What an authorisation must say to cover requests for aid."""
AMONG_THEMSELVES = "colleague"
"""People who act for the fund may be colleagues; nobody decides about a colleague of theirs."""


async def obstacle(
    connection: AsyncConnection,
    actor_id: UUID,
    beneficiary_id: UUID,
    applicant_id: UUID,
    others: Collection[UUID],
    at: datetime,
) -> Obstacle | None:
    """What ties the actor to the beneficiary, to who applied, or to `others` with a hand in the case."""
    if actor_id == beneficiary_id:
        return "beneficiary"
    if actor_id == applicant_id:
        return "applicant"
    if await _live_together(connection, actor_id, {beneficiary_id, applicant_id, *others}):
        return "household"
    if await is_proxy(connection, actor_id, beneficiary_id, at):
        return "proxy"
    if await _are_related(connection, actor_id, {beneficiary_id, applicant_id}):
        return "relation"
    if others and await _are_related(connection, actor_id, others, unless=AMONG_THEMSELVES):
        return "relation"
    return None


async def has_left_office(connection: AsyncConnection, person_id: UUID, role: Role, at: datetime) -> bool:
    """Whether every grant of this role to them has ended. Of whom no grant was heard the token alone speaks."""
    c = volunteers_roles.c
    live = sa.and_(c.revoked_at.is_(None), sa.or_(c.valid_until.is_(None), c.valid_until > at))
    grants = sa.select(sa.func.bool_or(live)).where(c.person_id == person_id, c.role == role.value)
    return (await connection.execute(grants)).scalar_one() is False


async def is_proxy(connection: AsyncConnection, actor_id: UUID, principal_id: UUID, at: datetime) -> bool:
    """Whether the actor may speak for the other in matters of the fund now."""
    c = volunteers_proxies.c
    acts_for = sa.exists().where(
        c.principal_id == principal_id,
        c.proxy_id == actor_id,
        c.ended_at.is_(None),
        sa.or_(c.valid_until.is_(None), c.valid_until > at),
        sa.or_(*[c.scope.contains([scope]) for scope in PROXY_SCOPES]),
    )
    return bool((await connection.execute(sa.select(acts_for))).scalar_one())


async def _live_together(connection: AsyncConnection, one: UUID, others: Collection[UUID]) -> bool:
    a, b = volunteers_persons.alias("a"), volunteers_persons.alias("b")
    same = a.c.household_id == b.c.household_id
    together = sa.exists().where(a.c.person_id == one, b.c.person_id.in_(list(others)), same)
    return bool((await connection.execute(sa.select(together))).scalar_one())


async def _are_related(
    connection: AsyncConnection, actor_id: UUID, others: Collection[UUID], unless: str | None = None
) -> bool:
    c = volunteers_relations.c
    pair = sa.or_(
        sa.and_(c.person_a_id == actor_id, c.person_b_id.in_(list(others))),
        sa.and_(c.person_b_id == actor_id, c.person_a_id.in_(list(others))),
    )
    conditions = [pair, c.ended_at.is_(None)]
    if unless is not None:
        conditions.append(c.kind != unless)
    return bool((await connection.execute(sa.select(sa.exists().where(*conditions)))).scalar_one())
