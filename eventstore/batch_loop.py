"""FastStream's loop for batches of a durable pull consumer, replaced (docs/decisions/0004).

FastStream 0.7.8 refills a batch until it is full or its time-out has passed, drops a partly fetched batch on a plain
`asyncio.TimeoutError`, and spins without suspending once nats-py has given up its connection. `fetch` already returns
what is there, so the loop hands that over at once, and waits after every error. Importing this module replaces it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from weakref import WeakKeyDictionary

import nats.errors
from faststream.nats.subscriber.usecases import BatchPullStreamSubscriber

FASTSTREAM_VERSION = "0.7.8"
"""The only version this was measured with; `_consume_pull` is private, so an upgrade must be measured again."""
ERROR_SECONDS = 1.0
EARLY_SECONDS = 0.05
"""A time-out that comes sooner was the server's refusal of the request, not a quiet stream: never ask again at once."""

_logger = logging.getLogger(__name__)
_watchers: "WeakKeyDictionary[BatchPullStreamSubscriber, Callable[[Exception], None]]" = WeakKeyDictionary()

errors: Counter[str] = Counter()
"""Failed fetches by kind of error, in this process."""


def watch(subscriber: BatchPullStreamSubscriber, failed: Callable[[Exception], None]) -> None:
    """Have `failed` called when a fetch of this subscriber ends in an error other than a time-out."""
    _watchers[subscriber] = failed


async def consume_pull(self: BatchPullStreamSubscriber) -> None:
    """Fetch what is there, hand it over, for as long as the subscriber runs."""
    assert self.subscription, "the subscription is made before its loop"
    loop = asyncio.get_running_loop()
    while self.running:
        begun = loop.time()
        try:
            messages = await self.subscription.fetch(self.pull_sub.batch_size, timeout=self.pull_sub.timeout)
        except (TimeoutError, nats.errors.TimeoutError):
            if loop.time() - begun < EARLY_SECONDS:
                await asyncio.sleep(ERROR_SECONDS)
            continue
        except Exception as error:  # noqa: BLE001 — left to FastStream, it would begin again without any wait
            errors[type(error).__name__] += 1
            _logger.warning("a batch of %s could not be fetched: %r", self.stream.name, error)
            if (failed := _watchers.get(self)) is not None:
                failed(error)
            await asyncio.sleep(ERROR_SECONDS)
            continue
        if messages and self.running:
            await self.consume(messages)


def _replace() -> None:
    if version("faststream") != FASTSTREAM_VERSION:
        raise ImportError(
            f"eventstore.batch_loop is for FastStream {FASTSTREAM_VERSION}, not {version('faststream')}: measure anew"
        )
    if "_consume_pull" not in vars(BatchPullStreamSubscriber):
        raise ImportError("FastStream's BatchPullStreamSubscriber has no _consume_pull to replace")
    BatchPullStreamSubscriber._consume_pull = consume_pull  # type: ignore[method-assign]  # noqa: SLF001


_replace()
