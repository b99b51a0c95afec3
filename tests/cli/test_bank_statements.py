"""Bank statements as people bring them: read whole, or told what is wrong, row by row, in both tongues."""

from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from cli.bank_statements.cells import read_fen
from cli.bank_statements.mapping import mapping_of
from cli.bank_statements.reading import LINES_MAX, StatementFile
from cli.records.mapping import MappingWrong
from cli.records.problems import CellWrong, FileWrong
from tests.cli.program import say

HEADINGS = "交易日期,收入金额,支出金额,账户余额,对方户名,摘要,交易流水号"
GIFT = '2026-10-08,"20,000.00",,"20,500.00",赵示例,捐款,TX-1'
PAYMENT = "2026/10/20,,8000.5,12499.50,周示例,救助,TX-2"
SPAN = (date(2026, 10, 1), date(2026, 10, 31))
CHECK = ("--days", "2026-10", "--check")


def written(directory: Path, *rows: str, encoding: str = "utf-8") -> Path:
    path = directory / "bank.csv"
    path.write_bytes("\r\n".join(rows).encode(encoding))
    return path


def read(path: Path, mapping: Path | None = None) -> StatementFile:
    file = StatementFile(path, mapping_of(mapping))
    file.read()
    return file


def body(path: Path, **changes: Any) -> dict[str, Any]:
    file = read(path)
    assert file.problems == []
    return file.body(*SPAN, changes.get("opening"), changes.get("closing"), changes.get("replaces"))


@pytest.mark.parametrize(
    ("text", "fen"),
    [
        ("0.01", 1), ("1234.5", 123_450), ("1,234.56", 123_456), ("￥12.00", 1_200), ("¥ 3", 300), ("-8.10", -810),
        ("−8.10", -810), ("+7", 700), ("１２．３４", 1_234), ("0.10000", 10), ("999,999,999.99", 99_999_999_999),
    ],
)  # fmt: skip
def test_yuan_are_read_as_decimal_text(text: str, fen: int):
    assert read_fen(text) == fen


@pytest.mark.parametrize("text", ["12.345", "1,23.00", "1e5", "十元", "", "1.2.3", "NaN", "0x10", "12-"])
def test_what_is_no_amount_is_refused(text: str):
    with pytest.raises(CellWrong) as wrong:
        read_fen(text)
    assert wrong.value.code == "not_an_amount"
    with pytest.raises(CellWrong, match="too large"):
        read_fen("1000000000.01")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_statement_is_read_in_whatever_encoding_banks_write(tmp_path: Path, encoding: str):
    letterhead = ("某某银行对账单,,,", "账号,6222****0000")
    found = body(written(tmp_path, *letterhead, HEADINGS, GIFT, PAYMENT, "合计,20000.00,8000.50", encoding=encoding))
    assert (found["opening_fen"], found["closing_fen"]) == (50_000, 1_249_950)
    words = {"reference": "TX-1", "counterparty": "赵示例", "summary": "捐款"}
    assert found["lines"][0] == {"booked_on": "2026-10-08", "amount_fen": 2_000_000, **words}
    assert found["lines"][1]["amount_fen"] == -800_050
    assert (found["from_on"], found["until_on"]) == ("2026-10-01", "2026-10-31")
    assert len(found["file_sha256"]) == 64


def test_the_newest_first_is_turned_around(tmp_path: Path):
    found = body(written(tmp_path, HEADINGS, PAYMENT, GIFT))
    assert [line["booked_on"] for line in found["lines"]] == ["2026-10-08", "2026-10-20"]


def test_an_amount_with_its_direction_is_read_too(tmp_path: Path):
    path = written(tmp_path, "记账日期\t发生额\t借贷标志", "20261008\t5.00\t贷", "20261009\t2.00\t借")
    found = body(path, opening=0, closing=300)
    assert [line["amount_fen"] for line in found["lines"]] == [500, -200]


