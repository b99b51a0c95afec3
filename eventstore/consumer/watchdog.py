"""Notices a subscription that went mute: events wait, and nothing is fetched, handled or waited for.

A consumer in such a state looks well from outside: connected, its durable there, no error. What made a subscription
mute (an inbox that the server no longer serves, a task that never returns) need not be known: it is made anew.
"""

import asyncio
from collections.abc import Hashable


class Watchdog:
    """Told of the signs of life now and then. `resubscribed` counts for ever, `in_vain` since the last sign."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._signs: Hashable = None
        self._since = 0.0
        self.resubscribed = self.in_vain = 0

    def begin(self) -> None:
        """What was seen before is no news any more: the holder of a role begins."""
        self._signs, self._since, self.in_vain = None, self._now(), 0

    def is_mute(self, signs: Hashable, *, excused: bool) -> bool:
        """Whether to subscribe anew: for the limit nothing moved, and nothing excused it. It counts that it said so.

        `signs` differ from the last ones where something moved. `excused`: nothing waits, or it is known why it does.
        """
        if signs != self._signs or excused:
            self._signs, self._since, self.in_vain = signs, self._now(), 0
            return False
        if self._now() - self._since < self._seconds:
            return False
        self._since = self._now()
        self.resubscribed += 1
        self.in_vain += 1
        return True

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
