"""key: a person's own signing key, on their own device. Nothing here speaks to a server."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Json
from cli.output import err, out, print_json
from cli.signing import KeyUnreadable, SigningKey

TEXT_BYTES_MAX = 10_000
KINDS = (b"chaoyangli/signing-key/v1\n", b"chaoyangli/aid-approval/v1\n", b"chaoyangli/aid-reversal/v1\n")
"""The first lines of texts that may be signed: a key that signs anything would sign what nobody read."""

key_app = typer.Typer(help="Your own signing key: make it, show it, sign with it.", no_args_is_help=True)
KeyFile = Annotated[Path, typer.Argument(help="The key's file.", metavar="FILE")]
Passphrase = Annotated[
    str | None,
    typer.Option("--passphrase", envvar="CHAOYANGLI_KEY_PASSPHRASE", help="What the file is encrypted under."),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(key_app, name="key")


@key_app.command("new")
def new(file: KeyFile, passphrase: Passphrase = None, as_json: Json = False) -> None:
    """Make a key. Register its public half (POST /v1/signing-keys) and let somebody else confirm it."""
    try:
        made = SigningKey.create(file, passphrase)
    except KeyUnreadable as error:
        raise typer.BadParameter(str(error)) from None
    _show(made, as_json=as_json)


@key_app.command("show")
def show(file: KeyFile, passphrase: Passphrase = None, as_json: Json = False) -> None:
    """Show a key's public half and its short name."""
    _show(_load(file, passphrase), as_json=as_json)


@key_app.command("sign")
def sign(
    file: KeyFile,
    text: Annotated[Path | None, typer.Argument(help="The text to sign; absent: standard input.")] = None,
    passphrase: Passphrase = None,
    as_json: Json = False,
) -> None:
    """Sign a text of this system, byte for byte, and print the signature. Read it: it is shown as well."""
    key = _load(file, passphrase)
    content = sys.stdin.buffer.read(TEXT_BYTES_MAX + 1) if text is None else text.read_bytes()
    if len(content) > TEXT_BYTES_MAX or not content.startswith(KINDS):
        raise typer.BadParameter("this is no text that a key is asked to sign: fetch it from the service, unchanged")
    err.print(content.decode("ascii", "replace"), markup=False)
    signature = key.sign(content)
    if as_json:
        print_json({"key_id": key.key_id, "sig": signature})
    else:
        out.print(signature, markup=False)


def _load(file: Path, passphrase: str | None) -> SigningKey:
    try:
        return SigningKey.load(file, passphrase)
    except KeyUnreadable as error:
        raise typer.BadParameter(str(error)) from None


def _show(key: SigningKey, *, as_json: bool) -> None:
    if as_json:
        print_json({"key_id": key.key_id, "public_key": key.public_key})
    else:
        out.print(f"key_id      {key.key_id}\npublic_key  {key.public_key}", markup=False)
