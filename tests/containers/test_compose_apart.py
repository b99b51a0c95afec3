"""What a container holds and may do while everything runs: its own and no more."""

import json

import httpx
import pytest

from servicekit.handing import may_read
from tests.containers.engine import RUNNING, SERVICES
from tests.support.waiting import eventually_blocking

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]


def test_secrets_are_closed_and_belong_to_whom_they_are_for(lived):
    listing = lived.deployment.operate("find", "/secrets", "/handed", "/state", "-printf", "%p %m %U:%G %y\\n")
    found = {path: (mode, owner, kind) for path, mode, owner, kind in map(str.split, listing.splitlines())}
    assert found.pop("/handed")[1:] == ("0:0", "d"), "what the volumes hang in"
    assert {owner for _, owner, _ in found.values()} == {"10001:10001"}
    assert found.pop("/secrets/issuer.jwks")[0] == "644"
    modes = {(path.split("/")[1], kind, mode) for path, (mode, _, kind) in found.items() if path[1:6] != "state"}
    assert modes == {("secrets", "d", "700"), ("secrets", "f", "600"), ("handed", "d", "700"), ("handed", "f", "400")}


@pytest.mark.parametrize("service", SERVICES)
def test_no_container_has_a_secret_of_anothers(lived, service):
    """Whoever breaks into it looks wherever a file may lie, and finds this service's own alone."""
    known = lived.deployment.operate("sh", "-c", "cd /secrets && sha256sum $(find . -type f ! -name issuer.jwks)")
    others = dict(line.split("  ./") for line in known.splitlines())
    assert len(others) > 20
    looked = lived.deployment.compose(
        "exec", "-T", service, "sh", "-c", "find / -xdev -type f -size -9k; find /secrets /state /config -type f"
    )
    assert looked.stdout.count("/secrets/") >= 5, "the attempt itself finds something"
    sums = lived.deployment.compose(
        "exec", "-T", service, "sh", "-c", "find /secrets /state /config /tmp -type f -exec sha256sum {} +"
    )
    found = {others[word] for word in sums.stdout.split() if word in others}
    assert found
    assert not [name for name in found if not may_read(service, name, SERVICES)]
    for name in ("issuer.signing_key", "postgres.password", "nats_admin.nk", "volunteers_auditor.password"):
        refused = lived.deployment.compose("exec", "-T", service, "cat", f"/secrets/{name}", check=False)
        assert "No such file" in refused.stderr
    refused = lived.deployment.compose("exec", "-T", service, "sh", "-c", "echo 1 > /secrets/mine", check=False)
    assert "Read-only file system" in refused.stderr + refused.stdout


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_writes_the_heads_of_its_own_log_and_only_reads_the_others(lived, service):
    def tried(path: str) -> str:
        words = ("exec", "-T", service, "sh", "-c", f"touch {path} && rm {path} && echo written")
        done = lived.deployment.compose(*words, check=False)
        return str(done.stdout + done.stderr)

    assert "written" in tried(f"/state/{service}/mine")
    for other in {*SERVICES} - {service}:
        assert "Read-only file system" in tried(f"/state/{other}/mine")
        head = lived.deployment.compose("exec", "-T", service, "head", "-1", f"/state/{other}/head").stdout
        assert head.strip().endswith(f"/{other}")
    assert "Read-only file system" in tried("/state/mine")


def test_the_operator_gives_out_tokens_and_no_service_can(lived):
    who = str(lived.journey.resident.person_id)
    words = ("chaoyangli", "token", "--actor", who, "--role", "RESIDENT", "--json")
    token = json.loads(lived.deployment.operate(*words))["token"]
    url = f"{lived.deployment.urls['notify']}/v1/inbox/{who}"
    assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == httpx.codes.OK
    refused = lived.deployment.compose("exec", "-T", "notify", *words, check=False)
    assert (refused.returncode != 0, refused.stdout) == (True, "")


def test_a_command_that_needs_more_says_where_it_is_run(lived):
    refused = lived.deployment.compose("exec", "-T", "ledger", "chaoyangli", "trust-policy", check=False)
    assert refused.returncode == 1
    assert "docker compose run --rm operator" in refused.stderr


def test_the_health_check_takes_the_heartbeat_away_and_it_is_there_again(lived):
    deployment, file = lived.deployment, "/tmp/heartbeat"

    def look() -> bool:
        words = ("chaoyangli", "healthcheck", "http://127.0.0.1:8101/readyz", file)
        return bool(deployment.compose("exec", "-T", "orders", *words, check=False).returncode == 0)

    eventually_blocking(look, 30, every=0.2, what="a heartbeat")
    eventually_blocking(look, 30, every=0.2, what="the next one")
    pid = deployment.state("orders")["Pid"]
    deployment.signal(pid, "SIGSTOP")
    try:
        eventually_blocking(lambda: not look(), 30, every=0.2, what="a look that fails")
    finally:
        deployment.signal(pid, "SIGCONT")
    eventually_blocking(look, 30, every=0.2, what="a heartbeat once it goes on")


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
