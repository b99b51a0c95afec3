"""Guessing the 服务码: four digits are few, so wrong ones are counted, in real time and in this process only.

Nothing is recorded of a wrong code; a restart forgets the count. Whoever is locked out asks the leader to vouch.
"""

import time
from collections import OrderedDict
from uuid import UUID

from contracts.command import Refused

TRIES_MAX = 5
FORGET_SECONDS = 900.0
_ORDERS_MAX = 10_000


class CodeTries:
    """Wrong codes by order."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[UUID, list[float]] = OrderedDict()

    def check(self, order_id: UUID) -> None:
        """Raise Refused after five wrong codes in a quarter of an hour."""
        if len(self._recent(order_id)) >= TRIES_MAX:
            raise Refused("code_tries_over")

    def wrong(self, order_id: UUID) -> None:
        """Count one."""
        self._wrong[order_id] = [*self._recent(order_id), time.monotonic()]
        self._wrong.move_to_end(order_id)
        while len(self._wrong) > _ORDERS_MAX:
            self._wrong.popitem(last=False)

    def _recent(self, order_id: UUID) -> list[float]:
        since = time.monotonic() - FORGET_SECONDS
        return [moment for moment in self._wrong.get(order_id, ()) if moment > since]
