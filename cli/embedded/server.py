"""A server program as one child process: start, stop, kill, restart, with ports kept and errors that say what to do."""

import abc
import contextlib
import errno
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

HOST = "127.0.0.1"
LEAST_FREE_BYTES = 128 * 1024 * 1024
_POLL_SECONDS = 0.01

# The kernel ends a child when the *thread* that started it ends: one that lives as long as the process starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starts-servers")


class EmbeddedError(RuntimeError):
    """A server could not be started or stopped; the message says which, why and what to do."""


class PortInUseError(EmbeddedError):
    """A port that was asked for belongs to another program."""


class DataDirectoryError(EmbeddedError):
    """The data directory cannot be used: not writable, full, of another version, or in use by a running server."""


class DirectoryInUseError(DataDirectoryError):
    """Another process runs the servers of this data directory."""


def hold_port(port: int = 0) -> socket.socket:
    """Keep a port of 127.0.0.1, any if it is 0, for a server that sets SO_REUSEADDR, as all of ours do.

    Until the socket is closed the system gives the port to nobody who connects or takes any port, whether a server
    listens on it or is down. Raises OSError when somebody listens there.
    """
    held = socket.socket()
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind((HOST, port))
    except OSError:
        held.close()
        raise
    return held


def port_is_free(port: int) -> bool:
    """Whether nobody listens on this port of 127.0.0.1."""
    try:
        hold_port(port).close()
    except OSError:
        return False
    return True


def _let_go(held: dict[int, socket.socket]) -> None:
    while held:
        held.popitem()[1].close()


def write_private(path: Path, text: str, owner: int | None = None) -> None:
    """Write a file only its owner can read, whole or not at all."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        if owner is not None:
            os.chown(new, owner, owner)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def make_data_directory(path: Path) -> None:
    """Create a directory and see that it can be written and has room; DataDirectoryError says what is wrong."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".probe-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        what = "the disk is full" if full else f"it cannot be written ({error.strerror})"
        raise DataDirectoryError(
            f"data directory {path}: {what}. Choose another with --data, or mend this one"
        ) from error
    room = os.statvfs(path)
    free = room.f_bavail * room.f_frsize
    if free < LEAST_FREE_BYTES:
        raise DataDirectoryError(
            f"data directory {path}: only {free // 2**20} MiB are free, "
            f"{LEAST_FREE_BYTES // 2**20} MiB are needed to start"
        )


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[Callable[[], bool]]:
    """Gives a function that waits a moment and answers False once `seconds` have passed."""
    end = time.monotonic() + seconds

    def wait() -> bool:
        time.sleep(_POLL_SECONDS)
        return time.monotonic() < end

    yield wait


