"""One stack a process: its faults come one after the other, and after each the whole history must hold."""

import asyncio
import os
import shutil
import zlib
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cli.stack import Stack
from eventstore.clock import direct
from tests.faults.harness import FIRST_MORNING, Scene
from tests.support.servers import temporary_directory

SEED = int(os.environ.get("FAULT_SEED", "20190117"))
KEEP = os.environ.get("FAULT_KEEP")
"""A directory that gets what the services said, to be read after a failure."""


class Scenes:
    """The scene in use. One that a test left without proof that everything holds is not used again."""

    def __init__(self) -> None:
        self._scene: Scene | None = None
        self._ends = ExitStack()

    def next(self) -> Scene:
        """The same, or another where the last test failed."""
        if self._scene is not None and not self._scene.proven:
            self.close()
        if self._scene is None:
            self._scene = self._open()
        self._scene.proven = False
        return self._scene

    def close(self) -> None:
        """Stop everything."""
        self._scene = None
        self._ends.close()

    def _open(self) -> Scene:
        """The whole system with a few people in it, business time standing at the first morning."""
        directory = self._ends.enter_context(temporary_directory())
        stack = Stack(directory, mode="demo", durable=False)
        if KEEP:
            self._ends.callback(shutil.copytree, stack.data / "logs", KEEP, dirs_exist_ok=True)
        self._ends.callback(_kill_all, stack)
        direct(stack.clock_file, FIRST_MORNING, 0)
        stack.start()
        scene = Scene(stack, SEED)
        self._ends.callback(scene.journal.close)
        self._ends.callback(scene.drop_replicas)
        asyncio.run(scene.settle())
        return scene


def _kill_all(stack: Stack) -> None:
    """What comes after is thrown away: nobody needs to end in order."""
    for server in stack.services.values():
        server.kill()
    stack.servers.kill()


@pytest.fixture(scope="session")
def scenes() -> Iterator[Scenes]:
    """Closed in the end."""
    scenes = Scenes()
    yield scenes
    scenes.close()


@pytest.fixture
def scene(scenes: Scenes, request: pytest.FixtureRequest) -> Scene:
    """Where a test may let things fail, with dice of its own: FAULT_SEED throws them otherwise."""
    scene = scenes.next()
    scene.throw(zlib.crc32(f"{SEED}:{request.node.name}".encode()))
    return scene
