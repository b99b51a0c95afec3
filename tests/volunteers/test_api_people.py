"""People over HTTP on real PostgreSQL: registration, ties, roles, names, erasure, and what bad input gets."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from contracts.command import Role
from contracts.volunteers import PersonRegistered, RoleGranted
from eventstore.vault import ErasureList
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import issue, load_issuer_key
from services.volunteers.api.shared import list_erasures
from tests.volunteers.town import ADMIN, MANAGER, WORKER, Town

AS_ADMIN = (ADMIN, Role.ADMIN)
GOOD = {
    "name": "王示例",
    "phone": "13800001234",
    "birth_date": "1955-05-01",
    "entrance_id": "entrance-001",
    "consents": ["personal_data"],
    "consent_form": "spoken",
}


async def test_a_person_is_registered_and_their_name_is_in_no_event(town: Town):
    answer = await town.done("/persons", GOOD)
    registered = (await town.events())[0]
    assert isinstance(registered, PersonRegistered)
    assert (registered.grid_id, str(registered.household_id)) == ("grid-01", answer["household_id"])
    assert answer["positions"] == {"volunteers": [1, 2]}
    raw = b"".join(event.body for event in await town.runtime.log.read_raw(0, 10))
    assert "王示例".encode() not in raw
    assert b"13800001234" not in raw
    # Not as a part of an id, a hash or a second's fraction: some of those have any four digits.
    assert not re.search(rb"(?<![0-9a-f.-])1955(?![0-9a-f]{5})", raw)


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"nickname": "老王"}, 422, "invalid_request"),
    ({"name": None}, 422, "invalid_request"),
    ({"name": ""}, 422, "invalid_request"),
    ({"name": "王" * 41}, 422, "invalid_request"),
    ({"name": "王\u0000"}, 422, "invalid_request"),
    ({"phone": "call me"}, 422, "invalid_request"),
    ({"phone": 13800001234}, 422, "invalid_request"),
    ({"birth_date": "1955-02-30"}, 422, "invalid_request"),
    ({"birth_date": "2999-01-01"}, 422, "birth_date_impossible"),
    ({"birth_date": "1066-10-14"}, 422, "birth_date_impossible"),
    ({"consents": []}, 422, "invalid_request"),
    ({"consents": ["everything"]}, 422, "invalid_request"),
    ({"consents": ["service"]}, 422, "consent_required"),
    ({"entrance_id": "entrance-999"}, 422, "unknown_code"),
    ({"entrance_id": None, "grid_id": "grid-99"}, 422, "unknown_code"),
    ({"grid_id": "grid-11"}, 422, "grid_mismatch"),
    ({"birth_date": f"{datetime.now(UTC).year - 8}-01-01"}, 422, "guardian_required"),
    ({"birth_date": f"{datetime.now(UTC).year - 8}-01-01", "guardian_id": str(uuid4())}, 422, "guardian_unknown"),
]


async def test_a_bad_registration_is_a_precise_problem(town: Town):
    for changes, status, reason_code in BAD:
        await town.refused(status, reason_code, "/persons", GOOD | changes)


async def test_a_body_that_is_too_large_or_no_json_is_refused(town: Town):
    large = await town.client.post("/v1/persons", content=b"[" + b" " * 70_000, headers=town.headers(MANAGER))
    assert (large.status_code, large.json()["reason_code"]) == (413, "body_too_large")
    headers = {**town.headers(MANAGER, Role.STATION_MANAGER), "Content-Type": "application/json"}
    broken = await town.client.post("/v1/persons", content=b'{"name": ', headers=headers)
    assert broken.status_code == 422
    assert await town.served.size() == 0


async def test_a_request_without_a_key_or_with_a_bad_token_is_refused(town: Town):
    headers = town.headers(MANAGER, Role.STATION_MANAGER)
    answers = []
    for changed in (
        {"Idempotency-Key": ""},
        {"Authorization": ""},
        {"Authorization": "Bearer " + headers["Authorization"][7:-4] + "AAAA"},
    ):
        answers.append(await town.client.post("/v1/persons", json=GOOD, headers=headers | changed))
    codes = [(answer.status_code, answer.json()["reason_code"]) for answer in answers]
    assert codes == [(400, "idempotency_key_required"), (401, "token_missing"), (401, "token_invalid")]
    await town.refused(403, "forbidden", "/persons", GOOD, WORKER, Role.VOLUNTEER)
    await town.refused(403, "role_not_held", "/persons", GOOD, WORKER, Role.VOLUNTEER, X_Role="ADMIN")


async def test_a_repeated_key_gets_the_first_answer_and_another_body_a_conflict(town: Town):
    headers = town.headers(MANAGER, Role.STATION_MANAGER)
    first = await town.client.post("/v1/persons", json=GOOD, headers=headers)
    again = await town.client.post("/v1/persons", json=GOOD, headers=headers)
    assert again.json() == first.json()
    other = await town.client.post("/v1/persons", json={**GOOD, "name": "李示例"}, headers=headers)
    assert (other.status_code, other.json()["reason_code"]) == (409, "key_reused")
    assert await town.served.size() == 2


async def test_names_are_masked_for_staff_full_to_oneself_and_closed_to_others(town: Town):
    person_id = await town.person("欧阳示例", phone="13800001234")
    seen = (await town.read(f"/persons/{person_id}")).json()
    assert (seen["name"], seen["phone"], seen["birth_date"]) == ("欧*", "138****1234", None)
    in_full = (await town.read(f"/persons/{person_id}?unmasked=true")).json()
    assert (in_full["name"], in_full["phone"]) == ("欧阳示例", "13800001234")
    own = (await town.read(f"/persons/{person_id}", person_id, Role.RESIDENT)).json()
    assert (own["name"], own["birth_date"], own["masked"]) == ("欧阳示例", "1955-05-01", False)
    for actor, role in ((WORKER, Role.VOLUNTEER), (WORKER, Role.RESIDENT), (WORKER, Role.FUND_CLERK)):
        assert (await town.read(f"/persons/{person_id}", actor, role)).status_code == 403
    assert (await town.read(f"/persons/{person_id}?unmasked=true", WORKER, Role.AUDITOR)).status_code == 403
    assert (await town.read(f"/persons/{uuid4()}")).status_code == 404


async def test_somebody_is_found_by_their_phone_number_and_shown_masked(town: Town):
    one, two = await town.person("王示例", phone="13800001234"), await town.person("李示例", phone="13800001234")
    await town.person("赵示例", phone="13900009999")
    found = await town.read("/persons", Phone="13800001234")
    assert [(row["person_id"], row["name"]) for row in found.json()["persons"]] == [
        (str(one), "王*"),
        (str(two), "李*"),
    ]
    assert (await town.read("/persons", WORKER, Role.VOLUNTEER, Phone="13800001234")).status_code == 403
    assert (await town.read("/persons", Phone="my own")).status_code == 422
    assert (await town.read("/persons")).status_code == 422


async def test_the_first_admin_is_made_once_by_the_bootstrap_token_only(town: Town):
    body = {"name": "管示例"}
    plain = await town.client.post("/v1/bootstrap", json=body, headers=town.bootstrap_headers(ADMIN, bootstrap=False))
    assert (plain.status_code, plain.json()["reason_code"]) == (403, "bootstrap_token_required")
    made = await town.client.post("/v1/bootstrap", json=body, headers=town.bootstrap_headers(ADMIN))
    assert (made.status_code, made.json()["person_id"]) == (201, str(ADMIN))
    again = await town.client.post("/v1/bootstrap", json=body, headers=town.bootstrap_headers(uuid4()))
    assert (again.status_code, again.json()["reason_code"]) == (409, "admin_exists")
    granted = [event for event in await town.events() if isinstance(event, RoleGranted)]
    assert [(event.person_id, event.granted_role, event.bootstrap) for event in granted] == [(ADMIN, Role.ADMIN, True)]


async def test_a_bootstrap_token_holds_no_role(town: Town):
    answer = await town.client.post("/v1/persons", json=GOOD, headers=town.bootstrap_headers(ADMIN))
    assert (answer.status_code, answer.json()["reason_code"]) == (403, "forbidden")


async def test_an_expired_token_is_refused(town: Town, monkeypatch: pytest.MonkeyPatch):
    key = load_issuer_key(town.served.world.secrets / ISSUER_KEY)
    long_ago = (datetime.now(UTC) - timedelta(hours=1)).timestamp()
    with monkeypatch.context() as past:
        past.setattr("servicekit.tokens.time.time", lambda: long_ago)
        token = issue(key, MANAGER, [Role.STATION_MANAGER])
    headers = {**town.headers(MANAGER), "Authorization": f"Bearer {token}"}
    answer = await town.client.post("/v1/persons", json=GOOD, headers=headers)
    assert (answer.status_code, answer.json()["reason_code"]) == (401, "token_expired")


async def test_roles_are_granted_in_known_places_listed_and_revoked(town: Town):
    person_id = await town.person()
    grant = {"person_id": str(person_id), "granted_role": "STATION_MANAGER", "scope": "station"}
    await town.refused(422, "unknown_code", "/roles", {**grant, "scope_id": "station-nowhere"}, *AS_ADMIN)
    await town.refused(422, "invalid_request", "/roles", {**grant, "granted_role": "KING"}, *AS_ADMIN)
    grant["scope_id"] = "station-leifeng"
    await town.refused(403, "forbidden", "/roles", grant)
    await town.refused(403, "forbidden", "/roles", grant, person_id, Role.ADMIN)
    await town.refused(404, "person_unknown", "/roles", {**grant, "person_id": str(uuid4())}, *AS_ADMIN)
    granted = await town.done("/roles", grant, *AS_ADMIN)
    await town.refused(409, "role_held_already", "/roles", grant, *AS_ADMIN)
    held = (await town.read(f"/persons/{person_id}/roles", *AS_ADMIN)).json()["roles"]
    assert [(row["role"], row["scope_id"]) for row in held] == [("STATION_MANAGER", "station-leifeng")]
    revoke = f"/roles/{granted['grant_id']}/revoke"
    await town.done(revoke, {"reason_code": "moved_away"}, *AS_ADMIN)
    await town.refused(404, "grant_unknown", revoke, {}, *AS_ADMIN)
    await town.refused(404, "grant_unknown", f"/roles/{uuid4()}/revoke", {}, *AS_ADMIN)
    assert (await town.read(f"/persons/{person_id}/roles", *AS_ADMIN)).json()["roles"] == []


async def test_relations_are_declared_once_and_ended_by_somebody_else(town: Town):
    wang, son = await town.person("王示例"), await town.person("王小示例")
    body = {"person_a_id": str(wang), "person_b_id": str(son), "kind": "parent"}
    await town.refused(422, "other_person_unknown", "/relations", {**body, "person_b_id": str(uuid4())})
    await town.refused(422, "same_person", "/relations", {**body, "person_b_id": str(wang)})
    await town.refused(403, "forbidden", "/relations", body, uuid4(), Role.RESIDENT)
    relation = await town.done("/relations", body, son, Role.RESIDENT)
    await town.refused(409, "relation_declared_already", "/relations", body)
    end = f"/relations/{relation['relation_id']}/end"
    await town.refused(403, "forbidden", end, {}, wang, Role.STATION_MANAGER)
    await town.refused(422, "invalid_request", end, {"why": "because"})
    await town.done(end, {})
    await town.refused(404, "relation_unknown", end, {})


async def test_a_proxy_acts_for_a_principal_while_authorised(town: Town):
    wang, helper = await town.person("王示例"), await town.person("帮示例")
    as_proxy = (helper, Role.PROXY)
    body = {"person_id": str(wang), "consent_form": "spoken"}
    await town.refused(403, "forbidden", "/volunteers", body, *as_proxy)
    authorise = {"principal_id": str(wang), "proxy_id": str(helper)}
    await town.refused(422, "time_impossible", "/proxies", {**authorise, "valid_until": "2020-01-01T00:00:00Z"})
    await town.refused(422, "invalid_request", "/proxies", {**authorise, "valid_until": "2036-01-01T00:00:00"})
    await town.refused(403, "forbidden", "/proxies", authorise, helper, Role.GRID_WORKER)
    proxy = await town.done("/proxies", {**authorise, "scope": ["orders"]}, wang, Role.RESIDENT)
    await town.refused(403, "forbidden", "/volunteers", body, *as_proxy)
    end = f"/proxies/{proxy['proxy_authorisation_id']}/end"
    await town.done(end, {}, *as_proxy)
    await town.refused(404, "proxy_unknown", end, {})
    proxy = await town.done("/proxies", authorise, wang, Role.RESIDENT)
    await town.done("/volunteers", body, *as_proxy)
    await town.done(f"/proxies/{proxy['proxy_authorisation_id']}/end", {}, wang, Role.RESIDENT)
    await town.refused(403, "forbidden", f"/volunteers/{wang}/withdraw", {}, *as_proxy)


async def test_consents_are_given_and_taken_back(town: Town):
    wang, stranger = await town.person(), uuid4()
    path = f"/persons/{wang}/consents"
    await town.refused(403, "forbidden", path, {"purpose": "contact", "form": "web"}, stranger, Role.RESIDENT)
    await town.done(path, {"purpose": "contact", "form": "web"}, wang, Role.RESIDENT)
    await town.done(f"{path}/contact/withdraw", {}, wang, Role.RESIDENT)
    await town.refused(409, "consent_not_given", f"{path}/contact/withdraw", {}, wang, Role.RESIDENT)
    await town.refused(409, "erase_instead", f"{path}/personal_data/withdraw", {}, wang, Role.RESIDENT)
    guardian = {"purpose": "contact", "form": "written", "guardian_id": str(stranger)}
    await town.refused(409, "guardian_not_related", path, guardian)


async def test_a_stale_version_is_refused(town: Town):
    wang = await town.person()
    path, body = f"/persons/{wang}/consents", {"purpose": "contact", "form": "web"}
    await town.refused(409, "stale_version", path, body, If_Version="1")
    await town.done(path, body, If_Version="3")
    await town.refused(409, "stale_version", path, body, If_Version="3")


async def test_an_erasure_leaves_nothing_readable_and_changes_no_hash(town: Town):
    wang = await town.volunteer("王示例", phone="13800001234")
    body, path = {"confirmed_person_id": str(wang)}, f"/persons/{wang}/erase"
    await town.refused(422, "erasure_not_confirmed", path, {"confirmed_person_id": str(uuid4())}, *AS_ADMIN)
    await town.refused(403, "forbidden", path, body)
    await town.refused(403, "forbidden", path, body, wang, Role.ADMIN)
    before = await town.runtime.log.read_raw(0, 100)
    await town.done(path, body, *AS_ADMIN)
    assert (await town.types())[-3:] == ["VolunteerWithdrawn", "PersonErased", "PersonDataErased"]
    after = await town.runtime.log.read_raw(0, 100)
    assert after[: len(before)] == before

    seen = (await town.read(f"/persons/{wang}?unmasked=true")).json()
    assert (seen["name"], seen["phone"], seen["erased"]) == ("已删除", None, True)
    assert (await town.read("/persons", Phone="13800001234")).json() == {"persons": []}
    assert ErasureList(town.runtime.settings.erasures_path).persons() == [wang]
    await town.refused(409, "person_erased", path, body, *AS_ADMIN)
    await town.refused(
        409, "person_erased", "/roles", {"person_id": str(wang), "granted_role": "DISPATCHER"}, *AS_ADMIN
    )
    await town.refused(409, "person_erased", "/volunteers", {"person_id": str(wang), "consent_form": "web"})
    connection = await asyncpg.connect(town.served.world.database.dsn)
    try:
        entries = await connection.fetchval("SELECT count(*) FROM volunteers.vault_entries")
        keys = await connection.fetchval("SELECT count(*) FROM volunteers.vault_keys WHERE wrapped IS NOT NULL")
    finally:
        await connection.close()
    assert (entries, keys) == (0, 0)


async def test_the_list_of_erasures_is_completed_from_the_log(town: Town):
    wang = await town.person()
    await town.done(f"/persons/{wang}/erase", {"confirmed_person_id": str(wang)}, *AS_ADMIN)
    path = town.runtime.settings.erasures_path
    path.unlink()
    await list_erasures(town.runtime)
    await list_erasures(town.runtime)
    assert ErasureList(path).persons() == [wang]


async def test_two_people_of_one_household_share_its_id(town: Town):
    first = await town.done("/persons", GOOD)
    second = await town.done("/persons", {**GOOD, "name": "李示例", "household_id": first["household_id"]})
    assert second["household_id"] == first["household_id"]
    assert UUID(second["person_id"]) != UUID(first["person_id"])
