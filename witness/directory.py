"""A witness's directory: its name and key, the logs that it knows, and the last head it cosigned of each.

`name` and `key` are made once. `logs` is a list that its keeper edits: a trust policy with `log` lines only, read again
for every request. `heads/<SHA-256 of the origin>` is the last checkpoint cosigned, as it was signed: losing it would
let the witness sign a second history, so nothing is made anew where it is missing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from eventstore.checkpoint import create_key_file, load_key_file
from eventstore.durable import LockBusy, locked, sync_directory, write_whole
from eventstore.errors import EngineError
from eventstore.note import COSIGNATURE_V1, NoteError, VerifierKey
from eventstore.trust_policy import TrustPolicy, read_trust_policy

LOCK_SECONDS = 5.0
NAME_BYTES_MAX = 255
NAME, KEY, LOGS, HEADS = "name", "key", "logs", "heads"
LOGS_BEGIN = """\
# The logs whose heads this witness cosigns: one line each, `log <vkey>`. Ask the log's keeper for the vkey, by another
# way than the log itself: `chaoyangli trust-policy` prints it there. Read again for every request.
"""


class WitnessDirectoryError(EngineError):
    """The directory is no witness's, or not whole; or one is there already where a new one was to be made."""


class WitnessDirectory:
    """What a witness keeps. Several processes may share it: they take turns, log by log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        missing = [name for name in (NAME, KEY, LOGS, HEADS) if not (path / name).exists()]
        if missing:
            raise WitnessDirectoryError(
                f"{path} is not a whole witness: {', '.join(missing)} missing. A witness that has lost its heads might"
                " sign a second history: begin a new one, with a name of its own"
            )
        self.name = (path / NAME).read_text(encoding="utf-8").strip()
        self.key: Ed25519PrivateKey = load_key_file(path / KEY)

    @classmethod
    def create(cls, path: Path, name: str) -> "WitnessDirectory":
        """Make a new witness. Raises WitnessDirectoryError where anything lies, NoteError for a name that cannot be."""
        if path.exists() and any(path.iterdir()):
            raise WitnessDirectoryError(f"{path} is not empty: a witness is made once")
        if len(name.encode("utf-8", "replace")) > NAME_BYTES_MAX:
            raise NoteError(
                f"a name of more than {NAME_BYTES_MAX} bytes: whoever asks for a signature would not read it"
            )
        VerifierKey.of(name, Ed25519PrivateKey.generate(), COSIGNATURE_V1)
        (path / HEADS).mkdir(parents=True)
        create_key_file(path / KEY)
        (path / LOGS).write_text(LOGS_BEGIN, encoding="utf-8")
        write_whole(path / NAME, f"{name}\n".encode())
        sync_directory(path)
        return cls(path)

    @property
    def verifier_key(self) -> VerifierKey:
        """The witness's public key, for those who are to believe it."""
        return VerifierKey.of(self.name, self.key, COSIGNATURE_V1)

    @property
    def known(self) -> TrustPolicy:
        """The logs as the list names them now. Raises PolicyError, naming the line."""
        return read_trust_policy((self.path / LOGS).read_text(encoding="utf-8"), quorum_needed=False)

    def trust(self, vkey: VerifierKey) -> bool:
        """Add a log to the list; False when it stands there. Raises PolicyError when the list would be off."""
        with self._turn(self.path / LOGS):
            if vkey in self.known.logs:
                return False
            text = (self.path / LOGS).read_text(encoding="utf-8")
            more = f"{text}{'' if text.endswith(chr(10)) else chr(10)}log {vkey}\n"
            read_trust_policy(more, quorum_needed=False)
            write_whole(self.path / LOGS, more.encode())
        return True

    def last(self, origin: str) -> str | None:
        """The last checkpoint cosigned of this log, as a note; None when there is none."""
        return self.last_by_hash(origin_hash(origin))

    def last_by_hash(self, hashed: str) -> str | None:
        """The same, by the hash of the origin: 64 hexadecimal digits."""
        try:
            return (self.path / HEADS / hashed).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    @contextmanager
    def turn(self, origin: str) -> Iterator["Turn"]:
        """Look at the last head and replace it, with nobody in between. Raises WitnessBusy. Blocks."""
        path = self.path / HEADS / origin_hash(origin)
        with self._turn(path):
            yield Turn(self, origin, path)

    @contextmanager
    def _turn(self, path: Path) -> Iterator[None]:
        try:
            with locked(path, LOCK_SECONDS):
                yield
        except LockBusy as busy:
            raise WitnessBusy(str(busy)) from busy


class WitnessBusy(EngineError):
    """Another process of this witness takes too long."""


class Turn:
    """While one request has the say over one log's head."""

    def __init__(self, directory: WitnessDirectory, origin: str, path: Path) -> None:
        self._directory, self._origin, self._path = directory, origin, path

    def last(self) -> str | None:
        """The last checkpoint cosigned, as a note."""
        return self._directory.last(self._origin)

    def keep(self, note: str) -> None:
        """Make `note` the last one, on disk before returning."""
        write_whole(self._path, note.encode())


def origin_hash(origin: str) -> str:
    """SHA-256 of an origin in hexadecimal: its name in paths (tlog-witness, the read side)."""
    return sha256(origin.encode()).hexdigest()
