"""Read models of another version than this program's are made anew from the logs, before it starts."""

import asyncio
import time
from collections.abc import Sequence

import nats
import nats.errors
import structlog
from nats.aio.client import Client

from eventstore.config import LogConfig
from eventstore.nats_api import API, api_prefix
from eventstore.read_model import ReadModel
from eventstore.replay import ReplayRefused, ReplayReport, ensure_read_models, is_outdated

AUDITOR = "auditor"
"""The NATS user that may read every stream and change none."""
_PAUSE_SECONDS = 0.5

_log = structlog.get_logger("servicekit.rebuild")


async def rebuild_read_models(
    config: LogConfig, read_models: Sequence[ReadModel], nats_url: str, seed: str | None, wait_seconds: float
) -> ReplayReport | None:
    """Rebuild a service's read models by replay and swap when they are of another version; None when they are not.

    `config` is the migrator's; `seed` the NATS auditor's, None on a server without users. NATS is only needed, and
    waited for, where copies of other logs are rebuilt. Raises as `replay` does: the old read models are as before.
    """
    if not await is_outdated(config, read_models):
        return None
    _log.info("rebuilding read models", rebuilt=config.service)
    client = None
    if any(model.source != config.service for model in read_models):
        client = await _connected(config.service, nats_url, seed, wait_seconds)
    try:
        api = API if seed is None else api_prefix(config.community)
        report = await ensure_read_models(config, read_models, nats=client, api=api)
    finally:
        if client is not None:
            await client.close()
    if report is not None:
        _log.info("rebuilt read models", rebuilt=config.service, events=report.events, seconds=round(report.seconds, 1))
    return report


async def _connected(service: str, nats_url: str, seed: str | None, wait_seconds: float) -> Client:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            return await nats.connect(
                nats_url,
                nkeys_seed_str=seed,
                inbox_prefix=f"_INBOX_{AUDITOR}".encode(),
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0.1,
                error_cb=_ignored,
            )
        except (OSError, nats.errors.Error, TimeoutError) as error:
            if time.monotonic() >= deadline:
                raise ReplayRefused(
                    f"{service} keeps copies of other logs, to be rebuilt from their streams, and NATS cannot be"
                    f" reached: {error!r}. Start it and migrate again"
                ) from error
            await asyncio.sleep(_PAUSE_SECONDS)


async def _ignored(error: Exception) -> None:
    """What a connection reports in passing; a failed one raises as well."""
    _log.debug("NATS", error=repr(error))
