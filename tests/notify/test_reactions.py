"""What notify does when it hears others, on real PostgreSQL."""

from datetime import timedelta

import pytest

from contracts.command import Role
from tests.notify import said
from tests.notify.desk import Desk
from tests.notify.examples import ANNA, BO, DAUGHTER, DONOR, LEE, NOON, NUMBER, ORDER, QIAN, WANG, ZHAO


async def test_an_order_is_told_to_the_resident_and_to_every_dispatcher(desk: Desk) -> None:
    await desk.hear(said.granted(LEE, Role.DISPATCHER), said.granted(ZHAO, Role.DISPATCHER))
    await desk.hear(said.placed())
    (resident,) = await desk.notices(template="order_received")
    assert (resident["ref"], resident["topic_id"], resident["state"]) == (WANG, ORDER, "QUEUED")
    assert {row["ref"] for row in await desk.notices(template="order_to_triage")} == {LEE, ZHAO}
    assert resident["source"] == "orders"


async def test_a_role_that_nobody_holds_waits_on_the_phone_list(desk: Desk) -> None:
    await desk.hear(said.granted(LEE, Role.DISPATCHER), said.revoked(LEE, Role.DISPATCHER), said.placed())
    (waiting,) = await desk.notices(template="order_to_triage")
    assert (waiting["ref"], waiting["by_phone"], waiting["to_role"]) == (None, True, None)


@pytest.mark.parametrize(
    ("scope", "scope_id", "told"),
    [
        ("community", "chaoyangli", True),
        ("grid", "grid-03", True),
        ("grid", "grid-04", False),
        ("entrance", "entrance-030", True),
        ("entrance", "entrance-001", False),
        ("station", "station-leifeng", False),
        ("team", "white-coat-team", True),
    ],
)
async def test_a_role_is_told_where_it_is_held(desk: Desk, scope: str, scope_id: str, told: bool) -> None:
    await desk.hear(said.granted(QIAN, Role.GRID_WORKER, scope, scope_id), said.escalated())
    (row,) = await desk.notices(template="order_escalated")
    assert (row["ref"] == QIAN) == told


async def test_a_role_granted_for_a_time_ends(desk: Desk) -> None:
    await desk.hear(said.granted(QIAN, Role.GRID_WORKER, valid_until=NOON + timedelta(hours=1)))
    desk.later(hours=1)
    await desk.hear(said.escalated())
    (row,) = await desk.notices(template="order_escalated")
    assert row["ref"] is None


async def test_a_proxy_who_asked_is_told_as_long_as_they_may_act(desk: Desk) -> None:
    await desk.hear(said.staffed())
    assert {row["ref"] for row in await desk.notices(template="all_found")} == {WANG}
    await desk.hear(said.proxy(), said.confirmed())
    assert {row["ref"] for row in await desk.notices(template="please_rate")} == {WANG, DAUGHTER}
    await desk.hear(said.proxy_ended(), said.withdrawn())
    assert {row["ref"] for row in await desk.notices(template="looking_again")} == {WANG}


async def test_a_proxy_for_something_else_is_not_told(desk: Desk) -> None:
    await desk.hear(said.proxy(scope=("volunteers",)), said.confirmed())
    assert {row["ref"] for row in await desk.notices(template="please_rate")} == {WANG}


async def test_a_withdrawal_ends_reminders_and_tells_everybody_concerned(desk: Desk) -> None:
    await desk.hear(said.accepted(2), said.staffed())
    assert await desk.templates(state="QUEUED") == ["all_found", "visit_in_hours", "visit_soon", "visit_tomorrow"]
    await desk.hear(said.withdrawn())
    assert await desk.templates(state="CANCELLED") == ["all_found", "visit_in_hours", "visit_soon", "visit_tomorrow"]
    assert await desk.templates(state="QUEUED") == ["looking_again", "partner_left", "slot_lost"]
    assert {row["reason_code"] for row in await desk.notices(state="CANCELLED")} == {"acceptance_withdrawn"}


async def test_all_of_it_may_be_heard_in_one_batch(desk: Desk) -> None:
    await desk.hear(said.accepted(2), said.staffed(), said.withdrawn())
    assert await desk.templates(state="QUEUED") == ["looking_again", "partner_left", "slot_lost"]


