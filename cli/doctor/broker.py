"""NATS: who may do what, its clock and its disk, a stream for each log, a durable for each listener."""

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import httpx
import nats
import nats.errors
from nats.aio.client import Client
from nats.js.errors import NotFoundError

from cli.doctor.attempts import check_nats_rights
from cli.doctor.database import skew
from cli.doctor.findings import Finding, bad, good, warning
from cli.doctor.room import room
from cli.place import SERVICES, Place
from eventstore import streams

FULL_WARN, FULL_BAD = 0.80, 0.95
PENDING_WARN = 500
SECONDS = 3.0


async def broker(place: Place, sources: Mapping[str, list[str]]) -> tuple[list[Finding], str | None]:
    """Everything that NATS tells, and its version; `sources`: whom each service hears."""
    client = await nats.connect(**place.nats_arguments())
    try:
        found = [*await _storage(place), await _clock(client, place)]
        sizes = {service: await _size(place, service) for service in SERVICES}
        for service in SERVICES:
            found += await _stream(client, place, service, sizes[service])
        for service, heard in sources.items():
            for source in heard:
                found += await _durable(client, place, source, service)
        if not any(one.check == "streams" for one in found):
            found.append(good("streams", f"{len(SERVICES)} streams hold their logs"))
        if not any(one.check == "durables" for one in found):
            found.append(good("durables", f"{sum(map(len, sources.values()))} listeners have their places"))
        found += await check_nats_rights(place)
        version = client.connected_server_version
        return found, f"{version.major}.{version.minor}.{version.patch}"
    finally:
        await client.close()


async def _storage(place: Place) -> list[Finding]:
    """The server's own word on its store: it alone tells of a disk that was full, until it is started again."""
    url = place.nats_monitor_url
    if url is None:
        return []
    try:
        async with httpx.AsyncClient(timeout=SECONDS) as http:
            answer = await http.get(f"{url}/healthz")
            if answer.status_code != httpx.codes.OK:
                said = f"NATS cannot store: {answer.text.strip()[:200]}"
                step = "free space, then start NATS again: docs/operating/runbooks/nats-unhealthy.md"
                return [bad("nats", said, step)]
            return [good("nats", "NATS can store"), *await room(http, url, place)]
    except httpx.HTTPError as error:
        step = "see that its monitor port is reachable, or set CHAOYANGLI_NATS_MONITOR_URL"
        return [warning("nats", f"{url} does not answer ({type(error).__name__})", step)]


async def _clock(client: Client, place: Place) -> Finding:
    name = streams.stream_name(place.log_name(SERVICES[0]))
    before = time.time()
    answer = json.loads((await client.request(f"{place.streams_api}.STREAM.INFO.{name}", timeout=SECONDS)).data)
    after = time.time()
    if "ts" not in answer:
        return warning("clock", "NATS tells no time while its stream is missing", "see the streams below")
    # Its nanoseconds are more digits than Python takes, and a second is near enough.
    theirs = datetime.strptime(answer["ts"][:19] + "Z", "%Y-%m-%dT%H:%M:%S%z").timestamp()
    early = theirs + 1 - before
    return skew("clock", "NATS's clock", early if early < 0 else max(0.0, theirs - after))


async def _size(place: Place, service: str) -> int:
    connection = await place.connect(service)
    try:
        return int(await connection.fetchval(f"SELECT size FROM {service}.head"))  # noqa: S608 - a service's name
    finally:
        await connection.close()


async def _stream(client: Client, place: Place, service: str, size: int) -> list[Finding]:
    log = place.log_name(service)
    name = streams.stream_name(log)
    runbook = "docs/operating/runbooks/outbox-old.md"
    tool = f"nats --js-api-prefix {place.streams_api} stream edit"
    try:
        info = await streams.context(client, place.streams_api).stream_info(name)
    except NotFoundError:
        step = f"start {service}: its relay makes the stream and fills it from the log"
        return [bad("streams", f"there is no stream {name}", step)]
    found = []
    differs = streams.differing(info, streams.stream_config(place.community, log))
    if differs:
        step = f"set it as the relay makes it (`{tool} {name}`, as admin), or wipe it to have it made again"
        found.append(bad("streams", f"{name} is set otherwise than ours: {', '.join(differs)}", step))
    last, messages = int(info.state.last_seq), int(info.state.messages)
    if last > size:
        said = f"{name} has {last} messages, its log {size} events"
        found.append(bad("streams", said, f"run `chaoyangli recover {service}`"))
    elif messages != last:
        said = f"{name} holds {messages} of {last} messages"
        found.append(bad("streams", said, "wipe it: its relay fills it again from the log"))
    elif size > last:
        found.append(warning("streams", f"{name} lacks the last {size - last} events of its log", runbook))
    most = int(info.config.max_bytes or 0)
    if most > 0 and (full := int(info.state.bytes) / most) > FULL_WARN:
        said, step = (
            f"{name} is {full:.0%} full",
            f"raise its max_bytes: `{tool} {name} --max-bytes …`, as admin",
        )
        found.append(bad("streams", said, step) if full > FULL_BAD else warning("streams", said, step))
    return found


async def _durable(client: Client, place: Place, source: str, listener: str) -> list[Finding]:
    stream, durable = streams.stream_name(place.log_name(source)), streams.durable_name(listener)
    try:
        info = await streams.context(client, place.streams_api).consumer_info(stream, durable)
    except NotFoundError:
        step = f"start {listener} and {source}: the one asks, the other's relay makes it; no event is lost"
        return [bad("durables", f"{listener} has no durable {durable} on {stream}", step)]
    pending = int(info.num_pending or 0)
    if pending > PENDING_WARN:
        step = "docs/operating/runbooks/consumer-lag.md"
        return [warning("lag", f"{pending} messages of {stream} wait for {listener}", step)]
    return []


def explain(error: Exception, place: Place) -> Finding:
    """NATS itself does not answer, or does not let the auditor in."""
    text: Any = str(error) or type(error).__name__
    if "authorization" in text.lower():
        step = "give NATS the users of these secrets: `chaoyangli init` writes its configuration; then start it again"
        return bad("nats", f"NATS does not let the auditor in: {text}", step)
    return bad("nats", f"NATS at {place.nats_url} does not answer: {text}", "start it; commands are taken meanwhile")


UNREACHABLE = (nats.errors.Error, OSError, TimeoutError, asyncio.TimeoutError)
