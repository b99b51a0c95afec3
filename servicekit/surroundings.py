"""Looks now and then at what a service stands on, and counts what is its own; for Prometheus alone, nothing degrades.

Every replica looks: each has a state directory, and a look costs a few milliseconds.
"""

import asyncio
import shutil
from collections.abc import Sequence

import httpx
import structlog

from eventstore.checkpoint import Checkpoint
from eventstore.note import parse_note
from servicekit.backups import BackupUnreadable, read_last_backup
from servicekit.definition import Counted, Runtime
from servicekit.publishing import cosigners, read_published
from servicekit.verified import read_last_verified

INTERVAL_SECONDS = 15.0
"""As often as docs/operating/prometheus.yml asks."""
MONITOR_SECONDS = 2.0

_log = structlog.get_logger("servicekit.surroundings")


class Surroundings:
    """One process's look around."""

    def __init__(self, runtime: Runtime, counted: Sequence[Counted] = ()) -> None:
        self._runtime = runtime
        self._counted = counted

    async def run(self) -> None:
        """Look for ever."""
        async with httpx.AsyncClient(timeout=MONITOR_SECONDS) as http:
            while True:
                await self.look(http)
                await asyncio.sleep(INTERVAL_SECONDS)

    async def look(self, http: httpx.AsyncClient) -> None:
        """Look once. Raises what a `count` raises when PostgreSQL is away: the supervisor tries again."""
        await asyncio.to_thread(self._look_at_files)
        await self._ask_nats(http)
        for one in self._counted:
            gauge = self._runtime.metrics.counted(one.name, one.documentation, one.label)
            for value, number in (await one.count(self._runtime)).items():
                gauge.labels(value).set(number)

    def _look_at_files(self) -> None:
        metrics, settings = self._runtime.metrics, self._runtime.settings
        usage = shutil.disk_usage(settings.state_dir)
        metrics.disk_free_bytes.set(usage.free)
        metrics.disk_size_bytes.set(usage.total)
        try:
            backup = read_last_backup(settings.state_dir)
            metrics.last_backup_timestamp_seconds.set(backup.timestamp if backup is not None else 0)
        except BackupUnreadable as error:
            _log.warning("the last backup is unknown", reason=str(error))
        verified = read_last_verified(settings.state_dir, self._runtime.service)
        if verified is not None:
            metrics.ledger_last_verified_timestamp_seconds.set(verified.timestamp)
            metrics.ledger_last_verify_ok.set(1 if verified.ok else 0)
        if settings.head_path.exists():
            metrics.ledger_signed_timestamp_seconds.set(settings.head_path.stat().st_mtime)
        self._look_at_published()

    def _look_at_published(self) -> None:
        published, witnesses = read_published(self._runtime.settings.published_path), self._runtime.witnesses
        if published is None:
            return
        self._runtime.metrics.ledger_published_size.set(Checkpoint.parse(parse_note(published).text).size)
        missing = len(witnesses.witnesses) - len(cosigners(published, witnesses))
        self._runtime.metrics.witnesses_missing.set(missing)

    async def _ask_nats(self, http: httpx.AsyncClient) -> None:
        """Plain /healthz: it alone tells that a store met a full disk, until NATS is started again."""
        url = self._runtime.settings.nats_monitor
        if url is None:
            return
        try:
            answer = await http.get(f"{url}/healthz")
        except (httpx.TransportError, httpx.InvalidURL):
            self._runtime.metrics.nats_healthz.set(0)
        else:
            self._runtime.metrics.nats_healthz.set(1 if answer.status_code == httpx.codes.OK else 0)
