"""What volunteers does when it hears orders and the ledger, on real PostgreSQL."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.command import Role
from contracts.envelope import decode
from contracts.ledger import EntryPosted, EntryRefused, HoursEntry, Posting
from contracts.volunteers import CorrectionRequested, HoursHeld, HoursLogged
from services.volunteers.commands.words import claim_id_of
from tests.volunteers.town import AUDITOR, MORNING, Service, Town


async def claim_of(town: Town, claim_id: UUID) -> Any:
    answer = await town.read(f"/hours/{claim_id}", AUDITOR, Role.HOURS_AUDITOR)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def last(town: Town) -> object:
    return (await town.events("claim"))[-1]


async def test_a_confirmed_service_is_claimed_confirmed_and_logged(town: Town):
    wang, anna = uuid4(), uuid4()
    service = Service(wang, anna)
    await town.hear(service.started(anna), service.finished(anna))
    assert await town.types() == ["HoursClaimed"]
    await town.hear(service.confirmed())
    assert await town.types() == ["HoursClaimed", "HoursConfirmed", "HoursLogged"]
    logged = await last(town)
    assert isinstance(logged, HoursLogged)
    assert (logged.minutes, logged.grade, logged.day_minutes) == (60, "A", 60)
    assert (logged.volunteer_id, logged.beneficiary_id) == (anna, wang)
    assert logged.claim_id == claim_id_of(service.assignments[anna])


async def test_all_of_one_service_may_be_heard_in_one_batch(town: Town):
    anna = uuid4()
    service = Service(uuid4(), anna)
    await town.hear(service.started(anna), service.finished(anna), service.confirmed())
    assert await town.types() == ["HoursClaimed", "HoursConfirmed", "HoursLogged"]


async def test_every_effect_happens_once_however_often_it_is_delivered(town: Town):
    anna = uuid4()
    service = Service(uuid4(), anna)
    messages = await town.hear(service.started(anna), service.finished(anna), service.confirmed())
    await town.hear_again(messages)
    await town.hear(service.finished(anna), service.confirmed())  # said again under new positions
    assert await town.types() == ["HoursClaimed", "HoursConfirmed", "HoursLogged"]


@pytest.mark.parametrize("weaker", ["leader", "presumed", "reviewer"])
async def test_weaker_evidence_makes_grade_b(town: Town, weaker: str):
    anna = uuid4()
    service = Service(uuid4(), anna)
    await town.hear(service.finished(anna, "leader" if weaker == "leader" else "qr"))
    confirmed = service.confirmed(Role.REVIEWER, uuid4()) if weaker == "reviewer" else service.confirmed()
    await town.hear(service.presumed() if weaker == "presumed" else confirmed)
    logged = await last(town)
    assert isinstance(logged, HoursLogged)
    assert logged.grade == "B"


async def test_two_volunteers_of_one_order_are_credited_each(town: Town):
    anna, bo = uuid4(), uuid4()
    service = Service(uuid4(), anna, bo)
    await town.hear(service.finished(anna), service.finished(bo), service.confirmed())
    logged = [event.volunteer_id for event in await town.events("claim") if isinstance(event, HoursLogged)]
    assert logged == [anna, bo]


async def test_a_service_that_was_closed_without_check_out_claims_nothing(town: Town):
    anna, bo = uuid4(), uuid4()
    service = Service(uuid4(), anna, bo)
    await town.hear(service.started(anna), service.started(bo), service.auto_closed(anna))
    await town.hear(service.finished(bo), service.confirmed())
    logged = [event.volunteer_id for event in await town.events("claim") if isinstance(event, HoursLogged)]
    assert logged == [bo]
    assert "HoursRejected" not in await town.types()


async def test_too_short_a_service_is_rejected_openly_and_a_confirmation_changes_nothing(town: Town):
    anna = uuid4()
    service = Service(uuid4(), anna, minutes=4)
    await town.hear(service.finished(anna), service.confirmed())
    assert await town.types() == ["HoursClaimed", "HoursRejected"]


async def test_overlapping_services_of_one_volunteer_are_held(town: Town):
    anna = uuid4()
    first = Service(uuid4(), anna)
    second = Service(uuid4(), anna, start=MORNING + timedelta(minutes=59))
    third = Service(uuid4(), anna, start=MORNING + timedelta(minutes=119))
    for service in (first, second, third):
        await town.hear(service.finished(anna), service.confirmed())
    claims = [await claim_of(town, claim_id_of(service.assignments[anna])) for service in (first, second, third)]
    assert [claim["state"] for claim in claims] == ["LOGGED", "HELD", "LOGGED"]
    assert claims[1]["reason_code"] == "overlap"


async def test_overlapping_services_in_one_batch_are_held_too(town: Town):
    anna = uuid4()
    both = [Service(uuid4(), anna), Service(uuid4(), anna)]
    await town.hear(*(service.finished(anna) for service in both), both[0].confirmed(), both[1].confirmed())
    assert [event.type for event in await town.events("claim")][2:] == [
        "HoursConfirmed",
        "HoursLogged",
        "HoursConfirmed",
        "HoursHeld",
    ]


async def test_more_than_eight_hours_of_a_day_wait_for_an_auditor(town: Town):
    anna = await town.volunteer()
    services = [Service(uuid4(), anna, start=MORNING + timedelta(hours=4 * n), minutes=240) for n in range(3)]
    for service in services:
        await town.hear(service.finished(anna), service.confirmed())
    held = await last(town)
    assert isinstance(held, HoursHeld)
    assert (held.reason_code, held.day_minutes, held.approvals_required) == ("day_total", 720, 1)

    claim_id = str(held.claim_id)
    queue = (await town.read("/hours", AUDITOR, Role.HOURS_AUDITOR)).json()["claims"]
    assert [claim["claim_id"] for claim in queue] == [claim_id]
    path = f"/hours/{claim_id}/approve"
    await town.refused(403, "forbidden", path, {}, anna, Role.HOURS_AUDITOR)
    await town.refused(403, "forbidden", path, {}, AUDITOR, Role.DISPATCHER)
    await town.refused(403, "auditor_first", path, {})
    await town.done(path, {}, AUDITOR, Role.HOURS_AUDITOR)
    assert (await town.types("claim"))[-2:] == ["HoursApproved", "HoursLogged"]
    await town.refused(409, "claim_ended", path, {}, AUDITOR, Role.HOURS_AUDITOR)
    hours = (await town.read(f"/volunteers/{anna}/hours", anna, Role.VOLUNTEER)).json()
    assert hours["minutes_by_grade"] == {"A": 720, "B": 0, "C": 0}
    assert [claim["day_minutes"] for claim in hours["claims"]] == [720, 480, 240]


async def test_above_twelve_hours_a_second_person_approves(town: Town):
    anna = await town.volunteer()
    services = [Service(uuid4(), anna, start=MORNING + timedelta(hours=4 * n), minutes=240) for n in range(2)]
    services.append(Service(uuid4(), anna, start=MORNING + timedelta(hours=8), minutes=300))
    for service in services:
        await town.hear(service.finished(anna), service.confirmed())
    claim_id = claim_id_of(services[2].assignments[anna])
    path = f"/hours/{claim_id}/approve"
    await town.done(path, {}, AUDITOR, Role.HOURS_AUDITOR)
    assert (await claim_of(town, claim_id))["state"] == "HELD"
    await town.refused(403, "second_person_required", path, {}, AUDITOR, Role.HOURS_AUDITOR)
    await town.done(path, {})
    claim = await claim_of(town, claim_id)
    assert (claim["state"], claim["day_minutes"], len(claim["approvals"])) == ("LOGGED", 780, 2)


async def test_a_relative_of_the_volunteer_approves_nothing(town: Town):
    anna = await town.volunteer()
    kin = await town.person("安亲示例")
    body = {"person_a_id": str(kin), "person_b_id": str(anna), "kind": "sibling"}
    await town.done("/relations", body)
    service = Service(uuid4(), anna, minutes=600)
    await town.hear(service.finished(anna), service.confirmed())
    path = f"/hours/{claim_id_of(service.assignments[anna])}/approve"
    await town.refused(403, "forbidden", path, {}, kin, Role.HOURS_AUDITOR)
    await town.done(path, {}, AUDITOR, Role.HOURS_AUDITOR)


async def test_a_held_claim_can_be_rejected_and_then_is_over(town: Town):
    anna = uuid4()
    service = Service(uuid4(), anna, minutes=800)
    await town.hear(service.finished(anna), service.confirmed())
    claim_id = claim_id_of(service.assignments[anna])
    assert (await claim_of(town, claim_id))["reason_code"] == "entry_too_long"
    approve, reject = f"/hours/{claim_id}/approve", f"/hours/{claim_id}/reject"
    who = (AUDITOR, Role.HOURS_AUDITOR)
    await town.refused(409, "entry_too_long_not_approvable", approve, {}, *who)
    await town.refused(422, "invalid_request", reject, {"reason_code": "I do not like it"}, *who)
    await town.done(reject, {"reason_code": "interval_wrong"}, *who)
    await town.refused(409, "claim_ended", reject, {"reason_code": "interval_wrong"}, *who)


async def test_the_ledgers_position_is_kept_with_the_claim(town: Town):
    anna = uuid4()
    service = Service(uuid4(), anna)
    await town.hear(service.finished(anna), service.confirmed())
    logged = (await town.runtime.log.read(0, 100))[-1]
    claim_id = claim_id_of(service.assignments[anna])
    assert (await claim_of(town, claim_id))["ledger_position"] is None
    await town.hear(posted(logged.event_id, claim_id, anna), source="ledger")
    assert (await claim_of(town, claim_id))["ledger_position"] == 1


def posted(source_event_id: UUID, claim_id: UUID, volunteer_id: UUID) -> EntryPosted:
    return EntryPosted(
        entry_id=uuid4(),
        book="hours",
        entry_no=7,
        kind="hours",
        effective_date=MORNING.date(),
        postings=(
            Posting(account=f"volunteer:{volunteer_id}:minutes", amount=60, unit="minutes"),
            Posting(account="community:service_minutes", amount=-60, unit="minutes"),
        ),
        source_event_id=source_event_id,
        hours=HoursEntry(
            claim_id=claim_id,
            volunteer_id=volunteer_id,
            started_at=MORNING,
            finished_at=MORNING + timedelta(hours=1),
            minutes=60,
            grade="A",
        ),
        posted_at=MORNING,
    )


@pytest.mark.parametrize("names_the_claim", [True, False])
async def test_an_entry_that_the_ledger_refuses_asks_for_a_correction(town: Town, names_the_claim: bool):
    anna = uuid4()
    service = Service(uuid4(), anna)
    await town.hear(service.finished(anna), service.confirmed())
    logged = (await town.runtime.log.read(0, 100))[-1]
    claim_id = claim_id_of(service.assignments[anna])
    refused = EntryRefused(
        book="hours",
        source_event_id=logged.event_id,
        reason_code="overlap",
        claim_id=claim_id if names_the_claim else None,
        refused_at=MORNING,
    )
    messages = await town.hear(refused, source="ledger")
    requested = await last(town)
    assert isinstance(requested, CorrectionRequested)
    assert (requested.claim_id, requested.cause) == (claim_id, "overlap")
    assert requested.source_event_id == decode(messages[0].body).event_id
    assert (await claim_of(town, claim_id))["corrections"] == 1


async def test_a_refused_entry_of_an_unknown_claim_is_a_dead_letter_that_holds_nobody_up(town: Town):
    unknown = EntryRefused(book="hours", source_event_id=uuid4(), reason_code="overlap", refused_at=MORNING)
    fund = EntryRefused(book="fund", source_event_id=uuid4(), reason_code="balance", refused_at=MORNING)
    await town.hear(unknown, fund, source="ledger")
    assert await town.runtime.log.heard("ledger") == 2
    assert await town.types() == []
