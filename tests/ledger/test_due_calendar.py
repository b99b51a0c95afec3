"""The calendar of what must be told: every deadline of the law, counted from the books and the statements alone."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.commands.disclosures import of_events
from services.ledger.api.open_due import KINDS, STATES, as_document
from services.ledger.policy import POLICY, host_charity
from services.ledger.read_models.disclosures import BASIS, Booked, Campaign, Duty, Told, duties, months_after, told
from tests.ledger.office import AS_CLERK, AS_SUPERVISOR, Office
from tests.ledger.test_open_books import got, publish
from tests.ledger.test_statements import EXPLANATION, MARCH, march, reverse
from tests.ledger.test_statements import told as tell

LARGE_FEN = 1_000_000


def booked(day: str, entry_no: int = 1, money_fen: int = 20_000, **changes: Any) -> Booked:
    fields: dict[str, Any] = {
        "entry_no": entry_no,
        "position": entry_no * 10,
        "day": date.fromisoformat(day),
        "booked_on": date.fromisoformat(day),
        "money_fen": money_fen,
        "funds": frozenset({"fund-relief"}),
    }
    return Booked(**fields | changes)


def stated(kind: Any, period: str, first: str, last: str, on: str, log_size: int = 1_000) -> Told:
    days = (date.fromisoformat(first), date.fromisoformat(last))
    return told(kind, period, 1, days, log_size, datetime.fromisoformat(f"{on}T04:00:00+00:00"))


def owed(
    today: str, *said: Told, entries: tuple[Booked, ...] = (booked("2026-03-18"),), campaigns: tuple[Campaign, ...] = ()
) -> dict[str, Duty]:
    found = duties(entries, said, campaigns, date.fromisoformat(today), LARGE_FEN)
    return {f"{duty.kind} {duty.about}": duty for duty in found}


def states(today: str, *said: Told, **more: Any) -> dict[str, str]:
    return {name: duty.state for name, duty in owed(today, *said, **more).items()}


def test_a_fund_without_entries_owes_nothing():
    assert owed("2030-01-01", entries=()) == {}


def test_months_and_quarters_are_told_within_three_months_and_a_year_by_31_may():
    found = owed("2027-01-01")
    due = {name: duty.due_on.isoformat() for name, duty in found.items()}
    assert due["month 2026-03"] == "2026-06-30"
    assert due["month 2026-11"] == "2027-02-28"
    assert due["quarter 2026-q1"] == "2026-06-30"
    assert due["quarter 2026-q4"] == "2027-03-31"
    assert due["year 2026"] == "2027-05-31"
    assert "month 2026-02" not in found
    assert "month 2027-01" not in found


@pytest.mark.parametrize(
    ("day", "later"),
    [
        ("2026-03-31", "2026-06-30"),
        ("2026-11-30", "2027-02-28"),
        ("2027-11-30", "2028-02-29"),
        ("2026-05-10", "2026-08-10"),
    ],
)
def test_three_months_end_on_the_same_day_or_the_months_last(day: str, later: str):
    assert months_after(date.fromisoformat(day)).isoformat() == later


def test_what_is_told_on_the_last_day_is_in_time_and_a_day_later_is_not():
    in_time = stated("month", "2026-03", "2026-03-01", "2026-03-31", "2026-06-30")
    late = stated("month", "2026-03", "2026-03-01", "2026-03-31", "2026-07-01")
    assert states("2026-07-05", in_time)["month 2026-03"] == "told"
    assert states("2026-07-05", late)["month 2026-03"] == "told_late"
    assert states("2026-06-30")["month 2026-03"] == "waiting"
    assert states("2026-07-01")["month 2026-03"] == "late"


def test_a_quarter_is_told_by_its_own_statement_or_by_all_its_months():
    whole = stated("quarter", "2026-q1", "2026-01-01", "2026-03-31", "2026-04-13")
    assert states("2026-08-01", whole)["quarter 2026-q1"] == "told"
    months = [
        stated(
            "month",
            f"2026-{number:02d}",
            f"2026-{number:02d}-01",
            f"2026-{number:02d}-{last}",
            f"2026-0{number + 1}-05",
        )
        for number, last in ((1, 31), (2, 28), (3, 31))
    ]
    assert states("2026-08-01", *months)["quarter 2026-q1"] == "told"
    assert owed("2026-08-01", *months)["quarter 2026-q1"].told_on == date(2026, 4, 5)
    assert states("2026-08-01", *months[:2])["quarter 2026-q1"] == "late"
    some_days = stated("interim", "2026-01-01..2026-03-31", "2026-01-01", "2026-03-31", "2026-04-13")
    assert states("2026-08-01", some_days)["quarter 2026-q1"] == "late"


def test_what_is_large_is_told_within_thirty_days():
    entries = (
        booked("2026-03-18", 1, LARGE_FEN),
        booked("2026-03-19", 2, -LARGE_FEN),
        booked("2026-03-20", 3, 999_999),
    )
    found = owed("2026-04-18", entries=entries)
    assert {name for name in found if name.startswith("large_entry")} == {"large_entry 1", "large_entry 2"}
    assert (found["large_entry 1"].due_on, found["large_entry 1"].state) == (date(2026, 4, 17), "late")
    assert found["large_entry 2"].state == "waiting"
    days = stated("interim", "2026-03-18..2026-03-20", "2026-03-18", "2026-03-20", "2026-04-02")
    assert states("2026-05-01", days, entries=entries)["large_entry 2"] == "told"


def test_an_emergency_is_told_every_five_days_and_a_campaign_within_three_months_of_its_end():
    flood = Campaign("flood", date(2026, 8, 1), date(2026, 8, 12), emergency=True)
    found = owed("2026-08-13", entries=(), campaigns=(flood,))
    assert {name: duty.due_on.isoformat() for name, duty in found.items()} == {
        "emergency flood:2026-08-01": "2026-08-06",
        "emergency flood:2026-08-06": "2026-08-11",
        "emergency flood:2026-08-11": "2026-08-13",
        "campaign flood": "2026-11-12",
    }
    assert [duty.state for duty in found.values()] == ["late", "late", "waiting", "waiting"]
    first = stated("interim", "2026-08-01..2026-08-05", "2026-08-01", "2026-08-05", "2026-08-06")
    end = stated("campaign", "flood", "2026-08-01", "2026-08-12", "2026-08-13")
    told_of = states("2026-12-01", first, end, entries=(), campaigns=(flood,))
    assert told_of["emergency flood:2026-08-01"] == told_of["campaign flood"] == "told"
    assert told_of["emergency flood:2026-08-06"] == "told_late"


def test_what_later_entries_overtook_is_corrected_within_thirty_days():
    month = stated("month", "2026-03", "2026-03-01", "2026-03-31", "2026-04-05", log_size=15)
    reversal = booked("2026-04-20", 2, -20_000, reverses_day=date(2026, 3, 18))
    entries = (booked("2026-03-18"), reversal)
    found = owed("2026-05-21", month, entries=entries)["correction 2026-03.r1"]
    assert (found.due_on, found.state) == (date(2026, 5, 20), "late")
    assert not [name for name in owed("2026-05-21", month.corrected(), entries=entries) if name.startswith("corr")]
    other = booked("2026-04-20", 2, -20_000, reverses_day=date(2026, 2, 18))
    assert not [name for name in owed("2026-05-21", month, entries=(entries[0], other)) if name.startswith("corr")]


def test_a_campaigns_statement_is_not_overtaken_by_another_funds_entries():
    market = Campaign("market", date(2026, 3, 1), date(2026, 3, 31), fund="fund-public-good")
    end = stated("campaign", "market", "2026-03-01", "2026-03-31", "2026-04-05", log_size=15)
    late = booked("2026-03-20", 2)
    assert not [name for name in owed("2026-05-21", end, entries=(late,), campaigns=(market,)) if "corr" in name]
    own = booked("2026-03-20", 2, funds=frozenset({"fund-public-good"}))
    assert [name for name in owed("2026-05-21", end, entries=(own,), campaigns=(market,)) if "corr" in name]


def test_a_campaigns_statement_answers_only_for_the_entries_of_its_purpose():
    ill = Campaign("ill", date(2026, 3, 1), date(2026, 3, 31), fund="fund-relief", purpose="illness")
    end = stated("campaign", "ill", "2026-03-01", "2026-03-31", "2026-04-05", log_size=15)
    other = booked("2026-03-20", 2, LARGE_FEN, pots=frozenset({("fund-relief", "disaster")}))
    found = states("2026-05-21", end, entries=(other,), campaigns=(ill,))
    assert not [name for name in found if "corr" in name]
    assert found["large_entry 2"] == "late", "nobody told of it"
    own = booked("2026-03-20", 2, LARGE_FEN, pots=frozenset({("fund-relief", "illness")}))
    found = states("2026-05-21", end, entries=(own,), campaigns=(ill,))
    assert [name for name in found if "corr" in name]
    assert found["large_entry 2"] == "told"


def test_every_kind_and_state_has_its_words():
    assert set(KINDS) == set(BASIS)
    assert set(STATES) == {"told", "told_late", "waiting", "late"}


async def due(office: Office) -> dict[str, dict[str, Any]]:
    found = (await got(office.counter, "/due.json")).json()["duties"]
    return {f"{duty['kind']} {duty['about']}": duty for duty in found}


async def test_anybody_reads_the_calendar_and_the_command_comes_to_the_same(office: Office):
    counter = office.counter
    await publish(counter)
    paid = await march(office)
    assert (await due(office))["month 2026-03"]["state"] == "waiting"
    await tell(office)
    assert (await due(office))["month 2026-03"] == {
        "kind": "month",
        "about": "2026-03",
        "first_day": "2026-03-01",
        "last_day": "2026-03-31",
        "due_on": "2026-06-30",
        "told_on": "2026-04-13",
        "state": "told",
        "basis": "custom",
    }
    await reverse(office, paid)
    assert (await due(office))["correction 2026-03.r1"]["state"] == "waiting"
    await office.later(days=31)
    page = (await got(counter, "/due")).text
    for words in ("公示日历", "更正公示", "逾期未公布", "已公布（2026-04-13）"):
        assert words in page
    events = await counter.runtime.log.read(0, 10_000)
    served = list((await due(office)).values())
    from_the_log = [as_document(duty) for duty in of_events(events, office.now.astimezone(UTC).date())]
    assert [{**duty, **_days(duty)} for duty in from_the_log] == served
    drafted = await counter.done(
        f"/statements/{MARCH}/correct", {"reason_code": "entry_reversed", "explanation": EXPLANATION}, *AS_CLERK
    )
    read = {"statement_sha256": drafted["statement_sha256"]}
    await counter.done(f"/statements/{MARCH}/correct", read, *AS_SUPERVISOR)
    assert not [name for name in await due(office) if name.startswith("correction")]
    events = await counter.runtime.log.read(0, 10_000)
    assert len(of_events(events, office.now.date())) == len(await due(office))


def _days(duty: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if value is None else str(value) for name, value in duty.items() if name.endswith(("_day", "_on"))
    }


async def test_what_is_large_is_for_the_community_to_say(office: Office):
    amount_fen = POLICY.current.large_entry_fen
    await office.counter.given(amount_fen=amount_fen - 1)
    assert not [name for name in await due(office) if name.startswith("large")]
    await office.counter.given(amount_fen=amount_fen)
    assert [name for name in await due(office) if name.startswith("large")] == ["large_entry 3"]


async def test_the_charitys_campaigns_are_in_the_calendar(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "host.yaml"
    file.write_text(
        'name: 示例慈善总会\ncertificate_no: "53120000500000000A"\nfiling_no: "53120000500000000AB12345"\n'
        f'agreement_sha256: {"ab" * 32}\naccount_tail: "0042"\nplatform_url: https://platform.example/fund\n'
        "campaigns:\n- {code: spring, filing_no: '53120000500000000AB12346', fund: fund-relief,"
        " first_day: 2026-03-01, last_day: 2026-03-10, emergency: true}\n"
    )
    monkeypatch.setenv("CHAOYANGLI_HOST_CHARITY", str(file))
    host_charity.cache_clear()
    try:
        found = await due(office)
    finally:
        host_charity.cache_clear()
    assert found["emergency spring:2026-03-06"]["due_on"] == "2026-03-11"
    assert found["campaign spring"]["due_on"] == "2026-06-10"
