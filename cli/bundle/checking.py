"""Checks a bundle without any server: bytes, hashes, signed heads, books and statements that follow from them."""

import json
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.audit.breaches import Check
from cli.audit.statements import Statements
from cli.bundle import books
from cli.bundle.earlier import EarlierHeads
from cli.bundle.exporting import tiles_of
from cli.bundle.manifest import NAME, TABLES, Manifest, ManifestUnreadable, read_manifest
from cli.place import SERVICES
from contracts.envelope import Recorded, decode
from contracts.event import ContractError
from contracts.ledger import EntryPosted, EntryReversed
from eventstore.checkpoint import Checkpoint, CheckpointError
from eventstore.compact_range import PartialTiles
from eventstore.merkle import leaf_hash
from eventstore.note import NoteError, open_note
from eventstore.tiles import TILE_WIDTH, TileError, TileRef, decode_entries, entries_path
from eventstore.trust_policy import PolicyError, TrustPolicy, read_trust_policy

if TYPE_CHECKING:
    from cli.bundle.tables import TableCheck

_ORIGIN = re.compile(r"[^/]+/([a-z]+)(?:/[1-9][0-9]{0,3})?")


class BundleUnreadable(ValueError):
    """The directory is no bundle, or lacks what every bundle has."""


@dataclass
class Checked:
    """What a check came to. `problems` are sentences; without any, all is as the heads say."""

    sizes: dict[str, int] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    witnesses: dict[str, list[str]] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    """Where each log's table of events lies, as far as the bundle has any."""
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check(bundle: Path, policy_text: str | None = None) -> Checked:
    """Check a bundle against a policy: one's own, or where none is given the bundle's, which then proves less.

    A bundle without a manifest is of the first kind, which has no tables of events. Raises BundleUnreadable.
    """
    policy, manifest = _policy(bundle, policy_text), _manifest(bundle)
    checked, entries = Checked(), list[books.Numbered]()
    for service in SERVICES:
        if manifest is not None and service in manifest.logs and (table := manifest.logs[service].table) is not None:
            checked.tables[service] = table
        checked.problems += _check_log(bundle, service, policy, checked, entries)
    checked.problems += _check_books(bundle, entries)
    checked.problems += _check_manifest(bundle, manifest, checked)
    return checked


def _manifest(bundle: Path) -> Manifest | None:
    try:
        return read_manifest(bundle)
    except (OSError, ManifestUnreadable) as error:
        raise BundleUnreadable(f"{bundle}: {error}") from error


def _check_manifest(bundle: Path, manifest: Manifest | None, checked: Checked) -> Iterator[str]:
    """It counts what the heads count, and no table lies there that it does not name: nobody would have checked it."""
    if manifest is not None and set(manifest.logs) != set(SERVICES):
        yield f"{NAME} names the logs {', '.join(sorted(manifest.logs))}"
    for service, log in {} if manifest is None else manifest.logs.items():
        if service in checked.sizes and (log.origin, log.events) != (checked.origins[service], checked.sizes[service]):
            yield f"{NAME}: {service} is said to be {log.events} events of {log.origin}, its head says otherwise"
    named = set(checked.tables.values())
    for name in _lying(bundle, TABLES):
        if name not in named:
            yield f"{name} is named by no manifest, and nothing in it was checked"


def _lying(bundle: Path, folder: str) -> Iterator[str]:
    """What lies there, but for what file managers leave behind under names that begin with a dot."""
    for path in sorted((bundle / folder).rglob("*")):
        if not path.name.startswith("."):
            yield path.relative_to(bundle).as_posix()


def _policy(bundle: Path, given: str | None) -> TrustPolicy:
    if given is None and not (bundle / "policy").exists():
        raise BundleUnreadable(f"{bundle} is no audit bundle, or not a whole one: it holds no policy")
    try:
        text = (bundle / "policy").read_text(encoding="utf-8") if given is None else given
        return read_trust_policy(text)
    except (OSError, UnicodeDecodeError, PolicyError) as error:
        raise BundleUnreadable(f"{bundle}: no policy that can be read: {error}") from error


