"""The fund's open books: anybody checks an entry with what lies there, and nobody links two gifts of one donor."""

import json
import re
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from contracts.command import Role
from contracts.event import EVENTS
from contracts.ledger import EntryPosted
from eventstore.durable import write_whole
from eventstore.tlog_proof import TlogProof
from eventstore.trust_policy import read_trust_policy
from servicekit.signing import sign
from services import ledger
from services.ledger.policy import host_charity
from tests.ledger.aid_examples import APPROVER, SECOND
from tests.ledger.counter import DONOR, Counter, logged
from tests.ledger.examples import ANNA
from tests.ledger.office import WORDS, Office

TOKEN = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{16,}|[A-Za-z0-9+/]{40,}={0,2}"
)
"""Ids, digests and signatures: whatever could stand for somebody."""


async def publish(counter: Counter) -> None:
    """Sign the head and put it where the public reads it."""
    runtime = counter.runtime
    text = await sign(runtime.signer, runtime.log)
    write_whole(runtime.settings.published_path, text.encode())


async def got(counter: Counter, path: str, status: int = 200) -> httpx.Response:
    """As anybody: without a token."""
    answer = await counter.client.get(f"/fund{path}")
    assert answer.status_code == status, answer.text
    return answer


async def test_every_entry_of_the_fund_is_proved_to_anybody(counter: Counter):
    for amount_fen in (10_000, 20_000, 30_000):
        await counter.given(amount_fen=amount_fen)
    await publish(counter)
    policy = read_trust_policy(f"log {counter.runtime.signer.verifier_key}\nquorum none\n")
    listed = (await got(counter, "/entries.json")).json()["entries"]
    assert [entry["money_fen"] for entry in listed] == [10_000, 20_000, 30_000]
    for entry in listed:
        body = await got(counter, f"/entries/{entry['entry_no']}.json")
        proof = await got(counter, f"/entries/{entry['entry_no']}.tlog-proof")
        proven = TlogProof.parse(proof.text).check(body.content, policy)
        assert proven.position == entry["position"]
        assert body.headers["cache-control"].endswith("immutable")
        assert body.json()["data"]["entry_no"] == entry["entry_no"]


async def test_what_the_published_head_does_not_reach_is_not_there_yet(counter: Counter):
    assert "还没有公布" in (await got(counter, "/")).text
    await got(counter, "/entries.json", 404)
    await counter.given()
    await publish(counter)
    await counter.given()
    assert len((await got(counter, "/entries.json")).json()["entries"]) == 1
    await got(counter, "/entries/2.json", 404)
    await got(counter, "/entries/2.tlog-proof", 404)


async def test_nobodys_hours_are_there(counter: Counter):
    await counter.hear(logged())
    await counter.given()
    await publish(counter)
    everything = [(await got(counter, path)).text for path in ("/", "/entries.json", "/entries/1.json")]
    assert len(json.loads(everything[1])["entries"]) == 1
    assert not any(str(ANNA) in text for text in everything)


async def test_the_page_shows_balances_corrections_with_their_words_and_who_witnessed(office: Office):
    case_id = await office.paid()
    await office.reversing(case_id, APPROVER, explanation=WORDS)
    await office.reversing(case_id, SECOND)
    await publish(office.counter)
    page = (await got(office.counter, "/")).text
    for words in ("1,000.00 元", "发放救助", "−800.00", f"更正说明：{WORDS}", "尚无外部见证", "证明不了什么"):
        assert words in page
    assert len(page.encode()) < 50_000
    assert not re.search("募捐|捐款账号|扫码捐", page)
    listed = (await got(office.counter, "/entries.json")).json()["entries"]
    assert (listed[-1]["reverses_no"], listed[-1]["explanation"]) == (2, WORDS)


