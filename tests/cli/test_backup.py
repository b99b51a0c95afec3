"""A backup is whole or none; put back it loses nothing that anybody still has, and nobody comes back who was erased."""

import asyncio
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys

import asyncpg
import pytest

from cli.backup import restoring
from cli.embedded import HOST, PostgresServer
from cli.version import VERSION
from eventstore.recovery import TailRefused
from tests.cli.losses import ask, copy, registering, roots, servers_of, sizes, up
from tests.cli.program import say
from tests.cli.towns import AFTER, a_service_at_work, deployed

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]
OK, CHECK_FAILED, USAGE, NOT_THERE, TAKEN, KILLED = 0, 1, 2, 3, 5, -signal.SIGKILL
SERVICES = ("orders", "volunteers", "ledger", "notify")


def test_a_backup_says_whether_it_is_whole_and_whose_it_is(lived):
    data = lived.place / "whole"
    said = say("backup", "verify", lived.backup, "--data", data, "--json")
    assert said.code == OK, said
    assert said.document["logs"]["notify"]["heard"]["volunteers"] > 0
    (listed,) = say("backup", "list", "--to", lived.place / "backups", "--data", data, "--json").document
    assert (listed["path"], listed["app_version"]) == (str(lived.backup), VERSION)
    last = json.loads((data / "state" / "last-backup.json").read_text())
    assert last["path"] == str(lived.backup)
    assert last["bytes"] == listed["bytes"] > 0
    spoiled = (
        ("is not what was written", lambda at: _change(next(path for path in at.rglob("*.gz")))),
        ("is not what was written", lambda at: _change(next(p for p in (at / "logs").rglob("*") if p.is_file()))),
        ("lacks tables/", lambda at: next(at.rglob("*.gz")).unlink()),
        ("is not in its list", lambda at: (at / "tables" / "more").write_text("")),
        ("is not the list that was signed", lambda at: _change(at / "files.sha256")),
        ("is not signed by the keys of this place", lambda at: _change(at / "manifest", b"volunteers", b"volunteerz")),
        ("was never finished", lambda at: (at / "manifest").unlink()),
    )
    for why, spoil in spoiled:
        at = copy(lived.backup, lived.place / "spoiled")
        spoil(at)
        said = say("backup", "verify", at, "--data", data)
        assert said.code == CHECK_FAILED, why
        assert why in said.err
        shutil.rmtree(at)
    foreign = lived.place / "foreign"
    foreign.mkdir()
    copy(data / "secrets", foreign / "secrets")
    shutil.copy(data / "secrets" / "orders.signing_key", foreign / "secrets" / "ledger.signing_key")
    said = say("backup", "verify", lived.backup, "--data", foreign)
    assert said.code == CHECK_FAILED
    assert "signature of the key of ledger" in said.err


def _change(path, old=None, new=None):
    content = path.read_bytes()
    path.write_bytes(content.replace(old, new, 1) if old else content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])


def test_neither_backup_nor_keys_alone_hold_what_opens_a_name(lived):
    """The backup has every sealed word and no data key, the copy of keys has the keys and no word."""
    there = {path.name for path in (lived.backup / "tables").iterdir()}
    assert "volunteers.vault_entries.gz" in there
    assert not any("vault_keys" in name for name in there)
    assert {path.name for path in (lived.keys / "tables").iterdir()} == {f"{one}.vault_keys.gz" for one in SERVICES}
    assert (lived.keys / "secrets" / "volunteers.kek").exists()
    assert not any(path.name.endswith((".kek", ".signing_key")) for path in lived.backup.rglob("*"))
    files = [path for home in (lived.backup, lived.keys / "tables") for path in home.rglob("*") if path.is_file()]
    closed = [lived.backup, lived.keys, *files]
    assert [path for path in closed if path.stat().st_mode & 0o077] == []


def test_the_database_is_lost_and_with_the_streams_nothing_is(lived):
    data = lived.copy("streams-left", "postgres")
    said = say("restore", lived.backup, "--data", data, "--json")
    assert said.code == OK, said
    document = said.document
    assert document["recovered"]["volunteers"] >= AFTER
    assert document["erased"] == dict.fromkeys(SERVICES, 1)
    assert (document["lost"], document["restore_point"]) == ({}, None)
    assert roots(data) == lived.roots
    assert _in_a_dump_of(data, _sealed_of(lived)) == set()
    before = sizes(data)
    with up(data) as urls:
        person = ask(data, urls, registering(lived.admin, 77))
    assert person is not None
    assert sizes(data)["volunteers"] > before["volunteers"]
    assert say("replay", "--data", data).code == OK
    assert say("restore", "--continue", "--data", data).code == CHECK_FAILED


