"""The one place where everything of volunteers meets."""

import asyncio

from eventstore.aggregate import Aggregate
from servicekit.definition import Background, Runtime, ServiceDefinition
from services.volunteers import reactions, timers
from services.volunteers.access import build_access
from services.volunteers.api import ROUTERS
from services.volunteers.api.shared import list_erasures
from services.volunteers.commands.helping import VOLUNTEER_COMMANDS
from services.volunteers.commands.hours import CLAIM_COMMANDS
from services.volunteers.commands.people import PERSON_COMMANDS
from services.volunteers.commands.records import RECORD_COMMANDS
from services.volunteers.commands.stars import STAR_COMMANDS
from services.volunteers.commands.teams import TEAM_COMMANDS
from services.volunteers.decider import helping, hours, people, records, stars, teams
from services.volunteers.policy import POLICY
from services.volunteers.read_models.copies import LedgerCopy, OrdersCopy
from services.volunteers.read_models.hours import HoursModel
from services.volunteers.read_models.own import VolunteersModel
from services.volunteers.read_models.stars import StarsModel
from services.volunteers.refusals import CONSTRAINTS, REFUSALS

ERASURES_LISTED_SECONDS = 60.0

PERSON = Aggregate("person", people.initial, people.decide, people.evolve, PERSON_COMMANDS)
VOLUNTEER = Aggregate("volunteer", helping.initial, helping.decide, helping.evolve, VOLUNTEER_COMMANDS)
TEAM = Aggregate("team", teams.initial, teams.decide, teams.evolve, TEAM_COMMANDS)
CLAIM = Aggregate("claim", hours.initial, hours.decide, hours.evolve, CLAIM_COMMANDS)

STAR = Aggregate("star", stars.initial, stars.decide, stars.evolve, STAR_COMMANDS)
RECORD = Aggregate("record", records.initial, records.decide, records.evolve, RECORD_COMMANDS)


async def keep_list_of_erasures(runtime: Runtime) -> None:
    """Complete the list after a crash between an erasure's commit and its listing."""
    while True:
        await list_erasures(runtime)
        await asyncio.sleep(ERASURES_LISTED_SECONDS)


definition = ServiceDefinition(
    name="volunteers",
    title="People, volunteers and their hours: who may act for whom, who can help with what, and which minutes count.",
    read_models=(VolunteersModel(), HoursModel(), StarsModel(), OrdersCopy(), LedgerCopy()),
    aggregates=(PERSON, VOLUNTEER, TEAM, CLAIM, STAR, RECORD),
    access=build_access(),
    build_app=lambda _runtime: ROUTERS,
    policy=POLICY,
    reactions=(reactions.orders, reactions.ledger),
    constraints=CONSTRAINTS,
    sentences=REFUSALS,
    timers=timers.due_of,
    background=(Background("erasures", keep_list_of_erasures),),
)
"""volunteers, whole."""
