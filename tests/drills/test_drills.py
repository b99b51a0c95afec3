"""Whatever a superuser does to a log is caught, by exactly what the table says; a log left alone raises no alarm."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.bundle.checking import check
from cli.bundle.exporting import export
from eventstore.errors import EngineError
from tests.drills.attacks import rewrite_and_sign
from tests.drills.checks import CHECKS, SERVICE_GOES_ON_BEFORE, go_on, receipt_proves
from tests.drills.community import Community, Kept, found
from tests.drills.document import BEGIN, DOCUMENT, END, put_into
from tests.drills.table import DRILLS, OUTSIDE, Drill
from tests.support.servers import TestPostgres, running_nats, temporary_directory

pytestmark = pytest.mark.journey


@pytest.fixture(scope="module")
def kept(postgres_server: TestPostgres) -> Iterator[Kept]:
    with running_nats() as nats, temporary_directory() as directory:
        made = found(postgres_server, nats, directory)
        yield made
        postgres_server.drop_database(made.community.database.name)
        postgres_server.drop_database(made.old_copy.name)


def caught(runner: asyncio.Runner, community: Community, drill: Drill) -> set[str]:
    """The checks that raise an alarm, each asked once."""
    alarms = set()
    for one in CHECKS:
        if one.name == SERVICE_GOES_ON_BEFORE:
            with contextlib.nullcontext() if drill.goes_on else pytest.raises(EngineError):
                runner.run(go_on(community))
        if runner.run(one.caught(community, drill.concerned)):
            alarms.add(one.name)
    return alarms


@pytest.mark.parametrize("drill", DRILLS, ids=lambda drill: drill.attack.__name__)
def test_tampering_is_caught_by_what_the_table_says(kept: Kept, drill: Drill, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        nats = stack.enter_context(running_nats()) if drill.own_nats else kept.community.nats
        template = kept.old_copy.name if drill.old_copy else None
        community = stack.enter_context(kept.community.copied(nats, tmp_path / "community", template=template))
        runner = stack.enter_context(asyncio.Runner())
        runner.run(drill.attack(community))
        assert caught(runner, community, drill) == drill.caught_by
        # Whatever was done here, who holds an entry with its receipt can prove it to anybody.
        for position in drill.concerned:
            assert receipt_proves(community, position, (community.taken / f"{position}.entry").read_bytes())


def test_no_check_raises_an_alarm_over_a_log_that_was_left_alone(kept: Kept, tmp_path: Path) -> None:
    async def nothing(_: Community) -> None:
        return

    with kept.community.copied(kept.community.nats, tmp_path / "community") as community, asyncio.Runner() as runner:
        assert caught(runner, community, Drill("nothing", nothing, frozenset())) == set()


def test_a_policy_that_asks_for_no_witness_believes_whoever_has_the_key(kept: Kept, tmp_path: Path) -> None:
    with kept.community.copied(kept.community.nats, tmp_path / "community") as community, asyncio.Runner() as runner:
        runner.run(rewrite_and_sign(community))
        bundle = tmp_path / "bundle"
        runner.run(export(community.place, community.policy, bundle, lambda *_: None))
        assert not check(bundle, community.policy).ok
        assert check(bundle, community.policy.replace("quorum street", "quorum none")).ok


def test_every_drill_is_caught_and_the_worst_by_nothing_that_lies_on_the_servers() -> None:
    assert all(drill.caught_by for drill in DRILLS)
    names = {one.name for one in CHECKS}
    assert all(drill.caught_by <= names for drill in DRILLS)
    assert {name for drill in DRILLS for name in drill.caught_by} == names
    worst = [drill for drill in DRILLS if drill.attack.__name__.endswith("fill_the_stream_and_sign")]
    assert [drill.caught_by for drill in worst] == [OUTSIDE, OUTSIDE]


def test_the_table_in_the_document_is_this_one() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
    assert put_into(text) == text, "run `python -m tests.drills.document` and commit"
    assert f"| {DRILLS[0].name} | ✓ | ✓ | ✓ | ✓ | ✓ | ✓ | ✓ | – | – |" in text
