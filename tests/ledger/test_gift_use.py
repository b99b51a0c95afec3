"""去向 (慈善法 §42): what a gift's pot was spent on, provable offline and added up again; nothing can be left out."""

import asyncio
import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from contracts.command import Role
from tests.cli.program import Said, say
from tests.ledger.counter import AS_CLERK, DONOR, Counter
from tests.ledger.examples import BO, TELLER
from tests.ledger.office import AS_CASHIER, PAID, Office
from tests.ledger.test_goods import GIVEN, SOLD
from tests.ledger.test_open_books import publish
from tests.support.go import Program, built
from tests.support.papers import attached_to, needs_poppler, words_of

CHECK_FAILED, NOT_THERE, USAGE = 1, 3, 2


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return built(tmp_path_factory.mktemp("go"))


async def restricted(office: Office) -> str:
    """A gift of 500 yuan for the sick, of which a neighbour was paid 800 with other money. The office had 1,000."""
    donation_id = await office.counter.given(amount_fen=50_000, purpose="illness", donor=DONOR)
    await office.paid()
    await publish(office.counter)
    return donation_id


async def kept(counter: Counter, donation_id: str, directory: Path) -> Path:
    """The set as a donor unpacks it."""
    answer = await counter.get(f"/donations/{donation_id}/where-it-went.zip", *AS_CLERK)
    assert answer.status_code == 200, answer.text
    ZipFile(BytesIO(answer.content)).extractall(directory)
    return directory


def policy(counter: Counter, directory: Path) -> Path:
    file = directory / "policy"
    file.write_text(f"log {counter.runtime.signer.verifier_key}\nquorum none\n")
    return file


async def said(*words: object) -> Said:
    return await asyncio.to_thread(say, *words)


async def test_what_a_purpose_spent_since_a_gift_is_proved_offline(office: Office, tmp_path: Path, go: Program):
    donation_id = await restricted(office)
    directory = await kept(office.counter, donation_id, tmp_path / "set")
    told = json.loads((directory / "where-it-went.json").read_text())
    # 500 came for the sick, the payment of 800 took these first.
    assert (told["gift_fen"], told["pot"], told["since_fen"], told["left_fen"]) == (50_000, "illness", 50_000, 0)
    assert [(one["kind"], one["amount_fen"]) for one in told["since"]] == [("aid_paid", 50_000)]
    proved = await said("verify-receipt", directory, policy(office.counter, tmp_path), "--json")
    assert (proved.code, proved.document["since_fen"], proved.document["left_fen"]) == (0, 50_000, 0)
    assert proved.document["entries"] == told["last_no"] == 3
    vkey = office.counter.runtime.signer.verifier_key
    for number in range(1, 4):
        files = [directory / "entries" / f"{number}.{kind}" for kind in ("tlog-proof", "entry")]
        assert go("inclusion", vkey, *files).returncode == 0


@needs_poppler
async def test_the_paper_says_it_in_plain_words(office: Office, tmp_path: Path):
    donation_id = await restricted(office)
    directory = await kept(office.counter, donation_id, tmp_path / "set")
    words = words_of(directory / "where-it-went.pdf")
    for expected in (
        "捐赠去向回执",
        "基金账第2号",
        "500.00元，1笔",
        "用于大病救助的款项",
        "现在还剩0.00元",
        "发放救助",
    ):
        assert expected in words, expected
    alone = await office.counter.get(f"/donations/{donation_id}/where-it-went.pdf", *AS_CLERK)
    assert alone.content == (directory / "where-it-went.pdf").read_bytes()


