"""The small community's days, lived once for all: interrupted, taken up again, and everything there is to be seen."""

import json
import re
import signal
from datetime import datetime, timedelta
from functools import partial

import pytest

from cli.output import SHANGHAI
from contracts.event import EVENTS
from tests.cli.program import running, say
from tests.support.servers import temporary_directory
from tests.support.waiting import eventually_blocking

pytestmark = [pytest.mark.journey, pytest.mark.timeout(480)]
"""The days are lived in the first test's fixtures, begun three times."""

OK, USAGE, NOT_THERE, INTERRUPTED = 0, 2, 3, 130
SERVICES = ["orders", "volunteers", "ledger", "notify"]
NOT_SHOWN = {
    ("ledger", "EntryRefused"): "a second wall: volunteers credits nothing that the books would refuse",
    ("notify", "NotificationUnknown"): "takes a crash between handing over and writing it down",
    **{
        ("notify", f"Webhook{what}"): "the demo sends nothing outside: tests/notify/test_webhooks.py does"
        for what in ("Registered", "Disabled", "Enabled")
    },
    **{
        (service, "LossAccepted"): "nothing is lost in the demo: tests/cli/test_accept_loss.py loses it"
        for service in ("orders", "volunteers", "ledger", "notify")
    },
    ("volunteers", "TeamDormant"): "takes three months in which a team does nothing: a full year shows it",
}
"""Event → why the small community's days do not show it."""


@pytest.fixture(scope="module")
def place():
    with temporary_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def data(place):
    """Where the days were begun, interrupted by Ctrl-C, and killed once more on the way."""
    data = place / "data"
    journal = data / "demo.journal"
    for number, steps in ((signal.SIGINT, 800), (signal.SIGKILL, 1_600)):
        with running("demo", "--data", data, "--once", "--json") as demo:
            eventually_blocking(partial(taken, journal, steps), 240, every=0.2, what=f"{steps} steps are taken")
            code = demo.end(number)
        if number is signal.SIGINT:
            assert code == INTERRUPTED
            assert "nothing is lost. Go on from there: chaoyangli demo --data" in demo.words
    return data


@pytest.fixture(scope="module")
def result(data):
    """What `demo --once --json` ends with."""
    with running("demo", "--data", data, "--once", "--json") as demo:
        line = demo.line()
        assert demo.end() == OK
    return json.loads(line)


@pytest.fixture(scope="module")
def events(data, result):
    said = say("events", "--data", data, "--json")
    return [json.loads(line) for line in said.lines]


def taken(journal, steps):
    return journal.exists() and journal.read_bytes().count(b"\n") > steps


def test_the_days_end_with_everything_verified(result):
    assert result["verified"] is True
    assert result["replay_equal"] is True
    assert result["streams_identical"] is True
    assert result["breaches"] == []
    assert sum(result["orders"].values()) == 120
    assert set(result["orders"]) == {"CLOSED", "CANCELLED", "REFUSED", "MERGED", "UNFULFILLED"}
    assert list(result["events"]) == SERVICES
    assert result["minutes_logged"] > 0
    # 5,040 yuan of gifts less aid; 100 of a gift of which half went back; 90 for things that were sold; 150 that were
    # entered late.
    assert result["fund_balance_fen"] == 538_000
    assert result["seconds"] > 0


def test_every_event_there_is_happens_in_the_small_community_but_for_those_named(events):
    seen = {(event["source"].rpartition("/")[2], event["type"]) for event in events}
    assert seen | set(NOT_SHOWN) == set(EVENTS)
    assert not seen & set(NOT_SHOWN), "it is shown now: take it from the list"


def test_nothing_was_done_twice_by_taking_the_days_up_again(events):
    placed = [event["data"]["order_id"] for event in events if event["type"] == "OrderPlaced"]
    assert len(placed) == 120
    registered = [event for event in events if event["type"] == "PersonRegistered"]
    assert len(registered) == 149


