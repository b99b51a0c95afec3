"""The one place where everything of notify meets."""

import asyncio
from collections.abc import Mapping

from eventstore.aggregate import Aggregate
from eventstore.vault import ErasureList
from servicekit.definition import Background, Counted, Runtime, ServiceDefinition
from services.notify import reactions
from services.notify.access import build_access
from services.notify.api import ROUTERS
from services.notify.commands import CONTACT_COMMANDS, TOPIC_COMMANDS, WEBHOOK_COMMANDS
from services.notify.decider import contacts, notices, webhooks
from services.notify.policy import POLICY
from services.notify.read_models import queries
from services.notify.read_models.copies import LedgerCopy, OrdersCopy, VolunteersCopy
from services.notify.read_models.own import NotifyModel
from services.notify.read_models.waiting import waiting_notices
from services.notify.refusals import CONSTRAINTS, REFUSALS
from services.notify.senders import deliver, send

ERASURES_LISTED_SECONDS = 2.0

CONTACT = Aggregate("contact", contacts.initial, contacts.decide, contacts.evolve, tuple(CONTACT_COMMANDS))
NOTICE = Aggregate("notice", notices.initial, notices.decide, notices.evolve, tuple(TOPIC_COMMANDS))
WEBHOOK = Aggregate("webhook", webhooks.initial, webhooks.decide, webhooks.evolve, tuple(WEBHOOK_COMMANDS))


async def list_erasures(runtime: Runtime) -> None:
    """Bring the list of erasures, which outlives a restore of the database, up to the log. Idempotent."""
    async with runtime.log.queries() as connection:
        erased = await queries.erased_persons(connection)
    erasures = ErasureList(runtime.settings.erasures_path)
    listed = set(await asyncio.to_thread(erasures.persons))
    for person_id in erased:
        if person_id not in listed:
            await asyncio.to_thread(erasures.add, person_id)


async def keep_list_of_erasures(runtime: Runtime) -> None:
    """Persons are erased by what is heard, so the list is brought up to date again and again."""
    while True:
        await list_erasures(runtime)
        await asyncio.sleep(ERASURES_LISTED_SECONDS)


async def _waiting(runtime: Runtime) -> Mapping[str, int]:
    async with runtime.log.queries() as connection:
        return await waiting_notices(connection, runtime.clock.now())


definition = ServiceDefinition(
    name="notify",
    title="Who is told what, how, and what is known of it: contacts, the inbox, the phone list, webhooks.",
    read_models=(NotifyModel(), VolunteersCopy(), LedgerCopy(), OrdersCopy()),
    aggregates=(CONTACT, NOTICE, WEBHOOK),
    access=build_access(),
    build_app=lambda _runtime: ROUTERS,
    policy=POLICY,
    reactions=(reactions.orders, reactions.volunteers, reactions.ledger),
    constraints=CONSTRAINTS,
    sentences=REFUSALS,
    background=(
        Background("sender", send),
        Background("webhooks", deliver),
        Background("erasures", keep_list_of_erasures),
    ),
    counted=(Counted("notices_waiting", "Notices that are queued, by what they wait for.", "waits", _waiting),),
)
"""notify, whole."""
