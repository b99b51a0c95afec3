"""demo: the invented community lives through its days."""

import asyncio
from typing import Annotated, get_args

import typer
import uvloop

from cli.commands.options import Data, Json
from cli.commands.running import keep_running, tell_addresses
from cli.output import err, out, print_json
from cli.place import DEFAULT_DATA
from cli.seed.community import Scale
from cli.stopping import StopSignal


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(demo)


def demo(
    data: Data = None,
    scale: Annotated[str, typer.Option("--scale", help="small: 120 orders; full: a year of 5,600.")] = "small",
    once: Annotated[bool, typer.Option("--once", help="Exit when the days are over and verified.")] = False,
    as_json: Json = False,
) -> None:
    """Start everything, load the invented community, live its days, verify every log, and keep running."""
    from cli.demo import Demo  # loads much that no other command needs

    if scale not in get_args(Scale):
        raise typer.BadParameter("--scale is small or full")
    stop = StopSignal().listen()
    chosen: Scale = "full" if scale == "full" else "small"
    living = Demo(data or DEFAULT_DATA, chosen, quiet=as_json, stop=stop)
    living.start()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(living.live())
        if as_json:
            print_json(result)
        elif not once:
            out.print()
            tell_addresses(living.stack, as_json=False)
        if not once and not stop.is_set():
            keep_running(living.stack, stop)
    finally:
        err.print("stopping")
        living.stack.stop()
    if not result["verified"]:
        raise typer.Exit(1)
