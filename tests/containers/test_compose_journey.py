"""`docker compose up -d --wait` from nothing, and the journey in what it started."""

import asyncio
import json
from typing import Any

import httpx
import nats
import pytest
from nats.js.api import DeliverPolicy

from cli.client import Actor, Client
from servicekit.tokens import new_issuer_key
from tests.containers.engine import RUNNING, SERVICES, Deployment, deployed
from tests.journeys.steps import MORNING, WINDOW_END, Journey
from tests.support.waiting import eventually, eventually_blocking

pytestmark = [pytest.mark.container, pytest.mark.timeout(900)]

GIB = 1024**3
WHOLE_STACK_BYTES = GIB
"""architecture.md §7: the whole stack needs less."""


class ClientInContainers(Client):
    """Has no key: each token comes from `chaoyangli token` in the container where the issuer's key lies."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(deployment.urls, new_issuer_key())  # whatever this key signs is refused
        self._deployment = deployment
        self._given: dict[Actor, str] = {}

    def token(self, actor: Actor, *, bootstrap: bool = False) -> str:
        assert not bootstrap
        if actor not in self._given:
            roles = [f"--role={role.value}" + (f"@{scope}" if scope else "") for role, scope in actor.roles]
            answer = self._deployment.cli("token", "--actor", str(actor.person_id), *roles)
            self._given[actor] = answer["token"]
        return self._given[actor]


class Lived:
    """A deployment in which the journey was made, and what a subscriber got meanwhile."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.heard: list[dict[str, Any]] = []

    async def live(self) -> None:
        subscriber = await nats.connect(
            self.deployment.nats_url,
            user="auditor",
            password=self.deployment.read("/secrets/nats_auditor.password"),
            inbox_prefix="_INBOX_auditor",
        )
        try:
            orders = await subscriber.jetstream().subscribe(
                "chaoyangli.orders.>", stream="ORDERS", ordered_consumer=True, deliver_policy=DeliverPolicy.NEW
            )
            async with ClientInContainers(self.deployment) as client:
                self.journey = Journey(client, self.deployment.cli, self.deployment.direct)
                await self.journey.make()
            while not self.heard or self.heard[-1]["type"] != "OrderRated":
                self.heard.append(json.loads((await orders.next_msg(timeout=30)).data))
        finally:
            await subscriber.close()


@pytest.fixture(scope="module")
def lived(container_engine, tmp_path_factory):
    """From nothing to the end of the journey, once for all tests here."""
    with deployed(tmp_path_factory.mktemp("deployment")) as deployment:
        deployment.direct(MORNING)
        print(f"up --wait took {deployment.up():.0f} s, the image's building included")  # noqa: T201 - with -s
        lived = Lived(deployment)
        with asyncio.Runner() as runner:
            runner.run(lived.live())
        yield lived


def test_a_plain_subscriber_gets_the_orders_story(lived):
    told = [event["type"] for event in lived.heard if event["subject"] == f"order-{lived.journey.order_id}"]
    assert told[:4] == ["OrderPlaced", "OrderVerified", "OrderDispatched", "OrderAccepted"]
    assert told[-2:] == ["CompletionConfirmed", "OrderRated"]
    positions = [event["position"] for event in lived.heard]
    assert positions == list(range(positions[0], positions[0] + len(positions)))


def test_the_logs_verify_in_a_container(lived):
    verified = lived.deployment.cli("verify")
    assert verified["ok"]
    assert {name for name, one in verified["services"].items() if one["size"] and one["stream_identical"]} == set(
        SERVICES
    )


def test_secrets_are_closed_and_belong_to_whom_they_are_for(lived):
    listing = lived.deployment.compose(
        "exec", "-T", "orders", "find", "/secrets", "/state", "-printf", "%p %m %U:%G\\n"
    )
    found = [line.split() for line in listing.stdout.splitlines()]
    assert {owner for _, _, owner in found} == {"10001:10001"}
    modes = {path: mode for path, mode, _ in found}
    assert modes.pop("/secrets") == "700"
    assert modes.pop("/secrets/issuer.jwks") == "644"
    assert {mode for path, mode in modes.items() if path.startswith("/secrets/")} == {"600"}


def test_no_process_of_ours_is_root_and_none_is_told_a_secret(lived):
    for service in SERVICES:
        who = lived.deployment.compose(
            "exec", "-T", service, "sh", "-c", "id -u; tr '\\0' '\\n' < /proc/1/environ"
        ).stdout
        uid, *variables = who.split()
        assert uid == "10001"
        assert not [name for name in variables if "PASSWORD" in name or "KEY" in name.partition("=")[0]]


@pytest.mark.parametrize("service", RUNNING)
def test_who_breaks_into_a_container_gets_no_further(lived, service):
    """What the kernel says of the first process, and what it refuses."""
    said = lived.deployment.compose("exec", "-T", service, "cat", "/proc/1/status").stdout
    status = dict(line.split(":\t", 1) for line in said.splitlines())
    assert "0" not in status["Uid"].split()
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    for path in ("/usr/local/bin/mine", "/etc/mine"):
        refused = lived.deployment.compose("exec", "-T", service, "sh", "-c", f"echo 1 > {path}", check=False)
        assert refused.returncode != 0
        assert "Read-only file system" in refused.stderr + refused.stdout


