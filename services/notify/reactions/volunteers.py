"""What notify does when a person is erased, or not to be contacted any more, or hours are taken back (domain.md §4.9).

Roles and proxies are only copied.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from uuid import UUID

from contracts.command import SYSTEM, Command
from contracts.envelope import Recorded
from contracts.notify import NoticeParams
from contracts.volunteers import ConsentWithdrawn, HoursVoided, PersonErased
from eventstore.consumer import ReactionContext, Reactions
from eventstore.executor import Plan
from services.notify.commands import NOT_WANTED, CancelNotices, EraseContacts
from services.notify.reactions.telling import Tell, Telling, tells
from services.notify.read_models import queries

volunteers = Reactions("volunteers")


@volunteers.on(PersonErased)
async def on_person_erased(recorded: Recorded, context: ReactionContext) -> Plan:
    """Destroy the keys of their addresses, empty their inbox, withdraw what waits; in the transaction of this step."""
    event = recorded.event
    assert isinstance(event, PersonErased)
    at = context.now()
    erasure = await context.vault.erase(event.person_id)
    erase = EraseContacts(
        by=SYSTEM, at=at, ref=event.person_id, source_event_id=recorded.event_id, purposes=erasure.erased
    )
    async with context.log.queries() as connection:
        rows = await queries.pending_of(connection, event.person_id)
    # The sender withdraws what another consumer queues for them at this very moment.
    withdrawn = _withdrawn(rows, at, "person_erased", recorded.event_id)
    return Plan([erase, *withdrawn], vault=erasure.changes)


@volunteers.on(ConsentWithdrawn)
async def on_consent_withdrawn(recorded: Recorded, context: ReactionContext) -> Sequence[Command]:
    """Take the calls to somebody who does not want to be contacted off the list; later ones are not put on it."""
    event = recorded.event
    assert isinstance(event, ConsentWithdrawn)
    if event.purpose != "contact":
        return []
    async with context.log.queries() as connection:
        rows = await queries.pending_of(connection, event.person_id, calls_only=True)
    return _withdrawn(rows, context.now(), NOT_WANTED, recorded.event_id)


def _withdrawn(
    rows: Sequence[queries.Row], at: datetime, reason_code: str, source_event_id: UUID
) -> list[CancelNotices]:
    return [
        CancelNotices(
            by=SYSTEM,
            at=at,
            topic_id=topic_id,
            notification_ids=frozenset(row["notification_id"] for row in group),
            reason_code=reason_code,
            source_event_id=source_event_id,
        )
        for topic_id, group in groupby(rows, key=lambda row: row["topic_id"])
    ]


@tells(volunteers, HoursVoided)
def on_hours_voided(event: HoursVoided) -> Telling:
    """The volunteer hears that minutes were taken back; the reason is public beside them."""
    params = NoticeParams(minutes=event.minutes, on_date=event.service_date)
    return Telling(event.claim_id, [Tell("minutes_voided", params, ref=event.volunteer_id)])
