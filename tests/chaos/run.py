"""One run: the stack comes up, people live in it, everything fails, it is mended, drained and judged."""

import asyncio
import contextlib
import random
import shutil
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from pathlib import Path

from cli.stack import Stack
from eventstore.clock import direct
from eventstore.tasks import end
from tests.chaos.clients import Client
from tests.chaos.diary import Diary
from tests.chaos.disks import NoDisks, SmallDisk
from tests.chaos.faults import KINDS, NEED_DISKS, Deck, nemesis
from tests.chaos.judge import Verdict, judge
from tests.chaos.world import World, end_of, on_small_disks, world_of
from tests.faults.harness import FIRST_MORNING, History, Scene, few_people
from tests.faults.proof import drained
from tests.faults.subscriber import outsider
from tests.support.servers import temporary_directory

CLIENTS = 8
RESIDENTS, VOLUNTEERS = 4, 8
AT_ONCE = 2
"""Faults under way at the same time."""
PAUSE_SECONDS, PAUSES_MOST = (0.1, 0.6), 8
"""Between two tries of a command: a busy machine is not made busier by those who ask."""
HEADS_SECONDS = 1.0
"""How often somebody outside looks at the signed heads."""


@dataclass
class Report:
    """What came of a run."""

    seed: int
    seconds: float
    clients: int
    diary: Diary
    history: History
    verdict: Verdict

    @property
    def ok(self) -> bool:
        """Nothing lost, nothing doubled, nothing unexplained."""
        return not self.verdict.problems

    def lines(self) -> list[str]:
        """For people."""
        faults, said, verdict = self.diary.faults, self.history.said, self.verdict
        answered = sum(one.answered is not None for one in said)
        refused = sum(one.refused is not None for one in said)
        kinds = ", ".join(f"{kind} {times}" for kind, times in sorted(faults.items()))
        events = ", ".join(f"{service} {size}" for service, size in verdict.events.items())
        return [
            f"seed      {self.seed}, {self.seconds / 60:.1f} minutes, {self.clients} clients",
            f"faults    {faults.total()}: {kinds}",
            *(f"          {kind} was not possible here: {why}" for kind, why in self.diary.impossible.items()),
            f"commands  {len(said)}: {answered} answered, {refused} refused, {self.history.unknown} unknown",
            f"answers   {self.history.lost} lost; each was asked for again under the same key",
            f"events    {events}",
            *(f"WRONG     {check}: {one[:600]}" for check, found in verdict.wrong.items() for one in found[:10]),
            f"history   {self.diary.path}",
            f"verdict   {verdict.lost} lost, {verdict.doubled} doubled, {verdict.unexplained} unexplained",
        ]


async def run(seed: int, minutes: float, keep: Path, *, clients: int = CLIENTS, small_disks: bool = True) -> Report:
    """A whole run. What is kept lies in `keep`: the history always, what the servers said when something is wrong."""
    diary = Diary(keep / f"{seed}.jsonl")
    dice = random.Random(seed)
    with contextlib.ExitStack() as ends:
        ends.callback(diary.close)
        stack = Stack(ends.enter_context(temporary_directory()), mode="demo")
        direct(stack.clock_file, FIRST_MORNING, 0)
        stack.claim()
        await asyncio.to_thread(stack.prepare)
        disks: dict[str, SmallDisk] = {}
        ends.callback(end_of, stack, disks)
        if small_disks:
            try:
                disks.update(await asyncio.to_thread(on_small_disks, stack.servers))
            except NoDisks as error:
                diary.impossible["disk full"] = str(error)
        scene = Scene(stack, seed, community=few_people(RESIDENTS, VOLUNTEERS))
        ends.callback(scene.journal.close)
        async with world_of(scene, diary, dice, disks) as world:
            diary.note("started")
            await scene.settle()
            diary.note("settled")
            await drained(scene)
            diary.note("begins", seed=seed, minutes=minutes, clients=clients)
            scene.history.note = diary.note
            world.jump(timedelta())
            async with outsider(scene) as somebody:
                await _under_chaos(world, seed, minutes * 60, clients)
                diary.note("heals")
                await world.heal()
                diary.note("drains")
                verdict = await judge(scene, somebody)
        diary.note("verdict", lost=verdict.lost, doubled=verdict.doubled, wrong=verdict.wrong, faults=diary.faults)
        if verdict.problems:
            shutil.copytree(stack.data / "logs", keep / f"{seed}-logs", dirs_exist_ok=True)
            for log in stack.data.glob("*.log"):
                shutil.copy(log, keep / f"{seed}-logs")
        return Report(seed, diary.seconds, clients, diary, scene.history, verdict)


async def _under_chaos(world: World, seed: int, seconds: float, clients: int) -> None:
    done, numbers = asyncio.Event(), count(1)
    asyncio.get_running_loop().call_later(seconds, done.set)
    possible = [kind for kind in KINDS.values() if kind.name not in NEED_DISKS or world.disks]
    deck = Deck(seed, possible)
    watching = [asyncio.create_task(world.watch()), asyncio.create_task(_look_at_heads(world.scene))]
    try:
        async with asyncio.TaskGroup() as all_of_it:
            for number in range(clients):
                all_of_it.create_task(_client(world, random.Random(f"client {seed} {number}"), numbers, done))
            for _ in range(AT_ONCE):
                all_of_it.create_task(nemesis(world, deck, done))
    finally:
        await end(watching)


async def _client(world: World, dice: random.Random, numbers: "count[int]", done: asyncio.Event) -> None:
    async with world.scene.speaker() as speaker:
        speaker.pause_seconds, speaker.pauses_most = PAUSE_SECONDS, PAUSES_MOST
        await Client(world.scene, speaker, dice, numbers).live(done)


async def _look_at_heads(scene: Scene) -> None:
    while True:
        scene.keep_heads()
        await asyncio.sleep(HEADS_SECONDS)
