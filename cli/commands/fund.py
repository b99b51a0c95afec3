"""fund: the bank's statement handed in, what is open and settled, and the second person's word."""

import asyncio
import hashlib
import json
import re
from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, get_args
from uuid import UUID

import typer

from cli.bank_statements.cells import read_fen
from cli.bank_statements.mapping import mapping_of
from cli.bank_statements.reading import StatementFile, yuan_of
from cli.client import Actor, Client
from cli.commands.options import POSITION_MAX, Data, Json
from cli.output import err, out, print_json, print_line
from cli.place import Place, located
from cli.records.mapping import MappingWrong
from cli.records.problems import CellWrong, FileWrong
from contracts.command import Role
from contracts.ledger import ItemReason
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key

CHECK_FAILED = 1
LEDGER = "ledger"
BEFORE = {Role.FUND_CLERK, Role.CASHIER}
REASONS: tuple[str, ...] = get_args(ItemReason)
AFTER = {Role.FUND_APPROVER, Role.SUPERVISOR}

fund_app = typer.Typer(help="The fund's book beside its bank account.", no_args_is_help=True)
Who = Annotated[UUID, typer.Option("--actor", help="The person who answers for it, by id.")]
Yuan = Annotated[str | None, typer.Option(show_default=False, help="In yuan; the file's balances when not given.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(fund_app, name="fund")


@fund_app.command("reconcile")
def reconcile(
    file: Annotated[Path, typer.Argument(help="The bank's CSV.", exists=True, dir_okay=False)],
    span: Annotated[str, typer.Option("--days", help="A month, 2026-10, or two days, 2026-10-01..2026-10-15.")],
    data: Data = None,
    actor: Annotated[UUID | None, typer.Option("--actor", help="Who hands it in, by id.", show_default=False)] = None,
    role: Annotated[Role, typer.Option("--role", help="FUND_CLERK or CASHIER.")] = Role.FUND_CLERK,
    opening: Yuan = None,
    closing: Yuan = None,
    replaces: Annotated[
        UUID | None, typer.Option("--replaces", help="The waiting statement that was wrong.", show_default=False)
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", help="Another mapping of columns, in YAML.", exists=True, dir_okay=False),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong; nothing is handed in.")] = False,
    as_json: Json = False,
) -> None:
    """Hand a bank statement in and say what of it is plainly in the book. Another person then confirms it.

    The whole file is checked first; with anything wrong nothing is handed in. A second run changes nothing.
    """
    if role not in BEFORE:
        raise typer.BadParameter("--role is FUND_CLERK or CASHIER")
    body = _body(file, span, opening, closing, replaces, mapping, as_json=as_json)
    if check:
        _told({"ok": True, "lines": len(body["lines"])}, f"ok: {len(body['lines'])} lines", as_json=as_json)
        return
    if actor is None:
        raise typer.BadParameter("who hands it in? --actor, or say --check")
    with located(data, running=True) as place:
        statement, items = asyncio.run(_handed_in(place, Actor.of(actor, role), body))
    if as_json:
        print_json({"ok": True, "statement": statement, "open": items})
        return
    matched = sum(1 for line in statement["found"] if line["state"] == "MATCHED")
    out.print(f"对账单 {statement['statement_id']}：{statement['from_on']} 至 {statement['until_on']}", markup=False)
    out.print(f"共 {len(statement['found'])} 行，{matched} 行已对上", markup=False)
    _say_open(items)


@fund_app.command("open")
def open_items(
    actor: Who,
    data: Data = None,
    role: Annotated[Role, typer.Option("--role", help="A role of the fund's desk.")] = Role.FUND_CLERK,
    as_json: Json = False,
) -> None:
    """Show what does not agree: lines of the bank without an entry, entries that no line is."""
    with located(data, running=True) as place:
        items = asyncio.run(_asked(place, Actor.of(actor, role)))
    if as_json:
        print_json(items)
    else:
        _say_open(items)


@fund_app.command("settle")
def settle(
    actor: Who,
    line: Annotated[
        str | None, typer.Option("--line", help="A line of the bank, as `fund open` shows it.", metavar="STATEMENT/NO")
    ] = None,
    entry: Annotated[
        int | None, typer.Option("--entry", help="An entry of the book, by its number.", min=1, max=POSITION_MAX)
    ] = None,
    reason: Annotated[
        str | None, typer.Option("--reason", help=f"Why one of them stands alone: {', '.join(REASONS)}.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="In words; they go into the vault.")] = None,
    data: Data = None,
    role: Annotated[Role, typer.Option("--role", help="FUND_CLERK or CASHIER.")] = Role.FUND_CLERK,
    as_json: Json = False,
) -> None:
    """Say that a line and an entry are one and the same, or why one of them stands alone; then show what is open.

    Who settles an item does not confirm the statement.
    """
    if role not in BEFORE:
        raise typer.BadParameter("--role is FUND_CLERK or CASHIER")
    body = _settlement(line, entry, reason, note)
    with located(data, running=True) as place:
        items = asyncio.run(_settled(place, Actor.of(actor, role), body))
    if as_json:
        print_json(items)
    else:
        _say_open(items)


@fund_app.command("confirm")
def confirm(
    statement: Annotated[UUID, typer.Argument(help="The statement's id.")],
    actor: Who,
    data: Data = None,
    role: Annotated[Role, typer.Option("--role", help="SUPERVISOR or FUND_APPROVER.")] = Role.SUPERVISOR,
    as_json: Json = False,
) -> None:
    """As another person than who handed it in, say that book and bank were held against each other."""
    if role not in AFTER:
        raise typer.BadParameter("--role is SUPERVISOR or FUND_APPROVER")
    with located(data, running=True) as place:
        found = asyncio.run(_confirmed(place, Actor.of(actor, role), statement))
    if as_json:
        print_json(found)
        return
    bank, book, difference = (yuan_of(found[name]) for name in ("closing_fen", "book_fen", "difference_fen"))
    out.print(f"银行 {bank} 元，账上 {book} 元，说不清的差额 {difference} 元", markup=False)
    out.print(f"未对上：银行 {found['open_lines']} 行，账上 {found['open_entries']} 笔", markup=False)


def _body(
    file: Path,
    span: str,
    opening: str | None,
    closing: str | None,
    replaces: UUID | None,
    mapping: Path | None,
    *,
    as_json: bool,
) -> dict[str, Any]:
    """The request. What is wrong is told, and ends the program."""
    from_on, until_on = _span(span)
    given = (_fen(opening, "--opening"), _fen(closing, "--closing"))
    try:
        read = StatementFile(file, mapping_of(mapping))
    except MappingWrong as wrong:
        err.print(str(wrong), markup=False)
        raise typer.Exit(CHECK_FAILED) from None
    try:
        read.read()
        if not read.problems:
            return read.body(from_on, until_on, *given, None if replaces is None else str(replaces))
    except FileWrong as wrong:
        read.problems.append(wrong.problem)
    for problem in read.problems:
        if as_json:
            print_json({"problem": problem.as_json()})
        else:
            print_line(str(problem))
    if not as_json:
        out.print(f"{len(read.problems)} problems; nothing was handed in", markup=False)
    raise typer.Exit(CHECK_FAILED)


def _fen(text: str | None, option: str) -> int | None:
    try:
        return None if text is None else read_fen(text)
    except CellWrong as wrong:
        raise typer.BadParameter(f"{option}: {wrong}") from None


def _span(text: str) -> tuple[date, date]:
    """The first and the last day."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}", text):
            first = date.fromisoformat(f"{text}-01")
            return first, first.replace(day=monthrange(first.year, first.month)[1])
        first_text, _, last_text = text.partition("..")
        first, last = date.fromisoformat(first_text), date.fromisoformat(last_text)
    except ValueError:
        raise typer.BadParameter("--days is a month, 2026-10, or two days, 2026-10-01..2026-10-15") from None
    if last < first:
        raise typer.BadParameter(f"--days: the first day, {first}, is after the last, {last}")
    return first, last


async def _handed_in(place: Place, actor: Actor, body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    key = hashlib.sha256(json.dumps(body, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
    async with _client(place) as client:
        answer = await client.command(LEDGER, "/v1/bank/statements", body, actor=actor, key=f"statement-{key}")
        path = f"/v1/bank/statements/{answer.body['statement_id']}"
        return await client.query(LEDGER, path, actor=actor), await client.query(LEDGER, "/v1/bank/open", actor=actor)


async def _asked(place: Place, actor: Actor) -> dict[str, Any]:
    async with _client(place) as client:
        items: dict[str, Any] = await client.query(LEDGER, "/v1/bank/open", actor=actor, after={})
        return items


def _settlement(line: str | None, entry: int | None, reason: str | None, note: str | None) -> dict[str, Any]:
    """The request; what cannot be one is told before anybody is asked."""
    if line is None and entry is None:
        raise typer.BadParameter("name a --line, an --entry, or both")
    if (line is not None and entry is not None) != (reason is None):
        raise typer.BadParameter("a line and an entry that are one need no --reason; one of them alone needs one")
    if reason is not None and reason not in REASONS:
        raise typer.BadParameter(f"--reason is one of {', '.join(REASONS)}")
    given = {"entry_no": entry, "reason_code": reason, "note": note, **({} if line is None else _line(line))}
    return {name: value for name, value in given.items() if value is not None}


def _line(text: str) -> dict[str, Any]:
    statement, _, number = text.partition("/")
    try:
        return {"statement_id": str(UUID(statement)), "line_no": int(number)}
    except ValueError:
        raise typer.BadParameter("--line is a statement and a number, as `fund open` shows it: 0199…/2") from None


async def _settled(place: Place, actor: Actor, body: Mapping[str, Any]) -> dict[str, Any]:
    async with _client(place) as client:
        await client.command(LEDGER, "/v1/bank/settlements", body, actor=actor)
        items: dict[str, Any] = await client.query(LEDGER, "/v1/bank/open", actor=actor)
        return items


async def _confirmed(place: Place, actor: Actor, statement_id: UUID) -> dict[str, Any]:
    path = f"/v1/bank/statements/{statement_id}"
    async with _client(place) as client:
        await client.command(LEDGER, f"{path}/reconcile", {}, actor=actor)
        statement = await client.query(LEDGER, path, actor=actor)
        found: dict[str, Any] = statement["reconciled"]
        return found


def _client(place: Place) -> Client:
    return Client(place.urls, load_issuer_key(place.secrets_dir / ISSUER_KEY))


def _say_open(items: Mapping[str, Any]) -> None:
    for line in items["lines"]:
        why = line.get("reason_code") or "待查"
        out.print(f"银行有、账上没有：{line['booked_on']} {yuan_of(line['amount_fen'])} 元 {why}", markup=False)
        out.print(f"  --line {line['statement_id']}/{line['line_no']}", markup=False)
    for entry in items["entries"]:
        why = entry["reason_code"] or "待查"
        amount = yuan_of(entry["amount_fen"])
        out.print(f"账上有、银行没有：{entry['effective_date']} {entry['entry_no']} 号 {amount} 元 {why}", markup=False)
    if not items["lines"] and not items["entries"]:
        out.print("全部相符", markup=False)


def _told(document: Any, text: str, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        out.print(text, markup=False)
