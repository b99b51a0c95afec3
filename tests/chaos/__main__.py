"""`python -m tests.chaos --minutes 3`: one run under chaos; exit code 1 when anything is lost, doubled or unexplained.

CHAOS_SEED throws the dice, CHAOS_KEEP names the directory that gets the history (.chaos).
"""

import argparse
import asyncio
import os
import sys
import time
from pathlib import Path

from tests.chaos.disks import NoDisks, own_mounts
from tests.chaos.run import CLIENTS, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=3.0, help="how long everything fails (3)")
    parser.add_argument("--clients", type=int, default=CLIENTS, help=f"who asks at once ({CLIENTS})")
    asked = parser.parse_args()
    seed = int(os.environ.get("CHAOS_SEED") or time.time())
    keep = Path(os.environ.get("CHAOS_KEEP") or ".chaos").resolve()
    try:
        own_mounts()
        small_disks = True
    except NoDisks as error:
        sys.stdout.write(f"no disk can be full here: {error}\n")
        small_disks = False
    report = asyncio.run(run(seed, asked.minutes, keep, clients=asked.clients, small_disks=small_disks))
    sys.stdout.write("".join(f"{line}\n" for line in report.lines()))
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
