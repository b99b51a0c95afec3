"""The crash matrix in short, for `make test`: one round of the worst, the answer of a commit lost, a person erased."""

from uuid import uuid4

import pytest

from cli.client import ProblemError
from tests.faults.erasing import Leaver, leaves_nothing, where_it_lies
from tests.faults.harness import Scene
from tests.faults.load import order_for
from tests.faults.nemesis import deliver_everything_again, kill_and_start, lose_store, on_a_lossy_way, while_living
from tests.faults.proof import everything_holds
from tests.faults.proxy import LossyWay
from tests.support.waiting import eventually

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


async def test_servers_and_services_die_and_answers_are_lost_while_people_go_on(scene):
    # The service is killed on the way to there and on the way back.
    async with on_a_lossy_way(scene, ["orders"]) as way:
        await _the_first_answer_is_given_again(scene, way)

        async def nemesis() -> None:
            await kill_and_start(scene, scene.postgres)
            await lose_store(scene, None)
            before = len(way.lost)
            way.one_in = 3
            await eventually(lambda: len(way.lost) >= before + 6, 90, what="commits whose answers are lost")
            way.one_in = 0
            await deliver_everything_again(scene)

        await while_living(scene, nemesis)
    await everything_holds(scene)
    assert scene.history.statuses[503]


async def _the_first_answer_is_given_again(scene: Scene, way: LossyWay) -> None:
    """An order is recorded and nobody is told so; asked again under the same key, the service gives that answer."""
    key, path = str(uuid4()), "/v1/orders"
    async with scene.speaker(patience_seconds=0) as hasty, scene.speaker() as patient:
        resident = scene.town(patient).resident(scene.community.residents[1])
        order = order_for(resident, "haircut", scene.morning_after)
        way.one_in = 1
        with pytest.raises(ProblemError) as unanswered:
            await hasty.command("orders", path, order, actor=resident, key=key)
        way.one_in = 0
        assert (unanswered.value.status, unanswered.value.reason_code) == (503, "log_unavailable")
        assert way.lost == ["orders:writer"]
        recorded = (await scene.sizes())["orders"]
        first = await patient.command("orders", path, order, actor=resident, key=key)
        again = await patient.command("orders", path, order, actor=resident, key=key)
        assert first.body == again.body
        assert first.body["positions"]["orders"][1] == recorded
        with pytest.raises(ProblemError, match="key_reused"):
            await patient.command("orders", path, {**order, "item_code": "mediation"}, actor=resident, key=key)
        # The key's own answer stands; what was refused is no part of it.
        scene.history.under(key, "orders", path).refused = None


async def test_erasing_a_person_leaves_no_word_of_theirs_and_changes_no_hash(scene):
    leaver = Leaver(scene)
    await leaver.lives_here()
    before = await everything_holds(scene)
    assert await where_it_lies(leaver) == {
        "orders": {"address", "note"},
        "volunteers": {"name", "phone"},
        "ledger": {"name", "phone"},
        "notify": {"phone"},
    }
    await leaver.leaves()
    after = await everything_holds(scene)
    for service, log in before.items():
        assert [one.body for one in after[service][: len(log)]] == [one.body for one in log]
    await leaves_nothing(leaver)
