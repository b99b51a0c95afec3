"""Bank statements over HTTP on real PostgreSQL: handed in, matched, settled, reconciled by another person."""

import asyncio
from typing import Any

import pytest

from contracts.command import Role
from contracts.ledger import BankStatementAttested, FundReconciled
from eventstore.errors import ConstraintBroken
from eventstore.model import Append, Metadata, StreamAppend
from services.ledger.api.open_books import bank_words
from services.ledger.commands import bank_stream
from tests.ledger.counter import AS_CASHIER, AS_CLERK, Counter
from tests.ledger.examples import BO, CASHIER, CLERK, DIGEST, TELLER
from tests.ledger.office import PAID, Office
from tests.ledger.test_open_books import got, publish

AS_WATCHER = (BO, Role.SUPERVISOR)
NAME = "赵示例的汇款"


def statement(*lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A statement of the first weeks of March that begins with nothing and adds up."""
    opening_fen = changes.get("opening_fen", 0)
    return {
        "file_sha256": DIGEST,
        "from_on": "2026-03-01",
        "until_on": "2026-03-18",
        "opening_fen": opening_fen,
        "closing_fen": opening_fen + sum(one["amount_fen"] for one in lines),
        "lines": list(lines),
        **changes,
    }


def line(amount_fen: int, day: int = 18, **more: Any) -> dict[str, Any]:
    return {"booked_on": f"2026-03-{day:02}", "amount_fen": amount_fen, **more}


GIFT = line(100_000, 17, reference="TX-1", counterparty=NAME, summary="捐款")
"""The office's first gift, as the bank booked it."""


async def attested(counter: Counter, *lines: dict[str, Any], who: Any = AS_CLERK, **changes: Any) -> str:
    done = await counter.done("/bank/statements", statement(*lines, **changes), *who)
    return f"/bank/statements/{done['statement_id']}"


async def test_a_statement_from_the_file_to_the_reconciliation(office: Office):
    counter = office.counter
    path = await attested(counter, GIFT, line(-300))
    read = await counter.read(path)
    assert (read["state"], read["closing_fen"]) == ("ATTESTED", 99_700)
    assert [(one["state"], one["entry_no"], one["matched_by"]) for one in read["found"]] == [
        ("MATCHED", 1, "amount_and_day"),
        ("OPEN", None, None),
    ]
    statement_id = path.rpartition("/")[2]
    fee = {"statement_id": statement_id, "line_no": 2, "reason_code": "bank_fee", "note": "跨行手续费。"}
    await counter.done("/bank/settlements", fee, *AS_CASHIER)
    await counter.refused(403, "forbidden", f"{path}/reconcile", {}, CASHIER, Role.CASHIER)
    await counter.refused(403, "reconciled_by_you", f"{path}/reconcile", {}, CLERK, Role.SUPERVISOR)
    await counter.done(f"{path}/reconcile", {}, *AS_WATCHER)
    event = (await counter.events())[-1]
    assert isinstance(event, FundReconciled)
    assert (event.closing_fen, event.book_fen, event.difference_fen) == (99_700, 100_000, 0)
    assert (event.matched, event.open_lines, event.unexplained) == (1, 1, 0)
    head = await counter.runtime.log.head()
    assert event.log_size == head.size - 1
    (newest,) = (await counter.read("/bank/statements"))["statements"]
    assert (newest["state"], newest["reconciled"]["open_lines_fen"]) == ("RECONCILED", -300)
    await counter.refused(409, "statement_waits_not", f"{path}/reconcile", {}, *AS_WATCHER)


async def test_the_banks_words_lie_in_the_vault(office: Office):
    counter = office.counter
    path = await attested(counter, GIFT)
    bodies = b"".join(raw.body for raw in await counter.runtime.log.read_raw(0, 200))
    assert NAME.encode() not in bodies
    assert b"TX-1" not in bodies
    words = await counter.read(f"{path}/words", *AS_CLERK)
    assert words["lines"] == [{"line_no": 1, "reference": "TX-1", "counterparty": NAME, "summary": "捐款"}]
    assert (await counter.get(f"{path}/words", BO, Role.AUDITOR)).status_code == 403
    assert NAME not in (await counter.get(path)).text
    (event,) = [one for one in await counter.events() if isinstance(one, BankStatementAttested)]
    committed = event.lines[0].reference_commitment
    assert event.words_ref is not None
    assert committed is not None
    assert await counter.runtime.vault.matches(event.words_ref, "reference.1", committed)


async def test_what_is_open_is_shown_on_both_sides(office: Office):
    counter = office.counter
    await counter.given(amount_fen=700)
    path = await attested(counter, GIFT, line(12, 9))
    shown = await counter.read("/bank/open")
    assert [(one["line_no"], one["amount_fen"], one["reason_code"]) for one in shown["lines"]] == [(2, 12, None)]
    assert [(one["entry_no"], one["amount_fen"], one["reason_code"]) for one in shown["entries"]] == [(2, 700, None)]
    transit = {"entry_no": 2, "reason_code": "in_transit"}
    await counter.done("/bank/settlements", transit, *AS_CLERK)
    await counter.done(f"{path}/reconcile", {}, *AS_WATCHER)
    shown = await counter.read("/bank/open")
    assert [one["reason_code"] for one in shown["entries"]] == ["in_transit"]
    assert (shown["through_on"], shown["waiting"]) == ("2026-03-18", None)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (statement(line(1), closing_fen=2), 422, "statement_sums_differ"),
        (statement(from_on="2026-03-19"), 422, "days_reversed"),
        (statement(line(0)), 422, "line_empty"),
        (statement(line(5, 19)), 422, "line_outside"),
        (statement(until_on="2026-03-19"), 422, "statement_not_over"),
        (statement(replaces="00000000-0000-4000-8000-000000000001"), 409, "statement_waits_not"),
    ],
    ids=["sums", "reversed", "nothing", "outside", "not over", "replaces none"],
)
async def test_a_statement_that_cannot_be_is_refused(office: Office, body: Any, status: int, code: str):
    await office.counter.refused(status, code, "/bank/statements", body, *AS_CLERK)


