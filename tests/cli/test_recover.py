"""A database that is an old copy gets its tail from the stream, a bundle or a WAL archive; else nothing is done."""

import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter

import asyncpg
import httpx
import pytest

from cli.client import Actor
from contracts.command import Role
from eventstore.checkpoint import Checkpoint, load_key_file
from eventstore.merkle import leaf_hash, root_hash
from eventstore.note import format_note, sign
from eventstore.tiles import decode_entries
from tests.cli.losses import (
    SERVICES,
    ask,
    lived_twice,
    recovered_from_the_archive,
    registering,
    roots,
    servers_of,
    sizes,
    up,
)
from tests.cli.program import running, say
from tests.support.ports import free_port
from tests.support.servers import temporary_directory
from tests.support.waiting import PATIENCE_SECONDS, eventually, eventually_blocking

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
OK, CHECK_FAILED, USAGE, NOT_THERE, NO_ANSWER = 0, 1, 2, 3, 4
GREW = ("volunteers", "notify")
"""Who records something when somebody is registered; all do when somebody is erased."""


WRITTEN = "SELECT count(*) FROM volunteers.events"


@pytest.fixture(scope="module")
def losses():
    with temporary_directory() as place:
        yield lived_twice(place)


@pytest.fixture(scope="module")
def whole(losses):
    """What every log hashed to before the loss."""
    return roots(losses.place / "whole")


def test_the_stream_gives_the_tail_back_and_the_service_goes_on(losses, whole):
    data = losses.lost("from-the-stream")
    shown = say("checkpoint", "show", "--data", data)
    assert shown.code == CHECK_FAILED
    assert "run `chaoyangli recover volunteers`" in shown.out.decode()
    with running("up", "--data", data) as refused:
        assert refused.end() == NO_ANSWER
        assert "takes no commands: the log has" in refused.words
        assert "chaoyangli recover" in refused.words
    said = say("recover", "--data", data)
    assert said.code == OK, said
    text = said.out.decode()
    assert "put back from the stream" in text
    assert "names show as unknown" in text
    assert "volunteers counts as heard to" in text
    assert roots(data) == whole
    replayed = say("replay", "--data", data, "--json")
    assert replayed.code == OK
    assert all(one["compared"] for one in replayed.document["services"].values())
    before = sizes(data)
    with up(data) as urls:
        ask(data, urls, _whose_names_are_gone(losses))
        assert _erasures(data) == dict.fromkeys(SERVICES, 1)
        person = ask(data, urls, registering(losses.admin, 77))
        assert ask(data, urls, _name_of(person))["name"] == "王77"
    assert {name for name, size in sizes(data).items() if size > before[name]} == set(GREW)
    assert roots(data).keys() == whole.keys()


def _erasures(data):
    """How often each service recorded that it has destroyed somebody's keys."""
    said = say("events", "--data", data, "--json")
    events = [json.loads(line) for line in said.lines]
    return Counter(one["source"].rpartition("/")[2] for one in events if one["type"] == "PersonDataErased")


def _name_of(person):
    return lambda client: client.query("volunteers", f"/v1/persons/{person}", actor=Actor.of(person, Role.RESIDENT))


def _whose_names_are_gone(losses):
    """Who was registered after the old copy is known, without a name; nothing is an error."""

    async def look(client):
        for person in losses.people:
            found = await client.query("volunteers", f"/v1/persons/{person}", actor=Actor.of(person, Role.RESIDENT))
            assert (found["name"], found["phone"], found["erased"]) == ("已删除", None, False)
            contacts = await client.query("notify", f"/v1/contacts/{person}", actor=Actor.of(person, Role.RESIDENT))
            assert len(contacts["contacts"]) == 1
        gone = losses.erased
        found = await client.query("volunteers", f"/v1/persons/{gone}", actor=Actor.of(losses.admin, Role.ADMIN))
        assert (found["name"], found["erased"]) == ("已删除", True)

    return look


def test_without_the_stream_a_bundle_gives_it_back_and_the_stream_is_filled_again(losses, whole):
    data = losses.lost("from-a-bundle", nats_too=True)
    nobody = say("recover", "--data", data)
    assert nobody.code == CHECK_FAILED
    assert "are missing" in nobody.err
    archive = shutil.make_archive(str(losses.place / "taken"), "zip", losses.place, "bundle")
    said = say("recover", "--from-bundle", archive, "--data", data, "--json")
    assert said.code == OK, said
    found = said.document["services"]
    assert all(one["sources"] == [f"the bundle {archive}"] and one["rebuilt"] for one in found.values())
    # What was done because somebody was erased is not done again: how far each had heard is known from it.
    erased = {name: one["heard"].get("volunteers") for name, one in found.items() if name != "volunteers"}
    assert len(set(erased.values())) == 1
    assert 0 < erased["orders"] <= found["volunteers"]["after"]
    with up(data):
        pass
    assert roots(data) == whole


