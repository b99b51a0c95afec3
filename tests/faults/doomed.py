"""A service that obeys orders to strike: `python -m tests.faults.doomed <service> <file>…`; see failpoints."""

import runpy
import sys
from pathlib import Path

from tests.faults.failpoints import Trap


def main() -> None:
    """Set the traps, then be the service."""
    service, *files = sys.argv[1:]
    become(service, Trap([Path(file) for file in files]))


def become(service: str, trap: Trap) -> None:
    """Put the trap at every point, then be the service until it ends."""
    trap.set_all(service)
    sys.argv[1:] = []
    runpy.run_module(f"services.{service}", run_name="__main__")


if __name__ == "__main__":
    main()
