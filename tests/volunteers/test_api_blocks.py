"""Moving, being kept apart, and taking consents back, over HTTP on real PostgreSQL."""

from uuid import uuid4

from contracts.command import Role
from contracts.volunteers import PersonBlocked, PersonMoved, VolunteerWithdrawn
from tests.volunteers.town import ADMIN, MANAGER, WORKER, Town

WHY = "他上次来大声嚷嚷，我不想再见他"


async def test_a_person_moves_and_what_is_not_said_stays(town: Town):
    wang = await town.person()
    path, own = f"/persons/{wang}/move", (wang, Role.RESIDENT)
    before = (await town.read(f"/persons/{wang}")).json()
    answer = await town.done(path, {"entrance_id": "entrance-096"}, *own)
    assert answer["household_id"] == before["household_id"]
    moved = (await town.events())[-1]
    assert isinstance(moved, PersonMoved)
    assert (moved.entrance_id, moved.grid_id) == ("entrance-096", "grid-11")
    alone = await town.done(path, {"new_household": True}, WORKER, Role.GRID_WORKER)
    assert alone["household_id"] != before["household_id"]
    await town.done(path, {"left_community": True})
    seen = (await town.read(f"/persons/{wang}")).json()
    assert (seen["entrance_id"], seen["grid_id"], seen["household_id"]) == (None, None, alone["household_id"])


async def test_a_move_that_cannot_be_is_a_precise_problem(town: Town):
    wang = await town.person()
    path = f"/persons/{wang}/move"
    await town.refused(409, "moved_nowhere", path, {})
    await town.refused(409, "moved_nowhere", path, {"entrance_id": "entrance-001"})
    await town.refused(422, "unknown_code", path, {"entrance_id": "entrance-999"})
    await town.refused(422, "grid_mismatch", path, {"entrance_id": "entrance-001", "grid_id": "grid-11"})
    await town.refused(422, "invalid_request", path, {"left_community": True, "grid_id": "grid-01"})
    both = {"new_household": True, "household_id": str(uuid4())}
    await town.refused(422, "invalid_request", path, both)
    await town.refused(404, "person_unknown", f"/persons/{uuid4()}/move", {"grid_id": "grid-01"})
    await town.refused(403, "forbidden", path, {"grid_id": "grid-02"}, WORKER, Role.RESIDENT)


async def test_a_volunteer_who_moves_is_shown_in_the_new_grid(town: Town):
    anna = await town.volunteer()
    await town.done(f"/persons/{anna}/move", {"grid_id": "grid-07"}, anna, Role.VOLUNTEER)
    assert (await town.read(f"/volunteers/{anna}")).json()["grid_id"] == "grid-07"


async def test_a_block_keeps_its_reason_in_the_vault_and_its_existence_from_the_other(town: Town):
    wang, anna = await town.person(), await town.volunteer()
    body = {"person_id": str(wang), "other_id": str(anna), "reason": WHY}
    await town.refused(403, "forbidden", "/blocks", body, anna, Role.VOLUNTEER)
    block = await town.done("/blocks", body, wang, Role.RESIDENT)
    blocked = (await town.events())[-1]
    assert isinstance(blocked, PersonBlocked)
    assert blocked.reason_ref is not None
    assert await town.runtime.vault.matches(blocked.reason_ref, "reason", blocked.reason_commitment or "")
    raw = b"".join(event.body for event in await town.runtime.log.read_raw(0, 100))
    assert WHY.encode() not in raw
    await town.refused(409, "blocked_already", "/blocks", body, wang, Role.RESIDENT)
    mine = (await town.read(f"/persons/{wang}/blocks", wang, Role.RESIDENT)).json()["blocks"]
    assert [(row["other_id"], row["reason"]) for row in mine] == [(str(anna), WHY)]
    assert (await town.read(f"/persons/{wang}/blocks", anna, Role.VOLUNTEER)).status_code == 403
    assert (await town.read(f"/persons/{anna}/blocks", anna, Role.VOLUNTEER)).json()["blocks"] == []
    end = f"/blocks/{block['block_id']}/end"
    await town.refused(403, "forbidden", end, {}, anna, Role.VOLUNTEER)
    await town.refused(403, "forbidden", end, {}, anna, Role.STATION_MANAGER)
    await town.done(end, {}, wang, Role.RESIDENT)
    await town.refused(404, "block_unknown", end, {}, wang, Role.RESIDENT)
    await town.refused(404, "block_unknown", f"/blocks/{uuid4()}/end", {}, MANAGER, Role.SOCIAL_WORKER)
    assert (await town.read(f"/persons/{wang}/blocks", wang, Role.RESIDENT)).json()["blocks"] == []


