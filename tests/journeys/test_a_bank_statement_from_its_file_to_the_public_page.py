"""A month of the fund's bank account: the clerk hands the bank's file in, a resident supervisor confirms it."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from cli.client import Actor, Client
from cli.stack import Stack
from contracts.command import Role
from eventstore.clock import direct
from servicekit.secrets import ISSUER_KEY
from servicekit.tokens import load_issuer_key
from tests.cli.program import Said, say
from tests.support.servers import temporary_directory
from tests.support.waiting import eventually

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]

CLERK, CASHIER, WATCHER = (UUID(f"0199a0c0-0000-7000-8000-0000000000b{number}") for number in range(3))
NOVEMBER = datetime(2026, 11, 3, 2, 0, tzinfo=UTC)
FILE = """交易日期,收入金额,支出金额,账户余额,对方户名,摘要
2026-10-08,200.00,,200.00,赵示例,捐款
2026-10-31,,0.50,199.50,,手续费
"""


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with temporary_directory() as directory:
        stack = Stack(directory, mode="demo", durable=False)
        direct(stack.clock_file, NOVEMBER, 0)
        stack.start()
        try:
            yield stack
        finally:
            stack.stop()


def fund(stack: Stack, *words: object) -> Said:
    return say("fund", *words, "--data", stack.data, "--json")


async def give(client: Client) -> None:
    """A gift of 200 yuan that arrived at the bank on 8 October."""
    gift = {"fund": "fund-relief", "amount_fen": 20_000}
    pledged = await client.command("ledger", "/v1/donations", gift, actor=Actor.of(CLERK, Role.FUND_CLERK))
    arrived = {"method": "bank_transfer", "effective_date": "2026-10-08"}
    path = f"/v1/donations/{pledged.body['donation_id']}/receive"
    await client.command("ledger", path, arrived, actor=Actor.of(CASHIER, Role.CASHIER))


async def test_from_the_banks_file_to_the_public_page(stack: Stack, tmp_path: Path):
    file = tmp_path / "bank.csv"
    file.write_bytes(FILE.encode("gb18030"))
    async with Client(stack.urls, load_issuer_key(stack.secrets_dir / ISSUER_KEY)) as client:
        await give(client)
    handed_in: Any = await _threaded(fund, stack, "reconcile", file, "--days", "2026-10", "--actor", CLERK)
    assert handed_in.code == 0, handed_in
    statement = handed_in.document["statement"]
    assert [line["state"] for line in statement["found"]] == ["MATCHED", "OPEN"]
    assert [line["amount_fen"] for line in handed_in.document["open"]["lines"]] == [-50]
    again = await _threaded(fund, stack, "reconcile", file, "--days", "2026-10", "--actor", CLERK)
    assert again.document["statement"]["statement_id"] == statement["statement_id"]
    await settled_on_the_command_line(stack, statement)
    refused = await _threaded(fund, stack, "confirm", statement["statement_id"], "--actor", CLERK)
    assert (refused.code, "reconciled_by_you" in refused.err) == (1, True)
    found = await _threaded(fund, stack, "confirm", statement["statement_id"], "--actor", WATCHER)
    assert (found.document["closing_fen"], found.document["difference_fen"]) == (19_950, 0)
    asked = await _threaded(fund, stack, "open", "--actor", CLERK)
    assert asked.document["waiting"] is None
    odd = await _threaded(say, "anomalies", "--actor", WATCHER, "--data", stack.data, "--json")
    assert (odd.code, odd.document) == (0, {"anomalies": []})
    wrong = await _threaded(say, "anomalies", "--actor", WATCHER, "--role", "CASHIER", "--data", stack.data)
    assert (wrong.code, "AUDITOR or SUPERVISOR" in wrong.err) == (2, True)

    async def published() -> bool:
        async with httpx.AsyncClient() as browser:
            page = await browser.get(f"{stack.urls['ledger']}/fund/")
        return "银行对账：至 2026-10-31，1 笔已说明原因。" in page.text

    await eventually(published, 90, every=0.5, what="the public page says what was found")


async def settled_on_the_command_line(stack: Stack, statement: Any) -> None:
    """The bank's fee stands alone, for a reason; what is no open item is refused in the service's words."""
    (fee,) = (line for line in statement["found"] if line["state"] == "OPEN")
    line = f"{statement['statement_id']}/{fee['line_no']}"
    by = ("--actor", CLERK)
    shown = await _threaded(say, "fund", "open", *by, "--data", stack.data)
    assert f"--line {line}" in shown.out.decode()
    other = await _threaded(fund, stack, "settle", "--line", line, "--entry", 1, *by)
    assert (other.code, "amounts_differ" in other.err) == (1, True)
    none = await _threaded(fund, stack, "settle", "--line", f"{statement['statement_id']}/9", "--reason", "other", *by)
    assert (none.code, "line_not_open" in none.err) == (1, True)
    said = await _threaded(fund, stack, "settle", "--line", line, "--reason", "bank_fee", "--note", "季度账户费", *by)
    assert (said.code, [item["reason_code"] for item in said.document["lines"]]) == (0, ["bank_fee"]), said


async def _threaded(work: Any, *words: Any) -> Any:
    # The command line runs an event loop of its own.
    return await asyncio.to_thread(work, *words)