async def test_words_in_a_correction_are_text_and_never_markup(office: Office):
    case_id = await office.paid()
    await office.reversing(case_id, APPROVER, explanation="<script>alert(1)</script>")
    await office.reversing(case_id, SECOND)
    await publish(office.counter)
    page = (await got(office.counter, "/")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("name", ["style.css", "check-receipt.mjs", "page.mjs", "check", "vendor/sha2.js"])
async def test_the_pages_files_are_served_and_nothing_else_is(counter: Counter, name: str):
    assert (await got(counter, f"/{name}")).content
    for other in ("__init__.py", "..%2fapp.py", "vendor/README.md", "fund.html"):
        await got(counter, f"/{other}", 404)


def test_our_part_of_the_browser_check_is_short():
    pages = Path(ledger.__file__).parent / "pages"
    lines = sum(len((pages / name).read_text().splitlines()) for name in ("check-receipt.mjs", "page.mjs"))
    assert lines <= 200


async def public_bytes(counter: Counter, donation_id: str) -> str:
    """Everything that is public about one gift: its entry's bytes, and the events that anybody may subscribe to."""
    found: list[bytes] = []
    for recorded in await counter.runtime.log.read(0, 10_000):
        public = EVENTS["ledger", recorded.type].audience == "public"
        if str(getattr(recorded.event, "donation_id", "")) != donation_id:
            continue
        if public:
            found.append(recorded.body)
        elif isinstance(recorded.event, EntryPosted):
            found.append((await got(counter, f"/entries/{recorded.event.entry_no}.json")).content)
    assert len(found) >= 3
    return b"\n".join(found).decode()


def tokens_of_both(one: str, other: str) -> set[str]:
    """What stands in both and could be somebody: ids, digests, signatures."""
    return set(TOKEN.findall(one)) & set(TOKEN.findall(other))


async def gifts_of(counter: Counter, donors: Iterable[dict[str, str]]) -> list[str]:
    given = [await counter.given(donor=donor, amount_fen=50_000) for donor in donors]
    await publish(counter)
    return [await public_bytes(counter, donation_id) for donation_id in given]


async def test_two_gifts_of_one_donor_have_no_more_in_common_than_those_of_two(counter: Counter):
    known = {**DONOR, "person_id": str(ANNA)}
    other = {"name": "钱示例", "phone": "13911111111"}
    first, second, third = await gifts_of(counter, (known, known, other))
    shared = tokens_of_both(first, second)
    # The clerk, the cashier, the book: who keeps the books is in all of them.
    assert shared == tokens_of_both(first, third) == tokens_of_both(second, third)
    assert str(ANNA) not in first + second
    for words in (DONOR["name"], DONOR["phone"]):
        assert words not in first + second


async def test_the_attempt_to_link_them_would_succeed_if_there_were_anything(counter: Counter):
    first, second, third = await gifts_of(counter, (DONOR, DONOR, {"name": "钱示例"}))
    # A stable digest of the donor, as a careless program would make it.
    stable = "ab" * 32
    assert tokens_of_both(first + stable, second + stable) - tokens_of_both(first, third) == {stable}


async def test_who_may_sign_in_learns_no_donor_from_the_open_books(counter: Counter):
    await counter.given(donor=DONOR)
    await publish(counter)
    answer = await counter.get("/donations", ANNA, Role.RESIDENT)
    assert answer.status_code == 403
    page = (await got(counter, "/")).text
    assert DONOR["public_name"] not in page


PUBLISHED = {
    "_md.js": "60cf3010fda89e3e4d3f0e7ff1ce249e9c467f34b4fd41b6fd6101d9f69be763",
    "_u64.js": "b09da8c07fe8187c07649494cdb7cd0bcf13df90b506a9473d19e4d5f8c2e102",
    "noble-ed25519.js": "a4f631d1876b5d9e43a86cd71194ca27b5e1451edf4ba4db9a418f40a475569a",
    "sha2.js": "471746bba6ec4c6238ca41358d1d3b40b6ff31cf3363f0b4d550c649c1a8e83b",
    "utils.js": "037ad49adb78168b6b699598fd33f85f7877456b1d28b4d032e2a1a16807947c",
}
"""File → its SHA-256 in the packages named in pages/vendor/README.md."""


def test_what_is_vendored_is_what_was_published():
    vendor = Path(ledger.__file__).parent / "pages" / "vendor"
    assert {file.name: sha256(file.read_bytes()).hexdigest() for file in vendor.glob("*.js")} == PUBLISHED


async def test_the_host_charity_stands_there_when_there_is_one_and_nothing_of_giving_otherwise(
    counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await counter.given()
    await publish(counter)
    assert "捐款，到" not in (await got(counter, "/")).text
    file = tmp_path / "host.yaml"
    file.write_text(
        'name: 示例慈善总会\ncertificate_no: "53120000500000000A"\nfiling_no: "53120000500000000AB12345"\n'
        f'agreement_sha256: {"ab" * 32}\naccount_tail: "0042"\nplatform_url: https://platform.example/fund\n'
    )
    monkeypatch.setenv("CHAOYANGLI_HOST_CHARITY", str(file))
    host_charity.cache_clear()
    try:
        page = (await got(counter, "/")).text
    finally:
        host_charity.cache_clear()
    for words in ("示例慈善总会", "53120000500000000A", "尾号 0042", "https://platform.example/fund"):
        assert words in page
