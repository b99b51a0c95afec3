"""A change of the community's figures is an event: said once, in force for every replica, shown with its position."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from contracts.command import Role
from contracts.orders import PolicyAdopted
from servicekit import adoption
from servicekit.policy import PolicySection
from servicekit.process import CannotStart, ServiceDefinition, ServiceProcess
from tests.servicekit.sample_service import sample
from tests.servicekit.world import Served, World, served
from tests.support.waiting import eventually


class Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    offer_minutes: Annotated[int, Field(ge=1)] = 120
    by_timer: bool = True


class File:
    """The policy file that the environment names."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def says(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> File:
    named = File(tmp_path / "policy.yaml")
    named.says("orders: {}\n")
    monkeypatch.setenv("CHAOYANGLI_POLICY", str(named.path))
    return named


def with_policy() -> tuple[ServiceDefinition, PolicySection[Any]]:
    section = PolicySection("orders", Figures, PolicyAdopted)
    return dataclasses.replace(sample(), policy=section), section


@pytest.fixture
async def replicas(world: World, file: File) -> AsyncIterator[list[tuple[Served, PolicySection[Any]]]]:
    """Two replicas of one service on one log, each with figures of its own process."""
    assert file.path.exists()
    async with AsyncExitStack() as stack:
        both = []
        for _ in range(2):
            definition, section = with_policy()
            both.append((await stack.enter_async_context(served(world, definition)), section))
        yield both


async def adopted(service: Served) -> list[PolicyAdopted]:
    recorded = await service.runtime.log.read_stream(adoption.policy_stream("orders"))
    return [one.event for one in recorded if isinstance(one.event, PolicyAdopted)]


async def test_the_first_start_adopts_the_defaults_and_the_next_says_nothing(
    replicas: list[tuple[Served, PolicySection[Any]]],
) -> None:
    (service, section), _ = replicas
    await adoption.adopt(section, service.runtime)
    await adoption.adopt(section, service.runtime)
    (said,) = await adopted(service)
    assert (said.policy_code, said.policy_version) == ("orders", 1)
    assert [(one.code, one.value) for one in said.settings] == [("offer_minutes", 120), ("by_timer", 1)]


async def test_a_changed_file_is_adopted_and_every_replica_goes_by_it(
    replicas: list[tuple[Served, PolicySection[Any]]], file: File
) -> None:
    (one, first), (other, second) = replicas
    await adoption.adopt(first, one.runtime)
    await adoption.adopt(second, other.runtime)
    file.says("orders:\n  offer_minutes: 60\n")
    assert first.current.offer_minutes == 120, "a file that somebody changed is not in force by itself"
    await adoption.adopt(first, one.runtime)
    assert first.current.offer_minutes == 60
    assert second.current.offer_minutes == 120
    await adoption.look(second, other.runtime)
    assert second.current.offer_minutes == 60
    assert [said.policy_version for said in await adopted(one)] == [1, 2]


async def test_replicas_that_start_together_adopt_once(
    replicas: list[tuple[Served, PolicySection[Any]]], file: File
) -> None:
    file.says("orders:\n  by_timer: false\n")
    await asyncio.gather(*(adoption.adopt(section, service.runtime) for service, section in replicas for _ in range(5)))
    assert len(await adopted(replicas[0][0])) == 1
    assert not any(section.current.by_timer for _, section in replicas)


async def test_the_policy_is_shown_with_the_position_that_adopted_it(
    replicas: list[tuple[Served, PolicySection[Any]]], file: File
) -> None:
    service, section = replicas[0]
    read = service.headers(Role.RESIDENT)
    empty = (await service.client.get("/v1/policy", headers=read)).json()
    assert (empty["policy"], empty["adopted"]) == ({"offer_minutes": 120, "by_timer": True}, None)
    await adoption.adopt(section, service.runtime)
    published = await service.publish()
    assert published.status_code == 201
    file.says("orders:\n  offer_minutes: 60\n")
    await adoption.adopt(section, service.runtime)
    shown = (await service.client.get("/v1/policy", headers=read)).json()
    assert shown["policy"] == {"offer_minutes": 60, "by_timer": True}
    assert (shown["adopted"]["policy_version"], shown["adopted"]["position"]) == (2, 3)
    assert [one["changed"] for one in shown["adoptions"]] == [
        {"offer_minutes": [120, 60]},
        {"by_timer": [None, 1], "offer_minutes": [None, 120]},
    ]
    assert (await service.client.get("/v1/policy")).status_code == 401


async def test_a_file_that_is_wrong_stops_the_start_and_is_told_by_line(world: World, file: File) -> None:
    definition, _ = with_policy()
    file.says("orders:\n  offer_minutes: 0\n")
    with pytest.raises(CannotStart, match=rf"{file.path}, line 2: orders\.offer_minutes = 0: "):
        await ServiceProcess(definition).serve(asyncio.Event(), world.settings("orders"))


async def test_a_process_adopts_before_it_serves(world: World, file: File) -> None:
    definition, section = with_policy()
    file.says("orders:\n  offer_minutes: 60\n")
    stop = asyncio.Event()
    process = ServiceProcess(definition)
    task = asyncio.create_task(process.serve(stop, world.settings("orders")))
    try:
        await eventually(lambda: section.current.offer_minutes == 60)
        async with served(world, with_policy()[0]) as beside:
            assert await eventually(lambda: adopted(beside))
    finally:
        stop.set()
        await task
