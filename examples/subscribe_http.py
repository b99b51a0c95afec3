"""Follow a log over HTTP with nothing but Python: each event is one line of JSON on standard output.

    FEED_KEY_FILE=feed.key python examples/subscribe_http.py http://127.0.0.1:8103/events last-id

The file last-id says how far it came: stopped and started again, it goes on there. An event comes again only when the
program stopped between its work and writing the file; its id tells it.
"""

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

HEARTBEAT_MISSED_SECONDS = 60
RETRY_SECONDS = 3


def handle(event: bytes) -> None:
    """Your work."""
    sys.stdout.buffer.write(event + b"\n")
    sys.stdout.flush()


def follow(url: str, key: str, place: Path) -> None:
    """Handle what the feed says until it ends."""
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    if place.exists():
        headers["Last-Event-ID"] = place.read_text().strip()
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the address is the caller's own
    with urllib.request.urlopen(request, timeout=HEARTBEAT_MISSED_SECONDS) as feed:  # noqa: S310
        last_id = b""
        for line in feed:
            name, _, value = line.rstrip(b"\n").partition(b": ")
            if name == b"id":
                last_id = value
            elif name == b"data":
                handle(value)
            elif line == b"\n" and last_id:
                beside = place.with_suffix(".new")
                beside.write_bytes(last_id + b"\n")
                beside.replace(place)


url, place = sys.argv[1:]
key = Path(os.environ["FEED_KEY_FILE"]).read_text().strip()
while True:
    try:
        follow(url, key, Path(place))
    except urllib.error.HTTPError as error:
        if error.code < 500:
            sys.exit(error.read().decode())
    except OSError as error:
        sys.stderr.write(f"the feed broke off, trying again: {error}\n")
    time.sleep(RETRY_SECONDS)
