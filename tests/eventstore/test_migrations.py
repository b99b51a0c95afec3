"""Migrations: repeatable, raced by all services at once, refused by a database they do not fit."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from eventstore import migrate as migrating
from eventstore.migrate import MigrationRefused, RolePasswords, migrate, migrations, scram_verifier
from tests.support.logs import PASSWORDS, HeardTallies, Tallies, migrated, one, opened, stream, superuser


async def test_all_services_migrate_at_once_and_again(database):
    services = ("orders", "volunteers", "ledger", "notify")
    applied = await asyncio.gather(*(migrate(database.dsn, service, PASSWORDS) for service in services * 2))
    names = [migration.name for migration in migrations()]
    assert sorted(applied) == [[]] * 4 + [names] * 4


async def test_migrating_again_keeps_the_log_and_its_read_models(database):
    models = [Tallies()]
    config = await migrated(database, read_models=models)
    async with opened(config, models) as log:
        await log.append(one(stream()))
    assert await migrate(database.dsn, "orders", PASSWORDS, models) == []
    async with opened(config, models) as log:
        assert (await log.append(one(stream()))).first_position == 2


async def test_a_password_can_be_changed_and_is_nowhere_in_plain(database):
    config = await migrated(database)
    new = RolePasswords("a-new-one", PASSWORDS.migrator, PASSWORDS.auditor)
    await migrate(database.dsn, "orders", new)
    async with opened(replace(config, password="a-new-one")) as log, superuser(database) as connection:
        await log.append(one(stream()))
        kept = await connection.fetch("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'orders_%'")
    verifiers = {row["rolname"]: row["rolpassword"] for row in kept}
    assert verifiers["orders_owner"] is None
    assert all(verifier.startswith("SCRAM-SHA-256$") for name, verifier in verifiers.items() if name != "orders_owner")
    assert "a-new-one" not in repr(new)
    await migrate(database.dsn, "orders", PASSWORDS)


def test_the_verifier_is_the_one_of_rfc_7677():
    """SCRAM-SHA-256 example of RFC 7677 §3: user `user`, password `pencil`."""
    import base64
    import hashlib
    import hmac

    verifier = scram_verifier("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="))
    stored, server = verifier.rsplit("$", 1)[1].split(":")
    auth = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    signature = hmac.digest(base64.b64decode(server), auth, "sha256")
    assert base64.b64encode(signature) == b"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    client_key = hmac.digest(base64.b64decode(stored), auth, "sha256")
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    recovered = bytes(a ^ b for a, b in zip(proof, client_key, strict=True))
    assert hashlib.sha256(recovered).digest() == base64.b64decode(stored)


async def test_a_newer_database_is_refused(database):
    await migrated(database)
    async with superuser(database) as connection:
        await connection.execute("INSERT INTO orders.schema_version (number, name, digest) VALUES (9999, 'x', 'y')")
    with pytest.raises(MigrationRefused, match="9999"):
        await migrate(database.dsn, "orders", PASSWORDS)


async def test_an_applied_file_must_not_be_edited(database, monkeypatch):
    await migrated(database)
    edited = [replace(migrations()[0], sql=migrations()[0].sql + "\n-- edited"), *migrations()[1:]]
    monkeypatch.setattr(migrating, "migrations", lambda: edited)
    with pytest.raises(MigrationRefused, match="0001_log\\.sql was edited"):
        await migrate(database.dsn, "orders", PASSWORDS)


async def test_a_migration_that_fails_leaves_nothing(database, monkeypatch):
    broken = [
        *migrations(),
        migrating.Migration(8000, "8000_broken.sql", "CREATE TABLE {service}.half (n int); SELECT 1/0"),
    ]
    monkeypatch.setattr(migrating, "migrations", lambda: broken)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database.dsn, "orders", PASSWORDS)
    monkeypatch.undo()
    assert await migrate(database.dsn, "orders", PASSWORDS) == []
    async with superuser(database) as connection:
        assert await connection.fetchval("SELECT to_regclass('orders.half')") is None


@pytest.mark.parametrize("name", ["", "Orders", "or ders", 'x"; DROP TABLE y; --', "1st"])
async def test_a_service_is_named_plainly(database, name):
    with pytest.raises(ValueError, match="name of a schema"):
        await migrate(database.dsn, name, PASSWORDS)


async def test_the_migrator_makes_and_swaps_read_models_without_a_superuser(database):
    models = [Tallies(), HeardTallies()]
    config = await migrated(database, read_models=models)
    connection = await asyncpg.connect(database.dsn_for("orders_migrator", PASSWORDS.migrator))
    try:
        await migrating.create_read_models(connection, "orders", config.shadow_schema, models)
        async with connection.transaction():
            assert await connection.fetchval("SELECT size FROM orders.head FOR UPDATE") == 0
            await connection.execute("ALTER SCHEMA orders_read RENAME TO orders_read_old")
            await connection.execute("ALTER SCHEMA orders_read_shadow RENAME TO orders_read")
            await connection.execute("DROP SCHEMA orders_read_old CASCADE")
    finally:
        await connection.close()
    async with opened(config, models) as log:
        await log.append(one(stream()))


async def test_a_range_of_one_uuid_keeps_times_apart_on_a_bare_server(database):
    """Overlap of one person's times, without the extension btree_gist."""
    await migrated(database)
    async with superuser(database) as connection:
        await connection.execute(
            """CREATE TABLE t (person uuid, during tstzrange,
               EXCLUDE USING gist (orders.uuidrange(person, person, '[]') WITH =, during WITH &&))"""
        )
        one_person = """INSERT INTO t VALUES ('00000000-0000-0000-0000-00000000000a',
                                              tstzrange($1::text::timestamptz, $2::text::timestamptz))"""
        await connection.execute(one_person, "2026-03-05 09:00+08", "2026-03-05 10:00+08")
        await connection.execute(one_person, "2026-03-05 10:00+08", "2026-03-05 11:00+08")
        with pytest.raises(asyncpg.ExclusionViolationError):
            await connection.execute(one_person, "2026-03-05 10:30+08", "2026-03-05 12:00+08")
        await connection.execute("INSERT INTO t SELECT '00000000-0000-0000-0000-00000000000b', during FROM t")
