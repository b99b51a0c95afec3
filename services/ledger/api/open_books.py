"""The fund's open books: static pages and files that anybody reads without signing in, and checks without trusting us.

Of the ledger's log only the fund's entries are here, as the exact bytes that were hashed, each with its way to the
published head. The hours' entries would publish everybody's days for ever; auditors get them as tiles (`published`).
An entry's bytes and a full page of entries never change once they are there, so they can be copied to any static host.
"""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from eventstore.proofs import prove_inclusion
from eventstore.tlog_proof import make_receipt
from servicekit.definition import Runtime
from servicekit.http import not_found
from services.ledger.api.head import Head, published_head
from services.ledger.api.open_shared import (
    A_WHILE,
    FOR_EVER,
    TEMPLATES,
    page_file,
    public_words,
    yuan,
)
from services.ledger.api.shared import Running, as_json
from services.ledger.chart_of_accounts import chart
from services.ledger.paper.kinds import KINDS
from services.ledger.policy import host_charity
from services.ledger.read_models import bank_queries
from services.ledger.read_models import open_books as books
from services.ledger.read_models.open_books import Line

router = APIRouter(prefix="/fund", tags=["open books"])

SHOWN = 50
"""So many entries stand on the page; all are in entries.json and its pages."""
PAGE_ENTRIES = 256
"""So many entries are in a full page, which never changes, like the full tiles of a log (C2SP tlog-tiles)."""
NOTHING_YET = "基金的账还没有公布：服务启动后一分钟内公布第一个检查点。"
_FILES = {"style.css": "text/css", "check-receipt.mjs": "text/javascript", "page.mjs": "text/javascript"}
_VENDOR = ("noble-ed25519.js", "sha2.js", "_md.js", "_u64.js", "utils.js")
Number = Annotated[int, Path(ge=1, le=2**53)]


@router.get("", response_class=RedirectResponse, include_in_schema=False)
async def read_fund() -> Response:
    """What the page names beside itself is found from `/fund/`."""
    return RedirectResponse("/fund/", status_code=308)


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def read_fund_page(runtime: Running, before: Annotated[int, Query(ge=2, le=2**53)] = 2**53) -> Response:
    """The fund's balances and its latest entries, or those `before` a number: in plain Chinese, without a script."""
    head = await published_head(runtime)
    if head is None:
        return HTMLResponse(NOTHING_YET, headers=A_WHILE)
    async with runtime.log.queries() as connection:
        totals = await books.totals(connection, head.size)
        last_no = min(await books.count(connection, head.size), before - 1)
        lines = list(reversed(await books.lines(connection, last_no - SHOWN + 1, last_no)))
        reconciled = await bank_queries.last_reconciled(connection, head.size)
    words = await public_words(runtime, [line.explanation_ref for line in lines])
    funds = [
        {"name": fund.name, **{name: yuan(value) for name, value in totals.of(fund.code).items()}}
        for fund in chart().funds
    ]
    page = TEMPLATES.get_template("fund.html").render(
        community=runtime.settings.community,
        size=head.size,
        funds=funds,
        entries=[_shown(line, words) for line in lines],
        before=last_no - SHOWN + 1,
        witnesses=head.witnesses,
        losses=runtime.losses,
        vkey=str(runtime.signer.verifier_key),
        host=host_charity(),
        bank={
            "words": bank_words(None if reconciled is None else reconciled["reconciled"]),
            "found": reconciled is not None,
        },
    )
    return HTMLResponse(page, headers=A_WHILE)


def bank_words(found: Mapping[str, Any] | None) -> str:
    """What the last reconciliation found, in one Chinese sentence (会计法 §17)."""
    if found is None:
        return "银行对账：还没有对过账。"
    asked, explained = found["unexplained"], found["open_lines"] + found["open_entries"] - found["unexplained"]
    parts = [f"{asked} 笔待查"] if asked else []
    if explained:
        parts.append(f"{explained} 笔已说明原因")
    if found["difference_fen"]:
        parts.append(f"账面和银行还差 {yuan(found['difference_fen'])} 元")
    return f"银行对账：至 {found['until_on']}，{'，'.join(parts) or '全部相符'}。"


@router.get("/bank.json")
async def read_open_reconciliation(runtime: Running) -> JSONResponse:
    """What the last reconciliation found, up to the published head: figures and open items; null: none yet."""
    head = await published_head(runtime)
    if head is None:
        raise not_found(origin=runtime.signer.origin)
    async with runtime.log.queries() as connection:
        row = await bank_queries.last_reconciled(connection, head.size)
    found = None if row is None else {"position": row["reconciled_position"], **row["reconciled"]}
    answer = as_json({"origin": runtime.signer.origin, "size": head.size, "reconciled": found})
    answer.headers.update(A_WHILE)
    return answer


def _shown(line: Line, words: Mapping[UUID, str]) -> dict[str, Any]:
    return {
        "no": line.entry_no,
        "day": line.effective_date.isoformat(),
        "what": KINDS.get(line.kind, line.kind),
        "money": yuan(line.money_fen),
        "explanation": words.get(line.explanation_ref) if line.explanation_ref is not None else None,
    }


