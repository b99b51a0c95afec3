"""The doctor is shown one place that is well, and then the same place with everything broken that can be broken."""

import asyncio
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import httpx
import nats
import pytest
from nats.js.errors import APIError

from cli.doctor.attempts import check_nats_rights
from cli.doctor.database import skew
from cli.doctor.findings import EXIT_CODES, worst
from cli.doctor.machine import GIB, disks
from cli.doctor.room import judged, room
from cli.doctor.rounds import examine, heard_by
from cli.doctor.senders import senders
from cli.nats_users import SERVICES, nats_accounts
from cli.place import place_of
from cli.stack import Stack
from eventstore import streams
from tests.cli.program import say
from tests.support.servers import running_nats, temporary_directory
from tests.support.waiting import eventually_blocking

pytestmark = pytest.mark.journey

COMMUNITY = "chaoyangli"
STANDS, FAILS, OFF = (UUID(int=number) for number in (1, 2, 3))
"""Webhooks: of a log that lost what was sent, of a receiver that is gone, and one that nobody misses."""


class Clinic:
    """A place whose servers run, with a stream for each log and a durable for each listener, and no services."""

    def __init__(self, stack):
        self.stack = stack
        self.place = place_of(stack.data, stack.servers.postgres.port, stack.servers.nats.url, {})

    def examine(self):
        """Findings as (check, state, said)."""
        return [(one.check, one.state, one.said) for one in asyncio.run(examine(self.place))]

    def sql(self, statement):
        async def run():
            password = (self.stack.secrets_dir / "postgres.password").read_text().strip()
            connection = await asyncpg.connect(
                host="127.0.0.1",
                port=self.place.database_port,
                database="chaoyangli",
                user="postgres",
                password=password,
            )
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(run())

    def with_nats(self, work):
        async def run():
            client = await nats.connect(**self.place.nats_arguments("admin"))
            try:
                await work(streams.context(client, self.place.streams_api))
            finally:
                await client.close()

        asyncio.run(run())


@pytest.fixture(scope="module")
def clinic():
    with temporary_directory() as place:
        stack = Stack(place / "data", durable=False)
        stack.claim()
        try:
            stack.prepare()
            found = Clinic(stack)

            async def make(js):
                for service in SERVICES:
                    await streams.ensure_stream(js, COMMUNITY, service)
                for listener, heard in heard_by().items():
                    for source in heard:
                        await streams.ensure_durable(js, source, listener, 0)

            found.with_nats(make)
            yield found
        finally:
            stack.stop()


@pytest.fixture(scope="module")
def well(clinic):
    """What is found while nothing is broken."""
    return clinic.examine()


@pytest.fixture(scope="module")
def sick(clinic, well):
    """What is found after everything was broken; `well` was looked at before."""
    clinic.sql("GRANT UPDATE (body) ON orders.events TO orders_app")
    clinic.sql("GRANT USAGE ON SCHEMA ledger TO notify_app")
    clinic.sql("GRANT SELECT ON volunteers.vault_entries TO volunteers_auditor")
    clinic.sql("ALTER ROLE volunteers_migrator CREATEROLE")
    clinic.sql("GRANT orders_owner TO orders_app")
    clinic.sql("ALTER TABLE ledger.events DISABLE TRIGGER refuse_change")
    clinic.sql("ALTER EVENT TRIGGER eventstore_guard_drops DISABLE")
    clinic.sql(
        """INSERT INTO notify.dead_letters (source, position, handler, error, body, blocks)
           VALUES ('orders', 7, 'tell', 'broken', '{}', true), ('ledger', 8, 'tell', 'broken', '{}', false)"""
    )

    clinic.sql(
        f"""INSERT INTO notify_read.webhooks (webhook_id, state, events, starts, registered_at, changed_at)
            VALUES ('{STANDS}', 'ENABLED', '[]', '[]', now(), now()), ('{FAILS}', 'ENABLED', '[]', '[]', now(), now()),
                   ('{OFF}', 'DISABLED', '[]', '[]', now(), now())"""
    )
    clinic.sql(
        f"""INSERT INTO notify.deliveries (receiver, source, position, failures, failing_since, reason_code)
            VALUES ('{STANDS}', 'orders', 9, 0, NULL, 'beyond_the_log'),
                   ('{FAILS}', 'ledger', 3, 4, now(), 'timed_out'),
                   ('{FAILS}', 'orders', 3, 0, NULL, NULL), ('{OFF}', 'orders', 1, 2, now(), 'status_503')"""
    )

    async def breaking(js):
        await js.delete_consumer("ORDERS", "notify-reactions")
        await js.delete_stream("LEDGER")
        info = await js.stream_info("VOLUNTEERS")
        await js.update_stream(replace(info.config, max_bytes=1_000_000))
        await js.publish("chaoyangli.notify.Forged", b"{}")

    clinic.with_nats(breaking)
    (clinic.stack.secrets_dir / "orders.kek").chmod(0o644)
    old = datetime.now(UTC) - timedelta(hours=50)
    note = {"finished_at": old.isoformat(), "path": "/backups/one.tar", "bytes": 5_000_000}
    clinic.place.state_dir.mkdir(exist_ok=True)
    (clinic.place.state_dir / "last-backup.json").write_text(json.dumps(note))
    return clinic.examine()