async def test_a_block_needs_two_people_who_are_known(town: Town):
    wang = await town.person()
    same = {"person_id": str(wang), "other_id": str(wang)}
    await town.refused(422, "same_person", "/blocks", same, wang, Role.RESIDENT)
    await town.refused(422, "other_person_unknown", "/blocks", {**same, "other_id": str(uuid4())})
    await town.refused(422, "invalid_request", "/blocks", {**same, "reason": ""})
    bo = await town.person("薄示例")
    await town.done(f"/persons/{bo}/erase", {"confirmed_person_id": str(bo)}, ADMIN, Role.ADMIN)
    await town.refused(422, "other_person_unknown", "/blocks", {**same, "other_id": str(bo)})
    await town.refused(409, "person_erased", "/blocks", {"person_id": str(bo), "other_id": str(wang), "reason": "?"})


async def test_the_words_of_a_block_go_with_whoever_said_them_and_with_whom_they_were_about(town: Town):
    wang, anna, bo = await town.person(), await town.volunteer(), await town.volunteer("薄示例")
    for other in (anna, bo):
        await town.done("/blocks", {"person_id": str(wang), "other_id": str(other), "reason": WHY})
    refs = [event.reason_ref for event in await town.events() if isinstance(event, PersonBlocked)]
    assert [await town.runtime.vault.open(ref) for ref in refs if ref] == [{"reason": WHY}] * 2
    await town.done(f"/persons/{bo}/erase", {"confirmed_person_id": str(bo)}, ADMIN, Role.ADMIN)
    assert [await town.runtime.vault.open(ref) for ref in refs if ref] == [{"reason": WHY}, None]
    await town.done(f"/persons/{wang}/erase", {"confirmed_person_id": str(wang)}, ADMIN, Role.ADMIN)
    assert [await town.runtime.vault.open(ref) for ref in refs if ref] == [None, None]


async def test_who_takes_the_consent_to_help_back_is_no_volunteer_any_more_in_the_same_append(town: Town):
    anna = await town.volunteer()
    answer = await town.done(f"/persons/{anna}/consents/volunteering/withdraw", {}, anna, Role.VOLUNTEER)
    first, last = answer["positions"]["volunteers"]
    recorded = await town.runtime.log.read(first - 1, last)
    assert [event.type for event in recorded] == ["ConsentWithdrawn", "VolunteerWithdrawn"]
    withdrawn = recorded[-1].event
    assert isinstance(withdrawn, VolunteerWithdrawn)
    assert withdrawn.reason_code == "consent_withdrawn"
    assert (await town.read(f"/volunteers/{anna}")).json()["state"] == "WITHDRAWN"
    again = f"/persons/{anna}/consents/volunteering/withdraw"
    await town.refused(409, "consent_not_given", again, {}, anna, Role.VOLUNTEER)


async def test_who_takes_the_consent_to_be_helped_back_stays_a_volunteer(town: Town):
    anna = await town.volunteer()
    await town.done(f"/persons/{anna}/consents/service/withdraw", {}, anna, Role.VOLUNTEER)
    assert (await town.read(f"/volunteers/{anna}")).json()["state"] == "ACTIVE"


async def test_consent_to_keep_the_data_at_all_is_taken_back_by_an_erasure_only(town: Town):
    wang = await town.person()
    path = f"/persons/{wang}/consents/personal_data/withdraw"
    await town.refused(409, "erase_instead", path, {}, wang, Role.RESIDENT)
