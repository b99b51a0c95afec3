"""The engine without the rest: a lending library that keeps its own log, counts its loans, and proves one of them.

    python examples/engine.py postgresql://postgres:secret@127.0.0.1:5432/library

The superuser's address is needed once, to make schemas and roles; the library itself may only append and read.
"""

import asyncio
import secrets
import sys
from urllib.parse import unquote, urlsplit
from uuid import UUID

import sqlalchemy as sa

from contracts.envelope import Recorded
from contracts.event import Event
from contracts.ids import uuid7
from eventstore.config import LogConfig
from eventstore.log import Log
from eventstore.merkle import leaf_hash, verify_inclusion
from eventstore.migrate import RolePasswords, migrate
from eventstore.model import Append, Call, Metadata, StreamAppend
from eventstore.proofs import prove_inclusion
from eventstore.read_model import ReadModel
from eventstore.rows import Rows


class BookLent(Event, service="library", audience="internal"):
    """借书 — somebody took a book home."""

    book_id: UUID
    reader_id: UUID


class Loans(ReadModel):
    """How often each book was lent."""

    source, version, metadata = "library", 1, sa.MetaData()
    table = sa.Table("loans", metadata, sa.Column("book_id", sa.Uuid, primary_key=True), sa.Column("times", sa.Integer))

    def apply(self, recorded: Recorded, rows: Rows) -> None:
        if not isinstance(recorded.event, BookLent):
            return
        if recorded.version == 1:
            rows.insert(self.table, book_id=recorded.event.book_id, times=0)
        rows.add(self.table, recorded.event.book_id, times=1)


async def main(address: str) -> None:
    at = urlsplit(address)
    passwords = RolePasswords(*(secrets.token_hex(16) for _ in range(3)))
    await migrate(address, "library", passwords, [Loans()])
    config = LogConfig(
        service="library",
        community="sample",
        host=at.hostname or "",
        port=at.port or 5432,
        database=unquote(at.path[1:]),
        password=passwords.app,
        idempotency_secret=secrets.token_bytes(32),
    )
    log = await Log.open(config, [Loans()])
    try:
        await lend_and_prove(log)
    finally:
        await log.close()


async def lend_and_prove(log: Log) -> None:
    book, reader = uuid7(), uuid7()
    lending = StreamAppend(f"book-{book}", 0, [BookLent(book_id=book, reader_id=reader)])
    call = Call(scope=f"{reader}:LendBook", key="the-reader-pressed-twice", body=b"{}")
    committed = await log.append(Append([lending], Metadata(actor=str(reader)), call))
    again = await log.append(Append([lending], Metadata(actor=str(reader)), call))
    print("recorded at", committed.first_position, "and, asked again, at", again.first_position)

    async with log.queries() as connection:
        print("lent", await connection.scalar(sa.select(Loans.table.c.times).filter_by(book_id=book)), "time")

    (recorded,) = await log.read(after=committed.first_position - 1, limit=1)
    head = await log.head()
    proof = await prove_inclusion(log.pool, "library", recorded.position, head.size)
    verify_inclusion(recorded.position - 1, head.size, leaf_hash(recorded.body), proof, head.root)
    print("proved with", len(proof), "hashes that event", recorded.position, "is in the log of", head.size)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
