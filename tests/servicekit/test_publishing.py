"""The published head and its tiles: what anybody gets, who cosigned, and a check of it all by somebody who has nothing
else."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from contracts.command import Role
from eventstore.checkpoint import Checkpoint
from eventstore.merkle import inclusion_proof, leaf_hash, root_hash, verify_inclusion
from eventstore.note import open_note
from eventstore.tiles import TILE_BYTES, decode_entries
from eventstore.trust_policy import TrustPolicy, read_trust_policy
from servicekit.publishing import Asker, PublishingTask, WitnessesUnreadable, cosigners, read_published, read_witnesses
from servicekit.signing import sign
from tests.eventstore.merkle_reference import ReferenceTree
from tests.servicekit.sample_service import sample
from tests.servicekit.world import Served, World, served
from tests.support.waiting import eventually
from tests.witness.logs import InventedLog
from witness.app import build
from witness.directory import WitnessDirectory


@contextlib.asynccontextmanager
async def listening(directory: WitnessDirectory) -> AsyncIterator[str]:
    """The witness on a port of its own; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build(directory), log_level="error", lifespan="off", access_log=False))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task


def witness(service: Served, path: Path, name: str = "w1") -> WitnessDirectory:
    directory = WitnessDirectory.create(path / name, f"witness.example/{name}")
    directory.trust(service.runtime.signer.verifier_key)
    return directory


def policy_of(**addressed: tuple[WitnessDirectory, str]) -> TrustPolicy:
    lines = [f"witness {name} {kept.verifier_key} {url}" for name, (kept, url) in addressed.items()]
    return read_trust_policy("\n".join([*lines, f"group all-of-them all {' '.join(addressed)}", "quorum all-of-them"]))


def task(service: Served, policy: TrustPolicy, interval: float = 0.05) -> PublishingTask:
    runtime = service.runtime
    path = runtime.settings.published_path
    return PublishingTask(runtime.signer, runtime.log, path, policy, runtime.status, interval)


def code_of(number: int) -> str:
    """A code of letters for a number."""
    return "item-" + "".join(chr(ord("a") + int(digit)) for digit in str(number))


async def grown(service: Served, events: int) -> str:
    """Record so many events more, and have the head signed."""
    size = await service.size()
    for number in range(size, size + events):
        assert (await service.publish(code_of(number))).status_code == 201
    return await sign(service.runtime.signer, service.runtime.log)


async def test_nothing_is_given_out_before_it_is_published(service: Served) -> None:
    await grown(service, 3)
    for path in ("/checkpoint", "/tile/0/000.p/3"):
        answer = await service.client.get(path)
        assert (answer.status_code, answer.json()["reason_code"]) == (404, "not_found")


async def test_a_head_is_published_whoever_cosigns(service: Served, tmp_path: Path) -> None:
    text = await grown(service, 2)
    nobody = task(service, TrustPolicy())
    assert await nobody.publish(text, [])
    answer = await service.client.get("/checkpoint")
    assert answer.text == text
    assert answer.headers["cache-control"] == "public, max-age=10"
    kept = witness(service, tmp_path)
    policy = policy_of(gone=(kept, "http://127.0.0.1:9"))
    async with httpx.AsyncClient() as client:
        assert not await task(service, policy).publish(text, [Asker(policy.witnesses[0], client, service.runtime.log)])
    assert (await service.client.get("/checkpoint")).text == text
    assert service.runtime.status.degraded["witnesses"] == "0 of 1 cosigned: the quorum is not met"


async def test_witnesses_cosign_heads_as_the_log_grows_and_one_that_comes_back_is_shown_the_way(
    service: Served, tmp_path: Path
) -> None:
    first, second = witness(service, tmp_path, "w1"), witness(service, tmp_path, "w2")
    await grown(service, 2)
    key, path = service.runtime.signer.verifier_key, service.runtime.settings.published_path
    async with listening(first) as one, contextlib.AsyncExitStack() as later:
        address = await later.enter_async_context(listening(second))
        policy = policy_of(w1=(first, one), w2=(second, address))
        running = asyncio.create_task(task(service, policy).run())

        async def published(size: int, signers: int) -> bool:
            note = read_published(path)
            if note is None or Checkpoint.parse(open_note(note, [key]).text).size != size:
                return False
            return len(cosigners(note, policy)) == signers

        try:
            assert await eventually(lambda: published(2, 2))
            assert "witnesses" not in service.runtime.status.degraded
            await grown(service, 5)
            assert await eventually(lambda: published(7, 2))
            await later.aclose()
            await grown(service, 3)
            assert await eventually(lambda: published(10, 1))
            assert await eventually(lambda: "1 of 2 cosigned" in service.runtime.status.degraded.get("witnesses", ""))
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        # A process that was started anew knows nothing of how far a witness had come; the witness tells it.
        async with listening(second) as address:
            policy = policy_of(w1=(first, one), w2=(second, address))
            running = asyncio.create_task(task(service, policy).run())
            try:
                assert await eventually(lambda: published(10, 2))
                # Told once the head is on the disk, which is a moment after it can be read.
                await eventually(lambda: "witnesses" not in service.runtime.status.degraded)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)


