"""The machine: memory, disk, ports, secrets' modes, the last backup, versions. Needs no server."""

import json
import os
import platform
import shutil
import socket
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from cli.doctor.findings import Finding, bad, good, warning
from cli.place import Place
from cli.version import VERSION
from servicekit.backups import BackupNote, BackupUnreadable, read_last_backup
from servicekit.secrets import ISSUER_JWKS

MIB, GIB = 1024**2, 1024**3
MEMORY_WARN, MEMORY_BAD = 512 * MIB, 128 * MIB
"""Free memory: four services with PostgreSQL and NATS take about 600 MiB together."""
DISK_FREE_PERCENT = 15.0
DISK_BAD_PERCENT = 5.0
DISK_BAD_BYTES = GIB // 2
BACKUP_HOURS = 26
"""A day and two hours: a nightly backup that is late is no alarm, one that was left out is."""
CONNECT_SECONDS = 2.0


def memory(place: Place) -> Finding:
    """What is left of the machine's memory, or of what the container may take in which everything runs."""
    left, total = _machine_memory()
    # Where the services run in containers of their own, the limit of the operator's says nothing of them.
    limited = None if place.data is None else _container_memory()
    if limited is not None and limited[0] < left:
        left, total = limited
    said = f"{left // MIB} MiB free of {total // MIB} MiB"
    if left < MEMORY_BAD:
        return bad("memory", said, "end what else runs here, or give the machine more memory")
    if left < MEMORY_WARN:
        return warning("memory", said, "leave 512 MiB free: see what else runs here")
    return good("memory", said)


def _machine_memory() -> tuple[int, int]:
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024, int(lines["MemTotal"].split()[0]) * 1024


