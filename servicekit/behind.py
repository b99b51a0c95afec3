"""Before a service accepts anything: whether its stream holds events that its log does not."""

import asyncio

import nats
import nats.errors
import structlog

from eventstore.broker import inbox_prefix
from eventstore.errors import Tampered
from eventstore.log import Log
from eventstore.stream_reader import StreamReader, StreamUnreadable
from servicekit.settings import ServiceSettings

LOOK_SECONDS = 2.0
"""NATS that does not answer so long is taken for away: a service serves without it."""

_log = structlog.get_logger("servicekit.behind")


async def check_stream(settings: ServiceSettings, log: Log) -> None:
    """Raises Tampered when the log is shorter than its stream: appending would give numbers a second content.

    The signed head lies a second behind the log at most, and so the stream can know more. A NATS that is away says
    nothing; the relay, which compares before it publishes, then stops as soon as it has found it.
    """
    last = await _last(settings, log)
    # The log is read after the stream: what the stream holds was committed before.
    size = (await log.head()).size
    if last is not None and size < last:
        raise Tampered(
            f"the log has {size} events, its stream {last}: restore the missing tail first,"
            f" by `chaoyangli recover {settings.service}`",
            size + 1,
        )


async def _last(settings: ServiceSettings, log: Log) -> int | None:
    """The stream's last sequence; None when NATS does not say."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            client = await nats.connect(
                settings.nats_url,
                nkeys_seed_str=settings.nats_seed,
                inbox_prefix=inbox_prefix(settings.service).encode(),
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0.1,
                error_cb=_noted,
            )
            try:
                async with StreamReader(client, log.config.name) as reader:
                    return await reader.last()
            finally:
                await client.close()
    except (OSError, nats.errors.Error, TimeoutError, StreamUnreadable) as error:
        _log.info("the stream was not looked at", reason=repr(error))
        return None


async def _noted(error: Exception) -> None:
    """What a connection reports in passing; a failed one raises as well."""
    _log.debug("NATS", error=repr(error))
