"""What notify does when a person is erased (domain.md §4.9, row 39). Roles and proxies are only copied."""

from itertools import groupby

from contracts.command import SYSTEM
from contracts.envelope import Recorded
from contracts.volunteers import PersonErased
from eventstore.consumer import ReactionContext, Reactions
from eventstore.executor import Plan
from services.notify.commands import CancelNotices, EraseContacts
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
    withdrawn = [
        CancelNotices(
            by=SYSTEM,
            at=at,
            topic_id=topic_id,
            notification_ids=frozenset(row["notification_id"] for row in group),
            reason_code="person_erased",
            source_event_id=recorded.event_id,
        )
        for topic_id, group in groupby(rows, key=lambda row: row["topic_id"])
    ]
    return Plan([erase, *withdrawn], vault=erasure.changes)
