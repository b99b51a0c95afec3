"""Holds a bundle against one taken before: nothing that was in the earlier one may be gone, moved or another.

Who can rewrite the servers and sign with the community's key can write a bundle that is right in itself. What somebody
carried away before is out of reach.
"""

from collections.abc import Iterator
from pathlib import Path

from cli.bundle.checking import BundleUnreadable
from cli.place import SERVICES
from eventstore.checkpoint import Checkpoint, CheckpointError
from eventstore.compact_range import PartialTiles
from eventstore.merkle import leaf_hash
from eventstore.note import NoteError, parse_note
from eventstore.tiles import TILE_WIDTH, TileError, decode_entries, entries_path

_UNREADABLE = (OSError, NoteError, CheckpointError, TileError)
NAMED_MOST = 20
"""Changed events of one log that are named; more are only counted."""


def compare(bundle: Path, earlier: Path) -> list[str]:
    """Sentences about every log of `bundle` that does not begin with the events of `earlier`; none: it continues it.

    Raises BundleUnreadable when the earlier one is not whole in itself: then it proves nothing.
    """
    return [problem for service in SERVICES for problem in _compare(bundle, earlier, service)]


def _compare(bundle: Path, earlier: Path, service: str) -> Iterator[str]:
    size = _whole(earlier, service)
    before, now = (_bodies(each / "logs" / service) for each in (earlier, bundle))
    try:
        length = _head(bundle / "logs" / service).size
        if length < size:
            yield f"{service}: {length} events, the earlier bundle has {size}"
        changed = 0
        for position, (old, new) in enumerate(zip(before, now, strict=False), 1):
            if old != new:
                changed += 1
                if changed <= NAMED_MOST:
                    yield f"{service}/{position}: another event than in the earlier bundle"
    except _UNREADABLE as error:
        yield f"{service}: its events cannot be read: {error}"
        return
    if changed > NAMED_MOST:
        yield f"{service}: … and {changed - NAMED_MOST} more"


def _whole(bundle: Path, service: str) -> int:
    """How many events an earlier bundle has of a log, when they hash to the head that lies with them."""
    log, edge = bundle / "logs" / service, PartialTiles()
    try:
        head = _head(log)
        for bodies in _tiles(log):
            edge, _ = edge.extend([leaf_hash(body) for body in bodies])
    except _UNREADABLE as error:
        raise BundleUnreadable(f"{bundle}: {service} cannot be read: {error}") from error
    if (edge.size, edge.compact_range().root()) != (head.size, head.root):
        raise BundleUnreadable(f"{bundle}: the events of {service} do not hash to the head that lies with them")
    return head.size


def _bodies(log: Path) -> Iterator[bytes]:
    return (body for bodies in _tiles(log) for body in bodies)


def _tiles(log: Path) -> Iterator[list[bytes]]:
    size = _head(log).size
    for first in range(0, size, TILE_WIDTH):
        yield decode_entries((log / entries_path(first // TILE_WIDTH, min(TILE_WIDTH, size - first))).read_bytes())


def _head(log: Path) -> Checkpoint:
    return Checkpoint.parse(parse_note((log / "checkpoint").read_bytes()).text)
