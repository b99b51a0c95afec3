"""Which history of a log counts. A loss that was accepted ends one origin and begins the next (decision 0010).

The first origin of a log is `chaoyangli/orders`, the one after a loss `chaoyangli/orders/2`. Which one counts is
written in a file beside the signed head, outside PostgreSQL and its backups: an old copy of a database must not bring
an old origin back. The log says the same by its LossAccepted events; where the two disagree, nothing is accepted.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from eventstore.durable import locked, write_whole
from eventstore.errors import EngineError, Tampered

FILE = "origin"
LOCK_SECONDS = 5.0
_NUMBER = re.compile(r"[2-9]|[1-9][0-9]{1,3}")


class OriginUnreadable(EngineError):
    """The file beside the signed head names no origin of this log."""


class Connection(Protocol):
    """What is needed of an asyncpg pool or connection."""

    async def fetchval(self, query: str, *args: Any) -> Any: ...


def log_name(service: str, generation: int) -> str:
    """What tells a log from the ones it was before: `orders`, then `orders/2`."""
    return service if generation == 1 else f"{service}/{generation}"


def stream_of_losses(community: str, service: str) -> str:
    """The event stream of LossAccepted, one event a loss."""
    return f"origin-{community}/{service}"


def origin_path(state_dir: Path, service: str) -> Path:
    """The file of one service."""
    return state_dir / service / FILE


def read_generation(state_dir: Path, community: str, service: str) -> int:
    """1 for the first origin, which needs no file. Raises OriginUnreadable."""
    path = origin_path(state_dir, service)
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        return 1
    except (OSError, UnicodeDecodeError) as error:
        raise OriginUnreadable(f"{path} cannot be read: {error}") from error
    begin, _, number = text.removesuffix("\n").rpartition("/")
    if begin != f"{community}/{service}" or not _NUMBER.fullmatch(number):
        raise OriginUnreadable(f"{path} names no origin of {community}/{service} but the first: {text[:100]!r}")
    return int(number)


def read_generations(state_dir: Path, community: str, services: Iterable[str]) -> Mapping[str, int]:
    """Of several logs; those in their first origin are left out. Raises OriginUnreadable."""
    found = {service: read_generation(state_dir, community, service) for service in services}
    return {service: generation for service, generation in found.items() if generation > 1}


def write_generation(state_dir: Path, community: str, service: str, generation: int) -> None:
    """Say from now on which origin counts, on disk before returning. Raises LockBusy."""
    path = origin_path(state_dir, service)
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path, LOCK_SECONDS):
        write_whole(path, f"{community}/{log_name(service, generation)}\n".encode())


async def recorded_generation(connection: Connection, community: str, service: str) -> int:
    """The origin that the log itself says it is in."""
    losses = await connection.fetchval(
        f"SELECT max(version) FROM {service}.events WHERE stream = $1",
        stream_of_losses(community, service),
    )
    return 1 + (losses or 0)


async def check_generation(connection: Connection, community: str, service: str, generation: int) -> None:
    """Hold the log against the origin that counts. Raises Tampered."""
    recorded = await recorded_generation(connection, community, service)
    if recorded < generation:
        raise Tampered(
            f"the log is a copy from before a loss was accepted, it lacks events of {log_name(service, generation)}:"
            f" restore the missing tail first, by `chaoyangli recover {service}`"
        )
    if recorded > generation:
        raise Tampered(
            f"the log is in its origin {log_name(service, recorded)}, and the file beside its signed head does not say"
            f" so: end what `chaoyangli recover --accept-loss {service}` began, or, where the file was lost, adopt"
            f" a head of that origin, by `chaoyangli checkpoint adopt {service}`"
        )
