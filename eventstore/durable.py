"""Files that outlive a power cut: written whole or not at all, by one process at a time."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK_POLL_SECONDS = 0.02


class LockBusy(Exception):
    """Another process holds the lock, and went on holding it."""


@contextmanager
def locked(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the exclusive lock `<path>.lock`. Raises LockBusy after `timeout_seconds`. Blocks: call it from a thread."""
    # The file itself is replaced by renaming, so a lock on it would be a lock on yesterday's inode.
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + timeout_seconds
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise LockBusy(f"another process holds the lock beside {path}")
            time.sleep(_LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path` by a file of this content, on disk before returning. The caller holds the lock."""
    # One fixed name is enough under the lock, and what a crash leaves behind is overwritten by the next one.
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make a rename or a new name in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
