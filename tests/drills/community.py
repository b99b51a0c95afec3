"""A community whose ledger is about to be tampered with, and what was given out of it before.

Its ledger has 300 entries: one full tile of 256 hashes and 44 beside it. A head of 300 was signed, published and
cosigned by a witness; receipts, a bundle and a copy of the head were taken away. An old copy of the database has 200.
"""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

from cli.bundle.exporting import export
from cli.place import SERVICES, Place
from contracts.ledger import EntryPosted, Posting
from eventstore.checkpoint import Signer, create_key_file, load_key_file
from eventstore.config import LogConfig
from eventstore.durable import write_whole
from eventstore.log import Log
from eventstore.merkle import EMPTY_ROOT
from eventstore.model import Append, StreamAppend
from eventstore.note import format_note, parse_note
from eventstore.proofs import prove_consistency, prove_inclusion
from eventstore.tlog_proof import make_receipt
from servicekit.signing import sign
from tests.support.logs import BY_TEST, PASSWORDS, SECRET, migrated, opened
from tests.support.messaging import plain_client
from tests.support.replays import carry
from tests.support.servers import Database, TestNats, TestPostgres
from witness.cosigning import Answer, Cosigner, write_request
from witness.directory import WitnessDirectory

SERVICE = "ledger"
ORIGIN = "chaoyangli/ledger"
STREAM = "book-fund"
OLD, SIZE, MORE = 200, 300, 5
"""Entries in the old copy of the database, in the ledger, and those that come after the tampering."""
WITNESS = "witness.street.example/w1"
DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = int(DAY.timestamp())


def fen(number: int) -> int:
    """What entry `number` is about: no two the same, all of five digits."""
    return 10_000 + number


def entry(number: int, amount: int | None = None) -> EntryPosted:
    """The gift of entry `number`, which came over the bank."""
    total = fen(number) if amount is None else amount
    return EntryPosted(
        entry_id=UUID(int=number),
        book="fund",
        entry_no=number,
        kind="donation_received",
        effective_date=date(2026, 3, 2),
        postings=(
            Posting(account="assets:bank", fund="fund-relief", amount=total, unit="fen"),
            Posting(account="income:donations:restricted:study", fund="fund-relief", amount=-total, unit="fen"),
        ),
        posted_at=DAY + timedelta(minutes=number),
    )


async def post(log: Log, entries: Sequence[EntryPosted]) -> None:
    """Append entries to the fund's book."""
    size = (await log.head()).size
    await log.append(Append([StreamAppend(STREAM, size, entries)], BY_TEST))


@dataclass(frozen=True)
class Community:
    """Where it lives now, and what was taken away. `taken` is out of the tamperer's reach."""

    server: TestPostgres
    database: Database
    nats: TestNats
    directory: Path
    taken: Path

    @property
    def place(self) -> Place:
        return Place(
            community="chaoyangli",
            secrets_dir=self.directory / "secrets",
            state_dir=self.directory / "state",
            database_host=self.database.host,
            database_port=self.database.port,
            database_name=self.database.name,
            nats_url=self.nats.url,
            urls={},
        )

    @property
    def app(self) -> LogConfig:
        """The ledger as its service reaches it."""
        return replace(self.place.log_config(SERVICE), role="app", password=PASSWORDS.app, idempotency_secret=SECRET)

    @property
    def state(self) -> Path:
        return self.place.head_directory / SERVICE

    @property
    def signer(self) -> Signer:
        key = load_key_file(self.place.secrets_dir / f"{SERVICE}.signing_key")
        return Signer(ORIGIN, key, self.state / "head")

    @property
    def policy(self) -> str:
        """What somebody outside keeps: the logs' keys, and that the witness must have signed the ledger's heads."""
        return (self.taken / "policy").read_text(encoding="utf-8")

    @property
    def witness(self) -> WitnessDirectory:
        return WitnessDirectory(self.directory / "witness")

    def ask_witness(self, note: str, old_size: int, proof: Sequence[bytes]) -> Answer:
        """The witness's answer to a signed head that is said to extend the one of `old_size`."""
        return Cosigner(self.witness, lambda: NOW).add(write_request(old_size, proof, note))

    @contextmanager
    def copied(self, nats: TestNats, directory: Path, *, template: str | None = None) -> Iterator["Community"]:
        """The same community once more, to be tampered with; with `template`, on another copy of its database."""
        database = self.server.create_database(template=template or self.database.name)
        shutil.copytree(self.directory, directory)
        yield replace(self, database=database, nats=nats, directory=directory)
        self.server.drop_database(database.name)


