"""A container engine for tests: whether one answers, and a deployment of the compose file under a name of its own."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from joserfc.jwk import OKPKey

from eventstore.clock import direct
from servicekit.settings import SERVICE_PORTS
from tests.support.ports import unkept_port

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
DIRECTED_CLOCK = Path(__file__).with_name("directed-clock.yml")
SERVICES = tuple(SERVICE_PORTS)
PUBLISHED = (*SERVICES, "nats", "witness", "http", "https")
RUNNING = (*SERVICES, "nats", "postgres")
UP_SECONDS = 600


@cache
def missing() -> str | None:
    """Why no containers can be started here; None when they can."""
    if shutil.which("docker") is None:
        return "no container engine: there is no program `docker`"
    for command in (["docker", "info"], ["docker", "compose", "version"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            return f"no container engine answers: `{' '.join(command)}` says {said[-1] if said else 'nothing'}"
    return None


def free_ports_in_a_row(count: int) -> int:
    """The first of so many ports that nobody has at the moment."""
    while True:
        first = unkept_port()
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, OverflowError):
            for port in range(first, first + count):
                taken = stack.enter_context(socket.socket())
                taken.bind(("127.0.0.1", port))
            return first


class Deployment:
    """docker-compose.yml under its own project name, image tag and ports, with a clock that the test directs."""

    def __init__(self, directory: Path, name: str = "test") -> None:
        self.project = f"chaoyangli-{name}-{os.getpid()}"
        self.image = f"chaoyangli:{self.project}"
        self._clock_file = directory / "clock" / "clock.json"
        self._clock_file.parent.mkdir()
        self._clock_file.parent.chmod(0o755)
        ports = {name: unkept_port() for name in PUBLISHED}
        self.urls = {service: f"http://127.0.0.1:{ports[service]}" for service in SERVICES}
        self.nats_url = f"nats://127.0.0.1:{ports['nats']}"
        self.witness_url = f"http://127.0.0.1:{ports['witness']}"
        self.https_port = ports["https"]
        self.environment = {
            **os.environ,
            "COMPOSE_PROJECT_NAME": self.project,
            "COMPOSE_FILE": os.pathsep.join(map(str, (COMPOSE_FILE, DIRECTED_CLOCK))),
            "CHAOYANGLI_VERSION": self.project,
            "CHAOYANGLI_CLOCK_DIR": str(self._clock_file.parent),
            # Whoever hears by webhook here is on this machine.
            "CHAOYANGLI_WEBHOOK_PRIVATE": "allowed",
            **{f"{name.upper()}_PORT": str(port) for name, port in ports.items()},
        }

    def has_image(self, name: str) -> bool:
        """Whether the engine has an image, or gets it from where it gets images."""
        words = (["docker", "image", "inspect", name], ["docker", "pull", "--quiet", name])
        return any(subprocess.run(one, capture_output=True, check=False, timeout=120).returncode == 0 for one in words)

    def direct(self, moment: datetime) -> None:
        """Let business time stand at a moment."""
        direct(self._clock_file, moment, 0)

    def compose(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """`docker compose …`. AssertionError with all that it said when it fails, unless told not to check."""
        done = subprocess.run(
            ["docker", "compose", "--ansi", "never", *words],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=UP_SECONDS,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"docker compose {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def build(self) -> None:
        """Make the image, which else the first `up` does."""
        self.compose("build", "init")

    def up(self, *services: str, replicas: int = 1) -> float:
        """What an operator does: `docker compose up -d --wait`. How many seconds it took."""
        began = time.monotonic()
        scale = [word for name in SERVICES for word in ("--scale", f"{name}={replicas}")] if replicas > 1 else []
        done = self.compose("up", "-d", "--wait", *scale, *services, check=False)
        if done.returncode != 0:
            logs = self.compose("logs", "--no-color", "--tail", "30", check=False).stdout
            raise AssertionError(f"up --wait: {done.returncode}\n{done.stderr[-3000:]}\n{logs}")
        seconds = time.monotonic() - began
        if not services:
            self.urls = self.replica_urls()[0]
        return seconds

    def cli(self, *words: str) -> Any:
        """`chaoyangli … --json` as the operator; what it printed."""
        return json.loads(self.operate("chaoyangli", *words, "--json"))

    def operate(self, *words: str) -> str:
        """A command in the operator's container, which is made for it and ends with it; what it printed."""
        return self.operated(*words).stdout

    def operated(self, *words: str, media: Path | None = None, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """The same, with a directory of the host at /media and another exit code to come; all that came of it."""
        mount = () if media is None else ("-v", f"{media}:/media")
        done = self.compose("run", "--rm", "-T", *mount, "operator", *words, check=False)
        if done.returncode != code:
            raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    @cached_property
    def issuer_key(self) -> OKPKey:
        """The key that signs tokens, as the operator reads it."""
        return self.key_of(self.read("/secrets/issuer.signing_key"))

    @staticmethod
    def key_of(text: str) -> OKPKey:
        """A key from what its file says."""
        return OKPKey.import_key(json.loads(text))

    def read_volume(self, volume: str, path: str, image: str) -> str:
        """A file of one of this deployment's volumes."""
        mount = ["--volume", f"{self.project}_{volume}:/volume:ro", "--user=0:0", "--network=none"]
        return self._docker("run", "--rm", *mount, image, "cat", f"/volume/{path}")

    def read(self, path: str) -> str:
        """A file of the secrets' volume, as the operator would read it."""
        return self.operate("cat", path).strip()

    def inspected(self, service: str) -> dict[str, Any]:
        """All that the engine says of a service's one container."""
        container = self.compose("ps", "--all", "--quiet", service).stdout.strip()
        (found,) = json.loads(self._docker("inspect", container))
        return dict(found)

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of how a service's one container is."""
        found = self.inspected(service)
        return {"id": found["Id"], **found["State"]}

    def reaches(self, network: str, address: str, port: int) -> bool:
        """Whether a container in this network alone can connect to the address."""
        words = ["run", "--rm", f"--network={network}", self.image, "python3", "-c"]
        program = f"import socket; socket.create_connection(({address!r}, {port}), 3); print('reached')"
        done = subprocess.run(["docker", *words, program], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0 and "Error" not in done.stderr:
            raise AssertionError(f"docker {' '.join(words)}: {done.returncode}\n{done.stderr}")
        return done.stdout.strip() == "reached"

    def scale(self, replicas: int) -> None:
        """As an operator does it: a span of ports for each service, then `up --wait --scale`."""
        for service in SERVICES:
            first = free_ports_in_a_row(replicas)
            span = f"{first}-{first + replicas - 1}" if replicas > 1 else str(first)
            self.environment[f"{service.upper()}_PORT"] = span
        self.up(replicas=replicas)

    def replica_urls(self) -> list[dict[str, str]]:
        """Of each replica: service → where it answers. The engine keeps any of their numbers when there are fewer."""
        found: dict[str, list[str]] = {service: [] for service in SERVICES}
        for line in self.compose("ps", "--format", "json", *SERVICES).stdout.splitlines():
            one = json.loads(line)
            found[one["Service"]] += [f"http://127.0.0.1:{port['PublishedPort']}" for port in one["Publishers"]]
        replicas = min(map(len, found.values()))
        return [{service: urls[number] for service, urls in found.items()} for number in range(replicas)]

    def answering_at(self, url: str) -> str:
        """The container whose published port this is."""
        port = int(url.rpartition(":")[2])
        for line in self.compose("ps", "--format", "json", *SERVICES).stdout.splitlines():
            one = json.loads(line)
            if port in {each["PublishedPort"] for each in one["Publishers"]}:
                return str(one["ID"])
        raise AssertionError(f"nobody answers at {url}")

    def kill_for_good(self, container: str) -> None:
        """SIGKILL as the operator sends it: the engine does not start it again."""
        self._docker("kill", container)

    @property
    def gateway(self) -> str:
        """This machine, as the containers see it that see anything outside."""
        (network,) = json.loads(self._docker("network", "inspect", f"{self.project}_outside"))
        return str(network["IPAM"]["Config"][0]["Gateway"])

    def lose_everything(self) -> None:
        """Containers, networks and every volume; the image stays."""
        self.compose("--profile", "*", "down", "--volumes", "--timeout", "20")

    def starts(self) -> dict[str, tuple[str, str]]:
        """Service → (container, when it was started), of everything that runs long."""
        found = {service: self.state(service) for service in RUNNING}
        return {service: (one["id"], one["StartedAt"]) for service, one in found.items()}

    def kill(self, service: str) -> None:
        """SIGKILL to its process from outside, as when memory runs out. `docker kill` would count as the operator's."""
        self.signal(self.state(service)["Pid"], "SIGKILL")

    def signal(self, pid: int, name: str) -> None:
        """A signal to a process of the host, from a container that sees it."""
        words = ["run", "--rm", "--pid=host", "--user=0:0", "--network=none", self.image]
        self._docker(*words, "python3", "-c", f"import os, signal; os.kill({pid}, signal.{name})")

    def memory_bytes(self) -> dict[str, int]:
        """Service → memory of its control group less what is only a cache of files."""
        return {service: self._memory_bytes(service) for service in RUNNING}

    def _memory_bytes(self, service: str) -> int:
        newer, older = "/sys/fs/cgroup/memory", "/sys/fs/cgroup/memory/memory"
        read = f"cat {newer}.current {newer}.stat 2>/dev/null || cat {older}.usage_in_bytes {older}.stat"
        used, *lines = self.compose("exec", "-T", service, "sh", "-c", read).stdout.splitlines()
        detail = dict(line.split() for line in lines)
        # cgroup v2 says `file`, v1 `cache`; both count shared memory in, which is none.
        return int(used) - int(detail.get("file") or detail["cache"]) + int(detail["shmem"])

    def remove_volumes(self, names: Iterable[str]) -> None:
        """Take away volumes of this deployment; no container may have them."""
        self._docker("volume", "rm", *(f"{self.project}_{name}" for name in names))

    def remove(self) -> None:
        """Containers, networks, volumes and the image of this deployment; nothing of anybody else's."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20", check=False)
        self.remove_image(self.image)

    def remove_image(self, name: str) -> None:
        """Take an image away, if it is there."""
        subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False, timeout=UP_SECONDS)

    def _docker(self, *words: str) -> str:
        done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=UP_SECONDS)
        if done.returncode != 0:
            raise AssertionError(f"docker {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout


@contextlib.contextmanager
def deployed(directory: Path, name: str = "test") -> Iterator[Deployment]:
    """A deployment from nothing, removed afterwards whatever happens."""
    deployment = Deployment(directory, name)
    try:
        yield deployment
    finally:
        deployment.remove()
