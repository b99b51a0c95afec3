"""What nobody has any more is given up: the log goes on under a new origin, and says what was lost."""

import asyncio
import json
import shutil
import signal
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx
import nats
import pytest

from cli.client import Actor
from contracts.command import Role
from eventstore.checkpoint import Checkpoint
from eventstore.nats_api import api_prefix
from eventstore.note import parse_note
from servicekit.secrets import read_nats_seed
from tests.cli.losses import (
    SERVICES,
    all_signed,
    ask,
    copy,
    lived_twice,
    registering,
    roots,
    servers_of,
    sizes,
    up,
)
from tests.cli.program import running, say
from tests.cli.test_subscribers import first_event
from tests.support.servers import temporary_directory
from tests.support.waiting import PATIENCE_SECONDS, eventually, eventually_blocking

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
OK, CHECK_FAILED, USAGE, NO_ANSWER = 0, 1, 2, 4
OPERATOR = UUID("01900000-0000-7000-8000-0000000000aa")
BY = ("--accepted-by", str(OPERATOR))
ALL = tuple(word for service in SERVICES for word in ("--accept-loss", service))


@pytest.fixture(scope="module")
def losses():
    with temporary_directory() as place:
        yield lived_twice(place)


@pytest.fixture(scope="module")
def given_up(losses):
    """A place whose tails are nowhere: PostgreSQL is the old copy, NATS is empty; the loss is accepted."""
    data = losses.lost("given-up", nats_too=True)
    copy(data, losses.place / "before")
    said = say("recover", *ALL, *BY, "--data", data, "--json")
    assert said.code == OK, said
    copy(data, losses.place / "just-given-up")
    return data, said.document["services"]


def size_of(note):
    return Checkpoint.parse(parse_note(note).text).size


def signed_before(losses, service):
    return size_of((losses.place / "before" / "state" / service / "head").read_text())


def events_of(data, service):
    return [json.loads(line) for line in say("events", "--service", service, "--data", data, "--json").lines]


def test_the_log_says_first_what_was_lost_and_under_which_origin_it_goes_on(losses, given_up):
    data, found = given_up
    for service in SERVICES:
        first, last = found[service]["lost"]
        assert (found[service]["origin"], last) == (f"chaoyangli/{service}/2", signed_before(losses, service))
        said = events_of(data, service)[first - 1]
        assert (said["type"], said["source"]) == ("LossAccepted", f"/chaoyangli/{service}/2")
        assert (said["position"], said["actor"]) == (first, str(OPERATOR))
        told = said["data"]
        assert (told["old_origin"], told["signed_size"]) == (f"chaoyangli/{service}", last)
        assert (told["first_lost"], told["last_lost"]) == (first, last)
        assert told["proven_size"] < first
        assert {one["source"] for one in events_of(data, service)[: first - 1]} == {f"/chaoyangli/{service}"}


def test_the_services_go_on_and_everything_proves_itself(losses, given_up):
    data, found = given_up
    with up(data) as urls:
        person = ask(data, urls, registering(losses.admin, 88))
        shown = ask(data, urls, lambda client: client.query("volunteers", f"/v1/persons/{person}", actor=whose(person)))
        assert shown["name"] == "王88"
        for service in SERVICES:
            told_by(urls[service], losses, service, found[service]["lost"][0])
        assert "丢失，各处都找不回来" in got(f"{urls['ledger']}/fund/").text
    assert all(root for root in roots(data).values())
    replayed = say("replay", "--data", data, "--json")
    assert replayed.code == OK
    assert all(one["compared"] for one in replayed.document["services"].values())
    logs = say("checkpoint", "show", "--data", data, "--json").document["logs"]
    assert [one["log"] for one in logs] == [f"chaoyangli/{service}/2" for service in SERVICES]
    assert events_of(data, "volunteers")[-1]["source"] == "/chaoyangli/volunteers/2"


def got(url):
    return httpx.get(url, timeout=PATIENCE_SECONDS)


