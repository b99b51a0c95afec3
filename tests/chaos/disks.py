"""Small disks for PostgreSQL and NATS, that can be full: a tmpfs each, which becomes as small as what lies on it.

They need the right to mount. `own_mounts` keeps them to this process and its children, so that they go with it however
it ends.
"""

import ctypes
import os
import subprocess
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from cli.embedded.server import Server

ROOM_BYTES = 8 * 1024**3
"""NATS takes three quarters of what is free, and sets a GiB of it aside for each of four streams. Only a number."""
FILL_TRIES_MAX = 50
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x00020000, 0x4000, 1 << 18


class NoDisks(Exception):
    """Nothing can be mounted here; the message is the system's own."""


@dataclass
class SmallDisk:
    """What one server has its data on."""

    directory: Path

    def fill(self) -> None:
        """Leave no room: every write that needs another page fails with ENOSPC."""
        for tries in count(1):
            room = os.statvfs(self.directory)
            # A size of nothing is no limit, and cannot be taken back: an empty disk keeps one page.
            used = max(1, room.f_blocks - room.f_bfree) * room.f_frsize
            try:
                self._resize(used)
            except NoDisks:
                # Something was written between the two: a disk does not become smaller than what lies on it.
                if tries == FILL_TRIES_MAX:
                    raise
            else:
                return

    def free(self) -> None:
        """Make room again."""
        self._resize(ROOM_BYTES)

    def _resize(self, size: int) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self.directory))


def own_mounts() -> None:
    """Keep what is mounted from now on to this process. To be called before it has threads. Raises NoDisks."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) != 0 or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        raise NoDisks(f"no mounts of its own: {os.strerror(ctypes.get_errno())}")


def put_on_small_disk(server: Server) -> SmallDisk:
    """Move the data of a server that runs onto a disk of its own, and start it there. Raises NoDisks: it stays."""
    directory = server.directory
    before = directory.with_name(f"{directory.name}.before")
    server.stop()
    status = directory.stat()
    directory.rename(before)
    directory.mkdir(mode=0o700)
    who = f"uid={status.st_uid},gid={status.st_gid},mode=0700"
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES},{who}", "tmpfs", str(directory))
    except NoDisks:
        directory.rmdir()
        before.rename(directory)
        raise
    else:
        _run("cp", "-a", f"{before}/.", str(directory))
    finally:
        server.start()
    return SmallDisk(directory)


def take_away(disk: SmallDisk) -> None:
    """Unmount, once its server has ended."""
    _run("umount", "--lazy", str(disk.directory))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoDisks(f"{' '.join(command)}: {done.stderr.strip()}")
