"""A campaign that raises money for one purpose tells of that purpose alone, and the auditor comes to the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from servicekit.policy import PolicyInvalid
from services.ledger.policy import host_charity, read_host_charity
from tests.ledger.office import Office
from tests.ledger.test_host_charity import WHOLE
from tests.ledger.test_open_books import got
from tests.ledger.test_statement_audit import tampered, wrong
from tests.ledger.test_statements import MARCH, close, reverse, told


def papers(purpose: str) -> str:
    """The charity's file, with a campaign for this purpose."""
    campaign = {
        "code": "spring",
        "filing_no": "53120000EXAMPLEA26002",
        "fund": "fund-relief",
        "purpose": purpose,
        "first_day": "2026-03-01",
        "last_day": "2026-03-31",
    }
    return str(yaml.safe_dump(WHOLE | {"campaigns": [campaign]}, allow_unicode=True))


@pytest.fixture(autouse=True)
def spring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The charity's papers name a campaign for the ill."""
    file = tmp_path / "host.yaml"
    file.write_text(papers("illness"))
    monkeypatch.setenv("CHAOYANGLI_HOST_CHARITY", str(file))
    host_charity.cache_clear()
    yield
    host_charity.cache_clear()


async def lived(office: Office) -> str:
    """Gifts for the ill, for others and for anything; a paid case, one set aside from both kinds of money."""
    for amount_fen, purpose in ((65_000, "illness"), (7_000, "disaster"), (90_000, None)):
        await office.counter.given(amount_fen=amount_fen, purpose=purpose)
    paid = await office.paid(amount_fen=60_000)
    await office.approved(await office.ready(amount_fen=10_000))
    await office.later(days=20)
    await close(office, MARCH)
    return paid


async def test_it_tells_what_was_given_and_spent_for_its_purpose_and_nothing_else(office: Office):
    await lived(office)
    drafted = (await office.counter.read("/statements/spring"))["statement"]
    (fund,) = drafted["funds"]
    assert (drafted["purpose"], drafted["entries"]) == ("illness", 2)
    line: dict[str, Any] = {"category": "donations", "purposes": ["illness"]}
    assert fund["income"] == [line | {"amount_fen": 65_000, "restricted_fen": 65_000}]
    assert [(one["amount_fen"], one["restricted_fen"]) for one in fund["spending"]] == [(60_000, 60_000)]
    assert (fund["opening_fen"], fund["closing_fen"], fund["closing_restricted_fen"]) == (0, 5_000, 5_000)
    assert fund["held_fen"] == 5_000
    assert (drafted["year"]["income_fen"], drafted["year"]["spending_fen"]) == (65_000, 60_000)


async def test_its_page_says_so_and_its_table_names_the_purpose(office: Office):
    await lived(office)
    await told(office, "spring")
    assert "只列这次募捐用途“大病救助”的款项" in (await got(office.counter, "/statements/spring.r1")).text
    table = (await got(office.counter, "/statements/spring.r1.csv")).text
    assert "期末结余,,大病救助,50.00,50.00" in table


async def test_the_auditor_comes_to_the_same_and_names_what_differs(office: Office):
    paid = await lived(office)
    await told(office, "spring")
    await reverse(office, paid)
    history = list(await office.counter.runtime.log.read(0, 10_000))
    assert wrong(history) == []
    await told(office, "2026-03-01..2026-03-31")
    corrected = (await office.counter.read("/statements/spring"))["statement"]["reversed_later"]
    assert [one["money_fen"] for one in corrected] == [60_000]

    def of_all(documents: list[dict[str, Any]]) -> None:
        for one in documents:
            if one["type"] == "FundStatementPublished" and one["data"]["period"] == "spring":
                del one["data"]["statement"]["purpose"]

    found = wrong(tampered(history, of_all))
    assert any("entries is 2" in one for one in found)


def test_a_purpose_that_the_fund_has_not_is_refused_at_start(tmp_path: Path):
    file = tmp_path / "wrong.yaml"
    file.write_text(papers("holidays"))
    with pytest.raises(PolicyInvalid, match=r"campaigns\.0: .*fund-relief has no purpose holidays"):
        read_host_charity(file)