def _container_memory() -> tuple[int, int] | None:
    """What control group v2 leaves, files that it could drop not counted; None without a limit."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = group.joinpath("memory.max").read_text(encoding="ascii").strip()
        used = int(group.joinpath("memory.current").read_text(encoding="ascii"))
        stats = dict(line.split() for line in group.joinpath("memory.stat").read_text(encoding="ascii").splitlines())
    except OSError:
        return None
    if limit == "max":
        return None
    return int(limit) - used + int(stats.get("inactive_file", 0)), int(limit)


def disks(place: Place, least_percent: float = DISK_FREE_PERCENT) -> Iterator[Finding]:
    """What is left where data, signed heads and secrets lie; each file system once."""
    seen: set[int] = set()
    for path in (place.data, place.state_dir, place.secrets_dir):
        if path is None or not path.exists() or (device := path.stat().st_dev) in seen:
            continue
        seen.add(device)
        usage = shutil.disk_usage(path)
        percent = 100 * usage.free / usage.total
        said = f"{usage.free / GIB:.1f} GiB free of {usage.total / GIB:.1f} GiB at {path} ({percent:.0f}%)"
        step = "free space, then start NATS again: a stream that met a full disk stays unwritable until then"
        if percent < min(DISK_BAD_PERCENT, least_percent) or usage.free < DISK_BAD_BYTES:
            yield bad("disk", said, step)
        elif percent < least_percent:
            yield warning("disk", f"{said}, less than {least_percent:.0f}%", "free space before it is needed")
        else:
            yield good("disk", said)


async def services(place: Place) -> list[Finding]:
    """What every service says of itself. In a place where none was started: whether its ports are free."""
    if not place.urls:
        return [_ports_of_last_time(place)]
    found = []
    async with httpx.AsyncClient(timeout=CONNECT_SECONDS) as http:
        for service, url in place.urls.items():
            try:
                said = (await http.get(f"{url}/readyz")).json()
            except (httpx.TransportError, ValueError) as error:
                step = f"start it, or read what it said last (`chaoyangli status`): {service}"
                found.append(bad("services", f"{service} at {url} does not answer ({type(error).__name__})", step))
                continue
            step = "docs/operating/runbooks/service-degraded.md"
            reasons = "; ".join([*said.get("reasons", []), *said.get("degraded", [])])
            if said["status"] == "unavailable":
                found.append(bad("services", f"{service} takes no commands: {reasons}", step))
            elif said["status"] == "degraded":
                found.append(warning("services", f"{service} is degraded: {reasons}", step))
    return found or [good("services", f"{len(place.urls)} services take commands")]


def _ports_of_last_time(place: Place) -> Finding:
    path = place.data / "services.json" if place.data else None
    try:
        ports = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        ports = {}
    taken = [f"{name} {port}" for name, port in ports.items() if _listens("127.0.0.1", port)]
    start = f"chaoyangli up --data {place.data}"
    if taken:
        said = f"no service runs here, and others listen on the ports of last time: {', '.join(taken)}"
        return warning("services", said, f"end them, or let the services take other ports: {start}")
    return warning("services", "no service runs here", start)


def ports(place: Place) -> list[Finding]:
    """Whether something listens where PostgreSQL and NATS are said to be."""
    nats = urlsplit(place.nats_url)
    missing = []
    if not place.database_host.startswith("/") and not _listens(place.database_host, place.database_port):
        missing.append(f"PostgreSQL at {place.database_host}:{place.database_port}")
    if not _listens(nats.hostname or "127.0.0.1", nats.port or 4222):
        missing.append(f"NATS at {place.nats_url}")
    if not missing:
        return [good("ports", f"PostgreSQL {place.database_host}:{place.database_port} and {place.nats_url} answer")]
    return [bad("ports", f"nobody listens: {one}", "start it, and read its log") for one in missing]


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), CONNECT_SECONDS):
            return True
    except OSError:
        return False


def keys(place: Place) -> list[Finding]:
    """Who may read the secrets: their owner alone, the public key set excepted."""
    try:
        paths = [place.secrets_dir, *sorted(place.secrets_dir.iterdir())]
    except OSError as error:
        return [
            bad("keys", f"{place.secrets_dir}: {error.strerror}", "say where the secrets are: CHAOYANGLI_SECRETS_DIR")
        ]
    found = []
    for path in paths:
        mode = stat.S_IMODE(path.stat().st_mode)
        public = path.name == ISSUER_JWKS or path.suffix in {".vkey", ".former_vkeys"}
        if mode & (0o022 if public else 0o077):
            allowed = 0o644 if public else 0o700 if path.is_dir() else 0o600
            step = f"chmod {allowed:o} {path}; others could read it: change what is in it too (docs/operating/keys.md)"
            found.append(bad("keys", f"{path} has mode {mode:o}", step))
        elif not os.access(path, os.R_OK):
            found.append(bad("keys", f"{path} cannot be read by user {os.geteuid()}", "give it to the services' user"))
    return found or [good("keys", f"{len(paths) - 1} secret files, each its owner's alone")]


def backup(place: Place, now: datetime | None = None) -> Finding:
    """How old the last backup is."""
    try:
        last = read_last_backup(place.state_dir)
    except BackupUnreadable as error:
        return bad("backup", str(error), "make one now; see docs/operating/runbooks/backup-old.md")
    if last is None:
        return warning("backup", "no backup was ever made here", "make one, and have one made every night")
    age = (now or datetime.now(UTC)) - last.finished_at
    said = f"the last one is {_age(age)} old, {last.bytes / MIB:.1f} MiB at {last.path}"
    if age > timedelta(hours=BACKUP_HOURS):
        return bad("backup", said, "see why none was made since: docs/operating/runbooks/backup-old.md")
    return _backup_is_there(place, last, said)


def _backup_is_there(place: Place, last: BackupNote, said: str) -> Finding:
    # Where a container does not see the backup's directory nothing can be said of the file.
    directory = Path(last.path).parent
    if place.data is not None and directory.exists() and not Path(last.path).exists():
        return warning("backup", f"{said}, which is gone", "keep backups, on another machine")
    return good("backup", said)


def _age(age: timedelta) -> str:
    hours = age.total_seconds() / 3600
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"


def versions(postgres: str | None, nats: str | None) -> Finding:
    """What runs, and whether it is what this program was tried with."""
    ours = f"chaoyangli {VERSION}, Python {platform.python_version()}"
    said = f"{ours}, PostgreSQL {postgres or '?'}, NATS {nats or '?'}"
    if postgres is not None and postgres.split(".")[0].split(" ")[0] != "18":
        return warning("versions", said, "run PostgreSQL 18: every test and backup here is of that one")
    if nats is not None and tuple(map(int, nats.split("-")[0].split(".")[:2])) < (2, 14):
        return bad("versions", said, "run NATS 2.14 or later: the relay needs its atomic batches")
    return good("versions", said)
