"""NKEYs, by which NATS knows its users: the seed lies in its reader's file, the server has the public half only."""

import os
from pathlib import Path

import nkeys  # type: ignore[import-untyped]


class NotASeed(ValueError):
    """The text is no seed of a NATS user. The message does not repeat it."""


def seed_file(directory: Path, user: str) -> Path:
    """Where the seed of a NATS user lies: `nats_orders.nk`."""
    return directory / f"nats_{user}.nk"


def new_seed() -> str:
    """A new user's seed, `SU…`, 58 characters."""
    return _written(os.urandom(32))


def public_key(seed: str) -> str:
    """The public half of a seed, `U…`, 56 characters: what the server is told. Raises NotASeed."""
    try:
        kind, raw = nkeys.decode_seed(seed.encode())
        whole = kind == nkeys.PREFIX_BYTE_USER and _written(raw) == seed  # nkeys does not look at the check sum
    except nkeys.NkeysError:
        whole = False
    if not whole:
        raise NotASeed("not the seed of a NATS user")
    key: bytes = nkeys.from_seed(bytearray(seed.encode())).public_key
    return key.decode()


def _written(raw: bytes) -> str:
    seed: bytes = nkeys.encode_seed(raw, nkeys.PREFIX_BYTE_USER)
    return seed.decode()
