"""Volunteers who come from another app: taken in once, with a history that is shown and never counted (0008)."""

import json
from hashlib import sha256
from typing import Any
from uuid import uuid4

import pytest

from contracts.command import Channel, Role
from contracts.orders import OrderRated, OrderState
from contracts.volunteers import VolunteerRegistered
from services.volunteers.commands.words import claim_id_of
from tests.volunteers.test_api_hours import post
from tests.volunteers.town import ADMIN, AUDITOR, MORNING, Service, Town

HAIRCUT = {
    "kind": "service",
    "record_no": "S-1",
    "title": "义务理发",
    "date": "2024-03-05",
    "place": "旧社区活动室",
    "content": "给老人理发",
    "minutes_ungraded": 120,
}
PRAISE = {"kind": "evaluation", "date": "2024-03-06", "content": "手艺好，人也和气"}


def body(**changes: Any) -> dict[str, Any]:
    return {
        "source_code": "old-app",
        "file_sha256": "ab" * 32,
        "original_no": "TJ-0017",
        "name": "孙示例",
        "birth_date": "1960-02-03",
        "phone": "13800000017",
        "grid_id": "grid-01",
        "registered_on": "2019-05-01",
        "skills": ["haircut"],
        "consent_form": "written",
        "records": [HAIRCUT, PRAISE],
        **changes,
    }


async def exported(town: Town, **more: Any) -> list[dict[str, Any]]:
    answer = await town.read("/volunteer-records" + more.pop("query", ""), **more)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["volunteers"]
    return found


async def test_a_volunteer_comes_with_a_history_that_is_shown_apart_and_counted_nowhere(town: Town):
    taken = await town.done("/external-records", body())
    assert (taken["imported"], taken["records"]) == (True, 2)

    said = ["PersonRegistered", "ConsentGiven", "ConsentGiven", "VolunteerRegistered", "SkillDeclared"]
    stream_kinds = [event for event in await town.events() if event.type in said]
    assert [event.type for event in stream_kinds] == said
    (registered,) = [event for event in stream_kinds if isinstance(event, VolunteerRegistered)]
    assert registered.external is not None
    assert (registered.external.source_code, registered.external.file_sha256) == ("old-app", "ab" * 32)
    assert "理发" not in registered.to_json().decode()

    volunteer_id = taken["volunteer_id"]
    shown = (await town.read(f"/volunteers/{volunteer_id}/external-records")).json()["external"]
    assert shown["source_code"] == "old-app"
    assert shown["records"] == [HAIRCUT, PRAISE]
    volunteer = (await town.read(f"/volunteers/{volunteer_id}")).json()
    assert volunteer["minutes_by_grade"] == {"A": 0, "B": 0, "C": 0}
    assert volunteer["state"] == "PENDING"
    # Nothing that credits, posts or brings a star nearer was said.
    assert not [name for name in await town.types() if name.startswith(("Hours", "Star"))]
    ref = registered.external.records_ref
    assert await town.runtime.vault.matches(ref, "records", registered.external.records_commitment)


async def test_the_same_volunteer_is_taken_in_once_whatever_the_key(town: Town):
    first = await town.done("/external-records", body())
    size = len(await town.events())
    for again in (body(), body(file_sha256="cd" * 32)):
        answer = await town.done("/external-records", again)
        assert (answer["volunteer_id"], answer["imported"]) == (first["volunteer_id"], False)
        assert answer["volunteer_no"] == first["volunteer_no"]
    assert len(await town.events()) == size
    await town.refused(409, "imported_otherwise", "/external-records", body(records=[HAIRCUT]))
    other = await town.done("/external-records", body(source_code="another-app", name="李示例"))
    assert other["volunteer_id"] != first["volunteer_id"]


def part(*numbers: int) -> list[dict[str, Any]]:
    return [{**HAIRCUT, "record_no": f"S-{number}"} for number in numbers]


