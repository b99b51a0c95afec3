"""notify over HTTP on real PostgreSQL: contacts, inbox, phone list, and what bad input gets."""

from typing import Any
from uuid import uuid4

import pytest

from contracts.command import Role
from contracts.notify import ContactSet
from services.notify.commands import PhoneNumber
from tests.notify import said
from tests.notify.desk import Desk
from tests.notify.examples import ANNA, BO, DAUGHTER, DONATION, DONOR, LEE, ORDER, QIAN, WANG, ZHAO

NUMBER: PhoneNumber = "13800001234"
CONTACTS = "/contacts"


def phone(ref: Any = WANG, **changes: Any) -> dict[str, Any]:
    return {"ref": str(ref), "channel": "phone", "address": NUMBER, **changes}


async def test_a_number_lies_in_the_vault_and_in_no_event(desk: Desk) -> None:
    answer = await desk.done("PUT", CONTACTS, phone())
    (recorded,) = await desk.runtime.log.read()
    event = recorded.event
    assert isinstance(event, ContactSet)
    assert str(event.contact_id) == answer["contact_id"]
    assert NUMBER.encode() not in recorded.body
    assert event.address_ref is not None
    assert event.address_commitment is not None
    assert await desk.runtime.vault.matches(event.address_ref, "address", event.address_commitment)
    seen = await desk.done("GET", f"{CONTACTS}/{WANG}", None, WANG, Role.RESIDENT)
    assert [(row["channel"], row["address"]) for row in seen["contacts"]] == [("phone", NUMBER)]


async def test_a_new_number_replaces_the_old_one_and_a_removed_one_is_gone(desk: Desk) -> None:
    await desk.contact(WANG, "phone", NUMBER)
    await desk.contact(WANG, "phone", "13900005678")
    seen = await desk.done("GET", f"{CONTACTS}/{WANG}")
    assert [row["address"] for row in seen["contacts"]] == ["13900005678"]
    await desk.done("POST", f"{CONTACTS}/{WANG}/phone/remove", {"reason_code": "moved"})
    assert (await desk.done("GET", f"{CONTACTS}/{WANG}"))["contacts"] == []
    assert await desk.runtime.log.pool.fetchval("SELECT count(*) FROM notify.vault_entries") == 0
    await desk.refused(404, "contact_unknown", "POST", f"{CONTACTS}/{WANG}/phone/remove", {})
    await desk.contact(WANG, "phone", NUMBER)


async def test_a_donors_number_goes_with_the_person_it_belongs_to(desk: Desk) -> None:
    """No event joins the gift to the person; the vault does, so that an erasure reaches the gift's number too."""
    await desk.hear(said.pledged())
    await desk.done("PUT", CONTACTS, phone(DONOR, person_id=str(WANG)), LEE, Role.FUND_CLERK)
    assert all(str(WANG).encode() not in recorded.body for recorded in await desk.runtime.log.read())
    seen = await desk.done("GET", f"{CONTACTS}/{DONOR}", None, LEE, Role.FUND_CLERK)
    assert [row["address"] for row in seen["contacts"]] == [NUMBER]
    await desk.refused(422, "person_not_taken", "PUT", CONTACTS, phone(person_id=str(BO)))
    await desk.hear(said.erased(WANG))
    seen = await desk.done("GET", f"{CONTACTS}/{DONOR}", None, LEE, Role.FUND_CLERK)
    assert [row["address"] for row in seen["contacts"]] == [None]
    assert await desk.runtime.log.pool.fetchval("SELECT count(*) FROM notify.vault_entries") == 0
    late = phone(DONOR, person_id=str(WANG), address="13900005678")
    await desk.refused(409, "person_erased", "PUT", CONTACTS, late, LEE, Role.FUND_CLERK)


async def test_who_may_say_how_somebody_is_reached(desk: Desk) -> None:
    await desk.hear(said.proxy(), said.pledged())
    await desk.done("PUT", CONTACTS, phone(), WANG, Role.RESIDENT)
    await desk.done("PUT", CONTACTS, phone(), DAUGHTER, Role.PROXY)
    await desk.done("PUT", CONTACTS, phone(), LEE, Role.STATION_MANAGER)
    await desk.done("PUT", CONTACTS, phone(DONOR), LEE, Role.FUND_CLERK)
    await desk.refused(403, "forbidden", "PUT", CONTACTS, phone(), BO, Role.RESIDENT)
    await desk.refused(403, "forbidden", "PUT", CONTACTS, phone(), BO, Role.PROXY)
    await desk.refused(403, "forbidden", "PUT", CONTACTS, phone(), LEE, Role.FUND_CLERK)
    await desk.refused(403, "forbidden", "PUT", CONTACTS, phone(DONOR), LEE, Role.STATION_MANAGER)
    await desk.refused(403, "forbidden", "GET", f"/inbox/{WANG}", None, LEE, Role.STATION_MANAGER)
    await desk.refused(403, "forbidden", "GET", f"{CONTACTS}/{WANG}", None, BO, Role.VOLUNTEER)