def test_a_base_backup_and_its_wal_archive_give_it_back(losses, whole):
    data = losses.lost("from-the-archive", nats_too=True)
    with recovered_from_the_archive(losses) as dsn:
        said = say("recover", "--from-database", dsn, "--data", data, "--json")
    assert said.code == OK, said
    assert said.document["services"]["volunteers"]["sources"] == ["the other database"]
    assert say("replay", "--data", data).code == CHECK_FAILED  # its streams are empty so far
    with up(data):
        pass
    assert roots(data) == whole
    nowhere = say("recover", "--from-database", "postgresql://nobody@127.0.0.1:9/x", "--data", data)
    assert nowhere.code == CHECK_FAILED
    assert "the other database cannot be read" in nowhere.err


def test_a_log_that_lacks_nothing_is_left_as_it_is(losses, whole):
    data = losses.place / "whole"
    said = say("recover", "volunteers", "--data", data, "--json")
    assert said.code == OK
    (one,) = said.document["services"].values()
    assert (one["before"], one["sources"], one["rebuilt"]) == (one["after"], [], False)
    assert roots(data) == whole


def test_what_is_not_the_tail_of_this_log_is_refused_and_nothing_is_written(losses):
    data = losses.lost("refused", nats_too=True)
    before = sizes(data)
    spoiled = shutil.copytree(losses.bundle, losses.place / "spoiled")
    (tile,) = (spoiled / "logs" / "notify" / "tile" / "entries").glob("000.p/*")
    tile.write_bytes(tile.read_bytes().replace(b'"channel":"phone"', b'"channel":"email"'))
    another = shutil.copytree(losses.bundle, losses.place / "another")
    shutil.rmtree(another / "logs" / "notify")
    shutil.copytree(another / "logs" / "ledger", another / "logs" / "notify")
    head = data / "state" / "volunteers" / "head"
    for bundle, why in (
        (spoiled, "notify: the first"),
        (another, "it is not of this log"),
        (losses.place / "old", "holds no signed head of"),
    ):
        said = say("recover", "--from-bundle", bundle, "--data", data)
        assert said.code == CHECK_FAILED, said
        assert why in said.err
        assert sizes(data) == before
    text = head.read_bytes()
    for spoil, why in (
        (lambda: head.unlink(), "chaoyangli checkpoint adopt volunteers --ahead"),
        (lambda: head.write_text(_by_another_key(data, text)), "is unusable"),
        (lambda: head.write_text(_of_another_root(data, text)), "do not hash to the head"),
    ):
        spoil()
        said = say("recover", "--from-bundle", losses.bundle, "--data", data)
        assert said.code == CHECK_FAILED, said
        assert why in said.err
        assert sizes(data) == before
        head.write_bytes(text)
    alone = say("recover", "notify", "--from-bundle", losses.bundle, "--data", data)
    assert alone.code == CHECK_FAILED
    assert "recover all services at once" in alone.err
    assert sizes(data) == before
    assert say("recover", "shop", "--data", data).code == USAGE
    assert say("recover", "--data", data / "nowhere").code == NOT_THERE


def _signed(data, body, name, service):
    return format_note(body, [sign(body, name, load_key_file(data / "secrets" / f"{service}.signing_key"))])


def _by_another_key(data, text):
    body = text.decode().split("\n\n")[0] + "\n"
    return _signed(data, body, "chaoyangli/volunteers", "orders")


def _of_another_root(data, text):
    size = int(text.decode().split("\n")[1])
    return _signed(
        data, Checkpoint("chaoyangli/volunteers", size, bytes(32)).body(), "chaoyangli/volunteers", "volunteers"
    )


async def test_killed_in_the_middle_it_is_begun_again(losses, whole):
    data = losses.lost("killed")
    with servers_of(data) as stack:
        connection = await asyncpg.connect(stack.servers.postgres.dsn("chaoyangli"))
        try:
            before = await connection.fetchval(WRITTEN)
            # The last tail's head is held: those before it are written by then, and not committed.
            holding = connection.transaction()
            await holding.start()
            await connection.execute("SELECT FROM notify.head FOR UPDATE")
            with running("recover", "--data", data) as program:
                waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
                await eventually(lambda: connection.fetchval(waits), 60, what="it waits for the last head")
                assert await asyncio.to_thread(program.end, signal.SIGKILL) != OK
            await holding.rollback()
            await eventually(lambda: _alone(connection), what="the killed one's connection is gone")
            assert await connection.fetchval(WRITTEN) == before
            # Once more, as if killed when the logs were whole and the read models not.
            await connection.execute("SELECT pg_advisory_lock(hashtext('replay'), hashtext('volunteers'))")
            assert (await asyncio.to_thread(say, "recover", "--data", data)).code == USAGE
            assert await connection.fetchval(WRITTEN) > before
            await connection.execute("SELECT pg_advisory_unlock_all()")
            said = await asyncio.to_thread(say, "recover", "--data", data, "--json")
            assert said.code == OK
            assert said.document["services"]["volunteers"]["rebuilt"]
        finally:
            await connection.close()
    assert await asyncio.to_thread(roots, data) == whole


