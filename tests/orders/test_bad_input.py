"""What bad input gets: a precise problem document, 4xx, and nothing recorded."""

import json
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

from contracts.command import Role
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key, new_issuer_key
from tests.orders.quarter import TOMORROW, Quarter, iso
from tests.orders.samples import ANNA, BO, CHEN, DUAN, GUO, MONDAY_NINE, WANG, ZHAN

RESIDENT, VOLUNTEER, DISPATCHER = Role.RESIDENT, Role.VOLUNTEER, Role.DISPATCHER


WRONG_FIELDS: list[tuple[dict[str, Any], str, str]] = [
    ({"colour": "red"}, "/colour", "unknown_field"),
    ({"details": {"note": "好", "age": 80}}, "/details/age", "unknown_field"),
    ({"details": {"note": "长" * 501}}, "/details/note", "text_too_long"),
    ({"details": {"phone": "call me"}}, "/details/phone", "wrong_format"),
    ({"item_code": "Haircut!"}, "/item_code", "wrong_format"),
    ({"beneficiary_id": "wang"}, "/beneficiary_id", "not_an_id"),
    ({"window_start": "tomorrow"}, "/window_start", "not_a_time"),
    ({"window_start": "2026-03-03T09:00:00"}, "/window_start", "time_without_zone"),
    ({"urgent": "yes"}, "/urgent", "wrong_type"),
]


async def test_a_wrong_field_is_named(quarter: Quarter) -> None:
    for changes, pointer, reason_code in WRONG_FIELDS:
        wish = quarter.wish(**changes)
        document = await quarter.refused(422, "invalid_request", "/orders", wish, WANG, RESIDENT)
        assert {"pointer": pointer, "reason_code": reason_code}.items() <= document["errors"][0].items()


async def test_minutes_are_whole_numbers(quarter: Quarter) -> None:
    for minutes in (30.0, 30.5, "30", True, None):
        item = {"item_code": "haircut", "expected_minutes": minutes, "home_visit": False}
        document = await quarter.refused(422, "invalid_request", "/service-items", item, DUAN, DISPATCHER)
        assert document["errors"][0]["pointer"] == "/expected_minutes"


async def test_a_text_of_70_kb_is_too_large(quarter: Quarter) -> None:
    await quarter.refused(
        413, "body_too_large", "/orders", quarter.wish(details={"note": "x" * 70_000}), WANG, RESIDENT
    )


IMPOSSIBLE_WINDOWS = [
    (timedelta(hours=-1), timedelta(hours=1), "window_not_in_future"),
    (timedelta(hours=2), timedelta(hours=2, minutes=10), "window_too_short"),
    (timedelta(hours=2), timedelta(hours=20), "window_too_long"),
    (timedelta(days=400), timedelta(days=400, hours=1), "window_too_far"),
]


async def test_an_impossible_time_is_refused(quarter: Quarter) -> None:
    for start, end, code in IMPOSSIBLE_WINDOWS:
        window = {"window_start": iso(MONDAY_NINE + start), "window_end": iso(MONDAY_NINE + end)}
        await quarter.refused(422, code, "/orders", quarter.wish(**window), WANG, RESIDENT)


async def test_a_window_that_ends_before_it_begins_is_refused(quarter: Quarter) -> None:
    window = {"window_start": iso(TOMORROW), "window_end": iso(TOMORROW - timedelta(hours=1))}
    await quarter.refused(422, "invalid_request", "/orders", quarter.wish(**window), WANG, RESIDENT)


async def test_a_wrong_state_says_so(quarter: Quarter) -> None:
    order_id = await quarter.place()
    for path, body, actor, role, code in (
        ("dispatch", {}, DUAN, DISPATCHER, "not_verified"),
        ("accept", {}, ANNA, VOLUNTEER, "not_offered"),
        ("decline", {}, ANNA, VOLUNTEER, "offer_not_live"),
        ("confirm", {}, WANG, RESIDENT, "not_served"),
        ("rate", {"score": 5}, WANG, RESIDENT, "not_completed"),
        ("close", {}, DUAN, DISPATCHER, "not_completed"),
    ):
        await quarter.refused(409, code, f"/orders/{order_id}/{path}", body, actor, role)


