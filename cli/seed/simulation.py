"""Many people's lives on one clock: each is a coroutine that waits for its next moment; time jumps to the earliest.

Time stands still while anybody acts. It moves on when everybody waits, to the next moment that somebody waits for.
"""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any


class Simulation:
    """Runs lives against a clock that `move` sets. Moments within `grain` of the earliest are lived together."""

    def __init__(self, start: datetime, move: Callable[[datetime], Awaitable[None]], grain: timedelta) -> None:
        self.now = start
        self._move = move
        self._grain = grain
        self._waiting: list[tuple[datetime, int, bool, asyncio.Future[None]]] = []
        self._order = 0
        self._acting = 0
        self._all_wait = asyncio.Event()
        self._failed: BaseException | None = None

    async def until(self, moment: datetime, *, exact: bool = False) -> None:
        """Wait for a moment; at once when it has passed. `exact`: nothing later is lived together with it."""
        if moment <= self.now:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._waiting, (moment, self._order, exact, future))
        self._rest()
        await future

    async def run(self, lives: list[Coroutine[Any, Any, None]], told: Callable[[datetime], None]) -> None:
        """Live all lives to their ends. `told` hears each new moment. The first failure ends everything."""
        if not lives:
            return
        self._acting = len(lives)
        tasks = [asyncio.create_task(self._live(life)) for life in lives]
        try:
            while True:
                await self._all_wait.wait()
                if self._failed is not None:
                    raise self._failed
                if not self._waiting:
                    return
                await self._wake(told)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wake(self, told: Callable[[datetime], None]) -> None:
        last = self._waiting[0][0] + self._grain
        moment = self._waiting[0][0]
        due: list[asyncio.Future[None]] = []
        while self._waiting and self._waiting[0][0] <= last:
            moment, _, exact, future = heapq.heappop(self._waiting)
            due.append(future)
            if exact:
                last = moment
        self.now = max(self.now, moment)
        await self._move(self.now)
        told(self.now)
        self._acting += len(due)
        self._all_wait.clear()
        for future in due:
            future.set_result(None)

    async def _live(self, life: Coroutine[Any, Any, None]) -> None:
        try:
            await life
        except Exception as error:  # noqa: BLE001 - told to whoever runs the simulation
            self._failed = self._failed or error
            self._all_wait.set()
        finally:
            self._rest()

    def _rest(self) -> None:
        self._acting -= 1
        if self._acting == 0:
            self._all_wait.set()
