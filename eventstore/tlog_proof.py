"""Receipts: a text that proves, offline and for ever, that an entry is in a log (C2SP tlog-proof v1).

It holds the entry's index, the hashes from its leaf to the root, and a published head with its signatures. Whoever has
the entry's exact bytes and a trust policy needs nothing and nobody else to check it.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

from eventstore.checkpoint import Checkpoint, CheckpointError
from eventstore.merkle import HASH_BYTES, ProofError, leaf_hash, verify_inclusion
from eventstore.note import NoteError, VerifierKey, decode_base64, open_note
from eventstore.trust_policy import TrustPolicy

FIRST_LINE = "c2sp.org/tlog-proof@v1"
HASHES_MAX = 63
EXTRA_BYTES_MAX = 4_096
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


class ReceiptInvalid(ValueError):
    """A receipt is malformed, or does not prove what it should; the message says what failed."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A receipt. `index` counts from 0, so it is the event's position less one; `extra` proves nothing by itself."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def __str__(self) -> str:
        extra = [] if self.extra is None else [f"extra {b64encode(self.extra).decode()}"]
        hashes = [b64encode(each).decode() for each in self.hashes]
        return "\n".join([FIRST_LINE, *extra, f"index {self.index}", *hashes, "", self.checkpoint])

    @classmethod
    def parse(cls, text: str) -> "TlogProof":
        """Read a receipt. Raises ReceiptInvalid."""
        head, separator, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines.pop(0) != FIRST_LINE:
            raise ReceiptInvalid(f"it does not begin with {FIRST_LINE}, or holds no checkpoint")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = _decoded(lines.pop(0).removeprefix("extra "), "extra")
            if len(extra) > EXTRA_BYTES_MAX:
                raise ReceiptInvalid(f"extra data of {len(extra)} bytes, at most {EXTRA_BYTES_MAX} are read")
        match = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if match is None:
            raise ReceiptInvalid("no line `index <number>`")
        if len(lines) > HASHES_MAX:
            raise ReceiptInvalid(f"{len(lines)} hashes, at most {HASHES_MAX}")
        hashes = tuple(_decoded(line, "hash") for line in lines)
        if any(len(each) != HASH_BYTES for each in hashes):
            raise ReceiptInvalid(f"a hash is not {HASH_BYTES} bytes long")
        return cls(int(match[1]), hashes, checkpoint, extra)

    def check(self, entry: bytes, policy: TrustPolicy) -> "Proven":
        """Prove that these exact bytes are in a log that the policy knows, seen by enough witnesses, else
        ReceiptInvalid.
        """
        origin = self.checkpoint.split("\n", 1)[0]
        log_keys = policy.log_keys(origin)
        if not log_keys:
            raise ReceiptInvalid(f"the policy does not know the log {origin[:200]!r}")
        witnesses = [witness.key for witness in policy.witnesses]
        try:
            note = open_note(self.checkpoint, [*log_keys, *witnesses])
            head = Checkpoint.parse(note.text)
            if not any(one.key in log_keys for one in note.verified):
                raise ReceiptInvalid("the head is not signed by its log")
            verify_inclusion(self.index, head.size, leaf_hash(entry), self.hashes, head.root)
        except (NoteError, CheckpointError, ProofError) as error:
            raise ReceiptInvalid(str(error)) from error
        cosigned = [one.key for one in note.verified if one.key in witnesses]
        if not policy.satisfied(cosigned):
            raise ReceiptInvalid(f"{len(cosigned)} witnesses signed, the quorum {policy.quorum!r} is not met")
        return Proven(head, self.index + 1, tuple(cosigned))


@dataclass(frozen=True, slots=True)
class Proven:
    """What a receipt proved: the entry stands at `position` (from 1) of the log under `head`."""

    head: Checkpoint
    position: int
    cosigned: tuple[VerifierKey, ...]


def make_receipt(position: int, hashes: Sequence[bytes], checkpoint: str, extra: bytes | None = None) -> TlogProof:
    """A receipt of the event at `position`, counted from 1."""
    return TlogProof(position - 1, tuple(hashes), checkpoint, extra)


def _decoded(text: str, what: str) -> bytes:
    try:
        return decode_base64(text, what)
    except NoteError as error:
        raise ReceiptInvalid(str(error)) from error
