"""`python -m benchmarks [name…] [--short]`: measure, print one table, write the rows as JSON.

A whole run writes benchmarks/results.json, a short or partial one benchmarks/results.local.json, which is not
committed. Exits with 0 even where a bar is missed: a busy machine is no defect. Exits with 1 when something could not
be measured at all, and says what and why. Each benchmark has a time it may take, together 20 minutes at most.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from benchmarks import append, footprint, latency, readers, replay, size
from benchmarks.figures import Figure, table
from cli.embedded import PostgresServer

HERE = Path(__file__).parent
SPARE_SECONDS = 2.0


def main() -> int:
    """Run what was named, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure and print ratios.")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    parser.add_argument("--short", action="store_true", help="fewer and shorter rounds")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    names = asked.names or list(BENCHMARKS)
    about = _about(short=asked.short)
    figures: list[Figure] = []
    seconds: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name in names:
        began = time.monotonic()
        _say(f"… {name}")
        try:
            figures += BENCHMARKS[name](asked.short)
        except Exception as error:  # noqa: BLE001 - the others are still measured, and the exit code tells
            traceback.print_exc()
            failed[name] = _reason(error, name, asked.short)
        seconds[name] = round(time.monotonic() - began, 1)
    print(table(figures))
    whole = not asked.names and not asked.short and not failed
    path = HERE / ("results.json" if whole else "results.local.json")
    document = about | {"seconds": seconds, "rows": [figure.to_json() for figure in figures]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    missed = sum(figure.met is False for figure in figures)
    bars = sum(figure.bar is not None for figure in figures)
    _say(f"{bars - missed} of {bars} bars met, {missed} missed; written to {path.relative_to(HERE.parent)}")
    for name, reason in failed.items():
        _say(f"could not be measured: {name}: {reason}")
    return 1 if failed else 0


def _reason(error: Exception, name: str, short: bool) -> str:
    if isinstance(error, TimeoutError):
        return f"it took longer than the {LIMITS[name][short]} s it may: the machine is too busy, or something hangs"
    return f"{type(error).__name__}: {error}"


async def _within(limit: float, measured: Coroutine[Any, Any, Sequence[Figure]]) -> Sequence[Figure]:
    async with asyncio.timeout(limit):
        return await measured


def _on_postgres(name: str, measure: Callable[..., Any]) -> Callable[[bool], Sequence[Figure]]:
    """Give a benchmark a PostgreSQL of its own: no other's tables are vacuumed meanwhile."""

    def run(short: bool) -> Sequence[Figure]:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
            server = PostgresServer(Path(directory) / "postgres", Path(directory) / "password")
            server.start()
            try:
                time.sleep(SPARE_SECONDS)  # a new server is busy with itself at first
                return uvloop.run(_within(LIMITS[name][short], measure(server, short=short)))
            finally:
                server.stop()

    return run


def _latency(short: bool) -> Sequence[Figure]:
    return uvloop.run(_within(LIMITS["latency"][short], latency.measure(short=short)))


def _footprint(short: bool) -> Sequence[Figure]:
    return footprint.measure(short=short)


BENCHMARKS: dict[str, Callable[[bool], Sequence[Figure]]] = {
    "append": _on_postgres("append", append.measure),
    "replay": _on_postgres("replay", replay.measure),
    "readers": _on_postgres("readers", readers.measure),
    "latency": _latency,
    "size": _on_postgres("size", size.measure),
    "footprint": _footprint,
}
LIMITS = {
    "append": (150, 90),
    "replay": (140, 70),
    "readers": (80, 60),
    "latency": (230, 120),
    "size": (420, 90),
    "footprint": (180, 110),
}
"""Seconds that each may take, in a whole run and in a short one; a quiet machine needs half of it in a short one."""


def _about(*, short: bool) -> dict[str, Any]:
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "short": short,
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
