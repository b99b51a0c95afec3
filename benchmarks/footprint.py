"""What the whole system takes: seconds from `chaoyangli demo` to the first answer, and memory after the small demo.

A short run does not wait for the demo's days: it measures the same system, new and at rest.

Memory is the sum of PSS over every process of the running system: the launcher, the four services, PostgreSQL with all
its backends, NATS. PSS counts a page that n processes share as 1/n in each, so the sum counts every page once.
"""

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from benchmarks.figures import Figure, table

MIB = 1 << 20
START_SECONDS_MAX, DEMO_SECONDS_MAX, STOP_SECONDS_MAX = 80.0, 150.0, 20.0
POLL_SECONDS, SETTLE_SECONDS = 0.02, 5.0


def measure(*, short: bool = False) -> list[Figure]:
    """Seconds to the first answer on a new directory and on a used one; MiB after the demo's load, and at rest."""
    if short:
        return _measure_new()
    with tempfile.TemporaryDirectory(prefix="footprint-") as directory:
        data = Path(directory) / "data"
        with _running("demo", data) as demo:
            first_demo = _first_answer(data, demo)
            _days_are_over(data, demo)
            loaded = _memory(demo)
        with _running("up", data) as up:
            first_up = _first_answer(data, up)
            time.sleep(SETTLE_SECONDS)
            rested = _memory(up)
    return [
        Figure("`chaoyangli demo` on a new directory, to the first answer", first_demo, "s", 20, at_most=True),
        Figure("`chaoyangli up` on it again, to the first answer", first_up, "s", 20, at_most=True),
        Figure("memory of the whole system after the small demo, sum of PSS", sum(loaded.values()) / MIB, "MiB", 1_024,
               at_most=True, note=_told(loaded)),
        Figure("the same after the second start", sum(rested.values()) / MIB, "MiB", 1_024, at_most=True,
               note=_told(rested)),
    ]  # fmt: skip


def _measure_new() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="footprint-") as directory:
        data = Path(directory) / "data"
        with _running("up", data) as up:
            first = _first_answer(data, up)
            time.sleep(SETTLE_SECONDS)
            rested = _memory(up)
    return [
        Figure("`chaoyangli up` on a new directory, to the first answer", first, "s", 20, at_most=True),
        Figure("memory of the whole system, new and at rest, sum of PSS", sum(rested.values()) / MIB, "MiB", 1_024,
               at_most=True, note=_told(rested)),
    ]  # fmt: skip


@contextlib.contextmanager
def _running(command: str, data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`chaoyangli <command>` in a process of its own, told to stop at the end."""
    said = data.with_name(f"{command}.out")
    with said.open("wb") as out, data.with_name(f"{command}.err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli", command, "--data", str(data), "--json"], stdout=out, stderr=err
        )
    try:
        yield process
    except AssertionError as error:
        error.add_note(f"{command} said last: {data.with_name(f'{command}.err').read_text()[-2_000:]}")
        raise
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _first_answer(data: Path, process: subprocess.Popen[bytes]) -> float:
    """Seconds since the process was made until every service has accepted commands once."""
    waiting: set[str] | None = None
    while waiting is None or waiting:
        _lives(process, START_SECONDS_MAX)
        if waiting is None:
            with contextlib.suppress(FileNotFoundError, ValueError):
                waiting = set(json.loads((data / "stack.json").read_text())["urls"].values())
        else:
            waiting = {url for url in waiting if not _ready(url)}
        time.sleep(POLL_SECONDS)
    return time.time() - psutil.Process(process.pid).create_time()


def _ready(url: str) -> bool:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _days_are_over(data: Path, demo: subprocess.Popen[bytes]) -> None:
    """Return when the demo has told its result, and goes on running."""
    while True:
        _lives(demo, DEMO_SECONDS_MAX)
        with contextlib.suppress(ValueError):
            if not json.loads(data.with_name("demo.out").read_text())["verified"]:
                raise AssertionError("the demo's logs do not verify")
            return
        time.sleep(0.2)


def _lives(process: subprocess.Popen[bytes], seconds_max: float) -> None:
    if process.poll() is not None:
        raise AssertionError(f"the system ended with {process.returncode}")
    if time.time() - psutil.Process(process.pid).create_time() > seconds_max:
        raise AssertionError(f"the system has not come so far in {seconds_max:.0f} s")


def _memory(launcher: subprocess.Popen[bytes]) -> dict[str, int]:
    """PSS in bytes, by what the processes are."""
    parent = psutil.Process(launcher.pid)
    found: dict[str, int] = {}
    for process in [parent, *parent.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):  # a backend may end at any time
            kind = "launcher" if process == parent else _kind(" ".join(process.cmdline()))
            found[kind] = found.get(kind, 0) + process.memory_full_info().pss
    return found


def _kind(command: str) -> str:
    if "-m services." in command:
        return command.rpartition("services.")[2].split()[0]
    return "NATS" if "nats-server" in command else "PostgreSQL"


def _told(memory: dict[str, int]) -> str:
    parts = sorted(memory.items(), key=lambda part: -part[1])
    return ", ".join(f"{kind} {size / MIB:.0f}" for kind, size in parts)


def main() -> None:
    """Measure a system of its own and print the table."""
    print(table(measure(short="--short" in sys.argv)))


if __name__ == "__main__":
    main()
