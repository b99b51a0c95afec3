"""The whole system on PostgreSQL and NATS from their wheels, for a journey through its four real processes."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.client import Client
from cli.stack import Stack
from eventstore.clock import direct
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key
from tests.journeys.steps import MORNING, Journey
from tests.support.servers import temporary_directory


@dataclass(frozen=True)
class Embedded:
    """One that runs."""

    stack: Stack

    def cli(self, *words: str) -> Any:
        """What `chaoyangli` with these words and --json prints, in a process of its own."""
        command = [sys.executable, "-m", "cli", *words, "--data", str(self.stack.data), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
        return json.loads(done.stdout)

    def turn_clock(self, moment: datetime) -> None:
        """Let business time stand at a moment."""
        direct(self.stack.clock_file, moment, 0)

    async def journey(self) -> Journey:
        """The journey, once it was made."""
        async with Client(self.stack.urls, load_issuer_key(self.stack.secrets_dir / ISSUER_KEY)) as client:
            journey = Journey(client, self.cli, self.turn_clock)
            await journey.make()
            return journey


@contextlib.contextmanager
def embedded() -> Iterator[Embedded]:
    """In a directory of its own, business time standing at the morning of the journey."""
    with temporary_directory() as directory:
        system = Embedded(Stack(directory, mode="demo", durable=False))
        system.turn_clock(MORNING)
        system.stack.start()
        try:
            yield system
        finally:
            system.stack.stop()
