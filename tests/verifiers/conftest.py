from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.merkle import consistency_proof, inclusion_proof
from eventstore.note import VerifierKey, cosign, format_note, parse_note
from eventstore.tlog_proof import TlogProof, make_receipt
from tests.witness.logs import InventedLog


class Issued:
    """Receipts of an invented log, made by our own code."""

    def __init__(self, log: InventedLog) -> None:
        self.log = log
        self.vkey: VerifierKey = log.vkey

    def entry(self, position: int) -> bytes:
        return self.log.tree.entries[position - 1]

    def receipt(self, position: int, size: int, *, head: str | None = None) -> TlogProof:
        proof = inclusion_proof(position - 1, size, self.log.tree)
        return make_receipt(position, proof, head or self.log.head(size))

    def consistency(self, old: int, new: int) -> list[bytes]:
        return consistency_proof(old, new, self.log.tree)

    def witnessed_head(self, size: int, name: str, key: Ed25519PrivateKey) -> str:
        note = parse_note(self.log.head(size))
        return format_note(note.text, [*note.signatures, cosign(note.text, name, key, 1_790_000_000)])


@pytest.fixture
def issued() -> Issued:
    return Issued(InventedLog())


@pytest.fixture
def files(tmp_path: Path):
    """Write a receipt and an entry; their names."""

    def write(receipt: TlogProof | str, entry: bytes) -> tuple[str, str]:
        (tmp_path / "r.tlog-proof").write_text(str(receipt), encoding="utf-8")
        (tmp_path / "r.entry").write_bytes(entry)
        return str(tmp_path / "r.tlog-proof"), str(tmp_path / "r.entry")

    return write
