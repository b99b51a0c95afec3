"""What docker-compose.yml leaves to a container that somebody broke into, read as text: no engine is needed."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCUMENT = yaml.safe_load(TEXT)
SERVICES = DOCUMENT["services"]
WITH_ROOT = {"init"}
"""Gives each volume to its reader, then ends."""
KEPT = {"init": ["CHOWN", "DAC_OVERRIDE", "FOWNER"], "proxy": ["NET_BIND_SERVICE"]}
"""Caddy's program names that one in its file: without it the kernel does not start it, though it binds no low port."""


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_is_root_may_write_its_image_or_has_a_capability(name):
    one = SERVICES[name]
    uid, gid = map(int, one["user"].split(":"))
    assert (uid == 0) == (gid == 0) == (name in WITH_ROOT)
    assert one["read_only"] is True
    assert one["cap_drop"] == ["ALL"]
    assert one.get("cap_add", []) == KEPT.get(name, [])
    assert one["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "devices", "userns_mode"} & set(one)


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_has_an_end_to_memory_processes_logs_and_scratch_space(name):
    one = SERVICES[name]
    assert 0 < one["pids_limit"] <= 512
    assert re.fullmatch(r"512m|1g", one["mem_limit"])
    assert one["logging"]["options"]["max-size"]
    assert one["logging"]["options"]["max-file"]
    for mount in one["tmpfs"]:
        assert re.search(r":size=\d+m,", mount), f"{name}: {mount}"
    assert any(mount.startswith("/tmp:") and "noexec" in mount for mount in one["tmpfs"])


def test_postgres_is_reached_from_inside_alone():
    assert DOCUMENT["networks"]["inside"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == SERVICES["migrate"]["networks"] == ["inside"]
    assert SERVICES["init"]["network_mode"] == "none"
    for name, one in SERVICES.items():
        # The operator asks outside witnesses for heads they have kept.
        assert ("outside" in one.get("networks", [])) == (bool(one.get("ports")) or name == "operator"), name


def test_the_example_names_every_variable_and_gives_away_no_secret():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    values = dict(line.split("=", 1) for line in example.splitlines() if line and not line.startswith("#"))
    asked = dict(re.findall(r"\$\{([A-Z_]+):-([^}]*)\}", TEXT))
    assert set(values) <= set(asked)
    of_a_release_and_of_profiles = {"CHAOYANGLI_VERSION", "WITNESS_PORT", "PROMETHEUS_PORT", "HTTP_PORT", "HTTPS_PORT"}
    of_a_release_and_of_profiles |= {"GRAFANA_PORT", "GRAFANA_IMAGE"}
    of_a_release_and_of_profiles |= {f"{name}_IMAGE" for name in ("POSTGRES", "NATS", "PYTHON", "CADDY", "PROMETHEUS")}
    assert set(asked) - set(values) == of_a_release_and_of_profiles
    assert {name: asked[name] for name in values} == values, "what is said there is what holds without it"
    assert not [name for name in values if re.search("PASSWORD|SECRET|KEY|TOKEN", name)]