def whose(person):
    return Actor.of(person, Role.RESIDENT)


def told_by(url, losses, service, first):
    """What a service says of the loss to anybody."""
    ready = got(f"{url}/readyz").json()
    assert ready["origin"] == f"chaoyangli/{service}/2"
    (loss,) = ready["losses"]
    assert f"events {first} to" in loss
    old = (losses.place / "before" / "state" / service / "published").read_text()
    assert got(f"{url}/1/checkpoint").text == old
    width = min(first - 1, 256)
    assert len(got(f"{url}/1/tile/0/000" + (f".p/{width}" if width < 256 else "")).content) == 32 * width
    assert got(f"{url}/1/tile/0/000.p/{first % 256}").status_code == (404 if first < 256 else 200)
    for nothing in ("/2/checkpoint", "/0/checkpoint", "/9/tile/0/000", "/1/tile/entries/000"):
        assert got(url + nothing).status_code == 404, nothing


def test_a_subscriber_from_before_a_loss_hears_of_it_and_goes_on_with_the_same_key(losses):
    data, file = copy(losses.place / "whole", losses.place / "subscribed"), losses.place / "city.json"
    here = ("--data", data)
    with up(data):
        events = "volunteers.LossAccepted,volunteers.PolicyAdopted"
        assert say("subscribers", "add", "city", "--events", events, "--from", "now", "--to", file, *here).code == OK
    shutil.rmtree(data / "postgres")
    shutil.rmtree(data / "nats")
    copy(losses.place / "old", data / "postgres")
    recovered = say("recover", *ALL, *BY, *here, "--json")
    assert recovered.code == OK, recovered
    first, _ = recovered.document["services"]["volunteers"]["lost"]
    with running("up", *here, "--json") as program:
        url = json.loads(program.line())["nats"]
        assert say("subscribers", "show", "city", *here, "--json").document["logs"] == {"volunteers": None}
        nowhere = say("subscribers", "change", "city", *here)
        assert (nowhere.code, "no place on volunteers/2: say --from volunteers=" in nowhere.err) == (CHECK_FAILED, True)

        def changed():
            """Once the relay has made the new stream."""
            said = say("subscribers", "change", "city", "--from", f"volunteers={first}", *here)
            return said if said.code == OK else None

        binds = json.loads(eventually_blocking(changed, 60, every=0.5, what="the subscriber has a place").out)
        assert binds["nats_consumers"] == [{"stream": "VOLUNTEERS_2", "durable": "city-subscriber"}]
        event = asyncio.run(first_event(url, json.loads(file.read_text()) | binds))
        assert (event["type"], event["position"], event["source"]) == (
            "LossAccepted",
            first,
            "/chaoyangli/volunteers/2",
        )
        assert program.end(signal.SIGTERM) == OK


def test_each_origin_has_a_policy_and_a_bundle_says_which_it_is_of(losses, given_up, tmp_path):
    data, _ = given_up
    now, before = (say("trust-policy", "--data", data, *words).out for words in ((), ("--origin", "1")))
    assert b"log chaoyangli/ledger/2+" in now
    assert b"log chaoyangli/ledger+" in before
    for name, text in (("now", now), ("before", before)):
        (tmp_path / name).write_bytes(text)
    taken = tmp_path / "taken"
    assert say("audit", "export", taken, "--data", data).code == OK
    old, new = tmp_path / "before", tmp_path / "now"
    assert say("audit", "verify", losses.bundle, "--policy", old).code == OK
    assert say("audit", "verify", taken, "--policy", new).code == OK
    assert say("audit", "verify", taken, "--policy", old).code == CHECK_FAILED
    assert say("audit", "verify", losses.bundle, "--policy", new).code == CHECK_FAILED
    # Who took a bundle before the loss has what is lost, and sees that this history lacks it.
    assert say("audit", "verify", taken, "--policy", new, "--before", losses.bundle).code == CHECK_FAILED


