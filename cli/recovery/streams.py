"""Streams made anew from the logs: the same numbers and bytes, and every durable where its reader was.

Relays fill an empty or shorter stream by themselves. This is for a stream that holds something else, and for seeing at
once that all is there again. No relay may be at work meanwhile: it would fill what is about to be deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StreamInfo
from nats.js.errors import NotFoundError

from cli.output import Tell
from cli.place import SERVICES, Place
from cli.recovery.heads import signer_of
from cli.recovery.recovering import superuser_dsn
from cli.recovery.sources import connected
from eventstore import streams
from eventstore.errors import EngineError
from eventstore.log import reader
from eventstore.publish import BATCH_MOST, Target, publish
from eventstore.verify import verify
from servicekit.migrate import definition_of


class RebuildRefused(EngineError):
    """A stream was left as it is, or is not what the log says; the message says why."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One stream, held against its log afterwards: every number, id, subject and byte."""

    service: str
    stream: str
    before: int
    """Messages up to this number were there."""
    size: int
    durables: list[str]

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "stream": self.stream,
            "before": self.before,
            "size": self.size,
            "durables": self.durables,
        }


async def rebuild(place: Place, services: Sequence[str], tell: Tell, *, delete: bool = True) -> list[Rebuilt]:
    """Delete these logs' streams and fill new ones, then their durables; `delete=False` only fills what is behind.

    Safe to run again after a crash: outsiders' durables are noted in PostgreSQL before a stream is deleted. Raises
    RebuildRefused: services are up, a log lacks what its stream or its signed head has, or a stream came out otherwise.
    """
    client = await nats.connect(**admin_arguments(place))
    try:
        async with connected(superuser_dsn(place)) as connection:
            await _require_no_relay(connection)
            js = streams.context(client, place.streams_api)
            found = [await _stream(js, place, service) for service in services]
            for service, info in zip(services, found, strict=True):
                await _require_whole(connection, place, service, info)
            return [
                await _rebuild(client, connection, place, service, info, tell, delete=delete)
                for service, info in zip(services, found, strict=True)
            ]
    finally:
        await client.close()


def admin_arguments(place: Place) -> dict[str, Any]:
    """Arguments for nats.connect as the user of the operator's emergencies, who alone may delete a stream."""
    return place.nats_arguments("admin")


async def _require_no_relay(connection: asyncpg.Connection) -> None:
    users = [f"{service}_app" for service in SERVICES]
    rows = await connection.fetch(
        "SELECT DISTINCT usename::text AS name FROM pg_stat_activity WHERE usename::text = ANY($1) ORDER BY 1", users
    )
    if rows:
        names = ", ".join(row["name"].removesuffix("_app") for row in rows)
        raise RebuildRefused(f"stop the services before streams are rebuilt: {names} would fill them meanwhile")


async def _stream(js: JetStreamContext, place: Place, service: str) -> StreamInfo | None:
    try:
        return await js.stream_info(streams.stream_name(place.log_name(service)))
    except NotFoundError:
        return None


async def _require_whole(connection: asyncpg.Connection, place: Place, service: str, info: StreamInfo | None) -> None:
    """What a stream has and its log has not is nowhere else: it is not deleted."""
    size = (await reader.head(connection, service)).size
    last = 0 if info is None else info.state.last_seq
    signed = signer_of(place, service).last_signed()
    if size < max(last, 0 if signed is None else signed.size):
        counted = f"its stream {last}" if last > size else f"its signed head {signed.size if signed else 0}"
        raise RebuildRefused(
            f"{service} has {size} events, {counted}: recover the log first, by `chaoyangli recover`; no stream was"
            " touched"
        )


async def _rebuild(
    client: Client,
    connection: asyncpg.Connection,
    place: Place,
    service: str,
    info: StreamInfo | None,
    tell: Tell,
    *,
    delete: bool,
) -> Rebuilt:
    js, log = streams.context(client, place.streams_api), place.log_name(service)
    if info is not None:
        await streams.record_durables(connection, service, await streams.durables(js, log))
    before = 0 if info is None else info.state.last_seq
    if info is None or delete:
        await _make(js, place, log, info)
    elif before:
        await _require_ours(js, connection, service, log, before)
    size = await _fill(client, connection, place, service, 0 if delete else before, tell)
    made = await _make_durables(js, connection, service, log)
    report = await verify(place.log_config(service), nats=client, api=place.streams_api)
    if report.stream is None or not report.stream.identical:
        said = "; ".join(problem.message for problem in report.problems[:3] if problem.kind == "stream")
        raise RebuildRefused(
            f"the stream {streams.stream_name(log)} is not what the log says: {said or 'messages are missing'}."
            " Delete it and fill it anew by `chaoyangli nats rebuild`"
        )
    return Rebuilt(service, streams.stream_name(log), before, size, made)


async def _make(js: JetStreamContext, place: Place, log: str, info: StreamInfo | None) -> None:
    """A new stream, as large and as often kept as the operator had made the old one."""
    config = streams.stream_config(place.community, log)
    if info is not None:
        config.max_bytes = max(config.max_bytes or 0, info.config.max_bytes or 0)
        config.num_replicas = info.config.num_replicas
        await js.delete_stream(streams.stream_name(log))
    await js.add_stream(config)


async def _require_ours(
    js: JetStreamContext, connection: asyncpg.Connection, service: str, log: str, last: int
) -> None:
    """A stream is filled up where its last message is the log's event of that number, as a relay would."""
    message = await js.get_msg(streams.stream_name(log), seq=last)
    (event,) = await reader.read_raw(connection, service, last - 1, 1)
    if message.data != event.body:
        raise RebuildRefused(
            f"message {last} of {streams.stream_name(log)} is not the log's event: delete the stream and fill it anew,"
            " by `chaoyangli nats rebuild`"
        )


async def _fill(
    client: Client, connection: asyncpg.Connection, place: Place, service: str, after: int, tell: Tell
) -> int:
    target = Target(client, place.community, place.log_name(service))
    size = (await reader.head(connection, service)).size
    while after < size:
        after = await publish(target, await reader.read_raw(connection, service, after, BATCH_MOST))
        tell(f"stream: {service}", after, size)
    return after


async def _make_durables(js: JetStreamContext, connection: asyncpg.Connection, service: str, log: str) -> list[str]:
    """Ours begin after what their service has heard, outsiders' after what they had acknowledged."""
    made = []
    for listener in SERVICES:
        if service in definition_of(listener).sources:
            info = await streams.ensure_durable(js, log, listener, await reader.heard(connection, listener, service))
            made.append(info.name)
    there = await streams.durables(js, log)
    return sorted([*made, *await streams.restore_durables(js, connection, service, log, there)])
