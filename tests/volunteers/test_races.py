"""Two decisions on the same facts never both stand, whichever way they come."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.command import SYSTEM, Command, Refused, Role
from contracts.volunteers import HoursLogged
from eventstore.executor import Plan
from eventstore.model import Metadata
from eventstore.timers import Timer
from services.volunteers import timers
from services.volunteers.api import helping, people
from services.volunteers.api.ending import volunteering_ends
from services.volunteers.commands.hours import ApproveHours, ConfirmHours, DayFacts, LogHours
from services.volunteers.commands.words import claim_id_of
from services.volunteers.read_models import hours_queries as queries
from tests.volunteers.examples import AUDITOR as AUDITOR_BY
from tests.volunteers.town import AUDITOR, MORNING, Service, Town

BY_TEST = Metadata("system")
AS_AUDITOR = (AUDITOR, Role.HOURS_AUDITOR)


async def claimed(town: Town, volunteer_id: UUID, minutes: int, start_hours: int) -> UUID:
    """A finished service of a volunteer, not confirmed so far; returns the claim."""
    service = Service(uuid4(), volunteer_id, start=MORNING + timedelta(hours=start_hours), minutes=minutes)
    await town.hear(service.finished(volunteer_id))
    return claim_id_of(service.assignments[volunteer_id])


async def log_on(town: Town, claim_id: UUID, logged_minutes: int, *, confirm: bool = True) -> None:
    """Confirm and log on given facts about the day, stale or not."""
    at = MORNING + timedelta(days=1)
    confirms = [ConfirmHours(by=SYSTEM, at=at, claim_id=claim_id, confirmed_by=None, presumed=True, by_recipient=False)]
    logs = LogHours(by=SYSTEM, at=at, claim_id=claim_id, day=DayFacts(logged_minutes=logged_minutes), due_at=at)

    async def build() -> Plan:
        return Plan([*(confirms if confirm else []), logs])

    await town.runtime.executor.execute(build, BY_TEST)


async def minutes_logged(town: Town) -> list[int]:
    return [event.day_minutes for event in await town.events("claim") if isinstance(event, HoursLogged)]


async def test_of_two_claims_decided_on_the_same_total_only_one_is_credited(town: Town):
    anna = uuid4()
    first, second = await claimed(town, anna, 240, 0), await claimed(town, anna, 240, 4)
    third = await claimed(town, anna, 60, 8)
    await log_on(town, first, 0)
    await log_on(town, second, 240)
    with pytest.raises(Refused, match="day_total_moved"):
        await log_on(town, third, 240)
    await log_on(town, third, 480)
    assert await minutes_logged(town) == [240, 480]
    assert (await town.types("claim"))[-1] == "HoursHeld"


async def test_racing_claims_of_one_batch_never_pass_the_cap_together(town: Town):
    """All sixteen are decided on an empty day and handed to the writer at once: it may commit them as one batch."""
    anna = uuid4()
    claims = [await claimed(town, anna, 60, number) for number in range(16)]
    outcomes = await asyncio.gather(*(log_on(town, claim, 0) for claim in claims), return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    assert {refusal.reason_code for refusal in refused} == {"day_total_moved"}
    assert len(refused) == 15
    assert await minutes_logged(town) == [60]


async def test_an_overlap_decided_on_stale_facts_is_refused_by_the_table(town: Town):
    anna, bo = uuid4(), uuid4()
    first, second = await claimed(town, anna, 60, 0), await claimed(town, anna, 90, 0)
    somebody_else = await claimed(town, bo, 60, 0)
    await log_on(town, first, 0)
    with pytest.raises(Refused, match="hours_overlap"):
        await log_on(town, second, 60)
    await log_on(town, somebody_else, 0)


async def test_two_approvals_at_once_do_not_lift_a_day_above_what_one_auditor_may(town: Town):
    anna = uuid4()
    base, *both = [await claimed(town, anna, minutes, at) for minutes, at in ((480, 0), (200, 8), (200, 12))]
    await log_on(town, base, 0)
    for claim_id in both:
        await log_on(town, claim_id, 480)
    await asyncio.gather(*(town.done(f"/hours/{claim_id}/approve", {}, *AS_AUDITOR) for claim_id in both))
    assert await minutes_logged(town) == [480, 680]
    queue = (await town.read("/hours", *AS_AUDITOR)).json()["claims"]
    assert [(claim["approvals_required"], len(claim["approvals"])) for claim in queue] == [(2, 1)]


async def test_a_reaction_that_loses_a_race_leaves_the_claim_confirmed_and_the_timer_credits_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
):
    anna = uuid4()
    base, rival = await claimed(town, anna, 300, 0), await claimed(town, anna, 200, 6)
    await log_on(town, base, 0)
    await log_on(town, rival, 300)
    service = Service(uuid4(), anna, start=MORNING + timedelta(hours=10), minutes=60)
    await town.hear(service.finished(anna))
    day_facts = queries.day_facts

    async def read_and_be_overtaken(connection, claim):
        """The rival's approval commits between the reaction's look and its append."""
        facts = await day_facts(connection, claim)
        if claim["claim_id"] != rival and (await town.types("claim")).count("HoursApproved") == 0:
            await approve(town, rival, 300)
        return facts

    monkeypatch.setattr(queries, "day_facts", read_and_be_overtaken)
    await town.hear(service.confirmed())
    assert (await town.types("claim"))[-1] == "HoursConfirmed"
    assert await minutes_logged(town) == [300, 500]

    timer = Timer(town.runtime.executor, town.runtime.clock, timers.due_of(town.runtime))
    assert await timer.fire_due() == 2  # and March's random check, which is due by now
    assert (await town.types("claim"))[-2:] == ["HoursHeld", "HoursSampled"]
    assert await timer.fire_due() == 0


async def approve(town: Town, claim_id: UUID, logged_minutes: int) -> None:
    day = DayFacts(logged_minutes=logged_minutes)
    at = MORNING + timedelta(days=1)

    async def build() -> Plan:
        return Plan(
            [
                ApproveHours(by=AUDITOR_BY, at=at, claim_id=claim_id, day=day),
                LogHours(by=SYSTEM, at=at, claim_id=claim_id, day=day, due_at=at),
            ]
        )

    await town.runtime.executor.execute(build, BY_TEST)


async def test_of_many_who_bootstrap_at_once_one_becomes_admin(town: Town):
    people = [uuid4() for _ in range(6)]
    answers = await asyncio.gather(
        *(
            town.client.post("/v1/bootstrap", json={"name": "管示例"}, headers=town.bootstrap_headers(person))
            for person in people
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert {answer.json().get("reason_code") for answer in answers} == {None, "admin_exists"}
    assert await town.types() == ["PersonRegistered", "ConsentGiven", "RoleGranted"]


async def test_a_number_that_is_taken_is_drawn_again(town: Town, monkeypatch: pytest.MonkeyPatch):
    drawn = iter(["1000000008", "1000000008", "1000000008", "2000000006"])
    monkeypatch.setattr(helping, "new_volunteer_no", lambda: next(drawn))
    people = [await town.person(f"第{number}人") for number in range(2)]
    numbers = []
    for person_id in people:
        answer = await town.done("/volunteers", {"person_id": str(person_id), "consent_form": "written"})
        numbers.append(answer["volunteer_no"])
    assert numbers == ["1000000008", "2000000006"]


async def test_who_becomes_a_volunteer_while_they_are_being_erased_is_none_afterwards(
    town: Town, monkeypatch: pytest.MonkeyPatch
):
    wang = await town.person()
    begins = [{"person_id": str(wang), "consent_form": "web"}]

    async def read_and_then(*arguments: Any) -> list[Command]:
        found = await volunteering_ends(*arguments)
        while begins:
            await town.done("/volunteers", begins.pop())
        return found

    monkeypatch.setattr(people, "volunteering_ends", read_and_then)
    await town.done(f"/persons/{wang}/erase", {"confirmed_person_id": str(wang)}, uuid4(), Role.ADMIN)
    assert (await town.types(f"volunteer-{wang}"))[-1] == "VolunteerWithdrawn"
