"""Hours over HTTP: entries by hand, corrections by two persons with public words, the random check, races."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts.command import Role
from contracts.ledger import EntryPosted, EntryReversed, HoursEntry, Posting
from contracts.volunteers import HoursAdjusted, HoursLogged, HoursSampled
from eventstore.model import Metadata
from eventstore.timers import Timer
from services.volunteers import timers
from services.volunteers.commands.hours import drawn
from services.volunteers.commands.words import claim_id_of
from tests.volunteers.town import AUDITOR, MANAGER, MORNING, WORKER, Service, Town

AS_AUDITOR = (AUDITOR, Role.HOURS_AUDITOR)
SUPERVISOR = UUID("0199a0c0-0000-7000-8000-000000000021")
AS_SUPERVISOR = (SUPERVISOR, Role.SUPERVISOR)
PAPER = "cd" * 32


def by_hand(volunteer_id: UUID, **changes: Any) -> dict[str, Any]:
    """An hour two days ago at a project, entered from a paper."""
    start = (datetime.now(UTC) - timedelta(days=2)).replace(minute=0, second=0, microsecond=0)
    entry = {
        "volunteer_id": str(volunteer_id),
        "item_code": "haircut",
        "project_code": "free-haircuts",
        "started_at": start.isoformat(),
        "finished_at": (start + timedelta(hours=1)).isoformat(),
        "attachment_sha256": PAPER,
    }
    return {**entry, **changes}


async def credited(town: Town, volunteer_id: UUID, *, posted: bool = True, **service: Any) -> UUID:
    """A served, confirmed, credited order, and its entry heard from the ledger; returns the claim."""
    served = Service(uuid4(), volunteer_id, **service)
    await town.hear(served.finished(volunteer_id), served.confirmed())
    claim_id = claim_id_of(served.assignments[volunteer_id])
    if posted:
        await post(town, claim_id)
    return claim_id


async def post(town: Town, claim_id: UUID, *, reverses: UUID | None = None) -> UUID:
    """The ledger answers the last credit or correction of a claim."""
    recorded = [
        one for one in await town.runtime.log.read(0, 10_000) if getattr(one.event, "claim_id", None) == claim_id
    ]
    cause = [one for one in recorded if isinstance(one.event, HoursLogged | HoursAdjusted)][-1]
    assert isinstance(cause.event, HoursLogged | HoursAdjusted)
    hours = HoursEntry(
        claim_id=claim_id,
        volunteer_id=cause.event.volunteer_id,
        started_at=cause.event.started_at,
        finished_at=cause.event.finished_at,
        minutes=cause.event.minutes,
        grade=cause.event.grade,
    )
    heard = await town.runtime.log.heard("ledger")
    entry: dict[str, Any] = {
        "book": "hours",
        "entry_no": heard + 1,
        "kind": "hours_logged",
        "effective_date": cause.event.service_date,
        "postings": (
            Posting(account="volunteer:x:minutes", amount=hours.minutes, unit="minutes"),
            Posting(account="community:service_minutes", amount=-hours.minutes, unit="minutes"),
        ),
        "source_event_id": cause.event_id,
        "hours": hours,
    }
    entry_id = uuid4()
    events: list[Any] = []
    if reverses is not None:
        events.append(
            EntryReversed(
                **entry | {"entry_id": uuid4(), "reverses": reverses, "reverses_no": 1, "reason_code": "minutes_wrong"},
                reversed_at=MORNING,
            )
        )
    events.append(EntryPosted(**entry | {"entry_id": entry_id, "entry_no": heard + 2}, posted_at=MORNING))
    await town.hear(*events, source="ledger")
    return entry_id


async def test_an_hour_entered_by_hand_is_credited_by_three_people_and_shown_by_grade(town: Town):
    anna = await town.volunteer()
    leader, as_anna = await town.leader_of(anna), (anna, Role.VOLUNTEER)
    claim_id = (await town.done("/hours", by_hand(anna), *as_anna))["claim_id"]
    await town.refused(403, "forbidden", f"/hours/{claim_id}/confirm", {}, anna, Role.RESIDENT)
    await town.done(f"/hours/{claim_id}/confirm", {}, leader, Role.TEAM_LEADER)
    await town.refused(403, "second_person_required", f"/hours/{claim_id}/approve", {}, leader, Role.STATION_MANAGER)
    await town.done(f"/hours/{claim_id}/approve", {})
    assert await town.types("claim") == [
        "HoursClaimed",
        "HoursHeld",
        "HoursConfirmed",
        "HoursApproved",
        "HoursLogged",
    ]
    shown = (await town.read(f"/volunteers/{anna}/hours", *as_anna)).json()
    assert shown["minutes_by_grade"] == {"A": 0, "B": 0, "C": 60}
    assert (await town.read(f"/volunteers/{anna}")).json()["minutes_by_grade"] == {"A": 0, "B": 0, "C": 60}


async def test_the_recipient_of_an_hour_entered_by_hand_may_confirm_it(town: Town):
    anna, wang = await town.volunteer(), await town.person("王示例")
    body, leader = by_hand(anna, beneficiary_id=str(wang)), await town.leader_of(anna)
    await town.refused(403, "forbidden", "/hours", body, uuid4(), Role.TEAM_LEADER)
    claim_id = (await town.done("/hours", body, leader, Role.TEAM_LEADER))["claim_id"]
    stranger = await town.person("赵示例")
    await town.refused(403, "forbidden", f"/hours/{claim_id}/confirm", {}, stranger, Role.RESIDENT)
    await town.done(f"/hours/{claim_id}/confirm", {}, wang, Role.RESIDENT)
    await town.done(f"/hours/{claim_id}/approve", {})
    await town.refused(404, "claim_unknown", f"/hours/{uuid4()}/approve", {})


async def test_what_cannot_be_entered_by_hand_is_said_plainly(town: Town):
    anna = await town.volunteer()
    as_anna = (anna, Role.VOLUNTEER)
    await town.refused(422, "unknown_code", "/hours", by_hand(anna, item_code="meeting"), *as_anna)
    await town.refused(422, "unknown_code", "/hours", by_hand(anna, project_code="nothing"), *as_anna)
    await town.refused(403, "forbidden", "/hours", by_hand(await town.volunteer()), *as_anna)
    await town.refused(409, "presence_unknown", "/hours", by_hand(anna, assignment_id=str(uuid4())), *as_anna)
    pending = await town.volunteer(active=False)
    await town.refused(404, "volunteer_unknown", "/hours", by_hand(pending), pending, Role.VOLUNTEER)
    household: dict[str, Any] = {"household_id": str(uuid4())}
    bo, mother = await town.volunteer("博示例", **household), await town.person("母示例", **household)
    body = by_hand(bo, beneficiary_id=str(mother))
    await town.refused(409, "same_household", "/hours", body, bo, Role.VOLUNTEER)


async def test_minutes_after_an_automatic_close_come_from_an_entry_by_hand_only(town: Town):
    anna = await town.volunteer()
    start = datetime.now(UTC) - timedelta(hours=30)
    service = Service(uuid4(), anna, start=start, minutes=240)
    await town.hear(service.started(anna), service.auto_closed(anna), service.presumed())
    assert await town.types("claim") == []
    body = {
        "volunteer_id": str(anna),
        "assignment_id": str(service.assignments[anna]),
        "started_at": start.isoformat(),
        "finished_at": (start + timedelta(minutes=45)).isoformat(),
        "attachment_sha256": PAPER,
    }
    claim = await town.done("/hours", body, anna, Role.VOLUNTEER)
    assert claim["claim_id"] == str(claim_id_of(service.assignments[anna]))
    await town.refused(409, "claimed_already", "/hours", body, anna, Role.VOLUNTEER)
    shown = (await town.read(f"/hours/{claim['claim_id']}", *AS_AUDITOR)).json()
    assert (shown["order_id"], shown["beneficiary_id"]) == (str(service.order_id), str(service.beneficiary_id))
    assert (shown["minutes"], shown["grade"], shown["reason_code"]) == (45, "C", "hand_entry")


async def test_of_entries_at_once_three_a_project_and_day_stand(town: Town):
    anna = await town.volunteer()
    leader = await town.leader_of(anna)
    answers = await asyncio.gather(*(town.ask("/hours", by_hand(anna), leader, Role.TEAM_LEADER) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 201, 409, 409, 409]
    assert {answer.json().get("reason_code") for answer in answers} == {None, "pairs_over_maximum"}


async def test_many_entries_in_a_minute_are_flagged_and_lie_before_the_auditor_largest_first(town: Town):
    volunteers = [await town.volunteer(f"志愿者{number}") for number in range(6)]
    leader = await town.leader_of(*volunteers)
    for number, volunteer_id in enumerate(volunteers):
        start = datetime.now(UTC) - timedelta(days=2)
        end = start + timedelta(minutes=30 + 10 * number)
        body = by_hand(volunteer_id, started_at=start.isoformat(), finished_at=end.isoformat())
        await town.done("/hours", body, leader, Role.TEAM_LEADER)
    queue = (await town.read("/hours?flagged=true", *AS_AUDITOR)).json()["claims"]
    assert [(claim["minutes"], claim["flags"]) for claim in queue] == [
        (80, ["many_in_a_minute"]),
        (70, ["many_in_a_minute"]),
    ]
    other = await town.leader_of(UUID(queue[0]["volunteer_id"]), team_code="law-team")
    await town.done(f"/hours/{queue[0]['claim_id']}/confirm", {}, other, Role.TEAM_LEADER)
    await town.refused(403, "auditor_first", f"/hours/{queue[0]['claim_id']}/approve", {}, WORKER, Role.SOCIAL_WORKER)
    await town.done(f"/hours/{queue[0]['claim_id']}/approve", {}, *AS_AUDITOR)
    queue = (await town.read("/hours?flagged=true", *AS_AUDITOR)).json()["claims"]
    assert [claim["minutes"] for claim in queue] == [70]


async def test_the_same_pair_every_day_is_flagged(town: Town):
    anna, wang = await town.volunteer(), uuid4()
    for day in range(5):
        service = Service(wang, anna, start=MORNING + timedelta(days=day))
        await town.hear(service.finished(anna))
    assert (await town.types("claim"))[-2:] == ["HoursClaimed", "HoursFlagged"]
    assert (await town.types("claim")).count("HoursFlagged") == 1


async def test_a_presumed_service_without_another_persons_hand_waits_for_the_auditor(town: Town):
    anna = await town.volunteer()
    service = Service(uuid4(), anna)
    await town.hear(service.started(anna), service.finished(anna), actor=str(anna))
    await town.hear(service.presumed(), actor="system")
    assert (await town.events("claim"))[-1].model_dump()["reason_code"] == "one_person"
    claim_id = claim_id_of(service.assignments[anna])
    await town.done(f"/hours/{claim_id}/approve", {}, *AS_AUDITOR)
    assert (await town.types("claim"))[-1] == "HoursLogged"


async def test_a_correction_takes_two_persons_and_its_words_are_public(town: Town):
    anna = await town.volunteer()
    claim_id = await credited(town, anna)
    path = f"/hours/{claim_id}"
    asked = await town.done(f"{path}/corrections", {"cause": "minutes_wrong"}, anna, Role.VOLUNTEER)
    body = {
        "correction_id": asked["correction_id"],
        "delta": -10,
        "reason_code": "minutes_wrong",
        "explanation": "路上的时间不算服务时间。",
    }
    await town.refused(403, "forbidden", f"{path}/adjust", body, anna, Role.HOURS_AUDITOR)
    await town.refused(403, "forbidden", f"{path}/adjust", body, MANAGER, Role.STATION_MANAGER)
    await town.refused(
        404, "correction_unknown", f"{path}/adjust", {**body, "correction_id": str(uuid4())}, *AS_AUDITOR
    )
    told = {**body, "explanation": "打电话13800000000问过。"}
    await town.refused(422, "words_hold_numbers", f"{path}/adjust", told, *AS_AUDITOR)
    queue = (await town.read("/hours?in_question=true", *AS_AUDITOR)).json()["claims"]
    assert [claim["claim_id"] for claim in queue] == [str(claim_id)]
    await town.done(f"{path}/adjust", body, *AS_AUDITOR)
    await town.refused(409, "correction_answered", f"{path}/adjust", body, *AS_AUDITOR)
    shown = (await town.read(f"{path}/corrections", uuid4(), Role.RESIDENT)).json()["corrections"]
    assert [(one["answer"], one["delta"], one["words"], one["words_as_committed"]) for one in shown] == [
        ("adjusted", -10, body["explanation"], True)
    ]
    assert (shown[0]["requested_by"], shown[0]["approved_by"]) == (str(anna), str(AUDITOR))
    assert (await town.read(f"/volunteers/{anna}/hours")).json()["minutes_by_grade"] == {"A": 50, "B": 0, "C": 0}
    for recorded in await town.runtime.log.read(0, 10_000):
        assert body["explanation"] not in recorded.body.decode()


async def test_the_next_correction_waits_until_the_ledger_has_posted_the_last(town: Town):
    anna = await town.volunteer()
    claim_id = await credited(town, anna, posted=False)
    path = f"/hours/{claim_id}"
    asked = await town.done(f"{path}/corrections", {"cause": "not_served"}, *AS_SUPERVISOR)
    body = {"correction_id": asked["correction_id"], "reason_code": "not_served", "explanation": "当天没有上门。"}
    await town.refused(409, "not_posted_yet", f"{path}/void", body, *AS_AUDITOR)
    entry_id = await post(town, claim_id)
    await town.done(f"{path}/void", body, *AS_AUDITOR)
    (voided,) = [event for event in await town.events("claim") if event.type == "HoursVoided"]
    assert voided.model_dump()["original_entry"] == entry_id
    claim = (await town.read(path, *AS_AUDITOR)).json()
    assert (claim["state"], claim["minutes"], claim["ledger_position"]) == ("VOIDED", 0, None)
    again = Service(uuid4(), anna)
    await town.hear(again.finished(anna), again.confirmed())
    assert (await town.types("claim"))[-1] == "HoursLogged", "the time that was taken back is free again"


async def test_two_corrections_at_once_never_both_stand(town: Town):
    anna = await town.volunteer()
    claim_id = await credited(town, anna)
    path = f"/hours/{claim_id}"
    asks = [await town.done(f"{path}/corrections", {"cause": "minutes_wrong"}, *AS_SUPERVISOR) for _ in range(4)]
    answers = await asyncio.gather(
        *(
            town.ask(
                f"{path}/adjust",
                {
                    "correction_id": ask["correction_id"],
                    "delta": -10,
                    "reason_code": "minutes_wrong",
                    "explanation": "路上的时间不算。",
                },
                *AS_AUDITOR,
            )
            for ask in asks
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert (await town.read(f"/volunteers/{anna}/hours")).json()["minutes_by_grade"]["A"] == 50


async def test_words_of_an_erased_volunteer_are_shown_as_erased(town: Town):
    anna = await town.volunteer()
    claim_id = await credited(town, anna)
    path = f"/hours/{claim_id}"
    asked = await town.done(f"{path}/corrections", {"cause": "other"}, anna, Role.VOLUNTEER)
    body = {
        "correction_id": asked["correction_id"],
        "delta": 0,
        "reason_code": "upheld",
        "explanation": "核对过，没有记错。",
    }
    await town.done(f"{path}/adjust", body, *AS_AUDITOR)
    await town.done(f"/persons/{anna}/erase", {"confirmed_person_id": str(anna)}, MANAGER, Role.ADMIN)
    (shown,) = (await town.read(f"{path}/corrections", *AS_AUDITOR)).json()["corrections"]
    assert (shown["answer"], shown["words"], shown["words_as_committed"]) == ("upheld", "已删除", None)
    again = await town.done(f"{path}/corrections", {"cause": "other"}, *AS_SUPERVISOR)
    await town.done(f"{path}/adjust", {**body, "correction_id": again["correction_id"]}, *AS_AUDITOR)
    *_, last = (await town.read(f"{path}/corrections", *AS_AUDITOR)).json()["corrections"]
    assert last["words"] == body["explanation"]


async def test_the_months_check_is_drawn_once_and_anybody_can_draw_it_again(town: Town):
    anna = await town.volunteer()
    claims = [await credited(town, anna, start=MORNING + timedelta(days=day), posted=False) for day in range(25)]
    timer = Timer(town.runtime.executor, town.runtime.clock, timers.due_of(town.runtime))
    assert await timer.fire_due() == 0, "the month is not over"
    assert claims
    next_month = datetime.now(UTC) + timedelta(days=32)
    (due,) = await timers.due_of(town.runtime)(next_month, 200)
    await town.runtime.executor.execute(due.build, Metadata("system"))
    assert await timers.due_of(town.runtime)(next_month, 200) == []
    sampled = [event for event in await town.events("claim") if isinstance(event, HoursSampled)]
    seed = sampled[0].seed
    assert {event.claim_id for event in sampled} == set(drawn(seed, tuple(sorted(claims)), 5))
    assert (len(sampled), sampled[0].population) == (2, 25)
    queue = (await town.read("/hours?sampled=true", *AS_SUPERVISOR)).json()["claims"]
    assert {claim["claim_id"] for claim in queue} == {str(event.claim_id) for event in sampled}
    first, second = (f"/hours/{event.claim_id}/sample" for event in sampled)
    await town.done(first, {"result": "confirmed"}, *AS_SUPERVISOR)
    await town.refused(403, "forbidden", second, {"result": "confirmed"}, *AS_AUDITOR)
    answer = await town.done(second, {"result": "not_confirmed"}, *AS_SUPERVISOR)
    assert answer["correction_id"]
    (month,) = (await town.read("/hours-checks", uuid4(), Role.RESIDENT)).json()["months"]
    assert (month["drawn"], month["population"], month["seed"]) == (2, 25, seed)
    assert (month["confirmed"], month["not_confirmed"], month["unreachable"]) == (1, 1, 0)
