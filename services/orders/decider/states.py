"""Which states there are to be in, and what one line of the lifecycle says."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.orders import OrderState
from services.orders.commands.placing import OrderCommand

S = OrderState
At = OrderState | None
"""A state, or None: there is no such order yet."""
Ways = Mapping[At, tuple[S, ...]]
"""From where a command leads to where; what stands with several depends on slots, offers and levels."""

ENDED = frozenset({S.CLOSED, S.CANCELLED, S.REFUSED, S.MERGED, S.UNFULFILLED})
"""Terminal: only ReopenOrder is taken, in UNFULFILLED (I7)."""
UNSTAFFED = frozenset({S.VERIFIED, S.OFFERED, S.OPEN})
BEFORE_SERVICE = frozenset({S.PLACED, *UNSTAFFED, S.ACCEPTED})
AFTER_CONFIRMATION = frozenset({S.COMPLETED, S.RATED, S.FOLLOW_UP, S.DISPUTED})
ALIVE = frozenset(S) - ENDED


@dataclass(frozen=True)
class Row:
    """One command's line: from which states, into which, by which events; and what it answers elsewhere."""

    command: type[OrderCommand]
    chinese: str
    ways: Ways
    events: tuple[str, ...]
    refusals: Mapping[At, str] = field(default_factory=dict)
    note: str = ""
    """What decides between several ways, in words."""

    @property
    def allowed(self) -> frozenset[At]:
        """The states that take this command."""
        return frozenset(self.ways)

    def refusal(self, state: At) -> str | None:
        """The reason_code that this command is refused with in `state`; None where it is allowed."""
        if state in self.ways:
            return None
        if state is None:
            return self.refusals.get(None, "order_unknown")
        if state in ENDED:
            return self.refusals.get(state, "order_ended")
        # Every other cell says why: the tests walk them all.
        return self.refusals[state]


def refused_with(code: str, *states: S) -> dict[At, str]:
    """The same answer in all of these states."""
    return dict.fromkeys(states, code)


def into(to: S, *origins: At) -> dict[At, tuple[S, ...]]:
    """From each of these states into one."""
    return dict.fromkeys(origins, (to,))


def staying(*states: S) -> dict[At, tuple[S, ...]]:
    """Each of these states stays as it is."""
    return {state: (state,) for state in states}
