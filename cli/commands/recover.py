"""recover: a log that is behind its signed head or its stream gets its missing tail back."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from cli.commands.options import Data, Json, chosen
from cli.output import out, print_json, progress
from cli.place import SERVICES, located
from cli.recovery.sources import Bundle, Database, Source

if TYPE_CHECKING:
    from cli.recovery.recovering import Recovered

GONE = (
    "what lay beside these events is gone with the database: personal data (names show as unknown), dead letters that",
    "were passed, and answers kept for repeated requests (a client that repeats one of them now has it done twice)",
)

THEN = (
    "start the services; each fills a new stream. Tell witnesses, auditors and subscribers: `chaoyangli trust-policy`",
    "names the new logs, and LossAccepted in them what was lost",
)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(recover)


def recover(
    services: Annotated[
        list[str] | None, typer.Argument(help=f"Of {', '.join(SERVICES)}; all when none is given.", show_default=False)
    ] = None,
    from_bundle: Annotated[
        Path | None, typer.Option("--from-bundle", help="An audit bundle, a directory or a ZIP of one.", exists=True)
    ] = None,
    from_database: Annotated[
        str | None,
        typer.Option("--from-database", help="Another database, as a PostgreSQL URI: recovered from a WAL archive."),
    ] = None,
    accept_loss: Annotated[
        list[str] | None,
        typer.Option(
            "--accept-loss",
            help="What this log lacks is nowhere any more: it goes on under a new origin. For ever. May be repeated.",
        ),
    ] = None,
    accepted_by: Annotated[
        UUID | None, typer.Option("--accepted-by", help="Who accepts the loss: a person's id. With --accept-loss.")
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put a log's missing events back, byte for byte, from a bundle, another database or the stream.

    Every event and the root are held against the last signed head first; nothing is written when one check fails.
    """
    from cli.recovery.recovering import Accepted  # loads the services: nothing others should wait for
    from cli.recovery.recovering import recover as recover_all

    losing = tuple(dict.fromkeys(name for given in accept_loss or () for name in chosen(given)))
    if bool(losing) != (accepted_by is not None):
        raise typer.BadParameter("--accept-loss and --accepted-by go together: somebody answers for the loss by name")
    if losing and services:
        raise typer.BadParameter(
            "a loss concerns all logs: leave the services out, name those that lost with the option"
        )
    accepted = Accepted(losing, accepted_by) if accepted_by is not None else None
    wanted = tuple(dict.fromkeys(name for given in services or SERVICES for name in chosen(given)))
    sources: list[Source] = []
    if from_bundle is not None:
        sources.append(Bundle(from_bundle))
    if from_database is not None:
        sources.append(Database(from_database))
    with located(data) as place, progress(not as_json) as tell:
        found = asyncio.run(recover_all(place, wanted, sources, tell, accepted))
    if as_json:
        print_json({"ok": True, "lost": list(GONE), "services": {one.service: one.to_json() for one in found}})
        return
    for one in found:
        _tell(one)
    if any(one.after > one.before for one in found):
        for line in GONE:
            out.print(f"  {line}", markup=False)
    if losing:
        for line in THEN:
            out.print(f"  {line}", markup=False)


def _tell(one: "Recovered") -> None:
    if one.after == one.before:
        what = f"{one.after} events, none missing"
    elif one.sources:
        last = one.lost[0] - 1 if one.lost else one.after
        what = f"events {one.before + 1} to {last} put back from {' and '.join(one.sources)}"
    else:
        what = f"{one.before} events left"
    if one.lost is not None:
        what += f", {one.lost[0]} to {one.lost[1]} LOST: it goes on as {one.origin}"
    rebuilt = ", read models rebuilt" if one.rebuilt else ""
    out.print(f"{one.service:<11}{what}, {one.signed} signed{rebuilt}  ✓", markup=False)
    for each in one.forgotten:
        letters = f", {each.letters} of its dead letters deleted" if each.letters else ""
        out.print(
            f"  {each.listener} had heard it to {each.before}: heard again from the loss on{letters}", markup=False
        )
    for source, position in one.heard.items():
        out.print(f"  {source} counts as heard to {position}: later events are heard again", markup=False)
    for orphan in one.orphans:
        out.print(f"  {one.service}/{orphan.position} {orphan.type} stands, what caused it is lost", markup=False)
    for durable in one.durables:
        out.print(f"  the subscriber {durable} must subscribe anew, to the new stream", markup=False)
