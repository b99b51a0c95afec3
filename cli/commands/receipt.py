"""receipt, verify-receipt: a proof to take away, and its check without any server."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Data, Json
from cli.output import out, print_json
from cli.place import SERVICES, Place, located
from cli.story import NothingFound
from eventstore.checkpoint import Checkpoint
from eventstore.note import parse_note
from eventstore.proofs import prove_inclusion
from eventstore.tlog_proof import Proven, ReceiptInvalid, TlogProof, make_receipt
from eventstore.trust_policy import PolicyError, read_trust_policy
from servicekit.publishing import read_published

CHECK_FAILED = 1


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(name="receipt")(_receipt)
    app.command(name="verify-receipt")(_verify_receipt)


def _receipt(
    service: Annotated[str, typer.Argument(help=f"Whose event: {', '.join(SERVICES)}.")],
    position: Annotated[int, typer.Argument(help="The event's position.", min=1)],
    directory: Annotated[Path, typer.Option("--to", help="Where the two files go.")] = Path(),
    data: Data = None,
) -> None:
    """Write an event's exact bytes and the proof that it is in the published head (C2SP tlog-proof)."""
    if service not in SERVICES:
        raise typer.BadParameter(f"there is no service {service!r}: {', '.join(SERVICES)}")
    with located(data) as place:
        entry, receipt = asyncio.run(_made(place, service, position))
    directory.mkdir(parents=True, exist_ok=True)
    name = directory / f"{service}-{position}"
    name.with_suffix(".entry").write_bytes(entry)
    name.with_suffix(".tlog-proof").write_text(str(receipt), encoding="utf-8")
    out.print(f"{name}.entry\n{name}.tlog-proof", markup=False)


async def _made(place: Place, service: str, position: int) -> tuple[bytes, TlogProof]:
    note = read_published(place.head_directory / service / "published")
    if note is None:
        raise NothingFound(f"{service} has published no head yet: it does so once a minute while it runs")
    size = Checkpoint.parse(parse_note(note).text).size
    if position > size:
        raise NothingFound(f"the published head of {service} has {size} events; wait a minute for the next one")
    connection = await place.connect(service)
    try:
        statement = f"SELECT body FROM {service}.events WHERE position = $1"  # noqa: S608 - one of four names
        entry = await connection.fetchval(statement, position)
        if entry is None:
            raise NothingFound(f"{service} has no event {position}, though it published {size}")
        return entry, make_receipt(position, await prove_inclusion(connection, service, position, size), note)
    finally:
        await connection.close()


def _verify_receipt(
    receipt: Annotated[Path, typer.Argument(help="The .tlog-proof file.", exists=True, dir_okay=False)],
    entry: Annotated[Path, typer.Argument(help="The entry's exact bytes.", exists=True, dir_okay=False)],
    policy: Annotated[
        Path, typer.Argument(help="Whom you trust: what `trust-policy` printed.", exists=True, dir_okay=False)
    ],
    as_json: Json = False,
) -> None:
    """Check a receipt offline: the entry is in the log, and enough witnesses have seen that log. Ends with 1 if not."""
    try:
        trusted = read_trust_policy(policy.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, PolicyError) as error:
        raise typer.BadParameter(f"{policy}: {error}") from None
    try:
        proven = TlogProof.parse(receipt.read_text(encoding="utf-8")).check(entry.read_bytes(), trusted)
    except (UnicodeDecodeError, ReceiptInvalid) as error:
        if as_json:
            print_json({"ok": False, "why": str(error)})
        else:
            out.print(f"✗ {error}", markup=False)
        raise typer.Exit(CHECK_FAILED) from None
    _tell(proven, as_json=as_json)


def _tell(proven: Proven, *, as_json: bool) -> None:
    signed = [key.name for key in proven.cosigned]
    if as_json:
        head = {"origin": proven.head.origin, "size": proven.head.size, "root": proven.head.root.hex()}
        print_json({"ok": True, "position": proven.position, "head": head, "witnesses": signed})
        return
    out.print(f"✓ event {proven.position} of {proven.head.origin}, in its head of {proven.head.size}", markup=False)
    out.print(f"  witnesses: {', '.join(signed) or '尚无外部见证 · none'}", markup=False)
