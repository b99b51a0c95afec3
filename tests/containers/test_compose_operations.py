"""What an operator lives through with containers: subscribers, a replica that dies, a backup, and two losses.

The tests follow one another in one deployment, in the order of the file.
"""

import asyncio
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.containers.engine import SERVICES, Deployment
from tests.containers.lived import ClientInContainers, Lived, has_all
from tests.containers.outsiders import HOST, Crossing, Outsiders, outsiders
from tests.support.waiting import eventually_blocking

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]

CHECK_FAILED = 1
HEARD_SECONDS = 120.0
SINCE_THE_BACKUP = 20


@dataclass
class Operated:
    """A deployment that somebody operates, with outsiders who hear of its orders."""

    lived: Lived
    outsiders: Outsiders
    events: list[str]
    """What outsiders are told."""
    media: Path
    """Outside every container: what the operator keeps elsewhere."""
    kept: dict[str, str] = field(default_factory=dict)
    """What was written down on the way."""

    @property
    def deployment(self) -> Deployment:
        return self.lived.deployment

    def told(self) -> list[int]:
        """Positions of all that the log of orders tells outsiders."""
        lines = self.deployment.operate("chaoyangli", "events", "--service", "orders", "--json").splitlines()
        events = [json.loads(line) for line in lines]
        return [event["position"] for event in events if f"orders.{event['type']}" in self.events]

    def operated(self, *words: str, code: int = 0) -> str:
        """A command that sees what is kept elsewhere; what it said, in whichever way."""
        done = self.deployment.operated("chaoyangli", *words, media=self.media, code=code)
        return done.stdout + done.stderr

    def roots(self) -> dict[str, tuple[int, str]]:
        """Service → size and root of its log, once `verify` finds all in order and every event signed."""
        eventually_blocking(self.all_signed, 90, every=1.0, what="everything is signed and published")
        found = self.deployment.cli("verify")
        assert found["ok"]
        return {name: (one["size"], one["root"]) for name, one in found["services"].items()}

    def all_signed(self) -> bool:
        words = ("run", "--rm", "-T", "operator", "chaoyangli", "checkpoint", "show", "--json")
        shown = json.loads(self.deployment.compose(*words, check=False).stdout)["logs"]
        return all(one["ok"] and one["signed"] == one["size"] == one["stream"] for one in shown)


