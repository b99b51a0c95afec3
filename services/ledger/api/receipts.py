"""账本存证回执 over HTTP: what a donor takes home, once the published head reaches the gift's entry."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import PlainTextResponse, Response

from contracts.command import Refused
from eventstore.proofs import prove_inclusion, prove_inclusions
from eventstore.tlog_proof import TlogProof, make_receipt
from eventstore.vault import Opening
from servicekit.definition import Runtime
from servicekit.http import Caller, Reading
from services.ledger import access
from services.ledger.api.donations import NAME, PUBLIC_NAME
from services.ledger.api.head import Head, published_head
from services.ledger.api.shared import Running
from services.ledger.paper.gathering import fund_book, gift_at
from services.ledger.paper.gift import Setting, print_gift
from services.ledger.paper.gift_use import print_use, use_files, use_of, zipped
from services.ledger.policy import fund_url, host_charity
from services.ledger.read_models import queries

router = APIRouter(prefix="/v1", tags=["receipts"])
Named = Annotated[bool, Query(description="Print the donor's name: only if they ask for it.")]


@router.get("/donations/{donation_id}/ledger-receipt.pdf", response_class=Response)
async def print_ledger_receipt(donation_id: UUID, caller: Reading, runtime: Running, name: Named = False) -> Response:
    """The receipt as a PDF that carries its own proof. It names nobody unless `name` asks for it."""
    row, head = await _gift_row(donation_id, caller, runtime)
    shown = await _donor(runtime, row) if name else None
    if name and shown is None:
        if row["donor_commitment"] is None:
            raise Refused("donor_unnamed")
        raise Refused("donor_erased")
    # Whose paper bears the name anyway may bear the salt; on another it would let others try names.
    proof = await _proof(runtime, row, head, None if shown is None else shown.salt)
    gift = await gift_at(runtime.log.pool, runtime.log.config.schema, row["entry_position"])
    named = None if shown is None else shown.value
    pdf = await asyncio.to_thread(print_gift, gift, proof, head.witnesses, _setting(runtime), named)
    return _file(pdf, f"fund-{row['entry_no']}.pdf", "application/pdf", "inline")


def _file(content: bytes, name: str, media_type: str, how: str) -> Response:
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'{how}; filename="{name}"'})


@router.get("/donations/{donation_id}/ledger-receipt.tlog-proof", response_class=PlainTextResponse)
async def read_ledger_receipt(donation_id: UUID, caller: Reading, runtime: Running) -> Response:
    """The receipt's proof. Its `extra` is the salt under which the entry commits to the donor's name, if it does."""
    row, head = await _gift_row(donation_id, caller, runtime)
    donor = await _donor(runtime, row)
    return PlainTextResponse(str(await _proof(runtime, row, head, None if donor is None else donor.salt)))


@router.get("/donations/{donation_id}/ledger-receipt.entry", response_class=Response)
async def read_receipted_entry(donation_id: UUID, caller: Reading, runtime: Running) -> Response:
    """The exact bytes of the entry that took the gift in."""
    row, _ = await _gift_row(donation_id, caller, runtime)
    (recorded,) = await runtime.log.read_raw(row["entry_position"] - 1, 1)
    return Response(recorded.body, media_type="application/json")


@router.get("/donations/{donation_id}/where-it-went.pdf", response_class=Response)
async def print_where_it_went(donation_id: UUID, caller: Reading, runtime: Running) -> Response:
    """What the money that the gift was put among was spent on since, as a paper (慈善法 §42)."""
    row, head = await _gift_row(donation_id, caller, runtime)
    entries = await fund_book(runtime.log.pool, runtime.log.config.schema, head.size)
    use = use_of(row["entry_no"], entries)
    pdf = await asyncio.to_thread(print_use, use, head.note, _setting(runtime))
    return _file(pdf, f"where-fund-{row['entry_no']}-went.pdf", "application/pdf", "inline")


@router.get("/donations/{donation_id}/where-it-went.zip", response_class=Response)
async def take_where_it_went(donation_id: UUID, caller: Reading, runtime: Running) -> Response:
    """The same with every entry of the fund's book and its proof to one head, for `verify-receipt`."""
    row, head = await _gift_row(donation_id, caller, runtime)
    log = runtime.log
    entries = await fund_book(log.pool, log.config.schema, head.size)
    positions = [position for position, _, _ in entries]
    proofs = await prove_inclusions(log.pool, log.config.schema, positions, head.size)
    use = use_of(row["entry_no"], entries)
    content = await asyncio.to_thread(lambda: zipped(use_files(use, entries, proofs, head.note, _setting(runtime))))
    return _file(content, f"where-fund-{row['entry_no']}-went.zip", "application/zip", "attachment")


async def _gift_row(donation_id: UUID, caller: Caller, runtime: Runtime) -> tuple[queries.Row, Head]:
    """A gift whose entry is published. Raises Refused."""
    async with runtime.log.queries() as connection:
        row = await queries.donation(connection, donation_id)
        donor = None if row is None else await runtime.vault.owner_of(row["donor_ref"])
        relations = frozenset[str]()
        if donor is not None:
            relations = await queries.relations_to(connection, caller.actor_id, donor, runtime.clock.now())
    caller.by(access.TAKE_RECEIPT, relations)
    if row is None:
        raise Refused("donation_unknown")
    if row["entry_position"] is None:
        raise Refused("not_received")
    head = await published_head(runtime)
    if head is None or row["entry_position"] > head.size:
        raise Refused("receipt_not_yet")
    return row, head


async def _donor(runtime: Runtime, row: queries.Row) -> Opening | None:
    """The donor's name and its salt; None for who gave no name, or was erased."""
    if row["donor_commitment"] is None:
        return None
    opened = await runtime.vault.openings(row["donor_ref"])
    return opened.get(NAME) if PUBLIC_NAME in opened else None


async def _proof(runtime: Runtime, row: queries.Row, head: Head, salt: bytes | None) -> TlogProof:
    position: int = row["entry_position"]
    hashes = await prove_inclusion(runtime.log.pool, runtime.log.config.schema, position, head.size)
    return make_receipt(position, hashes, head.note, salt)


def _setting(runtime: Runtime) -> Setting:
    return Setting(runtime.settings.community, str(runtime.signer.verifier_key), host_charity(), fund_url())
