"""Ids: UUIDv7 (RFC 9562 §5.7), so that ids made later sort later."""

import os
import threading
import time
from uuid import UUID

_COUNTER_BITS = 42
_COUNTER_MAX = (1 << _COUNTER_BITS) - 1
_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)
_lock = threading.Lock()
_last_ms = 0
_counter = 0


def uuid7() -> UUID:
    """Return a new UUIDv7, greater than every earlier one of this process.

    48 bits of Unix milliseconds, a 42-bit counter that starts at a random place below half its range each millisecond
    (RFC 9562 §6.2 method 1), 32 random bits. A clock set back keeps the last millisecond and counts on.
    """
    global _last_ms, _counter  # noqa: PLW0603 — the one clock of the process
    random = int.from_bytes(os.urandom(10), "big")
    now_ms = time.time_ns() // 1_000_000
    with _lock:
        if now_ms > _last_ms:
            _last_ms, _counter = now_ms, (random >> 32) & (_COUNTER_MAX >> 1)
        elif _counter == _COUNTER_MAX:
            _last_ms, _counter = _last_ms + 1, (random >> 32) & (_COUNTER_MAX >> 1)
        else:
            _counter += 1
        ms, counter = _last_ms, _counter
    high, low = counter >> 30, counter & ((1 << 30) - 1)
    return UUID(int=ms << 80 | high << 64 | low << 32 | (random & 0xFFFFFFFF) | _VERSION_AND_VARIANT)
