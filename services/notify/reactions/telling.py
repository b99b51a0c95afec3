"""From an event to notices: a pure function says who is told what, this module finds the people and makes commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from contracts.command import SYSTEM, Command, Role
from contracts.envelope import Recorded
from contracts.event import Event
from contracts.notify import NoticeParams
from eventstore.consumer import ReactionContext, Reactions, derived_id
from services.notify.commands import (
    AddToDigest,
    CancelNotices,
    QueueNotice,
    digest_topic,
    shanghai_day,
)
from services.notify.policy import current_policy
from services.notify.read_models import queries
from services.notify.templates import template

Key = str


@dataclass(frozen=True, slots=True)
class Tell:
    """One thing to be told, to a ref or to a role."""

    code: str
    """The template."""
    params: NoticeParams
    ref: UUID | None = None
    also: UUID | None = None
    """Who asked for the order: told as well while they are authorised to act for `ref`."""
    role: Role | None = None
    grid_id: str | None = None
    keys: tuple[Key, ...] = ()
    """What makes it pointless when cancelled."""
    not_before: datetime | None = None
    expires_at: datetime | None = None
    digest_of: str | None = None
    """An order number to be gathered with others opened for the same volunteer."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What an event comes to."""

    topic_id: UUID
    tells: Sequence[Tell] = ()
    cancels: Sequence[Key] = ()


E = TypeVar("E", bound=Event)


def tells(reactions: Reactions, event_class: type[E]) -> Callable[[Callable[[E], Telling]], Callable[[E], Telling]]:
    """Declare a pure function `on_<event>` as the reaction to an event."""

    def declare(say: Callable[[E], Telling]) -> Callable[[E], Telling]:
        async def react(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
            event = recorded.event
            assert isinstance(event, event_class)
            return await commands(recorded, context, say(event))

        # A notice that cannot be queued must not keep all later ones waiting.
        reactions.on(event_class, blocks=False, name=say.__name__)(react)
        return say

    return declare


async def commands(recorded: Recorded, context: ReactionContext, telling: Telling) -> list[Command]:
    """First what is withdrawn, then what is told."""
    at = context.now()
    found: list[Command] = []
    if telling.cancels:
        found.append(
            CancelNotices(
                by=SYSTEM,
                at=at,
                topic_id=telling.topic_id,
                keys=frozenset(telling.cancels),
                reason_code=reason_of(recorded.type),
                source_event_id=recorded.event_id,
            )
        )
    if telling.tells:
        async with context.log.queries() as connection:
            for tell in telling.tells:
                found += await _queue(recorded, connection, telling.topic_id, tell, at)
    return found


def reason_of(event_type: str) -> str:
    """`order_cancelled` of OrderCancelled."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in event_type).lstrip("_")


async def _queue(
    recorded: Recorded, connection: AsyncConnection, topic_id: UUID, tell: Tell, at: datetime
) -> list[QueueNotice]:
    chosen = template(tell.code)
    fields: dict[str, Any] = {
        "by": SYSTEM,
        "at": at,
        "topic_id": topic_id,
        "template": tell.code,
        "params": tell.params,
        "channels": chosen.channels,
        "not_before": tell.not_before or at,
        "expires_at": tell.expires_at,
        "cancels_with": tell.keys,
        "source": recorded.service,
        "source_event_id": recorded.event_id,
        "scope_id": tell.grid_id,
        "policy": current_policy(),
    }
    if tell.role is not None:
        people = await queries.roster(connection, tell.role, tell.grid_id, at)
        fields["to_role"] = tell.role
        if not people:
            # Nobody holds the role: it waits on the list that all staff see.
            nobody = {"notification_id": derived_id(recorded, tell.code, tell.role.value), "ref": None}
            return [QueueNotice(**fields | nobody | {"channels": ("phone",), "to_role": None})]
        return [_to(recorded, tell, person_id, fields) for person_id in people]
    assert tell.ref is not None
    if "phone" in chosen.channels:
        if await queries.left_in_peace(connection, [tell.ref]):
            return []
        fields["to_role"] = chosen.call
    if tell.digest_of is not None:
        wait = timedelta(minutes=current_policy().digest_minutes)
        fields |= {"topic_id": digest_topic(tell.ref, shanghai_day(at)), "not_before": at + wait}
        known = {"notification_id": derived_id(recorded, tell.code, tell.ref), "ref": tell.ref}
        return [AddToDigest(**fields | known, order_no=tell.digest_of)]
    notices = [_to(recorded, tell, tell.ref, fields)]
    if tell.also not in {None, tell.ref} and await queries.acts_for(connection, tell.also, tell.ref, at):
        notices.append(_to(recorded, tell, tell.also, fields))
    return notices


def _to(recorded: Recorded, tell: Tell, ref: UUID, fields: dict[str, Any]) -> QueueNotice:
    # A reminder a day before and one hours before go to one person from one event: each has its own template.
    return QueueNotice(**fields, notification_id=derived_id(recorded, tell.code, ref), ref=ref)
