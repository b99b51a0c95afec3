"""A witness beside a running system, and a receipt taken away from it: all by the words that people type."""

import signal
from hashlib import sha256

import httpx
import pytest

from tests.cli.places import vkey_of
from tests.cli.program import running, say
from tests.support.ports import free_port
from tests.support.servers import temporary_directory
from tests.support.waiting import PATIENCE_SECONDS, eventually_blocking

pytestmark = pytest.mark.journey

OK, CHECK_FAILED, USAGE, NOT_THERE = 0, 1, 2, 3
NAME = "witness.example/w1"


@pytest.fixture(scope="module")
def place():
    with temporary_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def data(place):
    """A data directory of a system that ran once."""
    data = place / "data"
    with running("up", "--data", data, "--json") as up:
        assert up.line()
        assert up.end(signal.SIGTERM) == OK
    return data


def test_a_witness_is_made_once_and_its_words_are_checked(place):
    made = say("witness", "init", place / "w0", "--name", NAME)
    assert made.code == OK
    assert vkey_of(made).startswith(f"{NAME}+")
    assert say("witness", "init", place / "w0", "--name", NAME).code == CHECK_FAILED
    assert say("witness", "init", place / "w00", "--name", "two words").code == USAGE
    assert say("witness", "trust", place / "w0", "nonsense").code == USAGE
    assert say("witness", "trust", place / "w0", vkey_of(made)).code == USAGE
    nowhere = say("witness", "show", place / "nowhere")
    assert nowhere.code == CHECK_FAILED
    assert "is not a whole witness" in nowhere.err


def test_who_has_no_witness_is_told_so(data):
    policy = say("trust-policy", "--data", data)
    assert policy.code == OK
    text = policy.out.decode()
    assert [line.split()[0] for line in text.splitlines() if not line.startswith("#")] == ["log"] * 4 + ["quorum"]
    assert "尚无外部见证" in text
    status = say("witness", "status", "--data", data)
    assert "尚无外部见证" in status.out.decode()
    assert say("witness", "status", "--data", data / "nowhere").code == NOT_THERE


def test_a_list_of_witnesses_that_is_off_is_told_with_its_line(data):
    listed = data / "witnesses"
    listed.write_text("witness w1 nonsense http://127.0.0.1:9\nquorum w1\n")
    try:
        said = say("witness", "status", "--data", data)
        assert said.code == NOT_THERE
        assert "line 1" in said.err
    finally:
        listed.unlink()


def test_a_stranger_with_two_files_and_a_policy_needs_nobody(data, place, monkeypatch):
    made = say("witness", "init", place / "w1", "--name", NAME)
    port = free_port()
    (data / "witnesses").write_text(f"witness w1 {vkey_of(made)} http://127.0.0.1:{port}\nquorum w1\n")
    policy = place / "policy"
    policy.write_bytes(say("trust-policy", "--data", data).out)
    for line in policy.read_text().splitlines():
        if line.startswith("log "):
            assert say("witness", "trust", place / "w1", line.split()[1]).code == OK
    monkeypatch.setenv("CHAOYANGLI_PUBLISH_SECONDS", "1")
    with (
        running("witness", "serve", place / "w1", "--port", port) as witness,
        running("up", "--data", data, "--json") as up,
    ):
        assert NAME in witness.line()
        assert up.line()
        assert say("token", "--bootstrap", "--data", data, "--json").code == OK

        def all_met():
            said = say("witness", "status", "--data", data, "--json")
            sizes = {log["log"]: log["size"] for log in said.document["logs"]}
            return said.code == OK and (sizes["chaoyangli/volunteers"] or 0) >= 4

        eventually_blocking(all_met, 60, every=0.5, what="the witness has cosigned every log")
        taken = say("receipt", "volunteers", 2, "--data", data, "--to", place / "taken")
        assert taken.code == OK
        assert say("receipt", "volunteers", 1_000, "--data", data, "--to", place / "taken").code == NOT_THERE
        assert say("receipt", "nobody", 1, "--data", data).code == USAGE
        seen = httpx.get(f"http://127.0.0.1:{port}/", timeout=PATIENCE_SECONDS).text
        assert "chaoyangli/volunteers: " in seen
        assert witness.end(signal.SIGINT) in {OK, 130}
        assert up.end(signal.SIGTERM) == OK
    receipt, entry = place / "taken" / "volunteers-2.tlog-proof", place / "taken" / "volunteers-2.entry"
    verified = say("verify-receipt", receipt, entry, policy, "--json")
    assert verified.code == OK
    assert verified.document["position"] == 2
    assert verified.document["witnesses"] == [NAME]
    spoiled = place / "spoiled"
    spoiled.write_bytes(entry.read_bytes().replace(b"PersonRegistered", b"PersonRegisterad"))
    refused = say("verify-receipt", receipt, spoiled, policy)
    assert refused.code == CHECK_FAILED
    assert "✗" in refused.out.decode()
    assert say("verify-receipt", receipt, entry, entry).code == USAGE
    _what_the_witness_kept_holds_the_log_to_its_word(data, place)


def _what_the_witness_kept_holds_the_log_to_its_word(data, place):
    origin = b"chaoyangli/volunteers"
    kept = place / "w1" / "heads" / sha256(origin).hexdigest()
    said = say("verify", "--data", data, "--checkpoint", kept, "--json")
    assert said.code == OK
    assert list(said.document["services"]) == ["volunteers"]
    assert said.document["services"]["volunteers"]["checkpoint"]["size"] == int(kept.read_text().split("\n")[1])
    other = place / "another-root"
    other.write_text(kept.read_text().replace("\n", "\n9", 1))  # nobody signed that size
    refused = say("verify", "--data", data, "--checkpoint", other)
    assert refused.code == CHECK_FAILED
    assert "checkpoint:" in refused.out.decode()
    assert "head not accepted" in refused.out.decode()
    assert say("verify", "--data", data, "--service", "orders", "--checkpoint", kept).code == USAGE
