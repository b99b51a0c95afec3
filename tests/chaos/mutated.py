"""A service with one mistake in it: `python -m tests.chaos.mutated <mutant> <service> <file>…`; see mutants, doomed."""

import sys
from pathlib import Path

from tests.chaos.mutants import MUTANTS
from tests.faults.doomed import become
from tests.faults.failpoints import Trap


def main() -> None:
    """Make the mistake, set the traps, then be the service."""
    mutant, service, *files = sys.argv[1:]
    trap = Trap([Path(file) for file in files])
    MUTANTS[mutant].make(trap.passed)
    become(service, trap)


if __name__ == "__main__":
    main()
