"""Teams over HTTP on real PostgreSQL: founded, joined, registered, led, asleep, left, dissolved."""

from datetime import timedelta
from uuid import UUID, uuid4

from contracts.command import Role
from contracts.volunteers import RoleGranted, RoleRevoked, TeamDormant
from services.volunteers.commands.teams import JoinTeam
from services.volunteers.commands.words import claim_id_of
from tests.volunteers.examples import by, claim_hours, confirm_hours, log_hours
from tests.volunteers.test_timers import NOW, record, timer
from tests.volunteers.town import ADMIN, MANAGER, WORKER, Town

TEAM = "/teams/haircut-team"


async def barbers(town: Town, size: int = 3) -> list[UUID]:
    """Volunteers; the first founds the team, the others join."""
    people = [await town.volunteer(f"第{number}人") for number in range(size)]
    first, *others = people
    await town.done("/teams", {"team_code": "haircut-team", "founder_id": str(first)}, first, Role.VOLUNTEER)
    for one in others:
        await town.done(f"{TEAM}/join", {"volunteer_id": str(one)}, one, Role.VOLUNTEER)
    return people


async def led(town: Town, size: int = 3) -> list[UUID]:
    """A registered team that its first member leads."""
    people = await barbers(town, size)
    await town.done(f"{TEAM}/leader", {"leader_id": str(people[0])})
    await town.done(f"{TEAM}/register", {})
    return people


async def test_a_team_is_begun_joined_led_and_registered(town: Town):
    anna = await town.volunteer()
    body = {"team_code": "haircut-team", "founder_id": str(anna)}
    await town.refused(422, "unknown_code", "/teams", {**body, "team_code": "my-own-team"}, anna, Role.VOLUNTEER)
    await town.refused(403, "forbidden", "/teams", body, WORKER, Role.VOLUNTEER)
    await town.refused(409, "member_not_active", "/teams", {**body, "founder_id": str(uuid4())})
    await town.refused(404, "team_unknown", f"{TEAM}/join", {"volunteer_id": str(anna)})
    people = await barbers(town, 2)
    await town.refused(409, "team_exists", "/teams", body, anna, Role.VOLUNTEER)
    await town.refused(409, "too_few_members", f"{TEAM}/register", {})
    await town.done(f"{TEAM}/join", {"volunteer_id": str(anna)}, anna, Role.VOLUNTEER)
    await town.refused(409, "member_already", f"{TEAM}/join", {"volunteer_id": str(anna)}, anna, Role.VOLUNTEER)
    await town.refused(409, "leader_needed", f"{TEAM}/register", {})
    await town.refused(409, "not_a_member", f"{TEAM}/leader", {"leader_id": str(uuid4())})
    await town.refused(403, "forbidden", f"{TEAM}/leader", {"leader_id": str(anna)}, anna, Role.VOLUNTEER)
    await town.done(f"{TEAM}/leader", {"leader_id": str(anna)})
    await town.done(f"{TEAM}/register", {})
    await town.refused(409, "team_registered_already", f"{TEAM}/register", {})
    (team,) = [row for row in (await town.read("/teams")).json()["teams"] if row["team_code"] == "haircut-team"]
    assert (team["name"], team["state"], team["members"]) == ("义务理发队", "ACTIVE", len(people) + 1)
    (shown,) = (await town.read(f"/volunteers/{anna}")).json()["teams"]
    assert (shown["team_code"], shown["leads"]) == ("haircut-team", True)


