"""`chaoyangli subscribers` as people type it, while the system runs and while nothing runs."""

import asyncio
import json
import signal
import stat
from pathlib import Path
from typing import Any

import nats
import pytest

from cli import subscribing
from eventstore.durable import locked
from tests.cli.program import running, say
from tests.support.servers import temporary_directory
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]
OK, CHECK_FAILED, USAGE, NOT_THERE, NO_ANSWER = 0, 1, 2, 3, 4


async def first_event(url: str, who: dict[str, Any]) -> Any:
    """The first event that these credentials lead to."""
    client = await nats.connect(url, nkeys_seed_str=who["nats_seed"], inbox_prefix=who["nats_inbox_prefix"])
    there = who["nats_consumers"][0]
    js = client.jetstream(prefix=who["nats_api_prefix"])
    pull = await js.pull_subscribe_bind(consumer=there["durable"], stream=there["stream"])
    (message,) = await pull.fetch(1, timeout=PATIENCE_SECONDS)
    await message.ack_sync(PATIENCE_SECONDS)
    await client.close()
    return json.loads(message.data)


def check_documents(file: Path, here: tuple[object, ...]) -> None:
    """A program that adds, changes and removes one is told what people are told, and no secret."""
    add = ("subscribers", "add", "county", "--events", "ledger.*", *here, "--json")
    assert say(*add, "--to", "-").code == USAGE, "standard output is the credentials' or the document's"
    added = say(*add, "--to", file)
    who = json.loads(file.read_text())
    assert (added.err, added.document["credentials"], added.document["first"]) == ("", str(file), {"ledger": 1})
    assert (added.document["events"], added.document["nats_told"]) == (who["events"], True)
    assert added.document["withheld"]
    changed = say("subscribers", "change", "county", "--from", "ledger=1", *here, "--json")
    assert (changed.document["events"], changed.document["nats_consumers"]) == (who["events"], who["nats_consumers"])
    assert (changed.err, changed.document["first"]) == ("", {"ledger": 1})
    removed = say("subscribers", "remove", "county", *here, "--json")
    assert removed.document == {"removed": "county", "nats_told": True}
    for said in (added, changed, removed):
        assert not any(who[secret].encode() in said.out for secret in ("nats_seed", "feed_key"))


def test_a_subscriber_is_given_credentials_looked_at_and_taken_away(monkeypatch):
    with temporary_directory() as directory:
        data, file = directory / "data", directory / "city.json"
        here = ("--data", data)
        assert say("subscribers", "list", *here).code == NOT_THERE
        with running("up", *here, "--json") as up:
            url = json.loads(up.line())["nats"]
            add = ("subscribers", "add", "city", "--events", "volunteers.PolicyAdopted,ledger.*", "--to", file)
            for words in (
                ("--events", "orders.OrderPlaced"),
                ("--events", "orders.Nothing"),
                ("--events", "ledger.*", "--from", "yesterday"),
                ("--events", "ledger.*", "--from", "books=1"),
                ("--events", "ledger.*", "--from", "0001-01-01"),
            ):
                refused = say("subscribers", "add", "city", *words, "--to", file, *here)
                assert (refused.code, file.exists()) == (USAGE, False), refused
            unwritten = say(*add[:-1], directory / "nowhere" / "city.json", *here)
            assert (unwritten.code, f"no directory {directory / 'nowhere'}" in unwritten.err) == (NO_ANSWER, True)
            assert say("subscribers", "list", *here, "--json").document == {"subscribers": [], "problems": []}
            said = say(*add, *here)
            assert said.code == OK, said.err
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            who = json.loads(file.read_text())
            assert "volunteers.PolicyAdopted" in who["events"]
            assert {one["stream"] for one in who["nats_consumers"]} == {"VOLUNTEERS", "LEDGER"}
            assert "internal" in said.err
            assert who["nats_seed"] not in said.err

            kept = (data / "secrets" / "subscribers" / "city.json").read_text()
            assert who["nats_seed"] not in kept
            assert who["feed_key"] not in kept
            event = asyncio.run(first_event(url, who))
            assert event["type"] == "PolicyAdopted"

            assert say(*add, *here).code == USAGE, "its file is there already"
            again = say(*add[:-1], directory / "other.json", *here)
            assert (again.code, "already" in again.err) == (CHECK_FAILED, True)
            (listed,) = say("subscribers", "list", *here, "--json").document["subscribers"]
            assert (listed["name"], listed["nats"], listed["feed"]) == ("city", True, True)
            shown = say("subscribers", "show", "city", *here, "--json").document
            assert shown["logs"]["volunteers"]["acknowledged"] == event["position"]
            check_documents(directory / "county.json", here)
            for verb in ("show", "change", "remove"):
                assert say("subscribers", verb, "nobody", *here).code == NOT_THERE, verb
            monkeypatch.setattr(subscribing, "ALONE_SECONDS", 0.0)
            with locked(data / "state" / "subscribers", 0):
                for words in (("add", "county", "--events", "ledger.*"), ("change", "city"), ("remove", "city")):
                    busy = say("subscribers", *words, *here)
                    assert (busy.code, "try again when it is done" in busy.err) == (CHECK_FAILED, True), busy
            assert up.end(signal.SIGTERM) == OK

        # Nothing runs: the next start does not know them any more.
        assert say("subscribers", "remove", "city", *here).code == OK
        assert say("subscribers", "remove", "city", *here).code == NOT_THERE
        with running("up", *here, "--json") as up:
            url = json.loads(up.line())["nats"]
            with pytest.raises((nats.errors.Error, ConnectionResetError)):
                asyncio.run(nats.connect(url, nkeys_seed_str=who["nats_seed"], allow_reconnect=False))
            assert say("subscribers", "list", *here, "--json").document == {"subscribers": [], "problems": []}
            assert up.end(signal.SIGTERM) == OK
