"""Service records: every (state, command) cell; issued over HTTP, printed, checked by code, superseded, revoked."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.command import SYSTEM, Role
from contracts.volunteers import ServiceRecordEvent
from eventstore.merkle import root_hash
from services.volunteers.commands import records as commands
from services.volunteers.decider import records
from tests.support.papers import needs_poppler, words_of
from tests.volunteers.examples import ANNA, LATER, LEE, Story, by
from tests.volunteers.test_api_hours import AS_AUDITOR, AS_SUPERVISOR, credited, post
from tests.volunteers.town import MORNING, Town

RECORD = UUID(int=400)
STATION = by(LEE, Role.STATION_MANAGER)
RECORDED = commands.RecordedMinutes(minutes_a=120, minutes_c=30, positions=(3, 8, 9), ledger_size=12)
TODAY = date(2026, 3, 19)


def issue(**changes: Any) -> Any:
    fields: dict[str, Any] = {
        "by": STATION,
        "at": LATER,
        "record_id": RECORD,
        "volunteer_id": ANNA,
        "volunteer_known": True,
        "record_no": "PT-2026-000001",
        "verify_code": "7029416583320917",
        "period_from": date(2026, 1, 1),
        "period_until": TODAY,
        "today": TODAY,
        "recorded": RECORDED,
    }
    return commands.IssueServiceRecord(**fields | changes)


SUPERSEDE = commands.SupersedeServiceRecord(by=SYSTEM, at=LATER, record_id=RECORD, reason_code="hours_corrected")
REVOKE = commands.RevokeServiceRecord(by=STATION, at=LATER, record_id=RECORD, reason_code="issued_in_error")
HAPPENED: dict[str, tuple[Any, ...]] = {
    "NONE": (),
    "ISSUED": (issue(),),
    "SUPERSEDED": (issue(), SUPERSEDE),
    "REVOKED": (issue(), REVOKE),
}


@pytest.mark.parametrize("command", [issue(), SUPERSEDE, REVOKE], ids=lambda command: type(command).__name__)
@pytest.mark.parametrize("state", HAPPENED)
def test_every_state_answers_every_command(state: str, command: Any):
    story = Story(records, *HAPPENED[state])
    assert story.state.state == state
    code = records.RECORD_LIFECYCLE.refusal(type(command), state)
    if code is not None:
        story.refuses(command, code)
        return
    story.when(command).then(*records.RECORD_LIFECYCLE.row(type(command)).events)


def test_the_table_has_every_command_and_every_event():
    assert {row.command for row in records.RECORD_LIFECYCLE.rows} == set(commands.RECORD_COMMANDS)
    told = {name for row in records.RECORD_LIFECYCLE.rows for name in row.events}
    assert told == {event.__name__ for event in ServiceRecordEvent.__args__}


def test_a_record_says_minutes_by_grade_and_where_the_ledger_holds_them():
    issued = Story(records).when(issue()).then("ServiceRecordIssued")
    assert (issued.minutes_a, issued.minutes_b, issued.minutes_c, issued.entries) == (120, 0, 30, 3)
    assert (issued.ledger_positions, issued.ledger_size, issued.issued_by) == ((3, 8, 9), 12, LEE)


def test_what_cannot_be_recorded_is_refused():
    story = Story(records)
    story.refuses(issue(volunteer_known=False), "volunteer_unknown")
    story.refuses(issue(by=by(ANNA, Role.STATION_MANAGER)), "own_record")
    story.refuses(issue(period_until=TODAY + timedelta(days=1)), "period_impossible")
    story.refuses(issue(period_from=TODAY + timedelta(days=1)), "period_impossible")
    story.refuses(issue(recorded=RECORDED.model_copy(update={"unanswered": 1})), "not_posted_yet")
    story.refuses(issue(recorded=commands.RecordedMinutes(ledger_size=5)), "nothing_recorded")
    many = RECORDED.model_copy(update={"positions": tuple(range(1, 4_002))})
    story.refuses(issue(recorded=many), "period_too_long")
    Story(records, issue()).refuses(REVOKE.model_copy(update={"by": by(ANNA, Role.STATION_MANAGER)}), "own_record")


def body(volunteer_id: UUID) -> dict[str, str]:
    today = datetime.now(UTC) + timedelta(hours=8)
    return {
        "volunteer_id": str(volunteer_id),
        "period_from": MORNING.date().isoformat(),
        "period_until": today.date().isoformat(),
    }


async def test_a_record_is_issued_from_the_ledger_checked_by_anybody_and_ends_when_its_minutes_change(town: Town):
    anna = await town.volunteer("安示例")
    await town.refused(409, "nothing_recorded", "/service-records", body(anna))
    await credited(town, anna)
    claim_id = await credited(town, anna, start=MORNING + timedelta(hours=2), posted=False)
    await town.refused(409, "not_posted_yet", "/service-records", body(anna))
    entry_id = await post(town, claim_id)
    issued = await town.done("/service-records", body(anna))
    path = f"/v1/service-records/by-code/{issued['verify_code']}"
    checked = (await town.client.get(path)).json()
    assert (checked["valid"], checked["minutes_a"], checked["entries"]) == (True, 120, 2)
    assert "安示例" not in str(checked)
    assert not {"volunteer_id", "record_id"} & checked.keys()
    assert (await town.client.get("/v1/service-records/by-code/0000000000000000")).status_code == 404

    asked = await town.done(f"/hours/{claim_id}/corrections", {"cause": "not_served"}, *AS_SUPERVISOR)
    answer = {"correction_id": asked["correction_id"], "delta": 0, "reason_code": "upheld", "explanation": "核对无误。"}
    await town.done(f"/hours/{claim_id}/adjust", answer, *AS_AUDITOR)
    assert (await town.client.get(path)).json()["valid"], "what is upheld changes no paper"
    asked = await town.done(f"/hours/{claim_id}/corrections", {"cause": "not_served"}, *AS_SUPERVISOR)
    void = {"correction_id": asked["correction_id"], "reason_code": "not_served", "explanation": "当天没有上门。"}
    await town.done(f"/hours/{claim_id}/void", void, *AS_AUDITOR)
    checked = (await town.client.get(path)).json()
    assert (checked["valid"], checked["state"], checked["reason_code"]) == (False, "SUPERSEDED", "hours_corrected")
    assert entry_id
    own = (await town.read(f"/volunteers/{anna}/service-records", anna, Role.VOLUNTEER)).json()["records"]
    assert [record["record_no"] for record in own] == [issued["record_no"]]


@needs_poppler
async def test_a_name_that_no_font_has_does_not_keep_the_record_from_its_owner(town: Town, tmp_path: Path):
    anna = await town.volunteer("安𠮷")
    await credited(town, anna)
    issued = await town.done("/service-records", body(anna))
    path = f"/v1/service-records/{issued['record_id']}/pdf"
    answer = await town.client.get(path, headers=town.headers(anna, Role.VOLUNTEER))
    assert answer.status_code == 200, answer.text
    (tmp_path / "record.pdf").write_bytes(answer.content)
    assert "姓名：安〔U+20BB7〕" in words_of(tmp_path / "record.pdf")


async def test_the_paper_has_the_name_from_the_vault_and_only_a_proof_that_holds(town: Town):
    anna = await town.volunteer("安示例")
    await credited(town, anna)
    issued = await town.done("/service-records", body(anna))
    path = f"/v1/service-records/{issued['record_id']}/pdf"

    async def printed(proof: dict[str, Any], actor: UUID = anna, role: Role = Role.VOLUNTEER) -> Any:
        return await town.client.get(path, params=proof, headers=town.headers(actor, role))

    plain = await printed({})
    assert (plain.status_code, plain.headers["content-type"], plain.content[:5]) == (200, "application/pdf", b"%PDF-")
    assert (await printed({}, uuid4())).status_code == 403
    async with town.runtime.log.queries() as connection:
        from services.volunteers.read_models import star_queries

        record = await star_queries.record(connection, UUID(issued["record_id"]))
        assert record is not None
        position = record["ledger_positions"][-1]
        leaf = await star_queries.leaf_of(connection, position)
    assert leaf is not None
    other = sha256(b"another leaf").digest()
    root = root_hash([leaf["leaf_hash"], other] if position == 1 else [other, leaf["leaf_hash"]])
    proof = {"size": 2, "root": root.hex(), "hashes": [other.hex()]}
    assert position in {1, 2}
    good = await printed(proof)
    assert good.status_code == 200
    assert len(good.content) != len(plain.content)
    wrong = await printed({**proof, "root": "00" * 32})
    assert (wrong.status_code, wrong.json()["reason_code"]) == (422, "proof_does_not_hold")


async def test_a_record_is_revoked_and_numbers_have_no_doubles(town: Town):
    anna = await town.volunteer()
    await credited(town, anna)
    answers = await asyncio.gather(*(town.done("/service-records", body(anna)) for _ in range(4)))
    year = (datetime.now(UTC) + timedelta(hours=8)).year
    assert sorted(answer["record_no"] for answer in answers) == [f"PT-{year}-{number:06}" for number in range(1, 5)]
    path = f"/service-records/{answers[0]['record_id']}/revoke"
    await town.refused(403, "forbidden", path, {"reason_code": "fraud"}, anna, Role.STATION_MANAGER)
    await town.done(path, {"reason_code": "issued_in_error"})
    await town.refused(409, "record_ended", path, {"reason_code": "issued_in_error"})
