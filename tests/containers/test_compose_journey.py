"""`docker compose up -d --wait` from nothing, and the journey in what it started."""

import ssl

import httpx
import pytest

from servicekit.handing import MIGRATOR
from tests.containers.engine import SERVICES
from tests.containers.lived import has_all
from tests.support.waiting import eventually_blocking

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]

CADDY = "caddy:2.10-alpine"
GIB = 1024**3
WHOLE_STACK_BYTES = GIB
"""architecture.md §7: the whole stack needs less."""


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


def test_the_whole_stack_fits(lived):
    used = lived.deployment.memory_bytes()
    each = {service: f"{used_bytes / 2**20:.0f} MiB" for service, used_bytes in used.items()}
    print(f"{sum(used.values()) / 2**20:.0f} MiB in all: {each}")  # noqa: T201 - with -s
    assert sum(used.values()) < WHOLE_STACK_BYTES, used


def test_a_second_up_changes_nothing(lived):
    before = lived.deployment.starts()
    positions = lived.at_rest()
    lived.deployment.up()
    assert lived.deployment.starts() == before
    assert has_all(lived.at_rest(), positions)
    for one_shot in ("init", "migrate"):
        state = lived.deployment.state(one_shot)
        assert (state["Status"], state["ExitCode"]) == ("exited", 0)


@pytest.mark.parametrize("service", ["orders", "nats", "postgres"])
def test_what_is_killed_comes_back_and_nothing_is_lost(lived, service):
    deployment = lived.deployment
    before = deployment.state(service)
    positions = lived.at_rest()
    deployment.kill(service)
    eventually_blocking(
        lambda: deployment.state(service)["StartedAt"] != before["StartedAt"] and deployment.state(service)["Running"],
        60,
        every=0.5,
        what=f"{service} started again by the engine",
    )
    eventually_blocking(
        lambda: has_all(lived.positions(), positions), 90, every=0.5, what="all services with all they had"
    )
    lived.orders()
    assert deployment.cli("verify")["ok"]


def test_a_witness_of_the_same_image_cosigns_every_log_once_it_is_named(lived, tmp_path):
    deployment, name = lived.deployment, "witness.example/w1"
    made = deployment.compose("run", "--rm", "witness", "chaoyangli", "witness", "init", "/witness", "--name", name)
    vkey = next(line for line in made.stdout.splitlines() if line.startswith("vkey ")).removeprefix("vkey ").strip()
    before = deployment.operate("chaoyangli", "trust-policy")
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
        words = ("run", "--rm", "-T", "operator", "chaoyangli", "witness", "status", "--json")
        return bool(deployment.compose(*words, check=False).returncode == 0)

    eventually_blocking(all_cosigned, 120, every=1.0, what="the witness has cosigned every log")
    page = httpx.get(f"{deployment.urls['ledger']}/fund/").text
    assert "w1" in page
    assert "尚无外部见证" not in page


def test_a_logs_key_is_changed_by_the_operator_and_reaches_its_service_alone(lived):
    deployment = lived.deployment

    def log_key(*words: str) -> str:
        return str(deployment.operate("chaoyangli", "log-key", *words).split()[-1])

    following = log_key("prepare", "ledger")
    for service in SERVICES:
        listed = deployment.compose("exec", "-T", service, "ls", "/secrets").stdout.split()
        assert ("ledger.next_signing_key" in listed) == (service == "ledger")
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


def test_the_proxy_serves_by_https_what_is_for_people_outside(lived):
    deployment = lived.deployment
    if not deployment.has_image(CADDY):
        pytest.skip(f"{CADDY} is not to be had here")
    deployment.compose("--profile", "tls", "up", "-d", "--wait", "proxy")
    authority = "/data/caddy/pki/authorities/local/root.crt"
    root = deployment.compose("exec", "-T", "proxy", "cat", authority).stdout
    trusted = ssl.create_default_context(cadata=root)
    host = {"sni_hostname": "ledger.localhost"}
    with httpx.Client(verify=trusted, base_url=f"https://127.0.0.1:{deployment.https_port}", timeout=30) as client:
        client.headers["Host"] = host["sni_hostname"]
        page = client.get("/fund/", extensions=host)
        assert (page.status_code, "基金" in page.text) == (200, True)
        assert page.headers["strict-transport-security"]
        assert client.get("/metrics", extensions=host).status_code == 404
    assert httpx.get(f"{deployment.urls['ledger']}/metrics").status_code == 200
    deployment.compose("--profile", "tls", "rm", "--stop", "--force", "proxy")


def test_a_deployment_whose_services_shared_one_volume_is_carried_over(lived):
    """As it was left by a release before: every secret in `secrets`, and no volume of any service's own."""
    deployment = lived.deployment
    before, sums = lived.at_rest(), deployment.operate("sh", "-c", "sha256sum /secrets/*")
    deployment.compose("down")
    deployment.remove_volumes(f"secrets-{reader}" for reader in (*SERVICES, MIGRATOR))
    deployment.up()
    assert deployment.operate("sh", "-c", "sha256sum /secrets/*") == sums
    assert has_all(lived.at_rest(), before)
    assert deployment.cli("verify")["ok"]
    lived.orders()


def test_services_stop_in_order(lived):
    """Last: SIGTERM ends every service by itself, well before the engine would kill it."""
    lived.deployment.compose("stop", *SERVICES)
    states = {service: lived.deployment.state(service) for service in SERVICES}
    assert {service: state["ExitCode"] for service, state in states.items()} == dict.fromkeys(SERVICES, 0)
