"""What orders does when it hears volunteers: a slot whose volunteer can no longer serve falls free (domain.md §4.9).

Everything else that volunteers says only fills this service's copy (read_models/people.py).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from contracts.command import SYSTEM, Command
from contracts.envelope import Recorded
from contracts.event import KeptData
from contracts.orders import LapseCause
from contracts.volunteers import (
    ConsentWithdrawn,
    LicenceExpired,
    PersonBlocked,
    PersonErased,
    VolunteerPaused,
    VolunteerSuspended,
    VolunteerWithdrawn,
)
from eventstore.consumer import ReactionContext, Reactions
from eventstore.consumer.reactions import RefusalOutcome
from eventstore.executor import Plan
from services.orders.commands.beside import EraseVaultData
from services.orders.commands.placing import CancelOrder, LapseAssignment
from services.orders.decider.states import BEFORE_SERVICE
from services.orders.policy import current_policy
from services.orders.read_models import queries
from services.orders.read_models.facts import SERVICE
from services.orders.read_models.fetching import Row

PERSON_ERASED = "person_erased"
"""Why an order was cancelled whose beneficiary is to be forgotten: nobody could find the door."""
CONSENT_WITHDRAWN = "consent_withdrawn"
"""Why an order was cancelled whose beneficiary does not want to be helped any more."""

volunteers = Reactions("volunteers")

GONE: Mapping[str, RefusalOutcome] = {
    "not_assigned": "ignore",
    "service_over": "ignore",
    "order_ended": "ignore",
    "service_begun": "ignore",
}
"""A slot that was given back, begun or released meanwhile needs nothing more."""


async def _lapses(
    recorded: Recorded, context: ReactionContext, volunteer_id: UUID, cause: LapseCause, at: datetime
) -> list[Command]:
    async with context.log.queries() as connection:
        held = await queries.held_assignments(connection, volunteer_id)
    return _lapse_each(recorded, held, cause, max(context.now(), at))


def _lapse_each(recorded: Recorded, held: Sequence[Row], cause: LapseCause, at: datetime) -> list[Command]:
    return [
        LapseAssignment(
            by=SYSTEM,
            at=at,
            order_id=row["order_id"],
            policy=current_policy(),
            assignment_id=row["assignment_id"],
            cause=cause,
            source_event_id=recorded.event_id,
        )
        for row in held
    ]


@volunteers.on(VolunteerPaused, refusals=GONE)
async def on_volunteer_paused(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """A pause releases what has not begun."""
    event = recorded.event
    assert isinstance(event, VolunteerPaused)
    return await _lapses(recorded, context, event.volunteer_id, "volunteer_paused", event.paused_at)


@volunteers.on(VolunteerSuspended, refusals=GONE)
async def on_volunteer_suspended(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """So does a suspension."""
    event = recorded.event
    assert isinstance(event, VolunteerSuspended)
    return await _lapses(recorded, context, event.volunteer_id, "volunteer_suspended", event.suspended_at)


@volunteers.on(VolunteerWithdrawn, refusals=GONE)
async def on_volunteer_withdrawn(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """And the end of volunteering."""
    event = recorded.event
    assert isinstance(event, VolunteerWithdrawn)
    return await _lapses(recorded, context, event.volunteer_id, "volunteer_withdrawn", event.withdrawn_at)


@volunteers.on(PersonBlocked, refusals=GONE)
async def on_person_blocked(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """Two who are to be kept apart do not meet over a promise of before; who has begun is not sent away.

    The slot's event says `unfit` and no more: others hear of it, and who is blocked is not to learn that they are.
    """
    event = recorded.event
    assert isinstance(event, PersonBlocked)
    async with context.log.queries() as connection:
        held = await queries.held_between(connection, event.person_id, event.other_id)
    return _lapse_each(recorded, held, "unfit", max(context.now(), event.blocked_at))


@volunteers.on(LicenceExpired, fresh=True, refusals=GONE)
async def on_licence_expired(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """A slot that takes this licence on a later day falls free, unless another one covers it."""
    event = recorded.event
    assert isinstance(event, LicenceExpired)
    async with context.log.queries() as connection:
        held = await queries.held_without_licence(connection, event.volunteer_id, event.licence, event.licence_id)
    return _lapse_each(recorded, held, "licence_expired", max(context.now(), event.expired_at))


@volunteers.on(PersonErased, refusals=GONE, name="release_erased_person")
async def release_erased_person(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """Their slots fall free; their own orders, whose address is gone, are cancelled."""
    event = recorded.event
    assert isinstance(event, PersonErased)
    lapses = await _lapses(recorded, context, event.person_id, "person_erased", event.erased_at)
    return [*lapses, *await _cancels(context, event.person_id, PERSON_ERASED, event.erased_at)]


async def _cancels(context: ReactionContext, person_id: UUID, reason_code: str, at: datetime) -> list[Command]:
    """End a person's own orders whose service has not begun."""
    states = [state.value for state in BEFORE_SERVICE]
    async with context.log.queries() as connection:
        theirs = await queries.orders_in(connection, person_id, states)
    return [
        CancelOrder(
            by=SYSTEM,
            at=max(context.now(), at),
            order_id=order_id,
            policy=current_policy(),
            reason_code=reason_code,
        )
        for order_id in theirs
    ]


@volunteers.on(ConsentWithdrawn, refusals=GONE)
async def on_consent_withdrawn(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """Nobody comes to help whoever takes the consent to it back; what has begun is finished (个人信息保护法 §15)."""
    event = recorded.event
    assert isinstance(event, ConsentWithdrawn)
    if event.purpose != SERVICE:
        return []
    return await _cancels(context, event.person_id, CONSENT_WITHDRAWN, event.withdrawn_at)


@volunteers.on(PersonErased, name="erase_vault_data")
async def erase_vault_data(recorded: Recorded, context: ReactionContext) -> Plan:
    """Destroy this person's keys and salts in the transaction of this step, and say so."""
    event = recorded.event
    assert isinstance(event, PersonErased)
    erasure = await context.vault.erase(event.person_id)
    said = EraseVaultData(
        by=SYSTEM,
        at=max(context.now(), event.erased_at),
        person_id=event.person_id,
        source_event_id=recorded.event_id,
        purposes=erasure.erased,
        kept=tuple(KeptData(purpose=purpose, basis=basis) for purpose, basis in erasure.kept.items()),
        erased_at=max(context.now(), event.erased_at),
    )
    return Plan([said], vault=erasure.changes)
