# ruff: noqa: A005 - never imported as a bare `secrets`
"""Secret files: made once by `init`, 0600, never overwritten, never printed, read with a clear error."""

import base64
import binascii
import json
import os
import secrets as random
from collections.abc import Iterable
from pathlib import Path

from eventstore.checkpoint import create_key_file
from servicekit.nats_keys import NotASeed, new_seed, public_key, seed_file
from servicekit.tokens import jwks, load_issuer_key, new_issuer_key

DATABASE_ROLES = ("app", "migrator", "auditor")
ISSUER_KEY = "issuer.signing_key"
ISSUER_JWKS = "issuer.jwks"
NATS_USERS = ("admin", "auditor")
"""The users of NATS beside the services: for an operator's emergencies, and for whoever only reads."""
SUPERUSER_PASSWORD = "postgres.password"  # noqa: S105 - a file's name
KEY_BYTES = 32


class SecretMissing(Exception):
    """A secret file is not there, empty or malformed; the message names the file, never its contents."""


def init_secrets(directory: Path, services: Iterable[str]) -> list[Path]:
    """Make every secret file that is missing, and the issuer's public key set; return the ones made.

    Safe to run again: what exists is left as it is. A service process needs only its own files and `issuer.jwks`;
    `issuer.signing_key` belongs to whoever signs tokens, `postgres.password` to the migrator. The passwords that NATS's
    users had before they had keys are taken away.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    made: list[Path] = []
    passwords = [SUPERUSER_PASSWORD]
    users = [*NATS_USERS]
    keys: list[str] = []
    signing_keys: list[str] = []
    for service in services:
        passwords += [f"{service}_{role}.password" for role in DATABASE_ROLES]
        users.append(service)
        keys += [f"{service}.kek", f"{service}.hmac"]
        signing_keys.append(f"{service}.signing_key")
    for name in passwords:
        _make(directory / name, random.token_urlsafe(32), made)
    for name in keys:
        _make(directory / name, base64.b64encode(random.token_bytes(KEY_BYTES)).decode(), made)
    for user in users:
        _make(seed_file(directory, user), new_seed(), made)
        (directory / f"nats_{user}.password").unlink(missing_ok=True)
    for name in signing_keys:
        if not (directory / name).exists():
            create_key_file(directory / name)
            made.append(directory / name)
    _make(directory / ISSUER_KEY, json.dumps(new_issuer_key().as_dict(private=True)), made)
    issuer = load_issuer_key(directory / ISSUER_KEY)
    _make(directory / ISSUER_JWKS, json.dumps(jwks(issuer), indent=2), made, mode=0o644)
    return made


def read_text_secret(path: Path) -> str:
    """Read a password file; the final newline does not count. Raises SecretMissing."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SecretMissing(f"{path}: no readable secret ({type(error).__name__}); `init` makes it") from None
    if not text:
        raise SecretMissing(f"{path}: the secret file is empty")
    return text


def read_nats_seed(directory: Path, user: str) -> str:
    """The seed of a NATS user. Raises SecretMissing."""
    path = seed_file(directory, user)
    seed = read_text_secret(path)
    try:
        public_key(seed)
    except NotASeed as error:
        raise SecretMissing(f"{path}: {error}") from None
    return seed


def read_bytes_secret(path: Path) -> bytes:
    """Read a 32-byte key written in base64. Raises SecretMissing."""
    try:
        key = base64.b64decode(read_text_secret(path), validate=True)
    except (binascii.Error, ValueError):
        raise SecretMissing(f"{path}: not base64") from None
    if len(key) != KEY_BYTES:
        raise SecretMissing(f"{path}: a key has {KEY_BYTES} bytes, this one {len(key)}")
    return key


def _make(path: Path, content: str, made: list[Path], mode: int = 0o600) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content + "\n")
        file.flush()
        os.fsync(file.fileno())
    made.append(path)
