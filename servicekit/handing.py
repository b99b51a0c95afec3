"""Which service may read which secret file, and giving each a copy of those alone: `secrets` → `handed/<reader>`.

One directory holds every secret: the operator's. A process that is broken into should hold no more than it needs, so
each gets a directory of its own, of which it may read everything and write nothing.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from servicekit.secrets import DATABASE_ROLES, ISSUER_JWKS, SUPERUSER_PASSWORD

MIGRATOR = "migrate"
"""Who makes the database's roles, and so has to know their passwords; the superuser's lies with nobody else."""
HANDED_VARIABLE = "CHAOYANGLI_HANDED_DIR"
"""Names the directory of the readers' directories where there are any: in the operator's container."""
FOR_EVERY_SERVICE = (ISSUER_JWKS, "subscribers/")
"""Files, and directories with a stroke at the end."""
_FOR_THE_READER = 0o400


def may_read(reader: str, name: str, services: Iterable[str]) -> bool:
    """Whether a service, or `migrate`, needs the secret file of this name (its path below the directory).

    `issuer.signing_key`, NATS's `admin` and whatever nobody else is named for are the operator's alone.
    """
    if reader == MIGRATOR:
        roles = {f"{service}_{role}.password" for service in services for role in DATABASE_ROLES}
        # As NATS's auditor it reads the other services' streams, to fold their copies anew.
        return name == SUPERUSER_PASSWORD or name in roles or name.startswith("nats_auditor.")
    if name == ISSUER_JWKS or any(name.startswith(one) for one in FOR_EVERY_SERVICE if one.endswith("/")):
        return True
    return name == f"{reader}_app.password" or name.startswith((f"{reader}.", f"nats_{reader}."))


def hand_out(secrets: Path, handed: Path, services: Iterable[str]) -> list[Path]:
    """Make each reader's directory what it should be: missing and changed files are written, others taken away.

    Returns the paths that were changed. What is written belongs to whom the directory belongs, who alone may read it.
    Raises OSError. Safe to run again, and to be killed: each file is whole, old or new.
    """
    known = tuple(services)
    changed: list[Path] = []
    for reader in (*known, MIGRATOR):
        home = handed / reader
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        wanted = {name for name in _files(secrets) if may_read(reader, name, known)}
        for name in sorted(wanted):
            content = (secrets / name).read_bytes()
            if not _is(home / name, content):
                _write(home / name, content, home)
                changed.append(home / name)
        for name in sorted(set(_files(home)) - wanted):
            (home / name).unlink()
            changed.append(home / name)
    return changed


def is_written(path: Path) -> bool:
    """Whether there is a file at this path below the secrets or the state, and not one that is written just now.

    Writers give theirs a name that begins with a dot or ends in `.new`; `.lock` is what they wait for one another at.
    """
    return path.is_file() and not path.name.startswith(".") and not path.name.endswith((".new", ".lock"))


def _files(directory: Path) -> Iterator[str]:
    for path in directory.rglob("*"):
        if is_written(path):
            yield path.relative_to(directory).as_posix()


def _is(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def _write(path: Path, content: bytes, home: Path) -> None:
    owner = home.stat()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FOR_THE_READER)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if os.geteuid() == 0:
            for made in (new, path.parent):
                os.chown(made, owner.st_uid, owner.st_gid)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


__all__ = ["FOR_EVERY_SERVICE", "HANDED_VARIABLE", "MIGRATOR", "hand_out", "is_written", "may_read"]
