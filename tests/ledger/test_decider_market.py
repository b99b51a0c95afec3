"""The rules about a market, given/when/then, and every (state, command) pair of its table."""

from datetime import timedelta
from typing import Any

import pytest

from contracts.command import Role
from contracts.ledger import MarketState
from services.ledger.commands import MARKET_COMMANDS
from services.ledger.decider import market
from services.ledger.decider.market_table import CHINESE, LEADS_TO, TAKEN
from tests.ledger.examples import CASHIER, DIGEST, NOON, Story, by
from tests.ledger.goods_examples import (
    OTHER_SALE,
    POTTER,
    WATCHER,
    WEAVER,
    count,
    deposit,
    disclose,
    open_market,
    record_sale,
    void_sale,
    witness,
)

SOLD = (open_market(), record_sale())
STORIES: dict[str, tuple[Any, ...]] = {
    "NONE": (),
    "OPEN": SOLD,
    "COUNTED": (*SOLD, count()),
    "RECONCILED": (*SOLD, count(), witness()),
    "DEPOSITED": (*SOLD, count(), witness(), deposit()),
    "DISCLOSED": (*SOLD, count(), witness(), deposit(), disclose()),
}
COMMANDS: dict[str, Any] = {
    "OpenMarket": open_market(),
    "RecordSale": record_sale(sale_id=OTHER_SALE),
    "VoidSale": void_sale(),
    "ReconcileMarket": count(),
    "DepositProceeds": deposit(),
    "DiscloseMarket": disclose(None, at=NOON + timedelta(days=7)),
}
WEEK = timedelta(days=7)


def test_the_table_is_whole():
    assert set(STORIES) == {"NONE", *MarketState}
    assert set(COMMANDS) == {command.__name__ for command in MARKET_COMMANDS}
    assert set(TAKEN) == set(LEADS_TO) == set(CHINESE) == set(MARKET_COMMANDS)
    for command, ways in LEADS_TO.items():
        assert set(ways) == set(TAKEN[command])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", STORIES)
def test_every_command_in_every_state(state: str, command: str):
    story, asked = Story(market, *STORIES[state]), COMMANDS[command]
    assert story.state.state == (None if state == "NONE" else state)
    before = story.state.state
    if before in TAKEN[type(asked)]:
        story.when(asked)
        assert len(story.events) == 1
        assert story.state.state in LEADS_TO[type(asked)][before]
    elif command == "OpenMarket":
        story.refuses(asked, "market_opened_already")
    else:
        story.refuses(asked, "market_unknown" if state == "NONE" else "market_elsewhere")


def test_a_market_names_its_fund_and_its_agreements_and_when_it_is_disclosed():
    opened = Story(market).when(open_market()).then("MarketSessionOpened")
    assert (opened.fund, opened.agreement_sha256, opened.due_at) == ("fund-public-good", (DIGEST,), NOON + WEEK)
    Story(market).refuses(open_market(fund="gold"), "fund_unknown")
    Story(market).refuses(open_market(people_known=False), "person_unknown")


def test_a_stall_sells_for_itself():
    story = Story(market, open_market())
    story.refuses(record_sale(by=by(POTTER, Role.VOLUNTEER)), "not_your_stall")
    story.refuses(record_sale(stall="nowhere"), "not_your_stall")


def test_a_sale_is_void_by_the_word_of_its_stall_and_a_witness():
    story = Story(market, *SOLD)
    story.refuses(void_sale(POTTER), "not_your_stall")
    story.refuses(void_sale(sale_id=OTHER_SALE), "sale_unknown")
    assert story.when(void_sale()).then("SaleVoided").step == 1
    assert story.state.sales_fen == 8_000
    story.refuses(void_sale(), "witness_needed")
    story.refuses(void_sale(POTTER, reason_code="not_paid"), "reason_differs")
    assert story.when(void_sale(POTTER)).then("SaleVoided").step == 2
    assert story.state.sales_fen == 0
    story.refuses(void_sale(), "voided_already")


def test_the_cashier_counts_and_the_supervisor_counts_the_same():
    story = Story(market, *SOLD)
    story.refuses(witness(), "count_first")
    counted = story.when(count()).then("MarketReconciled")
    assert (counted.step, counted.sales, counted.sales_fen, counted.variance_fen) == (1, 1, 8_000, 0)
    assert story.refuses(witness(counted_fen=7_999), "count_differs") == {}
    story.refuses(count(CASHIER, Role.SUPERVISOR), "witness_needed")
    settled = story.when(witness()).then("MarketReconciled")
    assert (settled.step, settled.counted_by, settled.witnessed_by) == (2, CASHIER, WATCHER)