def test_a_bundle_taken_after_a_loss_is_imported_elsewhere_and_goes_on_there_in_its_origin(losses, given_up):
    data, found = given_up
    taken, elsewhere = losses.place / "taken-after", losses.place / "imported-after"
    assert say("audit", "export", taken, "--data", data).code == OK
    published = {service: (taken / f"logs/{service}/origins/1/checkpoint").read_text() for service in SERVICES}
    said = say("audit", "import", taken, "--data", elsewhere, "--json")
    assert said.code == OK, said
    assert {one["origin"] for one in said.document["services"].values()} == {f"chaoyangli/{s}/2" for s in SERVICES}
    with up(elsewhere) as urls:
        ask(elsewhere, urls, registering(losses.admin, 77))
        for service in SERVICES:
            told_by(urls[service], losses, service, found[service]["lost"][0])
            assert got(f"{urls[service]}/1/checkpoint").text == published[service]
    assert events_of(elsewhere, "volunteers")[-1]["source"] == "/chaoyangli/volunteers/2"
    assert all(root for root in roots(elsewhere).values())
    again = losses.place / "taken-elsewhere"
    assert say("audit", "export", again, "--data", elsewhere).code == OK
    assert say("audit", "verify", again, "--before", taken).code == OK


def test_an_old_copy_of_the_database_does_not_bring_the_old_origin_back(losses, given_up):
    data = copy(given_up[0], losses.place / "old-again")
    with up(data) as urls:  # so that the streams hold what the copy below lacks
        ask(data, urls, registering(losses.admin, 87))
    whole = roots(data)
    shutil.rmtree(data / "postgres")
    copy(losses.place / "old", data / "postgres")
    with running("up", "--data", data) as refused:
        assert refused.end() == NO_ANSWER
        assert "copy from before a loss was accepted" in refused.words
    said = say("recover", "--data", data, "--json")
    assert said.code == OK, said
    assert all(one["lost"] is None for one in said.document["services"].values())
    assert roots(data) == whole
    with up(data) as urls:
        ask(data, urls, registering(losses.admin, 89))


@pytest.mark.parametrize("written", ["nothing", "heads aside", "all but the origin"])
def test_after_a_crash_before_the_files_it_is_ended_by_the_same_command(losses, given_up, written):
    data = copy(losses.place / "just-given-up", losses.place / f"crashed-{written.replace(' ', '-')}")
    if written == "nothing":
        shutil.rmtree(data / "state")
        copy(losses.place / "before" / "state", data / "state")
    for service in SERVICES:
        state = data / "state" / service
        (state / "origin").unlink(missing_ok=True)
        if written == "heads aside":
            (state / "head").unlink()
    with running("up", "--data", data) as refused:
        assert refused.end() == NO_ANSWER
        assert "recover --accept-loss" in refused.words
    said = say("recover", *ALL, *BY, "--data", data, "--json")
    assert said.code == OK, said
    assert all(one["lost"] is None for one in said.document["services"].values())
    assert {service: (data / "state" / service / "origin").read_text() for service in SERVICES} == {
        service: f"chaoyangli/{service}/2\n" for service in SERVICES
    }
    with up(data):
        pass
    assert all_signed(data)


def test_where_the_origin_was_lost_with_the_head_a_head_of_that_origin_brings_it_back(losses, given_up):
    data = copy(losses.place / "just-given-up", losses.place / "no-files")
    state = data / "state" / "ledger"
    head = state / "head"
    kept = data / "kept"
    kept.write_bytes(head.read_bytes())
    head.unlink()
    (state / "origin").unlink()
    shown = say("checkpoint", "adopt", "ledger", "--from-file", kept, "--data", data)
    assert shown.code == OK, shown
    assert (state / "origin").read_text() == "chaoyangli/ledger/2\n"
    assert "ledger" in roots(data)


