"""nats rebuild: the streams made anew from the logs, and held against them."""

import asyncio
from typing import Annotated

import typer

from cli.commands.options import Data, Json, chosen
from cli.output import out, print_json, progress
from cli.place import SERVICES, located

nats_app = typer.Typer(help="The streams in NATS, which are copies of the logs.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.add_typer(nats_app, name="nats")


@nats_app.callback()
def _nats() -> None:
    """The streams in NATS, which are copies of the logs."""


@nats_app.command("rebuild")
def rebuild(
    services: Annotated[
        list[str] | None, typer.Argument(help=f"Of {', '.join(SERVICES)}; all when none is given.", show_default=False)
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Delete the streams and fill new ones from PostgreSQL, the services stopped; then compare every byte.

    The same numbers and bytes, each durable where its reader was. A stream that has more than its log is not touched.
    """
    from cli.recovery.streams import rebuild as rebuild_all  # loads the services: nothing others should wait for

    wanted = tuple(dict.fromkeys(name for given in services or SERVICES for name in chosen(given)))
    with located(data) as place, progress(not as_json) as tell:
        found = asyncio.run(rebuild_all(place, wanted, tell))
    if as_json:
        print_json({"ok": True, "services": {one.service: one.to_json() for one in found}})
        return
    for one in found:
        durables = f", durables {', '.join(one.durables)}" if one.durables else ""
        out.print(f"{one.stream:<13}{one.size} messages, identical to the log{durables}  ✓", markup=False)
