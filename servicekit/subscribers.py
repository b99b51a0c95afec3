"""Who outside hears which events: one JSON file a subscriber in `<secrets_dir>/subscribers/`, mode 0600.

    {"name": "city", "events": ["orders.OrderVerified", …], "feed_key_sha256": "…", "nkey": "U…", "added_at": "…Z"}

A file holds no key, only what a key is recognised by. It is read by every service's feed and by whoever makes a
subscriber's rights in NATS. Internal events are given to nobody, whatever a file says (decision 0007).
"""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contracts.event import EVENTS, Digest, Instant
from eventstore.durable import sync_directory

FEED_KEY_PREFIX = "clf_"
"""What a feed key begins with, so that whoever finds one lying about sees what it is."""
FEED_KEY_PATTERN = re.compile(r"clf_[A-Za-z0-9_\-]{43}")
NAME_PATTERN = r"^[a-z][a-z0-9-]{1,30}$"
_PATTERN = re.compile(r"\*|[a-z]+\.[A-Za-z]*\*?")


class SubscribersError(ValueError):
    """A subscriber cannot be written or read; the message says what to change, and never holds a key."""


class CannotBeGiven(SubscribersError):
    """An event that was asked for is internal or does not exist."""


class Subscriber(BaseModel):
    """One outside subscriber, as its file says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    events: tuple[Annotated[str, Field(pattern=r"^[a-z]+\.[A-Za-z]+$")], ...]
    """`<service>.<Event>`, each once, sorted."""
    feed_key_sha256: Digest | None = None
    """SHA-256 of the key that opens the HTTP feed, in hex; absent: none was given."""
    nkey: Annotated[str, Field(pattern=r"^U[A-Z2-7]{55}$")] | None = None
    """The public NKEY that NATS knows the subscriber by; absent: none was given."""
    added_at: Instant

    def types(self, service: str) -> frozenset[str]:
        """The events of `service` that may be given to this subscriber: never an internal or unknown one."""
        mine = (event.partition(".") for event in self.events)
        return frozenset(name for owner, _, name in mine if owner == service and given_out(owner, name))


@dataclass(frozen=True, slots=True)
class Expansion:
    """What patterns such as `orders.*` come to."""

    events: tuple[str, ...]
    """What may be given out, as `<service>.<Event>`, sorted."""
    withheld: tuple[str, ...]
    """Internal events that a wildcard would have named."""


def given_out(service: str, name: str) -> bool:
    """Whether this event may be given to anybody outside: it exists, and its audience is public or partner."""
    event = EVENTS.get((service, name))
    return event is not None and event.audience != "internal"


def expand(patterns: Iterable[str]) -> Expansion:
    """The events that `orders.OrderVerified`, `orders.*`, `ledger.Donation*` or `*` name.

    Raises CannotBeGiven naming an internal event, an unknown one, or a pattern that nothing given out matches.
    """
    known = {f"{service}.{name}": given_out(service, name) for service, name in EVENTS}
    found: set[str] = set()
    withheld: set[str] = set()
    asked = list(patterns)
    if not asked:
        raise CannotBeGiven("name at least one event, such as orders.OrderVerified or ledger.*")
    for pattern in asked:
        if not _PATTERN.fullmatch(pattern):
            raise CannotBeGiven(f"{pattern!r} is no event: write orders.OrderVerified, orders.* or *")
        if "*" not in pattern and pattern not in known:
            raise CannotBeGiven(f"there is no event {pattern}; contracts/CATALOGUE.md lists them all")
        if "*" not in pattern and not known[pattern]:
            raise CannotBeGiven(f"{pattern} is internal: it is given to nobody outside")
        matched = {event for event in known if fnmatchcase(event, pattern)}
        given = {event for event in matched if known[event]}
        if not given:
            raise CannotBeGiven(f"{pattern} matches nothing that is given out; contracts/CATALOGUE.md tells audiences")
        found |= given
        withheld |= matched - given
    return Expansion(tuple(sorted(found)), tuple(sorted(withheld)))


def new_feed_key() -> str:
    """A new key of 256 random bits. It is shown once: only its hash is kept."""
    return FEED_KEY_PREFIX + secrets.token_urlsafe(32)


def key_sha256(key: str) -> str:
    """What a feed key is recognised by: its SHA-256, in hex. (A random key needs no slow hash.)"""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def find(subscribers: Iterable[Subscriber], key: str) -> Subscriber | None:
    """Whose feed key this is; None: nobody's. It takes as long for every key, right or wrong."""
    digest = key_sha256(key)
    found = None
    for subscriber in subscribers:
        if hmac.compare_digest(subscriber.feed_key_sha256 or "", digest):
            found = subscriber
    return found


class Registry:
    """The directory of subscribers' files. A directory that is not there has no subscriber."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def read_all(self) -> list[Subscriber]:
        """All subscribers, by name. Raises SubscribersError naming every file that cannot be read."""
        found, problems = self.scan()
        if problems:
            raise SubscribersError("; ".join(problems))
        return found

    def scan(self) -> tuple[list[Subscriber], list[str]]:
        """All subscribers whose file is sound, by name, and what is the matter with each other file."""
        found: list[Subscriber] = []
        problems: list[str] = []
        for path in sorted(self.directory.glob("*.json")):
            try:
                found.append(self._read(path))
            except FileNotFoundError:
                continue  # removed since the directory was listed
            except SubscribersError as error:
                problems.append(str(error))
        return found, problems

    def read(self, name: str) -> Subscriber | None:
        """One subscriber; None when there is none of this name. Raises SubscribersError."""
        try:
            return self._read(self._path(name))
        except FileNotFoundError:
            return None

    def write(self, subscriber: Subscriber) -> Path:
        """Write a subscriber's file, whole or not at all, in the place of an older one. Raises OSError."""
        path = self._path(subscriber.name)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A name of its own for each writer: two who write at once leave one whole file, never a mixed one.
        temporary = path.with_name(f".{path.stem}.{secrets.token_hex(8)}")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(subscriber.model_dump_json(indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_directory(self.directory)
        return path

    def remove(self, name: str) -> bool:
        """Take a subscriber's file away; whether there was one. Raises OSError, SubscribersError."""
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        sync_directory(self.directory)
        return True

    def _path(self, name: str) -> Path:
        if not re.fullmatch(NAME_PATTERN, name) or name.endswith("\n"):
            raise SubscribersError(f"{name!r} is no subscriber's name: 2 to 31 of a–z, 0–9 and -, a letter first")
        return self.directory / f"{name}.json"

    def _read(self, path: Path) -> Subscriber:
        try:
            subscriber = Subscriber.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise
        except OSError as error:
            raise SubscribersError(f"{path}: cannot be read ({type(error).__name__})") from None
        except ValidationError as error:
            wrong = sorted({".".join(map(str, each["loc"])) or "its JSON" for each in error.errors()})
            raise SubscribersError(f"{path}: {', '.join(wrong)} is missing or malformed") from None
        if subscriber.name != path.stem:
            raise SubscribersError(f"{path}: names {subscriber.name}, not {path.stem}")
        return subscriber
