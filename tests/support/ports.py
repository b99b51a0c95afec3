"""Ports of this machine for what a test starts, while other tests take ports, too."""

import socket
from collections import deque

from cli.embedded import hold_port

_kept: deque[socket.socket] = deque()
_KEPT_MOST = 64
"""So many ports are kept at a time: those of the last tests."""


def free_port() -> int:
    """A port of 127.0.0.1 for a server that sets SO_REUSEADDR; for a good while nobody else is given it."""
    held = hold_port()
    _kept.append(held)
    if len(_kept) > _KEPT_MOST:
        _kept.popleft().close()
    port: int = held.getsockname()[1]
    return port


def unkept_port() -> int:
    """A port that nobody listens on at this moment, for whoever would not listen on one that is kept."""
    with hold_port() as held:
        port: int = held.getsockname()[1]
    return port
