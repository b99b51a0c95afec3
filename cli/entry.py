"""Where the program begins. The health check of containers runs every few seconds, so it alone loads nothing more."""

import http.client
import sys
from urllib.parse import urlsplit

HEALTHCHECK_SECONDS = 4


def main() -> int:
    """Run the command line; returns the exit code."""
    if len(sys.argv) == 3 and sys.argv[1] == "healthcheck":
        return healthcheck(sys.argv[2])
    from cli.main import run

    return run()


def healthcheck(url: str) -> int:
    """0 when the URL answers 200, else 1."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=HEALTHCHECK_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        status = connection.getresponse().status
    except OSError as error:
        sys.stderr.write(f"{url}: {error}\n")
        return 1
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        sys.stderr.write(f"{url}: answered {status}\n")
        return 1
    return 0
