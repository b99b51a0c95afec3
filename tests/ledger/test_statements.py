"""Statements over HTTP: figures from the books, two people, public files that anybody checks, corrections beside."""

import asyncio
import csv
import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from contracts.command import Role
from contracts.ledger import DisclosureCorrected, FundStatementPublished
from eventstore.tlog_proof import TlogProof
from eventstore.trust_policy import read_trust_policy
from services.ledger.policy import host_charity
from tests.ledger.aid_examples import APPROVER, SECOND
from tests.ledger.carried import reversing
from tests.ledger.examples import ANNA, BO, CLERK, TELLER
from tests.ledger.office import AS_CASHIER, AS_CLERK, AS_NEIGHBOUR, AS_SUPERVISOR, PAID, WORDS, Office
from tests.ledger.test_open_books import got, publish

Fields = dict[str, Any]
MARCH = "2026-03"
EXPLANATION = "三月份有一笔救助发错了，四月份冲回，这里补上说明。"


async def close(office: Office, period: str) -> None:
    for who in (AS_CLERK, AS_SUPERVISOR):
        await office.counter.done("/books/fund/close", {"period": period}, *who)


async def told(office: Office, period: str = MARCH) -> Fields:
    """The statement of the month, drafted and published."""
    counter = office.counter
    drafted = await counter.done(f"/statements/{period}/publish", {}, *AS_CLERK)
    read = {"statement_sha256": drafted["statement_sha256"]}
    await counter.done(f"/statements/{period}/publish", read, *AS_SUPERVISOR)
    await publish(counter)
    return drafted


async def march(office: Office) -> str:
    """A month with gifts, one of them restricted, a paid case, one set aside and things given; closed in April."""
    counter = office.counter
    await counter.given(amount_fen=50_000, purpose="illness")
    lot = {"fund": "fund-relief", "sku": "rice_5kg", "qty": 5, "unit_value_fen": 3_000, "condition": "new"}
    await counter.done("/goods", lot, *AS_CLERK)
    paid = await office.paid(amount_fen=80_000)
    held = await office.ready(amount_fen=10_000)
    await office.approved(held)
    await office.later(days=20)
    await close(office, MARCH)
    return paid


async def reverse(office: Office, case_id: str) -> None:
    await office.reversing(case_id, APPROVER, explanation=WORDS)
    await office.reversing(case_id, SECOND)


async def test_a_month_is_drafted_published_and_read_by_anybody(office: Office):
    counter = office.counter
    await march(office)
    drafted = await told(office)
    (listed,) = (await got(counter, "/statements.json")).json()["statements"]
    name = listed["name"]
    assert (name, listed["statement_sha256"]) == ("2026-03.r1", drafted["statement_sha256"])
    file = await got(counter, f"/statements/{name}.json")
    assert sha256(file.content).hexdigest() == listed["statement_sha256"]
    assert file.headers["cache-control"].endswith("immutable")
    (relief, other) = file.json()["funds"]
    assert {key: value for key, value in relief.items() if key.endswith("_fen")} == {
        "opening_fen": 0,
        "opening_restricted_fen": 0,
        "closing_fen": 70_000,
        "closing_restricted_fen": 0,
        "held_fen": 10_000,
        "goods_opening_fen": 0,
        "goods_closing_fen": 15_000,
    }
    assert relief["income"] == [
        {"category": "donations", "purposes": [], "amount_fen": 100_000, "restricted_fen": 0},
        {"category": "donations", "purposes": ["illness"], "amount_fen": 50_000, "restricted_fen": 50_000},
    ]
    assert relief["spending"] == [{"category": "aid", "purposes": [], "amount_fen": 80_000, "restricted_fen": 50_000}]
    assert relief["goods_income"] == [
        {"category": "in_kind", "purposes": [], "amount_fen": 15_000, "restricted_fen": 0}
    ]
    assert (other["fund"], other["income"], other["closing_fen"]) == ("fund-public-good", [], 0)
    assert file.json()["year"] == {
        "income_fen": 165_000,
        "spending_fen": 80_000,
        "management_fen": 0,
        "income_last_year_fen": 0,
    }
    assert (file.json()["entries"], file.json()["first_entry_no"], file.json()["last_entry_no"]) == (4, 1, 4)


async def test_the_publishing_event_is_proved_to_anybody_and_bound_to_a_signed_head(office: Office):
    counter = office.counter
    await march(office)
    await told(office)
    (listed,) = (await got(counter, "/statements.json")).json()["statements"]
    body = await got(counter, f"/statements/{listed['name']}.event.json")
    proof = await got(counter, f"/statements/{listed['name']}.tlog-proof")
    policy = read_trust_policy(f"log {counter.runtime.signer.verifier_key}\nquorum none\n")
    proven = TlogProof.parse(proof.text).check(body.content, policy)
    assert proven.position == listed["position"]
    data = body.json()["data"]
    assert (data["log_size"], data["log_root"]) == (listed["log_size"], listed["log_root"])
    assert data["log_size"] < listed["position"]
    assert json.dumps(data["statement"], sort_keys=True, separators=(",", ":")).encode() == (
        (await got(counter, f"/statements/{listed['name']}.json")).content
    )


