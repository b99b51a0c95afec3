"""A place whose services do not run: held for as long as a restore lasts, its servers started where they are ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.backup.heads import give_secrets
from cli.directory import Mode, StackError, made_for
from cli.output import err
from cli.place import DEFAULT_DATA, Place, from_environment, located, place_of
from cli.stack import Stack


@contextmanager
def stopped(data: Path | None, mode: Mode, keys: Path | None) -> Iterator[Place]:
    """The place, with PostgreSQL and NATS up and nothing migrated. `mode`: what a new directory is made for.

    `keys`: a copy of the keys, out of which secret files are given back that are missing.
    Where CHAOYANGLI_* variables describe it, whoever runs its services has stopped them. Raises StackError,
    DirectoryTaken, SecretMissing.
    """
    if data is None and "CHAOYANGLI_SECRETS_DIR" in os.environ:
        with located(data) as place:
            _give(keys, place.secrets_dir)
            yield place
        return
    directory = data or DEFAULT_DATA
    if made_for(directory) is None and keys is None:
        raise StackError(
            f"{directory}: nothing was started here; a new place needs a copy of the keys: --keys DIRECTORY"
        )
    stack = Stack(directory, mode=made_for(directory) or mode)
    stack.claim()
    try:
        _give(keys, stack.secrets_dir)
        stack.start_servers(lambda step: err.print(f"… {step}"))
        yield place_of(stack.data, stack.servers.postgres.port, stack.servers.nats.url, {})
    finally:
        stack.stop()


def _give(keys: Path | None, secrets_dir: Path) -> None:
    given = [] if keys is None else give_secrets(keys, secrets_dir)
    if given:
        err.print(f"… secret files put back: {', '.join(given)}")


def without_servers(data: Path | None) -> Place:
    """The same place for what lies in files alone. Raises StackError where variables are incomplete."""
    if data is None and "CHAOYANGLI_SECRETS_DIR" in os.environ:
        return from_environment()
    return place_of((data or DEFAULT_DATA).resolve(), 0, "", {})
