"""Keeps the tasks of a process running: one that dies is logged, counted and started again; one that must stop, stops.

A diverged stream, a refused fork and read models of another version are no accidents: trying again would not mend them
and might do harm. Such a role stops and says so in /readyz until an operator has looked at it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from eventstore.checkpoint import ForkRefused, HeadUnreadable, NoHead
from eventstore.errors import LogBehindStream, ReadModelMismatch, StreamDiverged, Tampered
from servicekit.metrics import Metrics
from servicekit.status import Status

STOPPING = (StreamDiverged, ForkRefused, HeadUnreadable, NoHead, Tampered)
"""After these a role waits for an operator."""
PAUSE_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Pauses before a dead task is started again; the last one repeats."""
SETTLED_SECONDS = 30.0
"""After so long a run the pauses begin anew."""
WELL_SECONDS = 2.0
"""After so long a run the task no longer counts as ailing."""

_log = structlog.get_logger("servicekit.supervisor")


class Supervisor:
    """Owns the tasks of one process."""

    def __init__(self, status: Status, metrics: Metrics) -> None:
        self._status = status
        self._metrics = metrics
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep `run` going under this name. It ends when it returns, or with an error after which it must stop."""
        self._tasks[name] = asyncio.create_task(self._keep(name, run), name=name)

    def kept(self, name: str, run: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Return `run` as a task for somebody else to start and cancel (a role under its lock), kept going likewise.

        After an error after which it must stop it only waits to be cancelled, however often it is started.
        """

        async def keep() -> None:
            if name not in self._status.stopped:
                await self._keep(name, run)
            if name in self._status.stopped:
                await asyncio.Event().wait()

        return keep

    def runs(self, name: str) -> bool:
        """Whether the task is still being kept."""
        return name in self._tasks and not self._tasks[name].done()

    async def stop(self, timeout_seconds: float) -> None:
        """Cancel all tasks and wait for them; one that does not end in time is left behind and named in the log."""
        for task in self._tasks.values():
            task.cancel()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks.values(), timeout=timeout_seconds)
        for task in late:
            _log.error("task did not stop", task=task.get_name())

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        deaths = 0
        while True:
            began = time.monotonic()
            well = asyncio.get_running_loop().call_later(WELL_SECONDS, self._status.well, name)
            self._metrics.task_up.labels(name).set(1)
            try:
                await run()
                return
            except STOPPING as error:
                _log.critical("role stopped", task=name, exc_info=error)
                self._status.stop(name, f"stopped: {error}")
                self._metrics.task_failures.labels(name).inc()
                if isinstance(error, LogBehindStream):
                    self._status.refuse_commands("stream", str(error))
                    self._status.ending.set()
                return
            except ReadModelMismatch as error:
                _log.critical("role stopped", task=name, exc_info=error)
                self._status.refuse_commands("read_models", str(error))
                self._status.stop(name, f"stopped: {error}")
                self._metrics.task_failures.labels(name).inc()
                return
            except Exception as error:  # noqa: BLE001 - whatever ends a task is told, counted and mended by a new start
                deaths = 0 if time.monotonic() - began > SETTLED_SECONDS else deaths
                pause = PAUSE_SECONDS[min(deaths, len(PAUSE_SECONDS) - 1)]
                deaths += 1
                _log.error("task died", task=name, restart_in_seconds=pause, exc_info=error)
                self._status.ails(name, f"died ({type(error).__name__}), started again")
                self._metrics.task_failures.labels(name).inc()
            finally:
                well.cancel()
                self._metrics.task_up.labels(name).set(0)
            await asyncio.sleep(pause)