def test_a_place_that_is_well_has_nothing_broken(well):
    assert [one for one in well if one[1] == "bad"] == []
    checked = {check for check, _, _ in well}
    assert checked >= {"memory", "disk", "keys", "ports", "clock", "roles", "lag", "dead-letters", "senders"}
    assert checked >= {"signer", "nats", "streams", "durables", "nats-rights", "versions"}
    # Neither a witness nor a backup, and no service that runs: it works, and should not stay so.
    assert {check for check, state, _ in well if state == "warn"} - {"memory", "disk"} == {
        "witness",
        "backup",
        "services",
    }


@pytest.mark.parametrize(
    ("check", "state", "said"),
    [
        ("roles", "bad", "orders_app may UPDATE orders.events"),
        ("roles", "bad", "notify_app may look into ledger"),
        ("roles", "bad", "volunteers_auditor may SELECT volunteers.vault_entries"),
        ("roles", "bad", "volunteers_migrator has CREATEROLE"),
        ("roles", "bad", "orders_app is a member of orders_owner"),
        ("roles", "bad", "the trigger refuse_change of ledger.events is off or gone"),
        ("roles", "bad", "the event trigger eventstore_guard_drops is off or gone"),
        ("dead-letters", "bad", "notify could not handle orders/7 (tell): it hears nothing more of orders"),
        ("dead-letters", "warn", "notify could not handle ledger/8 (tell)"),
        ("durables", "bad", "notify has no durable notify-reactions on ORDERS"),
        ("streams", "bad", "there is no stream LEDGER"),
        ("streams", "bad", "VOLUNTEERS is set otherwise than ours: max_bytes"),
        ("streams", "bad", "NOTIFY has 1 messages, its log 0 events"),
        ("senders", "bad", f"webhook {STANDS} gets no events of orders after 9: the log is shorter than what was sent"),
        ("senders", "warn", f"webhook {FAILS} gets no events of ledger after 3: timed_out, 4 tries"),
        ("keys", "bad", "orders.kek has mode 644"),
        ("backup", "bad", "the last one is 2 days old"),
    ],
)
def test_what_is_broken_is_named(sick, check, state, said):
    assert [one for one in sick if one[:2] == (check, state) and said in one[2]], sick


def test_every_line_that_is_not_good_says_what_to_do(clinic, sick):
    findings = asyncio.run(examine(clinic.place))
    assert len(findings) == len(sick)
    assert all(one.next_step for one in findings if one.state != "ok")
    assert worst(findings) == "bad"


def test_a_webhook_that_is_disabled_or_level_is_not_named(sick):
    assert not [one for one in sick if str(OFF) in one[2] or f"{FAILS} gets no events of orders" in one[2]]


def test_a_setting_that_would_keep_notify_from_starting_is_named_beforehand(clinic, well, tmp_path, monkeypatch):
    def told():
        found = asyncio.run(senders(clinic.place))
        return [(one.state, one.said) for one in found if "webhook 0000" not in one.said]

    assert [said for check, state, said in well if (check, state) == ("senders", "ok") and "no webhook" in said]
    (tmp_path / "ours.yaml").write_text("notify:\n  tries_max: 0\n")
    monkeypatch.setenv("CHAOYANGLI_POLICY", str(tmp_path / "ours.yaml"))
    monkeypatch.setenv("CHAOYANGLI_WEBHOOK_PRIVATE", "yes")
    (figures, private) = told()
    assert figures[0] == private[0] == "bad"
    assert "tries_max" in figures[1]
    assert "CHAOYANGLI_WEBHOOK_PRIVATE is 'yes'" in private[1]
    monkeypatch.delenv("CHAOYANGLI_POLICY")
    monkeypatch.setenv("CHAOYANGLI_WEBHOOK_PRIVATE", "allowed")
    assert [state for state, _ in told()] == ["warn"]


def test_a_disk_with_less_left_than_asked_for_is_named(clinic):
    assert {one.state for one in disks(clinic.place, 0)} <= {"ok", "bad"}
    (found,) = disks(clinic.place, 100)
    assert found.state in {"warn", "bad"}
    assert "GiB free of" in found.said