@pytest.mark.parametrize(
    ("rows", "code", "where"),
    [
        ((HEADINGS, "昨天,1.00,,,,,"), "not_a_day", "第2行“交易日期”"),
        ((HEADINGS, "2026-10-32,1.00,,,,,"), "no_such_day", "第2行"),
        ((HEADINGS, "2026-10-08,一元,,,,,"), "not_an_amount", "第2行"),
        ((HEADINGS, "2026-10-08,,,,,,"), "missing", "第2行"),
        ((HEADINGS, "2026-10-08,1,1,,,,"), "both_sides", "第2行"),
        ((HEADINGS, GIFT, PAYMENT.replace("12499.50", "12499.51")), "balance_differs", "第3行“账户余额”"),
        (("日期,金额,收支", "2026-10-08,1,不明"), "direction_unknown", "第2行“金额”"),
        ((HEADINGS, *["2026-10-08,1.00,,,,,"] * (LINES_MAX + 1)), "too_many_lines", "最多"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_with_a_row_is_said_with_its_place(tmp_path: Path, rows: Any, code: str, where: str):
    (problem, *_) = read(written(tmp_path, *rows)).problems
    assert problem.code == code
    assert where in str(problem)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_empty"),
        (b"PK\x03\x04", "not_a_text"),
        ("没有标题,什么也没有\n1,2".encode(), "column_missing"),
        (f"{HEADINGS},收入金额\n".encode(), "column_twice"),
        (f'{HEADINGS}\n"2026-10-08,1.00'.encode(), "csv_malformed"),
        (b"\xff\xff\xff", "wrong_encoding"),
    ],
    ids=["empty", "workbook", "headings", "twice", "quotes", "encoding"],
)
def test_what_is_no_statement_is_said(tmp_path: Path, content: bytes, code: str):
    path = tmp_path / "bank.csv"
    path.write_bytes(content)
    with pytest.raises(FileWrong) as wrong:
        read(path)
    assert wrong.value.problem.code == code


def test_balances_are_named_or_in_the_file_and_add_up(tmp_path: Path):
    path = written(tmp_path, "日期,金额", "2026-10-08,1.00")
    for given, code in (({}, "no_balances"), ({"opening": 0, "closing": 101}, "sums_differ")):
        with pytest.raises(FileWrong) as wrong:
            body(path, **given)
        assert wrong.value.problem.code == code
    with pytest.raises(FileWrong) as wrong:
        read(path).body(date(2026, 10, 9), date(2026, 10, 31), 0, 100, None)
    assert wrong.value.problem.code == "line_outside"
    assert body(path, opening=0, closing=100, replaces="x")["replaces"] == "x"
    assert body(written(tmp_path, "日期,金额"), opening=5, closing=5)["lines"] == []


def test_another_bank_has_another_mapping(tmp_path: Path):
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text("version: 1\ncolumns:\n  booked_on: [Tag]\n  amount: [Betrag]\n", encoding="utf-8")
    file = read(written(tmp_path, "Tag,Betrag", "2026-10-08,-1.00"), theirs)
    assert [line.amount_fen for line in file.lines] == [-100]
    for wrong, said in (
        ("version: 1\ncolumns:\n  booked_on: [Tag]\n", "must be booked_on"),
        ("version: 1\ncolumns:\n  bookedon: [Tag]\n  amount: [Betrag]\n", "line 3"),
        ("version: 1\ncolumns:\n  booked_on: [Tag]\n  amount: [Tag]\n", "Tag stands twice"),
    ):
        theirs.write_text(wrong, encoding="utf-8")
        with pytest.raises(MappingWrong, match=said):
            mapping_of(theirs)


def test_the_command_checks_a_file_without_a_running_system(tmp_path: Path):
    said = say("fund", "reconcile", written(tmp_path, HEADINGS, GIFT, PAYMENT), *CHECK, "--json")
    assert (said.code, said.document) == (0, {"ok": True, "lines": 2})
    said = say("fund", "reconcile", written(tmp_path, HEADINGS, "2026-10-08,一元"), *CHECK)
    assert said.code == 1
    assert "第2行“收入金额”：金额写成 1234.56 这样".encode() in said.out
    assert b"nothing was handed in" in said.out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--days", "October", "--check"), "--days is a month"),
        (("--days", "2026-10-01..", "--check"), "--days is a month"),
        (("--days", "2026-10"), "--actor"),
        ((*CHECK, "--opening", "viel"), "--opening"),
        ((*CHECK, "--role", "AUDITOR"), "FUND_CLERK or CASHIER"),
    ],
)
def test_words_that_are_off_are_told(tmp_path: Path, words: tuple[str, ...], why: str):
    said = say("fund", "reconcile", written(tmp_path, HEADINGS, GIFT, PAYMENT), *words)
    assert said.code == 2
    assert why in said.err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "name a --line"),
        (("--note", "x"), "name a --line"),
        (("--entry", 3), "alone needs one"),
        (("--line", f"{UUID(int=1)}/2", "--entry", 3, "--reason", "other"), "need no --reason"),
        (("--line", "2", "--reason", "other"), "as `fund open` shows it"),
        (("--line", f"{UUID(int=1)}/two", "--reason", "other"), "as `fund open` shows it"),
        (("--entry", 3, "--reason", "because"), "--reason is one of in_transit, bank_fee"),
        (("--entry", 3, "--reason", "other", "--role", "SUPERVISOR"), "FUND_CLERK or CASHIER"),
    ],
)
def test_what_cannot_be_settled_is_told_before_anybody_is_asked(words: tuple[object, ...], why: str):
    said = say("fund", "settle", *words, "--actor", UUID(int=2))
    assert said.code == 2
    assert why in said.err


def test_a_statement_of_one_day_with_the_newest_line_first_is_turned_round(tmp_path: Path):
    rows = ["2026-10-08,30.00,,60.00,甲,,", "2026-10-08,20.00,,30.00,乙,,", "2026-10-08,10.00,,10.00,丙,,"]
    turned = body(written(tmp_path, HEADINGS, *rows))
    assert [line["amount_fen"] for line in turned["lines"]] == [1_000, 2_000, 3_000]
    assert (turned["opening_fen"], turned["closing_fen"]) == (0, 6_000)
    rows[1] = rows[1].replace("20.00", "21.00")
    broken = read(written(tmp_path, HEADINGS, *rows))
    assert [problem.code for problem in broken.problems] == ["balance_differs"] * len(broken.problems) != []