def hash_of(records: list[dict[str, Any]]) -> str:
    return sha256(json.dumps(records, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


async def test_a_long_history_comes_in_parts_that_the_first_one_announced(town: Town):
    second, third = part(2, 3), part(4)
    announced = body(records=part(1), later_sha256=[hash_of(second), hash_of(third)])
    taken = await town.done("/external-records", announced)
    size = len(await town.events())
    path = f"/volunteers/{taken['volunteer_id']}/external-records"

    async def shown() -> tuple[bool, list[str]]:
        external = (await town.read(path)).json()["external"]
        return external["complete"], [record["record_no"] for record in external["records"]]

    assert await shown() == (False, ["S-1"])
    for number, records in ((1, third), (3, third), (2, second), (1, part(9))):
        await town.refused(409, "part_not_announced", path, {"part": number, "records": records})
    assert (await town.done(path, {"part": 2, "records": third}))["imported"] is True
    assert (await town.done(path, {"part": 1, "records": second}))["imported"] is True
    assert (await town.done(path, {"part": 1, "records": second}))["imported"] is False
    assert await shown() == (True, ["S-1", "S-2", "S-3", "S-4"])
    assert len(await town.events()) == size
    assert (await town.done("/external-records", announced))["imported"] is False
    assert len((await exported(town))[0]["external"]["records"]) == 4

    anna = await town.volunteer("安示例")
    nobody = f"/volunteers/{anna}/external-records"
    await town.refused(409, "part_not_announced", nobody, {"part": 1, "records": second})
    erasing = {"confirmed_person_id": taken["volunteer_id"]}
    await town.done(f"/persons/{taken['volunteer_id']}/erase", erasing, ADMIN, Role.ADMIN)
    await town.refused(409, "part_not_announced", path, {"part": 1, "records": second})


async def test_who_was_erased_does_not_come_back_by_importing_again(town: Town):
    taken = await town.done("/external-records", body())
    erasing = {"confirmed_person_id": taken["volunteer_id"]}
    await town.done(f"/persons/{taken['volunteer_id']}/erase", erasing, ADMIN, Role.ADMIN)
    await town.refused(409, "person_erased", "/external-records", body())
    assert (await town.read(f"/volunteers/{taken['volunteer_id']}/external-records")).json()["external"] is None
    assert await exported(town) == []


async def test_somebody_known_here_already_is_left_to_people(town: Town):
    await town.person("孙示例", phone="13800000017")
    await town.refused(409, "known_by_phone", "/external-records", body())
    # A couple shares a telephone.
    await town.done("/external-records", body(name="周示例", original_no="TJ-0018"))


@pytest.mark.parametrize(
    ("changes", "status", "reason_code"),
    [
        ({"skills": ["flying"]}, 422, "unknown_code"),
        ({"grid_id": "grid-99"}, 422, "unknown_code"),
        ({"birth_date": "2022-01-01"}, 422, "guardian_required"),
        ({"birth_date": "2992-01-01"}, 422, "birth_date_impossible"),
    ],
)
async def test_the_rules_of_the_door_hold_for_who_is_imported(town: Town, changes, status, reason_code):
    await town.refused(status, reason_code, "/external-records", body(**changes))


@pytest.mark.parametrize(
    ("record", "where"),
    [
        ({**HAIRCUT, "minutes_a": 30}, "minutes_ungraded"),
        ({name: value for name, value in HAIRCUT.items() if name != "minutes_ungraded"}, "minutes_ungraded"),
        ({**PRAISE, "minutes_b": 30}, "minutes_b"),
        ({"kind": "evaluation", "date": "2024-03-06"}, "content"),
        ({"kind": "training", "date": "2024-03-06"}, "title"),
        ({**PRAISE, "content": "身份证11010519491231002X的志愿者"}, "content"),
        (
            {**HAIRCUT, "started_at": "2024-03-05T10:00:00+08:00", "finished_at": "2024-03-05T09:00:00+08:00"},
            "finished_at",
        ),
    ],
)
async def test_a_line_that_contradicts_itself_is_told_at_its_field(town: Town, record, where):
    answer = await town.ask("/external-records", body(records=[record]))
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == f"/records/0/{where}"


async def test_an_identity_cards_number_is_no_number_of_a_volunteer(town: Town):
    answer = await town.ask("/external-records", body(original_no="11010519491231002X"))
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/original_no")
    # One digit beside, it is a number like any other.
    assert (await town.ask("/external-records", body(original_no="110105194912310021"))).status_code == 201


async def test_a_number_may_be_kept_and_is_one_persons(town: Town):
    kept = await town.done("/external-records", body(volunteer_no="1234567890"))
    assert kept["volunteer_no"] == "1234567890"
    other = body(volunteer_no="1234567890", original_no="TJ-0018", name="周示例", phone="13800000018")
    await town.refused(409, "number_in_use", "/external-records", other)


async def test_only_a_station_manager_imports_and_exports(town: Town):
    for role in (Role.ADMIN, Role.AUDITOR, Role.VOLUNTEER, Role.SOCIAL_WORKER):
        assert (await town.ask("/external-records", body(), AUDITOR, role)).status_code == 403
        assert (await town.read("/volunteer-records", AUDITOR, role)).status_code == 403


async def test_a_whole_record_has_the_five_groups(town: Town):
    anna = await town.volunteer("安示例")
    await town.done(f"/volunteers/{anna}/trainings", {"training": "safety", "completed_on": "2026-01-05"})
    await town.done(f"/volunteers/{anna}/skills", {"skill": "haircut"})
    service = Service(uuid4(), anna)
    rated = OrderRated(
        **service._notice(OrderState.RATED, Role.RESIDENT),
        score=5,
        rater_id=service.beneficiary_id,
        rater_kind="resident",
        channel=Channel.WEB,
        rated_at=MORNING,
    )
    await town.hear(service.finished(anna), service.confirmed(), rated)
    (before,) = await exported(town)
    assert [record["kind"] for record in before["records"]] == ["training"], "minutes count once they are posted"
    await post(town, claim_id_of(service.assignments[anna]))

    (whole,) = await exported(town)
    assert {"name": "安示例", "birth_date": "1955-05-01", "skills": ["理发"], "external": None}.items() <= whole.items()
    served, trained, rating = whole["records"]
    assert (served["kind"], served["minutes_a"], served["ledger_position"]) == ("service", 60, 1)
    assert served["started_at"].endswith("+08:00")
    assert served["recipient"] == "社区居民"
    assert str(service.beneficiary_id) not in str(whole)
    assert (trained["kind"], trained["title"]) == ("training", "服务安全须知")
    assert (rating["kind"], rating["score"], rating["record_no"]) == ("evaluation", 5, served["record_no"])


async def test_an_export_goes_page_by_page_and_may_ask_for_one(town: Town):
    numbers = []
    for number in range(3):
        taken = await town.done("/external-records", body(original_no=f"TJ-{number}", name=f"示例{number}"))
        numbers.append(taken["volunteer_no"])
    first = (await town.read("/volunteer-records?limit=2")).json()
    rest = (await town.read(f"/volunteer-records?limit=2&after={first['after']}")).json()
    assert [one["volunteer_no"] for one in first["volunteers"] + rest["volunteers"]] == sorted(numbers)
    assert rest["after"] is None
    (one,) = await exported(town, query=f"?volunteer_no={numbers[1]}")
    assert one["volunteer_no"] == numbers[1]
