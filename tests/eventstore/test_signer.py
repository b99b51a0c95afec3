"""The signer never puts its name under two histories: not after a restore, not under a race, not after a SIGKILL."""

import multiprocessing
import os
import signal
import stat
from collections.abc import Callable
from itertools import pairwise
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest.mock import patch

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.checkpoint import (
    Checkpoint,
    CheckpointError,
    ForkRefused,
    HeadUnreadable,
    NoHead,
    Signer,
    SignerBusy,
    open_checkpoint,
)
from eventstore.merkle import EMPTY_ROOT, ProofError, consistency_proof, verify_consistency
from eventstore.note import UnverifiedNote, cosign, format_note, open_note, sign
from tests.eventstore.merkle_reference import ReferenceTree, invented_entries
from tests.support.waiting import eventually_blocking

ORIGIN = "ledger.chaoyangli.example/fund"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SPAWN = multiprocessing.get_context("spawn")
DEADLINE_SECONDS = 60.0


class Log:
    """An invented log of 200 entries, of which the first `size` are there."""

    def __init__(self, history: str = "main", forks_at: int = 0) -> None:
        entries = invented_entries(forks_at) + invented_entries(200, history)[forks_at:]
        self.tree = ReferenceTree(entries)

    def root(self, size: int) -> bytes:
        return self.tree.mth(0, size)

    def prove(self, old_size: int, new_size: int) -> list[bytes]:
        return consistency_proof(old_size, new_size, self.tree)


LOG = Log()


