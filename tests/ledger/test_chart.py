"""The chart of accounts: what stands in the file, and which files are refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from contracts.command import Refused
from services.ledger.chart_of_accounts import Chart, chart
from services.ledger.posting_rules import donations_account, volunteer_account
from tests.ledger.examples import ANNA


def test_every_account_that_a_rule_can_name_is_in_the_chart_and_fits_in_a_code():
    named = [volunteer_account(ANNA), "community:service_minutes", donations_account(None), *chart().methods.values()]
    named += [donations_account(purpose.code) for fund in chart().funds for purpose in fund.purposes]
    for account in named:
        assert chart().account(account)
        assert len(account) <= 64


def test_the_two_funds_have_their_names():
    assert [fund.name for fund in chart().funds] == ["扶危济困基金", "公益基金"]


@pytest.mark.parametrize("account", ["assets", "assets:bank:more", "volunteer::minutes", "Assets:bank", ""])
def test_what_is_not_in_the_chart_is_no_account(account: str):
    with pytest.raises(Refused, match="account_unknown"):
        chart().account(account)


def _change(where: str, row: int, **changes: Any) -> dict[str, Any]:
    document = chart().model_dump()
    document[where] = [dict(item) for item in document[where]]
    document[where][row].update(changes)
    return document


@pytest.mark.parametrize(
    "document",
    [
        _change("accounts", 0, code="1002"),
        _change("accounts", 0, account="assets:bank"),
        _change("accounts", 0, unit="minutes"),
        _change("accounts", 0, side="left"),
        _change("accounts", 1, account="assets:elsewhere"),
        _change("funds", 0, code="fund-public-good"),
        chart().model_dump() | {"methods": {"cash": "income:donations"}},
        chart().model_dump() | {"currency": "CNY"},
    ],
)
def test_a_file_that_is_not_whole_is_refused(document: dict[str, Any]):
    with pytest.raises(ValidationError):
        Chart.model_validate(document)
