"""Holds a bundle against one taken before: nothing that was in the earlier one may be gone, moved or another.

Who can rewrite the servers and sign with the community's key can write a bundle that is right in itself. What somebody
carried away before is out of reach.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cli.bundle.checking import BundleUnreadable
from cli.place import SERVICES
from eventstore.checkpoint import Checkpoint, CheckpointError
from eventstore.merkle import leaf_hash, root_hash
from eventstore.note import NoteError, parse_note
from eventstore.tiles import TILE_WIDTH, TileError, decode_entries, entries_path

NAMED_MOST = 20
"""Changed events of one log that are named; more are only counted."""


def compare(bundle: Path, earlier: Path) -> list[str]:
    """Sentences about every log of `bundle` that does not begin with the events of `earlier`; none: it continues it.

    Raises BundleUnreadable when the earlier one is not whole in itself: then it proves nothing.
    """
    return [problem for service in SERVICES for problem in _compare(bundle, earlier, service)]


def _compare(bundle: Path, earlier: Path, service: str) -> Iterator[str]:
    before = _earlier(earlier, service)
    try:
        now = _bodies(bundle / "logs" / service)
    except (OSError, NoteError, CheckpointError, TileError) as error:
        yield f"{service}: its events cannot be read: {error}"
        return
    if len(now) < len(before):
        yield f"{service}: {len(now)} events, the earlier bundle has {len(before)}"
    changed = [at for at, (old, new) in enumerate(zip(before, now, strict=False), 1) if old != new]
    for position in changed[:NAMED_MOST]:
        yield f"{service}/{position}: another event than in the earlier bundle"
    if len(changed) > NAMED_MOST:
        yield f"{service}: … and {len(changed) - NAMED_MOST} more"


def _earlier(bundle: Path, service: str) -> Sequence[bytes]:
    log = bundle / "logs" / service
    try:
        bodies, root = _bodies(log), _head(log).root
    except (OSError, NoteError, CheckpointError, TileError) as error:
        raise BundleUnreadable(f"{bundle}: {service} cannot be read: {error}") from error
    if root_hash(map(leaf_hash, bodies)) != root:
        raise BundleUnreadable(f"{bundle}: the events of {service} do not hash to the head that lies with them")
    return bodies


def _bodies(log: Path) -> list[bytes]:
    size = _head(log).size
    bodies: list[bytes] = []
    for first in range(0, size, TILE_WIDTH):
        bodies += decode_entries((log / entries_path(first // TILE_WIDTH, min(TILE_WIDTH, size - first))).read_bytes())
    return bodies


def _head(log: Path) -> Checkpoint:
    return Checkpoint.parse(parse_note((log / "checkpoint").read_bytes()).text)
