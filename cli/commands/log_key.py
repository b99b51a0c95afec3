"""log-key: change the key that signs a log's heads, with an overlap; or at once when it is stolen or lost."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Data, Json, chosen
from cli.commands.witness import Kept, kept_at
from cli.directory import DirectoryTaken, in_use
from cli.output import out, print_json
from cli.place import DEFAULT_DATA
from eventstore.note import NoteError, VerifierKey
from servicekit.log_keys import KeyFiles, prepare, read_log_keys, replace_lost, retire
from servicekit.publishing import read_published

log_key_app = typer.Typer(help="The keys that sign the logs' heads: show them, change them.", no_args_is_help=True)
Log = Annotated[str, typer.Argument(help="Whose log's key.", metavar="SERVICE")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(log_key_app, name="log-key")


@log_key_app.command("show")
def show(service: Log, data: Data = None, as_json: Json = False) -> None:
    """The key in force, the one that is to follow, and those that signed before: their public halves."""
    _, files = _of(service, data)
    keys = read_log_keys(files)
    found = {
        "log": keys.origin,
        "in_force": str(keys.vkey),
        "next": None if keys.next_vkey is None else str(keys.next_vkey),
        "former": [str(key) for key in keys.former],
        "stolen": [str(key) for key in keys.stolen],
    }
    if as_json:
        print_json(found)
        return
    out.print(f"in force  {keys.vkey}", markup=False)
    if keys.next_vkey is not None:
        out.print(f"next      {keys.next_vkey}", markup=False)
    for word, ended in (("former", keys.former), ("stolen", keys.stolen)):
        for key in ended:
            out.print(f"{word}    {key}", markup=False)


@log_key_app.command("prepare")
def prepare_it(service: Log, data: Data = None) -> None:
    """Make the key that is to follow. Once the service has started anew, both sign every head."""
    _, files = _of(service, data)
    out.print(f"next      {prepare(files)}", markup=False)


@log_key_app.command("retire")
def retire_it(
    service: Log,
    stolen: Annotated[
        bool, typer.Option("--stolen", help="At once: nobody must believe the old key any more.")
    ] = False,
    data: Data = None,
) -> None:
    """Let the next key take the old one's place, once a head signed by both is published. The service stands still."""
    kept, files = _of(service, data)
    _require_standing_still(data)
    published = read_published(kept.state_dir / service / "published")
    made = retire(files, kept.state_dir / service / "head", published, stolen=stolen)
    out.print(f"in force  {made}", markup=False)


@log_key_app.command("replace-lost")
def replace_it(
    service: Log,
    vkey: Annotated[str, typer.Argument(help="The lost key's public half: a policy or a witness has it.")],
    data: Data = None,
) -> None:
    """Begin a new key where the one in force is gone for good. The last head must be the lost key's."""
    kept, files = _of(service, data)
    _require_standing_still(data)
    try:
        lost = VerifierKey.parse(vkey)
    except NoteError as error:
        raise typer.BadParameter(str(error)) from None
    out.print(f"in force  {replace_lost(files, lost, kept.state_dir / service / 'head')}", markup=False)


def _of(service: str, data: Path | None) -> tuple[Kept, KeyFiles]:
    chosen(service)
    kept = kept_at(data)
    return kept, kept.key_files(service)


def _require_standing_still(data: Path | None) -> None:
    """A running service would go on signing with the key that it has read. In containers the operator stops it."""
    directory = data or DEFAULT_DATA
    if data is None and "CHAOYANGLI_SECRETS_DIR" in os.environ:
        return
    if in_use(directory):
        raise DirectoryTaken(f"{directory}: the services run; stop them first: they sign with the key they have read")
