"""The published head: once a minute what was signed last, with the cosignatures of those who witness the log.

`CHAOYANGLI_WITNESSES` names a trust policy (C2SP tlog-policy) whose `witness` lines have addresses. Nobody has to
answer for a head to be published: how many are enough is for its readers to say. Until the quorum is met the service
says so in /readyz, and the head shows who signed.
"""

import asyncio
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import httpx
import structlog

from eventstore.checkpoint import Checkpoint, Signer
from eventstore.durable import write_whole
from eventstore.log import Log
from eventstore.note import NoteError, Signature, VerifierKey, format_note, open_note, parse_note
from eventstore.proofs import prove_consistency
from eventstore.trust_policy import PolicyError, TrustPolicy, Witness, read_trust_policy
from servicekit.status import Status

WITNESSES_FILE = "witnesses"
"""Where a data directory names its witnesses, if it has any."""
LOOK_SECONDS = 1.0
AGAIN_SECONDS = 15.0
"""Who did not cosign is asked again so soon, while the quorum is not met."""
WITNESS_SECONDS = 10.0
ANSWER_BYTES_MAX = 20_000
OK, CONFLICT = 200, 409

_log = structlog.get_logger("servicekit.publishing")


class WitnessesUnreadable(ValueError):
    """The file of witnesses is missing or off; the message names the file and the line."""


class NotCosigned(Exception):
    """A witness did not cosign; the message says why."""


def read_witnesses(path: Path | None) -> TrustPolicy:
    """The witnesses of this community, none without a file. Raises WitnessesUnreadable."""
    if path is None:
        return TrustPolicy()
    try:
        policy = read_trust_policy(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, PolicyError) as error:
        raise WitnessesUnreadable(f"CHAOYANGLI_WITNESSES, {path}: {error}") from error
    nameless = [witness.name for witness in policy.witnesses if witness.url is None]
    if nameless:
        raise WitnessesUnreadable(f"CHAOYANGLI_WITNESSES, {path}: no address for {', '.join(nameless)}")
    return policy


class Asker:
    """Asks one witness for its cosignature, and remembers how far it has seen this log."""

    def __init__(self, witness: Witness, client: httpx.AsyncClient, log: Log) -> None:
        self.witness = witness
        self._client = client
        self._log = log
        self._seen = 0

    async def ask(self, head: Checkpoint, note: str) -> Signature:
        """Its cosignature of `head`. Raises NotCosigned."""
        for _ in range(2):
            status, said = await self._post(head, note)
            if status == OK:
                self._seen = head.size
                return self._cosignature(head, said)
            if status != CONFLICT:
                raise NotCosigned(f"{status} {said[:200].strip()}")
            # It has seen another head than we believed: that is where the proof must begin.
            self._seen = _size(said)
            if self._seen > head.size:
                raise NotCosigned(f"it has seen {self._seen} events, this head has {head.size}")
        raise NotCosigned(f"it has seen another head of {self._seen} events")

    async def _post(self, head: Checkpoint, note: str) -> tuple[int, str]:
        proof = () if self._seen in (0, head.size) else await self._proof(self._seen, head.size)
        lines = [f"old {self._seen}", *(b64encode(each).decode() for each in proof)]
        address = f"{(self.witness.url or '').rstrip('/')}/add-checkpoint"
        body = "\n".join(lines) + "\n\n" + note
        try:
            async with self._client.stream("POST", address, content=body.encode()) as answer:
                said = bytearray()
                async for chunk in answer.aiter_bytes():
                    said += chunk
                    if len(said) > ANSWER_BYTES_MAX:
                        raise NotCosigned("its answer is too long")
                return answer.status_code, said.decode("utf-8", "replace")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotCosigned(f"it does not answer ({type(error).__name__})") from error

    async def _proof(self, old_size: int, new_size: int) -> Sequence[bytes]:
        return await prove_consistency(self._log.pool, self._log.config.schema, old_size, new_size)

    def _cosignature(self, head: Checkpoint, lines: str) -> Signature:
        try:
            opened = open_note(f"{head.body()}\n{lines}", [self.witness.key])
        except NoteError as error:
            raise NotCosigned(f"what it answered is no cosignature of its key: {error}") from error
        return opened.verified[0].signature


class PublishingTask:
    """Publishes the log's head for ever, under the relay's lock."""

    def __init__(
        self, signer: Signer, log: Log, path: Path, witnesses: TrustPolicy, status: Status, interval_seconds: float
    ) -> None:
        self._signer, self._log, self._path = signer, log, path
        self._witnesses, self._status = witnesses, status
        self._interval_seconds = interval_seconds

    async def run(self) -> None:
        """Publish when the log grew, `interval_seconds` apart at least."""
        async with httpx.AsyncClient(timeout=WITNESS_SECONDS, follow_redirects=False) as client:
            askers = [Asker(witness, client, self._log) for witness in self._witnesses.witnesses]
            while True:
                text = await asyncio.to_thread(self._signer.last_signed_text)
                if text is None or await asyncio.to_thread(self._is_published, text):
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                met = await self.publish(text, askers)
                await asyncio.sleep(self._interval_seconds if met else min(AGAIN_SECONDS, self._interval_seconds))

    async def publish(self, text: str, askers: Sequence[Asker]) -> bool:
        """Publish one signed head with whatever cosignatures it gets; whether they make the quorum."""
        note = parse_note(text)
        head = Checkpoint.parse(note.text)
        found = await asyncio.gather(*(self._asked(asker, head, text) for asker in askers))
        cosigned = {asker.witness.key: each for asker, each in zip(askers, found, strict=True) if each is not None}
        published = format_note(note.text, [*note.signatures, *cosigned.values()])
        await asyncio.to_thread(write_whole, self._path, published.encode())
        met = self._witnesses.satisfied(cosigned.keys())
        if met:
            self._status.well("witnesses")
        else:
            self._status.ails("witnesses", f"{len(cosigned)} of {len(askers)} cosigned: the quorum is not met")
        _log.info("published", size=head.size, cosigned=len(cosigned), witnesses=len(askers))
        return met

    async def _asked(self, asker: Asker, head: Checkpoint, text: str) -> Signature | None:
        try:
            return await asker.ask(head, text)
        except NotCosigned as error:
            _log.warning("a witness did not cosign", witness=asker.witness.name, reason=str(error))
            return None

    def _is_published(self, text: str) -> bool:
        """Whether this very head is out already, with enough cosignatures."""
        published = read_published(self._path)
        if published is None or parse_note(published).text != parse_note(text).text:
            return False
        if _by_the_log(text) != _by_the_log(published):
            return False  # its key changed since
        return self._witnesses.satisfied(cosigners(published, self._witnesses))


def read_published(path: Path) -> str | None:
    """The published head as a note; None before the first one."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def cosigners(note: str, witnesses: TrustPolicy) -> list[VerifierKey]:
    """The witnesses whose cosignature under this note verifies."""
    found = []
    for witness in witnesses.witnesses:
        try:
            open_note(note, [witness.key])
        except NoteError:
            continue
        found.append(witness.key)
    return found


def _by_the_log(note: str) -> set[Signature]:
    """The signatures of the log itself, whose keys bear its origin as their name."""
    parsed = parse_note(note)
    return {one for one in parsed.signatures if one.name == parsed.text.split("\n", 1)[0]}


def _size(text: str) -> int:
    line = text.removesuffix("\n")
    if not (line.isascii() and line.isdigit() and len(line) < 20):
        raise NotCosigned(f"409 without a size: {text[:80]!r}")
    return int(line)


__all__ = ["PublishingTask", "read_published", "read_witnesses"]