@needs_poppler
async def test_of_an_unrestricted_gift_the_funds_spending_is_told_and_said_so(office: Office, tmp_path: Path):
    donation_id = await office.counter.given(amount_fen=20_000)
    await office.paid()
    case_id = await office.paid(amount_fen=30_000)
    back = {**PAID, "reason_code": "not_needed", "amount_fen": 30_000}
    await office.counter.done(f"/aid-cases/{case_id}/return", back, *AS_CASHIER)
    await publish(office.counter)
    directory = await kept(office.counter, donation_id, tmp_path / "set")
    told = json.loads((directory / "where-it-went.json").read_text())
    assert [one["amount_fen"] for one in told["since"]] == [80_000, 30_000, -30_000]
    assert (told["came_fen"], told["spent_fen"], told["left_fen"]) == (120_000, 80_000, 40_000)
    words = words_of(directory / "where-it-went.pdf")
    assert "没有限定用途" in words
    assert "不能说其中哪一笔用的是您的钱" in words
    assert "−300.00" in words


async def test_of_things_it_is_told_at_their_declared_value(counter: Counter, tmp_path: Path):
    promised = {"amount_fen": 30_000, "goods": {"sku": "rice_5kg", "qty": 10}, "donor": DONOR}
    donation_id = await counter.pledged(**promised)
    lot = await counter.done("/goods", {**GIVEN, "donation_id": donation_id}, TELLER, Role.FUND_CLERK)
    await counter.done(f"/goods/{lot['lot_id']}/sell", SOLD, *AS_CASHIER)
    await publish(counter)
    directory = await kept(counter, donation_id, tmp_path / "set")
    told = json.loads((directory / "where-it-went.json").read_text())
    assert (told["pot"], told["since_fen"], told["left_fen"]) == ("goods", 6_000, 24_000)
    assert (await said("verify-receipt", directory, policy(counter, tmp_path))).code == 0


async def test_equal_books_and_heads_are_equal_sets(office: Office):
    donation_id = await restricted(office)
    path = f"/donations/{donation_id}/where-it-went.zip"
    assert (await office.counter.get(path, *AS_CLERK)).content == (await office.counter.get(path, *AS_CASHIER)).content


async def test_the_set_names_nobody(office: Office, tmp_path: Path):
    directory = await kept(office.counter, await restricted(office), tmp_path / "set")
    everything = b"".join(file.read_bytes() for file in directory.rglob("*") if file.is_file())
    for secret in (DONOR["name"], DONOR["phone"], "周示例", "6222000000000000000", "extra "):
        assert secret.encode() not in everything


def replaced(name: str, old: str, new: str) -> Callable[[Path], object]:
    def spoil(directory: Path) -> None:
        file = directory / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return spoil


def numbers_moved(directory: Path) -> None:
    """The last payment is left out, and the list ends before it."""
    summary = directory / "where-it-went.json"
    told = json.loads(summary.read_text())
    summary.write_text(json.dumps({**told, "last_no": 2}))


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (replaced("entries/3.entry", '"amount":50000', '"amount":10000'), "entry 3: "),
        (replaced("entries/3.tlog-proof", "index ", "index 1"), "entry 3: "),
        (lambda directory: (directory / "entries" / "3.entry").unlink(), "entry 3 is missing"),
        (lambda directory: (directory / "entries" / "2.entry").unlink(), "entry 2 is missing"),
        (replaced("where-it-went.json", '"left_fen": 0', '"left_fen": 500'), "says left_fen 500, the entries say 0"),
        (replaced("where-it-went.json", '"since": [', '"since": [{}, '), "the list of what was spent is off"),
        (replaced("where-it-went.json", '"gift_no": 2', '"gift_no": 3'), "entry 3 took in no gift"),
        (replaced("where-it-went.json", '"gift_no": 2', '"gift_no": 9'), "is not in the set"),
        (replaced("where-it-went.json", '"last_no": 3', '"last_no": "3"'), "last_no is no number"),
        (numbers_moved, "says spent_fen"),
        (lambda directory: (directory / "where-it-went.json").write_text("[]"), "no object"),
    ],
)
async def test_whatever_is_changed_or_left_out_is_noticed(
    office: Office, tmp_path: Path, spoil: Callable[[Path], object], why: str
):
    directory = await kept(office.counter, await restricted(office), tmp_path / "set")
    spoil(directory)
    refused = await said("verify-receipt", directory, policy(office.counter, tmp_path))
    assert refused.code == CHECK_FAILED
    assert why in refused.out.decode()


