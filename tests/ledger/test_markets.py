"""A market over HTTP on real PostgreSQL, from its opening to its disclosure, by hand and by the deadline."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from contracts.command import SYSTEM, Role
from contracts.ledger import EntryPosted, MarketDisclosed
from eventstore.model import Metadata
from services.ledger.timers import due_of
from tests.ledger.counter import AS_AUDITOR, Counter
from tests.ledger.examples import CASHIER, CLERK, DIGEST, TELLER
from tests.ledger.goods_examples import POTTER, STAFF, STATION, WATCHER, WEAVER
from tests.ledger.office import Office, lives

AS_STATION, AS_WEAVER, AS_POTTER = (STATION, Role.STATION_MANAGER), (WEAVER, Role.VOLUNTEER), (POTTER, Role.VOLUNTEER)
AS_WATCHER, AS_CASHIER, AS_CLERK = (WATCHER, Role.SUPERVISOR), (CASHIER, Role.CASHIER), (CLERK, Role.FUND_CLERK)
MARKET: dict[str, Any] = {
    "fund": "fund-public-good",
    "agreement_sha256": [DIGEST],
    "stalls": [
        {"stall": "weaving", "volunteer_id": str(WEAVER)},
        {"stall": "pots", "volunteer_id": str(POTTER)},
    ],
}
SCARF: dict[str, Any] = {"stall": "weaving", "sku": "scarf", "amount_fen": 8_000, "method": "cash"}
SLIP = {"voucher_sha256": ["cd" * 32]}
NOTE = "有一位邻居多给了两元，说不用找。"


@pytest.fixture(autouse=True)
async def staff(office: Office) -> None:
    await office.counter.hear(*(lives(person) for person in STAFF))


async def opened(counter: Counter) -> str:
    return f"/markets/{(await counter.done('/markets', MARKET, *AS_STATION))['market_id']}"


async def sold(counter: Counter, path: str, **changes: Any) -> str:
    return f"{path}/sales/{(await counter.done(f'{path}/sales', {**SCARF, **changes}, *AS_WEAVER))['sale_id']}"


async def settled(counter: Counter, path: str, counted_fen: int = 8_000, **more: Any) -> None:
    body = {"counted_fen": counted_fen}
    await counter.done(f"{path}/reconcile", {**body, **more}, *AS_CASHIER)
    await counter.done(f"{path}/reconcile", body, *AS_WATCHER)


async def disclose_what_is_due(office: Office) -> int:
    runtime = office.counter.runtime
    due = await due_of(runtime)(office.now, 10)
    for one in due:
        await runtime.executor.execute(one.build, Metadata(actor=SYSTEM.actor))
    return len(due)


async def test_a_market_from_its_opening_to_its_disclosure(office: Office):
    counter = office.counter
    path = await opened(counter)
    await sold(counter, path)
    mistaken = await sold(counter, path, amount_fen=80_000)
    wrong = {"reason_code": "entered_wrongly"}
    await counter.done(f"{mistaken}/void", wrong, *AS_WEAVER)
    await counter.refused(403, "witness_needed", f"{mistaken}/void", wrong, *AS_WEAVER)
    await counter.done(f"{mistaken}/void", wrong, *AS_POTTER)
    await settled(counter, path, 8_200, note=NOTE)
    deposited = await counter.done(f"{path}/deposit", SLIP, TELLER, Role.CASHIER)
    assert len(deposited["event_ids"]) == 2
    entry = (await counter.events())[-1]
    assert isinstance(entry, EntryPosted)
    assert [(one.account, one.fund, one.amount) for one in entry.postings] == [
        ("assets:bank", "fund-public-good", 8_200),
        ("income:market", "fund-public-good", -8_200),
    ]
    await counter.done(f"{path}/disclose", {}, *AS_CLERK)
    market = await counter.read(path)
    assert market["state"] == "DISCLOSED"
    assert market["disclosed"] == {
        "sales": 1, "sales_fen": 8_000, "counted_fen": 8_200, "variance_fen": 200, "deposited_fen": 8_200,
        "complete": True,
    }  # fmt: skip
    assert [(one["state"], one["amount_fen"]) for one in market["recorded"]] == [("RECORDED", 8_000), ("VOID", 80_000)]
    assert await disclose_what_is_due(office) == 0
    public_good = (await counter.read("/balances"))["funds"][1]
    assert public_good == {"fund": "fund-public-good", "name": "公益基金", "balance_fen": 8_200}


async def test_the_note_lies_in_the_vault(office: Office):
    counter = office.counter
    path = await opened(counter)
    await counter.refused(422, "note_needed", f"{path}/reconcile", {"counted_fen": 200}, *AS_CASHIER)
    await settled(counter, path, 200, note=NOTE)
    bodies = b"".join(raw.body for raw in await counter.runtime.log.read_raw(0, 100))
    assert NOTE.encode() not in bodies
    assert (await counter.read(f"{path}/note"))["note"] == NOTE
    assert (await counter.get(f"{path}/note", WEAVER, Role.VOLUNTEER)).status_code == 403
    (event,) = [one for one in await counter.events() if one.type == "MarketReconciled" and one.step == 2]
    assert await counter.runtime.vault.matches(event.note_ref, "note", event.note_commitment)


async def test_the_second_count_is_made_and_not_copied(office: Office):
    counter = office.counter
    path = await opened(counter)
    await sold(counter, path)
    await counter.done(f"{path}/reconcile", {"counted_fen": 8_000}, *AS_CASHIER)
    shown = await counter.read(path, *AS_WATCHER)
    assert (shown["state"], shown["counted_fen"], shown["variance_fen"]) == ("COUNTED", None, None)
    problem = await counter.refused(409, "count_differs", f"{path}/reconcile", {"counted_fen": 7_000}, *AS_WATCHER)
    said = str({**problem, "instance": "the market's id, which may have any digits"})
    assert "8000" not in said.replace(",", "").replace("_", "")
    await counter.refused(409, "market_elsewhere", f"{path}/sales", SCARF, *AS_WEAVER)
    await counter.refused(409, "market_elsewhere", f"{path}/deposit", SLIP, *AS_CASHIER)


async def test_nobody_has_two_hands_at_a_market(office: Office):
    counter = office.counter
    path = await opened(counter)
    sale = await sold(counter, path)
    await counter.refused(403, "not_your_stall", f"{path}/sales", SCARF, *AS_POTTER)
    await counter.refused(403, "forbidden", f"{path}/sales", SCARF, CLERK, Role.VOLUNTEER)
    await counter.refused(403, "not_your_stall", f"{sale}/void", {"reason_code": "given_back"}, *AS_WATCHER)
    count = {"counted_fen": 8_000}
    await counter.refused(403, "stall_counts_not", f"{path}/reconcile", count, WEAVER, Role.CASHIER)
    await counter.refused(409, "count_first", f"{path}/reconcile", count, *AS_WATCHER)
    await counter.done(f"{path}/reconcile", count, *AS_CASHIER)
    await counter.refused(403, "witness_needed", f"{path}/reconcile", count, CASHIER, Role.SUPERVISOR)
    await counter.done(f"{path}/reconcile", count, *AS_WATCHER)
    await counter.refused(403, "same_hands", f"{path}/deposit", SLIP, WATCHER, Role.CASHIER)
    await counter.refused(409, "not_paid_in", f"{path}/disclose", {}, *AS_CLERK)
    await counter.refused(404, "market_unknown", f"/markets/{uuid4()}/deposit", SLIP, *AS_CASHIER)


async def test_a_market_without_agreements_or_with_unknown_people_is_not_opened(office: Office):
    counter = office.counter
    twice: Any = MARKET["stalls"][:1] * 2
    wrong: list[dict[str, Any]] = [{"agreement_sha256": []}, {"stalls": []}, {"stalls": twice}]
    for changes in wrong:
        await counter.refused(422, "invalid_request", "/markets", {**MARKET, **changes}, *AS_STATION)
    nobody = [{"stall": "weaving", "volunteer_id": str(uuid4())}]
    await counter.refused(422, "person_unknown", "/markets", {**MARKET, "stalls": nobody}, *AS_STATION)
    await counter.refused(422, "fund_unknown", "/markets", {**MARKET, "fund": "gold"}, *AS_STATION)


async def test_at_the_deadline_the_service_discloses_and_once_more_when_it_is_paid_in(office: Office):
    counter = office.counter
    path = await opened(counter)
    await sold(counter, path)
    await office.later(days=6, hours=23)
    assert await disclose_what_is_due(office) == 0
    await office.later(hours=1)
    assert await disclose_what_is_due(office) == 1
    assert await disclose_what_is_due(office) == 0, "once"
    assert (await counter.read(path, *AS_AUDITOR))["disclosed"]["complete"] is False
    await settled(counter, path)
    await counter.done(f"{path}/deposit", SLIP, *AS_CASHIER)
    assert await disclose_what_is_due(office) == 1
    disclosed = [event for event in await counter.events() if isinstance(event, MarketDisclosed)]
    assert [(event.complete, event.deposited_fen) for event in disclosed] == [(False, 0), (True, 8_000)]


async def test_a_market_that_took_nothing_is_disclosed_too(office: Office):
    counter = office.counter
    path = await opened(counter)
    await office.later(days=7)
    assert await disclose_what_is_due(office) == 1
    await settled(counter, path, 0)
    await counter.refused(409, "nothing_to_deposit", f"{path}/deposit", SLIP, *AS_CASHIER)
    assert await disclose_what_is_due(office) == 1
    assert (await counter.read(path))["state"] == "DISCLOSED"


async def test_the_deposit_is_due_on_the_second_working_day(office: Office):
    path = await opened(office.counter)
    await sold(office.counter, path)
    await settled(office.counter, path)  # on a Wednesday
    assert (await office.counter.read(path))["deposit_due_at"] == "2026-03-20T16:00:00Z"


async def test_two_cashiers_pay_in_once_and_many_stalls_sell_at_once(office: Office):
    counter = office.counter
    path = await opened(counter)
    pot = {"stall": "pots", "sku": "pot", "amount_fen": 1_000, "method": "transfer"}
    asked = [counter.ask(f"{path}/sales", SCARF, *AS_WEAVER) for _ in range(4)]
    asked += [counter.ask(f"{path}/sales", pot, *AS_POTTER) for _ in range(4)]
    assert {answer.status_code for answer in await asyncio.gather(*asked)} == {201}
    market = await counter.read(path)
    assert (market["sales"], market["sales_fen"]) == (8, 36_000)
    await settled(counter, path, 36_000)
    asked = [counter.ask(f"{path}/deposit", SLIP, person, Role.CASHIER) for person in (CASHIER, TELLER)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*asked)) == [200, 409]
    assert (await counter.types()).count("ProceedsDeposited") == 1
