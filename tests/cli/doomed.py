"""`python -m tests.cli.doomed STEP WORD…`: the program, killed in the middle of a restore or a backup.

STEP is a phase of the journal, to die once it is on disk, or `renamed`: the databases have changed places and nobody
has noted it; or `sealed`: a backup is written and has still the name of an unfinished one. Product code knows nothing
of this.
"""

import os
import signal
import sys

from cli.backup import databases, journal, sealing
from cli.entry import main


def _dies(*_arguments, **_options):
    os.kill(os.getpid(), signal.SIGKILL)


def doom(step):
    """Have this process end at a step."""
    write, change, seal = journal.write, databases.change_places, sealing.seal

    def noting(state_dir, now):
        written = write(state_dir, now)
        if now.phase == step:
            _dies()
        return written

    async def renaming(*arguments):
        await change(*arguments)
        if step == "renamed":
            _dies()

    def sealed(*arguments):
        size = seal(*arguments)
        if step == "sealed":
            _dies()
        return size

    sealing.seal = sealed
    journal.write, databases.change_places = noting, renaming


if __name__ == "__main__":
    doom(sys.argv.pop(1))
    sys.exit(main())
