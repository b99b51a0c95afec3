"""The fund's published statements, for everybody: the exact bytes whose SHA-256 the log holds, a table, a page.

`statements/<period>.r<revision>.json` never changes once it is there; neither does the event that published it. What
is corrected stays, with the words of its correction beside it.
"""

import csv
import io
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from contracts.envelope import Recorded
from contracts.ledger import FundStatement, FundStatementPublished, Statement, StatementLine, canonical
from eventstore.proofs import prove_inclusion
from eventstore.tlog_proof import make_receipt
from servicekit.definition import Runtime
from servicekit.http import not_found
from services.ledger.api.head import Head, published_head
from services.ledger.api.open_shared import (
    A_WHILE,
    FOR_EVER,
    TEMPLATES,
    public_words,
    yuan,
)
from services.ledger.api.shared import Running, as_json
from services.ledger.chart_of_accounts import chart
from services.ledger.policy import host_charity
from services.ledger.read_models import statement_queries as queries
from services.ledger.read_models.queries import Row

router = APIRouter(prefix="/fund", tags=["open books"])

Name = Annotated[str, Path(max_length=60)]
KINDS = {"month": "月报", "quarter": "季报", "year": "年报", "campaign": "募捐活动", "interim": "阶段公示"}
REASONS = {"entry_reversed": "有分录后来被冲销", "late_entry": "有分录后来补记", "computed_wrongly": "计算有误"}
CATEGORIES = {
    "donations": "捐款",
    "market": "集市义卖",
    "in_kind_sales": "变卖物资",
    "aid": "救助",
    "in_kind": "收到物资",
    "in_kind:aid": "发放物资",
    "in_kind:sold": "变卖物资",
    "in_kind:written_off": "核销物资",
}
"""What a category is called; another is shown as it is written."""
_COLUMNS = (
    "慈善组织", "备案编号", "基金", "开始日期", "结束日期", "收支", "类别", "用途", "金额（元）", "其中限定（元）",
    "户次",
)  # fmt: skip
_BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheets take Chinese for something else."""


def name_of(row: Row) -> str:
    """The file name of a statement, without its ending."""
    return f"{row['period']}.r{row['revision']}"


@router.get("/statements", response_class=RedirectResponse, include_in_schema=False)
async def read_statements_below() -> Response:
    """What the page names beside itself is found from `/fund/statements/`."""
    return RedirectResponse("/fund/statements/", status_code=308)


async def _listed(runtime: Runtime) -> tuple[list[dict[str, Any]], Head | None]:
    """Every statement that the published head reaches, with the words of its correction."""
    head = await published_head(runtime)
    if head is None:
        return [], None
    async with runtime.log.queries() as connection:
        rows = await queries.published(connection, head.size)
    words = await public_words(runtime, [row["explanation_ref"] for row in rows])
    return [dict(row) | {"name": name_of(row), "explanation": _of(row, words)} for row in rows], head


def _of(row: Row, words: dict[UUID, str]) -> str | None:
    return words.get(row["explanation_ref"]) if row["explanation_ref"] is not None else None


@router.get("/statements.json")
async def read_open_statements(runtime: Running) -> JSONResponse:
    """Every published statement: its span, its file's SHA-256, the signed head it was computed at, its correction."""
    rows, head = await _listed(runtime)
    if head is None:
        raise not_found(origin=runtime.signer.origin)
    shown = (
        "name", "period", "revision", "kind", "first_day", "last_day", "statement_id", "statement_sha256", "log_size",
        "log_root", "position", "published_at", "corrected_at", "reason_code", "explanation",
    )  # fmt: skip
    statements = [{name: row[name] for name in shown} for row in rows]
    answer = as_json({"origin": runtime.signer.origin, "size": head.size, "statements": statements})
    answer.headers.update(A_WHILE)
    return answer


@router.get("/statements/", response_class=HTMLResponse, include_in_schema=False)
async def read_statements_page(runtime: Running) -> Response:
    """All statements, the newest first."""
    rows, _ = await _listed(runtime)
    shown = [
        {**row, "kind": KINDS[row["kind"]], "day": row["published_at"].date().isoformat(), "title": _title(row)}
        for row in rows
    ]
    page = TEMPLATES.get_template("statements.html").render(
        community=runtime.settings.community, statements=shown, reasons=REASONS
    )
    return HTMLResponse(page, headers=A_WHILE)


