"""A person's signing key: made, kept and used on their own device; the community never has its private half."""

import base64
import os
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


class KeyUnreadable(Exception):
    """A key's file is missing, is no Ed25519 key, or its passphrase is another."""


class SigningKey:
    """An Ed25519 key (RFC 8032) in a PKCS#8 PEM file, encrypted under a passphrase where one is given."""

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public_key = base64.b64encode(raw).decode()
        self.key_id = sha256(raw).hexdigest()[:16]

    @classmethod
    def create(cls, path: Path, passphrase: str | None) -> Self:
        """Make a new key in a new file that only its owner can read. Raises KeyUnreadable when the file exists."""
        private = Ed25519PrivateKey.generate()
        encryption: KeySerializationEncryption = (
            BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        )
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise KeyUnreadable(f"{path} exists already: a key is never written over") from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(descriptor)
        return cls(private)

    @classmethod
    def load(cls, path: Path, passphrase: str | None) -> Self:
        """Read a key. Raises KeyUnreadable."""
        try:
            content = path.read_bytes()
            if b"PRIVATE KEY" not in content:
                raise KeyUnreadable(f"{path} holds no key: `chaoyangli key new FILE` makes one")
            private = load_pem_private_key(content, passphrase.encode() if passphrase else None)
        except FileNotFoundError:
            raise KeyUnreadable(f"there is no key at {path}") from None
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise KeyUnreadable(f"{path}: {error}") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyUnreadable(f"{path} is no Ed25519 key")
        return cls(private)

    @classmethod
    def from_words(cls, words: str) -> Self:
        """A key that anybody can make who knows the words: for invented people only."""
        return cls(Ed25519PrivateKey.from_private_bytes(sha256(words.encode()).digest()))

    def sign(self, text: bytes) -> str:
        """The signature over a text, base64."""
        return base64.b64encode(self._private.sign(text)).decode()