async def test_an_item_is_a_match_or_a_reason(office: Office):
    counter = office.counter
    path = await attested(counter, line(5))
    one: dict[str, Any] = {"statement_id": path.rpartition("/")[2], "line_no": 1}
    settlements = "/bank/settlements"
    for body in ({}, one, {"line_no": 1, "reason_code": "other"}, {**one, "entry_no": 1, "reason_code": "other"}):
        await counter.refused(422, "invalid_request", settlements, body, *AS_CLERK)
    await counter.refused(409, "amounts_differ", settlements, {**one, "entry_no": 1}, *AS_CLERK)
    await counter.refused(409, "not_at_bank", settlements, {**one, "entry_no": 99}, *AS_CLERK)


async def test_statements_chain_and_a_wrong_one_is_replaced(office: Office):
    counter = office.counter
    path = await attested(counter, line(100_000, 4))
    assert (await counter.read(path))["found"][0]["state"] == "OPEN"
    await counter.refused(409, "statement_waits", "/bank/statements", statement(GIFT), *AS_CLERK)
    again = await attested(counter, GIFT, replaces=path.rpartition("/")[2])
    assert (await counter.read(path))["state"] == "REPLACED"
    assert (await counter.read(path))["found"][0]["state"] == "REPLACED"
    assert (await counter.read(again))["found"][0]["entry_no"] == 1
    await counter.done(f"{again}/reconcile", {}, *AS_WATCHER)
    await office.later(days=1)
    ahead: dict[str, Any] = {"from_on": "2026-03-19", "until_on": "2026-03-19"}
    twice = statement(opening_fen=100_000)
    await counter.refused(409, "statement_overlaps", "/bank/statements", twice, *AS_CLERK)
    await counter.refused(409, "opening_differs", "/bank/statements", statement(**ahead), *AS_CLERK)
    await attested(counter, opening_fen=100_000, **ahead)


