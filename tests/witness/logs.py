"""Invented logs to witness: their trees are the reference's, their requests are put together here by hand."""

from base64 import b64encode
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.note import VerifierKey, format_note, sign
from tests.eventstore.merkle_reference import ReferenceTree, invented_entries

ORIGIN = "community.example/ledger"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class InventedLog:
    """Two hundred entries; with `forks_at`, another history from there on."""

    def __init__(
        self, history: str = "main", forks_at: int = 0, *, origin: str = ORIGIN, key: Ed25519PrivateKey = KEY
    ) -> None:
        self.tree = ReferenceTree(invented_entries(forks_at) + invented_entries(200, history)[forks_at:])
        self.origin, self.key = origin, key

    @property
    def vkey(self) -> VerifierKey:
        return VerifierKey.of(self.origin, self.key)

    def body(self, size: int) -> str:
        return f"{self.origin}\n{size}\n{b64encode(self.tree.mth(0, size)).decode()}\n"

    def head(self, size: int) -> str:
        return format_note(self.body(size), [sign(self.body(size), self.origin, self.key)])

    def request(self, old: int, new: int, *, proof: Sequence[bytes] | None = None, head: str | None = None) -> bytes:
        hashes = self.tree.proof(old, new) if proof is None else proof
        lines = [f"old {old}", *(b64encode(each).decode() for each in hashes), "", head or self.head(new)]
        return "\n".join(lines).encode()
