"""What the checkers take for wrong, and what not, on histories short enough to read."""

from types import SimpleNamespace
from typing import Any

from benchmarks.order_lives import life
from contracts import orders
from tests.faults import checkers


def test_time_promised_twice_is_noticed_and_time_that_is_free_again_is_not():
    first, second = life(1), life(1)  # of one volunteer, at one time
    served = next(number for number, event in enumerate(first, 1) if isinstance(event, orders.ServiceFinished))

    def found(*events: Any) -> list[str]:
        logs: Any = {"orders": [SimpleNamespace(event=event) for event in events]}
        return [*checkers.slots_once(logs)]

    assert found(*first[:served], *second) == []
    (problem,) = found(*first[: served - 1], *second)
    assert "promised one time to" in problem
