"""checkpoint: the last signed heads, and giving one back to a signer whose file is lost."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import nats
import nats.errors
import typer

from cli.commands.options import Data, Json, Service, chosen
from cli.commands.witness import witnesses_of
from cli.output import out, print_json
from cli.place import Place, located
from cli.recovery.bundles import BundledLog
from cli.recovery.heads import (
    AdoptionRefused,
    from_witness,
    is_address,
    opened,
    require_cosignature,
    signer_of,
    why_not_contained,
)
from eventstore.checkpoint import Checkpoint, HeadUnreadable
from eventstore.errors import Tampered
from eventstore.note import parse_note
from eventstore.origins import check_generation, read_generation, recorded_generation, write_generation
from eventstore.stream_reader import StreamReader, StreamUnreadable
from servicekit.publishing import read_published

CHECK_FAILED = 1
checkpoint_app = typer.Typer(help="The last signed heads, and giving one back to a signer.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(checkpoint_app, name="checkpoint")


@checkpoint_app.command("show")
def show(data: Data = None, service: Service = None, as_json: Json = False) -> None:
    """Show each log's size beside its last signed head, its published head and its stream, and what is to be done.

    Ends with 1 when a log must be recovered, or its signer needs a head.
    """
    services = chosen(service)
    with located(data) as place:
        found = asyncio.run(_standing(place, services))
    if as_json:
        print_json({"ok": all(one["ok"] for one in found), "logs": found})
    else:
        for one in found:
            _tell(one)
    if not all(one["ok"] for one in found):
        raise typer.Exit(CHECK_FAILED)


@checkpoint_app.command("adopt")
def adopt(
    service: Annotated[str, typer.Argument(help="The service whose signer gets the head.")],
    from_file: Annotated[
        Path | None, typer.Option("--from-file", help="A signed head that somebody kept.", exists=True, dir_okay=False)
    ] = None,
    from_bundle: Annotated[
        Path | None, typer.Option("--from-bundle", help="An audit bundle, a directory or a ZIP of one.", exists=True)
    ] = None,
    from_witness_url: Annotated[
        str | None, typer.Option("--from-witness", help="The address of a witness.", metavar="URL")
    ] = None,
    ahead: Annotated[
        bool,
        typer.Option("--ahead", help="Take it though the log lacks its last events; `recover` has to come next."),
    ] = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Give a signer whose file is missing a head that its log's key signed, once the log is seen to contain it.

    Never goes back: a head smaller than the one in the file, or one of another history, is refused.
    """
    chosen(service)
    if sum(given is not None for given in (from_file, from_bundle, from_witness_url)) != 1:
        raise typer.BadParameter("say one of --from-file, --from-bundle, --from-witness")
    if from_witness_url is not None and not is_address(from_witness_url):
        raise typer.BadParameter(
            f"{from_witness_url!r} is no address of a witness: one begins with https:// or http://",
            param_hint="--from-witness",
        )
    witnesses = witnesses_of(data)
    with located(data) as place:
        recorded = asyncio.run(_recorded(place, service))
        signer = signer_of(place, service, recorded)
        if from_file is not None:
            text = from_file.read_bytes()
        elif from_bundle is not None:
            text = BundledLog(from_bundle, service).head
        else:
            text = from_witness(from_witness_url or "", signer.origin)
        kept = opened(signer, text, witnesses)
        if from_witness_url is not None:
            require_cosignature(kept, from_witness_url, witnesses)
        why = asyncio.run(_why_not(place, service, kept.checkpoint))
        missing = why is not None and why.endswith("are missing")
        if why is not None and not (missing and ahead):
            hint = f"; take it with --ahead, then run `chaoyangli recover {service}`" if missing else ""
            raise AdoptionRefused(f"{signer.origin}: the head was not adopted: {why}{hint}")
        signer.head_path.parent.mkdir(parents=True, exist_ok=True)
        adopted = signer.adopt(kept.text)
        if recorded != read_generation(place.state_dir, place.community, service):
            write_generation(place.state_dir, place.community, service, recorded)
    found = {
        "log": signer.origin,
        "size": adopted.size,
        "root": adopted.root.hex(),
        "cosigned": list(kept.cosigned),
        "recover": missing,
    }
    if as_json:
        print_json(found)
        return
    by = f", cosigned by {', '.join(kept.cosigned)}" if kept.cosigned else ""
    out.print(f"{signer.origin}: adopted the head of {adopted.size} events{by}", markup=False)
    if missing:
        out.print(f"  {why}: run `chaoyangli recover {service}`", markup=False)


async def _recorded(place: Place, service: str) -> int:
    """The origin that counts: by the file, or, where it was lost with the head, by the log."""
    connection = await place.connect(service)
    try:
        recorded = await recorded_generation(connection, place.community, service)
    finally:
        await connection.close()
    return max(recorded, read_generation(place.state_dir, place.community, service))


async def _why_not(place: Place, service: str, head: Checkpoint) -> str | None:
    connection = await place.connect(service)
    try:
        return await why_not_contained(connection, service, head)
    finally:
        await connection.close()


async def _standing(place: Place, services: tuple[str, ...]) -> list[dict[str, Any]]:
    client = await nats.connect(**place.nats_arguments())
    try:
        return [await _standing_of(place, service, client) for service in services]
    finally:
        await client.close()


async def _standing_of(place: Place, service: str, client: Any) -> dict[str, Any]:
    signer = signer_of(place, service)
    connection = await place.connect(service)
    try:
        size = await connection.fetchval(f"SELECT size FROM {service}.head")  # noqa: S608 - a service's name
        async with StreamReader(client, place.log_name(service), place.streams_api) as reader:
            try:
                stream: int | None = await reader.last()
            except StreamUnreadable:
                stream = None
        published = read_published(signer.head_path.with_name("published"))
        found: dict[str, Any] = {
            "log": signer.origin,
            "size": size,
            "signed": None,
            "published": Checkpoint.parse(parse_note(published).text).size if published else None,
            "stream": stream,
            "ok": False,
            "todo": "",
        }
        try:
            last = signer.last_signed()
        except HeadUnreadable as error:
            return {**found, "todo": str(error)}
        if last is None:
            todo = f"its signer has no head: run `chaoyangli checkpoint adopt {service}`" if size else ""
            return {**found, "todo": todo, "ok": not size}
        found["signed"] = last.size
        why = await why_not_contained(connection, service, last)
        if why is None:
            try:
                await check_generation(connection, place.community, service, place.log_config(service).generation)
            except Tampered as tampered:
                return {**found, "todo": str(tampered)}
        if why is None and stream is not None and stream > size:
            why = f"the log has {size} events, its stream {stream}"
        if why is not None:
            found["todo"] = f"{why}: run `chaoyangli recover {service}`"
        return {**found, "ok": why is None}
    finally:
        await connection.close()


def _tell(one: dict[str, Any]) -> None:
    named = {key: "none" if one[key] is None else one[key] for key in ("signed", "published", "stream")}
    mark = "✓" if one["ok"] else "✗"
    numbers = ", ".join(f"{key} {value}" for key, value in named.items())
    out.print(f"{one['log']}: {one['size']} events, {numbers}  {mark}", markup=False)
    if one["todo"]:
        out.print(f"  {one['todo']}", markup=False)