def test_the_cashier_may_count_again_before_it_is_witnessed():
    story = Story(market, *SOLD, count(counted_fen=7_000, note_commitment=DIGEST), count())
    assert story.when(witness()).then("MarketReconciled").variance_fen == 0


@pytest.mark.parametrize("counted_fen", [7_900, 8_100, 0])
def test_a_difference_has_a_note(counted_fen: int):
    story = Story(market, *SOLD)
    facts = story.refuses(count(counted_fen=counted_fen), "note_needed")
    assert facts == {"variance_fen": counted_fen - 8_000}
    story.when(count(counted_fen=counted_fen, note_commitment=DIGEST))
    assert story.when(witness(counted_fen=counted_fen)).then("MarketReconciled").note_commitment == DIGEST


def test_no_stall_counts_the_money():
    story = Story(market, *SOLD)
    story.refuses(count(WEAVER), "stall_counts_not")
    story.when(count()).refuses(count(WEAVER, Role.SUPERVISOR), "stall_counts_not")


def test_what_was_counted_is_paid_in_whole_and_not_by_the_witness():
    story = Story(market, *STORIES["RECONCILED"])
    story.refuses(deposit(amount_fen=7_999), "count_differs")
    story.refuses(deposit(by=by(WATCHER, Role.CASHIER)), "same_hands")
    story.refuses(deposit(effective_date=NOON.date() + timedelta(days=1)), "day_impossible")
    story.refuses(deposit(effective_date=NOON.date() - timedelta(days=1)), "day_impossible")
    deposited = story.when(deposit(by=by(CASHIER, Role.CASHIER))).then("ProceedsDeposited")
    assert (deposited.amount_fen, deposited.due_at) == (8_000, NOON + timedelta(days=2))


def test_a_market_that_took_nothing_has_nothing_to_pay_in_and_is_disclosed_whole():
    story = Story(market, open_market(), count(counted_fen=0), witness(counted_fen=0))
    story.refuses(deposit(), "nothing_to_deposit")
    assert story.when(disclose()).then("MarketDisclosed").complete


def test_a_person_discloses_when_all_is_paid_in():
    for state in ("OPEN", "COUNTED", "RECONCILED"):
        Story(market, *STORIES[state]).refuses(disclose(), "not_paid_in")
    disclosed = Story(market, *STORIES["DEPOSITED"]).when(disclose()).then("MarketDisclosed")
    assert disclosed.model_dump(include={"sales", "sales_fen", "counted_fen", "variance_fen", "deposited_fen"}) == {
        "sales": 1, "sales_fen": 8_000, "counted_fen": 8_000, "variance_fen": 0, "deposited_fen": 8_000,
    }  # fmt: skip
    assert disclosed.complete


@pytest.mark.parametrize("state", ["OPEN", "COUNTED", "RECONCILED", "DEPOSITED"])
def test_at_the_deadline_it_is_disclosed_whatever_is_done_and_not_before(state: str):
    story = Story(market, *STORIES[state])
    story.when(disclose(None, at=NOON + WEEK - timedelta(seconds=1))).then()
    disclosed = story.when(disclose(None, at=NOON + WEEK)).then("MarketDisclosed")
    assert disclosed.complete is (state == "DEPOSITED")
    assert (disclosed.counted_fen is None) is (state in {"OPEN", "COUNTED"})
    story_state = story.state.state
    assert story_state == ("DISCLOSED" if state == "DEPOSITED" else state)


def test_what_was_disclosed_half_is_disclosed_again_once_it_is_paid_in():
    late = NOON + WEEK + timedelta(days=1)
    story = Story(market, *SOLD, disclose(None, at=NOON + WEEK))
    story.when(disclose(None, at=late)).then()
    story.when(count(at=late)).when(witness(at=late)).when(deposit(at=late, effective_date=late.date()))
    assert story.when(disclose(None, at=late)).then("MarketDisclosed").complete


def test_a_market_that_took_nothing_and_was_disclosed_unsettled_is_disclosed_again():
    late = NOON + WEEK + timedelta(days=1)
    story = Story(market, open_market(), disclose(None, at=NOON + WEEK), count(counted_fen=0, at=late))
    story.when(witness(counted_fen=0, at=late))
    assert story.when(disclose(None, at=late)).then("MarketDisclosed").complete