def test_a_nats_without_room_for_its_streams_is_named_before_one_is_missed(clinic, well):
    assert any("its streams reserve 4.0 GiB" in said for check, state, said in well if (check, state) == ("nats", "ok"))
    with running_nats() as server:
        server.extra_config = {"jetstream": {"store_dir": str(server.directory), "max_file_store": 5 * GIB // 2}}
        server.restart()
        monitor = f"http://127.0.0.1:{server.monitor_port}"

        async def look():
            async with httpx.AsyncClient() as http:
                return [(one.check, one.state, one.said) for one in await room(http, monitor, clinic.place)]

        async def fill():
            client = await nats.connect(server.url)
            try:
                for service in SERVICES:
                    await streams.ensure_stream(streams.context(client), COMMUNITY, service)
                return ""
            except APIError as error:
                return str(error.description)
            finally:
                await client.close()

        for made in (0, 2):
            lacking = [service.upper() for service in SERVICES][made:]
            said = f"NATS may keep 2.5 GiB, its streams reserve 4.0 GiB: {', '.join(lacking)} cannot be made"
            assert ("nats", "bad", said) in asyncio.run(look())
            assert "storage" in asyncio.run(fill()), "NATS itself agrees"


def test_streams_that_may_outgrow_their_disk_are_named(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    full = {"name": "ORDERS", "config": {"max_bytes": GIB}, "state": {"bytes": GIB}}
    large = {"name": "LEDGER", "config": {"max_bytes": free * 2}, "state": {"bytes": free // 2}}
    jsz = {"config": {"max_storage": free * 9, "store_dir": str(tmp_path)}, "reserved_storage": GIB}
    told = {**jsz, "account_details": [{"stream_detail": [full]}, {"stream_detail": [large]}]}
    assert [one.check for one in judged(told, ["ORDERS", "LEDGER"]) if one.state == "warn"] == ["disk"]
    told = {**jsz, "account_details": [{"stream_detail": [full]}]}
    assert [one.state for one in judged(told, ["ORDERS"])] == ["ok"]


def test_a_clock_that_is_off_is_named():
    assert skew("clock", "a clock", 0.4).state == "ok"
    assert skew("clock", "a clock", -2.0).state == "warn"
    assert "7.0 s ahead" in skew("clock", "a clock", 7.0).said
    assert skew("clock", "a clock", -7.0).state == "bad"


def test_a_nats_user_with_too_many_rights_and_a_door_without_a_key_are_named(clinic):
    accounts = nats_accounts(clinic.stack.secrets_dir, clinic.place.state_dir, COMMUNITY)
    (user,) = accounts["ORDERS"]["users"]
    del user["permissions"]["publish"]
    with running_nats(users=lambda: accounts) as server:
        found = asyncio.run(check_nats_rights(replace(clinic.place, nats_url=server.url)))
    assert {one.state for one in found} == {"bad"}
    assert all(one.said.startswith("orders may publish to ") for one in found)
    assert "orders may publish to chaoyangli.ledger.Forged" in {one.said for one in found}
    with running_nats() as server:
        first, *_ = asyncio.run(check_nats_rights(replace(clinic.place, nats_url=server.url)))
    assert first.said == "whoever reaches NATS comes in without a key"


def test_a_dead_server_hides_nothing_else(clinic):
    clinic.stack.servers.nats.kill()
    try:
        found = clinic.examine()
    finally:
        clinic.stack.servers.nats.start()
    assert ("ports", "bad") in {one[:2] for one in found}
    assert [one for one in found if one[0] == "nats" and one[1] == "bad"]
    assert {"roles", "signer", "backup", "versions"} <= {one[0] for one in found}


def test_the_command_says_it_in_lines_and_in_json():
    with temporary_directory() as place:
        stack = Stack(place / "data", durable=False)
        stack.claim()
        try:
            stack.prepare()
        finally:
            stack.stop()
        eventually_blocking(lambda: not (place / "data" / "stack.json").exists(), what="it has stopped")
        said = say("doctor", "--data", place / "data", "--json")
        assert said.code == EXIT_CODES[said.document["state"]] == 2, said
        missing = [one for one in said.document["findings"] if one["check"] == "streams"]
        assert missing[0]["said"] == "there is no stream ORDERS"
        lines = say("doctor", "--data", place / "data").out.decode().splitlines()
        at = next(number for number, line in enumerate(lines) if "there is no stream ORDERS" in line)
        assert lines[at].split()[:3] == ["坏", "bad", "streams"]
        assert lines[at + 1].strip().startswith("→ start orders")
