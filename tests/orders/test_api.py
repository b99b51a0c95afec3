"""The loop over HTTP, who sees what of it, and the kind answers."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

from contracts.command import Role
from contracts.orders import OrderDispatched, OrderOpened, OrderPlaced
from contracts.volunteers import InsuranceRecorded, LicenceRecorded, RelationDeclared
from tests.orders.quarter import TOMORROW, Quarter, iso
from tests.orders.samples import ANNA, BO, CHEN, DUAN, GUO, MONDAY_NINE, RUI, WANG, WANG_SON, ZHAN

RESIDENT, PROXY, VOLUNTEER, DISPATCHER = Role.RESIDENT, Role.PROXY, Role.VOLUNTEER, Role.DISPATCHER


async def test_an_order_from_the_wish_to_the_rating(quarter: Quarter) -> None:
    order_id = await quarter.verified()
    answer = await quarter.done(f"/orders/{order_id}/dispatch", {}, DUAN, DISPATCHER)
    assert {offer["volunteer_id"] for offer in answer["offers"]} == {str(ANNA), str(BO), str(CHEN)}
    offers = await quarter.seen("/volunteers/me/offers", BO, VOLUNTEER)
    assert [offer["order_id"] for offer in offers["offers"]] == [str(order_id)]
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
    loser = await quarter.refused(409, "already_taken", f"/orders/{order_id}/accept", {}, BO, VOLUNTEER)
    assert loser["title_zh"] == "已有人接了，谢谢您。"
    code = (await quarter.seen(f"/orders/{order_id}", WANG, RESIDENT))["service_code"]
    await quarter.until(TOMORROW)
    await quarter.done(f"/orders/{order_id}/start", {"service_code": code}, ANNA, VOLUNTEER)
    await quarter.later(minutes=42)
    finish = {"service_code": code, "outcome": "done"}
    await quarter.done(f"/orders/{order_id}/finish", finish, ANNA, VOLUNTEER)
    await quarter.done(f"/orders/{order_id}/confirm", {}, WANG, RESIDENT)
    rating = {"score": 5, "comment": "剪得真好", "tags": ["on-time"]}
    await quarter.done(f"/orders/{order_id}/rate", rating, WANG_SON, PROXY)
    assert await quarter.types(order_id) == [
        "OrderPlaced",
        "OrderVerified",
        "OrderDispatched",
        "OrderAccepted",
        "OrderStaffed",
        "ServiceStarted",
        "ServiceFinished",
        "CompletionConfirmed",
        "OrderRated",
    ]
    shown = await quarter.seen(f"/orders/{order_id}", WANG, RESIDENT)
    assert (shown["state"], shown["score"], shown["comment"]) == ("RATED", 5, "剪得真好")
    assert [one["minutes"] for one in shown["assignments"]] == [42]
    history = (await quarter.seen(f"/orders/{order_id}/history", WANG, RESIDENT))["history"]
    assert history[0]["line"].startswith("居民点单 — ")
    bodies = b"".join(recorded.body for recorded in await quarter.runtime.log.read(0, 10_000))
    for secret in ("示例路", "13800000001", "剪得真好", "想理个发"):
        assert secret.encode() not in bodies


async def test_an_inquiry_becomes_one_order_however_often_it_is_asked(quarter: Quarter) -> None:
    need = {"result": "need", "resident_id": str(WANG), "item_code": "haircut", "consented": True}
    details = {"address": "示例路1号1门501", "note": "腿脚不便"}
    asked = await quarter.done("/inquiries", {**need, "details": details}, GUO, Role.GRID_WORKER)
    path = f"/inquiries/{asked['inquiry_id']}/order"
    window = {"window_start": iso(TOMORROW), "window_end": iso(TOMORROW + timedelta(hours=1))}
    order = {"on_absence": "welfare_check", **window}
    await quarter.refused(403, "forbidden", path, order, GUO, Role.STATION_MANAGER)
    answers = await asyncio.gather(*(quarter.ask(path, order, ZHAN, Role.STATION_MANAGER) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {a.json()["reason_code"] for a in answers if a.status_code == 409} == {"inquiry_converted"}
    order_id = next(UUID(answer.json()["order_id"]) for answer in answers if answer.status_code == 201)
    placed, _, opened = await quarter.events(order_id)
    assert isinstance(placed, OrderPlaced)
    assert isinstance(opened, OrderOpened)
    assert (placed.mode, placed.requested_by, placed.project_code) == ("inquiry", GUO, "free-haircuts")
    assert set(opened.invited) == {ANNA, BO, CHEN}
    assert await quarter.state(order_id) == "OPEN"
    shown = await quarter.seen(f"/orders/{order_id}", DUAN, DISPATCHER)
    assert shown["details"]["note"] == "腿脚不便"
    waiting = await quarter.seen("/inquiries?waiting=true", ZHAN, Role.STATION_MANAGER)
    assert waiting["inquiries"] == []


async def test_who_is_not_at_home_gives_no_order(quarter: Quarter) -> None:
    nobody = {"result": "not_home", "household_id": str(uuid4()), "entrance_id": "entrance-003"}
    asked = await quarter.done("/inquiries", nobody, ANNA, VOLUNTEER)
    window = {"window_start": iso(TOMORROW), "window_end": iso(TOMORROW + timedelta(hours=1)), "on_absence": "call"}
    path = f"/inquiries/{asked['inquiry_id']}/order"
    await quarter.refused(409, "inquiry_without_need", path, window, ZHAN, Role.STATION_MANAGER)


async def test_a_proxy_asks_for_whom_they_may_act_for(quarter: Quarter) -> None:
    wish = quarter.wish(beneficiary_id=str(WANG))
    answer = await quarter.done("/orders", wish, WANG_SON, PROXY)
    placed = (await quarter.events(UUID(answer["order_id"])))[0]
    assert isinstance(placed, OrderPlaced)
    assert (placed.beneficiary_id, placed.requested_by) == (WANG, WANG_SON)
    await quarter.refused(403, "forbidden", "/orders", wish, CHEN, PROXY)
    await quarter.refused(403, "forbidden", "/orders", wish, CHEN, RESIDENT)
    mine = await quarter.seen("/orders?mine=proxy", WANG_SON, PROXY)
    assert [order["order_id"] for order in mine["orders"]] == [answer["order_id"]]


async def test_the_door_is_shown_after_accepting_and_the_code_never_to_the_volunteer(quarter: Quarter) -> None:
    order_id = await quarter.opened()
    before = await quarter.seen(f"/orders/{order_id}", ANNA, VOLUNTEER)
    assert before["item_name"] == "理发"
    hidden = {"details", "service_code", "qr", "beneficiary_id", "household_id", "entrance_id", "details_ref"}
    assert not hidden & before.keys()
    pool = await quarter.seen("/orders?mine=pool", ANNA, VOLUNTEER)
    assert [order["order_id"] for order in pool["orders"]] == [str(order_id)]
    assert not hidden & pool["orders"][0].keys()
    await quarter.done(f"/orders/{order_id}/accept", {}, ANNA, VOLUNTEER)
    accepted = await quarter.seen(f"/orders/{order_id}", ANNA, VOLUNTEER)
    assert accepted["details"]["address"] == "示例路1号1门501"
    assert not {"service_code", "qr"} & accepted.keys()
    both = await quarter.seen(f"/orders/{order_id}", ANNA, VOLUNTEER, DISPATCHER)
    assert "service_code" not in both
    for reader, role in ((WANG, RESIDENT), (WANG_SON, PROXY), (DUAN, DISPATCHER)):
        assert len((await quarter.seen(f"/orders/{order_id}", reader, role))["service_code"]) == 4
    assert (await quarter.read(f"/orders/{order_id}", BO, VOLUNTEER)).status_code == 403
    assert (await quarter.read(f"/orders/{order_id}", CHEN, RESIDENT)).status_code == 403
    seen_by_auditor = await quarter.seen(f"/orders/{order_id}", RUI, Role.AUDITOR)
    assert not {"details", "service_code"} & seen_by_auditor.keys()


async def test_once_the_service_is_over_the_volunteer_sees_no_door_any_more(quarter: Quarter) -> None:
    order_id = await quarter.served_order()
    shown = await quarter.seen(f"/orders/{order_id}", ANNA, VOLUNTEER)
    assert shown["state"] == "SERVED"
    assert "details" not in shown


async def test_presence_is_shown_by_the_code_the_qr_or_a_leader(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    shown = await quarter.seen(f"/orders/{order_id}", WANG, RESIDENT)
    await quarter.until(TOMORROW)
    start = f"/orders/{order_id}/start"
    await quarter.refused(422, "evidence_needed", start, {}, ANNA, VOLUNTEER)
    wrong = f"{(int(shown['service_code']) + 1) % 10_000:04d}"
    await quarter.refused(409, "code_wrong", start, {"service_code": wrong}, ANNA, VOLUNTEER)
    await quarter.refused(409, "qr_wrong", start, {"qr": "0" * 32}, ANNA, VOLUNTEER)
    await quarter.refused(403, "forbidden", start, {"service_code": shown["service_code"]}, BO, VOLUNTEER)
    await quarter.done(start, {"qr": shown["qr"]}, ANNA, VOLUNTEER)
    await quarter.later(minutes=30)
    leader = {"outcome": "partly", "volunteer_id": str(ANNA)}
    await quarter.done(f"/orders/{order_id}/finish", leader, RUI, Role.TEAM_LEADER)
    assert await quarter.state(order_id) == "SERVED"


async def test_guessing_the_code_ends_after_five(quarter: Quarter) -> None:
    order_id = await quarter.accepted()
    code = (await quarter.seen(f"/orders/{order_id}", WANG, RESIDENT))["service_code"]
    await quarter.until(TOMORROW)
    start = f"/orders/{order_id}/start"
    for guess in range(1, 6):
        wrong = {"service_code": f"{(int(code) + guess) % 10_000:04d}"}
        await quarter.refused(409, "code_wrong", start, wrong, ANNA, VOLUNTEER)
    await quarter.refused(429, "code_tries_over", start, {"service_code": code}, ANNA, VOLUNTEER)
    await quarter.done(start, {"volunteer_id": str(ANNA)}, RUI, Role.TEAM_LEADER)


async def test_emergency_words_show_the_numbers_first_and_refuse_nothing(quarter: Quarter) -> None:
    wish = quarter.wish(details={"note": "我摔倒了,起不来,家里有煤气味"})
    answer = await quarter.ask("/orders", wish, WANG, RESIDENT)
    assert answer.status_code == 201
    assert answer.text.startswith('{"emergency_numbers":["120","119"]')
    assert await quarter.state(UUID(answer.json()["order_id"])) == "PLACED"


async def test_a_second_wish_of_a_household_gets_a_hint_and_is_taken(quarter: Quarter) -> None:
    first = await quarter.place()
    again = await quarter.done("/orders", quarter.wish(), WANG, RESIDENT)
    assert again["possible_duplicate_of"] == str(first)
    other = await quarter.done("/orders", quarter.wish(item_code="green-patrol"), WANG, RESIDENT)
    assert "possible_duplicate_of" not in other


async def test_candidates_come_with_reasons_for_and_against(quarter: Quarter) -> None:
    order_id = await quarter.verified()
    await quarter.accepted(CHEN)
    answer = await quarter.seen(f"/orders/{order_id}/candidates", DUAN, DISPATCHER)
    first, second, last = answer["candidates"]
    assert (first["volunteer_id"], first["reasons_for"][0]) == (str(BO), "same_entrance")
    assert (second["volunteer_id"], second["eligible"]) == (str(ANNA), True)
    assert (last["volunteer_id"], last["eligible"]) == (str(CHEN), False)
    assert last["reasons_against"][0] == "time_overlap"
    assert (await quarter.read(f"/orders/{order_id}/candidates", ANNA, VOLUNTEER)).status_code == 403


async def test_a_licence_decides_who_is_asked(quarter: Quarter) -> None:
    order_id = await quarter.verified(item_code="health-clinic")
    dispatch = f"/orders/{order_id}/dispatch"
    await quarter.refused(409, "nobody_to_ask", dispatch, {}, DUAN, DISPATCHER)
    named = {"volunteer_ids": [str(ANNA)]}
    refused = await quarter.refused(409, "candidate_unfit", dispatch, named, DUAN, DISPATCHER)
    assert refused["facts"]["why"] == "licence_needed"
    assert refused["title_zh"] == "这位志愿者现在不能派：这一单要有证照才能接。"
    for expires_on in (MONDAY_NINE.date(), TOMORROW.date()):
        licence = LicenceRecorded(
            licence_id=uuid4(),
            volunteer_id=ANNA,
            licence="medical",
            expires_on=expires_on,
            due_at=TOMORROW,
            role=Role.STATION_MANAGER,
            recorded_at=MONDAY_NINE,
        )
        await quarter.hear(licence)
    await quarter.done(dispatch, named, DUAN, DISPATCHER)
    dispatched = (await quarter.events(order_id))[-1]
    assert isinstance(dispatched, OrderDispatched)
    assert "for:licence:medical" in dispatched.offers[0].reasons


async def test_insurance_must_hold_before_a_risky_service(quarter: Quarter) -> None:
    order_id = await quarter.place()
    verify = {"on_absence": "call", "insurance_required": True}
    await quarter.done(f"/orders/{order_id}/verify", verify, DUAN, DISPATCHER)
    await quarter.done(f"/orders/{order_id}/open", {}, DUAN, DISPATCHER)
    accept = f"/orders/{order_id}/accept"
    await quarter.refused(409, "insurance_needed", accept, {}, ANNA, VOLUNTEER)
    insured = InsuranceRecorded(
        insurance_id=uuid4(),
        volunteer_id=ANNA,
        insurance="accident",
        valid_from=MONDAY_NINE.date(),
        expires_on=TOMORROW.date(),
        role=Role.STATION_MANAGER,
        recorded_at=MONDAY_NINE,
    )
    await quarter.hear(insured)
    await quarter.done(accept, {}, ANNA, VOLUNTEER)


async def test_relatives_are_asked_after_others_and_the_dispatcher_sees_why(quarter: Quarter) -> None:
    order_id = await quarter.verified()
    tie = RelationDeclared(
        relation_id=uuid4(), person_a_id=WANG, person_b_id=BO, kind="sibling", role=RESIDENT, declared_at=MONDAY_NINE
    )
    await quarter.hear(tie)
    candidates = (await quarter.seen(f"/orders/{order_id}/candidates", DUAN, DISPATCHER))["candidates"]
    assert [one["volunteer_id"] for one in candidates][-1] == str(BO)
    assert candidates[-1]["reasons_against"] == ["declared_relation"]


async def test_nobody_is_offered_more_than_two_orders_a_day(quarter: Quarter) -> None:
    named = {"volunteer_ids": [str(ANNA)]}
    for _ in range(2):
        order_id = await quarter.verified()
        await quarter.done(f"/orders/{order_id}/dispatch", named, DUAN, DISPATCHER)
    order_id = await quarter.verified()
    path = f"/orders/{order_id}/dispatch"
    refused = await quarter.refused(409, "candidate_unfit", path, named, DUAN, DISPATCHER)
    assert refused["facts"]["why"] == "offers_today_reached"


async def test_unfulfilled_takes_a_dispatcher_and_the_station_manager(quarter: Quarter) -> None:
    order_id = await quarter.opened()
    path = f"/orders/{order_id}/declare-unfulfilled"
    declared = {"reason_code": "nobody_available", "seconded_by": str(ZHAN)}
    await quarter.refused(409, "search_not_over", path, declared, DUAN, DISPATCHER)
    await quarter.until(TOMORROW + timedelta(hours=2))
    alone = {**declared, "seconded_by": str(DUAN)}
    await quarter.refused(403, "second_person_required", path, alone, DUAN, DISPATCHER)
    unentitled = {**declared, "seconded_by": str(ANNA)}
    await quarter.refused(403, "seconder_not_entitled", path, unentitled, DUAN, DISPATCHER)
    await quarter.done(path, declared, DUAN, DISPATCHER)
    assert await quarter.state(order_id) == "UNFULFILLED"


async def test_a_refusal_in_words_goes_to_the_vault(quarter: Quarter) -> None:
    order_id = await quarter.place()
    refuse = f"/orders/{order_id}/refuse"
    await quarter.refused(422, "words_needed", refuse, {"reason_code": "other"}, DUAN, DISPATCHER)
    await quarter.done(refuse, {"reason_code": "other", "words": "请找物业"}, DUAN, DISPATCHER)
    shown = await quarter.seen(f"/orders/{order_id}", WANG, RESIDENT)
    assert (shown["state"], shown["refusal_words"]) == ("REFUSED", "请找物业")


async def test_the_catalogue_has_versions_and_old_orders_keep_theirs(quarter: Quarter) -> None:
    order_id = await quarter.place()
    longer = {"item_code": "haircut", "expected_minutes": 45, "home_visit": False, "skills": ["haircut"]}
    await quarter.done("/service-items", longer, DUAN, DISPATCHER)
    await quarter.refused(409, "item_published_already", "/service-items", longer, DUAN, DISPATCHER)
    shown = await quarter.seen(f"/orders/{order_id}", WANG, RESIDENT)
    assert (shown["expected_minutes"], shown["item_version"]) == (30, 1)
    await quarter.done("/service-items/haircut/retire", {"replaced_by": "haircut-at-home"}, DUAN, DISPATCHER)
    await quarter.refused(422, "item_retired", "/orders", quarter.wish(), WANG, RESIDENT)
    items = (await quarter.seen("/service-items", ANNA, VOLUNTEER))["service_items"]
    assert {item["item_code"]: item["active"] for item in items}["haircut"] is False


async def test_staff_see_what_their_role_covers(quarter: Quarter) -> None:
    order_id = await quarter.place()
    assert len((await quarter.seen("/orders?state=PLACED", DUAN, DISPATCHER))["orders"]) == 1
    assert len((await quarter.seen("/orders", GUO, Role.GRID_WORKER))["orders"]) == 1
    await quarter.hear(quarter.granted(RUI, Role.GRID_WORKER, "grid", "grid-09"))
    assert (await quarter.seen("/orders", RUI, Role.GRID_WORKER))["orders"] == []
    assert (await quarter.read(f"/orders/{order_id}", RUI, Role.GRID_WORKER)).status_code == 403
    assert (await quarter.read("/orders", ANNA, VOLUNTEER)).status_code == 403
    assert (await quarter.seen("/order-counts", DUAN, DISPATCHER))["orders"] == {"PLACED": 1}
    await quarter.later(hours=3)
    overdue = await quarter.seen("/orders?overdue=true", DUAN, DISPATCHER)
    assert [order["order_id"] for order in overdue["orders"]] == [str(order_id)]
