import stat
from pathlib import Path

import pytest

from servicekit.handing import MIGRATOR, hand_out
from servicekit.log_keys import KeyFiles, prepare
from servicekit.secrets import init_secrets
from servicekit.settings import SERVICE_PORTS, ServiceSettings

SERVICES = tuple(SERVICE_PORTS)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    init_secrets(tmp_path / "secrets", SERVICES)
    return tmp_path / "secrets"


def names(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def test_each_reader_gets_its_own_and_the_operators_stay_with_the_operator(secrets: Path, tmp_path: Path) -> None:
    hand_out(secrets, tmp_path / "handed", SERVICES)
    found = {reader: names(tmp_path / "handed" / reader) for reader in (*SERVICES, MIGRATOR)}
    for service in SERVICES:
        assert found[service] >= {
            "issuer.jwks",
            f"{service}_app.password",
            *(f"{service}.{key}" for key in ("kek", "hmac", "signing_key")),
        }
        assert not {name for name in found[service] if any(other in name for other in set(SERVICES) - {service})}
    assert {name for name in found[MIGRATOR] if not name.startswith("nats_auditor.")} == {
        "postgres.password",
        *(f"{service}_{role}.password" for service in SERVICES for role in ("app", "migrator", "auditor")),
    }
    of_the_operator = names(secrets) - {name for one in found.values() for name in one}
    assert {name for name in of_the_operator if not name.startswith("nats_admin.")} == {"issuer.signing_key"}
    for path in (tmp_path / "handed").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o400), path


def test_a_service_starts_with_what_it_was_handed(secrets: Path, tmp_path: Path) -> None:
    hand_out(secrets, tmp_path, SERVICES)
    mine = tmp_path / "ledger"
    settings = ServiceSettings(
        service="ledger", secrets_dir=mine, state_dir=tmp_path / "state", issuer_jwks=mine / "issuer.jwks"
    )
    assert settings.log_config().password
    assert (len(settings.kek), len(settings.hmac_secret)) == (32, 32)
    assert settings.key_files.in_force.read_bytes() == (secrets / "ledger.signing_key").read_bytes()


def test_handed_again_only_what_changed_is_written_and_what_is_no_more_is_taken_away(
    secrets: Path, tmp_path: Path
) -> None:
    handed = tmp_path / "handed"
    assert hand_out(secrets, handed, SERVICES)
    assert hand_out(secrets, handed, SERVICES) == []
    prepare(KeyFiles(secrets, "chaoyangli", "ledger"))
    (secrets / "subscribers").mkdir()
    (secrets / "subscribers" / "street.json").write_text("{}")
    following = handed / "ledger" / "ledger.next_signing_key"
    assert set(hand_out(secrets, handed, SERVICES)) == {
        following,
        *(handed / service / "subscribers" / "street.json" for service in SERVICES),
    }
    (secrets / "ledger.next_signing_key").replace(secrets / "ledger.signing_key")
    (secrets / "subscribers" / "street.json").unlink()
    hand_out(secrets, handed, SERVICES)
    assert not following.exists()
    key = (handed / "ledger" / "ledger.signing_key").read_bytes()
    assert key == (secrets / "ledger.signing_key").read_bytes()
    assert "subscribers/street.json" not in names(handed / "notify")


def test_what_a_broken_write_left_behind_is_in_nobodys_way(secrets: Path, tmp_path: Path) -> None:
    hand_out(secrets, tmp_path, SERVICES)
    (secrets / ".orders.kek.new-1").write_text("half")
    (secrets / "orders.former_vkeys.new").write_text("half")
    assert hand_out(secrets, tmp_path, SERVICES) == []
