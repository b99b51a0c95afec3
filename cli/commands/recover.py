"""recover: a log that is behind its signed head or its stream gets its missing tail back."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.options import Data, Json, chosen
from cli.output import out, print_json, progress
from cli.place import SERVICES, located
from cli.recovery.sources import Bundle, Database, Source

GONE = (
    "what lay beside these events is gone with the database: personal data (names show as unknown), dead letters that",
    "were passed, and answers kept for repeated requests (a client that repeats one of them now has it done twice)",
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
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Put a log's missing events back, byte for byte, from a bundle, another database or the stream.

    Every event and the root are held against the last signed head first; nothing is written when one check fails.
    """
    from cli.recovery.recovering import recover as recover_all  # loads the services: nothing others should wait for

    wanted = tuple(dict.fromkeys(name for given in services or SERVICES for name in chosen(given)))
    sources: list[Source] = []
    if from_bundle is not None:
        sources.append(Bundle(from_bundle))
    if from_database is not None:
        sources.append(Database(from_database))
    with located(data) as place, progress(not as_json) as tell:
        found = asyncio.run(recover_all(place, wanted, sources, tell))
    if as_json:
        print_json({"ok": True, "lost": list(GONE), "services": {one.service: one.to_json() for one in found}})
        return
    for one in found:
        if one.after == one.before:
            what = f"{one.after} events, none missing"
        else:
            what = f"events {one.before + 1} to {one.after} put back from {' and '.join(one.sources)}"
        rebuilt = ", read models rebuilt" if one.rebuilt else ""
        out.print(f"{one.service:<11}{what}, {one.signed} signed{rebuilt}  ✓", markup=False)
        for source, position in one.heard.items():
            out.print(f"  {source} counts as heard to {position}: later events are heard again", markup=False)
    if any(one.after > one.before for one in found):
        for line in GONE:
            out.print(f"  {line}", markup=False)