async def test_the_role_goes_with_the_leadership(town: Town):
    first, second, _ = await led(town)
    granted = [event for event in await town.events() if isinstance(event, RoleGranted)]
    assert [(event.person_id, event.granted_role, event.scope_id) for event in granted] == [
        (first, Role.TEAM_LEADER, "haircut-team")
    ]
    await town.done(f"{TEAM}/leader", {"leader_id": str(second), "term_until": (NOW + timedelta(days=9)).isoformat()})
    assert (await town.types())[-3:] == ["LeaderAppointed", "RoleRevoked", "RoleGranted"]
    await town.done(f"{TEAM}/leader", {"leader_id": str(second)})
    await town.done(f"{TEAM}/leave", {"volunteer_id": str(second)}, second, Role.VOLUNTEER)
    assert (await town.types())[-2:] == ["MemberLeft", "RoleRevoked"]
    grants = [event for event in await town.events() if isinstance(event, RoleGranted)]
    revoked = [event for event in await town.events() if isinstance(event, RoleRevoked)]
    assert {event.grant_id for event in grants} == {event.grant_id for event in revoked}
    await town.refused(
        422, "time_impossible", f"{TEAM}/leader", {"leader_id": str(first), "term_until": NOW.isoformat()}
    )
    far = (NOW + timedelta(days=2_000)).isoformat()
    await town.refused(422, "term_too_long", f"{TEAM}/leader", {"leader_id": str(first), "term_until": far})


async def test_a_leader_speaks_for_the_members_of_the_team_and_for_nobody_else(town: Town):
    leader, member, _ = await led(town)
    stranger = await town.volunteer("外人示例")
    as_leader = (leader, Role.TEAM_LEADER)
    await town.done(f"/volunteers/{member}/skills", {"skill": "haircut"}, *as_leader)
    assert (await town.read(f"/volunteers/{member}/hours", *as_leader)).status_code == 200
    await town.refused(403, "forbidden", f"/volunteers/{stranger}/skills", {"skill": "haircut"}, *as_leader)
    assert (await town.read(f"/volunteers/{stranger}", *as_leader)).status_code == 403
    await town.done(f"{TEAM}/join", {"volunteer_id": str(stranger)}, *as_leader)
    assert (await town.read(f"/volunteers/{stranger}", *as_leader)).status_code == 200
    # Somebody else who holds the role leads another team.
    await town.refused(403, "forbidden", f"{TEAM}/leave", {"volunteer_id": str(member)}, stranger, Role.TEAM_LEADER)
    await town.done(f"/volunteers/{leader}/withdraw", {}, leader, Role.VOLUNTEER)
    assert (await town.read(f"/volunteers/{member}", *as_leader)).status_code == 403


async def test_members_are_shown_by_name_where_they_agreed_to_that(town: Town):
    leader, member, other = await led(town)
    await town.done(f"/persons/{other}/consents", {"purpose": "publish_name", "form": "spoken"})
    members = (await town.read(f"{TEAM}/members", member, Role.VOLUNTEER)).json()["members"]
    assert [row["name"] for row in members] == [None, None, "第2人"]
    assert [row["leader"] for row in members] == [True, False, False]
    await town.done(f"/persons/{other}/consents/publish_name/withdraw", {}, other, Role.VOLUNTEER)
    members = (await town.read(f"{TEAM}/members", member, Role.VOLUNTEER)).json()["members"]
    assert [row["name"] for row in members] == [None, None, None]
    for actor, role in ((leader, Role.TEAM_LEADER), (MANAGER, Role.STATION_MANAGER)):
        seen = (await town.read(f"{TEAM}/members", actor, role)).json()["members"]
        assert [row["name"] for row in seen] == ["第0人", "第1人", "第2人"]
    assert (await town.read(f"{TEAM}/members", await town.volunteer(), Role.VOLUNTEER)).status_code == 403


