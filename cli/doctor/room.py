"""Whether NATS has room for its streams, by its own figures: what it may keep, what is reserved, what is left.

A stream reserves its `max_bytes` when it is made. NATS takes three quarters of what is free when it starts for the
most that it may keep (unless `max_file_store` says otherwise); a stream that does not fit into that is never made.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from cli.doctor.findings import Finding, bad, good, warning
from cli.doctor.machine import GIB
from cli.place import SERVICES, Place
from eventstore import streams

SHARE = 0.75
"""How much of what is free nats-server 2.15 takes for the most that it may keep."""


async def room(http: httpx.AsyncClient, monitor_url: str, place: Place) -> list[Finding]:
    """What `/jsz` of NATS's monitor comes to. Raises httpx.HTTPError where it does not answer."""
    answer = await http.get(f"{monitor_url}/jsz", params={"streams": "true", "config": "true"})
    answer.raise_for_status()
    names = [streams.stream_name(place.log_name(service)) for service in SERVICES]
    return list(judged(answer.json(), names))


def judged(jsz: dict[str, Any], names: list[str]) -> Iterator[Finding]:
    """The findings; `names`: the streams that must be there or find room."""
    there = {
        stream["name"]: stream
        for account in jsz.get("account_details", ())
        for stream in account.get("stream_detail", ())
    }
    missing = [name for name in names if name not in there]
    most = int(jsz["config"]["max_storage"])
    needed = int(jsz["reserved_storage"]) + streams.MAX_BYTES * len(missing)
    if needed > most:
        said = f"NATS may keep {_gib(most)}, its streams reserve {_gib(needed)}"
        lacking = f": {', '.join(missing)} cannot be made" if missing else ": one that is wiped cannot be made again"
        free = _gib(round(needed / SHARE))
        step = f"start NATS where {free} are free (it takes three quarters), or raise its max_file_store"
        yield bad("nats", said + lacking, step)
    left = _left(jsz["config"].get("store_dir"))
    grows = streams.MAX_BYTES * len(missing) + sum(map(_grows, there.values()))
    if left is not None and grows > left:
        said = f"NATS's streams may grow by {_gib(grows)}, its disk has {_gib(left)} left"
        yield warning("disk", said, "free space before it is needed: a full disk stops NATS, a full stream only itself")
    if needed <= most:
        yield good("nats", f"NATS may keep {_gib(most)}, its streams reserve {_gib(needed)}")


def _grows(stream: dict[str, Any]) -> int:
    most = int(stream["config"].get("max_bytes", 0))
    return max(0, most - int(stream["state"]["bytes"]))


def _left(store_dir: str | None) -> int | None:
    """What is free where NATS keeps its streams; None where that is not on this machine."""
    if store_dir is None or not Path(store_dir).is_dir():
        return None
    return shutil.disk_usage(store_dir).free


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
