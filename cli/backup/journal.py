"""How far a restore has come, on disk beside the signed heads: whoever is killed is led on, or back, by it.

The phases in order. Until `verified` nothing has happened to the database in use: all is done in a new one beside it.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from cli.backup.sealing import BackupRefused
from eventstore.durable import sync_directory, write_whole

Phase = Literal["begun", "loaded", "recovered", "verified", "swapped", "restored"]
PHASES: tuple[Phase, ...] = get_args(Phase)
FILE = "restore.json"


@dataclass(frozen=True, slots=True)
class Journal:
    """One restore. Names are those of databases."""

    phase: Phase
    backup: str
    keys: str | None
    new: str
    """Where the backup is put, until it takes the place of the one in use."""
    before: str
    """What the one in use is then called: the restore point."""
    adopted: tuple[str, ...] = ()
    """Services whose signer had no head, and was given one."""
    sizes: dict[str, int] | None = None
    """Events of each log when the databases changed places: whether anything was recorded since."""
    lost: dict[str, tuple[int, int]] | None = None
    """Services whose tail is nowhere, with the first and last event that is missing."""

    def at(self, phase: Phase) -> "Journal":
        """The same, in another phase."""
        return replace(self, phase=phase)

    def reached(self, phase: Phase) -> bool:
        """Whether it is in this phase or a later one."""
        return PHASES.index(self.phase) >= PHASES.index(phase)


def read(state_dir: Path) -> Journal | None:
    """The restore under way here, or the one that can still be taken back; None when there is none."""
    path = state_dir / FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        lost = document.pop("lost")
        adopted = tuple(document.pop("adopted"))
        losses = None if lost is None else {name: (first, last) for name, (first, last) in lost.items()}
        return Journal(**document, adopted=adopted, lost=losses)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BackupRefused(f"{path} is not what it was written as: {error}") from error


def write(state_dir: Path, journal: Journal) -> Journal:
    """Put it on disk before returning it."""
    state_dir.mkdir(parents=True, exist_ok=True)
    write_whole(state_dir / FILE, json.dumps(asdict(journal), indent=1).encode() + b"\n")
    return journal


def end(state_dir: Path) -> None:
    """There is nothing to lead on or to take back any more."""
    (state_dir / FILE).unlink(missing_ok=True)
    sync_directory(state_dir)
