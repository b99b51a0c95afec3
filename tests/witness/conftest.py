from pathlib import Path

import pytest

from tests.witness.logs import InventedLog
from witness.directory import WitnessDirectory


@pytest.fixture
def log() -> InventedLog:
    return InventedLog()


@pytest.fixture
def directory(tmp_path: Path, log: InventedLog) -> WitnessDirectory:
    """A new witness that knows `log`."""
    made = WitnessDirectory.create(tmp_path / "witness", "witness.example/w1")
    assert made.trust(log.vkey)
    return made
