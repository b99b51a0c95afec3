"""Money set aside, paid, come back: which pot it is taken from and put into, and that nobody spends it twice."""

import pytest

from services.ledger.decider import book
from tests.ledger.examples import Story, post_donation
from tests.ledger.test_decider_book import OTHER, PAYMENT, move, pay, place_hold, release, take_back

GENERAL = post_donation(amount_fen=30_000)
FOR_ILLNESS = post_donation(entry_id=OTHER, amount_fen=15_000, purpose="illness")
FOR_STUDY = post_donation(entry_id=OTHER, amount_fen=50_000, purpose="study")


def pot(story: Story, name: str) -> tuple[int, int]:
    one = story.state.pots[("fund-relief", name)]
    return one.balance_fen, one.held_fen


def test_what_was_given_for_the_purpose_is_set_aside_first():
    story = Story(book, GENERAL, FOR_ILLNESS, FOR_STUDY)
    placed = story.when(place_hold()).then("HoldPlaced")
    assert (placed.amount_fen, placed.restricted_fen) == (20_000, 15_000)
    assert (pot(story, "illness"), pot(story, "")) == ((15_000, 15_000), (30_000, 5_000))


def test_money_given_for_another_purpose_pays_for_nothing_else():
    story = Story(book, FOR_STUDY, post_donation(entry_id=OTHER, amount_fen=19_999, purpose="illness"))
    assert story.refuses(place_hold(), "fund_insufficient")["balance_fen"] == 19_999


def test_a_payment_is_posted_as_what_it_is():
    story = Story(book, GENERAL, FOR_ILLNESS, place_hold())
    entry = story.when(pay()).then("HoldReleased", "EntryPosted")
    assert [(one.account, one.amount) for one in entry.postings] == [
        ("expense:aid:restricted:illness", 15_000),
        ("expense:aid:illness", 5_000),
        ("assets:bank", -20_000),
    ]
    assert story.events[0].cause == "disbursed"
    assert (pot(story, "illness"), pot(story, "")) == ((0, 0), (25_000, 0))
    assert story.state.holds == {}


def test_what_is_set_aside_cannot_be_promised_again_until_it_is_free():
    story = Story(book, GENERAL, place_hold())
    assert story.refuses(place_hold(hold_id=OTHER), "fund_insufficient")["balance_fen"] == 10_000
    story.when(release())
    story.when(place_hold(hold_id=OTHER)).then("HoldPlaced")


def test_nobody_pays_from_where_no_money_lies():
    story = Story(book, GENERAL, place_hold())
    refused = story.refuses(pay(method="cash"), "account_insufficient")
    assert (refused["account"], refused["balance_fen"]) == ("assets:cash_box", 0)
    story.when(move(amount_fen=20_000)).then("EntryPosted")
    story.when(pay(method="cash")).then("HoldReleased", "EntryPosted")


@pytest.mark.parametrize(("first", "pots"), [(8_000, (8_000, 0)), (15_000, (15_000, 0)), (18_000, (15_000, 3_000))])
def test_what_comes_back_goes_to_the_pot_that_may_be_used_for_nothing_else_first(first: int, pots: tuple[int, int]):
    story = Story(book, GENERAL, FOR_ILLNESS, place_hold())
    paid = story.when(pay()).then("HoldReleased", "EntryPosted")
    assert paid.entry_id == PAYMENT
    story.when(take_back(paid=paid, amount_fen=first))
    assert (pot(story, "illness")[0], pot(story, "")[0] - 25_000) == pots
    story.when(take_back(paid=paid, amount_fen=20_000 - first, returned_before_fen=first))
    assert (pot(story, "illness"), pot(story, "")) == ((15_000, 0), (30_000, 0))


def test_money_that_is_moved_stays_in_its_fund_and_pot():
    story = Story(book, GENERAL)
    entry = story.when(move()).then("EntryPosted")
    assert [(one.account, one.amount) for one in entry.postings] == [
        ("assets:cash_box", 20_000),
        ("assets:bank", -20_000),
    ]
    assert (story.state.funds, pot(story, "")) == ({"fund-relief": 30_000}, (30_000, 0))
    story.refuses(move(target="bank_transfer"), "places_equal")
    story.refuses(move(amount_fen=10_001), "account_insufficient")