async def test_who_withdraws_or_is_erased_leaves_every_team_in_the_same_append(town: Town):
    leader, member, third = await led(town)
    answer = await town.done(f"/volunteers/{member}/withdraw", {}, member, Role.VOLUNTEER)
    first, last = answer["positions"]["volunteers"]
    assert [one.type for one in await town.runtime.log.read(first - 1, last)] == ["VolunteerWithdrawn", "MemberLeft"]
    erased = await town.done(f"/persons/{leader}/erase", {"confirmed_person_id": str(leader)}, ADMIN, Role.ADMIN)
    first, last = erased["positions"]["volunteers"]
    said = [one.type for one in await town.runtime.log.read(first - 1, last)]
    assert sorted(said) == sorted(
        ["VolunteerWithdrawn", "MemberLeft", "RoleRevoked", "PersonErased", "PersonDataErased"]
    )
    members = (await town.read(f"{TEAM}/members")).json()["members"]
    assert [row["volunteer_id"] for row in members] == [str(third)]


async def test_a_dissolved_team_has_no_members_and_may_be_begun_anew(town: Town):
    first, *others = await led(town)
    await town.refused(422, "invalid_request", f"{TEAM}/dissolve", {"reason_code": "because"})
    await town.done(f"{TEAM}/dissolve", {"reason_code": "members_wish"})
    assert (await town.types())[-2:] == ["TeamDissolved", "RoleRevoked"]
    assert (await town.read(f"/volunteers/{first}")).json()["teams"] == []
    await town.refused(409, "team_dissolved", f"{TEAM}/join", {"volunteer_id": str(first)}, first, Role.VOLUNTEER)
    again = {"team_code": "haircut-team", "founder_id": str(others[0])}
    await town.done("/teams", again, others[0], Role.VOLUNTEER)
    members = (await town.read(f"{TEAM}/members")).json()["members"]
    assert [row["volunteer_id"] for row in members] == [str(others[0])]


async def test_a_team_falls_dormant_when_nobody_joins_and_nobody_serves(town: Town):
    people = await led(town)
    at = NOW + timedelta(days=60)
    claim_id, assignment_id = claim_id_of(people[1]), people[1]
    served = claim_hours(60, at, claim_id=claim_id, assignment_id=assignment_id, volunteer_id=people[1])
    await record(
        town, served, confirm_hours(claim_id=claim_id), log_hours(claim_id=claim_id, at=at + timedelta(hours=2))
    )
    # Ninety days after it was registered: a member's hours were credited meanwhile.
    assert await timer(town, NOW + timedelta(days=91)).fire_due() == 1  # the month's random check of hours
    assert (await town.types("team"))[-1] != "TeamDormant"
    due = at + timedelta(hours=2, days=90)
    assert await timer(town, due - timedelta(seconds=1)).fire_due() == 0
    assert await timer(town, due).fire_due() == 1
    assert await timer(town, due + timedelta(days=1)).fire_due() == 0
    dormant = (await town.events("team"))[-1]
    assert isinstance(dormant, TeamDormant)
    assert dormant.last_activity_at == at + timedelta(hours=2)
    await town.done(f"{TEAM}/join", {"volunteer_id": str(await town.volunteer())})
    (team,) = [row for row in (await town.read("/teams")).json()["teams"] if row["team_code"] == "haircut-team"]
    assert (team["state"], team["members"]) == ("ACTIVE", 4)


async def test_a_dormant_team_is_taken_up_again_by_the_station(town: Town):
    await led(town)
    assert await timer(town, NOW + timedelta(days=91)).fire_due() == 1
    await town.done(f"{TEAM}/register", {})
    assert (await town.types("team"))[-2:] == ["TeamDormant", "TeamRegistered"]


async def test_a_member_who_joined_while_withdrawing_is_taken_out_by_the_timer(town: Town):
    people = await led(town, 4)
    await town.done(f"/volunteers/{people[3]}/withdraw", {})
    tomorrow, who = NOW + timedelta(days=1), people[3]
    stale = JoinTeam(by=by(who, Role.VOLUNTEER), at=tomorrow, team_code="haircut-team", volunteer_id=who, active=True)
    await record(town, stale)
    assert await timer(town, tomorrow).fire_due() == 1
    assert (await town.types("team"))[-2:] == ["MemberJoined", "MemberLeft"]
