"""The fund's open list with some thousands of entries: pages that never change, a short rest, and a page without JS."""

import json
import re

import pytest

from contracts.command import SYSTEM
from contracts.ids import uuid7
from contracts.ledger import DonationMethod
from eventstore.executor import Plan
from eventstore.model import Metadata
from services.ledger.api.open_books import PAGE_ENTRIES, SHOWN
from services.ledger.commands import MoveMoney, day_of
from tests.ledger.aid_examples import APPROVER, SECOND
from tests.ledger.counter import Counter
from tests.ledger.examples import DIGEST
from tests.ledger.office import WORDS, Office
from tests.ledger.test_open_books import got, publish

MOVES = 2_100
TOGETHER = 700
CACHED_FOR_EVER = "public, max-age=31536000, immutable"


async def moved(counter: Counter, moves: int) -> None:
    """Carry a fund's money to and fro, so that the book grows by so many entries."""
    runtime = counter.runtime
    at = runtime.clock.now()
    places: tuple[DonationMethod, DonationMethod] = ("bank_transfer", "cash")
    commands = [
        MoveMoney(
            by=SYSTEM,
            at=at,
            entry_id=uuid7(),
            fund="fund-relief",
            origin=places[number % 2],
            target=places[(number + 1) % 2],
            amount_fen=100 + number // 2,
            effective_date=day_of(at),
            voucher_sha256=(DIGEST,),
        )
        for number in range(moves)
    ]

    async def build() -> Plan:
        return Plan(commands)

    await runtime.executor.execute(build, Metadata(actor="system"))


async def test_thousands_of_entries_are_read_page_by_page_each_once(counter: Counter):
    await counter.given(amount_fen=1_000_000)
    for _ in range(MOVES // TOGETHER):
        await moved(counter, TOGETHER)
    await publish(counter)
    index = await got(counter, "/entries.json")
    listed = index.json()
    assert (listed["count"], listed["full_pages"], listed["page_entries"]) == (MOVES + 1, 8, PAGE_ENTRIES)
    assert len(listed["entries"]) == (MOVES + 1) % PAGE_ENTRIES
    assert "immutable" not in index.headers["cache-control"]
    entries = []
    for page_no in range(1, listed["full_pages"] + 1):
        page = await got(counter, f"/entries/pages/{page_no}.json")
        assert page.headers["cache-control"] == CACHED_FOR_EVER
        assert len(page.json()["entries"]) == PAGE_ENTRIES
        entries += page.json()["entries"]
    entries += listed["entries"]
    assert [entry["entry_no"] for entry in entries] == list(range(1, MOVES + 2))
    assert [entry["money_fen"] for entry in entries[:3]] == [1_000_000, 100, 100]
    positions = [entry["position"] for entry in entries]
    assert positions == sorted(set(positions))
    for path in ("/entries/pages/9.json", "/entries/pages/0.json"):
        answer = await counter.client.get(f"/fund{path}")
        assert answer.status_code in {404, 422}


async def test_a_full_page_is_the_same_bytes_after_the_book_grew(counter: Counter):
    await counter.given(amount_fen=1_000_000)
    await moved(counter, PAGE_ENTRIES)
    await publish(counter)
    before = (await got(counter, "/entries/pages/1.json")).content
    await got(counter, "/entries/pages/2.json", 404)
    await moved(counter, PAGE_ENTRIES - 1)
    await got(counter, "/entries/pages/2.json", 404)
    await publish(counter)
    assert (await got(counter, "/entries/pages/1.json")).content == before
    assert len((await got(counter, "/entries/pages/2.json")).json()["entries"]) == PAGE_ENTRIES
    assert (await got(counter, "/entries.json")).json()["entries"] == [], "all of them lie in full pages"


async def test_without_a_script_every_entry_is_reached_from_the_page(counter: Counter):
    await counter.given(amount_fen=1_000_000)
    await moved(counter, 120)
    await publish(counter)
    seen: list[int] = []
    path = "/"
    while path:
        page = (await got(counter, path)).text
        assert len(page.encode()) < 50_000
        numbers = [int(number) for number in re.findall(r'href="entries/(\d+)\.json"', page)]
        assert 0 < len(numbers) <= SHOWN
        seen += numbers
        older = re.search(r'href="(\?before=\d+)"', page)
        path = f"/{older[1]}" if older else ""
    assert seen == list(range(121, 0, -1))


async def test_the_words_of_a_correction_lie_in_nothing_that_is_for_ever(office: Office):
    case_id = await office.paid()
    await office.reversing(case_id, APPROVER, explanation=WORDS)
    await office.reversing(case_id, SECOND)
    counter = office.counter
    await publish(counter)
    (last,) = [entry for entry in (await got(counter, "/entries.json")).json()["entries"] if entry["explained"]]
    beside = await got(counter, f"/entries/{last['entry_no']}.explanation.json")
    assert beside.json() == {"entry_no": last["entry_no"], "explanation": WORDS}
    assert "immutable" not in beside.headers["cache-control"]
    assert (await got(counter, "/entries/1.explanation.json")).json()["explanation"] is None
    await moved(counter, PAGE_ENTRIES - last["entry_no"])
    await publish(counter)
    page = await got(counter, "/entries/pages/1.json")
    (explained,) = [entry for entry in page.json()["entries"] if entry["explained"]]
    assert explained["entry_no"] == last["entry_no"]
    assert WORDS not in json.dumps(page.json(), ensure_ascii=False)


@pytest.mark.parametrize("before", ["1", "0", "-5", "x", "99999999999999999999"])
async def test_a_place_that_is_none_is_refused_in_words(counter: Counter, before: str):
    await counter.given()
    await publish(counter)
    answer = await counter.client.get(f"/fund/?before={before}")
    assert answer.status_code == 422
    assert answer.json()["title_zh"]