def test_only_the_services_reach_postgres(lived):
    deployment = lived.deployment
    inside, outside = f"{deployment.project}_inside", f"{deployment.project}_outside"
    address = deployment.inspected("postgres")["NetworkSettings"]["Networks"][inside]["IPAddress"]
    assert deployment.reaches(inside, address, 5432), "the attempt itself works"
    assert not deployment.reaches(outside, address, 5432)
    assert set(deployment.inspected("postgres")["NetworkSettings"]["Networks"]) == {inside}


def test_secrets_of_servers_are_their_readers_alone(lived):
    files = (("nats", "/nats/nats-server.conf", 10001), ("postgres", "/postgres-secret/password", 999))
    for service, path, owner in files:
        said = lived.deployment.compose("exec", "-T", service, "stat", "-c", "%a %u:%g", path).stdout.strip()
        assert said == f"400 {owner}:{owner}"


def test_the_whole_stack_fits(lived):
    used = lived.deployment.memory_bytes()
    print({service: f"{used_bytes / 2**20:.0f} MiB" for service, used_bytes in used.items()})  # noqa: T201 - with -s
    assert sum(used.values()) < WHOLE_STACK_BYTES, used


def test_a_second_up_changes_nothing(lived):
    before = lived.deployment.starts()
    positions = _at_rest(lived)
    lived.deployment.up()
    assert lived.deployment.starts() == before
    assert _has_all(_at_rest(lived), positions)
    for one_shot in ("init", "migrate"):
        state = lived.deployment.state(one_shot)
        assert (state["Status"], state["ExitCode"]) == ("exited", 0)


@pytest.mark.parametrize("service", ["orders", "nats", "postgres"])
def test_what_is_killed_comes_back_and_nothing_is_lost(lived, service):
    deployment = lived.deployment
    before = deployment.state(service)
    positions = _at_rest(lived)
    deployment.kill(service)
    eventually_blocking(
        lambda: deployment.state(service)["StartedAt"] != before["StartedAt"] and deployment.state(service)["Running"],
        60,
        every=0.5,
        what=f"{service} started again by the engine",
    )
    eventually_blocking(
        lambda: _has_all(_positions(lived), positions), 90, every=0.5, what="all services with all they had"
    )
    with asyncio.Runner() as runner:
        runner.run(_another_order(lived))
    assert deployment.cli("verify")["ok"]


async def _another_order(lived: Lived) -> None:
    """Commands are taken, and events reach the other services, as before."""
    journey = lived.journey
    async with ClientInContainers(lived.deployment) as client:
        body = {
            "item_code": "haircut",
            "window_start": WINDOW_END.replace(day=20).isoformat(),
            "window_end": WINDOW_END.replace(day=20, hour=WINDOW_END.hour + 2).isoformat(),
        }
        placed = await client.command("orders", "/v1/orders", body, actor=journey.resident)
        path = f"/v1/inbox/{journey.resident.person_id}"

        async def told() -> bool:
            notices = (await client.query("notify", path, actor=journey.resident))["notices"]
            return placed.body["order_no"] in {notice["order_no"] for notice in notices}

        await eventually(told, 60, every=0.2, what="the notice of the new order")
        reason = {"reason_code": "changed_mind"}
        await client.command("orders", f"/v1/orders/{placed.body['order_id']}/cancel", reason, actor=journey.resident)


def _at_rest(lived: Lived) -> dict[str, int]:
    found = eventually_blocking(lambda: _positions(lived), 60, every=0.5, what="all services at rest")
    assert found is not None
    return found


def _has_all(now: dict[str, int] | None, before: dict[str, int]) -> bool:
    """Whether no log is shorter than before; it may have grown by what a service does by itself."""
    return now is not None and all(now[service] >= size for service, size in before.items())


def _positions(lived: Lived) -> dict[str, int] | None:
    """Service → size of its log, once all answer and have heard each other out; None until then."""
    sizes: dict[str, int] = {}
    heard: list[tuple[str, int]] = []
    for service, url in lived.deployment.urls.items():
        try:
            ready = httpx.get(f"{url}/readyz", timeout=10)
        except httpx.TransportError:
            return None
        if ready.status_code != httpx.codes.OK:
            return None
        positions = ready.json()["positions"]
        sizes[service] = positions.pop(service)
        heard += positions.items()
    return sizes if all(sizes[source] == position for source, position in heard) else None