def _sealed_of(lived):
    """The sealed words of who was erased after the backup, as the backup has them."""
    found = set()
    for path in (lived.backup / "tables").glob("*.vault_entries.gz"):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            if str(lived.erased) in line:
                found.add(line.split("\t")[5].removeprefix("\\\\x"))
    assert len(found) >= 2
    return found


def _in_a_dump_of(data, words):
    """Those of the words that a dump of the whole database in use holds."""
    with servers_of(data) as stack:
        password = (data / "secrets" / "postgres.password").read_text().strip()
        dump = subprocess.run(
            [
                str(PostgresServer.program("pg_dump")),
                f"--host={HOST}",
                f"--port={stack.servers.postgres.port}",
                "--username=postgres",
                "chaoyangli",
            ],
            env={**os.environ, "PGPASSWORD": password},
            check=True,
            capture_output=True,
        ).stdout.decode()
    assert "vault_entries" in dump
    return {word for word in words if word in dump}


def test_the_whole_machine_is_lost_and_what_is_missing_is_named_and_accepted(lived):
    data = lived.place / "another-machine"
    first = say("restore", lived.backup, "--data", data, "--json")
    assert first.code == OK, first
    assert first.document["adopted"] == list(SERVICES)
    shutil.rmtree(data)
    # The signed heads were kept: they say how much there was.
    data = lived.copy("both-lost", "postgres", "nats")
    with deployed(data):
        refused = say("restore", lived.backup)
        assert refused.code == CHECK_FAILED, refused
        assert "events that were signed are in no source" in refused.err
        assert "--continue" in say("restore", lived.backup).err
        left = say("restore", "--continue", "--leave-missing", "--json")
        assert left.code == CHECK_FAILED, left
        lost = left.document["lost"]
        assert lost["volunteers"][1] - lost["volunteers"][0] >= AFTER
        words = [word for name in lost for word in ("--accept-loss", name)]
        accepted = say("recover", *words, "--accepted-by", lived.admin)
        assert accepted.code == OK, accepted
        assert say("nats", "rebuild").code == OK
        assert roots(data).keys() == lived.roots.keys()
        assert "chaoyangli/volunteers/2" in say("trust-policy").out.decode()


def test_an_empty_database_that_was_there_before_is_no_restore_point(lived):
    """As PostgreSQL's image makes one when its volume is new."""
    data = lived.copy("empty-database", "postgres")
    with deployed(data) as stack:
        asyncio.run(_made(stack, "chaoyangli"))
        said = say("restore", lived.backup, "--json")
        assert (said.code, said.document["restore_point"]) == (OK, None), said
        assert [name for name in asyncio.run(_databases(stack)) if "chaoyangli" in name] == ["chaoyangli"]
        assert "no restore is under way" in say("restore", "--rollback").err


def test_init_puts_missing_secrets_back_from_a_copy_of_the_keys_and_mixes_no_two_places(lived):
    place = lived.place / "made-anew"

    def init(keys):
        words = ("init", "--secrets", place / "secrets", "--state", place / "state", "--keys", keys, "--json")
        return say(*words)

    spoiled = copy(lived.keys, lived.place / "spoiled-keys")
    _change(spoiled / "secrets" / "notify.kek")
    refused = init(spoiled)
    assert refused.code == CHECK_FAILED
    assert "is not what was written" in refused.err
    assert not (place / "secrets").exists()
    assert say("init", "--secrets", place / "secrets", "--state", place / "state").code == OK
    others = _contents(place / "secrets")
    refused = init(lived.keys)
    assert refused.code == CHECK_FAILED
    assert "is not signed by the keys of this place" in refused.err
    assert _contents(place / "secrets") == others
    shutil.rmtree(place)
    said = init(lived.keys)
    assert (said.code, said.document["made"]) == (OK, []), said
    assert _contents(place / "secrets") == _contents(lived.keys / "secrets")
    (place / "secrets" / "notify.kek").unlink()
    assert init(lived.keys).document["put_back"] == ["notify.kek"]


