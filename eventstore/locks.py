"""One active relay, signer, timer and consumer a service: session advisory locks on one connection of the process.

Locks are for liveness only. Everything that runs under them stays correct with two holders: the relay by the stream's
fence, consumers by their step, timers by their keys, the signer by the file it locks. So losing the connection ends the
roles at once, and nobody waits to be sure that another holder is dead.
"""

import asyncio
import hashlib
import logging
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

import asyncpg

from eventstore.config import LogConfig
from eventstore.errors import ReadModelMismatch, StreamDiverged, Tampered
from eventstore.tasks import end, wait_for
from eventstore.trouble import STORE_TROUBLE

_logger = logging.getLogger(__name__)

Task = Callable[[], Awaitable[None]]
"""Runs until it is cancelled. After an error it is begun again, later and later; when it returns, it is done."""

IDLE_SESSION_SECONDS = 10
"""The server ends the session of a process that was stopped, and its locks with it, after this time."""
PING_SECONDS = 2.0
PING_TIMEOUT_SECONDS = 4.0
TRY_SECONDS = 1.0
"""How often a role that another process holds is tried again."""
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)


def lock_key(service: str, role: str) -> int:
    """The advisory lock of a role: 63 bits of a hash, the same in every process."""
    return int.from_bytes(hashlib.sha256(f"{service}/{role}".encode()).digest()[:8], "big") >> 1


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row, with jitter of a fifth."""
    base = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS)) - 1] if failures > 0 else 0.0
    return base * random.uniform(0.8, 1.2)  # noqa: S311 — jitter needs no secrecy


class OneActive:
    """Runs the tasks of each role while this process holds the role's lock.

    Add the roles, then let `run` go on in a task of its own; cancelling it ends every role and gives the locks back.
    """

    def __init__(
        self,
        config: LogConfig,
        roles: Mapping[str, Sequence[Task]] | None = None,
        *,
        idle_session_seconds: float = IDLE_SESSION_SECONDS,
        ping_seconds: float = PING_SECONDS,
    ) -> None:
        self._config = config
        self._tasks_of: dict[str, list[Task]] = {role: list(tasks) for role, tasks in (roles or {}).items()}
        self._idle_session_seconds = idle_session_seconds
        self._ping_seconds = ping_seconds
        self._running: dict[str, list[asyncio.Task[None]]] = {}
        self._connected = False
        self.lost = 0
        """How often the lock connection was lost."""
        self.tried = 0
        """How often locks were tried that another process held."""
        self.failures: Counter[str] = Counter()
        """Tasks that ended by an error, by role."""

    def add(self, role: str, task: Task) -> None:
        """Have `task` run under `role`'s lock; several tasks may share a role. Before `run`."""
        self._tasks_of.setdefault(role, []).append(task)

    def holds(self, role: str) -> bool:
        """Whether this process runs the role, as far as it knows."""
        return role in self._running

    def problems(self) -> list[str]:
        """Why roles may not run anywhere, for health: empty when the lock connection stands."""
        return [] if self._connected else ["the connection that holds the roles' locks is down"]

    async def run(self) -> None:
        """Hold what can be held, for ever."""
        failures = 0
        while True:
            try:
                connection = await self._connect()
                failures = 0
                await self._hold(connection)
            except STORE_TROUBLE as error:
                failures += 1
                self.lost += 1
                _logger.warning("%s: lock connection lost, its roles have ended: %r", self._config.service, error)
            await asyncio.sleep(backoff(failures))

    async def _connect(self) -> asyncpg.Connection:
        arguments = self._config.connect_arguments("locks")
        arguments["server_settings"] |= {"idle_session_timeout": str(int(self._idle_session_seconds * 1_000))}
        return await asyncpg.connect(**arguments, command_timeout=PING_TIMEOUT_SECONDS)

    async def _hold(self, connection: asyncpg.Connection) -> None:
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        self._connected = True
        try:
            while True:
                for role in self._tasks_of.keys() - self._running.keys():
                    key = lock_key(self._config.service, role)
                    if await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
                        self._begin(role)
                    else:
                        self.tried += 1
                every = self._ping_seconds if len(self._running) == len(self._tasks_of) else TRY_SECONDS
                if await wait_for(lost, min(every, self._ping_seconds)):
                    raise ConnectionResetError("the server ended the session")
                await connection.fetchval("SELECT 1")
        finally:
            self._connected = False
            # First the tasks: a role that outlives its lock for long would fight with its successor.
            await self._end_all()
            connection.terminate()

    def _begin(self, role: str) -> None:
        _logger.info("%s: %s begins here", self._config.service, role)
        self._running[role] = [
            asyncio.create_task(self._supervise(role, task), name=f"{self._config.service} {role}")
            for task in self._tasks_of[role]
        ]

    async def _supervise(self, role: str, task: Task) -> None:
        failures = 0
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                await task()
                return
            except (StreamDiverged, Tampered, ReadModelMismatch) as error:
                self.failures[role] += 1
                _logger.critical("%s: %s has stopped, and waits for a person: %s", self._config.service, role, error)
                return
            except Exception:
                self.failures[role] += 1
                _logger.exception("%s: %s failed and begins again", self._config.service, role)
            failures = 1 if asyncio.get_running_loop().time() - begun > BACKOFF_SECONDS[-1] else failures + 1
            await asyncio.sleep(backoff(failures))

    async def _end_all(self) -> None:
        running = [task for tasks in self._running.values() for task in tasks]
        self._running.clear()
        await end(running)
