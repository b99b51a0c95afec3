"""Nobody who works for a service can change, drop or slip in an event: every forbidden statement, as every role."""

from hashlib import sha256

import asyncpg
import pytest

from contracts.ids import uuid7
from tests.support.logs import PASSWORDS, Tallies, migrated, one, opened, stream, superuser

REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError, asyncpg.UniqueViolationError)
MODELS = [Tallies()]

CHANGES = [
    "UPDATE orders.events SET body = body WHERE position = 1",
    "UPDATE orders.events SET recorded_at = now()",
    "DELETE FROM orders.events WHERE position = 2",
    "TRUNCATE orders.events",
    "TRUNCATE orders.events, orders.head CASCADE",
    "INSERT INTO orders.events SELECT * FROM orders.events ON CONFLICT (position) DO UPDATE SET body = excluded.body",
    "MERGE INTO orders.events e USING orders.head h ON e.position = h.size WHEN MATCHED THEN DELETE",
    "UPDATE orders.tiles SET root = root",
    "DELETE FROM orders.tiles",
    "TRUNCATE orders.tiles",
    "DELETE FROM orders.head",
    "TRUNCATE orders.head",
    "INSERT INTO orders.head (one, size, range) VALUES (false, 0, '')",
]
DEFINITIONS = [
    "ALTER TABLE orders.events DISABLE TRIGGER ALL",
    "ALTER TABLE orders.events DISABLE TRIGGER refuse_change",
    "ALTER TABLE orders.events ENABLE REPLICA TRIGGER refuse_change",
    "ALTER TABLE orders.events ADD COLUMN note text",
    "ALTER TABLE orders.events DROP COLUMN leaf_hash",
    "ALTER TABLE orders.events ALTER COLUMN body DROP NOT NULL",
    "ALTER TABLE orders.events DROP CONSTRAINT events_pkey",
    "ALTER TABLE orders.events RENAME TO events_of_yesterday",
    "ALTER TABLE orders.events SET SCHEMA public",
    "ALTER TABLE orders.events ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE orders.head DISABLE TRIGGER ALL",
    "ALTER TABLE orders.tiles DISABLE TRIGGER ALL",
    "DROP TRIGGER refuse_change ON orders.events",
    "DROP TRIGGER continue ON orders.events",
    "DROP TABLE orders.events",
    "DROP TABLE orders.head CASCADE",
    "DROP SCHEMA orders CASCADE",
    "CREATE RULE hide AS ON INSERT TO orders.events DO INSTEAD NOTHING",
    "CREATE TRIGGER hide BEFORE INSERT ON orders.events EXECUTE FUNCTION orders.refuse()",
    "CREATE OR REPLACE TRIGGER refuse_change BEFORE TRUNCATE ON orders.events EXECUTE FUNCTION orders.refuse()",
    "CREATE POLICY hide ON orders.events USING (false)",
    "DROP FUNCTION orders.refuse() CASCADE",
    "DROP FUNCTION orders.events_continue() CASCADE",
    "CREATE OR REPLACE FUNCTION orders.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'",
    "ALTER FUNCTION orders.refuse() RENAME TO allow",
    "DROP EVENT TRIGGER eventstore_guard_changes",
    "ALTER EVENT TRIGGER eventstore_guard_drops DISABLE",
    "DELETE FROM eventstore_guard.guarded",
    "DROP TABLE eventstore_guard.guarded",
]
OTHERS = [
    "SET session_replication_role = replica",
    "CREATE TEMP TABLE events (position bigint)",
    "CREATE TABLE public.mine (n integer)",
    "CREATE TABLE orders.mine (n integer)",
    "CREATE FUNCTION orders.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE mine",
    "UPDATE orders.schema_version SET number = 0",
    "UPDATE orders.idempotency SET answer = '{}'",
    "UPDATE orders.head SET one = NULL",
]
INSERT = (
    "INSERT INTO orders.events (position, stream, version, event_id, type, recorded_at, body, leaf_hash)"
    " VALUES ($1, $2, $3, $4, 'OfferDeclined', coalesce($5, now()), $6, $7)"
)


@pytest.fixture
async def full(database):
    """A log of 300 events (so that there is a tile), its size and root."""
    config = await migrated(database, read_models=MODELS)
    async with opened(config, MODELS) as log:
        await log.append(one(stream(), 0, *[1] * 50))
        await log.append(one("order-1", 0, *[2] * 250))
    return database


