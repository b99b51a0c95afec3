"""The servers of a data directory: they start, come back, die with their launcher, and say what is wrong."""

import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import nats
import psutil
import pytest
from nats.errors import Error as NatsError

from cli.embedded import (
    HOST,
    DataDirectoryError,
    EmbeddedError,
    EmbeddedServers,
    NatsServer,
    PortInUseError,
    PostgresServer,
)
from cli.embedded import nats as nats_module
from cli.embedded import server as server_module
from eventstore import streams
from eventstore.accounts import accounts, operator, service_member
from eventstore.nats_api import api_prefix
from tests.support.ports import free_port
from tests.support.servers import new_key, temporary_directory
from tests.support.waiting import PATIENCE_SECONDS, eventually, eventually_blocking

ROOT = Path(__file__).parents[2]
COMMUNITY = "chaoyangli"


@pytest.fixture
def directory() -> Iterator[Path]:
    with temporary_directory() as path:
        yield path


@contextlib.contextmanager
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        yield other.getsockname()[1]


async def one(servers: EmbeddedServers, sql: str) -> object:
    connection = await asyncpg.connect(servers.postgres.dsn())
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def start_in_another_process(directory: Path) -> subprocess.Popen[str]:
    program = (
        "import sys, pathlib; from cli.embedded import EmbeddedServers\n"
        "servers = EmbeddedServers(pathlib.Path(sys.argv[1]), durable=False); servers.start()\n"
        "print(servers.postgres.pid, servers.nats.pid, flush=True); sys.stdin.read()\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program, str(directory)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


async def test_both_answer_and_hold_the_promised_settings(directory: Path) -> None:
    with EmbeddedServers(directory) as servers:
        assert str(await one(servers, "show server_version")).startswith("18.")
        wanted = {
            "data_checksums": "on", "fsync": "on", "synchronous_commit": "on", "max_connections": "100",
            "server_encoding": "UTF8", "listen_addresses": HOST, "password_encryption": "scram-sha-256",
        }  # fmt: skip
        assert {name: await one(servers, f"show {name}") for name in wanted} == wanted
        client = await nats.connect(servers.nats.url)
        assert client.max_payload == 1024 * 1024
        assert (await client.jetstream().account_info()).streams == 0
        await client.close()
        config = json.loads(servers.nats.config_file.read_text())
        assert config["jetstream"]["sync_interval"] == "always"
    assert not servers.postgres.running
    assert not servers.nats.running


async def test_a_wrong_password_is_refused_and_the_right_one_is_private(directory: Path) -> None:
    with EmbeddedServers(directory, durable=False) as servers:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(servers.postgres.dsn().replace(servers.postgres.password, "guessed"))
        for file in (servers.postgres.password_file, servers.nats.config_file, servers.state_file):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_second_start_finds_data_ports_and_password_again(directory: Path) -> None:
    with EmbeddedServers(directory, durable=False) as first:
        await one(first, "create table kept as select 7 as n")
        client = await nats.connect(first.nats.url)
        await client.jetstream().add_stream(name="S", subjects=["s"])
        await client.close()
    with EmbeddedServers(directory, durable=False) as second:
        ports = [(s.postgres.port, s.nats.port, s.nats.monitor_port) for s in (first, second)]
        assert ports[0] == ports[1]
        assert await one(second, "select n from kept") == 7
        client = await nats.connect(second.nats.url)
        assert (await client.jetstream().stream_info("S")).config.name == "S"
        await client.close()


async def test_a_remembered_port_that_is_taken_is_replaced(directory: Path) -> None:
    with EmbeddedServers(directory, durable=False) as first:
        pass
    with taken_port() as port:
        state = json.loads(first.state_file.read_text())
        first.state_file.write_text(json.dumps({**state, "postgres": port, "nats": port}))
        with EmbeddedServers(directory, durable=False) as second:
            assert port not in {second.postgres.port, second.nats.port}
            assert await one(second, "select 1") == 1


async def test_a_crash_of_both_loses_nothing_committed(directory: Path) -> None:
    servers = EmbeddedServers(directory, durable=False)
    servers.start()
    await one(servers, "create table kept as select 7 as n")
    servers.kill()
    assert (directory / "postgres" / "postmaster.pid").exists()
    servers.start()
    assert await one(servers, "select n from kept") == 7
    servers.restart()
    assert await one(servers, "select n from kept") == 7
    servers.stop()
    servers.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_the_servers_end_with_their_launcher(directory: Path, how: signal.Signals) -> None:
    launcher = start_in_another_process(directory)
    assert launcher.stdout is not None
    pids = [int(word) for word in launcher.stdout.readline().split()]
    assert all(lives(pid) for pid in pids)
    launcher.send_signal(how)
    launcher.communicate()
    eventually_blocking(lambda: not any(lives(pid) for pid in pids), what="the end of the servers")
    with EmbeddedServers(directory, durable=False) as servers:
        assert servers.postgres.running


class BusyNats(NatsServer):
    """Answers that it is ready, and is too busy to answer again."""

    answers = 0

    def ready(self) -> bool:
        self.answers += super().ready()
        return self.answers == 1


def test_one_answer_is_enough_to_have_started(directory: Path) -> None:
    server = BusyNats(directory / "nats")
    server.start()
    assert server.running
    server.kill()


def test_a_directory_in_use_is_refused(directory: Path) -> None:
    with (
        EmbeddedServers(directory, durable=False),
        pytest.raises(DataDirectoryError, match="another process runs the servers"),
    ):
        EmbeddedServers(directory, durable=False).start()


async def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(directory: Path) -> None:
    servers = EmbeddedServers(directory, durable=False)
    servers.start()
    servers.kill()
    pid_file = directory / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    stranger = subprocess.Popen(["sleep", "60"], user=servers.postgres.user())
    try:
        pid_file.write_text(f"{stranger.pid}\n" + "".join(lines[1:]))
        (directory / "nats.pid").write_text(str(stranger.pid))
        servers.start()
        assert await one(servers, "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
        servers.stop()


def test_a_port_asked_for_that_is_taken_is_named(directory: Path) -> None:
    with taken_port() as port:
        with pytest.raises(PortInUseError, match=str(port)):
            EmbeddedServers(directory, postgres_port=port, durable=False).start()
        servers = EmbeddedServers(directory, nats_port=port, durable=False)
        with pytest.raises(PortInUseError, match=f"NATS: port {port}"):
            servers.start()
        assert not servers.postgres.running


def test_a_port_asked_for_is_used(directory: Path) -> None:
    asked = [free_port() for _ in range(3)]
    with EmbeddedServers(
        directory, postgres_port=asked[0], nats_port=asked[1], monitor_port=asked[2], durable=False
    ) as servers:
        assert [servers.postgres.port, servers.nats.port, servers.nats.monitor_port] == asked


def test_nobody_is_given_the_port_of_a_server_that_is_down(directory: Path) -> None:
    """Else its clients would look for it in vain: it would have to come back elsewhere."""
    server = NatsServer(directory / "nats")
    server.start()
    ports = server.port, server.monitor_port
    server.kill()
    for port in ports:
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((HOST, port))
    server.start()
    assert (server.port, server.monitor_port) == ports
    server.kill()
    del server
    for port in ports:
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((HOST, port))
            other.listen()


def test_a_directory_that_cannot_be_made_is_named(directory: Path) -> None:
    (directory / "file").touch()
    with pytest.raises(DataDirectoryError, match="cannot be written"):
        EmbeddedServers(directory / "file" / "data", durable=False).start()


def test_a_nearly_full_disk_is_told_before_anything_is_written(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "LEAST_FREE_BYTES", 2**62)
    with pytest.raises(DataDirectoryError, match="MiB are free"):
        EmbeddedServers(directory / "data", durable=False).start()
    assert list((directory / "data").iterdir()) == []


def test_data_of_another_postgresql_is_refused(directory: Path) -> None:
    (directory / "postgres").mkdir()
    (directory / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(DataDirectoryError, match="made by PostgreSQL 16"):
        EmbeddedServers(directory, durable=False).start()


def test_damaged_data_is_told_with_the_end_of_the_log(directory: Path) -> None:
    with EmbeddedServers(directory, durable=False) as servers:
        pass
    (directory / "postgres" / "global" / "pg_control").write_bytes(b"torn")
    with pytest.raises(EmbeddedError, match=r"(?s)PostgreSQL ended at once.*pg_control") as told:
        servers.start()
    assert str(servers.postgres.log_file) in str(told.value)


def test_an_initialisation_that_was_cut_off_is_begun_again(directory: Path) -> None:
    (directory / "postgres.new" / "data").mkdir(parents=True)
    (directory / "postgres.new" / "data" / "PG_VERSION").write_text("18\n")
    with EmbeddedServers(directory, durable=False) as servers:
        assert servers.postgres.running
    assert not (directory / "postgres.new").exists()


async def test_nats_users_may_do_what_they_are_allowed(directory: Path) -> None:
    errors: list[str] = []

    async def note(error: Exception) -> None:
        errors.append(str(error))

    key = new_key()
    users = accounts(COMMUNITY, [service_member(COMMUNITY, "orders", key.public)])
    with EmbeddedServers(directory, nats_accounts=lambda: users, durable=False) as servers:
        with pytest.raises(NatsError, match="Authorization Violation"):
            await nats.connect(servers.nats.url, allow_reconnect=False, nkeys_seed_str=new_key().seed, error_cb=note)
        client = await nats.connect(servers.nats.url, nkeys_seed_str=key.seed, error_cb=note)
        errors.clear()
        await client.publish("chaoyangli.orders.Something", b"")
        await client.flush()
        assert errors == []
        await client.publish("chaoyangli.ledger.Something", b"")
        await client.flush()
        await eventually(lambda: any("permissions violation" in error.lower() for error in errors))
        await client.close()


def test_whoever_tells_nats_of_new_users_goes_on_once_it_knows_them(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users: dict[str, Any] = accounts(COMMUNITY, [service_member(COMMUNITY, "orders", new_key().public)])
    with EmbeddedServers(directory, nats_accounts=lambda: users, durable=False) as servers:

        def read_at() -> str:
            with urllib.request.urlopen(f"http://{HOST}:{servers.nats.monitor_port}/varz") as answer:
                return str(json.load(answer)["config_load_time"])

        for _ in range(5):
            before = read_at()
            assert servers.nats.reload()
            assert read_at() > before
        monkeypatch.setattr(nats_module, "RELOAD_SECONDS", 2.0)
        users = {"ORDERS": {"users": "nobody"}}
        with pytest.raises(EmbeddedError, match="has not read its configuration"):
            servers.nats.reload()
        process = psutil.Process(int((directory / "nats.pid").read_text()))
        process.suspend()
        with pytest.raises(EmbeddedError, match="does not say when it read its configuration"):
            servers.nats.reload()
        process.resume()
    assert not servers.nats.reload()


async def _lived_in(url: str, seed: str | None = None) -> None:
    """Two logs' streams, the second origin of one, and a listener who has heard one event of three."""
    client = await nats.connect(url, nkeys_seed_str=seed)
    js = client.jetstream()
    for log in ("orders", "orders/2", "ledger"):
        await streams.ensure_stream(js, COMMUNITY, log)
        for number in range(3):
            await js.publish(streams.subject(COMMUNITY, log, "Something"), f"{log} {number}".encode())
    await streams.ensure_durable(js, "orders", "ledger", 0)
    hearing = await js.pull_subscribe_bind("ledger-reactions", stream="ORDERS")
    await (await hearing.fetch(1, PATIENCE_SECONDS))[0].ack_sync(PATIENCE_SECONDS)
    await client.close()


@pytest.mark.parametrize("before", ["$G", "CHAOYANGLI"])
async def test_streams_from_when_services_shared_an_account_are_kept(directory: Path, before: str) -> None:
    keys = {name: new_key() for name in ("admin", "orders", "ledger")}
    shared = {before: {"jetstream": "enabled", "users": [{"nkey": keys["admin"].public}]}}
    with EmbeddedServers(directory, durable=False) as servers:
        if before != "$G":
            servers.nats.accounts = lambda: shared
            servers.nats.restart()
        await _lived_in(servers.nats.url, None if before == "$G" else keys["admin"].seed)
    members = [
        operator(COMMUNITY, keys["admin"].public, ("orders", "ledger")),
        service_member(COMMUNITY, "orders", keys["orders"].public),
        service_member(COMMUNITY, "ledger", keys["ledger"].public, ["orders"]),
    ]
    with EmbeddedServers(directory, nats_accounts=lambda: accounts(COMMUNITY, members), durable=False) as servers:
        client = await nats.connect(servers.nats.url, nkeys_seed_str=keys["admin"].seed)
        js = streams.context(client, api_prefix(COMMUNITY))
        for name in ("ORDERS", "ORDERS_2", "LEDGER"):
            assert (await js.stream_info(name)).state.messages == 3, name
        assert (await js.get_msg("ORDERS_2", seq=3)).data == b"orders/2 2"
        place = await js.consumer_info("ORDERS", "ledger-reactions")
        assert place.ack_floor is not None
        assert (place.ack_floor.stream_seq, place.num_pending) == (1, 2)
        await client.close()
    assert sorted(path.name for path in (directory / "nats" / "jetstream").iterdir()) == ["LEDGER", "ORDERS"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops rights")
def test_started_by_root_postgresql_runs_as_nobody_even_below_a_closed_folder(directory: Path) -> None:
    directory.chmod(0o700)
    with EmbeddedServers(directory / "data", durable=False) as servers:
        status = Path(f"/proc/{servers.postgres.pid}/status").read_text()
        owner = (directory / "data" / "postgres").stat().st_uid
    assert owner != 0
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert fields["Uid"].split() == [str(owner)] * 4
    assert fields["Groups"].strip() == ""
    assert int(fields["CapEff"], 16).bit_count() == 1


def test_servers_missing_from_the_environment_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"chaoyangli\[embedded\]"):
        NatsServer.program()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(EmbeddedError, match=r"chaoyangli\[embedded\]"):
        PostgresServer.program("postgres")
