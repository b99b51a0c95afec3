"""账本存证回执 on paper: every field is there, the paper alone proves the gift, and it names nobody unasked."""

import asyncio
import hmac
import re
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contracts.command import Role
from eventstore.durable import write_whole
from eventstore.note import COSIGNATURE_V1, VerifierKey, cosign, format_note, parse_note
from eventstore.tlog_proof import TlogProof
from eventstore.trust_policy import read_trust_policy
from services.ledger.paper.symbols import PART_BYTES, parts_of
from services.ledger.policy import fund_url, host_charity
from tests.cli.program import say
from tests.ledger.carried import refunding, reversing
from tests.ledger.counter import AS_CASHIER, AS_CLERK, DONOR, Counter
from tests.ledger.examples import ANNA, BO, TELLER
from tests.ledger.office import Office
from tests.ledger.test_goods import GIVEN
from tests.ledger.test_host_charity import WHOLE
from tests.ledger.test_open_books import publish
from tests.support.go import Program, built
from tests.support.papers import attached_to, needs_poppler, symbols_on, words_of

RECEIPT_NO = "TJ-2026-000017"
NOBODY = UUID(int=77)


@pytest.fixture(scope="session")
def go(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return built(tmp_path_factory.mktemp("go"))


async def gift(counter: Counter, **changes: Any) -> str:
    """A gift with its official number, published, among others."""
    await counter.given(amount_fen=10_000)
    donation_id = await counter.given(amount_fen=20_050, purpose="illness", donor=DONOR, **changes)
    await counter.done(f"/donations/{donation_id}/receipt", {"receipt_no": RECEIPT_NO}, *AS_CLERK)
    await counter.given(amount_fen=30_000)
    await publish(counter)
    return donation_id


async def taken(counter: Counter, donation_id: str, kind: str, *who: Any, **params: Any) -> bytes:
    answer = await counter.get(f"/donations/{donation_id}/ledger-receipt.{kind}", *(who or AS_CLERK), **params)
    assert answer.status_code == 200, answer.text
    return answer.content


async def paper(counter: Counter, donation_id: str, directory: Path, **params: Any) -> Path:
    file = directory / "receipt.pdf"
    file.write_bytes(await taken(counter, donation_id, "pdf", **params))
    return file


@needs_poppler
async def test_every_field_stands_on_the_paper(counter: Counter, tmp_path: Path):
    donation_id = await gift(counter)
    words = words_of(await paper(counter, donation_id, tmp_path))
    entry = await taken(counter, donation_id, "entry")
    head = TlogProof.parse((await taken(counter, donation_id, "tlog-proof")).decode()).checkpoint.split("\n")
    row = await counter.read(f"/donations/{donation_id}")
    year, month, day = row["effective_date"].split("-")
    for expected in (
        "账本存证回执（非捐赠票据）",
        RECEIPT_NO,
        "人民币200.50元",
        "人民币贰佰元伍角整",
        f"{int(year)}年{int(month)}月{int(day)}日",
        "银行转账",
        "扶危济困基金",
        "大病救助",
        "尚未接入有公开募捐资格的慈善组织",
        "基金账第2号",
        "chaoyangli/ledger",
        f"检查点包含{head[1]}个事件",
        sha256(b"\x00" + entry).hexdigest(),
        "尚无外部见证",
        str(counter.runtime.signer.verifier_key),
        "怎样核对",
        "证明不了什么",
    ):
        assert expected in words, expected
    assert re.search(rf"第{row['entry_position']}个事件", words)


@needs_poppler
async def test_the_paper_alone_proves_the_gift_to_other_peoples_code(counter: Counter, tmp_path: Path, go: Program):
    donation_id = await gift(counter)
    scanned = "".join(symbols_on(await paper(counter, donation_id, tmp_path), tmp_path / "pages"))
    proof, _, entry = scanned.rpartition("\n")
    (tmp_path / "r.tlog-proof").write_text(proof + "\n")
    (tmp_path / "r.entry").write_text(entry)
    vkey = counter.runtime.signer.verifier_key
    said = go("inclusion", vkey, tmp_path / "r.tlog-proof", tmp_path / "r.entry")
    assert (said.returncode, said.stderr) == (0, ""), scanned
    assert '"amount":20050' in entry
    (tmp_path / "r.entry").write_text(entry.replace("20050", "90050"))
    assert go("inclusion", vkey, tmp_path / "r.tlog-proof", tmp_path / "r.entry").returncode == 1


@needs_poppler
async def test_the_pdf_takes_the_proof_and_the_entry_along(counter: Counter, tmp_path: Path):
    donation_id = await gift(counter)
    along = attached_to(await paper(counter, donation_id, tmp_path), tmp_path / "along")
    assert set(along) == {"fund-2.tlog-proof", "fund-2.entry"}
    assert along["fund-2.entry"] == await taken(counter, donation_id, "entry")
    policy = read_trust_policy(f"log {counter.runtime.signer.verifier_key}\nquorum none\n")
    proven = TlogProof.parse(along["fund-2.tlog-proof"].decode()).check(along["fund-2.entry"], policy)
    assert proven.position == (await counter.read(f"/donations/{donation_id}"))["entry_position"]


async def test_equal_receipts_are_equal_files(counter: Counter):
    donation_id = await gift(counter)
    assert await taken(counter, donation_id, "pdf") == await taken(counter, donation_id, "pdf", *AS_CASHIER)


@needs_poppler
async def test_nobody_is_named_unless_they_ask_and_the_salt_opens_the_commitment(counter: Counter, tmp_path: Path):
    donation_id = await gift(counter)
    plain = await paper(counter, donation_id, tmp_path)
    words = words_of(plain) + "".join(symbols_on(plain, tmp_path / "plain"))
    assert "本回执不记名" in words
    assert "extra" not in words
    for secret in (DONOR["name"], DONOR["public_name"], DONOR["phone"]):
        assert secret not in words
    salt = TlogProof.parse((await taken(counter, donation_id, "tlog-proof")).decode()).extra
    assert salt is not None
    entry = (await taken(counter, donation_id, "entry")).decode()
    # Written out here, not called: this is how a donor shows that the entry is theirs.
    opened = hmac.new(salt, b"name\x00" + DONOR["name"].encode(), "sha256").hexdigest()
    assert f'"subject_commit":["{opened}"]' in entry
    assert hmac.new(salt, "name\x00钱示例".encode(), "sha256").hexdigest() not in entry
    named = await paper(counter, donation_id, tmp_path, name=True)
    assert DONOR["name"] in words_of(named)


@needs_poppler
@pytest.mark.parametrize(
    ("name", "shown"),
    [("张𠮷", "张〔U+20BB7〕"), ("王示例😀", "王示例〔U+1F600〕"), ("Ёлка Ñandú", "ЁлкаÑandú"), ("龘䶮", "龘䶮")],
    ids=["a rare character", "an emoji", "other letters", "many strokes"],
)
async def test_a_name_that_no_font_has_does_not_keep_the_paper_from_its_owner(
    counter: Counter, tmp_path: Path, name: str, shown: str
):
    donation_id = await counter.given(amount_fen=20_050, donor=DONOR | {"name": name})
    await publish(counter)
    file = await paper(counter, donation_id, tmp_path, name="true")
    assert f"捐赠人{shown}" in words_of(file)
    along = attached_to(file, tmp_path / "along")
    assert along["fund-1.entry"] == await taken(counter, donation_id, "entry")


async def test_the_donor_and_the_desk_take_it_and_nobody_else(counter: Counter):
    donation_id = await gift(counter)
    await counter.refused_reading(403, "forbidden", donation_id, NOBODY, Role.RESIDENT)
    known = await counter.given(donor={**DONOR, "person_id": str(ANNA)})
    await publish(counter)
    assert (await taken(counter, known, "pdf", ANNA, Role.RESIDENT))[:5] == b"%PDF-"
    for who in ((BO, Role.RESIDENT), (BO, Role.AUDITOR), (BO, Role.SUPERVISOR), (ANNA, Role.FUND_APPROVER)):
        await counter.refused_reading(403, "forbidden", known, *who)


async def test_what_is_not_published_or_not_there_is_said(counter: Counter):
    await counter.refused_reading(404, "donation_unknown", str(NOBODY), *AS_CLERK)
    promised = await counter.pledged()
    await counter.refused_reading(409, "not_received", promised, *AS_CLERK)
    donation_id = await counter.given()
    await counter.refused_reading(409, "receipt_not_yet", donation_id, *AS_CLERK)
    await publish(counter)
    await counter.refused_reading(409, "donor_unnamed", donation_id, *AS_CLERK, name=True)


@needs_poppler
async def test_the_fund_page_is_a_symbol_of_its_own_where_it_is_known(
    counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    donation_id = await gift(counter)
    monkeypatch.setenv("CHAOYANGLI_FUND_URL", "https://fund.example/fund/")
    fund_url.cache_clear()
    try:
        file = await paper(counter, donation_id, tmp_path)
    finally:
        fund_url.cache_clear()
    leaf = sha256(b"\x00" + await taken(counter, donation_id, "entry")).hexdigest()
    assert symbols_on(file, tmp_path / "pages")[0] == f"https://fund.example/fund/check#2.{leaf}"


@needs_poppler
async def test_whose_account_it_is_and_what_was_given_back_stand_on_the_paper(
    counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    donation_id = await gift(counter)
    monkeypatch.setenv("CHAOYANGLI_HOST_CHARITY", str(tmp_path / "host.yaml"))
    (tmp_path / "host.yaml").write_text(yaml.safe_dump(WHOLE))
    host_charity.cache_clear()
    try:
        words = words_of(await paper(counter, donation_id, tmp_path))
    finally:
        host_charity.cache_clear()
    for part in ("示例慈善基金会", WHOLE["certificate_no"], WHOLE["filing_no"], "账户尾号0017"):
        assert part in words
    assert "尚未接入" not in words


@needs_poppler
async def test_what_went_back_or_was_reversed_stands_on_the_paper(office: Office, tmp_path: Path):
    counter = office.counter
    back, wrong = await counter.given(), await counter.given()
    await counter.done(f"/donations/{back}/refund", await refunding(office, back), *AS_CASHIER)
    entry_id = (await counter.read(f"/donations/{wrong}"))["entry_id"]
    await counter.done(f"/entries/{entry_id}/reverse", await reversing(office, entry_id), *AS_CLERK)
    await publish(counter)
    assert "已退还或冲减50.00元" in words_of(await paper(counter, back, tmp_path))
    assert "已由基金账第5号分录冲销" in words_of(await paper(counter, wrong, tmp_path))


@needs_poppler
async def test_things_are_told_with_their_declared_value(counter: Counter, tmp_path: Path):
    promised = {"amount_fen": 30_000, "goods": {"sku": "rice_5kg", "qty": 10}, "donor": DONOR}
    donation_id = await counter.pledged(**promised)
    brought = {**GIVEN, "qty": 9, "donation_id": donation_id}
    await counter.done("/goods", brought, TELLER, Role.FUND_CLERK)
    await publish(counter)
    file = await paper(counter, donation_id, tmp_path)
    words = words_of(file)
    for part in ("rice_5kg，9件", "申报价值人民币270.00元", "申报价值大写人民币贰佰柒拾元整", "方式物资"):
        assert part in words, part
    assert "".join(symbols_on(file, tmp_path / "pages")).endswith((await taken(counter, donation_id, "entry")).decode())


@needs_poppler
async def test_a_paper_with_many_vouchers_still_carries_all_of_its_proof(counter: Counter, tmp_path: Path, go: Program):
    vouchers = [sha256(str(number).encode()).hexdigest() for number in range(20)]
    donation_id = await counter.given(receive={"voucher_sha256": vouchers})
    await publish(counter)
    parts = symbols_on(await paper(counter, donation_id, tmp_path), tmp_path / "pages")
    assert len(parts) > 4
    proof, _, entry = "".join(parts).rpartition("\n")
    (tmp_path / "r.tlog-proof").write_text(proof + "\n")
    (tmp_path / "r.entry").write_text(entry)
    said = go("inclusion", counter.runtime.signer.verifier_key, tmp_path / "r.tlog-proof", tmp_path / "r.entry")
    assert said.returncode == 0, said.stderr
    assert all(voucher in entry for voucher in vouchers)


@needs_poppler
async def test_who_witnessed_the_head_stands_on_the_paper(
    counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await gift(counter)
    settings, key = counter.runtime.settings, Ed25519PrivateKey.generate()
    note = parse_note(settings.published_path.read_text())
    cosignature = cosign(note.text, "witness.example/w1", key, 1_790_000_000)
    write_whole(settings.published_path, format_note(note.text, [*note.signatures, cosignature]).encode())
    vkey = VerifierKey.of("witness.example/w1", key, COSIGNATURE_V1)
    (tmp_path / "witnesses").write_text(f"witness 示例街道 {vkey} https://witness.example\nquorum none\n")
    for name in ("secrets_dir", "state_dir", "database_host", "database_port", "database_name"):
        monkeypatch.setenv(f"CHAOYANGLI_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("CHAOYANGLI_WITNESSES", str(tmp_path / "witnesses"))
    printed = await asyncio.to_thread(say, "receipt", "fund", 2, "--pdf", "--to", tmp_path)
    assert printed.code == 0, printed.err
    words = words_of(tmp_path / "fund-2.pdf")
    assert "见证人示例街道" in words
    assert "尚无外部见证" not in words


def test_no_part_of_a_text_begins_or_ends_with_a_blank_and_together_they_are_it():
    text = "".join(f"— 行 {number} " + "x" * (number % 97) + "\n" for number in range(200)) + "{}"
    parts = parts_of(text)
    assert "".join(parts) == text
    assert all(part.strip() == part and len(part.encode()) <= PART_BYTES for part in parts)
