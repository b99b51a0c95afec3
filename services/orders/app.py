"""The one place where everything of orders meets."""

import asyncio
from collections.abc import Mapping

from eventstore.aggregate import Aggregate
from eventstore.vault import ErasureList
from servicekit.definition import Background, Counted, Runtime, ServiceDefinition
from services.orders import reactions
from services.orders.access import build_access
from services.orders.api import ROUTERS
from services.orders.commands.beside import EraseVaultData, PublishServiceItem, RecordInquiry, RetireServiceItem
from services.orders.commands.disputes import AppealDispute, RaiseDispute, ResolveDispute
from services.orders.commands.welfare import EscalateWelfareCheck, RaiseWelfareCheck, RecordOutcome
from services.orders.decider import catalogue, decide, dispute, erasure, evolve, inquiry, welfare_check
from services.orders.decider.lifecycle import LIFECYCLE
from services.orders.policy import POLICY
from services.orders.read_models import queries
from services.orders.read_models.own import OrdersModel
from services.orders.read_models.people import PeopleCopy
from services.orders.read_models.waiting import waiting_for_dispatch
from services.orders.refusals import CONSTRAINTS, REFUSALS
from services.orders.timers import due_of

ERASURES_LISTED_SECONDS = 2.0

ORDER = Aggregate("order", evolve.initial, decide.decide, evolve.evolve, tuple(row.command for row in LIFECYCLE))
INQUIRY = Aggregate("inquiry", inquiry.initial, inquiry.decide, inquiry.evolve, (RecordInquiry,))
ITEM = Aggregate("item", catalogue.initial, catalogue.decide, catalogue.evolve, (PublishServiceItem, RetireServiceItem))
WELFARE_CHECK = Aggregate(
    "welfare_check",
    welfare_check.initial,
    welfare_check.decide,
    welfare_check.evolve,
    (RaiseWelfareCheck, EscalateWelfareCheck, RecordOutcome),
)
DISPUTE = Aggregate(
    "dispute", dispute.initial, dispute.decide, dispute.evolve, (RaiseDispute, ResolveDispute, AppealDispute)
)
ERASURE = Aggregate("erasure", erasure.initial, erasure.decide, erasure.evolve, (EraseVaultData,))


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
    """An erasure is listed soon after its commit, also when a crash lies between."""
    while True:
        await list_erasures(runtime)
        await asyncio.sleep(ERASURES_LISTED_SECONDS)


async def _waiting(runtime: Runtime) -> Mapping[str, int]:
    async with runtime.log.queries() as connection:
        return await waiting_for_dispatch(connection, runtime.clock.now())


definition = ServiceDefinition(
    name="orders",
    title="点单—派单—接单—评单 and 询单—制单: every promise of somebody's time, from the wish to its close.",
    read_models=(OrdersModel(), PeopleCopy()),
    aggregates=(ORDER, INQUIRY, ITEM, WELFARE_CHECK, DISPUTE, ERASURE),
    access=build_access(),
    build_app=lambda _runtime: ROUTERS,
    policy=POLICY,
    reactions=(reactions.volunteers,),
    constraints=CONSTRAINTS,
    sentences=REFUSALS,
    timers=due_of,
    background=(Background("erasures", keep_list_of_erasures),),
    counted=(Counted("orders_waiting_dispatch", "Orders that nobody was asked to serve, by age.", "age", _waiting),),
)
"""orders, whole."""
