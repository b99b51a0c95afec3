import stat
from pathlib import Path
from uuid import UUID

import asyncpg
import nkeys  # type: ignore[import-untyped]
import pytest
from pydantic import SecretStr, ValidationError

from contracts.command import Role
from eventstore.checkpoint import load_key_file
from servicekit.migrate import MigrateSettings, migrate_all
from servicekit.nats_keys import public_key
from servicekit.secrets import SecretMissing, init_secrets, read_bytes_secret, read_nats_seed, read_text_secret
from servicekit.settings import ServiceSettings
from servicekit.tokens import Verifier, issue, load_issuer_key
from tests.support.servers import Database


def test_every_secret_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "secrets"
    made = init_secrets(directory, ["orders", "notify"])
    assert {path.name for path in made} >= {
        "orders_app.password",
        "orders_migrator.password",
        "orders_auditor.password",
        "orders.kek",
        "orders.hmac",
        "orders.signing_key",
        "nats_orders.nk",
        "nats_admin.nk",
        "nats_auditor.nk",
        "notify.kek",
        "postgres.password",
        "issuer.signing_key",
        "issuer.jwks",
    }
    for path in made:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o644 if path.name == "issuer.jwks" else 0o600), path.name
    before = {path: path.read_bytes() for path in made}
    assert init_secrets(directory, ["orders", "notify"]) == []
    assert {path: path.read_bytes() for path in made} == before
    assert len(set(before.values())) == len(before)


def test_keys_are_keys_and_the_key_set_holds_no_private_part(tmp_path: Path) -> None:
    init_secrets(tmp_path, ["orders"])
    assert len(read_bytes_secret(tmp_path / "orders.kek")) == 32
    assert len(read_bytes_secret(tmp_path / "orders.hmac")) == 32
    load_key_file(tmp_path / "orders.signing_key")
    Verifier(tmp_path / "issuer.jwks")
    assert '"d"' not in (tmp_path / "issuer.jwks").read_text()
    assert '"d"' in (tmp_path / "issuer.signing_key").read_text()


def test_a_place_with_passwords_for_nats_has_keys_after_the_next_init(tmp_path: Path) -> None:
    init_secrets(tmp_path, ["orders"])
    users = ("admin", "auditor", "orders")
    for user in users:
        (tmp_path / f"nats_{user}.nk").unlink()
        (tmp_path / f"nats_{user}.password").write_text("of-old\n")
    assert {path.name for path in init_secrets(tmp_path, ["orders"])} == {f"nats_{user}.nk" for user in users}
    assert not list(tmp_path.glob("nats_*.password"))
    assert len({public_key(read_nats_seed(tmp_path, user)) for user in users}) == 3


def test_a_spoilt_seed_is_named_and_not_shown(tmp_path: Path) -> None:
    init_secrets(tmp_path, ["orders"])
    file = tmp_path / "nats_orders.nk"
    seed = file.read_text().strip()
    for spoilt in (seed[:-1], seed[:-1] + ("A" if seed[-1] != "A" else "B"), "SU", "é" * 58, new_operators_seed()):
        file.write_text(spoilt)
        with pytest.raises(SecretMissing, match=r"nats_orders\.nk") as told:
            read_nats_seed(tmp_path, "orders")
        assert spoilt not in str(told.value)


def new_operators_seed() -> str:
    seed: bytes = nkeys.encode_seed(bytes(32), nkeys.PREFIX_BYTE_OPERATOR)
    return seed.decode()


def test_an_issuers_key_that_is_taken_away_is_made_anew_with_its_key_set(tmp_path: Path) -> None:
    init_secrets(tmp_path, ["orders"])
    old = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for name in ("issuer.signing_key", "issuer.jwks"):
        (tmp_path / name).unlink()
    assert {path.name for path in init_secrets(tmp_path, ["orders"])} == {"issuer.signing_key", "issuer.jwks"}
    changed = {path.name for path in tmp_path.iterdir() if path.read_bytes() != old[path.name]}
    assert changed == {"issuer.signing_key", "issuer.jwks"}
    token = issue(load_issuer_key(tmp_path / "issuer.signing_key"), UUID(int=1), [Role.RESIDENT])
    assert Verifier(tmp_path / "issuer.jwks").verify(token).actor_id == UUID(int=1)


def test_a_missing_or_spoilt_secret_is_named_and_not_shown(tmp_path: Path) -> None:
    spoilt = tmp_path / "orders.kek"
    with pytest.raises(SecretMissing, match=r"orders\.kek"):
        read_text_secret(spoilt)
    for content in ("", "c2hvcnQ=", "not base64!"):
        spoilt.write_text(content)
        with pytest.raises(SecretMissing, match=r"orders\.kek") as missing:
            read_bytes_secret(spoilt)
        assert not content or content not in str(missing.value)


def test_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    init_secrets(tmp_path, ["ledger"])
    for name, value in (
        ("SECRETS_DIR", tmp_path),
        ("STATE_DIR", tmp_path / "state"),
        ("ISSUER_JWKS", tmp_path / "issuer.jwks"),
        ("DATABASE_HOST", "db.internal"),
        ("COMMUNITY", "chaoyangli"),
    ):
        monkeypatch.setenv(f"CHAOYANGLI_{name}", str(value))
    settings = ServiceSettings(service="ledger")
    assert settings.port == 8103
    assert settings.origin == "chaoyangli/ledger"
    assert settings.head_path == tmp_path / "state" / "ledger" / "head"
    config = settings.log_config()
    assert (config.user, config.host, len(config.idempotency_secret)) == ("ledger_app", "db.internal", 32)
    assert settings.log_config("auditor").user == "ledger_auditor"
    assert config.password not in repr(config)
    with pytest.raises(ValidationError, match="CHAOYANGLI_HTTP_PORT"):
        ServiceSettings(service="garden")
    monkeypatch.setenv("CHAOYANGLI_WITNESSES", "")  # as a compose file passes on what nobody set
    assert ServiceSettings(service="ledger").witnesses is None


async def test_the_migrator_makes_the_database_and_the_roles_and_may_run_again(
    database: Database, tmp_path: Path
) -> None:
    init_secrets(tmp_path, ["volunteers"])
    settings = MigrateSettings(
        database_host=database.host,
        database_port=database.port,
        database_name=f"{database.name}_new",
        superuser_password=SecretStr(database.superuser_password),
        secrets_dir=tmp_path,
        services="volunteers",
    )
    try:
        await migrate_all(settings)
        await migrate_all(settings)
        service = ServiceSettings(
            service="volunteers",
            database_host=database.host,
            database_port=database.port,
            database_name=settings.database_name,
            secrets_dir=tmp_path,
            state_dir=tmp_path,
            issuer_jwks=tmp_path / "issuer.jwks",
        )
        for role in ("app", "migrator", "auditor"):
            connection = await asyncpg.connect(**service.log_config(role).connect_arguments("test"))
            try:
                assert await connection.fetchval("SELECT size FROM volunteers.head") == 0
            finally:
                await connection.close()
    finally:
        superuser = await asyncpg.connect(database.dsn)
        await superuser.execute(f'DROP DATABASE IF EXISTS "{settings.database_name}" WITH (FORCE)')
        await superuser.close()
