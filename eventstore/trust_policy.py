"""Trust policies: which logs and witnesses somebody knows, and how many witnesses are enough (C2SP tlog-policy).

A policy is a text that people read: `log`, `witness`, `group` and one `quorum` line, comments after `#`. Unlike the
specification it is UTF-8 only, and a log may have several keys, one line each, while its key is being changed.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from eventstore.note import COSIGNATURE_V1, ED25519, NoteError, VerifierKey

NONE = "none"
"""The quorum that asks for no witness."""
LINES_MAX = 1_000
_BLANK = re.compile(r"[ \t]+")


class PolicyError(ValueError):
    """A trust policy is malformed; the message names the line."""


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness by the name it has in this policy. `url` is its submission prefix (tlog-witness), for who asks it."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Counts as one that signed when `threshold` of its members did. Members are names of witnesses and groups."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TrustPolicy:
    """A policy read from a text. `quorum` names a witness or a group, or is `none`."""

    logs: tuple[VerifierKey, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    def log_keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """The keys of the log with this origin, none when it is unknown."""
        return tuple(key for key in self.logs if key.name == origin)

    def satisfied(self, signed: Collection[VerifierKey]) -> bool:
        """Whether cosignatures by these keys are enough."""
        if self.quorum == NONE:
            return True
        named = {witness.name for witness in self.witnesses if witness.key in signed}
        return self._counts(self.quorum, named)

    def _counts(self, name: str, signed: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in signed
        return sum(self._counts(member, signed) for member in group.members) >= group.threshold


class _Reader:
    def __init__(self) -> None:
        self.logs: list[VerifierKey] = []
        self.witnesses: list[Witness] = []
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._members: set[str] = set()

    def line(self, word: str, items: list[str]) -> None:
        match word:
            case "log" if len(items) in {1, 2}:
                self._log(VerifierKey.parse(items[0]))
            case "witness" if len(items) in {2, 3}:
                self._witness(Witness(items[0], VerifierKey.parse(items[1]), *items[2:]))
            case "group" if len(items) > 2:
                self._group(items[0], items[1], tuple(items[2:]))
            case "quorum" if len(items) == 1:
                self._quorum(items[0])
            case "log" | "witness" | "group" | "quorum":
                raise PolicyError(f"{word}: {len(items)} items are too few or too many")
            case _:
                raise PolicyError(f"{word[:40]!r} is none of log, witness, group, quorum")

    def _log(self, key: VerifierKey) -> None:
        if key.algorithm != ED25519:
            raise PolicyError(f"{key.name}: not the key of a log, type 0x{key.algorithm:02x}")
        if any(key.public_key == other.public_key for other in self.logs):
            raise PolicyError(f"{key.name}: another log line has this key")
        self.logs.append(key)

    def _witness(self, witness: Witness) -> None:
        self._new_name(witness.name)
        if witness.key.algorithm != COSIGNATURE_V1:
            raise PolicyError(f"{witness.name}: not the key of a witness, type 0x{witness.key.algorithm:02x}")
        if any(witness.key.public_key == other.key.public_key for other in self.witnesses):
            raise PolicyError(f"{witness.name}: another witness line has this key")
        if witness.url is not None and not witness.url.startswith(("http://", "https://")):
            raise PolicyError(f"{witness.name}: not an address: {witness.url[:80]!r}")
        self.witnesses.append(witness)

    def _group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        self._new_name(name)
        for member in members:
            self._known(member)
            if member in self._members:
                raise PolicyError(f"{member}: a name is a member once at most")
            self._members.add(member)
        counts = {"any": 1, "all": len(members)}
        if threshold not in counts and not re.fullmatch(r"[1-9][0-9]{0,2}", threshold):
            raise PolicyError(f"group {name}: {threshold[:40]!r} is neither any, all nor a number")
        needed = counts.get(threshold) or int(threshold)
        if needed > len(members):
            raise PolicyError(f"group {name}: {needed} of {len(members)} cannot be")
        self.groups[name] = Group(name, needed, members)

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise PolicyError("a second quorum line")
        if name != NONE:
            self._known(name)
        self.quorum = name

    def _new_name(self, name: str) -> None:
        if name == NONE or name in self._names():
            raise PolicyError(f"{name}: this name is taken")

    def _known(self, name: str) -> None:
        if name not in self._names():
            raise PolicyError(f"{name}: no witness or group of this name stands above")

    def _names(self) -> Iterator[str]:
        yield from (witness.name for witness in self.witnesses)
        yield from self.groups


def read_trust_policy(text: str, *, quorum_needed: bool = True) -> TrustPolicy:
    """Read a policy. Without `quorum_needed` its line may be missing, as in a witness's list of logs.

    Raises PolicyError, naming the line.
    """
    reader = _Reader()
    lines = text.split("\n")
    if len(lines) > LINES_MAX:
        raise PolicyError(f"{len(lines)} lines, at most {LINES_MAX} are read")
    for number, line in enumerate(lines, 1):
        if any(character < " " and character != "\t" for character in line):
            raise PolicyError(f"line {number}: a control character")
        items = [item for item in _BLANK.split(line) if item]
        if not items or items[0].startswith("#"):
            continue
        try:
            reader.line(items[0], items[1:])
        except (PolicyError, NoteError) as error:
            raise PolicyError(f"line {number}: {error}") from error
    if reader.quorum is None and quorum_needed:
        raise PolicyError("no quorum line; `quorum none` asks for no witness")
    return TrustPolicy(tuple(reader.logs), tuple(reader.witnesses), reader.groups, reader.quorum or NONE)