@pytest.mark.parametrize(
    ("body", "status", "reason_code"),
    [
        ({**phone(), "name": "王示例"}, 422, "invalid_request"),
        (phone(ref="wang"), 422, "invalid_request"),
        (phone(address=13800001234), 422, "invalid_request"),
        (phone(address="朝阳里3号楼"), 422, "invalid_request"),
        (phone(channel="sms"), 422, "invalid_request"),
        (phone(address="1" * 70_000), 413, "body_too_large"),
        ({"ref": str(WANG)}, 422, "invalid_request"),
        ([], 422, "invalid_request"),
        (phone(address=None), 422, "address_required"),
        (phone(channel="in_app"), 422, "address_not_taken"),
    ],
)
async def test_what_bad_input_gets(desk: Desk, body: Any, status: int, reason_code: str) -> None:
    await desk.refused(status, reason_code, "PUT", CONTACTS, body)


async def test_a_key_belongs_to_one_request_and_gets_its_first_answer_again(desk: Desk) -> None:
    headers = desk.headers(ZHAO, Role.DISPATCHER)
    first = await desk.client.put("/v1/contacts", json=phone(), headers=headers)
    again = await desk.client.put("/v1/contacts", json=phone(), headers=headers)
    assert (again.status_code, again.json()) == (200, first.json())
    other = await desk.client.put("/v1/contacts", json=phone(address="13900000000"), headers=headers)
    assert (other.status_code, other.json()["reason_code"]) == (409, "key_reused")
    without = {name: value for name, value in headers.items() if name != "Idempotency-Key"}
    keyless = await desk.client.put("/v1/contacts", json=phone(), headers=without)
    assert (keyless.status_code, keyless.json()["reason_code"]) == (400, "idempotency_key_required")
    forged = {**desk.headers(ZHAO, Role.DISPATCHER), "Authorization": "Bearer x.y.z"}
    stranger = await desk.client.put("/v1/contacts", json=phone(), headers=forged)
    assert (stranger.status_code, stranger.json()["reason_code"]) == (401, "token_invalid")
    assert await desk.served.size() == 1


async def test_a_stale_version_is_refused(desk: Desk) -> None:
    await desk.contact(WANG)
    headers = {**desk.headers(ZHAO, Role.DISPATCHER), "If-Version": "0"}
    stale = await desk.client.put("/v1/contacts", json=phone(), headers=headers)
    assert (stale.status_code, stale.json()["reason_code"]) == (409, "stale_version")
    assert await desk.served.size() == 1


async def calls(desk: Desk, actor: Any = ZHAO, role: Role = Role.DISPATCHER) -> list[Any]:
    found: list[Any] = (await desk.done("GET", "/phone-list", None, actor, role))["calls"]
    return found


async def test_a_call_is_listed_with_its_number_and_words_and_ends_as_the_caller_says(desk: Desk) -> None:
    await desk.contact(WANG, "phone", NUMBER)
    await desk.hear(said.withdrawn(60))
    (call,) = [call for call in await calls(desk) if call["ref"] == str(WANG)]
    assert (call["phone"], call["to_role"], call["scope_id"]) == (NUMBER, "DISPATCHER", "grid-03")
    assert "2041-7788" in call["body"]
    path = f"/phone-list/{call['notification_id']}/outcome"
    await desk.done("POST", path, {"outcome": "no_answer"})
    assert not [call for call in await calls(desk) if call["ref"] == str(WANG)], "not before an hour has passed"
    await desk.refused(403, "forbidden", "POST", path, {"outcome": "reached"}, BO, Role.VOLUNTEER)
    await desk.refused(403, "forbidden", "POST", path, {"outcome": "reached"}, WANG, Role.DISPATCHER)
    await desk.refused(422, "invalid_request", "POST", path, {"outcome": "told the neighbour"})
    desk.later(hours=1)
    (call,) = [call for call in await calls(desk) if call["ref"] == str(WANG)]
    assert call["attempts"] == 1
    await desk.done("POST", path, {"outcome": "reached"})
    await desk.refused(409, "notice_ended", "POST", path, {"outcome": "reached"})
    await desk.refused(404, "notice_unknown", "POST", f"/phone-list/{uuid4()}/outcome", {"outcome": "reached"})
    (known,) = (await desk.done("GET", f"/notices?notification_id={call['notification_id']}"))["notices"]
    assert (known["state"], known["channel"], known["known_zh"]) == ("HANDED_OVER", "phone", "打电话说了")


