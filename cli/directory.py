"""The data directory: what marks it as ours, who has it in use, and where what runs there wrote down its addresses."""

import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cli.embedded import make_data_directory

Mode = Literal["real", "demo"]
NOT_FOREIGN = frozenset({"clock.json", "servers.lock", "stack.lock", "lost+found"})
"""What may lie in a directory that is not marked yet: what a launcher writes first, and a file system's own folder."""
LEFT = "left"
"""Instead of a scale: the days were left before they were over."""
LOCK_SECONDS = 0.5
"""Whoever only looks whether the lock is held holds it for a moment, too."""


class StackError(Exception):
    """The system cannot be started or found; the message says why and what to do."""


class DirectoryTaken(StackError):
    """The data directory is in use, holds another kind of community, or belongs to something else."""


@dataclass(frozen=True, slots=True)
class StackInfo:
    """Where a running stack answers, as it wrote it down itself."""

    data: Path
    mode: Mode
    pid: int
    urls: dict[str, str]
    postgres_port: int
    nats_url: str
    pids: dict[str, int] = field(default_factory=dict)
    started_at: str = ""

    @property
    def running(self) -> bool:
        """Whether the process that wrote it lives. Its number alone says little: numbers are given again."""
        return in_use(self.data)


class DirectoryLock:
    """Held by the one process that runs the system of a directory; the kernel frees it when that process ends."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._descriptor is not None

    def take(self) -> None:
        """Take it, in a directory that exists. Raises DirectoryTaken when another process has it."""
        if self._descriptor is not None:
            return
        descriptor = os.open(_lock_file(self._data), os.O_RDWR | os.O_CREAT, 0o600)
        end = time.monotonic() + LOCK_SECONDS
        while not _locked(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > end:
                os.close(descriptor)
                raise DirectoryTaken(_who_has(self._data))
            time.sleep(0.01)
        self._descriptor = descriptor

    def free(self) -> None:
        """Let others have it. Does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def claim(data: Path, mode: Mode, lock: DirectoryLock) -> None:
    """Make the directory ready for this mode and hold it; nothing is written into one that belongs to something else.

    Raises DirectoryTaken, and DataDirectoryError when it cannot be written or its disk is full.
    """
    _refuse_foreign(data)
    _refuse_mode(data, mode)
    make_data_directory(data)
    lock.take()
    if made_for(data) is None:
        mode_file(data).write_text(mode + "\n", encoding="utf-8")


def in_use(data: Path) -> bool:
    """Whether a process runs the system of this directory now."""
    try:
        descriptor = os.open(_lock_file(data), os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return not _locked(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def info_file(data: Path) -> Path:
    """Where a running stack writes down where it answers."""
    return data / "stack.json"


def mode_file(data: Path) -> Path:
    """What a data directory was made for; it stays when the stack stops."""
    return data / "mode"


def made_for(data: Path) -> Mode | None:
    """Whether a data directory holds an invented community or a real one; None when nothing was started there.

    Raises DirectoryTaken for a file of that name that we did not write.
    """
    try:
        made_as = mode_file(data).read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if made_as == "demo":
        return "demo"
    if made_as == "real":
        return "real"
    raise DirectoryTaken(f"{mode_file(data)} is not what it was written as: it says neither real nor demo")


def read_info(data: Path) -> StackInfo | None:
    """What a stack wrote down, if there is one. Raises StackError when the file is not what it was written as."""
    try:
        document = json.loads(info_file(data).read_text(encoding="utf-8"))
        return StackInfo(data=data.resolve(), **document)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError) as error:
        raise StackError(f"{info_file(data)} is not what it was written as: {error}") from error


def journal_file(data: Path) -> Path:
    """What was answered so far; it is there while the days are not over."""
    return data / "demo.journal"


def lived_file(data: Path) -> Path:
    """It says of which scale the days were that are over."""
    return data / "demo"


def days_lived(data: Path) -> str | None:
    """Of which scale the days were that are over, or LEFT; None while they are not, or were never begun."""
    try:
        return lived_file(data).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None


def leave_days(data: Path) -> bool:
    """The community goes on in the present: days that are not over are left. Whether there were any."""
    unfinished = journal_file(data).exists()
    if unfinished:
        lived_file(data).write_text(LEFT + "\n", encoding="utf-8")
        journal_file(data).unlink()
    return unfinished


def _refuse_foreign(data: Path) -> None:
    """A directory with things in it of which none says that it is ours is somebody else's."""
    if not data.is_dir() or made_for(data) is not None:
        return
    others = sorted(path.name for path in data.iterdir() if path.name not in NOT_FOREIGN)
    if others:
        some = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        raise DirectoryTaken(
            f"{data} holds other things ({some}) and no community: nothing was written there. "
            "Choose an empty directory or a new one with --data"
        )


def _refuse_mode(data: Path, mode: Mode) -> None:
    made_as = made_for(data)
    if made_as not in {None, mode}:
        raise DirectoryTaken(
            f"{data} holds a real community; the invented one needs a directory of its own (--data)"
            if made_as == "real"
            else f"{data} holds an invented community; a real one needs a directory of its own (--data)"
        )


def _who_has(data: Path) -> str:
    info = read_info(data)
    process = f" (process {info.pid})" if info is not None else ""
    return f"{data} is running already{process}: see `chaoyangli status --data {data}`, or stop it"


def _lock_file(data: Path) -> Path:
    return data / "stack.lock"


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