@router.get("/entries.json")
async def read_open_entries(runtime: Running) -> JSONResponse:
    """How many entries of the fund's book the published head reaches, and those after the last full page, with words.

    `full_pages` of `page_entries` entries each lie at `entries/pages/<number>.json`, counted from 1.
    """
    head = await published_head(runtime)
    if head is None:
        raise not_found(origin=runtime.signer.origin)
    async with runtime.log.queries() as connection:
        count = await books.count(connection, head.size)
        full_pages = count // PAGE_ENTRIES
        lines = await books.lines(connection, full_pages * PAGE_ENTRIES + 1, count)
    words = await public_words(runtime, [line.explanation_ref for line in lines])
    entries = [
        {**_listed(line), "explanation": words.get(line.explanation_ref) if line.explanation_ref is not None else None}
        for line in lines
    ]
    answer = as_json(
        {
            "origin": runtime.signer.origin,
            "size": head.size,
            "count": count,
            "page_entries": PAGE_ENTRIES,
            "full_pages": full_pages,
            "entries": entries,
        }
    )
    answer.headers.update(A_WHILE)
    return answer


def _listed(line: Line) -> dict[str, Any]:
    """What of an entry never changes, and what its bytes say of it."""
    return {
        "entry_no": line.entry_no,
        "position": line.position,
        "entry_id": line.entry_id,
        "kind": line.kind,
        "effective_date": line.effective_date,
        "money_fen": line.money_fen,
        "reverses_no": line.reverses_no,
        "explained": line.explanation_ref is not None,
    }


@router.get("/entries/pages/{page_no}.json")
async def read_open_page(page_no: Number, runtime: Running) -> JSONResponse:
    """A full page of entries, which never changes; the words of corrections lie beside it, for they can be erased."""
    head = await published_head(runtime)
    async with runtime.log.queries() as connection:
        count = 0 if head is None else await books.count(connection, head.size)
        if page_no * PAGE_ENTRIES > count:
            raise not_found(page_no=page_no)
        lines = await books.lines(connection, (page_no - 1) * PAGE_ENTRIES + 1, page_no * PAGE_ENTRIES)
    page = {"origin": runtime.signer.origin, "page": page_no, "entries": [_listed(line) for line in lines]}
    answer = as_json(page)
    answer.headers.update(FOR_EVER)
    return answer


@router.get("/entries/{entry_no}.explanation.json")
async def read_open_explanation(entry_no: Number, runtime: Running) -> JSONResponse:
    """The public words of a correction; nothing where the entry corrects nothing, or its words were erased."""
    await _position(runtime, entry_no)
    async with runtime.log.queries() as connection:
        lines = await books.lines(connection, entry_no, entry_no)
    words = await public_words(runtime, [line.explanation_ref for line in lines])
    answer = as_json({"entry_no": entry_no, "explanation": next(iter(words.values()), None)})
    answer.headers.update(A_WHILE)
    return answer


async def _position(runtime: Runtime, entry_no: int) -> tuple[int, Head]:
    """Where an entry stands, if the published head reaches it. Raises 404 otherwise."""
    head = await published_head(runtime)
    async with runtime.log.queries() as connection:
        position = await books.position_of(connection, entry_no)
    if head is None or position is None or position > head.size:
        raise not_found(entry_no=entry_no)
    return position, head


@router.get("/entries/{entry_no}.json", response_class=Response)
async def read_open_entry(entry_no: Number, runtime: Running) -> Response:
    """An entry's exact bytes: what was hashed, stored and published."""
    position, _ = await _position(runtime, entry_no)
    (recorded,) = await runtime.log.read(position - 1, 1)
    return Response(recorded.body, media_type="application/json", headers=FOR_EVER)


@router.get("/entries/{entry_no}.tlog-proof", response_class=PlainTextResponse)
async def read_open_receipt(entry_no: Number, runtime: Running) -> Response:
    """The entry's way to the published head, which comes with it (C2SP tlog-proof)."""
    position, head = await _position(runtime, entry_no)
    hashes = await prove_inclusion(runtime.log.pool, runtime.log.config.schema, position, head.size)
    return PlainTextResponse(str(make_receipt(position, hashes, head.note)), headers=A_WHILE)


@router.get("/check", response_class=HTMLResponse, include_in_schema=False)
async def read_check_page(runtime: Running) -> Response:
    """The page that checks a receipt in the reader's own browser."""
    page = TEMPLATES.get_template("check.html").render(
        community=runtime.settings.community, vkey=str(runtime.signer.verifier_key)
    )
    return HTMLResponse(page, headers=A_WHILE)


@router.get("/{name}", response_class=Response, include_in_schema=False)
async def readpage_file(name: str) -> Response:
    """The pages' style and scripts."""
    if name not in _FILES:
        raise not_found(path=name[:80])
    return Response(page_file(name), media_type=_FILES[name], headers=A_WHILE)


@router.get("/vendor/{name}", response_class=Response, include_in_schema=False)
async def read_vendored_file(name: str) -> Response:
    """The library that checks signatures where the browser has none."""
    if name not in _VENDOR:
        raise not_found(path=name[:80])
    return Response(page_file("vendor", name), media_type="text/javascript", headers=A_WHILE)
