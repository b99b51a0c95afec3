"""What ails a service process: why it cannot accept commands, and what is late or broken though it can."""

import asyncio
from dataclasses import dataclass, field


@dataclass
class Status:
    """Changed by the process's tasks, read by /readyz. Names are task or part names, values plain English reasons."""

    not_ready: dict[str, str] = field(default_factory=dict)
    degraded: dict[str, str] = field(default_factory=dict)
    lags: dict[str, int] = field(default_factory=dict)
    """Events behind: `relay`, and one per source heard."""
    stopped: set[str] = field(default_factory=set)
    """Roles that stopped for good and wait for an operator (a diverged stream, a refused fork)."""

    ending: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process must end: whatever starts it again finds the reason, and then waits for an operator."""

    def ails(self, name: str, reason: str) -> None:
        """Note that a part is late or broken; commands are accepted all the same."""
        self.degraded[name] = reason

    def well(self, name: str) -> None:
        """Note that a part works again."""
        self.degraded.pop(name, None)

    def stop(self, name: str, reason: str) -> None:
        """Note that a role stopped until an operator has looked at it."""
        self.stopped.add(name)
        self.degraded[name] = reason

    def refuse_commands(self, name: str, reason: str) -> None:
        """Note that no command can be accepted."""
        self.not_ready[name] = reason

    def accept_commands(self, name: str) -> None:
        """Note that this part no longer prevents commands."""
        self.not_ready.pop(name, None)