async def test_the_page_and_the_table_say_the_same_in_plain_chinese(office: Office):
    counter = office.counter
    await march(office)
    await told(office)
    assert "2026年3月 月报" in (await got(counter, "/statements/")).text
    page = (await got(counter, "/statements/2026-03.r1")).text
    for words in ("700.00 元</p>", "已批准、还没有发放 100.00 元", "不足 5 户次", "管理费用占支出 0.0%"):
        assert words in page
    assert "上年没有收入" in page
    assert 'href="statements/"' in (await got(counter, "/")).text
    answer = await got(counter, "/statements/2026-03.r1.csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    relief = [row for row in rows if row["基金"] == "扶危济困基金"]
    assert [(row["收支"], row["类别"], row["用途"], row["金额（元）"]) for row in relief[:5]] == [
        ("期初结余", "", "", "0.00"),
        ("收入", "捐款", "", "1000.00"),
        ("收入", "捐款", "大病救助", "500.00"),
        ("支出", "救助", "", "800.00"),
        ("期末结余", "", "", "700.00"),
    ]


async def test_a_month_that_is_not_closed_and_a_draft_nobody_read_are_refused(office: Office):
    counter = office.counter
    await office.later(days=20)
    path = f"/statements/{MARCH}/publish"
    await counter.refused(409, "span_not_closed", path, {}, *AS_CLERK)
    await counter.refused(409, "span_not_over", "/statements/2026-04/publish", {}, *AS_CLERK)
    await counter.refused(422, "statement_period_unknown", "/statements/2026-14/publish", {}, *AS_CLERK)
    await close(office, MARCH)
    await counter.refused(409, "nothing_drafted", path, {}, *AS_SUPERVISOR)
    await counter.done(path, {}, *AS_CLERK)
    await counter.refused(409, "draft_unread", path, {}, *AS_SUPERVISOR)
    await counter.refused(409, "draft_unread", path, {"statement_sha256": "cd" * 32}, *AS_SUPERVISOR)
    read = await counter.read(f"/statements/{MARCH}", *AS_SUPERVISOR)
    assert read["draft"]["drafted_by"] == str(CLERK)
    draft = {"statement_sha256": read["draft"]["statement_sha256"]}
    assert draft["statement_sha256"] == read["statement_sha256"]
    await counter.refused(403, "drafted_by_you", path, draft, CLERK, Role.SUPERVISOR)
    await counter.done(path, draft, *AS_SUPERVISOR)
    await counter.refused(409, "published_already", path, {}, *AS_CLERK)


async def test_only_one_of_two_supervisors_publishes(office: Office):
    counter = office.counter
    await office.later(days=20)
    await close(office, MARCH)
    path = f"/statements/{MARCH}/publish"
    drafted = await counter.done(path, {}, *AS_CLERK)
    read = {"statement_sha256": drafted["statement_sha256"]}
    answers = await asyncio.gather(*(counter.ask(path, read, person, Role.SUPERVISOR) for person in (BO, TELLER, ANNA)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    published = [event for event in await counter.events() if isinstance(event, FundStatementPublished)]
    assert [event.step for event in published] == [1, 2]


async def test_what_is_reversed_later_is_corrected_beside_what_was_published(office: Office):
    counter = office.counter
    paid = await march(office)
    await told(office)
    await counter.refused(
        409, "nothing_to_correct", f"/statements/{MARCH}/correct",
        {"reason_code": "entry_reversed", "explanation": EXPLANATION}, *AS_CLERK,
    )  # fmt: skip
    before = (await got(counter, "/statements/2026-03.r1.json")).content
    await reverse(office, paid)
    path = f"/statements/{MARCH}/correct"
    await counter.refused(422, "explanation_needed", path, {}, *AS_CLERK)
    words = {"reason_code": "entry_reversed", "explanation": EXPLANATION}
    drafted = await counter.done(path, words, *AS_CLERK)
    assert (await counter.read(f"/statements/{MARCH}"))["draft"]["explanation"] == EXPLANATION
    await counter.done(path, {"statement_sha256": drafted["statement_sha256"]}, *AS_SUPERVISOR)
    await publish(counter)
    second, first = (await got(counter, "/statements.json")).json()["statements"]
    assert (first["name"], first["explanation"], first["reason_code"]) == ("2026-03.r1", EXPLANATION, "entry_reversed")
    assert (second["name"], second["corrected_at"]) == ("2026-03.r2", None)
    assert (await got(counter, "/statements/2026-03.r1.json")).content == before
    new = (await got(counter, "/statements/2026-03.r2.json")).json()
    assert new["reversed_later"] == [{"entry_no": 5, "money_fen": 80_000, "reverses_no": 4}]
    assert new["funds"] == json.loads(before)["funds"]
    page = (await got(counter, "/statements/2026-03.r1")).text
    for shown in ("这一份已经更正", EXPLANATION, 'href="2026-03.r2"'):
        assert shown in page
    new_page = (await got(counter, "/statements/2026-03.r2")).text
    for shown in ("后来冲销的", "这一份更正了上一份", EXPLANATION, 'href="2026-03.r1"'):
        assert shown in new_page
    assert EXPLANATION in (await got(counter, "/statements/")).text
    corrected = [event for event in await counter.events() if isinstance(event, DisclosureCorrected)]
    assert [event.step for event in corrected] == [1, 2]


async def test_the_next_month_shows_the_correction_as_its_own(office: Office):
    paid = await march(office)
    await reverse(office, paid)
    await office.later(days=30)
    await close(office, "2026-04")
    await told(office, "2026-04")
    april = (await got(office.counter, "/statements/2026-04.r1.json")).json()
    assert april["reversals"] == [{"entry_no": 5, "money_fen": 80_000, "reverses_no": 4}]
    relief = april["funds"][0]
    assert (relief["opening_fen"], relief["closing_fen"], relief["held_fen"]) == (70_000, 150_000, 10_000)
    assert relief["spending"] == [{"category": "aid", "purposes": [], "amount_fen": -80_000, "restricted_fen": -50_000}]
    await told(office, "2026-03")


@pytest.mark.parametrize("number", ["13900000000", "11010519491231002X", "6222 0200 0000 0000", "139-0000-0000"])
async def test_no_number_of_a_person_stands_in_public_words(office: Office, number: str):
    body = {"reason_code": "computed_wrongly", "explanation": f"请打{number}问。"}
    await office.counter.refused(422, "invalid_request", f"/statements/{MARCH}/correct", body, *AS_CLERK)
    entry = (await office.counter.read("/entries"))["entries"][0]["entry_id"]
    body = await reversing(office, entry, words=f"应付{number}。")
    await office.counter.refused(422, "invalid_request", f"/entries/{entry}/reverse", body, *AS_CLERK)


async def test_few_recipients_are_merged_and_many_are_not(office: Office):
    counter = office.counter
    await counter.given(amount_fen=900_000)
    for purpose in ("illness", "study", "hardship"):
        for _ in range(5 if purpose == "illness" else 3):
            case_id = await office.applied(amount_fen=10_000, purpose=purpose, lane="urgent")
            await office.approved(case_id)
            await counter.done(f"/aid-cases/{case_id}/disburse", PAID, *AS_CASHIER)
    await office.later(days=20)
    await close(office, MARCH)
    read = await counter.read(f"/statements/{MARCH}")
    assert read["statement"]["funds"][0]["spending"] == [
        {"category": "aid", "purposes": ["illness"], "amount_fen": 50_000, "restricted_fen": 0, "recipients": 5},
        {
            "category": "aid",
            "purposes": ["hardship", "study"],
            "amount_fen": 60_000,
            "restricted_fen": 0,
            "recipients": 6,
        },
    ]


async def test_a_neighbour_drafts_nothing_and_reads_no_draft(office: Office):
    await office.counter.refused(403, "forbidden", f"/statements/{MARCH}/publish", {}, *AS_NEIGHBOUR)
    assert (await office.counter.get(f"/statements/{MARCH}", *AS_NEIGHBOUR)).status_code == 403


async def test_what_the_published_head_does_not_reach_is_not_shown_yet(office: Office):
    counter = office.counter
    await publish(counter)
    await office.later(days=20)
    await close(office, MARCH)
    drafted = await counter.done(f"/statements/{MARCH}/publish", {}, *AS_CLERK)
    read = {"statement_sha256": drafted["statement_sha256"]}
    await counter.done(f"/statements/{MARCH}/publish", read, *AS_SUPERVISOR)
    assert "还没有公布过" in (await got(counter, "/statements/")).text
    await got(counter, "/statements/2026-03.r1.json", 404)
    await got(counter, "/statements/2026-03.r2", 404)


async def test_a_campaign_of_the_charitys_papers_is_one_funds(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "host.yaml"
    file.write_text(
        'name: 示例慈善总会\ncertificate_no: "53120000500000000A"\nfiling_no: "53120000500000000AB12345"\n'
        f'agreement_sha256: {"ab" * 32}\naccount_tail: "0042"\nplatform_url: https://platform.example/fund\n'
        "campaigns:\n- {code: spring, filing_no: '53120000500000000AB12346', fund: fund-relief,"
        " first_day: 2026-03-10, last_day: 2026-03-20}\n"
    )
    monkeypatch.setenv("CHAOYANGLI_HOST_CHARITY", str(file))
    host_charity.cache_clear()
    try:
        await march(office)
        statement = (await office.counter.read("/statements/spring"))["statement"]
    finally:
        host_charity.cache_clear()
    days = (statement["first_day"], statement["last_day"])
    assert (statement["kind"], days) == ("campaign", ("2026-03-10", "2026-03-20"))
    assert [fund["fund"] for fund in statement["funds"]] == ["fund-relief"]