def test_every_service_forgets_who_asks_for_it(data, events):
    erased = [event["data"]["person_id"] for event in events if event["type"] == "PersonErased"]
    (one,) = say("erasures", "--data", data, "--json").document
    assert [one["person_id"]] == erased
    assert set(one["done"]) == set(SERVICES)
    assert one["waiting"] == []


def test_what_was_told_too_late_or_never_is_listed_and_what_was_corrected_is_not(data):
    said = say("disclosures", "--data", data, "--on", "2030-01-31", "--json")
    assert said.code == 1
    assert {"month", "quarter", "year"} <= {duty["kind"] for duty in said.document if duty["state"] == "late"}
    assert "correction" not in {duty["kind"] for duty in said.document}


def test_verify_says_of_each_log_what_it_is(data, result):
    said = say("verify", "--data", data, "--json")
    assert said.code == OK
    for name, one in said.document["services"].items():
        assert one["size"] == one["checkpoint"]["size"] == result["events"][name]
        assert one["root"] == one["checkpoint"]["root"]
        assert one["stream_identical"] is True


def test_an_entry_leads_to_the_whole_case_behind_it(data, events):
    paid = next(e["data"] for e in events if e["type"] == "EntryPosted" and e["data"]["kind"] == "aid_paid")
    by_number = say("trail", f"fund/{paid['entry_no']}", "--data", data, "--json").document
    told = [step["type"] for step in by_number]
    for kind in ("AidApplied", "AidVerified", "AidPublicized", "AidApproved", "HoldPlaced", "AidDisbursed"):
        assert kind in told
    assert {step["data"]["case_id"] for step in by_number if "case_id" in step["data"]} == {paid["case_id"]}
    by_case = say("trail", paid["case_id"], "--data", data, "--json").document
    assert {step["event_id"] for step in by_number} == {step["event_id"] for step in by_case}
    assert say("trail", "fund/999999", "--data", data).code == NOT_THERE
    assert say("trail", "fund/0", "--data", data).code == USAGE


def test_an_order_has_one_story_across_the_services(data, events):
    number = next(event["data"]["order_no"] for event in events if event["type"] == "OrderRated")
    steps = say("trail", f"{number[:4]}-{number[4:]}", "--data", data, "--json").document
    told = [step["type"] for step in steps]
    for event_type in ("OrderPlaced", "OrderAccepted", "ServiceFinished", "HoursLogged", "EntryPosted", "OrderRated"):
        assert event_type in told
    assert {step["service"] for step in steps} == set(SERVICES)
    assert all(step["who"] for step in steps)


