"""The crash matrix in short: one round of the worst, answers of commits lost, a person erased. `make test` runs it."""

from collections.abc import Sequence

import pytest

from contracts.envelope import Recorded
from tests.faults import checkers
from tests.faults.erasing import Leaver, leaves_nothing
from tests.faults.nemesis import deliver_everything_again, kill_and_start, lose_store, on_a_lossy_way, while_living
from tests.faults.proof import everything_holds
from tests.support.waiting import eventually

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]


async def test_servers_and_services_die_and_answers_are_lost_while_people_go_on(scene):
    async def nemesis() -> None:
        await kill_and_start(scene, scene.postgres)
        await lose_store(scene, None)
        # The service is killed on the way to there and on the way back.
        async with on_a_lossy_way(scene, ["orders"]) as way:
            way.one_in = 3
            await eventually(lambda: len(way.lost) >= 6, 60, what="commits whose answers are lost")
        await deliver_everything_again(scene)

    await while_living(scene, nemesis)
    assert scene.history.statuses[503]


async def test_erasing_a_person_leaves_no_word_of_theirs_and_changes_no_hash(scene):
    leaver = Leaver(scene)
    await leaver.lives_here()
    before = await everything_holds(scene)
    await leaver.leaves()
    after = await everything_holds(scene)
    for service, log in before.items():
        assert [one.body for one in after[service][: len(log)]] == [one.body for one in log]
    await leaves_nothing(leaver)


async def test_the_checkers_notice_what_is_lost_or_doubled(scene):
    """Each of them is shown a history in which something is wrong."""
    logs = await everything_holds(scene)

    def wrong(**doctored: Sequence[Recorded]) -> set[str]:
        shown = {**logs, **doctored}
        found = {each.__name__ for each in checkers.CHECKERS if list(each(shown))}
        return found | ({"commands_once"} if list(checkers.commands_once(scene.history, shown)) else set())

    def without(service: str, kind: str) -> list[Recorded]:
        first = min(one.position for one in logs[service] if one.type == kind)
        return [one for one in logs[service] if one.position != first]

    def twice(service: str, kind: str) -> list[Recorded]:
        return [*logs[service], next(one for one in logs[service] if one.type == kind)]

    assert wrong() == set()
    assert {"no_gaps", "hours_once", "books_balance"} <= wrong(volunteers=without("volunteers", "HoursLogged"))
    assert {"gifts_once", "hours_once"} & wrong(ledger=twice("ledger", "EntryPosted"))
    assert "books_balance" in wrong(ledger=twice("ledger", "EntryPosted"))
    assert "hours_once" in wrong(orders=without("orders", "ServiceFinished"))
    assert "gifts_once" in wrong(ledger=without("ledger", "DonationReceived"))
    assert "notices_once" in wrong(notify=twice("notify", "NotificationQueued"))
    assert "notices_once" in wrong(notify=without("notify", "NotificationQueued"))
    assert "slots_once" in wrong(orders=twice("orders", "OrderAccepted"))
    assert "commands_once" in wrong(orders=without("orders", "OrderRated"))
    assert "commands_once" in wrong(orders=twice("orders", "OrderPlaced"))
    assert "copies_erased_once" in wrong(notify=without("notify", "PersonDataErased"))
