"""A service with a mistake in it, or none: `python -m tests.chaos.mutated <mutant> <service> <file>…`; see mutants."""

import sys
from pathlib import Path

from tests.chaos.mutants import MUTANTS, nothing, put_point
from tests.faults.doomed import become
from tests.faults.failpoints import Trap


def main() -> None:
    """Make the mistake, set the traps, then be the service."""
    mutant, service, *files = sys.argv[1:]
    trap = Trap([Path(file) for file in files])
    make = MUTANTS[mutant].make if mutant in MUTANTS else nothing
    make(trap.passed)
    put_point(trap.passed)
    become(service, trap)


if __name__ == "__main__":
    main()
