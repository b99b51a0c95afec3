"""A file that a process's event loop touches while it turns, and that the health check takes away.

If it is not there again at the next look, the loop stood still in between, whatever the port answers
(`chaoyangli healthcheck URL FILE`).
"""

import asyncio
from pathlib import Path

import structlog

BEAT_SECONDS = 5.0
"""A look comes every 30 s: a machine six times too slow still passes, and three looks in a row must fail."""

_log = structlog.get_logger("servicekit.heartbeat")


async def beat(path: Path, every_seconds: float = BEAT_SECONDS) -> None:
    """Touch the file for ever. One that cannot be written is told in the log, and is the health check's to find."""
    while True:
        _touch(path)
        await asyncio.sleep(every_seconds)


def _touch(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        _log.error("heartbeat cannot be written", path=str(path), exc_info=error)