def _title(row: Any) -> str:
    first, last, kind = row["first_day"], row["last_day"], row["kind"]
    name = {
        "month": f"{first.year}年{first.month}月",
        "quarter": f"{first.year}年第{first.month // 3 + 1}季度",
        "year": f"{first.year}年",
    }.get(kind)
    return name or f"{first.year}年{first.month}月{first.day}日至{last.year}年{last.month}月{last.day}日"


async def _found(runtime: Runtime, name: str) -> tuple[dict[str, Any], Recorded, FundStatementPublished, Head]:
    """A statement by its file name, as it was recorded. Raises 404."""
    rows, head = await _listed(runtime)
    for row in rows:
        if row["name"] == name and head is not None:
            (recorded,) = await runtime.log.read(row["position"] - 1, 1)
            assert isinstance(recorded.event, FundStatementPublished)
            return row, recorded, recorded.event, head
    raise not_found(statement=name)


@router.get("/statements/{name}.event.json", response_class=Response)
async def read_statement_event(name: Name, runtime: Running) -> Response:
    """The exact bytes of the event that published it."""
    _, recorded, _, _ = await _found(runtime, name)
    return Response(recorded.body, media_type="application/json", headers=FOR_EVER)


@router.get("/statements/{name}.json", response_class=Response)
async def read_statement_file(name: Name, runtime: Running) -> Response:
    """The statement, in the bytes whose SHA-256 the log holds (RFC 8785)."""
    _, _, event, _ = await _found(runtime, name)
    return Response(canonical(event.statement), media_type="application/json", headers=FOR_EVER)


@router.get("/statements/{name}.tlog-proof", response_class=PlainTextResponse)
async def read_statement_receipt(name: Name, runtime: Running) -> Response:
    """The publishing event's way to the published head (C2SP tlog-proof)."""
    _, recorded, _, head = await _found(runtime, name)
    hashes = await prove_inclusion(runtime.log.pool, runtime.log.config.schema, recorded.position, head.size)
    return PlainTextResponse(str(make_receipt(recorded.position, hashes, head.note)), headers=A_WHILE)


@router.get("/statements/{name}.csv", response_class=Response)
async def read_statement_table(name: Name, runtime: Running) -> Response:
    """The statement as a table for spreadsheets, a line for each category."""
    _, _, event, _ = await _found(runtime, name)
    text = _BYTE_ORDER_MARK + table(event.statement)
    return Response(text.encode(), media_type="text/csv; charset=utf-8", headers=FOR_EVER)


def table(statement: Statement) -> str:
    """The lines of the CSV: opening, income, spending, closing of each fund; things given apart."""
    host = host_charity()
    charity = ("", "") if host is None else (host.name, host.filing_no)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS)
    days = (statement.first_day.isoformat(), statement.last_day.isoformat())
    for fund in statement.funds:
        known = chart().fund(fund.fund)
        for cells in _rows(fund, purpose_name(statement)):
            writer.writerow((*charity, known.name, *days, *cells))
    return out.getvalue()


def purpose_name(statement: Statement) -> str:
    """What a campaign was for, where its statement tells of that alone."""
    if statement.purpose is None:
        return ""
    return next(one.name for one in chart().fund(statement.funds[0].fund).purposes if one.code == statement.purpose)


def _rows(fund: FundStatement, purpose: str) -> list[tuple[str, ...]]:
    """Side, category, purpose, money, how much of it restricted, recipients."""

    def total(side: str, amount_fen: int, restricted_fen: int = 0) -> tuple[str, ...]:
        return (side, "", purpose, _plain(amount_fen), _plain(restricted_fen), "")

    def lines(side: str, found: tuple[StatementLine, ...]) -> list[tuple[str, ...]]:
        return [
            (
                side,
                category(line),
                purposes(fund.fund, line),
                _plain(line.amount_fen),
                _plain(line.restricted_fen),
                "" if line.recipients is None else str(line.recipients),
            )
            for line in found
        ]

    return [
        total("期初结余", fund.opening_fen, fund.opening_restricted_fen),
        *lines("收入", fund.income),
        *lines("支出", fund.spending),
        total("期末结余", fund.closing_fen, fund.closing_restricted_fen),
        total("其中已批准未发放", fund.held_fen),
        total("期初物资", fund.goods_opening_fen),
        *lines("物资收入", fund.goods_income),
        *lines("物资支出", fund.goods_spending),
        total("期末物资", fund.goods_closing_fen),
    ]