async def test_found_again_the_resident_is_not_told_of_the_search(desk: Desk) -> None:
    await desk.hear(said.accepted(2), said.staffed(), said.withdrawn(60))
    (call,) = await desk.notices(template="call_looking_again")
    assert (call["by_phone"], call["to_role"], call["state"]) == (True, "DISPATCHER", "QUEUED")
    await desk.hear(said.staffed())
    (call,) = await desk.notices(template="call_looking_again")
    assert (call["state"], call["reason_code"]) == ("CANCELLED", "order_staffed")


async def test_who_has_begun_needs_no_reminder(desk: Desk) -> None:
    await desk.hear(said.accepted(2), said.staffed(), said.started())
    assert await desk.templates(state="QUEUED") == []


async def test_a_cancelled_order_withdraws_all_that_waits_and_says_so(desk: Desk) -> None:
    await desk.hear(said.placed(), said.dispatched(), said.accepted(2), said.staffed(), said.cancelled())
    assert await desk.templates(state="QUEUED") == ["order_cancelled", "visit_cancelled"]


async def test_an_answered_offer_is_not_sent(desk: Desk) -> None:
    await desk.hear(said.dispatched(), said.declined())
    assert await desk.templates(state="CANCELLED") == ["offer"]


async def test_a_question_that_was_answered_is_withdrawn(desk: Desk) -> None:
    await desk.hear(said.finished(), said.confirmed(), said.rated(2), said.closed())
    assert await desk.templates(state="CANCELLED") == ["please_confirm", "please_rate"]
    (call,) = await desk.notices(state="QUEUED")
    assert (call["template"], call["to_role"], call["ref"]) == ("call_low_rating", "REVIEWER", WANG)


async def test_orders_opened_close_together_make_one_digest_a_volunteer(desk: Desk) -> None:
    await desk.hear(said.opened(), said.opened(order_no="20417789", invited=(ANNA,)))
    (annas,) = await desk.notices(template="pool_digest", state="QUEUED", ref=ANNA)
    (bos,) = await desk.notices(template="pool_digest", state="QUEUED", ref=BO)
    assert '"orders": ["20417788", "20417789"]' in annas["params"]
    assert f'"orders": ["{NUMBER}"]' in bos["params"]
    assert annas["due_at"] == NOON + timedelta(minutes=15)
    (merged,) = await desk.notices(state="CANCELLED")
    assert merged["reason_code"] == "merged"


async def test_minutes_and_gifts_are_told_by_their_refs(desk: Desk) -> None:
    await desk.hear(said.posted(), said.posted("fund"), said.pledged(), said.received(), said.receipted())
    assert {(row["template"], row["ref"]) for row in await desk.notices()} == {
        ("minutes_credited", ANNA),
        ("gift_thanks", DONOR),
        ("gift_receipt", DONOR),
    }


async def test_an_erased_person_leaves_no_address_no_inbox_and_nothing_waiting(desk: Desk) -> None:
    await desk.contact(WANG, "phone", "13800000000")
    await desk.contact(WANG)
    await desk.hear(said.staffed())
    await desk.sender.send_due()
    assert (await desk.done("GET", f"/inbox/{WANG}", None, WANG, Role.RESIDENT))["notices"]
    await desk.hear(said.erased())
    entries = "SELECT count(*) FROM notify.vault_entries"
    assert await desk.runtime.log.pool.fetchval(entries) == 0
    assert await desk.runtime.log.pool.fetchval("SELECT wrapped FROM notify.vault_keys") is None
    assert (await desk.types())[-4:-1] == ["ContactRemoved", "ContactRemoved", "PersonDataErased"]
    assert await desk.templates(state="QUEUED") == []
    assert await desk.done("GET", f"/inbox/{WANG}", None, WANG, Role.RESIDENT) == {
        "ref": str(WANG),
        "erased": True,
        "notices": [],
    }
    await desk.refused(409, "person_erased", "PUT", "/contacts", {"ref": str(WANG), "channel": "in_app"})
    # What another consumer queues for them afterwards is not sent.
    await desk.hear(said.confirmed())
    await desk.sender.send_due()
    (late,) = await desk.notices(template="please_rate")
    assert (late["state"], late["reason_code"]) == ("CANCELLED", "person_erased")


async def test_an_erasure_heard_again_says_nothing_again(desk: Desk) -> None:
    await desk.hear(said.erased(), said.erased())
    assert await desk.types() == ["PersonDataErased"]
