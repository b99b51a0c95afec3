"""A bundle put into an empty system is the same logs there: numbers, bytes, roots, read models, streams."""

import asyncio
import filecmp
import shutil
import signal

import asyncpg
import pytest

from cli.directory import mode_file
from tests.cli.bundle.bundles import bodies, write
from tests.cli.losses import SERVICES, ask, lived_twice, registering, roots, sizes, up
from tests.cli.program import running, say
from tests.support.servers import temporary_directory
from tests.support.waiting import eventually

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
OK, CHECK_FAILED, USAGE = 0, 1, 2


@pytest.fixture(scope="module")
def losses():
    with temporary_directory() as place:
        yield lived_twice(place)


@pytest.fixture(scope="module")
def whole(losses):
    return roots(losses.place / "whole")


def same_events(one, other):
    """Whether two bundles hold the very same files, their heads' signatures and their keys left aside."""
    for service in SERVICES:
        here, there = one / "logs" / service / "tile", other / "logs" / service / "tile"
        names = sorted(str(path.relative_to(here)) for path in here.rglob("*") if path.is_file())
        assert names == sorted(str(path.relative_to(there)) for path in there.rglob("*") if path.is_file())
        assert filecmp.cmpfiles(here, there, names, shallow=False) == (names, [], [])
    books = sorted(path.name for path in (one / "books").iterdir())
    assert filecmp.cmpfiles(one / "books", other / "books", books, shallow=False) == (books, [], [])


def test_the_logs_are_the_same_elsewhere_and_the_community_goes_on_there(losses, whole):
    data = losses.place / "elsewhere"
    policy = losses.place / "policy-kept"
    policy.write_bytes(say("trust-policy", "--data", losses.place / "whole").out)
    said = say("audit", "import", losses.bundle, "--policy", policy, "--data", data, "--json")
    assert said.code == OK, said
    found = said.document["services"]
    assert {name: one["root"] for name, one in found.items()} == whole
    assert not any(one["same_key"] for one in found.values())
    again = losses.place / "bundle-again"
    assert say("audit", "export", again, "--data", data).code == OK
    same_events(losses.bundle, again)
    policies = [line.split() for line in (again / "policy").read_text().splitlines()]
    assert {one["key"] for one in found.values()} == {words[1] for words in policies if words[:1] == ["log"]}
    assert say("audit", "verify", again, "--before", losses.bundle).code == OK
    # Its heads are not signed in the name of keys that this place has not.
    assert say("audit", "verify", again, "--policy", policy).code == CHECK_FAILED
    before = sizes(data)
    with up(data) as urls:
        ask(data, urls, registering(losses.admin, 91))
    replayed = say("replay", "--data", data, "--json")
    assert replayed.code == OK
    assert all(one["compared"] for one in replayed.document["services"].values())
    grown = losses.place / "bundle-grown"
    assert say("audit", "export", grown, "--data", data).code == OK
    assert say("audit", "verify", grown, "--before", losses.bundle).code == OK
    assert sizes(data)["volunteers"] > before["volunteers"]
    refused = say("audit", "import", losses.bundle, "--data", data)
    assert refused.code == CHECK_FAILED
    assert f"volunteers has {sizes(data)['volunteers']} events" in refused.err


def test_with_the_keys_of_the_old_place_the_new_one_signs_as_before(losses, whole):
    data = losses.place / "with-its-keys"
    data.mkdir()
    mode_file(data).write_text("real\n")
    shutil.copytree(losses.place / "whole" / "secrets", data / "secrets")
    said = say("audit", "import", losses.bundle, "--data", data, "--json")
    assert said.code == OK, said
    assert all(one["same_key"] for one in said.document["services"].values())
    assert roots(data) == whole


def test_a_bundle_that_is_not_whole_is_refused_and_nothing_is_written(losses):
    data = losses.place / "refused"
    spoiled = shutil.copytree(losses.bundle, losses.place / "spoiled")
    (tile,) = (spoiled / "logs" / "notify" / "tile" / "entries").glob("000.p/*")
    tile.write_bytes(tile.read_bytes().replace(b'"channel":"phone"', b'"channel":"email"'))
    said = say("audit", "import", spoiled, "--data", data)
    assert said.code == CHECK_FAILED
    assert "the events do not hash to the head" in said.err
    # Nor is a place begun that nobody asked for.
    assert not data.exists()
    strange = losses.place / "policy-of-another"
    another = write(losses.place / "another", bodies())
    strange.write_bytes((another / "policy").read_bytes())
    said = say("audit", "import", losses.bundle, "--policy", strange, "--data", data)
    assert (said.code, "the policy knows no log" in said.err) == (CHECK_FAILED, True), said
    assert not data.exists()
    said = say("audit", "import", another, "--data", data)
    assert said.code == CHECK_FAILED
    assert "holds the log community/orders, this place is to hold chaoyangli/orders" in said.err
    assert sizes(data) == dict.fromkeys(SERVICES, 0)
    assert say("audit", "import", losses.place / "old", "--data", data).code == USAGE


async def _database(data):
    """The place's database as the superuser, as soon as the program has started it."""

    async def reached():
        try:
            port = int((data / "postgres" / "postmaster.pid").read_text().splitlines()[3])
            password = (data / "secrets" / "postgres.password").read_text().strip()
            return await asyncpg.connect(f"postgresql://postgres:{password}@127.0.0.1:{port}/chaoyangli")
        except (OSError, IndexError, asyncpg.PostgresError):
            return None

    return await eventually(reached, 60, every=0.05, what="PostgreSQL answers")


async def test_killed_in_the_middle_it_is_begun_again(losses, whole):
    data = losses.place / "killed"
    # Refused because of its community: what it leaves is an empty place, with its tables.
    strange = write(losses.place / "strange", bodies())
    assert (await asyncio.to_thread(say, "audit", "import", strange, "--data", data)).code == CHECK_FAILED
    with running("audit", "import", losses.bundle, "--data", data) as program:
        connection = await _database(data)
        # The last log's head is held: those before it are written by then, and not committed.
        await connection.execute("BEGIN; SELECT FROM notify.head FOR UPDATE")
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        await eventually(lambda: connection.fetchval(waits), 60, what="it waits for the last head")
        assert await asyncio.to_thread(program.end, signal.SIGKILL) != OK
        connection.terminate()
    assert await asyncio.to_thread(sizes, data) == dict.fromkeys(SERVICES, 0)
    # Once more, as if killed when the logs were whole and the read models not.
    with running("audit", "import", losses.bundle, "--data", data) as program:
        connection = await _database(data)
        await connection.execute("SELECT pg_advisory_lock(hashtext('replay'), hashtext('volunteers'))")
        assert await asyncio.to_thread(program.end) != OK
        assert "another replay of volunteers is under way" in program.words
        connection.terminate()
    said = await asyncio.to_thread(say, "audit", "import", losses.bundle, "--data", data, "--json")
    assert said.code == OK, said
    assert await asyncio.to_thread(roots, data) == whole
    replayed = await asyncio.to_thread(_replayed_after_a_start, data)
    assert replayed.code == OK
    assert all(one["compared"] for one in replayed.document["services"].values())


def _replayed_after_a_start(data):
    """The streams are filled by then: what the copies are folded from."""
    with up(data):
        pass
    return say("replay", "--data", data, "--json")
