"""doctor: what is well here, what is not, and what to do next."""

import asyncio
from typing import Annotated

import typer

from cli.commands.options import Data, Json
from cli.doctor.findings import EXIT_CODES, IN_CHINESE, Finding, worst
from cli.doctor.machine import DISK_FREE_PERCENT
from cli.doctor.rounds import examine
from cli.output import out, print_json
from cli.place import located

STYLES = {"ok": "green", "warn": "yellow", "bad": "bold red"}


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(doctor)


def doctor(
    data: Data = None,
    disk_free: Annotated[
        float, typer.Option("--disk-free", help="Percent of a disk that must be free.", min=0, max=100)
    ] = DISK_FREE_PERCENT,
    as_json: Json = False,
) -> None:
    """Examine machine, servers, rights, streams, heads, witnesses, secrets and backup; changes nothing.

    Ends with 0 when all is well (好), 1 when something should not stay so (注意), 2 when something is broken (坏).
    """
    with located(data) as place:
        found = asyncio.run(examine(place, disk_free))
    state = worst(found)
    if as_json:
        print_json({"state": state, "findings": [finding.document() for finding in found]})
    else:
        for finding in found:
            _tell(finding)
    raise typer.Exit(EXIT_CODES[state])


def _tell(finding: Finding) -> None:
    word = f"{IN_CHINESE[finding.state]} {finding.state}"
    pad = " " * (11 - len(word) - len(IN_CHINESE[finding.state]))
    out.print(f"{word}{pad}{finding.check:<13} {finding.said}", markup=False, style=STYLES[finding.state])
    if finding.next_step:
        out.print(f"{'':<25}→ {finding.next_step}", markup=False)
