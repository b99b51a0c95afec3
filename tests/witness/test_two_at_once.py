"""Of two histories that are offered at the same moment, to two processes of one witness, one is cosigned."""

import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

from eventstore.note import open_note
from tests.support.waiting import PATIENCE_SECONDS
from tests.witness.logs import InventedLog
from witness.cosigning import Cosigner
from witness.directory import WitnessDirectory

SPAWN = multiprocessing.get_context("spawn")
ROUNDS = 12


def offer(path: Path, history: str, begin: Barrier, answers: Path) -> None:
    """In each round ask for one more head, from wherever the witness says that it is."""
    log = InventedLog(history, forks_at=1)
    cosigner = Cosigner(WitnessDirectory(path), lambda: 1_700_000_000)
    begin.wait(PATIENCE_SECONDS)
    for size in range(2, ROUNDS + 2):
        answer = cosigner.add(log.request(size - 1, size))
        answers.write_text(f"{answers.read_text() if answers.exists() else ''}{size} {answer.status}\n")
        if answer.status != 200:
            return


def test_one_of_two_histories_is_cosigned(directory, log, tmp_path):
    first = Cosigner(directory, lambda: 1_700_000_000).add(log.request(0, 1))
    assert first.status == 200
    begin = SPAWN.Barrier(2)
    files = {history: tmp_path / history for history in ("left", "right")}
    processes = [
        SPAWN.Process(target=offer, args=(directory.path, history, begin, file)) for history, file in files.items()
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(2 * PATIENCE_SECONDS)
        assert process.exitcode == 0
    last = {history: file.read_text().splitlines()[-1] for history, file in files.items()}
    winner = [history for history, line in last.items() if line == f"{ROUNDS + 1} 200"]
    assert len(winner) == 1, last
    loser = last["left" if winner == ["right"] else "right"]
    assert loser.split()[1] in {"409", "422"}
    kept = directory.last(log.origin)
    assert kept is not None
    opened = open_note(kept, [log.vkey, directory.verifier_key])
    assert opened.text == InventedLog(winner[0], forks_at=1).body(ROUNDS + 1)
