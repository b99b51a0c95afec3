"""Over HTTP: asked for more, nobody came, nobody was there, entered from paper."""

from datetime import timedelta
from typing import Any

from contracts.command import Role
from contracts.orders import OrderDispatched, ResidentAbsentRecorded, WelfareCheckRaised
from tests.orders.quarter import TOMORROW, Quarter, iso
from tests.orders.samples import ANNA, BO, DUAN, MONDAY_NINE, RUI, WANG, WANG_SON, ZHAN

RESIDENT, PROXY, VOLUNTEER, DISPATCHER, LEADER = (
    Role.RESIDENT,
    Role.PROXY,
    Role.VOLUNTEER,
    Role.DISPATCHER,
    Role.TEAM_LEADER,
)
SHEET = "5e" * 32


async def test_what_triage_lacks_is_asked_and_answered_in_words_that_no_event_holds(quarter: Quarter) -> None:
    order_id = await quarter.place()
    ask = {"asked_for": ["address"], "words": "是东门还是西门"}
    await quarter.later(minutes=30)
    await quarter.done(f"/orders/{order_id}/request-info", ask, DUAN, DISPATCHER)
    shown = await quarter.seen(f"/orders/{order_id}", WANG, RESIDENT)
    assert (shown["question"], shown["asked_for"], shown["owner_role"]) == ("是东门还是西门", ["address"], "RESIDENT")
    await quarter.later(hours=4)
    assert await quarter.fire() == 0
    nothing: dict[str, Any] = {"details": {}}
    await quarter.refused(422, "invalid_request", f"/orders/{order_id}/provide-info", nothing, WANG, RESIDENT)
    said = {"details": {"address": "示例路1号西门501", "note": "胸痛好多了"}}
    answer = await quarter.done(f"/orders/{order_id}/provide-info", said, WANG_SON, PROXY)
    assert answer["emergency_numbers"] == ["120"]
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    assert shown["details"] == {"address": "示例路1号西门501", "note": "胸痛好多了", "phone": "13800000001"}
    assert (shown["info_requested_at"], shown["next_due_at"]) == (None, iso(MONDAY_NINE + timedelta(hours=6)))
    bodies = b"".join(recorded.body for recorded in await quarter.runtime.log.read(0, 10_000))
    for secret in ("西门", "胸痛"):
        assert secret.encode() not in bodies


async def test_after_a_no_show_others_are_asked_at_once(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    no_show = {"volunteer_id": str(ANNA)}
    path = f"/orders/{order_id}/no-show"
    await quarter.until(TOMORROW + timedelta(minutes=14))
    await quarter.refused(409, "not_late_yet", path, no_show, WANG, RESIDENT)
    await quarter.later(minutes=6)
    await quarter.refused(403, "forbidden", path, no_show, ANNA, LEADER)
    await quarter.refused(403, "forbidden", path, no_show, BO, RESIDENT)
    await quarter.done(path, no_show, WANG_SON, PROXY)
    assert await quarter.fire() == 1
    again = (await quarter.events(order_id))[-1]
    assert isinstance(again, OrderDispatched)
    assert ANNA not in {offer.volunteer_id for offer in again.offers}
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    (lost,) = shown["assignments"]
    assert (lost["served"], lost["contest_until"]) == ("NO_SHOW", iso(quarter.now() + timedelta(days=7)))
    assert shown["returned"] is True


async def test_behind_a_closed_door_a_welfare_check_begins_in_the_same_append(quarter: Quarter) -> None:
    order_id = await quarter.place()
    await quarter.done(f"/orders/{order_id}/verify", {"on_absence": "welfare_check"}, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{order_id}/open", {}, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
    await quarter.until(TOMORROW + timedelta(minutes=5))
    path = f"/orders/{order_id}/resident-absent"
    await quarter.refused(403, "forbidden", path, {}, BO, VOLUNTEER)
    size = await quarter.served.size()
    answer = await quarter.done(path, {}, ANNA, VOLUNTEER)
    absent, raised = (recorded.event for recorded in await quarter.runtime.log.read(size, 10))
    assert isinstance(absent, ResidentAbsentRecorded)
    assert isinstance(raised, WelfareCheckRaised)
    assert str(raised.check_id) == str(absent.check_id) == answer["check_id"]
    assert (raised.beneficiary_id, raised.order_id, raised.raised_by) == (WANG, order_id, ANNA)
    assert raised.due_at == quarter.now() + timedelta(minutes=30)
    cancel = f"/orders/{order_id}/cancel"
    await quarter.refused(409, "welfare_check_open", cancel, {}, WANG, RESIDENT)
    await quarter.refused(409, "welfare_check_open", cancel, {"reason_code": "absent"}, DUAN, DISPATCHER)
    assert await quarter.fire() == 0


async def test_where_a_call_was_agreed_there_is_no_check(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    await quarter.until(TOMORROW + timedelta(minutes=5))
    size = await quarter.served.size()
    answer = await quarter.done(f"/orders/{order_id}/resident-absent", {}, DUAN, DISPATCHER)
    assert "check_id" not in answer
    assert await quarter.served.size() == size + 1
    await quarter.done(f"/orders/{order_id}/cancel", {}, WANG, RESIDENT)


async def test_a_paper_service_is_entered_from_its_sheet(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    path = f"/orders/{order_id}/record-afterwards"
    ends = TOMORROW + timedelta(minutes=40)
    sheet = {"volunteer_id": str(ANNA), "started_at": iso(TOMORROW), "finished_at": iso(ends)}
    body = {"services": [sheet], "attachment_hash": SHEET}
    await quarter.refused(422, "not_over_yet", path, body, RUI, LEADER)
    await quarter.until(TOMORROW + timedelta(days=1))
    await quarter.refused(403, "forbidden", path, body, ANNA, LEADER)
    await quarter.refused(403, "forbidden", path, body, RUI, Role.STATION_MANAGER)
    await quarter.refused(422, "invalid_request", path, {**body, "attachment_hash": "sheet"}, RUI, LEADER)
    await quarter.done(path, body, RUI, LEADER, X_Channel="paper")
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    (done,) = shown["assignments"]
    assert (shown["state"], done["served"], done["minutes"], done["live"]) == ("SERVED", "FINISHED", 40, False)
    assert done["attachment_hash"] == SHEET
    await quarter.done(f"/orders/{order_id}/confirm", {}, WANG, RESIDENT)


async def test_who_came_without_an_acceptance_takes_the_slot_with_the_record(quarter: Quarter) -> None:
    order_id = await quarter.verified()
    await quarter.until(TOMORROW + timedelta(hours=1))
    sheet = {"volunteer_id": str(BO), "started_at": iso(TOMORROW), "finished_at": iso(TOMORROW + timedelta(minutes=30))}
    body = {"services": [sheet], "attachment_hash": SHEET}
    await quarter.done(f"/orders/{order_id}/record-afterwards", body, ZHAN, Role.STATION_MANAGER)
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    (done,) = shown["assignments"]
    assert (shown["slots_filled"], done["volunteer_id"], done["minutes"]) == (1, str(BO), 30)
