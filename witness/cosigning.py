"""add-checkpoint: what is asked of a witness, and its answer with one of the protocol's status codes (tlog-witness)."""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from eventstore.checkpoint import Checkpoint, CheckpointError
from eventstore.merkle import EMPTY_ROOT, HASH_BYTES, ProofError, verify_consistency
from eventstore.note import (
    BadSignature,
    NoteError,
    Signature,
    UnverifiedNote,
    cosign,
    decode_base64,
    format_note,
    open_note,
    parse_note,
)
from witness.directory import Turn, WitnessDirectory

PROOF_LINES_MAX = 63
TEXT, SIZE = "text/plain; charset=utf-8", "text/x.tlog.size"
_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. Of a refusal, `body` says why."""

    status: int
    body: str
    media_type: str = TEXT


@dataclass(frozen=True, slots=True)
class Request:
    """The body of add-checkpoint: the size that the log believes was cosigned last, the proof from there, the head."""

    old_size: int
    proof: tuple[bytes, ...]
    note: bytes


class NotARequest(ValueError):
    """A body that is no request at all."""


def read_request(body: bytes) -> Request:
    """Read a body. Raises NotARequest."""
    head, separator, note = body.partition(b"\n\n")
    if not separator:
        raise NotARequest("no empty line before the checkpoint")
    old, *lines = head.split(b"\n")
    match = _OLD.fullmatch(old)
    if match is None:
        raise NotARequest("the first line is not `old <size>`")
    if len(lines) > PROOF_LINES_MAX:
        raise NotARequest(f"{len(lines)} proof lines, at most {PROOF_LINES_MAX}")
    return Request(int(match[1]), tuple(_hash(line) for line in lines), note)


def write_request(old_size: int, proof: Sequence[bytes], note: str) -> bytes:
    """The body that asks a witness to cosign `note`, for who feeds it."""
    lines = [f"old {old_size}", *(b64encode(one).decode() for one in proof)]
    return ("\n".join(lines) + "\n\n" + note).encode()


def _hash(line: bytes) -> bytes:
    try:
        hashed = decode_base64(line.decode("ascii"), "proof line")
    except (NoteError, UnicodeDecodeError) as error:
        raise NotARequest(f"a proof line is not base64: {line[:80]!r}") from error
    if len(hashed) != HASH_BYTES:
        raise NotARequest(f"a proof line holds {len(hashed)} bytes, not {HASH_BYTES}")
    return hashed


class Cosigner:
    """Answers add-checkpoint for one witness. `now` gives Unix seconds."""

    def __init__(self, directory: WitnessDirectory, now: Callable[[], int]) -> None:
        self._directory = directory
        self._now = now

    def add(self, body: bytes) -> Answer:
        """Cosign a head that provably extends the last one, or say why not. Blocks while it waits its turn.

        Raises WitnessBusy, PolicyError when the list of logs is off, OSError when nothing can be kept: then nothing was
        signed.
        """
        try:
            request = read_request(body)
            origin = parse_note(request.note).text.split("\n", 1)[0]
        except (NotARequest, NoteError) as error:
            return Answer(400, f"{error}\n")
        keys = self._directory.known.log_keys(origin)
        if not keys:
            return Answer(404, f"this witness does not know the log {origin[:200]!r}\n")
        try:
            note = open_note(request.note, keys)
        except (UnverifiedNote, BadSignature) as error:
            return Answer(403, f"{error}\n")
        try:
            new = Checkpoint.parse(note.text)
        except CheckpointError as error:
            # The one malformed head that the protocol calls a failed proof: an empty tree with another root.
            return Answer(422 if note.text.split("\n")[1:2] == ["0"] else 400, f"{error}\n")
        if request.old_size > new.size:
            return Answer(400, f"old size {request.old_size} is above the checkpoint's, {new.size}\n")
        with self._directory.turn(origin) as turn:
            return self._extend(turn, request, new, [each.signature for each in note.verified])

    def _extend(self, turn: Turn, request: Request, new: Checkpoint, by_the_log: list[Signature]) -> Answer:
        kept = turn.last()
        last = None if kept is None else Checkpoint.parse(parse_note(kept).text)
        size, root = (0, EMPTY_ROOT) if last is None else (last.size, last.root)
        if request.old_size != size or (new.size == size and new.root != root):
            return Answer(409, f"{size}\n", SIZE)
        try:
            verify_consistency(size, new.size, request.proof, root, new.root)
        except ProofError as error:
            return Answer(422, f"{error}\n")
        ours = cosign(new.body(), self._directory.name, self._directory.key, self._now())
        turn.keep(format_note(new.body(), [*by_the_log, ours]))
        return Answer(200, ours.line())
