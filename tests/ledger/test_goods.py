"""Things given, over HTTP on real PostgreSQL: their value in the books, who sees whose they are, races, replay."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.command import Role
from contracts.ledger import EntryPosted
from eventstore.errors import ConstraintBroken
from eventstore.model import Append, Metadata, StreamAppend
from services.ledger.commands import goods_stream
from services.ledger.decider import goods
from tests.ledger.counter import AS_AUDITOR, AS_CASHIER, AS_CLERK, DONOR, Counter
from tests.ledger.examples import ANNA, BO, CLERK, DIGEST, TELLER
from tests.ledger.goods_examples import RICE, STATION, WATCHER, receive_goods, sell
from tests.ledger.office import lives

AS_STATION, AS_BO, AS_WATCHER = (STATION, Role.STATION_MANAGER), (BO, Role.VOLUNTEER), (WATCHER, Role.SUPERVISOR)
GIVEN: dict[str, Any] = {**RICE, "condition": "new", "expires_on": "2030-12-31"}
FOR_ANNA: dict[str, Any] = {"qty": 4, "purpose": "hardship", "recipient_id": str(ANNA), "volunteer_id": str(BO)}
SLIP = {"voucher_sha256": [DIGEST]}
SOLD = {"qty": 2, "price_fen": 5_000, "method": "cash", **SLIP}
BROKEN = {"qty": 1, "reason_code": "damaged"}


@pytest.fixture(autouse=True)
async def staff(counter: Counter) -> None:
    await counter.hear(lives(STATION), lives(WATCHER))


async def taken_in(counter: Counter, **changes: Any) -> str:
    lot_id: str = (await counter.done("/goods", {**GIVEN, **changes}, *AS_CLERK))["lot_id"]
    return lot_id


async def entries(counter: Counter) -> list[EntryPosted]:
    return [event for event in await counter.events() if isinstance(event, EntryPosted)]


async def test_things_come_and_go_at_their_declared_value_and_are_never_money(counter: Counter):
    lot_id = await taken_in(counter)
    allocated = await counter.done(f"/goods/{lot_id}/allocate", FOR_ANNA, *AS_STATION)
    delivered = await counter.done(f"/goods-allocations/{allocated['allocation_id']}/deliver", SLIP, *AS_BO)
    assert len(delivered["event_ids"]) == 2, "what happened and its entry are one append"
    await counter.done(f"/goods/{lot_id}/sell", SOLD, *AS_CASHIER)
    for who in (AS_CLERK, AS_WATCHER):
        await counter.done(f"/goods/{lot_id}/write-off", BROKEN, *who)
    posted = await entries(counter)
    assert [(entry.kind, entry.entry_no) for entry in posted] == [
        ("goods_received", 1), ("goods_delivered", 2), ("goods_sold", 3), ("goods_written_off", 4),
    ]  # fmt: skip
    assert [[(one.account, one.amount) for one in entry.postings] for entry in posted] == [
        [("assets:goods", 30_000), ("income:in_kind", -30_000)],
        [("expense:in_kind:aid:hardship", 12_000), ("assets:goods", -12_000)],
        [
            ("expense:in_kind:sold", 6_000),
            ("assets:goods", -6_000),
            ("assets:cash_box", 5_000),
            ("income:in_kind_sales", -5_000),
        ],
        [("expense:in_kind:written_off", 3_000), ("assets:goods", -3_000)],
    ]
    balances = await counter.read("/balances", fund="fund-relief")
    assert balances["totals"] == {"fen": 0}
    assert balances["funds"][0]["balance_fen"] == 5_000, "only what was sold is money"
    position = balances["position"]
    assert (await counter.read("/balances", as_of_position=position))["funds"][0]["balance_fen"] == 5_000
    pots = (await counter.read("/funds/fund-relief/pots"))["pots"]
    assert {pot["pot"]: pot["balance_fen"] for pot in pots} == {"": 5_000, "goods": 9_000}
    (stock,) = (await counter.read("/goods"))["stock"]
    assert (stock["on_hand_qty"], stock["value_fen"]) == (3, 9_000)


async def test_the_log_learns_who_brings_but_not_who_gets(counter: Counter):
    lot_id = await taken_in(counter)
    allocated = await counter.done(f"/goods/{lot_id}/allocate", FOR_ANNA, *AS_STATION)
    bodies = b"".join(raw.body for raw in await counter.runtime.log.read_raw(0, 100))
    assert str(ANNA).encode() not in bodies
    assert str(BO).encode() in bodies
    path = f"/goods-allocations/{allocated['allocation_id']}"
    assert (await counter.read(f"{path}/recipient", *AS_BO))["recipient_id"] == str(ANNA)
    assert (await counter.read("/goods-allocations", *AS_BO))["allocations"][0]["qty"] == 4
    for who in ((ANNA, Role.VOLUNTEER), AS_AUDITOR):
        assert (await counter.get(f"{path}/recipient", *who)).status_code == 403
    await counter.done(f"{path}/deliver", SLIP, *AS_BO)
    assert (await counter.get(f"{path}/recipient", *AS_BO)).status_code == 403, "once it is brought, no more"
    assert "recipient_ref" not in str(await counter.read(f"/goods/{lot_id}"))


async def test_hands_are_kept_apart(counter: Counter):
    lot_id = await taken_in(counter)
    await counter.refused(403, "same_hands", f"/goods/{lot_id}/sell", SOLD, CLERK, Role.CASHIER)
    themselves = {**FOR_ANNA, "volunteer_id": str(STATION)}
    await counter.refused(422, "goods_hands_equal", f"/goods/{lot_id}/allocate", themselves, *AS_STATION)
    nobody = {**FOR_ANNA, "recipient_id": str(uuid4())}
    await counter.refused(422, "person_unknown", f"/goods/{lot_id}/allocate", nobody, *AS_STATION)
    allocated = await counter.done(f"/goods/{lot_id}/allocate", FOR_ANNA, *AS_STATION)
    path = f"/goods-allocations/{allocated['allocation_id']}/deliver"
    await counter.refused(403, "not_the_bearer", path, SLIP, ANNA, Role.VOLUNTEER)
    await counter.done(f"/goods/{lot_id}/write-off", BROKEN, *AS_CLERK)
    again = await counter.done(f"/goods/{lot_id}/write-off", BROKEN, CLERK, Role.STATION_MANAGER)
    assert again["step"] == 1, "in another role one is still one person"
    assert (await counter.read(f"/goods/{lot_id}"))["write_off"] == BROKEN
    await counter.refused(404, "lot_unknown", f"/goods/{uuid4()}/sell", SOLD, *AS_CASHIER)


async def test_what_is_past_its_day_is_refused_at_the_door(counter: Counter):
    body = {**GIVEN, "expires_on": "2020-01-01"}
    problem = await counter.refused(409, "goods_expired", "/goods", body, *AS_CLERK)
    assert "2020-01-01" in str(problem)


MALFORMED: list[tuple[dict[str, Any], str]] = [
    ({"qty": 0}, "/qty"),
    ({"qty": 1.5}, "/qty"),
    ({"qty": "ten"}, "/qty"),
    ({"unit_value_fen": 0}, "/unit_value_fen"),
    ({"sku": "米"}, "/sku"),
    ({"condition": "rotten"}, "/condition"),
    ({"expires_on": "2026-02-30"}, "/expires_on"),
    ({"colour": "white"}, "/colour"),
]


async def test_what_is_not_well_formed_is_refused_with_the_place(counter: Counter):
    for changes, where in MALFORMED:
        problem = await counter.refused(422, "invalid_request", "/goods", {**GIVEN, **changes}, *AS_CLERK)
        assert where in {error["pointer"] for error in problem["errors"]}, changes


async def test_things_that_were_promised_meet_their_pledge_and_get_a_receipt(counter: Counter):
    promised = {"fund": "fund-relief", "amount_fen": 30_000, "goods": {"sku": "rice_5kg", "qty": 10}, "donor": DONOR}
    donation_id = (await counter.done("/donations", promised, *AS_CLERK))["donation_id"]
    bank = {"method": "bank_transfer"}
    await counter.refused(409, "not_what_was_pledged", f"/donations/{donation_id}/receive", bank, *AS_CASHIER)
    brought = {**GIVEN, "qty": 9, "donation_id": donation_id}
    await counter.refused(403, "same_hands", "/goods", brought, *AS_CLERK)
    as_other = (TELLER, Role.FUND_CLERK)
    await counter.refused(409, "not_what_was_pledged", "/goods", {**brought, "sku": "oil_5l"}, *as_other)
    received = await counter.done("/goods", brought, *as_other)
    assert (await counter.types())[-3:] == ["InKindReceived", "DonationReceived", "EntryPosted"]
    assert len(received["event_ids"]) == 3
    gift = await counter.read(f"/donations/{donation_id}")
    assert (gift["state"], gift["method"], gift["amount_fen"]) == ("RECEIVED", "goods", 27_000)
    assert (gift["goods_sku"], gift["goods_qty"], gift["lot_id"]) == ("rice_5kg", 10, received["lot_id"])
    await counter.refused(409, "received_already", "/goods", brought, *as_other)
    receipt = {"receipt_no": "TJ-2026-000031"}
    await counter.refused(403, "same_hands", f"/donations/{donation_id}/receipt", receipt, *as_other)
    await counter.done(f"/donations/{donation_id}/receipt", receipt, *AS_CLERK)


async def test_a_pledge_of_things_names_no_purpose(counter: Counter):
    promised = {"fund": "fund-relief", "amount_fen": 1, "goods": {"sku": "rice", "qty": 1}, "purpose": "illness"}
    problem = await counter.refused(422, "invalid_request", "/donations", promised, *AS_CLERK)
    assert problem["errors"][0]["reason_code"] == "goods_have_no_purpose"


async def test_of_many_who_want_the_last_pieces_those_get_them_that_there_is_enough_for(counter: Counter):
    lot_id = await taken_in(counter)
    asked = [counter.ask(f"/goods/{lot_id}/sell", {**SOLD, "qty": 4}, *AS_CASHIER) for _ in range(5)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 409, 409, 409]
    assert {each.json()["reason_code"] for each in answers if each.status_code == 409} == {"stock_insufficient"}
    (stock,) = (await counter.read("/goods"))["stock"]
    assert stock["on_hand_qty"] == 2


async def test_two_second_words_at_once_write_off_once(counter: Counter):
    lot_id = await taken_in(counter)
    await counter.done(f"/goods/{lot_id}/write-off", BROKEN, *AS_CLERK)
    path = f"/goods/{lot_id}/write-off"
    answers = await asyncio.gather(*(counter.ask(path, BROKEN, *who) for who in (AS_WATCHER, AS_STATION)))
    assert 200 in {answer.status_code for answer in answers}
    posted = [entry for entry in await entries(counter) if entry.kind == "goods_written_off"]
    second = [event for event in await counter.events() if event.type == "InKindWrittenOff" and event.step == 2]
    assert len(posted) == len(second) == 1


async def test_postgresql_itself_refuses_more_than_there_is(counter: Counter):
    lot_id, _ = UUID(await taken_in(counter)), await taken_in(counter)
    stream = goods_stream(lot_id)
    rich = goods.Lot(receive_goods_event(lot_id), 1_000)
    for qty, constraint in ((11, "goods_lots_not_negative"), (21, "goods_stock_not_negative")):
        # Of the lot there are 10, of its kind 20; a lot that nobody took in shows the kind's own limit.
        (event,) = goods.decide(sell(lot_id=lot_id if qty == 11 else uuid4(), qty=qty), rich)
        version = len(await counter.runtime.log.read_stream(stream))
        with pytest.raises(ConstraintBroken) as broken:
            await counter.runtime.log.append(Append([StreamAppend(stream, version, [event])], Metadata("system")))
        assert broken.value.constraint == constraint
    assert (await counter.read(f"/goods/{lot_id}"))["on_hand_qty"] == 10


def receive_goods_event(lot_id: UUID) -> Any:
    (event,) = goods.decide(receive_goods(lot_id=lot_id), goods.initial())
    return event


async def test_who_may_not_see_things_learns_nothing(counter: Counter):
    lot_id = await taken_in(counter)
    for path in ("/goods", f"/goods/{lot_id}"):
        assert (await counter.get(path, ANNA, Role.RESIDENT)).status_code == 403
    assert (await counter.get(f"/goods/{uuid4()}")).json()["reason_code"] == "lot_unknown"
    assert (await counter.read("/goods", expiring_until="2030-12-31", sku="rice_5kg"))["lots"][0]["lot_id"] == lot_id
    assert (await counter.read("/goods", expiring_until="2030-12-30"))["lots"] == []