def _plain(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def category(line: StatementLine) -> str:
    """What a line's category is called."""
    return CATEGORIES.get(line.category, line.category)


def purposes(fund: str, line: StatementLine) -> str:
    """What a line was for, by the names of the fund's purposes."""
    names = {purpose.code: purpose.name for purpose in chart().fund(fund).purposes}
    return "、".join(names.get(code, code) for code in line.purposes)


@router.get("/statements/{name}", response_class=HTMLResponse, include_in_schema=False)
async def read_statement_page(name: Name, runtime: Running) -> Response:
    """The statement in plain Chinese, without a script."""
    row, _, event, _ = await _found(runtime, name)
    rows, _ = await _listed(runtime)
    before = [one for one in rows if (one["period"], one["revision"] + 1) == (row["period"], row["revision"])]
    statement, year = event.statement, event.statement.year
    page = TEMPLATES.get_template("statement.html").render(
        community=runtime.settings.community,
        name=name,
        kind=KINDS[statement.kind],
        title=_title(row),
        provisional=statement.kind == "interim",
        purpose=purpose_name(statement),
        funds=[_fund(fund) for fund in statement.funds],
        entries=statement.entries,
        numbers=(statement.first_entry_no, statement.last_entry_no),
        year={
            "income": yuan(year.income_fen),
            "spending": yuan(year.spending_fen),
            "management": yuan(year.management_fen),
            "last_year": yuan(year.income_last_year_fen),
            "management_share": share(year.management_fen, year.spending_fen + year.management_fen),
            "spending_share": share(year.spending_fen, year.income_last_year_fen),
        },
        reversals=_reversed(statement.reversals),
        reversed_later=_reversed(statement.reversed_later),
        row=row,
        reasons=REASONS,
        before=before,
        later=[f"{row['period']}.r{row['revision'] + 1}"] if row["corrected_at"] is not None else [],
    )
    return HTMLResponse(page, headers=A_WHILE)


def _reversed(found: Any) -> list[dict[str, Any]]:
    return [{"no": one.entry_no, "reverses_no": one.reverses_no, "money": yuan(one.money_fen)} for one in found]


def share(part_fen: int, whole_fen: int) -> str | None:
    """A share in percent with one decimal, rounded down; None of nothing."""
    if whole_fen <= 0:
        return None
    thousandths = part_fen * 1000 // whole_fen
    return f"{thousandths // 10}.{thousandths % 10}%"


def _fund(fund: FundStatement) -> dict[str, Any]:
    def lines(found: tuple[StatementLine, ...]) -> list[dict[str, Any]]:
        return [
            {
                "what": category(line),
                "purposes": purposes(fund.fund, line),
                "money": yuan(line.amount_fen),
                "restricted": yuan(line.restricted_fen) if line.restricted_fen else None,
                "recipients": line.recipients,
                "few": line.category in {"aid", "in_kind:aid"} and line.recipients is None,
            }
            for line in found
        ]

    return {
        "name": chart().fund(fund.fund).name,
        "opening": yuan(fund.opening_fen),
        "closing": yuan(fund.closing_fen),
        "closing_restricted": yuan(fund.closing_restricted_fen),
        "held": yuan(fund.held_fen),
        "income": lines(fund.income),
        "spending": lines(fund.spending),
        "goods": bool(fund.goods_income or fund.goods_spending or fund.goods_opening_fen),
        "goods_opening": yuan(fund.goods_opening_fen),
        "goods_closing": yuan(fund.goods_closing_fen),
        "goods_income": lines(fund.goods_income),
        "goods_spending": lines(fund.goods_spending),
    }
