"""The tables say what happened, and folding the log again gives the same rows."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts.command import SYSTEM, Command, Role
from contracts.event import EVENTS
from eventstore.executor import Plan
from eventstore.model import Metadata
from eventstore.replay import replay
from services.volunteers.app import definition
from services.volunteers.commands.helping import ExpireLicence, RecordLicence
from services.volunteers.commands.hours import UnusualFacts
from services.volunteers.commands.teams import MarkTeamDormant
from services.volunteers.commands.words import claim_id_of
from services.volunteers.read_models import hours_queries as queries
from services.volunteers.read_models.copies import LedgerCopy, OrdersCopy
from tests.volunteers import test_records, test_stars
from tests.volunteers.examples import (
    LATER,
    NOON,
    adjust_hours,
    by,
    claim_hours,
    confirm_hours,
    draw_sample,
    log_hours,
    record_sample,
    reject_hours,
    request_correction,
    void_hours,
)
from tests.volunteers.town import ADMIN, AUDITOR, MANAGER, WORKER, Town

NEXT_YEAR = date(datetime.now(UTC).year + 1, 12, 31).isoformat()


async def live_a_little(town: Town) -> UUID:
    """Every event that volunteers says, at least once; returns the volunteer who lived through most of it."""
    await town.client.post("/v1/bootstrap", json={"name": "管示例"}, headers=town.bootstrap_headers(ADMIN))
    anna, wang = await town.volunteer("安示例"), await town.person("王示例")
    as_admin = (ADMIN, Role.ADMIN)
    grant = await town.done("/roles", {"person_id": str(wang), "granted_role": "SOCIAL_WORKER"}, *as_admin)
    tie = {"person_a_id": str(wang), "person_b_id": str(anna), "kind": "sibling"}
    relation = await town.done("/relations", tie)
    proxy = await town.done("/proxies", {"principal_id": str(wang), "proxy_id": str(anna)})
    await town.done(f"/persons/{wang}/move", {"entrance_id": "entrance-003"})
    block = await town.done("/blocks", {"person_id": str(wang), "other_id": str(anna), "reason": "说话太大声"})
    await town.done(f"/blocks/{block['block_id']}/end", {})
    path = f"/volunteers/{anna}"
    await town.done(f"{path}/skills", {"skill": "haircut", "level": 2})
    await town.done(f"{path}/skills/haircut/verify", {"level": 3})
    await town.done(f"{path}/licences", {"licence": "medical", "expires_on": NEXT_YEAR})
    insurance = {"insurance": "accident", "valid_from": "2026-01-01", "expires_on": NEXT_YEAR}
    await town.done(f"{path}/insurances", insurance)
    slots = {"weekly": [{"weekday": 1, "from_minute": 0, "to_minute": 60}]}
    await town.done(f"{path}/availability", slots)
    await town.done(f"{path}/trainings", {"training": "safety", "completed_on": "2026-01-01"})
    await town.done(f"{path}/pause", {})
    await town.done(f"{path}/resume", {})
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    suspension = {"reason_code": "money_taken", "suspended_until": until, "seconded_by": str(wang)}
    await town.done(f"{path}/suspend", suspension)
    await town.done(f"{path}/reinstate", {"statement": "停权结束。"})
    await town.done(f"/persons/{wang}/consents/service/withdraw", {})
    await hours_of(town, anna)
    await town.done(f"/proxies/{proxy['proxy_authorisation_id']}/end", {})
    await town.done(f"/relations/{relation['relation_id']}/end", {})
    await town.done(f"/roles/{grant['grant_id']}/revoke", {}, *as_admin)
    await town.done(f"{path}/withdraw", {})
    await childhood(town)
    await a_team(town)
    await town.done(f"/persons/{wang}/erase", {"confirmed_person_id": str(wang)}, *as_admin)
    return anna


async def childhood(town: Town) -> None:
    """A child that waits for its guardian, a licence that expires, and an offer that is not taken up."""
    mother, born = await town.person("母示例"), f"{datetime.now(UTC).year - 9}-01-01"
    child = await town.person("童示例", birth_date=born, guardian_id=str(mother))
    await town.done("/relations", {"person_a_id": str(mother), "person_b_id": str(child), "kind": "parent"})
    await town.done("/volunteers", {"person_id": str(child), "consent_form": "web"}, child, Role.RESIDENT)
    consent = {"guardian_id": str(mother), "form": "written"}
    await town.done(f"/volunteers/{child}/guardian-consent", consent, mother, Role.RESIDENT)
    licence_id, at = uuid4(), datetime.now(UTC)
    about: dict[str, Any] = {"volunteer_id": child, "licence_id": licence_id}
    manager = by(MANAGER, Role.STATION_MANAGER)
    recorded = RecordLicence(by=manager, at=at, licence="medical", expires_on=at.date() + timedelta(days=1), **about)
    await record(town, recorded, ExpireLicence(by=SYSTEM, at=at + timedelta(days=3), **about))
    await town.done(f"/volunteers/{child}/reject", {"reason_code": "not_shown"})


async def a_team(town: Town) -> None:
    """A team from its beginning to its end; last of all one member leaves another team."""
    bo, chen, duan = [await town.volunteer(name) for name in ("薄示例", "陈示例", "段示例")]
    await town.done("/teams", {"team_code": "meals-team", "founder_id": str(bo)})
    for member in (chen, duan):
        await town.done("/teams/meals-team/join", {"volunteer_id": str(member)})
    await town.done("/teams/meals-team/leader", {"leader_id": str(chen)})
    await town.done("/teams/meals-team/register", {})
    now = datetime.now(UTC)
    dormant: dict[str, Any] = {"by": SYSTEM, "at": now + timedelta(days=91), "last_activity_at": now}
    await record(town, MarkTeamDormant(team_code="meals-team", **dormant))
    await town.done("/teams/meals-team/dissolve", {"reason_code": "dormant"})
    await town.done("/teams", {"team_code": "law-team", "founder_id": str(bo)})
    await town.done("/teams/law-team/leave", {"volunteer_id": str(bo)})


async def hours_of(town: Town, volunteer_id: UUID) -> None:
    """200 and 240 minutes of one day logged, 60 more held and approved, 90 rejected; one taken back after all."""
    total = 0
    for number, minutes in enumerate((240, 240, 60, 90)):
        assignment_id = uuid4()
        claim = {
            "claim_id": claim_id_of(assignment_id),
            "assignment_id": assignment_id,
            "volunteer_id": volunteer_id,
            "grade": "AB"[number % 2],
        }
        claim_id = claim["claim_id"]
        started_at = NOON + timedelta(hours=4 * number - 12)
        await record(
            town,
            claim_hours(minutes, started_at, **claim),
            confirm_hours(claim_id=claim_id),
            log_hours(total, claim_id=claim_id),
        )
        total += minutes if total + minutes <= 480 else 0
        if minutes == 60:
            await town.done(f"/hours/{claim_id}/approve", {}, AUDITOR, Role.HOURS_AUDITOR)
        elif minutes == 90:
            await record(town, reject_hours().model_copy(update={"claim_id": claim_id}))
        elif number == 0:
            await record(
                town,
                request_correction(by(WORKER, Role.SUPERVISOR)).model_copy(update={"claim_id": claim_id}),
                adjust_hours(delta=-40, logged_minutes=240).model_copy(update={"claim_id": claim_id}),
                draw_sample().model_copy(update={"claim_id": claim_id}),
                record_sample().model_copy(
                    update={"claim_id": claim_id, "result": "not_confirmed", "correction_id": uuid4()}
                ),
            )
            total -= 40
    await voided_claim(town, volunteer_id)
    await stars_and_papers(town, volunteer_id)


async def stars_and_papers(town: Town, volunteer_id: UUID) -> None:
    """A star from the minutes to the award, an objection to it and its review; a paper that ends each way."""
    at = {"volunteer_id": volunteer_id}
    objected = test_stars.object_().model_copy(update=at)
    await record(
        town,
        *(one.model_copy(update=at) for one in test_stars.HAPPENED["PUBLICIZED"]),
        objected,
        *(one.model_copy(update=at) for one in (test_stars.publicize(), test_stars.award(), test_stars.review())),
    )
    for number, end in enumerate((test_records.SUPERSEDE, test_records.REVOKE)):
        about = {"record_id": UUID(int=number)}
        paper = test_records.issue(record_no=f"PT-2026-00000{number}", verify_code=f"{number:016}")
        await record(town, paper.model_copy(update=about | at), end.model_copy(update=about))


async def voided_claim(town: Town, volunteer_id: UUID) -> None:
    """An unusual claim of another day, credited and taken back."""
    assignment_id, start = uuid4(), NOON + timedelta(days=1)
    changes: dict[str, Any] = {"claim_id": claim_id_of(assignment_id)}
    claim = claim_hours(
        20, start, assignment_id=assignment_id, volunteer_id=volunteer_id, unusual=UnusualFacts(pair_days=9), **changes
    )
    correction_id = uuid4()
    asks = {**changes, "correction_id": correction_id}
    await record(
        town,
        claim,
        confirm_hours(**changes),
        log_hours(**changes),
        request_correction(by(WORKER, Role.SUPERVISOR)).model_copy(update=asks),
        void_hours(logged_minutes=20).model_copy(update=asks),
    )


async def record(town: Town, *commands: Command) -> None:
    async def build() -> Plan:
        return Plan(commands)

    await town.runtime.executor.execute(build, Metadata("system"))


async def test_replaying_every_event_gives_the_same_rows(town: Town):
    await live_a_little(town)
    said = {name for service, name in EVENTS if service == "volunteers"}
    assert set(await town.types()) == said - {"PolicyAdopted", "LossAccepted"}
    report = await replay(town.runtime.settings.log_config("migrator"), definition.read_models)
    assert report.compared, report.note
    assert report.position == await town.served.size()
    assert [table.name for table in report.tables if not table.equal] == []
    filled = {table.name for table in report.tables if table.rows}
    own = {name for model in definition.read_models if model.source == "volunteers" for name in model.metadata.tables}
    assert filled == own
    assert {table.name for table in report.tables} == own | {
        name for copy in (OrdersCopy, LedgerCopy) for name in copy.metadata.tables
    }


async def test_totals_are_kept_by_grade_and_by_day(town: Town):
    anna = await live_a_little(town)
    async with town.runtime.log.queries() as connection:
        assert await queries.totals(connection, anna) == {"A": 260, "B": 240, "C": 0}
        rows = await queries.claims_of(connection, anna, None, None, 10)
        assert [(row["state"], row["minutes"], row["day_minutes"]) for row in rows] == [
            ("VOIDED", 0, 0),
            ("REJECTED", 90, 530),
            ("LOGGED", 60, 500),
            ("LOGGED", 240, 440),
            ("LOGGED", 200, 200),
        ]
        assert rows[4]["corrections"] == 2
        assert await queries.claims_of(connection, anna, LATER.date() + timedelta(days=1), None, 10) == []
