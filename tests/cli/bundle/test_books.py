"""The journals as other people's bookkeeping programs read them, and the balances that these come to."""

import csv
import io
import re
import shutil
import subprocess

import pytest

from cli.bundle import books
from contracts.ledger import Posting
from services.ledger.chart_of_accounts import chart
from tests.cli.bundle.bundles import bodies, numbered


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The files by name, written to a directory."""
    place = tmp_path_factory.mktemp("books")
    for name, content in books.files(numbered(bodies()["ledger"])).items():
        (place / name).write_text(content, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def balances(files):
    rows = list(csv.DictReader(io.StringIO((files / "balances.csv").read_text(encoding="utf-8"))))
    return {(row["book"], row["account"]): int(row["balance"]) for row in rows}


def needs(program, package):
    if shutil.which(program) is None:
        pytest.skip(f"needs Debian's {package}")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=240)


def test_each_book_sums_to_nothing_and_has_what_was_posted(balances):
    assert sum(total for (book, _), total in balances.items() if book == "fund") == 0
    assert sum(total for (book, _), total in balances.items() if book == "hours") == 0
    assert balances["fund", "Assets:Fund-relief:1002-银行存款"] == 12_345
    assert balances["fund", "Income:Fund-relief:4101-02-捐赠收入-限定性:VSTUDY"] == -12_345
    # Posted twice, reversed once and posted again.
    assert balances["hours", "Income:9001-社区服务时长"] == -20


@pytest.mark.parametrize("book", books.BOOKS)
def test_hledger_accepts_the_journal_and_comes_to_the_same_balances(files, balances, book):
    needs("hledger", "hledger")
    journal = str(files / f"{book}.hledger")
    checked = run("hledger", "-f", journal, "check", "-s", "ordereddates")
    assert (checked.returncode, checked.stderr) == (0, "")
    told = run("hledger", "-f", journal, "balance", "--flat", "-E", "-O", "csv", "-N").stdout
    found = {row[0]: row[1] for row in csv.reader(io.StringIO(told)) if row and row[0] != "account"}
    for (mine, account), total in balances.items():
        if mine == book and total:
            assert found[account] == books.amount(total, "fen" if book == "fund" else "minutes")


@pytest.mark.parametrize("book", books.BOOKS)
def test_beancount_accepts_the_journal(files, book):
    needs("bean-check", "beancount")
    checked = run("bean-check", str(files / f"{book}.beancount"))
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize("book", books.BOOKS)
@pytest.mark.parametrize("program", ["hledger", "beancount"])
def test_one_amount_that_differs_is_refused_by_both(files, tmp_path, book, program):
    needs("hledger" if program == "hledger" else "bean-check", program)
    text = (files / f"{book}.{program}").read_text(encoding="utf-8")
    wrong, count = re.subn(
        r"(?m)^(\s+Assets:\S+\s+)(-?)(\d)", lambda found: f"{found[1]}{found[2]}9{found[3]}", text, count=1
    )
    assert count == 1
    journal = tmp_path / f"wrong.{program}"
    journal.write_text(wrong, encoding="utf-8")
    command = ("hledger", "-f", str(journal), "check") if program == "hledger" else ("bean-check", str(journal))
    assert run(*command).returncode != 0


@pytest.mark.parametrize(
    ("amount", "unit", "said"),
    [(0, "fen", "0.00 CNY"), (1, "fen", "0.01 CNY"), (-5, "fen", "-0.05 CNY"), (-12_345, "fen", "-123.45 CNY"),
     (2**53, "fen", "90071992547409.92 CNY"), (-7, "minutes", "-7 MIN")],
)  # fmt: skip
def test_amounts_are_whole_and_exact(amount, unit, said):
    assert books.amount(amount, unit) == said


def test_an_account_of_nobodys_chart_is_refused():
    with pytest.raises(Exception, match="account_unknown"):
        books.account_name(Posting(account="assets:pocket", fund="fund-relief", amount=1, unit="fen"))


@pytest.mark.parametrize("account", chart().accounts, ids=lambda account: account.account)
def test_every_account_of_the_chart_has_a_name_that_both_programs_take(account):
    fund = "fund-relief" if account.book == "fund" else None
    member = "illness" if account.book == "fund" else "01a218b7-019a-7383-8441-49ddaf8218ac"
    posting = Posting(account=account.account.replace("*", member), fund=fund, amount=1, unit=account.unit)
    root, *rest = books.account_name(posting).split(":")
    assert root in {"Assets", "Income", "Expenses"}
    assert all(part[0].isupper() or part[0].isdigit() for part in rest)
