"""Volunteers over HTTP on real PostgreSQL, and the small rules of what is shown."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from contracts.command import Refused, Role
from contracts.volunteers import ConsentGiven
from services.volunteers.api import shared
from tests.volunteers.town import AUDITOR, MANAGER, WORKER, Town

TODAY = datetime.now(UTC).date()


def born(years: int) -> str:
    """A birth date of somebody who turned that age early this year, whatever today is."""
    return (TODAY - timedelta(days=years * 366 + 40)).isoformat()


async def test_a_volunteer_is_registered_verified_and_shown_without_a_name(town: Town):
    person_id = await town.person("安示例")
    answer = await town.done(
        "/volunteers", {"person_id": str(person_id), "consent_form": "web"}, person_id, Role.RESIDENT
    )
    number = answer["volunteer_no"]
    assert len(number) == 10
    assert shared.luhn_digit(number[:-1]) == int(number[-1])
    path = f"/volunteers/{person_id}"
    await town.refused(403, "forbidden", f"{path}/verify-identity", {}, person_id, Role.STATION_MANAGER)
    await town.refused(403, "forbidden", f"{path}/verify-identity", {}, WORKER, Role.GRID_WORKER)
    await town.done(f"{path}/verify-identity", {"method": "id_card_seen"})
    await town.refused(409, "identity_verified_already", f"{path}/verify-identity", {})
    seen = (await town.read(path)).json()
    assert (seen["state"], seen["volunteer_no"], seen["verified_by"]) == ("ACTIVE", number, str(MANAGER))
    assert "name" not in seen
    assert seen["minutes_by_grade"] == {"A": 0, "B": 0, "C": 0}


async def test_registering_needs_a_known_person_with_a_birth_date(town: Town):
    body = {"person_id": str(uuid4()), "consent_form": "web"}
    await town.refused(404, "not_found", "/volunteers", body)
    await town.refused(403, "forbidden", "/volunteers", body, WORKER, Role.RESIDENT)
    undated = await town.person(birth_date=None)
    await town.refused(422, "birth_date_required", "/volunteers", {**body, "person_id": str(undated)})
    anna = await town.volunteer()
    await town.refused(409, "volunteer_registered_already", "/volunteers", {**body, "person_id": str(anna)})


async def test_a_child_helps_with_a_guardians_consent_that_it_cannot_give_itself(town: Town):
    mother = await town.person("母示例")
    child = await town.person("童示例", birth_date=born(8), guardian_id=str(mother))
    toddler = await town.person("幼示例", birth_date=born(4), guardian_id=str(mother))
    body = {"person_id": str(child), "consent_form": "written", "guardian_id": str(mother)}
    await town.refused(409, "guardian_not_related", "/volunteers", body)
    for young in (child, toddler):
        relation = {"person_a_id": str(mother), "person_b_id": str(young), "kind": "parent"}
        await town.done("/relations", relation)
    await town.refused(409, "guardian_not_related", "/volunteers", body, child, Role.RESIDENT)
    await town.refused(409, "too_young", "/volunteers", {**body, "person_id": str(toddler)}, mother, Role.RESIDENT)
    await town.done("/volunteers", body, mother, Role.RESIDENT)
    consent = [event for event in await town.events() if isinstance(event, ConsentGiven)][-1]
    assert (consent.purpose, consent.guardian_id) == ("volunteering", mother)
    assert (await town.types())[-2:] == ["VolunteerRegistered", "GuardianConsentRecorded"]
    seen = (await town.read(f"/volunteers/{child}", mother, Role.RESIDENT)).json()
    assert (seen["guardian_required"], seen["accompanied_only"]) == (True, True)


async def test_a_child_that_asks_alone_waits_until_its_guardian_consents(town: Town):
    mother, stranger = await town.person("母示例"), await town.person("李示例")
    child = await town.person("童示例", birth_date=born(9), guardian_id=str(mother))
    await town.done("/relations", {"person_a_id": str(mother), "person_b_id": str(child), "kind": "parent"})
    await town.done("/volunteers", {"person_id": str(child), "consent_form": "web"}, child, Role.RESIDENT)
    assert "volunteering" not in [event.purpose for event in await town.events() if isinstance(event, ConsentGiven)]
    path = f"/volunteers/{child}"
    await town.refused(409, "guardian_consent_required", f"{path}/verify-identity", {})
    consent = {"guardian_id": str(mother), "form": "written"}
    await town.refused(403, "forbidden", f"{path}/guardian-consent", consent, child, Role.VOLUNTEER)
    await town.refused(
        403, "forbidden", f"{path}/guardian-consent", {**consent, "guardian_id": str(stranger)}, stranger, Role.RESIDENT
    )
    await town.refused(
        409, "guardian_not_related", f"{path}/guardian-consent", {**consent, "guardian_id": str(stranger)}
    )
    await town.done(f"{path}/guardian-consent", consent, mother, Role.RESIDENT)
    await town.done(f"{path}/verify-identity", {})
    seen = (await town.read(path)).json()
    assert (seen["state"], seen["guardian_id"], seen["accompanied_only"]) == ("ACTIVE", str(mother), True)
    # The guardian takes it back: the child is no volunteer any more, and comes back only with a consent again.
    await town.done(f"/persons/{child}/consents/volunteering/withdraw", {}, mother, Role.RESIDENT)
    assert (await town.read(path)).json()["state"] == "WITHDRAWN"
    await town.done("/volunteers", {"person_id": str(child), "consent_form": "web"}, child, Role.RESIDENT)
    await town.refused(409, "guardian_consent_required", f"{path}/verify-identity", {})
    await town.refused(409, "guardian_not_needed", f"/volunteers/{await town.volunteer()}/guardian-consent", consent)


async def test_an_offer_that_is_not_taken_up_may_be_made_again_under_the_same_number(town: Town):
    bo = await town.volunteer("薄示例", active=False)
    path = f"/volunteers/{bo}"
    number = (await town.read(path)).json()["volunteer_no"]
    await town.refused(422, "invalid_request", f"{path}/reject", {"reason_code": "too_old"})
    await town.refused(403, "forbidden", f"{path}/reject", {"reason_code": "not_shown"}, bo, Role.STATION_MANAGER)
    await town.done(f"{path}/reject", {"reason_code": "not_shown"})
    await town.refused(409, "volunteer_rejected", f"{path}/verify-identity", {})
    seen = (await town.read(path)).json()
    assert (seen["state"], seen["reason_code"]) == ("REJECTED", "not_shown")
    again = await town.done("/volunteers", {"person_id": str(bo), "consent_form": "web"}, bo, Role.RESIDENT)
    assert again["volunteer_no"] == number
    await town.done(f"{path}/verify-identity", {})


async def test_a_training_is_recorded_by_somebody_else_and_shown(town: Town):
    anna = await town.volunteer()
    path = f"/volunteers/{anna}/trainings"
    training = {"training": "first-aid", "completed_on": (TODAY - timedelta(days=2)).isoformat()}
    await town.refused(403, "forbidden", path, training, anna, Role.STATION_MANAGER)
    await town.refused(422, "unknown_code", path, {**training, "training": "flying"})
    await town.refused(422, "training_to_come", path, {**training, "completed_on": f"{TODAY.year + 1}-06-01"})
    await town.refused(422, "invalid_request", path, {**training, "expires_on": "2020-01-01"})
    await town.done(path, training)
    (shown,) = (await town.read(f"/volunteers/{anna}")).json()["trainings"]
    assert (shown["training"], shown["expires_on"]) == ("first-aid", None)


async def test_skills_papers_and_free_time_are_kept(town: Town):
    anna = await town.volunteer()
    path, own = f"/volunteers/{anna}", (anna, Role.VOLUNTEER)
    await town.refused(422, "unknown_code", f"{path}/skills", {"skill": "flying"}, *own)
    await town.refused(422, "invalid_request", f"{path}/skills", {"skill": "haircut", "level": 1.0}, *own)
    await town.refused(422, "invalid_request", f"{path}/skills", {"skill": "haircut", "level": 4}, *own)
    await town.done(f"{path}/skills", {"skill": "haircut", "level": 2}, *own)
    await town.refused(403, "forbidden", f"{path}/skills/haircut/verify", {"level": 2}, anna, Role.TEAM_LEADER)
    await town.refused(409, "skill_not_declared", f"{path}/skills/elder-care/verify", {"level": 2})
    await town.done(f"{path}/skills/haircut/verify", {"level": 2})
    next_year = date(TODAY.year + 1, 12, 31).isoformat()
    licence = {"licence": "medical", "expires_on": next_year}
    await town.refused(422, "paper_expired", f"{path}/licences", {**licence, "expires_on": "2020-01-01"})
    await town.refused(422, "unknown_code", f"{path}/licences", {**licence, "licence": "pilot"})
    await town.done(f"{path}/licences", licence)
    insurance = {"insurance": "accident", "valid_from": TODAY.isoformat(), "expires_on": next_year}
    await town.refused(422, "invalid_request", f"{path}/insurances", {**insurance, "expires_on": "2020-01-01"})
    await town.done(f"{path}/insurances", insurance)
    slot = {"weekday": 2, "from_minute": 540, "to_minute": 660}
    await town.refused(422, "slot_empty", f"{path}/availability", {"weekly": [{**slot, "to_minute": 540}]}, *own)
    await town.refused(422, "invalid_request", f"{path}/availability", {"weekly": [{**slot, "weekday": 8}]}, *own)
    await town.refused(422, "invalid_request", f"{path}/availability", {"weekly": [{**slot, "place": "here"}]}, *own)
    await town.refused(422, "slots_overlap", f"{path}/availability", {"weekly": [slot, slot]}, *own)
    await town.done(f"{path}/availability", {"weekly": [slot]}, *own)
    seen = (await town.read(path, *own)).json()
    assert [(row["skill"], row["verified_level"]) for row in seen["skills"]] == [("haircut", 2)]
    assert [row["licence"] for row in seen["licences"]] == ["medical"]
    assert [row["insurance"] for row in seen["insurances"]] == ["accident"]
    assert seen["availability"]["weekly"] == [slot]


async def test_rest_suspension_and_the_end(town: Town):
    anna = await town.volunteer()
    path, own = f"/volunteers/{anna}", (anna, Role.VOLUNTEER)
    await town.done(f"{path}/pause", {}, *own)
    await town.refused(409, "not_active", f"{path}/pause", {}, *own)
    await town.done(f"{path}/resume", {}, *own)
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    suspension = {"reason_code": "money_taken", "suspended_until": until, "seconded_by": str(uuid4())}
    await town.refused(403, "forbidden", f"{path}/suspend", suspension, *own)
    await town.refused(403, "seconder_not_entitled", f"{path}/suspend", suspension)
    second = await town.person("社工示例")
    role = {"person_id": str(second), "granted_role": "SOCIAL_WORKER"}
    await town.done("/roles", role, AUDITOR, Role.ADMIN)
    suspension["seconded_by"] = str(second)
    await town.refused(422, "declining_is_free", f"{path}/suspend", {**suspension, "reason_code": "declined"})
    await town.refused(422, "cause_unknown", f"{path}/suspend", {**suspension, "reason_code": "slow"})
    words = "收了居民的钱，停权一个月。不同意可以找社工复议。"
    await town.done(f"{path}/suspend", {**suspension, "statement": words})
    assert words.encode() not in b"".join(event.body for event in await town.runtime.log.read_raw(0, 100))
    assert (await town.read(path)).json()["state"] == "SUSPENDED"
    assert (await town.read(f"{path}/statement", *own)).json()["statement"] == words
    assert (await town.read(f"{path}/statement", WORKER, Role.VOLUNTEER)).status_code == 403
    await town.refused(403, "forbidden", f"{path}/reinstate", {}, *own)
    upheld = {"reason_code": "appeal_upheld", "statement": "复议成立。"}
    await town.refused(403, "another_person_required", f"{path}/reinstate", upheld)
    await town.done(f"{path}/reinstate", upheld, WORKER, Role.SOCIAL_WORKER)
    assert (await town.read(f"{path}/statement", *own)).json()["statement"] == "复议成立。"
    await town.done(f"{path}/withdraw", {}, *own)
    await town.refused(409, "volunteer_withdrawn", f"{path}/resume", {}, *own)
    number = (await town.read(path)).json()["volunteer_no"]
    again = await town.done("/volunteers", {"person_id": str(anna), "consent_form": "web"}, anna, Role.RESIDENT)
    assert again["volunteer_no"] == number


async def test_hours_are_read_by_oneself_and_by_those_who_watch(town: Town):
    anna = await town.volunteer()
    path = f"/volunteers/{anna}/hours"
    for actor, role in ((anna, Role.VOLUNTEER), (AUDITOR, Role.HOURS_AUDITOR), (AUDITOR, Role.SUPERVISOR)):
        assert (await town.read(path, actor, role)).status_code == 200
    assert (await town.read(path, WORKER, Role.VOLUNTEER)).status_code == 403
    assert (await town.read(f"{path}?limit=0", anna, Role.VOLUNTEER)).status_code == 422
    assert (await town.read(f"/hours/{uuid4()}", AUDITOR, Role.HOURS_AUDITOR)).status_code == 404
    assert (await town.read("/hours", anna, Role.VOLUNTEER)).status_code == 403
    await town.refused(404, "claim_unknown", f"/hours/{uuid4()}/approve", {}, AUDITOR, Role.HOURS_AUDITOR)


@pytest.mark.parametrize(
    ("phone", "masked"),
    [
        ("13800001234", "138****1234"),
        ("+8613800001234", "+86138****1234"),
        ("22345678", "****5678"),
        ("022-2345678", "022****5678"),
        ("12345", "***45"),
    ],
)
def test_a_phone_number_is_masked(phone: str, masked: str):
    assert shared.mask_phone(phone) == masked


@pytest.mark.parametrize(
    ("birth_date", "years"), [(date(2012, 3, 18), 14), (date(2012, 3, 19), 13), (date(2026, 3, 18), 0)]
)
def test_an_age_is_counted_on_the_day_in_shanghai(birth_date: date, years: int):
    assert shared.age_years(birth_date, datetime(2026, 3, 17, 16, 0, tzinfo=UTC)) == years


def test_an_impossible_age_is_refused():
    with pytest.raises(Refused, match="birth_date_impossible"):
        shared.age_of(date(2026, 3, 19), datetime(2026, 3, 17, 16, 0, tzinfo=UTC))
    assert shared.age_of(None, datetime(2026, 3, 17, tzinfo=UTC)) is None


def test_the_check_digit_is_luhns():
    assert [shared.luhn_digit(digits) for digits in ("7992739871", "100000000", "200000000")] == [3, 8, 6]