def test_a_witness_of_the_same_image_cosigns_every_log_once_it_is_named(lived, tmp_path):
    deployment, name = lived.deployment, "witness.example/w1"
    made = deployment.compose("run", "--rm", "witness", "chaoyangli", "witness", "init", "/witness", "--name", name)
    vkey = next(line for line in made.stdout.splitlines() if line.startswith("vkey ")).removeprefix("vkey ").strip()
    before = deployment.compose("exec", "-T", "ledger", "chaoyangli", "trust-policy").stdout
    assert "尚无外部见证" in before
    for log in (line.split()[1] for line in before.splitlines() if line.startswith("log ")):
        deployment.compose("run", "--rm", "witness", "chaoyangli", "witness", "trust", "/witness", log)
    deployment.compose("up", "-d", "--wait", "witness")
    assert name in httpx.get(deployment.witness_url).text
    (tmp_path / "witnesses").write_text(f"witness w1 {vkey} http://witness:8120\nquorum w1\n")
    (tmp_path / "witnesses").chmod(0o644)
    deployment.compose("cp", str(tmp_path / "witnesses"), "init:/config/witnesses")
    deployment.environment["CHAOYANGLI_WITNESSES"] = "/config/witnesses"
    deployment.up()

    def all_cosigned() -> bool:
        said = deployment.compose("exec", "-T", "ledger", "chaoyangli", "witness", "status", "--json", check=False)
        return bool(said.returncode == 0)

    eventually_blocking(all_cosigned, 120, every=1.0, what="the witness has cosigned every log")
    page = httpx.get(f"{deployment.urls['ledger']}/fund/").text
    assert "w1" in page
    assert "尚无外部见证" not in page


def test_a_logs_key_is_changed_from_the_container_that_may_write_secrets(lived):
    deployment = lived.deployment

    def log_key(*words: str) -> str:
        made = deployment.compose("run", "--rm", "init", "chaoyangli", "log-key", *words)
        return str(made.stdout.split()[-1])

    following = log_key("prepare", "ledger")
    deployment.compose("restart", "ledger")
    deployment.up()
    signatures = "— chaoyangli/ledger "
    eventually_blocking(
        lambda: deployment.read("/state/ledger/published").count(signatures) == 2, 90, every=1.0, what="both sign"
    )
    deployment.compose("stop", "ledger")
    assert log_key("retire", "ledger") == following
    deployment.up()
    eventually_blocking(
        lambda: deployment.read("/state/ledger/published").count(signatures) == 1, 90, every=1.0, what="the new one"
    )
    assert deployment.cli("verify")["ok"]


def test_two_replicas_of_every_service_do_everything_once(lived):
    deployment = lived.deployment
    before = _at_rest(lived)
    deployment.scale(2)
    replicas = deployment.replica_urls()
    assert len(replicas) == 2
    for url in (url for urls in replicas for url in urls.values()):
        assert httpx.get(f"{url}/readyz", timeout=10).status_code == httpx.codes.OK
    with asyncio.Runner() as runner:
        orders = runner.run(_the_same_orders_by_both(lived, replicas))
    eventually_blocking(lambda: _positions(lived), 60, every=0.5, what="all services at rest")
    assert len(set(orders)) == 10
    told = deployment.cli("verify")
    assert told["ok"]
    assert told["services"]["orders"]["stream_identical"]
    assert (_positions(lived) or {})["orders"] >= before["orders"] + 10
    with asyncio.Runner() as runner:
        told_of = runner.run(_notices(lived))
    assert {number for number, _ in told_of} >= set(orders)
    assert len(told_of) == len(set(told_of)), "nobody is told anything twice"
    deployment.scale(1)


async def _notices(lived: Lived) -> list[tuple[str, str]]:
    """Order's number and template of each of the resident's notices."""
    async with ClientInContainers(lived.deployment) as client:
        who = lived.journey.resident
        answer = await client.query("notify", f"/v1/inbox/{who.person_id}?limit=200", actor=who)
    return [(notice["order_no"], notice["template"]) for notice in answer["notices"] if notice["order_no"]]


async def _the_same_orders_by_both(lived: Lived, replicas: list[dict[str, str]]) -> list[str]:
    """Each of ten orders is sent to both replicas at once, under one key: their numbers."""
    journey, numbers = lived.journey, []
    async with ClientInContainers(lived.deployment) as first, ClientInContainers(lived.deployment) as second:
        first.urls, second.urls = replicas
        for count in range(10):
            day = WINDOW_END.replace(day=21 + count % 5)
            body = {
                "item_code": "haircut",
                "window_start": day.isoformat(),
                "window_end": day.replace(hour=day.hour + 2).isoformat(),
            }
            answers = await asyncio.gather(
                *(
                    client.command("orders", "/v1/orders", body, actor=journey.resident, key=f"two-replicas-{count}")
                    for client in (first, second)
                )
            )
            assert answers[0].body == answers[1].body
            numbers.append(str(answers[0].body["order_no"]))
            reason, path = {"reason_code": "changed_mind"}, f"/v1/orders/{answers[0].body['order_id']}/cancel"
            await second.command("orders", path, reason, actor=journey.resident)
    return numbers


def test_services_stop_in_order(lived):
    """Last: SIGTERM ends every service by itself, well before the engine would kill it."""
    lived.deployment.compose("stop", *SERVICES)
    states = {service: lived.deployment.state(service) for service in SERVICES}
    assert {service: state["ExitCode"] for service, state in states.items()} == dict.fromkeys(SERVICES, 0)
