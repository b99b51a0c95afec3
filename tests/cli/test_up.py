"""`up` as people run it: once at a time, killed and begun again, with other ports when the last ones are taken."""

import json
import shutil
import signal
import socket
from pathlib import Path

import pytest

from cli.embedded import HOST, port_is_free
from tests.cli.program import running, say
from tests.support.servers import temporary_directory
from tests.support.waiting import eventually_blocking

pytestmark = pytest.mark.journey

OK, NOT_THERE, TAKEN = 0, 3, 5
FIRST_EVENTS = ["PolicyAdopted", "PersonRegistered", "ConsentGiven", "RoleGranted"]
"""What the first start and making the first ADMIN come to."""
SERVICES = ["orders", "volunteers", "ledger", "notify"]
ROOT = Path(__file__).parents[2]
FUND_URL = "https://fund.example/fund/"


def told_to(pid):
    """The variables that a process was started with."""
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def all_well(data):
    status = say("status", "--data", data, "--json").document
    return status if {one["state"] for one in status["services"].values()} == {"ok"} else None


@pytest.fixture(scope="module")
def data():
    with temporary_directory() as directory:
        yield directory / "data"


@pytest.fixture
def community_sets(tmp_path, monkeypatch):
    """What docs/operating/settings.md lets the shell say; the file by a relative path, as people write it."""
    shutil.copy(ROOT / "servicekit" / "policy.yaml", tmp_path / "ours.yaml")
    monkeypatch.chdir(tmp_path)
    for name, value in (("POLICY", "ours.yaml"), ("FUND_URL", FUND_URL), ("HOST_CHARITY", "")):
        monkeypatch.setenv(f"CHAOYANGLI_{name}", value)
    return {"CHAOYANGLI_POLICY": str(tmp_path / "ours.yaml"), "CHAOYANGLI_FUND_URL": FUND_URL}


def test_what_runs_says_where_it_is_and_is_started_once(data, community_sets):
    with running("up", "--data", data, "--json") as up:
        told = json.loads(up.line())
        assert told["data"] == str(data)
        assert list(told["services"]) == SERVICES

        # A service serves before it has found NATS; until then it says so.
        status = eventually_blocking(lambda: all_well(data), 60, every=0.2, what="every service is ok")
        assert status["data"] == str(data)
        assert {name: one["url"] for name, one in status["services"].items()} == told["services"]
        for one in status["services"].values():
            assert {"position", "relay_lag", "consumer_lag"} <= set(one)

        for service in SERVICES:
            pid = json.loads((data / "stack.json").read_text())["pids"][service]
            assert told_to(pid).items() >= community_sets.items()
            assert "CHAOYANGLI_HOST_CHARITY" not in told_to(pid)

        for command in ("up", "demo"):
            again = say(command, "--data", data)
            assert again.code == TAKEN
        admin = say("token", "--bootstrap", "--data", data, "--json").document
        assert set(admin) == {"actor_id", "role", "positions", "token"}
        assert admin["positions"] == {"volunteers": len(FIRST_EVENTS)}
        assert up.end(signal.SIGKILL) != OK

    said = say("status", "--data", data)
    assert (said.code, "nothing runs here" in said.err) == (NOT_THERE, True)


def test_killed_and_started_again_it_goes_on_where_it_was_on_other_ports_if_it_must(data):
    taken = [*json.loads((data / "services.json").read_text()).values()]
    taken += json.loads((data / "servers.json").read_text()).values()
    # What the killed launcher had started ends by itself.
    eventually_blocking(lambda: all(map(port_is_free, taken)), 60, what="the ports of last time are free")
    others = [socket.create_server((HOST, port)) for port in taken]
    try:
        with running("up", "--data", data, "--json") as up:
            told = json.loads(up.line())
            assert not {int(url.rpartition(":")[2]) for url in told["services"].values()} & set(taken)

            said = say("events", "--data", data, "--service", "volunteers", "--json")
            assert [json.loads(line)["type"] for line in said.lines] == FIRST_EVENTS
            verified = say("verify", "--data", data, "--json")
            assert verified.code == OK
            for one in verified.document["services"].values():
                assert {"size", "root", "checkpoint", "stream_identical"} <= set(one)
            assert up.end(signal.SIGTERM) == OK
    finally:
        for other in others:
            other.close()
    assert not (data / "stack.json").exists()


def test_commands_that_read_start_the_servers_for_themselves(data):
    said = say("verify", "--data", data, "--json")
    assert said.code == OK
    assert said.document["ok"] is True
    assert "started for this command" in said.err
