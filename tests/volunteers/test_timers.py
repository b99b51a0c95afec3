"""What falls due happens once, at its moment, however often and by however many it is looked at."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from contracts.command import Command, Role
from eventstore.executor import Plan
from eventstore.model import Metadata
from eventstore.timers import Timer
from services.volunteers import timers
from services.volunteers.commands.helping import PauseVolunteer, RecordLicence, SuspendVolunteer
from tests.volunteers.examples import ZHAO, by
from tests.volunteers.town import MANAGER, Town

NOW = datetime.now(UTC)


class At:
    """A clock that stands at a moment."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def timer(town: Town, moment: datetime) -> Timer:
    return Timer(town.runtime.executor, At(moment), timers.due_of(town.runtime))


async def record(town: Town, *commands: Command) -> None:
    async def build() -> Plan:
        return Plan(commands)

    await town.runtime.executor.execute(build, Metadata(str(MANAGER)))


async def state(town: Town, volunteer_id: UUID) -> str:
    return str((await town.read(f"/volunteers/{volunteer_id}")).json()["state"])


async def test_a_rest_ends_at_the_moment_that_was_said_and_once_by_many_timers(town: Town):
    anna = await town.volunteer()
    until = NOW + timedelta(days=3)
    await town.done(f"/volunteers/{anna}/pause", {"pause_until": until.isoformat()}, anna, Role.VOLUNTEER)
    assert await timer(town, until - timedelta(seconds=1)).fire_due() == 0
    assert sum(await asyncio.gather(*(timer(town, until).fire_due() for _ in range(4)))) == 1
    assert (await town.types("volunteer")).count("VolunteerResumed") == 1
    assert await state(town, anna) == "ACTIVE"
    # A later rest until the same hour of another day is a deadline of its own.
    await town.done(f"/volunteers/{anna}/pause", {"pause_until": (until + timedelta(days=1)).isoformat()})
    assert await timer(town, until + timedelta(days=1)).fire_due() == 1


async def test_a_suspension_ends_by_itself_and_leads_back_to_a_rest_that_is_not_over(town: Town):
    anna, bo = await town.volunteer(), await town.volunteer("薄示例")
    rest, barred = NOW + timedelta(days=60), NOW + timedelta(days=30)
    for volunteer_id in (anna, bo):
        if volunteer_id == bo:
            await record(town, PauseVolunteer(by=by(bo, Role.VOLUNTEER), at=NOW, volunteer_id=bo, pause_until=rest))
        suspend = SuspendVolunteer(
            by=by(MANAGER, Role.STATION_MANAGER),
            at=NOW,
            volunteer_id=volunteer_id,
            reason_code="safety",
            suspended_until=barred,
            seconded_by=ZHAO,
            seconder_entitled=True,
        )
        await record(town, suspend)
    assert await timer(town, barred - timedelta(seconds=1)).fire_due() == 0
    assert await timer(town, barred).fire_due() == 2
    assert (await state(town, anna), await state(town, bo)) == ("ACTIVE", "PAUSED")
    assert await timer(town, rest).fire_due() == 1
    assert await state(town, bo) == "ACTIVE"


async def test_a_rest_that_was_ended_by_hand_is_not_ended_again(town: Town):
    anna = await town.volunteer()
    until = NOW + timedelta(days=3)
    await town.done(f"/volunteers/{anna}/pause", {"pause_until": until.isoformat()})
    await town.done(f"/volunteers/{anna}/resume", {})
    assert await timer(town, until).fire_due() == 0


async def test_a_licence_expires_after_its_last_day_and_not_while_its_holder_has_withdrawn(town: Town):
    anna, bo = await town.volunteer(), await town.volunteer("薄示例")
    last_day = (NOW + timedelta(days=10)).date()
    for volunteer_id in (anna, bo):
        licence = RecordLicence(
            by=by(MANAGER, Role.STATION_MANAGER),
            at=NOW,
            volunteer_id=volunteer_id,
            licence_id=uuid4(),
            licence="medical",
            expires_on=last_day,
        )
        await record(town, licence)
    await town.done(f"/volunteers/{bo}/withdraw", {})
    after = datetime.combine(last_day, datetime.min.time(), UTC) + timedelta(hours=16)
    assert await timer(town, after - timedelta(seconds=1)).fire_due() == 0
    assert await timer(town, after).fire_due() == 1
    assert await timer(town, after).fire_due() == 0
    (held,) = (await town.read(f"/volunteers/{anna}")).json()["licences"]
    assert held["expired_at"] is not None
    await town.done("/volunteers", {"person_id": str(bo), "consent_form": "web"}, bo, Role.RESIDENT)
    assert await timer(town, after).fire_due() == 1