async def _alone(connection):
    others = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    return await connection.fetchval(others) == 0


@pytest.mark.parametrize("behind", ["head", "stream"])
def test_a_service_behind_its_head_or_its_stream_takes_no_command_and_says_what_to_run(losses, behind):
    data = losses.lost(f"behind-its-{behind}")
    old = sizes(data)["volunteers"]
    if behind == "stream":
        # The last head that was signed is one that the old copy still contains.
        (data / "state" / "volunteers" / "head").write_text(_head_of_the_first(losses, data, old))
    with servers_of(data) as stack, _service(stack, data, "volunteers") as url:

        def refuses():
            answer = httpx.get(f"{url}/readyz", timeout=PATIENCE_SECONDS)
            return answer.status_code == 503 and "chaoyangli recover volunteers" in answer.text

        def accepts():
            return httpx.get(f"{url}/readyz", timeout=PATIENCE_SECONDS).status_code == 200

        eventually_blocking(refuses, 60, every=0.2, what="it says what to run")
        assert httpx.post(f"{url}/v1/persons", json={}, timeout=PATIENCE_SECONDS).status_code == 503
        assert sizes(data)["volunteers"] == old
        assert say("recover", "volunteers", "--data", data).code == OK
        eventually_blocking(accepts, 60, every=0.2, what="it takes commands")


def _head_of_the_first(losses, data, size):
    (tile,) = (losses.bundle / "logs" / "volunteers" / "tile" / "entries").glob("000.p/*")
    leaves = [leaf_hash(body) for body in decode_entries(tile.read_bytes())[:size]]
    body = Checkpoint("chaoyangli/volunteers", size, root_hash(leaves)).body()
    return _signed(data, body, "chaoyangli/volunteers", "volunteers")


@contextlib.contextmanager
def _service(stack, data, name):
    """One service's process on a stack's servers; its base URL."""
    port = free_port()
    environment = {**stack.environment(), "CHAOYANGLI_SERVICE": name, "CHAOYANGLI_HTTP_PORT": str(port)}
    words = ["/usr/bin/env", *(f"{key}={value}" for key, value in environment.items())]
    with (data / f"{name}.log").open("wb") as said:
        process = subprocess.Popen([*words, sys.executable, "-m", f"services.{name}"], stdout=said, stderr=said)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually_blocking(lambda: _answers(url), every=0.1, what="the service's process answers")
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url):
    try:
        return httpx.get(f"{url}/livez", timeout=PATIENCE_SECONDS).status_code == 200
    except httpx.TransportError:
        return False


def test_read_models_are_the_same_from_postgresql_the_streams_and_a_bundle_alone(losses, whole):
    data = losses.place / "whole"

    def folded(source):
        said = say("replay", "--from", source, "--hashes", "--data", data, "--json")
        assert said.code == OK, said
        assert all(one["compared"] for one in said.document["services"].values())
        return _hashes(said.document)

    usual = folded("postgresql")
    assert len(usual) > 40
    assert len(set(usual.values())) > 10
    assert folded("stream") == usual
    assert folded(f"bundle:{losses.bundle}") == usual
    assert roots(data) == whole


def _hashes(document):
    return {
        (service, table["name"]): table["content_sha256"]
        for service, one in document["services"].items()
        for table in one["tables"]
    }


def test_a_replay_from_elsewhere_believes_nothing_it_is_given(losses):
    data = losses.lost("replayed-from-elsewhere", nats_too=True)
    behind = say("replay", "--from", "stream", "--data", data)
    assert behind.code == CHECK_FAILED
    assert "is missing" in behind.err
    foreign = shutil.copytree(losses.bundle, losses.place / "foreign")
    shutil.rmtree(foreign / "logs" / "notify")
    shutil.copytree(foreign / "logs" / "ledger", foreign / "logs" / "notify")
    for source, code, why in (
        (f"bundle:{foreign}", CHECK_FAILED, "notify"),
        ("bundle:/nowhere", USAGE, "there is no bundle"),
        ("tape", USAGE, "say postgresql"),
    ):
        said = say("replay", "--from", source, "--data", data)
        assert said.code == code, source
        assert why in said.err.replace("\n", " ")
