"""A bundle put together by hand: four small logs, signed, in the layout that `audit export` writes."""

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cli.bundle import books
from cli.bundle.exporting import tiles_of
from cli.bundle.manifest import KIND, NAME, BundledLogFiles, Manifest, table_of
from cli.bundle.tables import table_writer
from contracts.envelope import decode
from contracts.ledger import EntryPosted, EntryReversed
from eventstore.compact_range import PartialTiles
from eventstore.merkle import leaf_hash, root_hash
from eventstore.note import VerifierKey, format_note, sign
from eventstore.tiles import TILE_WIDTH, encode_entries, entries_path
from tests.cli.audit.histories import EXAMPLES, SERVICES
from tests.cli.audit.stories import good

KEYS = {
    service: Ed25519PrivateKey.from_private_bytes(bytes([number + 1] * 32))
    for number, service in enumerate((*SERVICES, "notify"))
}
MONEY = {
    "postings": [
        {"account": "assets:bank", "fund": "fund-relief", "amount": 12_345, "unit": "fen"},
        {"account": "income:donations:restricted:study", "fund": "fund-relief", "amount": -12_345, "unit": "fen"},
    ]
}


def origin(service: str) -> str:
    return f"community/{service}"


def policy(origins: Mapping[str, str] | None = None) -> str:
    names = origins or {service: origin(service) for service in KEYS}
    keys = "".join(f"log {VerifierKey.of(names[service], key)}\n" for service, key in KEYS.items())
    return f"{keys}quorum none\n"


def bodies() -> dict[str, list[bytes]]:
    """The logs, the entries of the ledger numbered as a book is."""
    history = good()
    numbers = {"hours": 0, "fund": 0}
    history.say("ledger", "EntryPosted", "book-fund", None, book="fund", hours=None, source_event_id=None, **MONEY)
    for said in history.said:
        if said.service == "ledger":
            numbers[said.data["book"]] += 1
            said.data["entry_no"] = numbers[said.data["book"]]
            if said.data["book"] == "hours":
                _minutes(said.data, -10 if said.type == "EntryReversed" else 10)
    found: dict[str, list[bytes]] = {service: [] for service in KEYS}
    for recorded in history.recorded():
        found[recorded.service].append(recorded.body)
    example = next((EXAMPLES / "notify").glob("*.json")).read_bytes()
    position = decode(example).position
    found["notify"] = [example.replace(f'"position":{position},'.encode(), b'"position":1,')]
    return found


def _minutes(entry: dict[str, object], minutes: int) -> None:
    entry["postings"] = [
        {"account": "volunteer:v1:minutes", "amount": minutes, "unit": "minutes"},
        {"account": "community:service_minutes", "amount": -minutes, "unit": "minutes"},
    ]


def write(target: Path, logs: dict[str, list[bytes]], origins: Mapping[str, str] | None = None) -> Path:
    """The bundle of these logs, each under its origin."""
    names = origins or {service: origin(service) for service in logs}
    entries: list[books.Numbered] = []
    for service, log in logs.items():
        here = target / "logs" / service
        leaves = [leaf_hash(body) for body in log]
        head = f"{names[service]}\n{len(log)}\n{b64encode(root_hash(leaves)).decode()}\n"
        put(here / "checkpoint", format_note(head, [sign(head, names[service], KEYS[service])]).encode())
        for first in range(0, len(log), TILE_WIDTH):
            part = log[first : first + TILE_WIDTH]
            put(here / entries_path(first // TILE_WIDTH, len(part)), encode_entries(part))
        edge, full = PartialTiles().extend(leaves)
        hashes = {(tile.level, tile.index): tile.hashes for tile in full}
        for tile in tiles_of(len(log)):
            put(here / tile.path, hashes.get((tile.level, tile.index)) or edge.tile(tile.level))
        table(target, service, log)
        if service == "ledger":
            entries = numbered(log)
    files = {
        service: BundledLogFiles(origin=names[service], events=len(log), table=table_of(service))
        for service, log in logs.items()
    }
    put(target / NAME, Manifest(kind=KIND, logs=files).to_bytes())
    put(target / "policy", policy(origins).encode())
    for name, content in books.files(entries).items():
        put(target / "books" / name, content.encode())
    return target


def table(target: Path, service: str, log: list[bytes]) -> None:
    """The log's table, whatever events it is made of."""
    with table_writer(target / table_of(service)) as rows:
        for first in range(0, len(log), TILE_WIDTH):
            rows.add(log[first : first + TILE_WIDTH])


def numbered(log: list[bytes]) -> list[books.Numbered]:
    found = []
    for position, body in enumerate(log, 1):
        event = decode(body).event
        if isinstance(event, EntryPosted | EntryReversed):
            found.append(books.Numbered(position, event))
    return found


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
