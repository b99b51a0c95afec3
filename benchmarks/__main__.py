"""`python -m benchmarks [name…] [--short]`: measure, print one table, write the rows as JSON.

A whole run writes benchmarks/results.json, a short or partial one benchmarks/results.local.json, which is not
committed. Exits with 0 even where a bar is missed: a busy machine is no defect. Exits with 1 when something could not
be measured at all.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
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
    figures: list[Figure] = []
    seconds: dict[str, float] = {}
    failed = []
    for name in names:
        began = time.monotonic()
        _say(f"… {name}")
        try:
            figures += BENCHMARKS[name](asked.short)
        except Exception:  # noqa: BLE001 - the others are still measured, and the exit code tells
            traceback.print_exc()
            failed.append(name)
        seconds[name] = round(time.monotonic() - began, 1)
    print(table(figures))
    whole = not asked.names and not asked.short and not failed
    path = HERE / ("results.json" if whole else "results.local.json")
    document = _about(short=asked.short) | {"seconds": seconds, "rows": [figure.to_json() for figure in figures]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    missed = sum(figure.met is False for figure in figures)
    bars = sum(figure.bar is not None for figure in figures)
    _say(f"{bars - missed} of {bars} bars met, {missed} missed; written to {path.relative_to(HERE.parent)}")
    if failed:
        _say(f"could not be measured: {', '.join(failed)}")
    return 1 if failed else 0


def _on_postgres(measure: Callable[..., Any]) -> Callable[[bool], Sequence[Figure]]:
    """Give a benchmark a PostgreSQL of its own: no other's tables are vacuumed meanwhile."""

    def run(short: bool) -> Sequence[Figure]:
        with tempfile.TemporaryDirectory(prefix="benchmark-") as directory:
            server = PostgresServer(Path(directory) / "postgres", Path(directory) / "password")
            server.start()
            try:
                time.sleep(SPARE_SECONDS)  # a new server is busy with itself at first
                found: Sequence[Figure] = uvloop.run(measure(server, short=short))
            finally:
                server.stop()
            return found

    return run


def _latency(short: bool) -> Sequence[Figure]:
    return uvloop.run(latency.measure(short=short))


def _footprint(short: bool) -> Sequence[Figure]:
    return footprint.measure(short=short)


BENCHMARKS: dict[str, Callable[[bool], Sequence[Figure]]] = {
    "append": _on_postgres(append.measure),
    "replay": _on_postgres(replay.measure),
    "readers": _on_postgres(readers.measure),
    "latency": _latency,
    "size": _on_postgres(size.measure),
    "footprint": _footprint,
}


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