def written_when(path: Path) -> tuple[int, int, int]:
    """What changes when a file is written; the moment at which it was last read is nobody's concern."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def never(_old_size: int, _new_size: int) -> list[bytes]:
    pytest.fail("no proof is needed here")


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    """A signer of a new log: its empty head is signed."""
    signer = Signer(ORIGIN, KEY, tmp_path / "head")
    signer.sign(0, EMPTY_ROOT, never)
    return signer


def sign_size(signer: Signer, size: int, log: Log = LOG) -> str:
    return signer.sign(size, log.root(size), log.prove)


def test_a_growing_log_is_signed_and_the_file_holds_what_was_released(signer):
    for size in (1, 2, 7, 8, 100, 200):
        text = sign_size(signer, size)
        assert open_checkpoint(text, signer.verifier_key).checkpoint == Checkpoint(ORIGIN, size, LOG.root(size))
        assert signer.head_path.read_text() == text == signer.last_signed_text()
        assert signer.last_signed() == Checkpoint(ORIGIN, size, LOG.root(size))


def test_the_same_head_gives_the_same_checkpoint(signer):
    text = sign_size(signer, 50)
    written = written_when(signer.head_path)
    assert signer.sign(50, LOG.root(50), never) == text
    assert written_when(signer.head_path) == written


def test_another_signer_with_the_same_file_goes_on_where_the_first_stopped(signer):
    sign_size(signer, 50)
    other = Signer(ORIGIN, KEY, signer.head_path)
    assert other.last_signed() == Checkpoint(ORIGIN, 50, LOG.root(50))
    sign_size(other, 60)
    with pytest.raises(ForkRefused):
        sign_size(signer, 55)
    sign_size(signer, 70)


def test_an_old_copy_of_the_log_put_back_is_refused_then_and_after_it_grew_another_way(signer):
    sign_size(signer, 100)
    released = signer.head_path.read_bytes()
    with pytest.raises(ForkRefused, match="it is shorter") as refusal:
        sign_size(signer, 50)
    assert (refusal.value.old.size, refusal.value.old.root) == (100, LOG.root(100))
    assert (refusal.value.new.size, refusal.value.new.root) == (50, LOG.root(50))
    for part in ("100", LOG.root(100).hex(), "50", LOG.root(50).hex()):
        assert part in str(refusal.value)
    restored = Log("after the restore", forks_at=50)
    for size in (100, 101, 120, 200):
        with pytest.raises(ForkRefused):
            sign_size(signer, size, restored)
    assert signer.head_path.read_bytes() == released
    sign_size(signer, 120)


@pytest.mark.parametrize("forks_at", [0, 1, 63, 64, 99])
def test_one_changed_entry_is_enough_to_be_refused(signer, forks_at):
    sign_size(signer, 100)
    changed = Log()
    changed.tree.entries[forks_at] += b"!"
    with pytest.raises(ForkRefused):
        sign_size(signer, 150, changed)
    with pytest.raises(ForkRefused):
        signer.sign(150, changed.root(150), LOG.prove)


def test_another_root_at_the_size_last_signed_is_refused_without_asking_for_a_proof(signer):
    sign_size(signer, 100)
    with pytest.raises(ForkRefused, match="two roots at size 100"):
        signer.sign(100, Log("another").root(100), never)


def test_the_empty_log_is_refused_once_anything_was_signed(signer):
    sign_size(signer, 3)
    with pytest.raises(ForkRefused):
        signer.sign(0, EMPTY_ROOT, never)


def test_a_prover_that_fails_leaves_everything_as_it_was(signer):
    before = sign_size(signer, 10)

    def broken(_old_size: int, _new_size: int) -> list[bytes]:
        raise ProofError("hashes 0..3 of tile level 0 index 0 are missing")

    with pytest.raises(ProofError, match="are missing"):
        signer.sign(20, LOG.root(20), broken)
    assert signer.last_signed_text() == before
    sign_size(signer, 20)


def test_without_a_file_a_log_that_is_not_empty_is_not_signed(signer):
    kept_by_a_witness = sign_size(signer, 100)
    signer.head_path.unlink()
    with pytest.raises(NoHead, match="the log has 120 entries"):
        sign_size(signer, 120)
    assert not signer.head_path.exists()
    assert signer.adopt(kept_by_a_witness) == Checkpoint(ORIGIN, 100, LOG.root(100))
    with pytest.raises(ForkRefused):
        sign_size(signer, 120, Log("another", forks_at=99))
    sign_size(signer, 120)


def test_a_new_log_without_a_file_may_be_signed_while_empty_only(tmp_path):
    signer = Signer(ORIGIN, KEY, tmp_path / "head")
    assert signer.last_signed() is None
    assert signer.last_signed_text() is None
    with pytest.raises(NoHead):
        sign_size(signer, 1)
    signer.sign(0, EMPTY_ROOT, never)
    sign_size(signer, 1)


@pytest.mark.parametrize("damage", [b"", b"not a note", None])
def test_a_damaged_file_refuses_to_sign_until_it_is_moved_away_and_a_head_adopted(signer, damage):
    text = sign_size(signer, 100)
    damaged = text.encode().replace(b"\n100\n", b"\n10\n") if damage is None else damage
    signer.head_path.write_bytes(damaged)
    for attempt in (lambda: sign_size(signer, 120), lambda: signer.adopt(text), signer.last_signed):
        with pytest.raises(HeadUnreadable, match="move the file away and adopt"):
            attempt()
    assert signer.head_path.read_bytes() == damaged
    signer.head_path.unlink()
    signer.adopt(text)
    sign_size(signer, 120)


def test_a_file_of_another_key_or_origin_is_not_taken_for_ours(signer):
    sign_size(signer, 100)
    for other in (
        Signer(ORIGIN, Ed25519PrivateKey.generate(), signer.head_path),
        Signer("ledger.chaoyangli.example/hours", KEY, signer.head_path),
    ):
        with pytest.raises(HeadUnreadable):
            sign_size(other, 120)


def test_adopting_goes_forward_only(signer):
    early, late = sign_size(signer, 50), sign_size(signer, 100)
    with pytest.raises(ForkRefused, match="must not be older"):
        signer.adopt(early)
    signer.adopt(late)
    forked = Checkpoint(ORIGIN, 100, Log("another").root(100)).body()
    with pytest.raises(ForkRefused):
        signer.adopt(format_note(forked, [sign(forked, ORIGIN, KEY)]))
    assert signer.last_signed_text() == late


def test_an_old_head_file_is_brought_forward_by_a_later_head(signer):
    old_file = sign_size(signer, 50)
    kept_by_a_witness = sign_size(signer, 100)
    signer.head_path.write_text(old_file)
    signer.adopt(kept_by_a_witness)
    restored = Log("after the restore", forks_at=50)
    for size in (60, 120):
        with pytest.raises(ForkRefused):
            sign_size(signer, size, restored)


def test_only_a_head_that_our_key_signed_is_adopted(tmp_path, signer):
    text = sign_size(signer, 100)
    fresh = Signer(ORIGIN, KEY, tmp_path / "fresh")
    body = open_note(text, [signer.verifier_key]).text
    stranger = Ed25519PrivateKey.generate()
    with pytest.raises(UnverifiedNote):
        fresh.adopt(format_note(body, [sign(body, ORIGIN, stranger)]))
    elsewhere = Checkpoint("elsewhere.example", 100, LOG.root(100)).body()
    with pytest.raises(CheckpointError):
        fresh.adopt(format_note(elsewhere, [sign(elsewhere, ORIGIN, KEY)]))
    assert not fresh.head_path.exists()
    witnessed = format_note(body, [cosign(body, "witness.example", stranger, 7), sign(body, ORIGIN, KEY)])
    fresh.adopt(witnessed)
    assert fresh.last_signed_text() == text


# --- more than one process ---


def start(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    return process


def finish(process: BaseProcess) -> int:
    process.join(DEADLINE_SECONDS)
    assert process.exitcode is not None, "the process hangs"
    return process.exitcode


def sign_slowly(head_path: Path, history: str, size: int, released: Path) -> None:
    """Sign, but stop inside the lock until the file `go` appears."""
    log = Log(history, forks_at=10)
    inside, go = head_path.with_name("inside"), head_path.with_name("go")

    def prove(old_size: int, new_size: int) -> list[bytes]:
        inside.touch()
        eventually_blocking(go.exists, DEADLINE_SECONDS)
        return log.prove(old_size, new_size)

    released.write_text(Signer(ORIGIN, KEY, head_path).sign(size, log.root(size), prove))


def test_two_processes_at_once_take_turns_and_only_one_history_is_signed(signer, tmp_path):
    sign_size(signer, 10)
    released = tmp_path / "released"
    process = start(sign_slowly, signer.head_path, "main", 100, released)
    eventually_blocking((tmp_path / "inside").exists, DEADLINE_SECONDS)
    hurried = Signer(ORIGIN, KEY, signer.head_path, lock_timeout_seconds=0.1)
    fork = Log("fork", forks_at=10)
    with pytest.raises(SignerBusy):
        sign_size(hurried, 110, fork)
    with pytest.raises(SignerBusy):
        hurried.adopt(signer.last_signed_text())
    (tmp_path / "go").touch()
    assert finish(process) == 0
    assert released.read_text() == signer.last_signed_text()
    with pytest.raises(ForkRefused):
        sign_size(signer, 110, fork)
    sign_size(signer, 110)


def test_a_process_killed_inside_the_lock_leaves_it_free(signer, tmp_path):
    sign_size(signer, 10)
    process = start(sign_slowly, signer.head_path, "fork", 100, tmp_path / "released")
    eventually_blocking((tmp_path / "inside").exists, DEADLINE_SECONDS)
    process.kill()
    assert finish(process) == -signal.SIGKILL
    sign_size(signer, 100)


def sign_in_a_race(head_path: Path, history: str, started: Path, released: Path) -> None:
    log = Log(history, forks_at=10)
    # The lock is not fair: on a slow disk one may get its turn when the others are done.
    signer = Signer(ORIGIN, KEY, head_path, lock_timeout_seconds=DEADLINE_SECONDS)
    texts = []
    released.touch()
    eventually_blocking(started.exists, DEADLINE_SECONDS)
    for size in range(11, 200):
        try:
            texts.append(signer.sign(size, log.root(size), log.prove))
        except ForkRefused:
            continue
    released.write_text("\0".join(texts))


def test_heads_released_in_a_race_of_three_processes_all_belong_to_one_history(signer, tmp_path):
    sign_size(signer, 10)
    histories = ["one", "two", "one"]
    outputs = [tmp_path / f"released-{number}" for number in range(len(histories))]
    started = tmp_path / "started"
    racers = [
        start(sign_in_a_race, signer.head_path, history, started, output)
        for history, output in zip(histories, outputs, strict=True)
    ]
    eventually_blocking(lambda: all(output.exists() for output in outputs), DEADLINE_SECONDS)
    started.touch()
    assert [finish(racer) for racer in racers] == [0, 0, 0]
    texts = [text for output in outputs for text in output.read_text().split("\0") if text]
    heads = {open_checkpoint(text, signer.verifier_key).checkpoint for text in texts}
    assert max(head.size for head in heads) == 199
    winners = [
        log
        for log in (Log("one", forks_at=10), Log("two", forks_at=10))
        if all(head.root == log.root(head.size) for head in heads)
    ]
    assert len(winners) == 1
    ordered = sorted(heads, key=lambda head: head.size)
    for old, new in pairwise(ordered):
        proof = winners[0].prove(old.size, new.size)
        verify_consistency(old.size, new.size, proof, old.root, new.root)


def sign_and_be_killed(head_path: Path, kill_at: int, released: Path) -> None:
    """Sign size 100, but die of SIGKILL before the fsync number `kill_at`: the file's is 1, its directory's is 2."""
    real_fsync, calls = os.fsync, 0

    def fsync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        real_fsync(descriptor)

    with patch.object(os, "fsync", fsync):
        released.write_text(sign_size(Signer(ORIGIN, KEY, head_path), 100))


@pytest.mark.parametrize(("kill_at", "size_on_disk"), [(1, 10), (2, 100)])
def test_a_crash_before_the_signature_is_released_is_harmless(signer, tmp_path, kill_at, size_on_disk):
    sign_size(signer, 10)
    released = tmp_path / "released"
    assert finish(start(sign_and_be_killed, signer.head_path, kill_at, released)) == -signal.SIGKILL
    assert not released.exists()
    assert signer.last_signed() == Checkpoint(ORIGIN, size_on_disk, LOG.root(size_on_disk))
    if size_on_disk == 100:
        with pytest.raises(ForkRefused):
            sign_size(signer, 110, Log("fork", forks_at=10))
    assert sign_size(signer, 100) == signer.last_signed_text()
    sign_size(signer, 110)


def test_the_head_is_on_disk_before_its_signature_is_released(signer, monkeypatch):
    sign_size(signer, 10)
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        steps.append("fsync directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "fsync file")
        real_fsync(descriptor)

    def replace(path: Path, target: Path) -> Path:
        steps.append(f"rename {path.name} to {target.name}")
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    sign_size(signer, 20)
    assert steps == ["fsync file", "rename head.new to head", "fsync directory"]
