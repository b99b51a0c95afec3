"""Being told to stop by Ctrl-C or SIGTERM, however many of them come at once."""

import os
import select
import signal
from types import FrameType


class Interrupted(Exception):
    """Told to stop before the work was done; the message says how to go on."""


class StopSignal:
    """Set by the first SIGINT or SIGTERM. A pipe, because a handler may interrupt itself: locks would wait for ever."""

    def __init__(self) -> None:
        self._set = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def __del__(self) -> None:
        os.close(self._read)
        os.close(self._write)

    def listen(self) -> "StopSignal":
        """Take the signals over."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._told)
        return self

    def is_set(self) -> bool:
        """Whether it is time to stop."""
        return self._set

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; True as soon as it is time to stop."""
        if not self._set:
            select.select([self._read], [], [], seconds)
        return self._set

    def _told(self, _number: int, _frame: FrameType | None) -> None:
        if not self._set:
            self._set = True
            os.write(self._write, b".")
