"""Publishing to a stream so that sequence = position: every publish is fenced by the sequence that must precede it.

Ten events or more go as one atomic batch (ADR-50 of nats-server: one fsync, all or nothing), fewer as single publishes.
A message that was buffered in a lost connection and goes out later meets the fence and does nothing.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nats.errors
from nats.aio.client import Client

from contracts.ids import uuid7
from eventstore.errors import EngineError
from eventstore.log.reader import RawEvent
from eventstore.streams import stream_name, subject

BATCH_LEAST = 10
"""A batch costs about 3 ms whatever it holds; below this, single publishes are faster (measured)."""
BATCH_MOST = 500
BATCH_BYTES_MOST = 4 * 1024 * 1024
PUBLISH_SECONDS = 5.0

_TRACEPARENT = b',"traceparent":"'


class PublishFailed(EngineError):
    """The stream did not take all of it, or did not say so: read its last message before anything else.

    `reason` is a word for metrics: fenced, full, timeout, disconnected, no_stream, refused.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """Where a log's events are published."""

    client: Client
    community: str
    log: str
    """The log's name, `orders` or `orders/2`."""

    def subject(self, event: RawEvent) -> str:
        """The event's subject."""
        return subject(self.community, self.log, event.type)

    def headers(self, event: RawEvent) -> dict[str, str]:
        """Headers of every message, the fence excepted."""
        headers = {
            "Nats-Msg-Id": str(event.event_id),
            "Nats-Expected-Stream": stream_name(self.log),
            "content-type": "application/cloudevents+json",
        }
        if (traceparent := traceparent_of(event.body)) is not None:
            headers["traceparent"] = traceparent
        return headers


def traceparent_of(body: bytes) -> str | None:
    """The trace context in an envelope as `contracts.envelope.encode` writes it: after the ids, before `data`."""
    start = body.find(_TRACEPARENT, 0, body.find(b',"data":'))
    if start < 0:
        return None
    start += len(_TRACEPARENT)
    return body[start : body.index(b'"', start)].decode()


async def publish(target: Target, events: Sequence[RawEvent]) -> int:
    """Publish the beginning of `events`, whose first must follow the stream's last message; returns the last position.

    Takes at most 500 events or 4 MiB. Raises PublishFailed.
    """
    taken = _take(events)
    try:
        if len(taken) >= BATCH_LEAST:
            await _batch(target, taken)
        else:
            await _singles(target, taken)
    except nats.errors.NoRespondersError as error:
        raise PublishFailed("no_stream", f"{stream_name(target.log)} does not listen") from error
    except TimeoutError as error:
        raise PublishFailed("timeout", f"no answer in {PUBLISH_SECONDS} s") from error
    except (nats.errors.Error, OSError) as error:
        raise PublishFailed("disconnected", repr(error)) from error
    return taken[-1].position


def _take(events: Sequence[RawEvent]) -> Sequence[RawEvent]:
    size = 0
    for number, event in enumerate(events[:BATCH_MOST]):
        size += len(event.body)
        if size > BATCH_BYTES_MOST and number:
            return events[:number]
    return events[:BATCH_MOST]


async def _batch(target: Target, events: Sequence[RawEvent]) -> None:
    batch_id = uuid7().hex
    client = target.client
    for number, event in enumerate(events, 1):
        headers = target.headers(event)
        headers["Nats-Batch-Id"] = batch_id
        headers["Nats-Batch-Sequence"] = str(number)
        if number == 1:
            headers["Nats-Expected-Last-Sequence"] = str(event.position - 1)
        if number < len(events):
            await client.publish(target.subject(event), event.body, headers=headers)
            continue
        headers["Nats-Batch-Commit"] = "1"
        answer = await client.request(target.subject(event), event.body, timeout=PUBLISH_SECONDS, headers=headers)
        acknowledged = _acknowledged(answer.data)
        if acknowledged.get("seq") != event.position or acknowledged.get("count") != len(events):
            raise PublishFailed("refused", f"a batch up to {event.position} was acknowledged as {acknowledged}")


async def _singles(target: Target, events: Sequence[RawEvent]) -> None:
    """All are sent before the first answer is awaited; each carries its own fence, so none can take another's place."""

    async def single(event: RawEvent) -> None:
        headers = target.headers(event)
        headers["Nats-Expected-Last-Sequence"] = str(event.position - 1)
        answer = await target.client.request(
            target.subject(event), event.body, timeout=PUBLISH_SECONDS, headers=headers
        )
        acknowledged = _acknowledged(answer.data)
        if acknowledged.get("seq") != event.position:
            raise PublishFailed("refused", f"event {event.position} was acknowledged as {acknowledged}")

    outcomes = await asyncio.gather(*(single(event) for event in events), return_exceptions=True)
    for outcome in outcomes:
        if outcome is not None:
            raise outcome


def _acknowledged(data: bytes) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(data)
    error = answer.get("error")
    if error is None:
        return answer
    detail = f"{error.get('err_code')} {error.get('description')}"
    match error.get("err_code"):
        case 10071 | 10201:
            raise PublishFailed("fenced", detail)
        case 10077:
            raise PublishFailed("full", detail)
        case _:
            raise PublishFailed("refused", detail)