class Server(abc.ABC):
    """One server program as a child of this process. Not for use from several threads at once."""

    name: ClassVar[str]
    stop_signals: ClassVar[Sequence[tuple[signal.Signals, float]]]  # each with the seconds it is given

    def __init__(self, directory: Path, port: int | None = None) -> None:
        self.directory = directory.resolve()
        self.log_file = self.directory.with_name(f"{self.directory.name}.log")
        self._asked_port = port
        self.port = port or 0
        self._held: dict[int, socket.socket] = {}
        """Its ports are kept while it is down: clients know where it comes back."""
        weakref.finalize(self, _let_go, self._held)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._lives()

    @property
    def pid(self) -> int | None:
        """The process id while it lives."""
        return self._process.pid if self._process is not None and self._lives() else None

    def start(self, timeout_seconds: float = 60) -> None:
        """Start and wait until it answers. Does nothing when it runs. EmbeddedError carries the end of its log."""
        if self._lives():
            return
        make_data_directory(self.directory.parent)
        with _deadline(timeout_seconds) as wait:
            self.prepare(wait)
            while True:
                self._choose_ports()
                self._spawn()
                answered = False
                while self._lives() and not (answered := self.ready()) and wait():
                    pass
                if answered:
                    return
                late = self._lives()
                self.kill()
                said = self._said()
                if late or not (self._may_retry(said) and wait()):
                    raise self._failure(said, late=late)

    def stop(self) -> None:
        """Ask it to end in order, then with more force. Does nothing when it does not run."""
        if self._process is None:
            return
        for number, seconds in (*self.stop_signals, (signal.SIGKILL, 10.0)):
            if self._process.poll() is None:
                self._process.send_signal(number)
                self._process.send_signal(signal.SIGCONT)  # a paused process hears nothing else
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
            self._process = None
            return
        raise EmbeddedError(f"{self.name} (process {self._process.pid}) does not end, not even when killed")

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def restart(self) -> None:
        """Stop in order and start again, on the same port."""
        self.stop()
        self.start()

    @abc.abstractmethod
    def prepare(self, wait: Callable[[], bool]) -> None:
        """Make the data directory usable; `wait` is the patience left."""

    @abc.abstractmethod
    def command(self) -> Sequence[str]:
        """The program and its arguments."""

    @abc.abstractmethod
    def ready(self) -> bool:
        """Whether it serves now."""

    def user(self) -> int | None:
        """Whom it runs as, None for the present user."""
        return None

    def pause(self) -> None:
        """SIGSTOP: its connections stay open and it answers nobody."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _choose_ports(self) -> None:
        self.port = self._choose(self._asked_port, self.port)

    def _choose(self, asked: int | None, last: int) -> int:
        """The port asked for, else the last one used when it is free, else any; it is kept from now on."""
        if asked and not self._hold(asked):
            raise PortInUseError(
                f"{self.name}: port {asked} of {HOST} is in use by another program. Stop it or ask for another port"
            )
        if asked or (last and self._hold(last)):
            return asked or last
        held = hold_port()
        port: int = held.getsockname()[1]
        self._held[port] = held
        return port

    def _hold(self, port: int) -> bool:
        """Keep a port, or keep it longer; whether nobody listens there."""
        if port in self._held:
            return port_is_free(port)
        try:
            self._held[port] = hold_port(port)
        except OSError:
            return False
        return True

    def _may_retry(self, said: str) -> bool:
        """A port that was free may be listened on by somebody who asked for this very one."""
        return not self._asked_port and "address already in use" in said.lower()

    def _spawn(self) -> None:
        self._log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        arguments = child_arguments(self.stop_signals[0][0], self.user(), self.directory, self.command())
        with self.log_file.open("ab") as log:

            def run() -> subprocess.Popen[bytes]:
                return subprocess.Popen(  # noqa: S603 - our own programs
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=child_environment(),
                    start_new_session=True,  # Ctrl-C in the terminal is the launcher's: it stops services first
                )

            self._process = _starter.submit(run).result()

    def _said(self) -> str:
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def _failure(self, said: str, *, late: bool) -> EmbeddedError:
        end = "\n".join(said.strip().splitlines()[-12:])
        if "No space left on device" in said:
            return DataDirectoryError(
                f"{self.name}: the disk that holds {self.directory} is full. Free space and start again\n{end}"
            )
        if "address already in use" in said.lower():
            return PortInUseError(f"{self.name}: port {self.port} of {HOST} is in use by another program\n{end}")
        if "Permission denied" in said:
            return DataDirectoryError(f"{self.name}: {self.directory} or its contents are closed to the server\n{end}")
        what = "did not answer in time" if late else "ended at once"
        return EmbeddedError(f"{self.name} {what}; its log is {self.log_file}, which ends:\n{end}")


def child_arguments(at_death: signal.Signals, user: int | None, directory: Path, command: Sequence[str]) -> list[str]:
    """How to run `command` in `directory` so that it gets a signal when this process dies, however it dies."""
    script = str(Path(__file__).with_name("child.py"))
    who = "-" if user is None else str(user)
    return [sys.executable, "-I", "-S", script, str(os.getpid()), str(int(at_death)), who, str(directory), *command]


def child_environment() -> dict[str, str]:
    """Little: the servers take nothing from the user's shell."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def run_child(user: int | None, directory: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as `user` and give what it said."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own programs
            child_arguments(signal.SIGTERM, user, directory, command),
            check=False,
            capture_output=True,
            text=True,
            env=child_environment(),
        )

    return _starter.submit(run).result()
