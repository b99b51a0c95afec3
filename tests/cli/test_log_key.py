"""docs/operating/keys.md, step by step: a log's key is changed while a witness and a reader look on."""

import signal
from hashlib import sha256
from pathlib import Path

import pytest

from tests.cli.places import vkey_of
from tests.cli.program import Said, running, say
from tests.support.ports import free_port
from tests.support.servers import temporary_directory
from tests.support.waiting import eventually_blocking

OK, CHECK_FAILED, USAGE, NOT_THERE, TAKEN = 0, 1, 2, 3, 5
NAME = "witness.example/w1"
LOG = "volunteers"
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def key_of(said: Said) -> str:
    assert said.code == OK, said.err
    return said.out.decode().split()[-1]


class Community:
    """A system with a witness, started and stopped as its keeper does."""

    def __init__(self, place: Path) -> None:
        self.place, self.data, self.witness = place, place / "data", place / "w1"
        made = say("witness", "init", self.witness, "--name", NAME)
        self.port = free_port()
        with running("up", "--data", self.data, "--json") as up:
            assert up.line()
            assert up.end(signal.SIGTERM) == OK
        (self.data / "witnesses").write_text(f"witness w1 {vkey_of(made)} http://127.0.0.1:{self.port}\nquorum w1\n")
        for line in self.policy("first").read_text().splitlines():
            if line.startswith("log "):
                self.trust(line.split()[1])

    def policy(self, name: str) -> Path:
        """What a reader keeps of today's `trust-policy`."""
        file = self.place / f"policy-{name}"
        file.write_bytes(say("trust-policy", "--data", self.data).out)
        return file

    def trust(self, vkey: str) -> None:
        assert say("witness", "trust", self.witness, vkey).code == OK

    def keys(self) -> dict[str, object]:
        document: dict[str, object] = say("log-key", "show", LOG, "--data", self.data, "--json").document
        return document

    def published(self) -> str:
        return (self.data / "state" / LOG / "published").read_text()

    def lives(self, name: str, *, keys: int) -> tuple[Path, Path]:
        """Run until a head with so many of the log's signatures is cosigned; a receipt that a reader takes then."""
        with (
            running("witness", "serve", self.witness, "--port", self.port) as witness,
            running("up", "--data", self.data, "--json") as up,
        ):
            assert witness.line()
            assert up.line()
            refused = say("log-key", "retire", LOG, "--data", self.data)
            assert (refused.code, "stop them first" in refused.err) == (TAKEN, True)
            eventually_blocking(lambda: self._cosigned(keys), 120, every=0.5, what="the head is signed and cosigned")
            taken = self.place / name
            assert say("receipt", LOG, 1, "--data", self.data, "--to", taken).code == OK
            assert up.end(signal.SIGTERM) == OK
            assert witness.end(signal.SIGINT) in {OK, 130}
        return taken / f"{LOG}-1.tlog-proof", taken / f"{LOG}-1.entry"

    def _cosigned(self, keys: int) -> bool:
        if say("witness", "status", "--data", self.data).code != OK:
            return False
        return self.published().count(f"— chaoyangli/{LOG} ") == keys

    def believes(self, receipt: tuple[Path, Path], policy: Path) -> bool:
        return say("verify-receipt", *receipt, policy).code == OK


@pytest.fixture
def community(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHAOYANGLI_PUBLISH_SECONDS", "1")
    with temporary_directory() as place:
        yield Community(place)


def test_a_key_is_changed_stolen_and_lost_and_receipts_stay_good(community: Community):
    data, first = community.data, community.policy("before")
    old_receipt = community.lives("before", keys=1)
    # prepare: both sign; a witness that knows the old key alone still cosigns; readers of either policy believe it
    following = key_of(say("log-key", "prepare", LOG, "--data", data))
    assert say("log-key", "prepare", LOG, "--data", data).code == CHECK_FAILED
    assert say("log-key", "retire", LOG, "--data", data).code == CHECK_FAILED
    overlap = community.policy("overlap")
    assert f"log {following}\n" in overlap.read_text()
    during = community.lives("during", keys=2)
    assert community.believes(during, first)
    assert community.believes(during, overlap)
    # the witness gets to know it, then the old key goes
    community.trust(following)
    assert key_of(say("log-key", "retire", LOG, "--data", data)) == following
    after = community.lives("after", keys=1)
    assert community.believes(after, overlap)
    assert not community.believes(after, first), "a policy without the new key does not know it"
    assert community.believes(old_receipt, community.policy("after")), "a former key's receipts stay good"
    assert say("verify", "--data", data, "--service", LOG).code == OK
    _stolen(community, following, after)
    _lost(community)
    assert say("log-key", "show", LOG, "--data", data / "nowhere").code == NOT_THERE
    assert say("log-key", "show", "nobody", "--data", data).code == USAGE


def _stolen(community: Community, stolen: str, receipt: tuple[Path, Path]) -> None:
    data = community.data
    kept = community.place / "kept-by-the-witness"
    kept.write_bytes((community.witness / "heads" / sha256(f"chaoyangli/{LOG}".encode()).hexdigest()).read_bytes())
    made = key_of(say("log-key", "prepare", LOG, "--data", data))
    assert key_of(say("log-key", "retire", LOG, "--stolen", "--data", data)) == made
    assert community.keys()["stolen"] == [stolen]
    policy = community.policy("stolen")
    assert f"# stolen, believe it no more: {stolen}" in policy.read_text()
    assert not community.believes(receipt, policy), "what the stolen key alone signed proves nothing any more"
    assert say("verify", "--data", data, "--checkpoint", kept).code == OK
    logs = community.witness / "logs"
    logs.write_text("".join(line for line in logs.read_text().splitlines(keepends=True) if stolen not in line))
    community.trust(made)
    assert community.believes(community.lives("stolen", keys=1), policy)


def _lost(community: Community) -> None:
    data = community.data
    lost = str(community.keys()["in_force"])
    (data / "secrets" / f"{LOG}.signing_key").unlink()
    assert say("log-key", "replace-lost", LOG, "nonsense", "--data", data).code == USAGE
    another = str(say("log-key", "show", "orders", "--data", data, "--json").document["in_force"])
    assert say("log-key", "replace-lost", LOG, another, "--data", data).code == CHECK_FAILED
    made = key_of(say("log-key", "replace-lost", LOG, lost, "--data", data))
    assert made != lost
    community.trust(made)
    assert community.believes(community.lives("lost", keys=1), community.policy("lost"))
    assert say("verify", "--data", data, "--service", LOG).code == OK
