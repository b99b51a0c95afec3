"""`chaoyangli testkit`: events for a subscriber's standard input, and what it should do with each."""

import json

from typer.testing import CliRunner

from cli.main import app
from contracts.testkit import CASES

RUN = CliRunner()


def test_what_it_prints_and_what_it_expects_go_together_line_by_line() -> None:
    names = ["orders.OrderVerified", "ledger.DonationReceived"]
    events = [json.loads(line) for line in RUN.invoke(app, ["testkit", *names]).stdout.splitlines()]
    expected = [json.loads(line) for line in RUN.invoke(app, ["testkit", *names, "--expect"]).stdout.splitlines()]
    assert [event["id"] for event in events] == [each["id"] for each in expected]
    assert {each["expect"] for each in expected} == {"handle", "skip", "park"}
    assert {"OrderVerified", "DonationReceived"} < {event["type"] for event in events}


def test_it_says_what_is_tried() -> None:
    told = RUN.invoke(app, ["testkit", "--cases"]).stdout
    assert [line.partition(":")[0] for line in told.splitlines()] == list(CASES)


def test_an_internal_event_cannot_be_tried() -> None:
    refused = RUN.invoke(app, ["testkit", "orders.OrderPlaced"])
    assert refused.exit_code == 2
    assert "orders.OrderPlaced" in refused.stderr


def test_one_document_holds_the_very_same_deliveries() -> None:
    names = ["orders.OrderVerified", "ledger.*"]
    whole = json.loads(RUN.invoke(app, ["testkit", *names, "--json"]).stdout)["deliveries"]
    assert [each.pop("body") for each in whole] == RUN.invoke(app, ["testkit", *names]).stdout.splitlines()
    assert json.loads(RUN.invoke(app, ["testkit", *names, "--expect", "--json"]).stdout)["deliveries"] == whole
    expected = RUN.invoke(app, ["testkit", *names, "--expect"]).stdout.splitlines()
    assert [json.loads(line) for line in expected] == whole
    assert json.loads(RUN.invoke(app, ["testkit", "--cases", "--json"]).stdout) == {"cases": CASES}