@dataclass(frozen=True)
class Kept:
    """What the drills begin with: the community whole, and an old copy of its database."""

    community: Community
    old_copy: Database


def found(server: TestPostgres, nats: TestNats, directory: Path) -> Kept:
    """Make the community, let it live, and take away what people take away."""
    database = server.create_database()
    taken = directory / "taken"
    taken.mkdir(parents=True)
    community = Community(server, database, nats, directory / "community", taken)
    with asyncio.Runner() as runner:
        runner.run(_settle(community))
        runner.run(_live(community, 0, OLD))
        old_copy = server.create_database(template=database.name)
        runner.run(_live(community, OLD, SIZE))
        runner.run(_give_out(community))
    return Kept(community, old_copy)


async def _settle(community: Community) -> None:
    place = community.place
    place.secrets_dir.mkdir(parents=True)
    witness = WitnessDirectory.create(community.directory / "witness", WITNESS)
    lines = []
    for service in SERVICES:
        await migrated(community.database, service)
        (place.secrets_dir / f"{service}_auditor.password").write_text(PASSWORDS.auditor)
        key = create_key_file(place.secrets_dir / f"{service}.signing_key")
        (place.head_directory / service).mkdir(parents=True)
        signer = Signer(f"chaoyangli/{service}", key, place.head_directory / service / "head")
        empty = signer.sign(0, EMPTY_ROOT, lambda *_: ())
        witness.trust(signer.verifier_key)
        lines.append(f"log {signer.verifier_key}")
        answer = Cosigner(witness, lambda: NOW).add(write_request(0, (), empty))
        publish_head(place.head_directory / service, empty, answer)
    lines += [f"witness street {witness.verifier_key}", "quorum street"]
    (community.taken / "policy").write_text("\n".join(lines) + "\n", encoding="utf-8")


def publish_head(state: Path, note: str, answer: Answer | None = None) -> None:
    """Publish a signed head, with the witness's cosignature when it gave one."""
    if answer is not None:
        assert answer.status == 200, answer.body
        note += answer.body
    parsed = parse_note(note)
    write_whole(state / "published", format_note(parsed.text, parsed.signatures).encode())


async def _live(community: Community, before: int, size: int) -> None:
    """Entries, a head signed, cosigned and published, the stream carried on."""
    async with opened(community.app) as log:
        await post(log, [entry(number) for number in range(before + 1, size + 1)])
        note = await sign(community.signer, log)
        proof = await prove_consistency(log.pool, SERVICE, before, size) if before else ()
        publish_head(community.state, note, community.ask_witness(note, before, proof))
        async with plain_client(community.nats) as client:
            await carry(log, client, before)


async def _give_out(community: Community) -> None:
    """A receipt of every entry, a bundle, a copy of the head."""
    published = (community.state / "published").read_text(encoding="utf-8")
    shutil.copy(community.state / "head", community.taken / "checkpoint")
    connection = await community.place.connect(SERVICE)
    try:
        for position, body in await connection.fetch("SELECT position, body FROM ledger.events"):
            receipt = make_receipt(position, await prove_inclusion(connection, SERVICE, position, SIZE), published)
            (community.taken / f"{position}.entry").write_bytes(body)
            (community.taken / f"{position}.tlog-proof").write_text(str(receipt), encoding="utf-8")
    finally:
        await connection.close()
    await export(community.place, community.policy, community.taken / "bundle", lambda *_: None)