def _check_log(
    bundle: Path, service: str, policy: TrustPolicy, checked: Checked, entries: list[books.Numbered]
) -> Iterator[str]:
    log = bundle / "logs" / service
    try:
        head = _head(log, service, policy, checked)
    except (OSError, NoteError, CheckpointError, ValueError) as error:
        yield f"{service}: its head cannot be believed: {_why(error)}"
        return
    try:
        earlier = EarlierHeads(log, service, head, policy.log_keys(head.origin))
    except (OSError, ValueError) as error:
        yield f"{service}: the head of an earlier origin cannot be read: {_why(error)}"
        return
    table = yield from _table(bundle, checked.tables.get(service), head.size)
    edge, off = PartialTiles(), list[str]()
    watching: tuple[Check, ...] = (Statements(), _Origins(head.origin), earlier)
    for first in range(0, head.size, TILE_WIDTH):
        path = log / entries_path(first // TILE_WIDTH, min(TILE_WIDTH, head.size - first))
        try:
            bodies = decode_entries(path.read_bytes())
        except (OSError, TileError) as error:
            yield f"{service}: events from {first + 1} on cannot be read: {_why(error)}"
            return
        leaves = [leaf_hash(body) for body in bodies]
        earlier.grow(edge, leaves)
        edge, full = edge.extend(leaves)
        yield from _check_tiles(log, service, [(TileRef(tile.level, tile.index), tile.hashes) for tile in full])
        yield from _check_events(service, bodies, first, entries, watching)
        if table is not None:
            off += table.hear(bodies, first)
    for each in watching:
        yield from each.end()
    if edge.size != head.size or edge.compact_range().root() != head.root:
        yield f"{service}: the events do not hash to the head of {head.size}"
    partial = [tile for tile in tiles_of(edge.size) if tile.width < TILE_WIDTH]
    yield from _check_tiles(log, service, [(tile, edge.tile(tile.level)) for tile in partial])
    # Last: where the events themselves are wrong, that is what is to be read first.
    yield from off
    if table is not None:
        yield from table.end()


def _why(error: Exception) -> str:
    """What is wrong with a file, without where it lay: a ZIP was unpacked to where nobody looks."""
    return error.strerror or "it cannot be read" if isinstance(error, OSError) else str(error)


def _table(bundle: Path, name: str | None, size: int) -> Generator[str, None, "TableCheck | None"]:
    """The table of a log, opened; None where there is none, or none that can be read, which is then said."""
    if name is None:
        return None
    from cli.bundle.tables import TableCheck, TableUnreadable  # loads pyarrow: nothing others should wait for

    try:
        return TableCheck(bundle / name, name, size)
    except TableUnreadable as error:
        yield str(error)
        return None


def _head(log: Path, service: str, policy: TrustPolicy, checked: Checked) -> Checkpoint:
    text = (log / "checkpoint").read_bytes().decode()
    origin = text.split("\n", 1)[0]
    keys = policy.log_keys(origin)
    if not keys or service_of(origin) != service:
        raise ValueError(f"the policy knows no log {origin[:100]!r} of {service}")
    witnesses = {witness.key: witness.name for witness in policy.witnesses}
    note = open_note(text, [*keys, *witnesses])
    if not any(one.key in keys for one in note.verified):
        raise ValueError("its log has not signed it")
    signed = [one.key for one in note.verified if one.key in witnesses]
    if not policy.satisfied(signed):
        raise ValueError(f"{len(signed)} witnesses signed it, the quorum {policy.quorum!r} is not met")
    head = Checkpoint.parse(note.text)
    checked.sizes[service], checked.origins[service] = head.size, head.origin
    checked.witnesses[service] = [witnesses[key] for key in signed]
    return head


def service_of(origin: str) -> str:
    """`orders` of `chaoyangli/orders` and of `chaoyangli/orders/2`; empty for what is no origin."""
    match = _ORIGIN.fullmatch(origin)
    return "" if match is None else match[1]


def _check_events(
    service: str, bodies: list[bytes], first: int, entries: list[books.Numbered], watching: Iterable[Check]
) -> Iterator[str]:
    for position, body in enumerate(bodies, first + 1):
        try:
            recorded = decode(body)
        except ContractError as error:
            yield f"{service}/{position}: not an event that this program knows: {error}"
            continue
        if (recorded.service, recorded.position) != (service, position):
            yield f"{service}/{position}: it says that it is {recorded.service}/{recorded.position}"
        if (name := _said_twice(body)) is not None:
            yield f"{service}/{position}: it says {name!r} twice, and programs differ in which of them they read"
        if service == "ledger" and isinstance(recorded.event, EntryPosted | EntryReversed):
            entries.append(books.Numbered(position, recorded.event))
        for each in watching:
            yield from each.hear(recorded)


def _said_twice(body: bytes) -> str | None:
    """A name that stands twice in one object, as far as some program tells names apart (Go's looks past the case)."""
    found: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> None:
        names: set[str] = set()
        for name, _ in pairs:
            if (folded := name.casefold()) in names:
                found.append(name)
            names.add(folded)

    json.loads(body, object_pairs_hook=members)
    return found[0] if found else None


class _Origins:
    """Every event is of the origin that LossAccepted began last, and the head is of the last one."""

    def __init__(self, signed: str) -> None:
        self._signed, self._generation = signed, 1

    def hear(self, recorded: Recorded) -> Iterator[str]:
        if recorded.type == "LossAccepted":
            self._generation += 1
        if recorded.generation != self._generation:
            yield f"{recorded.service}/{recorded.position}: of origin {recorded.generation}, not {self._generation}"

    def end(self) -> Iterator[str]:
        service, _, number = self._signed.partition("/")[2].partition("/")
        if int(number or 1) != self._generation:
            yield f"{service}: its head is signed as {self._signed}, its events say origin {self._generation}"


def _check_tiles(log: Path, service: str, expected: Sequence[tuple[TileRef, bytes]]) -> Iterator[str]:
    """Hash tiles are what the events hash to."""
    for tile, hashes in expected:
        if _bytes_of(log / tile.path) != hashes:
            yield f"{service}: {tile.path} is missing or holds other hashes ({tile.width} expected)"


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _check_books(bundle: Path, entries: list[books.Numbered]) -> Iterator[str]:
    """The entries are numbered without gaps and in balance, and the journals are what they come to."""
    for book in books.BOOKS:
        numbers = [one.entry.entry_no for one in entries if one.entry.book == book]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"the entries of {book} are not numbered 1 to {len(numbers)}"
    for one in entries:
        sums: dict[str, int] = {}
        for posting in one.entry.postings:
            sums[posting.unit] = sums.get(posting.unit, 0) + posting.amount
        if any(sums.values()):
            yield f"ledger/{one.position}: the entry sums to {sums}"
    made = {f"books/{name}": content.encode() for name, content in books.files(entries).items()}
    for name, content in made.items():
        if _bytes_of(bundle / name) != content:
            yield f"{name} is not what the ledger's entries come to"
    for name in _lying(bundle, "books"):
        if name not in made:
            yield f"{name} is none of the books, and nothing in it was checked"