def _contents(directory):
    return {path.relative_to(directory): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_killed_at_any_step_it_is_led_on_or_taken_back(lived):
    data = lived.copy("killed")
    with deployed(data):
        for step in ("begun", "loaded", "recovered", "verified", "renamed", "swapped"):
            assert _doomed(step, "restore", lived.backup) == KILLED
            assert "--continue" in say("restore", lived.backup).err, step
            if step in {"loaded", "renamed"}:
                led = say("restore", "--continue", "--json")
                assert led.code == OK, (step, led)
                assert led.document["restore_point"].startswith("chaoyangli_before_")
                assert roots(data) == lived.roots, step
            back = say("restore", "--rollback")
            assert back.code == OK, (step, back)
            assert roots(data) == lived.roots, step
        assert "no restore is under way" in say("restore", "--rollback").err
        done = say("restore", lived.backup, "--json")
        assert done.code == OK, done
        assert done.document["restore_point"] in say("restore", "--finish").out.decode()
        assert roots(data) == lived.roots


def _doomed(step, *words):
    """The exit code of the program, killed at a step."""
    program = [sys.executable, "-m", "tests.cli.doomed", step, *map(str, words)]
    return subprocess.run(program, capture_output=True, check=False).returncode


def test_a_live_system_a_newer_schema_and_other_keys_are_refused_and_nothing_is_changed(lived):
    data = lived.copy("refused")
    newer = copy(lived.backup, lived.place / "newer")
    _resigned(newer, data, lambda document: document["schemas"]["ledger"].update({"99": "0" * 64}))
    beyond = copy(lived.backup, lived.place / "beyond")
    _resigned(beyond, data, lambda document: document["logs"]["ledger"]["heard"].update({"volunteers": 10_000}))
    with deployed(data) as stack:
        assert say("restore", lived.backup, "--data", data).code == TAKEN
        with a_service_at_work(data, stack):
            live = say("restore", lived.backup)
            assert live.code == CHECK_FAILED, live
            assert "stop the services first: orders is up" in live.err
        for backup, why in ((newer, "this program knows"), (beyond, "this is no snapshot of one moment")):
            said = say("restore", backup, "--keys", lived.keys)
            assert said.code == CHECK_FAILED, said
            assert why in said.err
        kek = data / "secrets" / "notify.kek"
        kept = kek.read_bytes()
        shutil.copy(data / "secrets" / "orders.kek", kek)
        said = say("restore", lived.backup)
        assert said.code == CHECK_FAILED
        assert "is another key than in" in said.err
        kek.write_bytes(kept)
        assert say("restore", lived.backup, "--rollback").code == USAGE
        assert roots(data) == lived.roots


def test_a_restore_that_fails_leaves_all_as_it_was(lived, monkeypatch):
    data = lived.copy("failing")
    (data / "state" / "notify" / "head").unlink()

    async def fails(*_arguments):
        raise TailRefused("no such luck")

    monkeypatch.setattr(restoring, "erase_again", fails)
    with deployed(data) as stack:
        before = asyncio.run(_databases(stack))
        said = say("restore", lived.backup)
        assert said.code == CHECK_FAILED
        assert "no such luck" in said.err
        assert asyncio.run(_databases(stack)) == before
        assert not (data / "state" / "notify" / "head").exists()
        assert "no restore is under way" in say("restore", "--continue").err


async def _made(stack, name):
    connection = await asyncpg.connect(stack.servers.postgres.dsn())
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()


async def _databases(stack):
    connection = await asyncpg.connect(stack.servers.postgres.dsn())
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database ORDER BY 1")
    finally:
        await connection.close()
    return [row["datname"] for row in rows]


def _resigned(directory, data, change):
    """Another manifest under the keys of the place: what its signature does not catch, its words must."""
    from cli.backup.sealing import FILES, MANIFEST, read_unchecked, seal
    from cli.backup.stopped import without_servers

    document = read_unchecked(directory, "backup")
    change(document)
    (directory / MANIFEST).unlink()
    (directory / FILES).unlink()
    seal(directory, "backup", document, without_servers(data))


def test_a_killed_backup_is_no_backup_and_old_ones_are_let_go(lived):
    data, to = lived.place / "whole", lived.place / "many"
    with servers_of(data):
        assert _doomed("sealed", "backup", "--to", to, "--data", data) == KILLED
        assert len(list(to.glob(".*.part/manifest"))) == 1
        assert say("backup", "list", "--to", to, "--json").document == []
        for stamp in ("20200101T000000Z", "20210101T000000Z"):
            copy(lived.backup, to / stamp)
        said = say("backup", "--to", to, "--keep", 2, "--without-keys", "--data", data, "--json")
        assert said.code == OK, said
        assert said.document["deleted"] == [str(to / "20200101T000000Z")]
        kept = [one["path"] for one in say("backup", "list", "--to", to, "--json").document]
        assert kept == [str(to / "20210101T000000Z"), said.document["backup"]]
        assert not list(to.glob(".*.part"))
