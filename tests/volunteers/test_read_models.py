"""The tables say what happened, and folding the log again gives the same rows."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from contracts.command import Command, Role
from eventstore.executor import Plan
from eventstore.model import Metadata
from eventstore.replay import replay
from services.volunteers.app import definition
from services.volunteers.commands.words import claim_id_of
from services.volunteers.read_models import queries
from services.volunteers.read_models.copies import LedgerCopy, OrdersCopy
from services.volunteers.read_models.own import VolunteersModel
from tests.volunteers.examples import (
    LATER,
    NOON,
    claim_hours,
    confirm_hours,
    log_hours,
    reject_hours,
    request_correction,
)
from tests.volunteers.town import ADMIN, AUDITOR, Town

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
    path = f"/volunteers/{anna}"
    await town.done(f"{path}/skills", {"skill": "haircut", "level": 2})
    await town.done(f"{path}/skills/haircut/verify", {"level": 3})
    await town.done(f"{path}/licences", {"licence": "medical", "expires_on": NEXT_YEAR})
    insurance = {"insurance": "accident", "valid_from": "2026-01-01", "expires_on": NEXT_YEAR}
    await town.done(f"{path}/insurances", insurance)
    slots = {"weekly": [{"weekday": 1, "from_minute": 0, "to_minute": 60}]}
    await town.done(f"{path}/availability", slots)
    await town.done(f"{path}/pause", {})
    await town.done(f"{path}/resume", {})
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    suspension = {"reason_code": "money_taken", "suspended_until": until, "seconded_by": str(wang)}
    await town.done(f"{path}/suspend", suspension)
    await town.done(f"{path}/reinstate", {})
    await town.done(f"/persons/{wang}/consents/service/withdraw", {})
    await hours_of(town, anna)
    await town.done(f"/proxies/{proxy['proxy_authorisation_id']}/end", {})
    await town.done(f"/relations/{relation['relation_id']}/end", {})
    await town.done(f"/roles/{grant['grant_id']}/revoke", {}, *as_admin)
    await town.done(f"{path}/withdraw", {})
    await town.done(f"/persons/{wang}/erase", {"confirmed_person_id": str(wang)}, *as_admin)
    return anna


async def hours_of(town: Town, volunteer_id: UUID) -> None:
    """480 minutes of one day logged, 60 more held and approved, 30 rejected; one correction asked for."""
    total = 0
    for number, minutes in enumerate((240, 240, 60, 30)):
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
        elif minutes == 30:
            await record(town, reject_hours().model_copy(update={"claim_id": claim_id}))
        elif number == 0:
            await record(town, request_correction().model_copy(update={"claim_id": claim_id}))


async def record(town: Town, *commands: Command) -> None:
    async def build() -> Plan:
        return Plan(commands)

    await town.runtime.executor.execute(build, Metadata("system"))


async def test_replaying_every_event_gives_the_same_rows(town: Town):
    await live_a_little(town)
    assert set(await town.types()) >= {"RoleRevoked", "HoursRejected", "CorrectionRequested", "PersonDataErased"}
    report = await replay(town.runtime.settings.log_config("migrator"), definition.read_models)
    assert report.compared, report.note
    assert report.position == await town.served.size()
    assert [table.name for table in report.tables if not table.equal] == []
    filled = {table.name for table in report.tables if table.rows}
    own = set(VolunteersModel.metadata.tables)
    assert filled == own
    assert {table.name for table in report.tables} == own | {
        name for copy in (OrdersCopy, LedgerCopy) for name in copy.metadata.tables
    }


async def test_totals_are_kept_by_grade_and_by_day(town: Town):
    anna = await live_a_little(town)
    async with town.runtime.log.queries() as connection:
        assert await queries.totals(connection, anna) == {"A": 300, "B": 240, "C": 0}
        rows = await queries.claims_of(connection, anna, None, None, 10)
        assert [(row["state"], row["minutes"], row["day_minutes"]) for row in rows] == [
            ("REJECTED", 30, 510),
            ("LOGGED", 60, 540),
            ("LOGGED", 240, 480),
            ("LOGGED", 240, 240),
        ]
        assert rows[3]["corrections"] == 1
        assert await queries.claims_of(connection, anna, LATER.date(), None, 10) == []
