import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from fastapi import APIRouter

from contracts.command import Ask, Role
from eventstore.model import Append, Metadata, Step
from servicekit.app import build
from servicekit.http import Commanding
from tests.servicekit.sample_service import sample
from tests.servicekit.world import ANNA, BO, Served

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def assert_problem(answer: Any, status: int, reason_code: str) -> dict[str, Any]:
    """Every refusal is a whole problem document, with sentences in both languages."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["reason_code"] == reason_code
    assert document["status"] == status
    assert document["type"] == f"/problems/{reason_code}"
    for name in ("title", "detail", "title_zh", "detail_zh", "instance"):
        assert document[name]
    return document


async def test_answers_are_not_kept_and_their_type_is_not_guessed(service: Served) -> None:
    refused = await service.client.post("/v1/items", json={})
    for answer in (await service.publish(), refused, await service.client.get("/nowhere")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/items/"), ("GET", "/events/"), ("GET", "/checkpoint/")])
async def test_an_address_with_a_slash_too_many_leads_nowhere_and_nobody_elsewhere(
    service: Served, method: str, path: str
) -> None:
    """A redirection would name http where a proxy before the service speaks https: token and body went in the clear."""
    answer = await service.client.request(method, path, headers=service.headers(), content=b"{}")
    assert_problem(answer, 404, "not_found")
    assert "location" not in answer.headers


async def test_a_command_answers_with_positions_event_ids_and_its_own_ids(service: Served) -> None:
    first = await service.publish("haircut")
    second = await service.publish("shopping")
    assert first.status_code == second.status_code == 201
    assert first.json()["positions"] == {"orders": [1, 1]}
    assert second.headers["Position"] == "orders=2"
    assert second.headers["Cache-Control"] == "no-store"
    recorded = await service.runtime.log.read()
    assert [str(each.event_id) for each in recorded] == first.json()["event_ids"] + second.json()["event_ids"]
    assert recorded[0].event.item_id == UUID(first.json()["item_id"])  # type: ignore[attr-defined]


async def test_who_asked_and_the_trace_are_in_the_event(service: Served) -> None:
    await service.publish("haircut", actor_id=BO, traceparent=TRACE)
    await service.publish("shopping", traceparent="00-nonsense")
    first, second = await service.runtime.log.read()
    assert (first.actor, first.traceparent) == (str(BO), TRACE)
    assert second.traceparent is None


async def test_a_repeated_key_gets_the_first_answer_and_records_nothing(service: Served) -> None:
    headers = service.headers()
    body = {"item_code": "haircut", "minutes": 30}
    first = await service.client.post("/v1/items", json=body, headers=headers)
    again = await service.client.post("/v1/items", json=body, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["Position"] == first.headers["Position"]
    assert await service.size() == 1


async def test_many_at_once_with_one_key_record_once(service: Served) -> None:
    headers = service.headers()
    body = {"item_code": "haircut", "minutes": 30}
    answers = await asyncio.gather(*(service.client.post("/v1/items", json=body, headers=headers) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert await service.size() == 1


async def test_a_key_belongs_to_one_body_one_address_and_one_person(service: Served) -> None:
    headers = service.headers()
    published = await service.client.post("/v1/items", json={"item_code": "haircut", "minutes": 30}, headers=headers)
    other = await service.client.post("/v1/items", json={"item_code": "haircut", "minutes": 45}, headers=headers)
    assert_problem(other, 409, "key_reused")
    elder = {**headers, "Authorization": f"Bearer {service.world.token(on_behalf_of=BO)}"}
    for_another = await service.client.post("/v1/items", json={"item_code": "haircut", "minutes": 30}, headers=elder)
    assert_problem(for_another, 409, "key_reused")
    item_id = published.json()["item_id"]
    key = service.headers()
    assert (await service.client.post(f"/v1/items/{item_id}/retire", headers=key)).status_code == 200
    elsewhere = await service.client.post(f"/v1/items/{uuid4()}/retire", headers=key)
    assert_problem(elsewhere, 409, "key_reused")
    somebody = {**headers, "Authorization": f"Bearer {service.world.token(actor_id=BO)}"}
    theirs = await service.client.post("/v1/items", json={"item_code": "shopping", "minutes": 30}, headers=somebody)
    assert theirs.status_code == 201


async def test_a_refused_command_leaves_its_key_free(service: Served) -> None:
    await service.publish("haircut")
    headers = service.headers()
    taken = await service.client.post("/v1/items", json={"item_code": "haircut", "minutes": 30}, headers=headers)
    document = assert_problem(taken, 409, "code_taken")
    assert document["title_zh"] == "这个编码已有人用了。"
    other = await service.client.post("/v1/items", json={"item_code": "shopping", "minutes": 30}, headers=headers)
    assert other.status_code == 201
    assert await service.size() == 2


async def test_a_command_needs_a_key(service: Served) -> None:
    for key in (None, "", "short", "x" * 129, "with blank in it", "\u00e9" * 10):
        headers: dict[str, Any] = service.headers()
        del headers["Idempotency-Key"]
        if key is not None:
            headers["Idempotency-Key"] = key.encode()
        answer = await service.client.post("/v1/items", json={"item_code": "haircut", "minutes": 30}, headers=headers)
        assert_problem(answer, 400, "idempotency_key_required")
    assert await service.size() == 0


async def test_who_has_no_good_token_is_told_how_to_get_in(service: Served) -> None:
    for authorization, reason_code, challenge in (
        (None, "token_missing", 'Bearer realm="chaoyangli"'),
        ("Bearer", "token_invalid", 'error="invalid_token"'),
        ("Basic YTpi", "token_invalid", 'error="invalid_token"'),
        ("Bearer forged", "token_invalid", 'error="invalid_token"'),
    ):
        headers = service.headers()
        del headers["Authorization"]
        if authorization is not None:
            headers["Authorization"] = authorization
        for answer in (
            await service.client.post("/v1/items", json={"item_code": "haircut", "minutes": 30}, headers=headers),
            await service.client.post("/v1/items", json={"minutes": "many"}, headers=headers),
            await service.client.get(f"/v1/items/{uuid4()}", headers=headers),
        ):
            assert_problem(answer, 401, reason_code)
            assert challenge in answer.headers["WWW-Authenticate"]
    assert await service.size() == 0


async def test_roles_and_relations_decide(service: Served) -> None:
    assert_problem(
        await service.client.post(
            "/v1/items", json={"item_code": "haircut", "minutes": 30}, headers=service.headers(Role.RESIDENT)
        ),
        403,
        "forbidden",
    )
    published = (await service.publish("haircut", actor_id=ANNA)).json()
    path = f"/v1/items/{published['item_id']}/retire"
    not_theirs = await service.client.post(path, headers=service.headers(actor_id=BO))
    assert_problem(not_theirs, 403, "forbidden")
    theirs = await service.client.post(path, headers=service.headers(actor_id=ANNA))
    assert theirs.status_code == 200


async def test_a_wanted_role_must_be_held_and_be_a_role(service: Served) -> None:
    body = {"item_code": "haircut", "minutes": 30}
    both = service.headers(Role.RESIDENT, Role.DISPATCHER)
    as_resident = await service.client.post("/v1/items", json=body, headers={**both, "X-Role": "RESIDENT"})
    assert_problem(as_resident, 403, "forbidden")
    as_admin = await service.client.post("/v1/items", json=body, headers={**both, "X-Role": "ADMIN"})
    assert_problem(as_admin, 403, "role_not_held")
    for nonsense in ("EMPEROR", "SYSTEM", "dispatcher"):
        answer = await service.client.post("/v1/items", json=body, headers={**both, "X-Role": nonsense})
        assert_problem(answer, 400, "header_invalid")
    as_dispatcher = await service.client.post("/v1/items", json=body, headers={**both, "X-Role": "DISPATCHER"})
    assert as_dispatcher.status_code == 201


async def test_a_malformed_header_is_named(service: Served) -> None:
    for name, value in (
        ("X-Channel", "pigeon"),
        ("X-Channel", "system"),
        ("After", "volunteers"),
        ("After", "a=b"),
        ("If-Version", "new"),
    ):
        answer = await service.publish(more={name: value})
        assert assert_problem(answer, 400, "header_invalid")["facts"] == {"header": name}
    assert await service.size() == 0


async def test_a_stale_version_is_refused_and_the_current_one_is_not(service: Served) -> None:
    published = (await service.publish()).json()
    path = f"/v1/items/{published['item_id']}/retire"
    stale = await service.client.post(path, headers=service.headers(If_Version="7"))
    document = assert_problem(stale, 409, "stale_version")
    assert (document["facts"]["expected"], document["facts"]["actual"]) == (7, 1)
    current = await service.client.post(path, headers=service.headers(If_Version="1"))
    assert current.status_code == 200


async def test_a_rules_refusal_carries_its_facts_into_the_sentence(service: Served) -> None:
    published = (await service.publish()).json()
    path = f"/v1/items/{published['item_id']}/retire"
    await service.client.post(path, headers=service.headers())
    document = assert_problem(await service.client.post(path, headers=service.headers()), 409, "already_retired")
    assert document["title_zh"] == "haircut 已经下架了。"
    assert document["facts"] == {"code": "haircut"}


async def test_a_body_is_read_strictly_and_every_mistake_is_named(service: Served) -> None:
    body = {"item_code": "haircut", "minutes": 30.0, "colour": "red", "words": "a\x00"}
    answer = await service.client.post("/v1/items", json=body, headers=service.headers())
    document = assert_problem(answer, 422, "invalid_request")
    assert [(each["pointer"], each["reason_code"]) for each in document["errors"]] == [("/words", "text_has_nul")]
    del body["words"]
    answer = await service.client.post("/v1/items", json=body, headers=service.headers())
    document = assert_problem(answer, 422, "invalid_request")
    assert {(each["pointer"], each["reason_code"]) for each in document["errors"]} == {
        ("/minutes", "not_a_whole_number"),
        ("/colour", "unknown_field"),
    }
    assert "minutes" in document["detail_zh"]
    assert await service.size() == 0


BAD_BODIES = {
    "70 KB": (b'{"item_code": "haircut", "minutes": 30, "words": "' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
    "long text": (b'{"item_code": "a", "minutes": 30, "words": "' + b"x" * 60_001 + b'"}', 422, "invalid_request"),
    "deep": (b"[" * 60_000, 400, "body_unreadable"),
    "cut off": (b"{", 422, "invalid_request"),
    "empty": (b"", 422, "invalid_request"),
    "no utf-8": (b"\xff\xff", 400, "body_unreadable"),
    "half": (b'{"item_code": "a", "minutes": 30, "words": "\\ud800"}', 422, "invalid_request"),
    "not nfc": ('{"item_code": "a", "minutes": 30, "words": "e\u0301"}'.encode(), 422, "invalid_request"),
    "twice": (b'{"item_code": "a", "minutes": 30, "minutes": 31}', 422, "invalid_request"),
}


async def test_a_bad_body_is_refused_and_nothing_recorded(service: Served) -> None:
    for raw, status, reason_code in BAD_BODIES.values():
        headers = {**service.headers(), "Content-Type": "application/json"}
        assert_problem(await service.client.post("/v1/items", content=raw, headers=headers), status, reason_code)
    assert await service.size() == 0


async def test_a_body_without_a_declared_length_is_cut_off_as_well(service: Served) -> None:
    async def chunks() -> Any:
        yield b'{"words": "'
        for _ in range(100):
            yield b"x" * 1_000
        yield b'"}'

    headers = {**service.headers(), "Content-Type": "application/json"}
    answer = await service.client.post("/v1/items", content=chunks(), headers=headers)
    assert_problem(answer, 413, "body_too_large")


async def test_another_media_type_is_refused(service: Served) -> None:
    headers = {**service.headers(), "Content-Type": "text/plain"}
    body = json.dumps({"item_code": "haircut", "minutes": 30})
    answer = await service.client.post("/v1/items", content=body, headers=headers)
    assert answer.status_code in {415, 422}
    assert answer.headers["content-type"] == "application/problem+json"
    assert await service.size() == 0


async def test_what_is_not_there_is_a_problem_too(service: Served) -> None:
    headers = service.headers(Role.RESIDENT)
    assert_problem(await service.client.get("/v1/nothing"), 404, "not_found")
    assert_problem(await service.client.delete("/v1/items"), 405, "method_not_allowed")
    missing = await service.client.get(f"/v1/items/{uuid4()}", headers=headers)
    assert "item_id" in assert_problem(missing, 404, "not_found")["facts"]
    malformed = await service.client.get("/v1/items/seven", headers=headers)
    assert assert_problem(malformed, 422, "invalid_request")["errors"][0]["pointer"] == "path:item_id"


async def test_an_accident_leaks_nothing_and_has_an_id_that_is_logged(service: Served) -> None:
    with structlog.testing.capture_logs() as logged:
        answer = await service.client.get("/v1/broken")
    document = assert_problem(answer, 500, "internal_error")
    assert "王奶奶" not in answer.text
    assert "RuntimeError" not in answer.text
    assert document["facts"]["error_id"] in document["detail"]
    assert document["facts"]["error_id"] in {entry.get("error_id") for entry in logged}


async def test_a_command_waits_for_what_it_refers_to(service: Served) -> None:
    async def hear() -> None:
        step = Step("volunteers", 0, 7)
        await service.runtime.log.append(Append([], Metadata("system"), step=step))

    answer, _ = await asyncio.gather(service.publish(After="volunteers=7, orders=99, notify=3"), hear())
    assert answer.status_code == 201


async def test_what_has_not_arrived_in_time_is_a_503_to_be_tried_again(service: Served) -> None:
    answer = await service.publish(After="volunteers=8")
    document = assert_problem(answer, 503, "not_caught_up")
    assert answer.headers["Retry-After"] == "1"
    assert document["facts"] == {"source": "volunteers", "wanted": 8, "heard": 0}
    assert await service.size() == 0


async def test_queries_wait_as_well(service: Served) -> None:
    headers = {**service.headers(Role.RESIDENT), "After": "volunteers=1"}
    assert_problem(await service.client.get(f"/v1/neighbours/{BO}", headers=headers), 503, "not_caught_up")


async def test_a_command_that_takes_no_body_names_what_it_was_sent(service: Served) -> None:
    item_id = (await service.publish()).json()["item_id"]
    path = f"/v1/items/{item_id}/retire"
    answer = await service.client.post(path, json={"reason": "old"}, headers=service.headers())
    assert assert_problem(answer, 422, "invalid_request")["errors"][0]["pointer"] == "/reason"
    assert (await service.client.post(path, json={}, headers=service.headers())).status_code == 200


class Two(Ask):
    """A second body."""


async def _lax(ask: Two) -> None:
    """A route that changes something without a key."""


async def _double(first: Two, second: Two, context: Commanding) -> None:
    """A command of two bodies."""


@pytest.mark.parametrize(("endpoint", "why"), [(_lax, "Commanding"), (_double, "one pydantic model")])
async def test_a_route_that_would_not_be_read_strictly_is_not_served(service: Served, endpoint: Any, why: str) -> None:
    router = APIRouter()
    router.add_api_route("/v1/lax", endpoint, methods=["POST"])
    with pytest.raises(TypeError, match=why):
        build(sample(build_app=lambda _: router), service.runtime)