def test_replay_to_an_earlier_position_and_the_letters_that_nobody_could_handle(data, result):
    size = result["events"]["orders"]
    replayed = say("replay", "--data", data, "--service", "orders", "--until", size // 2, "--json")
    assert replayed.code == OK
    assert replayed.document["services"]["orders"]["position"] == size // 2
    assert say("dead-letters", "list", "--data", data, "--json").document == []
    assert say("dead-letters", "show", "orders", 5, "--by", "notify", "--data", data).code == NOT_THERE


def test_days_that_were_lived_are_told_and_not_lived_again(data, result):
    with running("demo", "--data", data, "--once") as demo:
        assert "the days of this community were lived already" in demo.line()
        assert demo.end() == OK
    text = "".join(demo.rest())
    for name, size in result["events"].items():
        assert re.search(rf"{name} +{size} events  root \w+…  head signed, stream identical  ✓", text), text
    assert "logs whole, streams identical, tables equal to their replay, no rule broken ✓" in text


def test_a_bundle_taken_away_holds_all_of_it_and_is_checked_without_the_place(data, result, place):
    bundle = place / "bundle"
    written = say("audit", "export", bundle, "--data", data, "--json")
    assert written.code == OK
    assert written.document["events"] == result["events"]
    assert say("audit", "export", bundle, "--data", data).code == USAGE
    checked = say("audit", "verify", bundle, "--json")
    assert (checked.code, checked.document["problems"]) == (OK, [])
    balances = (bundle / "books" / "balances.csv").read_text(encoding="utf-8")
    assets = [row.split(",") for row in balances.splitlines() if row.startswith("fund,Assets:Fund-relief:")]
    # Things given have a declared value, and are no money.
    fund = sum(int(row[3]) for row in assets if ":1201-" not in row[1])
    assert fund < sum(int(row[3]) for row in assets)
    minutes = -sum(int(row.split(",")[3]) for row in balances.splitlines() if row.startswith("hours,Income:"))
    assert (fund, minutes) == (result["fund_balance_fen"], result["minutes_logged"])


def test_the_rules_are_held_against_the_logs_whenever_one_likes(data, result):
    said = say("audit", "rules", "--data", data, "--json")
    assert (said.code, said.document) == (OK, {"ok": True, "breaches": []})


def placed_until(events, position):
    """How many orders the log itself knows up to a position."""
    orders = [one for one in events if one["source"].endswith("/orders") and one["position"] <= position]
    return sum(one["type"] == "OrderPlaced" for one in orders)


def test_tables_are_seen_as_they_were_and_what_became_of_them_since(data, result, events):
    half, whole = result["events"]["orders"] // 2, result["events"]["orders"]
    asked = ("--service", "orders", "--data", data, "--json")
    earlier = say("as-of", half, *asked).document
    assert earlier["position"] == half
    assert earlier["tables"]["orders"] == placed_until(events, half)
    rows = [json.loads(line) for line in say("as-of", half, *asked, "--table", "orders").lines]
    assert len(rows) == earlier["tables"]["orders"]
    assert [row["order_id"] for row in rows] == sorted(row["order_id"] for row in rows)
    since = say("differences", half, whole, *asked).document["tables"]["orders"]
    assert since["added"] == 120 - earlier["tables"]["orders"]
    assert since["removed"] == 0
    changes = [json.loads(line) for line in say("differences", half, whole, *asked, "--table", "orders").lines]
    assert len(changes) == since["added"] + since["changed"]
    ended = [one for one in changes if one["before"] is not None]
    assert {one["before"]["order_id"] for one in ended} <= {row["order_id"] for row in rows}
    assert all(one["before"] != one["after"] for one in ended)
    assert say("differences", whole, whole, *asked).document["tables"] == {}
    assert say("as-of", half, *asked, "--table", "nothing").code == USAGE
    assert say("as-of", whole + 1, *asked).code == USAGE
    assert say("as-of", "yesterday", *asked).code == USAGE
    for_people = asked[:-1]
    before = say("as-of", "2020-01-01", *for_people)
    assert "orders: no event was recorded by then; its first is of 20" in before.err
    at = say("as-of", half, *for_people).lines[0].decode()
    recorded = next(one for one in events if one["source"].endswith("/orders") and one["position"] == half)["time"]
    shown = datetime.fromisoformat(recorded).astimezone(SHANGHAI)
    assert at == f"orders as of position {half}, recorded {shown:%Y-%m-%d %H:%M:%S}"
    # Copied from what was shown and without a zone, a time is the same time again: a second later includes the event.
    later = say("as-of", f"{shown + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}", *asked).document["position"]
    assert half <= later
    assert say("as-of", f"{shown - timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", *asked).document["position"] == 0
    assert "no table differs" in say("differences", whole, whole, *for_people).out.decode()
    no_bundle = say("replay", "--from", "bundle:nowhere", "--data", data)
    assert "--from bundle:nowhere: there is no bundle: name a directory" in no_bundle.err
    # Nothing of it is left behind, and the live tables are as they were.
    assert say("replay", "--service", "orders", "--data", data, "--json").document["ok"] is True