async def test_a_copy_of_one_entry_stands_for_no_other(office: Office, tmp_path: Path):
    directory = await kept(office.counter, await restricted(office), tmp_path / "set") / "entries"
    for kind in ("entry", "tlog-proof"):
        (directory / f"3.{kind}").write_bytes((directory / f"1.{kind}").read_bytes())
    refused = await said("verify-receipt", directory.parent, policy(office.counter, tmp_path))
    assert "entry 3 is entry 1" in refused.out.decode()


async def test_strangers_get_nothing(office: Office):
    donation_id = await restricted(office)
    for kind in ("pdf", "zip"):
        answer = await office.counter.get(f"/donations/{donation_id}/where-it-went.{kind}", BO, Role.RESIDENT)
        assert (answer.status_code, answer.json()["reason_code"]) == (403, "forbidden")


@pytest.fixture
def place(office: Office, monkeypatch: pytest.MonkeyPatch) -> Office:
    """The command line finds the office as it would find a deployment."""
    settings = office.counter.runtime.settings
    for name in ("secrets_dir", "state_dir", "database_host", "database_port", "database_name"):
        monkeypatch.setenv(f"CHAOYANGLI_{name.upper()}", str(getattr(settings, name)))
    return office


@needs_poppler
async def test_the_desk_prints_both_papers_without_the_service(place: Office, tmp_path: Path):
    donation_id = await restricted(place)
    taken = tmp_path / "taken"
    words: tuple[Any, ...] = ("receipt", "fund", 2, "--to", taken, "--where-it-went", taken / "use")
    printed = await said(*words, "--pdf")
    assert printed.code == 0, printed.err
    by_http = await place.counter.get(f"/donations/{donation_id}/ledger-receipt.pdf", *AS_CLERK)
    assert (taken / "fund-2.pdf").read_bytes() == by_http.content
    assert set(attached_to(taken / "fund-2.pdf", tmp_path / "along")) == {"fund-2.entry", "fund-2.tlog-proof"}
    trusted = policy(place.counter, tmp_path)
    proved = await said("verify-receipt", taken / "use", trusted)
    assert re.search(r"3 entries .*none missing(.|\n)*spent 500\.00 yuan; 0\.00 are left", proved.out.decode())
    files = (taken / "fund-2.tlog-proof", taken / "fund-2.entry", trusted)
    assert (await said("verify-receipt", *files)).code == 0
    unsalted = await said("verify-receipt", *files, "--donor", DONOR["name"])
    assert (unsalted.code, "no salt" in unsalted.out.decode()) == (CHECK_FAILED, True)
    assert (await said(*words, "--name")).code == 0
    assert DONOR["name"] in words_of(taken / "fund-2.pdf")
    assert "the gift is of" in (await said("verify-receipt", *files, "--donor", DONOR["name"])).out.decode()
    assert (await said("verify-receipt", *files, "--donor", "钱示例")).code == CHECK_FAILED


async def test_what_took_in_no_gift_has_no_paper(place: Office, tmp_path: Path):
    await restricted(place)
    for number, words in ((3, "took in no donor's gift"), (1, "without a donor's name"), (99, "no entry 99")):
        refused = await said("receipt", "fund", number, "--name", "--to", tmp_path)
        assert refused.code == NOT_THERE
        assert words in refused.err
    assert (await said("receipt", "ledger", 1, "--pdf", "--to", tmp_path)).code == NOT_THERE
    assert (await said("verify-receipt", tmp_path, policy(place.counter, tmp_path))).code == CHECK_FAILED
    assert (await said("verify-receipt", tmp_path, tmp_path, policy(place.counter, tmp_path))).code == USAGE