async def test_everybody_sees_the_calls_of_their_role_and_place(desk: Desk) -> None:
    await desk.hear(said.withdrawn(60), said.rated(1))
    dispatchers = {call["template"] for call in await calls(desk)}
    reviewers = {call["template"] for call in await calls(desk, QIAN, Role.REVIEWER)}
    assert dispatchers == {"call_looking_again", "call_low_rating", "slot_lost"}
    assert reviewers == {"call_low_rating", "slot_lost"}
    await desk.refused(403, "forbidden", "GET", "/phone-list", None, ANNA, Role.VOLUNTEER)


async def test_what_became_of_notices_is_told_as_it_is_known(desk: Desk) -> None:
    await desk.contact(WANG)
    await desk.contact(ANNA, "console")
    await desk.hear(said.accepted(2), said.staffed(), said.dispatched(), said.declined(), said.withdrawn(60))
    await desk.sender.send_due()
    listed = (await desk.done("GET", f"/notices?topic_id={ORDER}"))["notices"]
    known = {row["template"]: row["known_zh"] for row in listed}
    assert known == {
        "all_found": "不用说了",
        "visit_tomorrow": "不用说了",
        "visit_in_hours": "不用说了",
        "visit_soon": "不用说了",
        "offer": "不用说了",
        "call_looking_again": "等着打电话",
        "slot_lost": "等着打电话",
        "partner_left": "没交出去",
    }
    await desk.hear(said.staffed(), said.accepted(2, order_id=DONATION))
    await desk.sender.send_due()
    listed += (await desk.done("GET", f"/notices?topic_id={ORDER}"))["notices"]
    listed += (await desk.done("GET", f"/notices?topic_id={DONATION}"))["notices"]
    known |= {row["template"]: row["known_zh"] for row in listed if row["state"] != "CANCELLED"}
    assert known["all_found"] == "已交给收件箱"
    assert known["visit_soon"] == "到时候再说"
    assert known["visit_tomorrow"] == "已交给值班屏"
    assert not [words for words in known.values() if "送达" in words or "已通知" in words]
    await desk.refused(404, "not_found", "GET", f"/notices?notification_id={uuid4()}")


async def test_the_inbox_is_read_in_pages_the_newest_first(desk: Desk) -> None:
    await desk.contact(WANG)
    for _ in range(3):
        await desk.hear(said.confirmed())
        await desk.sender.send_due()
        desk.later(minutes=1)
    first = (await desk.done("GET", f"/inbox/{WANG}?limit=2", None, WANG, Role.RESIDENT))["notices"]
    before = first[-1]["handed_over_at"]
    rest = (await desk.done("GET", f"/inbox/{WANG}?before={before}", None, WANG, Role.RESIDENT))["notices"]
    times = [row["handed_over_at"] for row in first + rest]
    assert len(times) == 3
    assert times == sorted(times, reverse=True)
    await desk.refused(422, "invalid_request", "GET", f"/inbox/{WANG}?limit=0", None, WANG, Role.RESIDENT)


async def test_the_openapi_document_names_every_route(desk: Desk) -> None:
    document = (await desk.client.get("/openapi.json")).json()
    assert {path for path in document["paths"] if path.startswith("/v1")} == {
        "/v1/contacts",
        "/v1/contacts/{ref}",
        "/v1/contacts/{ref}/{channel}/remove",
        "/v1/inbox/{ref}",
        "/v1/phone-list",
        "/v1/phone-list/{notification_id}/outcome",
        "/v1/notices",
        "/v1/webhooks",
        "/v1/webhooks/{webhook_id}/disable",
        "/v1/webhooks/{webhook_id}/enable",
        "/v1/webhooks/{webhook_id}/replay",
        "/v1/webhooks/{webhook_id}/rotate-secret",
        "/v1/webhooks/{webhook_id}/secret",
        "/v1/webhooks/{webhook_id}/test",
        "/v1/policy",
        "/v1/checkpoint",
    }
