"""Reading a range of a JetStream stream without a consumer: nothing is acknowledged, nothing is left behind.

Uses batched direct gets (ADR-31 of nats-server), which need the right to publish `$JS.API.DIRECT.GET.<STREAM>`.
"""

import asyncio
import json
from datetime import datetime
from typing import NamedTuple, Self

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from contracts.envelope import decode
from eventstore.errors import EngineError
from eventstore.nats_api import API
from eventstore.streams import STREAM_NOT_FOUND, stream_name

BATCH_MESSAGES = 1_000
BATCH_BYTES = 8 * 1024 * 1024
ANSWER_SECONDS = 10.0
_ENDS = ("204", "404", "503")
"""End of the batch; nothing there; no stream to answer."""


class StreamUnreadable(EngineError):
    """The stream is not there, or did not answer (the NATS user may lack the right to read it directly)."""


class StreamMessage(NamedTuple):
    """A message as it lies in the stream: `position` is its sequence, `event_id` its Nats-Msg-Id."""

    position: int
    event_id: str
    subject: str
    body: bytes


class StreamReader:
    """Reads the stream of one log (`orders`, `orders/2`), for `async with`. Use it from one task.

    `api`: what JetStream's API of that stream is called for this client, as in `streams.context`.
    """

    def __init__(self, client: Client, log: str, api: str = API) -> None:
        self._client = client
        self._api = api
        self._stream = stream_name(log)
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._found: list[StreamMessage] = []
        self._done: asyncio.Future[str] | None = None

    async def __aenter__(self) -> Self:
        self._subscription = await self._client.subscribe(self._inbox, cb=self._take)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

    async def last(self) -> int:
        """The last sequence, 0 when there is no stream or it never had a message. Raises StreamUnreadable."""
        subject = f"{self._api}.STREAM.INFO.{self._stream}"
        try:
            answer = json.loads((await self._client.request(subject, b"", timeout=ANSWER_SECONDS)).data)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise StreamUnreadable(f"the stream {self._stream} does not answer: {error!r}") from error
        if "error" in answer:
            if answer["error"].get("err_code") == STREAM_NOT_FOUND:
                return 0
            raise StreamUnreadable(f"the stream {self._stream}: {answer['error'].get('description')}")
        return int(answer["state"]["last_seq"])

    async def read(self, first: int, limit: int = BATCH_MESSAGES) -> list[StreamMessage]:
        """Messages from sequence `first` on, in order, at most `limit` or 8 MiB; none when the stream ends before it.

        A deleted message is left out: compare the positions. Raises StreamUnreadable.
        """
        self._found = []
        self._done = asyncio.get_running_loop().create_future()
        request = {"seq": first, "batch": min(limit, BATCH_MESSAGES), "max_bytes": BATCH_BYTES}
        try:
            await self._client.publish(
                f"{self._api}.DIRECT.GET.{self._stream}", json.dumps(request).encode(), reply=self._inbox
            )
            status = await asyncio.wait_for(self._done, ANSWER_SECONDS)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise StreamUnreadable(f"the stream {self._stream} cannot be read at {first}: {error!r}") from error
        if status not in _ENDS:
            raise StreamUnreadable(f"the stream {self._stream} cannot be read at {first}: status {status}")
        return self._found

    async def position_before(self, at: datetime) -> int:
        """The last position recorded before a time, 0 when there is none: recording time never decreases.

        Raises StreamUnreadable, and what `decode` raises.
        """
        low, high = 0, await self.last()
        while low < high:
            middle = (low + high + 1) // 2
            found = await self.read(middle, 1)
            if found and decode(found[0].body).recorded_at < at:
                low = middle
            else:
                high = middle - 1
        return low

    async def _take(self, message: Msg) -> None:
        headers = message.headers or {}
        status = headers.get("Status")
        if status is not None and not message.data:
            if self._done is not None and not self._done.done():
                self._done.set_result(status)
            return
        self._found.append(
            StreamMessage(
                int(headers["Nats-Sequence"]), headers.get("Nats-Msg-Id", ""), headers["Nats-Subject"], message.data
            )
        )