async def test_somebody_elses_order_is_left_alone(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    for path, body, role in (
        ("cancel", {}, RESIDENT),
        ("withdraw", {}, VOLUNTEER),
        ("confirm", {}, RESIDENT),
        ("rate", {"score": 1}, RESIDENT),
        ("start", {"service_code": "0000"}, VOLUNTEER),
        ("verify", {"on_absence": "call"}, VOLUNTEER),
        ("escalate", {"level": 3}, Role.AUDITOR),
    ):
        await quarter.refused(403, "forbidden", f"/orders/{order_id}/{path}", body, BO, role)
    await quarter.refused(403, "forbidden", "/orders", quarter.wish(beneficiary_id=str(WANG)), BO, RESIDENT)


async def test_a_token_for_somebody_is_good_for_nobody_else(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    token = quarter.served.world.token(RESIDENT, actor_id=WANG, on_behalf_of=CHEN)
    before = await quarter.served.size()
    headers = {**quarter.headers(WANG), "Authorization": f"Bearer {token}"}
    answer = await quarter.client.post(f"/v1/orders/{order_id}/cancel", json={}, headers=headers)
    await quarter.is_problem(answer, 403, "forbidden", before)


async def test_an_order_that_is_not_there(quarter: Quarter) -> None:
    await quarter.refused(404, "order_unknown", f"/orders/{uuid4()}/cancel", {}, WANG, RESIDENT)
    await quarter.refused(422, "invalid_request", "/orders/wang/cancel", {}, WANG, RESIDENT)
    assert (await quarter.read(f"/orders/{uuid4()}", DUAN, DISPATCHER)).status_code == 404
    window = {"window_start": iso(TOMORROW), "window_end": iso(TOMORROW + timedelta(hours=1)), "on_absence": "call"}
    path = f"/inquiries/{uuid4()}/order"
    await quarter.refused(404, "inquiry_unknown", path, window, DUAN, Role.STATION_MANAGER)


async def test_unknown_codes_are_named(quarter: Quarter) -> None:
    await quarter.refused(422, "item_unknown", "/orders", quarter.wish(item_code="dragon"), WANG, RESIDENT)
    order_id = await quarter.place()
    verify = {"on_absence": "call", "skills": ["dragon-taming"]}
    document = await quarter.refused(422, "unknown_code", f"/orders/{order_id}/verify", verify, DUAN, DISPATCHER)
    assert document["facts"] == {"kind": "skill", "code": "dragon-taming"}


async def test_who_never_consented_is_not_served(quarter: Quarter) -> None:
    await quarter.refused(422, "consent_required", "/orders", quarter.wish(), CHEN, RESIDENT)
    await quarter.refused(422, "person_unknown", "/orders", quarter.wish(), DUAN, RESIDENT)


async def test_a_stale_version_is_told_and_the_present_one_is_taken(quarter: Quarter) -> None:
    order_id = await quarter.place()
    verify, body = f"/orders/{order_id}/verify", {"on_absence": "call"}
    await quarter.refused(409, "stale_version", verify, body, DUAN, DISPATCHER, If_Version="0")
    version = (await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER))["version"]
    await quarter.done(verify, body, DUAN, DISPATCHER, If_Version=str(version))


async def test_a_repeated_key_gets_the_first_answer_and_with_another_body_a_refusal(quarter: Quarter) -> None:
    key = {"Idempotency_Key": "the-same-key-0001"}
    first = await quarter.done("/orders", quarter.wish(), WANG, RESIDENT, **key)
    size = await quarter.served.size()
    again = await quarter.done("/orders", quarter.wish(), WANG, RESIDENT, **key)
    assert (again, await quarter.served.size()) == (first, size)
    await quarter.refused(409, "key_reused", "/orders", quarter.wish(urgent=True), WANG, RESIDENT, **key)
    await quarter.refused(
        400, "idempotency_key_required", "/orders", quarter.wish(), WANG, RESIDENT, Idempotency_Key=""
    )


async def test_a_forged_expired_or_missing_token_is_refused(quarter: Quarter) -> None:
    from servicekit.tokens import issue

    size = await quarter.served.size()
    real = load_issuer_key(quarter.served.world.secrets / ISSUER_KEY)
    forged = issue(new_issuer_key(), WANG, [RESIDENT])
    good = issue(real, WANG, [RESIDENT])
    cases = [("token_invalid", forged), ("token_invalid", good[:-4] + "AAAA"), ("token_invalid", "nonsense")]
    for reason_code, token in cases:
        headers = {**quarter.headers(WANG), "Authorization": f"Bearer {token}"}
        answer = await quarter.client.post("/v1/orders", json=quarter.wish(), headers=headers)
        await quarter.is_problem(answer, 401, reason_code, size)
    expired = _expired(real)
    headers = {**quarter.headers(WANG), "Authorization": f"Bearer {expired}"}
    answer = await quarter.client.post("/v1/orders", json=quarter.wish(), headers=headers)
    await quarter.is_problem(answer, 401, "token_expired", size)
    del headers["Authorization"]
    answer = await quarter.client.post("/v1/orders", json=quarter.wish(), headers=headers)
    await quarter.is_problem(answer, 401, "token_missing", size)


def _expired(key: Any) -> str:
    from joserfc import jwt

    from servicekit.tokens import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE

    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "sub": str(WANG),
        "aud": AUDIENCE,
        "iat": now - 500,
        "exp": now - 100,
        "jti": uuid4().hex,
        "roles": [{"role": "RESIDENT"}],
    }
    return jwt.encode({"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])


async def test_what_is_no_json_is_told(quarter: Quarter) -> None:
    size = await quarter.served.size()
    for content in (b"{", b"[]", b"\xff", json.dumps(quarter.wish()).encode() + b"x"):
        headers = {**quarter.headers(WANG, RESIDENT), "Content-Type": "application/json"}
        answer = await quarter.client.post("/v1/orders", content=content, headers=headers)
        assert 400 <= answer.status_code < 500, answer.text
        await quarter.is_problem(answer, answer.status_code, answer.json()["reason_code"], size)


async def test_what_has_not_been_heard_is_waited_for_and_then_told(quarter: Quarter) -> None:
    await quarter.refused(503, "not_caught_up", "/orders", quarter.wish(), WANG, RESIDENT, After="volunteers=99999")
    heard = await quarter.runtime.log.heard("volunteers")
    await quarter.done("/orders", quarter.wish(), WANG, RESIDENT, After=f"volunteers={heard}")


async def test_work_done_over_names_a_closed_order_of_the_same_person(quarter: Quarter) -> None:
    still_open = await quarter.place()
    for rework_of in (str(uuid4()), str(still_open)):
        wish = quarter.wish(rework_of=rework_of)
        await quarter.refused(422, "rework_unknown", "/orders", wish, WANG, RESIDENT)


ENDS_OF_TIME = (
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
)


async def test_times_from_the_ends_of_the_calendar_are_refused_and_break_nothing(quarter: Quarter) -> None:
    """What is looked up about a time goes through other calendars, with less room at the ends."""
    accepted = await quarter.accepted()
    need = {"result": "need", "resident_id": str(WANG), "item_code": "haircut", "consented": True}
    inquiry = (await quarter.done("/inquiries", need, GUO, Role.GRID_WORKER))["inquiry_id"]
    for time_from in ENDS_OF_TIME:
        for time_to in (*ENDS_OF_TIME, iso(TOMORROW)):
            window = {"window_start": time_from, "window_end": time_to}
            sheet = {"volunteer_id": str(ANNA), "started_at": time_from, "finished_at": time_to}
            past = {"services": [sheet], "attachment_hash": "5e" * 32}
            for path, body, actor, role in (
                ("/orders", quarter.wish(**window), WANG, RESIDENT),
                (f"/inquiries/{inquiry}/order", {**window, "on_absence": "call"}, ZHAN, Role.STATION_MANAGER),
                (f"/orders/{accepted}/reschedule", window, WANG, RESIDENT),
                (f"/orders/{accepted}/reopen", {**window, "reason_code": "again"}, WANG, RESIDENT),
                (f"/orders/{accepted}/record-afterwards", past, DUAN, DISPATCHER),
            ):
                answer = await quarter.ask(path, body, actor, role)
                assert 400 <= answer.status_code < 500, (path, body, answer.text)
