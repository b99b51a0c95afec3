"""What people read: every template, whole, in plain words, about nobody else."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from contracts.notify import NoticeParams
from services.notify import templates
from tests.notify.examples import END, NOON, NUMBER, PARAMS, START

CODES = sorted(templates.book().templates)
CLAIMS = re.compile("已通知|通知到|已送达|送达|已收到通知|已发送")
PERSONAL = re.compile("name|address|phone|person|door|code$|comment|household")


@pytest.mark.parametrize("code", CODES)
def test_a_notice_claims_nothing_blames_nobody_and_is_about_nobody_else(code: str) -> None:
    chosen = templates.template(code)
    text = templates.render(code, PARAMS)
    words = text.title + text.body
    assert not CLAIMS.search(words)
    assert not re.search("非法|无效|错误|必须", words)
    assert not [name for name in chosen.fields if PERSONAL.search(name)]
    assert chosen.fields <= templates.FIELDS
    assert "{" not in words
    assert "None" not in words


DISPUTES = {"dispute_raised", "dispute_appealed", "dispute_decided", "dispute_final"}
"""They need not be about an order."""
CASES = {"asked", "asked_urgently", "asked_visited", "asked_amended", "asked_refused", "asked_withdrawn", "asked_done"}
"""Told to whoever applied for aid."""
OF_THE_FUND = CASES | {code for code in CODES if code.startswith("aid_")} | {"market_to_disclose"}
"""They are about a case or a market, and no order."""
OF_MACHINES = {"webhook_disabled"}
"""They are about an address outside, and no order."""
MINUTES = {"minutes_credited", "minutes_corrected", "minutes_voided"}


@pytest.mark.parametrize(
    "code",
    [code for code in CODES if templates.template(code).to != "donor" and code not in OF_THE_FUND | OF_MACHINES],
)
def test_it_says_what_and_when_and_the_order_number(code: str) -> None:
    text = templates.render(code, PARAMS)
    if code in DISPUTES:
        assert code == "dispute_final" or "11月25日 星期三 上午9点" in text.body
        return
    if code in MINUTES:
        assert "11月24日 星期二" in text.body
    else:
        assert "2041-7788" in text.body
    if code not in {*MINUTES, "pool_digest"}:
        assert "11月25日 星期三 上午9点到10点" in text.body
        assert "理发" in text.body


@pytest.mark.parametrize("code", sorted(OF_THE_FUND))
def test_nobody_reads_over_a_shoulder_who_is_helped_with_what(code: str) -> None:
    """An applicant's notice names neither a hardship nor money; staff read no amount of a case, and nobody a name."""
    chosen = templates.template(code)
    text = templates.render(code, PARAMS)
    if code != "market_to_disclose":
        assert chosen.fields <= {"due"}
        assert "120.50" not in text.title + text.body
    if code in CASES:
        assert not re.search("救助|困难|补助|贫|病|钱|款|元|基金|公示", text.title + text.body)
        assert chosen.to == "resident"
    else:
        assert chosen.to == "staff"


def test_a_notice_never_says_please_as_an_order_does() -> None:
    assert [code for code in OF_THE_FUND if "请" in templates.render(code, PARAMS).body.replace("申请", "")] == []


def test_things_are_no_money() -> None:
    assert "元" not in templates.render("gift_goods_thanks", PARAMS).body
    assert "款" not in templates.render("gift_goods_thanks", PARAMS).body


def test_params_hold_only_codes_numbers_and_times() -> None:
    assert not [name for name in NoticeParams.model_fields if re.search("name|address|phone|person|_id$|_ref$", name)]


def test_residents_and_staff_are_told_in_their_own_words() -> None:
    for code in CODES:
        chosen = templates.template(code)
        official = re.search("点单|派单|接单|评单|回访|服务码", chosen.title + chosen.body)
        assert official is None or chosen.to == "staff", code


@pytest.mark.parametrize(
    ("start", "minutes", "shown"),
    [
        (START, 60, "11月25日 星期三 上午9点到10点"),
        (START, 90, "11月25日 星期三 上午9点到10点30分"),
        (START + timedelta(hours=2), 150, "11月25日 星期三 上午11点到下午1点30分"),
        (datetime(2026, 11, 25, 4, 0, tzinfo=UTC), 60, "11月25日 星期三 中午12点到下午1点"),
        (datetime(2026, 11, 24, 16, 5, tzinfo=UTC), 10, "11月25日 星期三 凌晨0点05分到0点15分"),
        (datetime(2026, 11, 29, 11, 0, tzinfo=UTC), 360, "11月29日 星期日 晚上7点到11月30日 星期一 凌晨1点"),
    ],
)
def test_times_read_as_people_say_them_in_shanghai(start: datetime, minutes: int, shown: str) -> None:
    assert templates.window(start, start + timedelta(minutes=minutes)) == shown


def test_a_deadline_is_never_shown_earlier_than_it_is() -> None:
    assert templates.moment(START + timedelta(seconds=1)) == "11月25日 星期三 上午9点01分"
    assert templates.moment(END) == "11月25日 星期三 上午10点"


def test_money_and_numbers() -> None:
    assert templates.yuan(12_050) == "120.50元"
    assert templates.yuan(10_000) == "100元"
    assert templates.yuan(-5) == "-0.05元"
    assert templates.shown_no(NUMBER) == "2041-7788"
    assert templates.item_name("haircut") == "理发"
    assert templates.item_name("made-up") == "帮忙"


def test_a_notice_without_what_it_needs_is_not_rendered() -> None:
    with pytest.raises(ValueError, match="all_found needs order_no, when"):
        templates.render("all_found", NoticeParams(item_code="haircut"))


def test_a_refusal_with_danger_says_the_numbers() -> None:
    text = templates.render("order_refused", PARAMS)
    assert all(number in text.body for number in ("120", "119", "110"))


def test_a_template_with_another_field_or_a_nameless_call_is_not_loaded() -> None:
    with pytest.raises(ValueError, match="name"):
        templates.Template(to="resident", channels=("in_app",), title="有人来了", body="来的是{name}")
    with pytest.raises(ValueError, match="a call"):
        templates.Template(to="resident", channels=("in_app", "phone"), title="有人来了", body="单号{order_no}")


def test_noon_is_a_tuesday() -> None:
    assert templates.moment(NOON) == "11月24日 星期二 中午12点"
