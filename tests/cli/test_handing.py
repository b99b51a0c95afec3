"""What `init` and an operator's commands hand to the services, as in containers but without an engine."""

import subprocess
from pathlib import Path

import pytest

from cli.place import SERVICES
from servicekit.secrets import init_secrets
from tests.cli.program import Said, say


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where every secret lies in one directory, as before each service had its own."""
    init_secrets(tmp_path / "secrets", SERVICES)
    monkeypatch.setenv("CHAOYANGLI_SECRETS_DIR", str(tmp_path / "secrets"))
    monkeypatch.setenv("CHAOYANGLI_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def init(place: Path) -> None:
    said = say("init", "--secrets", place / "secrets", "--state", place / "state", "--handed", place / "handed")
    assert said.code == 0, said.err


def test_init_carries_over_a_deployment_whose_services_shared_one_directory(place: Path) -> None:
    before = {path.name: path.read_bytes() for path in (place / "secrets").iterdir()}
    init(place)
    assert {path.name: path.read_bytes() for path in (place / "secrets").iterdir()} == before
    for service in SERVICES:
        for name in (f"{service}.kek", f"{service}.signing_key", f"{service}_app.password", "issuer.jwks"):
            assert (place / "handed" / service / name).read_bytes() == before[name]


def give(place: Path) -> Said:
    words = ("--secrets", place / "secrets", "--state", place / "state", "--nats-data", place / "data")
    return say("init", *words)


def test_init_gives_streams_that_services_shared_to_each_its_own(place: Path) -> None:
    store = place / "data" / "jetstream"
    for stream in ("CHAOYANGLI/streams/ORDERS", "CHAOYANGLI/streams/ORDERS_2", "$G/streams/LEDGER", "$G/streams/MINE"):
        (store / stream).mkdir(parents=True)
    (store / "$G/streams/ORDERS").mkdir(parents=True)
    for _ in range(2):
        assert give(place).code == 0
        found = sorted(str(path.relative_to(store)) for path in store.glob("*/streams/*"))
        assert found == ["LEDGER/streams/LEDGER", "ORDERS/streams/ORDERS", "ORDERS/streams/ORDERS_2"]
    left = sorted(path.name for path in (place / "data" / "left").glob("*/streams/*"))
    assert left == ["MINE", "ORDERS"], "what is nobody's, or was replaced since, is kept aside"


def test_init_moves_no_stream_while_nats_runs(place: Path) -> None:
    stream = place / "data" / "jetstream" / "CHAOYANGLI" / "streams" / "ORDERS"
    stream.mkdir(parents=True)
    # As docker-compose.yml starts it.
    held = subprocess.Popen(
        ["sh", "-c", f"exec 9>{place}/data/nats.lock && flock 9 && echo held && exec sleep 60"], stdout=subprocess.PIPE
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == b"held\n"
        refused = give(place)
        assert refused.code != 0
        assert "docker compose stop nats" in refused.err
        assert stream.is_dir()
    finally:
        held.kill()
        held.wait()
        if held.stdout is not None:
            held.stdout.close()
    assert give(place).code == 0
    assert not stream.exists()


def test_what_a_command_changes_reaches_its_reader_when_the_command_ends(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(place)
    made = "ledger.next_signing_key"
    monkeypatch.setenv("CHAOYANGLI_HANDED_DIR", str(place / "handed"))
    assert say("log-key", "prepare", "ledger").code == 0
    handed = [path.parent.name for path in (place / "handed").rglob(made)]
    assert handed == ["ledger"]
    assert (place / "handed" / "ledger" / made).read_bytes() == (place / "secrets" / made).read_bytes()


def test_a_copy_that_cannot_be_made_is_told_and_no_command_counts_as_done(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "no-directory").write_text("")
    monkeypatch.setenv("CHAOYANGLI_HANDED_DIR", str(place / "no-directory"))
    said = say("log-key", "show", "ledger")
    assert said.code == 4
    assert "no-directory" in said.err


def test_where_one_services_secrets_lie_the_others_are_asked_for_elsewhere(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(place)
    monkeypatch.setenv("CHAOYANGLI_SECRETS_DIR", str(place / "handed" / "ledger"))
    monkeypatch.setenv("CHAOYANGLI_SERVICE", "ledger")
    for words in (("log-key", "show", "orders"), ("token", "--role", "ADMIN")):
        said = say(*words)
        assert said.code != 0
        assert "docker compose run --rm operator" in said.err
    assert say("log-key", "show", "ledger").code == 0