@pytest.fixture(scope="module")
def operated(lived: Lived, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """Two replicas of every service, and everybody outside listens before anything more happens."""
    deployment, home = lived.deployment, tmp_path_factory.mktemp("outside")
    media = home / "media"
    media.mkdir()
    media.chmod(0o777)  # the operator's container writes there as its own user
    # Another test may have named a witness that does not know the logs' keys of now: the doctor would say so.
    deployment.environment.pop("CHAOYANGLI_WITNESSES", None)
    deployment.scale(2)
    city, county = _subscribers(deployment, "city", "county")
    # One replica's address is the proxy's business, and changes.
    feed = Crossing(HOST, lambda: _host_and_port(deployment.urls["orders"]))
    with outsiders(home) as everybody:
        everybody.hear_over_nats(deployment.nats_url, city)
        if shutil.which("npm") is not None:
            everybody.hear_over_nats_in_javascript(deployment.nats_url, county)
        everybody.hear_the_feed(feed.address, json.loads(city)["feed_key"])
        calls = _called(lived, everybody, json.loads(city)["events"])
        yield Operated(lived, everybody, json.loads(city)["events"], media)
        calls.close()
    feed.close()


def _subscribers(deployment: Deployment, *names: str) -> list[str]:
    """The credentials of each, as docs/subscribing-nats.md has them given."""
    events = ("--events", "orders.*", "--to", "-")
    found = [deployment.operate("chaoyangli", "subscribers", "add", name, *events) for name in names]
    deployment.compose("run", "--rm", "init")
    deployment.compose("kill", "-s", "HUP", "nats")
    return found


def _host_and_port(url: str) -> tuple[str, int]:
    place = urlsplit(url)
    return str(place.hostname), int(place.port or 0)


def _called(lived: Lived, everybody: Outsiders, events: list[str]) -> Crossing:
    """Registers a webhook as the operator does, starts who is called, and has all sent that was there before."""
    deployment, port = lived.deployment, [0]
    way = Crossing(deployment.gateway, lambda: (HOST, port[0]))
    actor = ("--actor", str(lived.journey.admin.person_id))
    webhook = deployment.cli("webhooks", "add", way.address, *events, *actor)["webhook_id"]
    port[0] = everybody.be_called(deployment.cli("webhooks", "secret", webhook, *actor)["secret"])
    assert deployment.cli("webhooks", "test", webhook, *actor)["delivered"]
    deployment.cli("webhooks", "replay", webhook, "orders", "0", *actor)
    return way


def everybody_heard_everything_once(operated: Operated) -> list[int]:
    """Each outsider handled each event of theirs once, in order; their positions."""
    told = operated.told()
    for name, one in operated.outsiders.all.items():
        eventually_blocking(
            lambda one=one: len(one.heard()) >= len(told),  # type: ignore[misc]
            HEARD_SECONDS,
            every=0.5,
            what=f"all of {len(told)} events at {name}, who says {one.words()[-2000:]}",
        )
        assert one.heard() == told, name
    return told


def test_everybody_outside_hears_of_an_order_exactly_once(operated):
    assert len(operated.outsiders.all) == (4 if shutil.which("npm") else 3)
    before = everybody_heard_everything_once(operated)
    assert operated.lived.orders()
    after = everybody_heard_everything_once(operated)
    assert len(after) > len(before) > 0


def test_two_replicas_of_every_service_do_everything_once(operated):
    deployment, lived = operated.deployment, operated.lived
    before, replicas = lived.at_rest(), deployment.replica_urls()
    assert len(replicas) == 2
    for url in (url for urls in replicas for url in urls.values()):
        assert httpx.get(f"{url}/readyz", timeout=10).status_code == httpx.codes.OK
    with asyncio.Runner() as runner:
        orders = runner.run(_the_same_orders_by_both(lived, replicas))
    assert len(set(orders)) == 10
    told = deployment.cli("verify")
    assert told["ok"]
    assert told["services"]["orders"]["stream_identical"]
    assert lived.at_rest()["orders"] >= before["orders"] + 2 * len(orders)
    with asyncio.Runner() as runner:
        told_of = runner.run(_notices(lived))
    assert {number for number, _ in told_of} >= set(orders)
    assert len(told_of) == len(set(told_of)), "nobody is told anything twice"


async def _notices(lived: Lived) -> list[tuple[str, str]]:
    """Order's number and template of each of the resident's notices."""
    async with ClientInContainers(lived.deployment) as client:
        who = lived.journey.resident
        answer = await client.query("notify", f"/v1/inbox/{who.person_id}?limit=200", actor=who)
    return [(notice["order_no"], notice["template"]) for notice in answer["notices"] if notice["order_no"]]


async def _the_same_orders_by_both(lived: Lived, replicas: list[dict[str, str]]) -> list[str]:
    """Each of ten orders is sent to both replicas at once, under one key: their numbers."""
    numbers = []
    async with (
        ClientInContainers(lived.deployment, replicas[0]) as first,
        ClientInContainers(lived.deployment, replicas[1]) as second,
    ):
        for day in range(10):
            answers = await asyncio.gather(*(lived.placed(one, day, f"two-replicas-{day}") for one in (first, second)))
            assert answers[0] == answers[1]
            numbers.append(str(answers[0]["order_no"]))
            await lived.cancelled(second, answers[0])
    return numbers


def test_a_replica_of_each_service_dies_and_the_other_does_all_the_work(operated):
    deployment = operated.deployment
    dying, left = deployment.replica_urls()
    deployment.urls = left
    for service in SERVICES:
        deployment.kill_for_good(deployment.answering_at(dying[service]))
    before = operated.told()
    assert len(operated.lived.orders(3)) == 3
    assert len(everybody_heard_everything_once(operated)) >= len(before) + 3
    assert deployment.cli("verify")["ok"]


def test_the_doctor_finds_nothing_broken_in_containers(operated):
    operated.deployment.up(replicas=2)
    operated.lived.at_rest()
    said = operated.deployment.operated("chaoyangli", "doctor", "--json", code=1).stdout
    found = json.loads(said)["findings"]
    # Nobody made a backup so far; receivers of webhooks are on this machine, where the clock stands still besides.
    warned = {one["check"] for one in found if one["state"] != "ok"}
    assert "backup" in warned
    assert warned <= {"backup", "witness", "senders"}, found
    assert {"memory", "disk", "roles", "streams", "durables", "nats-rights", "versions"} <= {
        one["check"] for one in found
    }


def _backed_up(operated: Operated) -> None:
    """A backup while everything runs, and then orders that it does not have."""
    made = operated.deployment.operated(
        "chaoyangli", "backup", "--to", "/media/backups", "--keys-to", "/media/keys", "--json", media=operated.media
    )
    document = json.loads(made.stdout)
    operated.kept |= {"backup": document["backup"], "keys": document["keys"]}
    operated.operated("backup", "verify", document["backup"])
    assert len(operated.lived.orders(SINCE_THE_BACKUP)) == SINCE_THE_BACKUP
    operated.lived.at_rest()


def test_the_databases_volume_is_lost_and_with_the_streams_nothing_is(operated):
    deployment = operated.deployment
    _backed_up(operated)
    roots, signed = operated.roots(), _signed(operated)
    (operated.media / "kept-head").write_text(deployment.read("/state/orders/head") + "\n")
    deployment.compose("stop", *SERVICES)
    deployment.compose("rm", "--stop", "--force", *SERVICES, "migrate", "postgres")
    deployment.remove_volumes(["postgres-data"])
    deployment.up("postgres", "nats")
    said = operated.operated("restore", operated.kept["backup"], "--keys", operated.kept["keys"], "--json")
    document = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert (document["lost"], document["restore_point"]) == ({}, None)
    assert document["recovered"]["orders"] >= 2 * SINCE_THE_BACKUP
    deployment.up()
    assert has_all(operated.lived.at_rest(), {name: size for name, (size, _) in roots.items()})
    assert operated.lived.orders()
    assert operated.roots()["orders"][0] > roots["orders"][0]
    for service, (origin, size) in _signed(operated).items():
        assert origin == signed[service][0]
        assert size >= signed[service][1] >= roots[service][0]
    operated.operated("verify", "--checkpoint", "/media/kept-head")
    everybody_heard_everything_once(operated)
    operated.operated("replay")


def _signed(operated: Operated) -> dict[str, tuple[str, int]]:
    """Service → origin and size of the head that was signed last."""
    files = [f"/state/{service}/head" for service in SERVICES]
    lines = operated.deployment.operate("head", "-q", "-n", "2", *files).splitlines()
    return {service: (lines[2 * n], int(lines[2 * n + 1])) for n, service in enumerate(SERVICES)}


def test_everything_is_lost_but_backup_and_keys_and_the_loss_is_named_and_accepted(operated):
    """The keys were copied once more after the last orders: their heads say how much there was."""
    deployment = operated.deployment
    roots = operated.roots()
    kept = json.loads(
        deployment.operated(
            "chaoyangli", "backup", "keys", "--to", "/media/keys", "--json", media=operated.media
        ).stdout
    )
    deployment.environment.pop("CHAOYANGLI_WITNESSES", None)
    deployment.lose_everything()
    copy = operated.media / Path(kept["keys"]).relative_to("/media")
    deployment.compose("run", "--rm", "-v", f"{copy}:/keys:ro", "-e", "CHAOYANGLI_KEYS=/keys", "init")
    deployment.up("postgres", "nats")
    refused = operated.operated("restore", operated.kept["backup"], "--keys", kept["keys"], code=CHECK_FAILED)
    assert "events that were signed are in no source" in refused
    assert f"to {roots['orders'][0]}" in refused
    left = operated.operated("restore", "--continue", "--leave-missing", "--json", code=CHECK_FAILED)
    lost = json.loads(next(line for line in left.splitlines() if line.startswith("{")))["lost"]
    assert lost["orders"][1] == roots["orders"][0]
    assert lost["orders"][1] - lost["orders"][0] >= 2 * SINCE_THE_BACKUP
    losses = [word for name in lost for word in ("--accept-loss", name)]
    operated.operated("recover", *losses, "--accepted-by", str(operated.lived.journey.admin.person_id))
    deployment.up()
    operated.lived.at_rest()
    assert operated.lived.orders()
    after = operated.roots()
    assert after["orders"][0] < roots["orders"][0]
    for service, (origin, _) in _signed(operated).items():
        assert origin == (f"chaoyangli/{service}/2" if service in lost else f"chaoyangli/{service}")
    ready = httpx.get(f"{deployment.urls['orders']}/readyz").json()
    assert ready["losses"], ready
    operated.operated("replay")