async def test_of_two_statements_at_once_one_is_taken_and_an_entry_is_one_line(office: Office):
    counter = office.counter
    asked = [counter.ask("/bank/statements", statement(line(100_000, 4), line(100_000, 5)), *AS_CLERK) for _ in "12"]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    (statement_id,) = [answer.json()["statement_id"] for answer in answers if answer.status_code == 201]
    settling = [
        counter.ask("/bank/settlements", {"statement_id": statement_id, "line_no": number, "entry_no": 1}, *who)
        for number, who in ((1, AS_CLERK), (2, (TELLER, Role.CASHIER)))
    ]
    settled = await asyncio.gather(*settling)
    assert sorted(answer.status_code for answer in settled) == [200, 409]
    (lost,) = [answer.json() for answer in settled if answer.status_code == 409]
    assert lost["reason_code"] == "matched_already"


async def test_postgresql_itself_lets_no_entry_be_two_lines(office: Office):
    counter = office.counter
    await attested(counter, GIFT)
    event = (await counter.events())[-1]
    assert isinstance(event, BankStatementAttested)
    twin = event.model_copy(update={"statement_id": event.lines[0].entry_id})
    with pytest.raises(ConstraintBroken) as broken:
        # Past the decider, as a wrong program would.
        await counter.runtime.log.append(Append([StreamAppend(bank_stream(), 1, (twin,))], Metadata("system")))
    assert broken.value.constraint == "bank_lines_one_per_entry"


async def test_everybody_reads_up_to_which_day_book_and_bank_agree(office: Office):
    counter = office.counter
    await publish(counter)
    assert "银行对账：还没有对过账。" in (await got(counter, "/")).text
    assert (await got(counter, "/bank.json")).json()["reconciled"] is None
    path = await attested(counter, GIFT)
    await counter.done(f"{path}/reconcile", {}, *AS_WATCHER)
    assert "还没有对过账" in (await got(counter, "/")).text, "the published head does not reach it"
    await publish(counter)
    assert "银行对账：至 2026-03-18，全部相符。" in (await got(counter, "/")).text
    shown = (await got(counter, "/bank.json")).json()["reconciled"]
    assert (shown["closing_fen"], shown["book_fen"], shown["difference_fen"]) == (100_000, 100_000, 0)


@pytest.mark.parametrize(
    ("open_lines", "open_entries", "unexplained", "difference_fen", "words"),
    [
        (0, 0, 0, 0, "全部相符"),
        (1, 1, 2, 0, "2 笔待查"),
        (1, 2, 1, 0, "1 笔待查，2 笔已说明原因"),
        (1, 0, 0, -5_000, "1 笔已说明原因，账面和银行还差 −50.00 元"),
    ],
)
def test_the_sentence_says_what_does_not_agree(
    open_lines: int, open_entries: int, unexplained: int, difference_fen: int, words: str
):
    found = {
        "until_on": "2026-10-31", "open_lines": open_lines, "open_entries": open_entries,
        "unexplained": unexplained, "difference_fen": difference_fen,
    }  # fmt: skip
    assert bank_words(found) == f"银行对账：至 2026-10-31，{words}。"


async def test_the_banks_reference_tells_gifts_of_one_amount_on_one_day_apart(office: Office):
    counter = office.counter
    for number in (7, 8):
        await counter.given({"bank_reference": f"TX-{number}"}, amount_fen=5_000)
    case_id = await office.ready(amount_fen=80_050)
    await office.approved(case_id)
    paid = {**PAID, "bank_reference": "TX-9", "effective_date": "2026-03-21"}
    await counter.done(f"/aid-cases/{case_id}/disburse", paid, *AS_CASHIER)
    lines = [
        line(5_000, 21, reference="TX-8"),
        line(5_000, 21, reference="TX-7"),
        line(-80_050, 19, reference="TX-9"),
        line(-80_050, 21, reference="TX-10"),
    ]
    read = await counter.read(await attested(counter, *lines, until_on="2026-03-21"))
    assert [(one["entry_no"], one["matched_by"]) for one in read["found"]] == [
        (3, "reference"), (2, "reference"), (4, "reference"), (None, None),
    ]  # fmt: skip
    assert b"TX-" not in b"".join(raw.body for raw in await counter.runtime.log.read_raw(0, 300))