def test_one_log_may_be_lost_alone_and_what_it_caused_is_named(losses):
    data = losses.lost("alone")
    with servers_of(data) as stack:
        asyncio.run(_lose_the_stream_of_volunteers(stack))
        others = say("recover", "--accept-loss", "orders", *BY, "--data", data)
        assert others.code == CHECK_FAILED
        assert "nothing is lost" in others.err
        said = say("recover", "--accept-loss", "volunteers", *BY, "--data", data, "--json")
    assert said.code == OK, said
    found = said.document["services"]
    assert [name for name, one in found.items() if one["lost"]] == ["volunteers"]
    assert found["notify"]["sources"] == ["the stream"]
    assert {one["type"] for one in found["orders"]["orphans"]} == {"PersonDataErased"}
    assert found["volunteers"]["durables"] == ["outsider"]
    with up(data):
        pass
    assert say("replay", "--data", data).code == OK
    assert sizes(data)["volunteers"] >= found["volunteers"]["lost"][0]


async def _lose_the_stream_of_volunteers(stack):
    """And let an outsider have had a durable on it."""
    seed = read_nats_seed(stack.data / "secrets", "admin")
    client = await nats.connect(stack.servers.nats.url, nkeys_seed_str=seed)
    await client.jetstream(prefix=api_prefix("chaoyangli")).delete_stream("VOLUNTEERS")
    await client.close()
    connection = await asyncpg.connect(stack.servers.postgres.dsn("chaoyangli"))
    await connection.execute(
        "INSERT INTO volunteers.relay_durables (durable, config, ack_floor) VALUES ('outsider', '{}', 3)"
    )
    await connection.close()


def test_nobody_gives_up_what_is_there_or_without_a_name(losses):
    data = losses.place / "whole"
    before = roots(data)
    for words, code, why in (
        (("--accept-loss", "orders", *BY), CHECK_FAILED, "nothing is lost"),
        (("--accept-loss", "orders"), USAGE, "go together"),
        (BY, USAGE, "go together"),
        (("--accept-loss", "shop", *BY), USAGE, "shop"),
        (("orders", "--accept-loss", "orders", *BY), USAGE, "a loss concerns all logs"),
        (("--accept-loss", "orders", "--accepted-by", "王主任"), USAGE, "accepted-by"),
    ):
        said = say("recover", *words, "--data", data)
        assert (said.code, why in said.err.replace("\n", " ")) == (code, True), said
    assert roots(data) == before


def test_nobody_gives_up_while_services_run_or_what_was_published_is_another_history(losses):
    data = losses.lost("refused", nats_too=True)
    with servers_of(data) as stack:
        environment = stack.environment()
        password = (data / "secrets" / "orders_app.password").read_text().strip()

        async def meanwhile():
            app = await asyncpg.connect(
                host=environment["CHAOYANGLI_DATABASE_HOST"],
                port=int(environment["CHAOYANGLI_DATABASE_PORT"]),
                database="chaoyangli",
                user="orders_app",
                password=password,
            )
            session = Path(f"/proc/{app.get_server_pid()}")
            try:
                return await asyncio.to_thread(say, "recover", *ALL, *BY, "--data", data)
            finally:
                await app.close()
                await eventually(lambda: not session.exists(), what="the end of the session")

        said = asyncio.run(meanwhile())
        assert said.code == CHECK_FAILED
        assert "stop the services" in said.err
        assert "orders is up" in said.err
        one = say("recover", "--accept-loss", "volunteers", *BY, "--data", data)
        assert one.code == CHECK_FAILED
        assert "are missing" in one.err
    published = data / "state" / "ledger" / "published"
    note = published.read_text()
    size = sizes(data)["ledger"]
    origin, _, _ = note.split("\n")[:3]
    published.write_text(f"{origin}\n{size}\n{'A' * 43}=\n\n{note.partition(chr(10) * 2)[2]}")
    said = say("recover", *ALL, *BY, "--data", data)
    assert said.code == CHECK_FAILED
    assert "are not those that were published" in said.err
