"""Business time: one clock that the launcher gives to all processes. Recording time is never taken from it.

The real clock, or, only in a data directory made for a demo or a test, a directed one: a file says where business time
stood at a moment of real time, and how fast it runs. The launcher rewrites the file; every process follows in no time.
"""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from eventstore.errors import EngineError

STAT_INTERVAL_SECONDS = 0.005
SPEED_MAX = 1_000_000.0


class ClockUnreadable(EngineError):
    """The clock's file is missing or malformed when the clock is first read."""


class Clock(Protocol):
    """Where business time comes from."""

    def now(self) -> datetime:
        """Business time, aware, UTC; never earlier than what this process was told before."""
        ...


class RealClock:
    """Business time is real time."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def now(self) -> datetime:
        self._last = max(self._last, datetime.now(UTC))
        return self._last


class DirectedClock:
    """Business time as a file directs it: `business + (real now − real) × speed`.

    The file is looked at no more often than every 5 ms and read again when it changed. A file that is gone or malformed
    in between changes nothing: time goes on as directed last. Raises ClockUnreadable when the first reading fails.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._looked_at = 0.0
        self._business, self._real, self._speed = self._read()
        self._last = self._directed()

    def now(self) -> datetime:
        moment = time.monotonic()
        if moment - self._looked_at >= STAT_INTERVAL_SECONDS:
            self._looked_at = moment
            self._follow()
        self._last = max(self._last, self._directed())
        return self._last

    def _directed(self) -> datetime:
        return self._business + (datetime.now(UTC) - self._real) * self._speed

    def _follow(self) -> None:
        try:
            if self._stamp_of_file() != self._stamp:
                self._business, self._real, self._speed = self._read()
        except (OSError, ClockUnreadable):
            # The launcher is replacing the file or has gone: business time goes on as it was directed last.
            return

    def _stamp_of_file(self) -> tuple[int, int, int]:
        status = self._path.stat()
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> tuple[datetime, datetime, float]:
        try:
            stamp = self._stamp_of_file()
            document = json.loads(self._path.read_text(encoding="utf-8"))
            business, real = (datetime.fromisoformat(document[name]) for name in ("business", "real"))
            speed = float(document["speed"])
            if business.tzinfo is None or real.tzinfo is None or not 0 <= speed <= SPEED_MAX:
                raise ValueError("times need a zone, and speed is 0 to 1,000,000")
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ClockUnreadable(f"{self._path}: no clock to follow: {error}") from error
        self._stamp = stamp
        return business.astimezone(UTC), real.astimezone(UTC), speed


def direct(path: Path, business: datetime, speed: float) -> None:
    """Let business time be `business` now and run `speed` times as fast as real time (0: it stands still).

    Written atomically: a reader sees the old direction or the new one. Raises ValueError for a time without a zone or a
    speed that is not within 0 to 1,000,000.
    """
    if business.tzinfo is None or not 0 <= speed <= SPEED_MAX:
        raise ValueError(f"business time needs a zone, and speed is 0 to 1,000,000: {business} {speed}")
    document = {"business": business.isoformat(), "real": datetime.now(UTC).isoformat(), "speed": speed}
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(json.dumps(document), encoding="utf-8")
    temporary.replace(path)


def open_clock(path: Path | None) -> Clock:
    """The directed clock of a file, or the real one when there is none."""
    return RealClock() if path is None else DirectedClock(path)