async def test_a_witness_that_has_seen_another_history_does_not_cosign(service: Served, tmp_path: Path) -> None:
    text = await grown(service, 4)
    kept = witness(service, tmp_path)
    signer = service.runtime.signer
    forged = InventedLog("forged", origin=signer.origin, key=signer.key)
    async with listening(kept) as url, httpx.AsyncClient() as client:
        await client.post(f"{url}/add-checkpoint", content=forged.request(0, 3))
        policy = policy_of(w1=(kept, url))
        asker = Asker(policy.witnesses[0], client, service.runtime.log)
        assert not await task(service, policy).publish(text, [asker])
        assert cosigners((await service.client.get("/checkpoint")).text, policy) == []


async def test_an_answer_that_is_no_cosignature_of_the_witness_is_not_published(
    service: Served, tmp_path: Path
) -> None:
    text = await grown(service, 1)
    kept, other = witness(service, tmp_path, "w1"), witness(service, tmp_path, "w2")
    async with listening(other) as url, httpx.AsyncClient() as client:
        policy = policy_of(w1=(kept, url))
        asker = Asker(policy.witnesses[0], client, service.runtime.log)
        assert not await task(service, policy).publish(text, [asker])
    assert (await service.client.get("/checkpoint")).text == text


async def test_a_stranger_with_the_checkpoint_and_tiles_proves_an_entry(service: Served) -> None:
    size = 300
    bodies = await _many(service, size)
    assert await task(service, TrustPolicy()).publish(await sign(service.runtime.signer, service.runtime.log), [])
    note = (await service.client.get("/checkpoint")).text
    head = Checkpoint.parse(open_note(note, [service.runtime.signer.verifier_key]).text)
    full = await service.client.get("/tile/0/000")
    assert len(full.content) == TILE_BYTES
    assert full.headers["cache-control"] == "public, max-age=31536000, immutable"
    rest = await service.client.get(f"/tile/0/001.p/{size - 256}")
    top = await service.client.get("/tile/1/000.p/1")
    leaves = [whole[at : at + 32] for whole in (full.content, rest.content) for at in range(0, len(whole), 32)]
    assert root_hash(leaves) == head.root
    assert top.content == root_hash(leaves[:256])
    tree = ReferenceTree(bodies)
    for index in (0, 255, 256, 299):
        proof = inclusion_proof(index, size, tree)
        verify_inclusion(index, size, leaves[index], proof, head.root)
        assert leaves[index] == leaf_hash(bodies[index])


async def test_entries_are_for_auditors_and_are_the_exact_bytes(service: Served) -> None:
    bodies = await _many(service, 260)
    assert await task(service, TrustPolicy()).publish(await sign(service.runtime.signer, service.runtime.log), [])
    refused = await service.client.get("/tile/entries/000")
    assert refused.status_code == 401
    refused = await service.client.get("/tile/entries/000", headers=service.headers(Role.DISPATCHER))
    assert (refused.status_code, refused.json()["reason_code"]) == (403, "forbidden")
    auditor = service.headers(Role.AUDITOR)
    bundle = await service.client.get("/tile/entries/000", headers=auditor)
    assert bundle.headers["cache-control"] == "no-store"
    rest = await service.client.get("/tile/entries/001.p/4", headers=auditor)
    assert decode_entries(bundle.content) + decode_entries(rest.content) == bodies


@pytest.mark.parametrize(
    "path",
    [
        "0/000.p/4",
        "0/000",
        "1/000.p/1",
        "0/001.p/1",
        "64/000",
        "0/0",
        "00/000",
        "0/000.p/0",
        "0/x000/000",
        "a",
        "-1/000",
    ],
)
async def test_what_the_published_head_does_not_reach_is_not_there(service: Served, path: str) -> None:
    assert await task(service, TrustPolicy()).publish(await grown(service, 3), [])
    assert (await service.client.get("/tile/0/000.p/3")).status_code == 200
    await grown(service, 2)
    assert (await service.client.get(f"/tile/{path}")).status_code == 404
    auditor = service.headers(Role.AUDITOR)
    assert (await service.client.get(f"/tile/entries/{path}", headers=auditor)).status_code == 404


def test_witnesses_that_cannot_be_asked_are_told_of_at_the_start(tmp_path: Path) -> None:
    assert read_witnesses(None) == TrustPolicy()
    file = tmp_path / "witnesses"
    with pytest.raises(WitnessesUnreadable, match="witnesses"):
        read_witnesses(file)
    kept = WitnessDirectory.create(tmp_path / "w", "witness.example/w1")
    for text, why in (
        (f"witness w {kept.verifier_key}\nquorum w\n", "no address for w"),
        ("witness w\nquorum w\n", "line 1"),
        ("quorum w\n", "line 1"),
    ):
        file.write_text(text)
        with pytest.raises(WitnessesUnreadable, match=why):
            read_witnesses(file)


async def test_a_service_says_at_its_start_that_its_list_is_off(world: World, tmp_path: Path) -> None:
    (tmp_path / "witnesses").write_text("nobody\n")
    with pytest.raises(WitnessesUnreadable, match="line 1: 'nobody'"):
        async with served(world, sample(), witnesses=tmp_path / "witnesses"):
            pass


async def _many(service: Served, events: int) -> list[bytes]:
    for number in range(events):
        await service.publish(code_of(number))
    rows = await service.runtime.log.pool.fetch("SELECT body FROM orders.events ORDER BY position")
    return [row["body"] for row in rows]
