"""A deployment of an earlier program, in which people live, becomes one of this one: docs/operating/upgrading.md."""

import asyncio
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.ids import uuid7
from servicekit.tokens import issue
from tests.containers.engine import COMPOSE_FILE, DIRECTED_CLOCK, ROOT, Deployment, deployed
from tests.containers.lived import MORNING, ClientInContainers, Lived, has_all
from tests.journeys.steps import Journey

pytestmark = [pytest.mark.container, pytest.mark.timeout(1800)]

PENDING = 6
MIGRATIONS = "eventstore/migrations"


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True).stdout


def _earlier() -> str:
    """The newest commit whose migrations are others than here. Skips where the history does not reach it."""
    changed = _git("log", "-1", "--format=%H", "--", MIGRATIONS).decode().strip()
    known = subprocess.run(["git", "rev-parse", "--verify", f"{changed}^"], cwd=ROOT, check=False, capture_output=True)
    if known.returncode != 0:
        pytest.skip("this clone does not hold the history of the migrations")
    return known.stdout.decode().strip()


class Earlier:
    """The same deployment, volumes and all, as an earlier commit describes it."""

    def __init__(self, deployment: Deployment, directory: Path, commit: str) -> None:
        self._deployment = deployment
        with tarfile.open(fileobj=io.BytesIO(_git("archive", commit))) as tree:
            tree.extractall(directory, filter="data")
        self._own = {
            "COMPOSE_FILE": os.pathsep.join(map(str, (directory / COMPOSE_FILE.name, DIRECTED_CLOCK))),
            "CHAOYANGLI_VERSION": f"{deployment.project}-earlier",
        }
        self.image = f"chaoyangli:{deployment.project}-earlier"

    def __enter__(self) -> None:
        self._new = {name: self._deployment.environment[name] for name in self._own}
        self._deployment.environment |= self._own

    def __exit__(self, *_: object) -> None:
        self._deployment.environment |= self._new


@pytest.fixture(scope="module")
def upgraded(container_engine, tmp_path_factory):
    """Lived in before, and not started anew so far."""
    with deployed(tmp_path_factory.mktemp("upgrade"), "upgrade") as deployment:
        earlier = Earlier(deployment, tmp_path_factory.mktemp("earlier"), _earlier())
        deployment.direct(MORNING)
        try:
            with earlier:
                deployment.build()
                deployment.up()
                lived = Lived(deployment)
                with asyncio.Runner() as runner:
                    runner.run(_live(lived, earlier.image))
                lived.at_rest()
            deployment.build()
            yield lived
        finally:
            deployment.compose("--profile", "*", "down", "--remove-orphans", check=False)
            deployment.remove_image(earlier.image)


async def _live(lived: Lived, image: str) -> None:
    """The journey, without the operator's container, which an earlier program may not have."""
    deployment = lived.deployment
    key = deployment.read_volume("secrets", "issuer.signing_key", image)
    deployment.issuer_key = deployment.key_of(key)

    def bootstrap(*_words: str) -> Any:
        who = uuid7()
        answer = httpx.post(
            f"{deployment.urls['volunteers']}/v1/bootstrap",
            headers={
                "Authorization": f"Bearer {issue(deployment.issuer_key, who, [], bootstrap=True)}",
                "Idempotency-Key": str(who),
            },
            json={"name": "虚构管理员"},
        )
        positions = answer.raise_for_status().json()["positions"]
        return {
            "role": "ADMIN",
            "actor_id": str(who),
            "positions": {name: last for name, (_, last) in positions.items()},
        }

    async with ClientInContainers(deployment) as client:
        lived.journey = Journey(client, bootstrap, deployment.direct)
        await lived.journey.make()


def test_an_earlier_deployment_is_upgraded_and_everything_is_there(upgraded):
    lived, deployment = upgraded, upgraded.deployment
    before = lived.at_rest()
    said = deployment.operated("chaoyangli", "upgrade", "--check", "--json", code=PENDING)
    checked = json.loads(said.stdout)
    assert checked["state"] == "pending"
    assert all(one["pending"] for one in checked["services"].values())
    deployment.up()
    assert has_all(lived.at_rest(), before)
    assert json.loads(deployment.operate("chaoyangli", "upgrade", "--check", "--json"))["state"] == "current"
    with asyncio.Runner() as runner:
        order = runner.run(_the_order(lived))
    assert (order["state"], order["score"]) == ("RATED", 5)
    assert lived.orders()
    verified = deployment.cli("verify")
    assert verified["ok"]
    assert all(one["stream_identical"] for one in verified["services"].values())
    deployment.operate("chaoyangli", "replay")


async def _the_order(lived: Lived) -> Any:
    async with ClientInContainers(lived.deployment) as client:
        lived.journey.client = client
        return await lived.journey.order(lived.journey.dispatcher)
