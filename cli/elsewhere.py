"""Where a replay takes its events from, when not from PostgreSQL: the streams, or an audit bundle."""

from dataclasses import dataclass
from pathlib import Path

from nats.aio.client import Client

from cli.place import Place
from cli.recovery.bundles import BundledLog
from eventstore.errors import EngineError
from eventstore.replay.histories import Messages
from eventstore.stream_reader import BATCH_MESSAGES, StreamMessage, StreamReader

POSTGRESQL, STREAM, BUNDLE = "postgresql", "stream", "bundle:"


class SourceUnknown(EngineError):
    """The words name no place that events could come from."""


class BundleReader:
    """A log in a bundle, read as if it were a stream."""

    def __init__(self, log: BundledLog) -> None:
        self._log = log
        self._first = 0
        self._ahead: list[bytes] = []

    async def read(self, first: int, limit: int = BATCH_MESSAGES) -> list[StreamMessage]:
        """Events from `first` on, in order; none after the bundle's head. Raises BundleRefused."""
        if not self._first <= first < self._first + len(self._ahead):
            self._first, self._ahead = first, self._log.bodies(first - 1)
        start = first - self._first
        bodies = self._ahead[start : start + limit]
        return [StreamMessage(position, "", "", body) for position, body in enumerate(bodies, first)]


class WholeStream:
    """A stream read from any task at any time: each reading has an inbox of its own."""

    def __init__(self, client: Client, log: str, api: str) -> None:
        self._client, self._log, self._api = client, log, api

    async def read(self, first: int, limit: int = BATCH_MESSAGES) -> list[StreamMessage]:
        """Messages from sequence `first` on. Raises StreamUnreadable."""
        async with StreamReader(self._client, self._log, self._api) as reader:
            return await reader.read(first, limit)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The streams of a place, or a bundle."""

    place: Place
    bundle: Path | None

    @classmethod
    def named(cls, words: str, place: Place) -> "Elsewhere | None":
        """What `--from` says; None: PostgreSQL. Raises SourceUnknown."""
        if words == POSTGRESQL:
            return None
        if words == STREAM:
            return cls(place, None)
        if words.startswith(BUNDLE):
            bundle = Path(words.removeprefix(BUNDLE))
            if not bundle.is_dir():
                raise SourceUnknown(f"--from {words}: there is no bundle: name a directory that `audit export` made")
            return cls(place, bundle)
        raise SourceUnknown(f"--from {words}: say postgresql, stream, or bundle: and where an audit bundle lies")

    def reader(self, service: str, client: Client) -> Messages:
        """What reads the log of a service there. Raises BundleRefused."""
        if self.bundle is not None:
            return BundleReader(BundledLog(self.bundle, service))
        return WholeStream(client, self.place.log_name(service), self.place.streams_api)