async def refused(connection, statement, *arguments):
    """Whether the statement is refused; it is rolled back in any case."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(statement, *arguments)
    except REFUSED:
        return True
    except asyncpg.PostgresError as error:
        raise AssertionError(f"{statement}: {error!r} is no refusal") from error
    finally:
        await transaction.rollback()
    return False


async def fingerprint(connection):
    return await connection.fetchrow(
        """SELECT (SELECT count(*) FROM orders.events), (SELECT count(*) FROM orders.tiles), h.*,
                  (SELECT relacl::text FROM pg_class WHERE oid = 'orders.events'::regclass),
                  (SELECT sha256(string_agg(leaf_hash, '' ORDER BY position)) FROM orders.events) FROM orders.head h"""
    )


@pytest.mark.parametrize("role", ["app", "auditor", "migrator"])
async def test_every_forbidden_statement_is_refused_to_every_login(full, role):
    connection = await asyncpg.connect(full.dsn_for(f"orders_{role}", getattr(PASSWORDS, role)))
    try:
        before = await fingerprint(connection)
        statements = CHANGES + DEFINITIONS + OTHERS
        if role == "migrator":  # may lock the head, which takes an UPDATE right on the column that can only be true
            statements = [s for s in statements if s != "UPDATE orders.head SET one = NULL"]
        allowed = [statement for statement in statements if not await refused(connection, statement)]
        assert allowed == []
        await connection.execute("GRANT ALL ON orders.events TO PUBLIC")  # PostgreSQL only warns, and grants nothing
        assert await fingerprint(connection) == before
    finally:
        await connection.close()


async def test_the_owner_cannot_change_rows_or_definitions_either(full):
    async with superuser(full) as connection:
        before = await fingerprint(connection)
        await connection.execute("SET ROLE orders_owner")
        statements = CHANGES + DEFINITIONS
        assert [statement for statement in statements if not await refused(connection, statement)] == []
        await connection.execute("RESET ROLE")
        assert await fingerprint(connection) == before


@pytest.mark.parametrize("role", ["superuser", "orders_owner"])
async def test_triggers_hold_for_replication_sessions_and_superusers(full, role):
    async with superuser(full) as connection:
        await connection.execute("SET session_replication_role = replica")
        if role != "superuser":
            await connection.execute(f"SET ROLE {role}")
        assert [statement for statement in CHANGES if not await refused(connection, statement)] == []


async def test_the_app_can_only_insert_what_continues_the_log(full):
    connection = await asyncpg.connect(full.dsn_for("orders_app", PASSWORDS.app))
    body = b"{}"
    leaf = sha256(b"\x00" + body).digest()
    late = await connection.fetchval("SELECT recorded_at - interval '1 second' FROM orders.head")
    wrong = {
        "a gap": (302, "order-2", 1, uuid7(), None, body, leaf),
        "a second event at a position": (300, "order-2", 1, uuid7(), None, body, leaf),
        "a negative position": (-1, "order-2", 1, uuid7(), None, body, leaf),
        "a stream's version again": (301, "order-1", 250, uuid7(), None, body, leaf),
        "another leaf hash": (301, "order-2", 1, uuid7(), None, body, sha256(body).digest()),
        "a version left out": (301, "order-2", 2, uuid7(), None, body, leaf),
        "an earlier time": (301, "order-2", 1, uuid7(), late, body, leaf),
        "too long a body": (301, "order-2", 1, uuid7(), None, b"x" * 65_536, sha256(b"\x00" + b"x" * 65_536).digest()),
    }
    try:
        for what, values in wrong.items():
            assert await refused(connection, INSERT, *values), what
        assert not await refused(connection, INSERT, 301, "order-2", 1, uuid7(), None, body, leaf)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "change",
    ["size = size + 1", "size = size - 1", "size = 0, range = '\\x0000000000000000'", "recorded_at = 'epoch'"],
)
async def test_the_app_cannot_set_the_head_to_what_the_events_do_not_say(full, change):
    connection = await asyncpg.connect(full.dsn_for("orders_app", PASSWORDS.app))
    try:
        assert await refused(connection, f"UPDATE orders.head SET {change}")
    finally:
        await connection.close()


@pytest.mark.parametrize("table", ["idempotency", "vault_keys", "vault_entries"])
async def test_the_auditor_reads_the_log_and_nothing_personal(full, table):
    connection = await asyncpg.connect(full.dsn_for("orders_auditor", PASSWORDS.auditor))
    try:
        for readable in ("events", "head", "tiles", "heard", "dead_letters", "read_model_state"):
            await connection.fetch(f"SELECT * FROM orders.{readable} LIMIT 1")
        await connection.fetch("SELECT * FROM orders_read.tallies LIMIT 1")
        assert await refused(connection, f"SELECT * FROM orders.{table}")
        assert await refused(connection, "UPDATE orders_read.tallies SET events = 0")
    finally:
        await connection.close()


async def test_another_service_sees_nothing(full):
    await migrated(full, "ledger")
    for role in ("app", "migrator", "auditor"):
        connection = await asyncpg.connect(full.dsn_for(f"ledger_{role}", getattr(PASSWORDS, role)))
        try:
            assert await refused(connection, "SELECT * FROM orders.events")
            assert await refused(connection, "SELECT * FROM orders_read.tallies")
            assert await refused(connection, "SELECT orders.position_at(now())")
        finally:
            await connection.close()
