"""What `init` and an operator's commands hand to the services, as in containers but without an engine."""

from pathlib import Path

import pytest

from cli.place import SERVICES
from servicekit.secrets import init_secrets
from tests.cli.program import say


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


def test_init_gives_streams_of_before_there_were_accounts_to_ours(place: Path) -> None:
    before, now = (place / "data" / "jetstream" / account / "streams" / "ORDERS" for account in ("$G", "CHAOYANGLI"))
    before.mkdir(parents=True)
    for _ in range(2):
        words = ("--secrets", place / "secrets", "--state", place / "state", "--nats-data", place / "data")
        assert say("init", *words).code == 0
        assert now.is_dir()
        assert not before.exists()


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
