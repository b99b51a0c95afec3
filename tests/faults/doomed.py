"""A service that will strike itself: `python -m tests.faults.doomed <service> <point> <times> <signal>`."""

import runpy
import signal
import sys

from tests.faults.failpoints import POINTS, Countdown


def main() -> None:
    """Set the failpoint, then be the service."""
    service, point, times, number = sys.argv[1:5]
    POINTS[point](Countdown(int(times), signal.Signals(int(number))))
    sys.argv[1:] = []
    runpy.run_module(f"services.{service}", run_name="__main__")


if __name__ == "__main__":
    main()
