"""Run as a script: ties itself to its parent's life, drops root and executes a server in its place.

A program of its own, because code between fork and exec is not safe in a process that has threads. Standard library
only: it is started with `python -I -S`, without site-packages.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


def traversable(path: Path) -> bool:
    """Whether a user who is nobody in particular may reach `path`."""
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)


def _prctl(*arguments: int) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(*(ctypes.c_ulong(argument) for argument in (*arguments, *(0,) * (5 - len(arguments))))) == 0)


def _permitted() -> int:
    """The capabilities this process may use, as the bit mask that the kernel prints."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("CapPrm:")).split()[1], 16)


def _keep_only(capability: int) -> bool:
    """Keep one capability over the change of user and over exec (an ambient one); False where the kernel forbids it."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    mask = 1 << capability
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    return libc.capset(header, data) == 0 and _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _become(user: int, must_reach: list[Path]) -> None:
    """Be `user` instead of root.

    A clone in /root cannot be entered by others: then keep the right to pass closed folders, and no other right.
    """
    keep = None
    if not all(traversable(path) for path in must_reach):
        held = _permitted()
        keep = next((one for one in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if held & (1 << one)), None)
        if keep is None:
            closed = [str(path) for path in must_reach if not traversable(path)]
            sys.exit(
                f"user {user} cannot reach {', '.join(closed)}: a folder above is closed to others. Move the data there"
            )
        _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    if keep is not None and not _keep_only(keep):
        sys.exit(f"the kernel does not let user {user} pass the closed folders above the data directory: move the data")


def main(arguments: list[str]) -> None:
    """`child.py PARENT SIGNAL USER DIRECTORY COMMAND ARGUMENT…`; USER may be `-` to stay who one is."""
    parent, number, user, directory, command = int(arguments[0]), int(arguments[1]), *arguments[2:5]
    if user != "-":
        _become(int(user), [Path(directory) / "any", Path(command)])
    os.chdir(directory)
    if sys.platform == "linux":
        # Last, because a change of user clears it.
        _prctl(PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        sys.exit("the process that started this one is gone")
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execv(command, arguments[4:])  # noqa: S606 - the command is one of our own wheels' programs


if __name__ == "__main__":
    main(sys.argv[1:])
