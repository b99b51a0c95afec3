"""Where the program begins. The health check of containers runs every few seconds, so it alone loads nothing more."""

import io
import os
import socket
import sys

HEALTHCHECK_SECONDS = 4
INTERRUPTED = 130


def main() -> int:
    """Run the command line; returns the exit code."""
    if len(sys.argv) in {3, 4} and sys.argv[1] == "healthcheck":
        return healthcheck(*sys.argv[2:])
    _open_what_is_closed()
    from servicekit.starting import loading

    try:
        with loading():
            from cli.main import run
        return run()
    except KeyboardInterrupt:
        # While it loads, which takes seconds where the machine is busy; `run` knows it by itself.
        return INTERRUPTED


def _open_what_is_closed() -> None:
    """Standard streams that can be written to: open, if only to nowhere, and able to say every letter somehow.

    A number that is free would be the next file's, and what is said would lie in it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, "w" if number else "r", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def healthcheck(url: str, heartbeat: str | None = None) -> int:
    """0 when `http://HOST:PORT/PATH` answers 200 and the heartbeat was written since the last look, else 1.

    The look takes the heartbeat away.
    """
    place, _, path = url.removeprefix("http://").partition("/")
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=HEALTHCHECK_SECONDS) as connection:
            # Spoken by hand: http.client takes seven times as long to load as all the rest.
            connection.sendall(f"GET /{path} HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode())
            with connection.makefile("rb") as answer:
                status = answer.readline(256).split(b" ")[1:2]
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    if status != [b"200"]:
        sys.stderr.write(f"{url}: answered {b''.join(status).decode(errors='replace') or 'nothing'}\n")
        return 1
    return 0 if heartbeat is None else _took_away(heartbeat)


def _took_away(heartbeat: str) -> int:
    try:
        os.unlink(heartbeat)  # noqa: PTH108 - pathlib would be one thing more to load
    except OSError as error:
        sys.stderr.write(f"{heartbeat}: no heartbeat since the last look ({error.strerror})\n")
        return 1
    return 0
