"""The last heads of a log's earlier origins: what was signed before a loss was accepted (decision 0010).

The log that goes on says in LossAccepted what its origin before had signed last, and how many events are left of it. An
earlier head is held against that: where it counts what is left, against the events themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contracts.envelope import Recorded
from contracts.event import LossAcceptedFields
from eventstore.checkpoint import Checkpoint
from eventstore.compact_range import PartialTiles
from eventstore.note import UnverifiedNote, VerifierKey, open_note, parse_note
from eventstore.origins import log_name

ORIGINS = "origins"
"""Below a log: `origins/1/checkpoint`, as its service serves it under `/1/checkpoint`."""


def earlier_path(log: Path, generation: int) -> Path:
    """Where the last head of an earlier origin lies."""
    return log / ORIGINS / str(generation) / "checkpoint"


def earlier_heads(log: Path) -> Mapping[int, str]:
    """Number of an origin → its last head, of those that lie below the log. Raises OSError, UnicodeDecodeError."""
    found = {}
    for path in sorted((log / ORIGINS).glob("*/checkpoint")):
        if path.parent.name.isdecimal():
            found[int(path.parent.name)] = path.read_bytes().decode()
    return found


@dataclass(frozen=True, slots=True)
class _Earlier:
    head: Checkpoint
    signed: bool
    """By a key that is known."""


class EarlierHeads:
    """Holds the earlier heads of one log against its events, which it is told in order."""

    def __init__(self, log: Path, service: str, head: Checkpoint, keys: Sequence[VerifierKey]) -> None:
        """`head`: the log's own; `keys`: those it may be signed with. Raises OSError, UnicodeDecodeError, NoteError."""
        self._service, self._head = service, head
        self._heads: dict[int, _Earlier] = {}
        self._losses: list[LossAcceptedFields] = []
        self._roots: dict[int, bytes] = {}
        for generation, text in earlier_heads(log).items():
            self._heads[generation] = _opened(text, keys)
        self._sizes = {one.head.size for one in self._heads.values()}

    def hear(self, recorded: Recorded) -> Iterator[str]:
        """The next event."""
        if isinstance(recorded.event, LossAcceptedFields):
            self._losses.append(recorded.event)
        return iter(())

    def grow(self, edge: PartialTiles, leaves: Sequence[bytes]) -> None:
        """The next leaves of the tree, before they are in `edge`."""
        for size in self._sizes:
            if edge.size < size <= edge.size + len(leaves):
                self._roots[size] = edge.extend(leaves[: size - edge.size])[0].compact_range().root()

    def end(self) -> Iterator[str]:
        """What is wrong."""
        community = self._head.origin.partition("/")[0]
        for generation, earlier in self._heads.items():
            name = f"{self._service}: the last head of origin {generation}"
            if not 1 <= generation <= len(self._losses):
                yield f"{name} lies there, and by its events the log was in {len(self._losses) + 1} origins"
                continue
            head, loss = earlier.head, self._losses[generation - 1]
            if head.origin != f"{community}/{log_name(self._service, generation)}":
                yield f"{name} is one of {head.origin}"
            elif head.size == loss.signed_size:
                if head.root.hex() != loss.signed_root:
                    yield f"{name} is another than LossAccepted says was signed"
            elif head.size < loss.first_lost:
                # No root where fewer events lie there than the log's head counts, which is said elsewhere.
                if head.size and self._roots.get(head.size) != head.root:
                    yield f"{name}: its {head.size} events are there, and do not hash to it"
            elif head.size > loss.signed_size:
                yield f"{name} counts {head.size} events, LossAccepted says that {loss.signed_size} were signed"
            elif not earlier.signed:
                yield f"{name} counts events that are lost, and no key that the policy knows has signed it"


def _opened(text: str, keys: Sequence[VerifierKey]) -> _Earlier:
    head = Checkpoint.parse(parse_note(text).text)
    # A policy names a public key once, so it knows the log by its name of today; the key was the same before.
    known = [VerifierKey(head.origin, key.algorithm, key.public_key) for key in keys]
    try:
        open_note(text, known)
    except UnverifiedNote:
        return _Earlier(head, signed=False)
    return _Earlier(head, signed=True)
