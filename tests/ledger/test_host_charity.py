"""The charity that the fund's money lies with: all of its papers, or not a word of raising money."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.command import Role
from servicekit.policy import PolicyInvalid
from services.ledger.app import definition
from services.ledger.policy import HostCharity, host_charity, read_host_charity
from tests.ledger.counter import AS_AUDITOR, Counter
from tests.ledger.examples import ANNA

WHOLE: dict[str, Any] = {
    "name": "示例慈善基金会",
    "certificate_no": "53120000EXAMPLE001",
    "filing_no": "53120000EXAMPLEA26001",
    "agreement_sha256": "ab" * 32,
    "account_tail": "0017",
    "platform_url": "https://platform.example/funds/17",
}


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Names a file of these contents for the service that starts next."""
    path = tmp_path / "host_charity.yaml"

    def name(document: Any) -> Path:
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
        monkeypatch.setenv("CHAOYANGLI_HOST_CHARITY", str(path))
        host_charity.cache_clear()
        return path

    yield name
    monkeypatch.undo()
    host_charity.cache_clear()


def test_a_whole_file_is_read(named: Any):
    assert read_host_charity(named(WHOLE)) == HostCharity(**WHOLE)


def test_set_to_nothing_is_not_set(named: Any, monkeypatch: pytest.MonkeyPatch):
    named(WHOLE)
    monkeypatch.setenv("CHAOYANGLI_HOST_CHARITY", "")
    host_charity.cache_clear()
    assert host_charity() is None


@pytest.mark.parametrize("left_out", sorted(WHOLE))
def test_half_a_charity_stops_the_service_at_start(named: Any, counter: Counter, left_out: str):
    named({field: value for field, value in WHOLE.items() if field != left_out})
    with pytest.raises(PolicyInvalid, match=f"{left_out}: Field required"):
        definition.build_app(counter.runtime)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account_tail", 17),
        ("account_tail", "6222000000000017"),
        ("platform_url", "http://platform.example/"),
        ("platform_url", "javascript:alert(1)"),
        ("agreement_sha256", "the agreement"),
        ("certificate_no", ""),
        ("account", "6222000000000017"),
    ],
)
def test_what_is_no_such_thing_is_refused_with_its_name(named: Any, field: str, value: Any):
    with pytest.raises(PolicyInvalid, match=field):
        read_host_charity(named({**WHOLE, field: value}))


@pytest.mark.parametrize("text", ["", "- a list", "a: [", "just words"])
def test_what_is_no_charitys_file_is_refused(named: Any, text: str):
    with pytest.raises(PolicyInvalid):
        read_host_charity(named(text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(PolicyInvalid, match="cannot be read"):
        read_host_charity(tmp_path / "nothing.yaml")


async def test_without_a_charity_nothing_is_said_of_raising_money(counter: Counter):
    assert await counter.read("/fund/host", ANNA, Role.RESIDENT) == {"host_charity": None}


async def test_with_one_everybody_who_signs_in_sees_where_gifts_are_made(named: Any, counter: Counter):
    named(WHOLE)
    definition.build_app(counter.runtime)
    assert await counter.read("/fund/host", *AS_AUDITOR) == {"host_charity": WHOLE}
